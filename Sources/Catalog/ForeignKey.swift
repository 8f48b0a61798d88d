import Basics

/// `FOREIGN KEY (…) REFERENCES …`, `MATCH SIMPLE`: a row without NULL in `columns` has a row in the referenced table with the
/// same values in `referencedColumns`, which a public unique index (or the primary one) is about.
///
/// It belongs to the table that refers, as a constraint. The referenced table names it in `TableDescriptor.referencedBy`, so
/// that its version steps with every step of the foreign key: who removes rows there has to look for rows here.
public struct ForeignKeyRule: Hashable, Sendable {
  public var columns: [ColumnID]
  public var referencedTable: TableID
  /// One for each of `columns`, in their order.
  public var referencedColumns: [ColumnID]
  public var onDelete: ReferentialAction
  public var onUpdate: ReferentialAction

  public init(
    columns: [ColumnID], referencedTable: TableID, referencedColumns: [ColumnID],
    onDelete: ReferentialAction = .noAction, onUpdate: ReferentialAction = .noAction
  ) {
    self.columns = columns
    self.referencedTable = referencedTable
    self.referencedColumns = referencedColumns
    self.onDelete = onDelete
    self.onUpdate = onUpdate
  }
}

/// What becomes of the rows that refer to one that goes, or gets another key.
public enum ReferentialAction: UInt8, Hashable, Sendable, CaseIterable {
  /// 23503, unless the key is there again at the end of the statement.
  case noAction = 0
  /// 23503.
  case restrict = 1
  case cascade = 2
  case setNull = 3
  case setDefault = 4

  /// Whether rows that refer are changed instead of protected.
  public var changesRows: Bool { self != .noAction && self != .restrict }

  /// As SQL has it.
  public var text: String {
    switch self {
    case .noAction: "NO ACTION"
    case .restrict: "RESTRICT"
    case .cascade: "CASCADE"
    case .setNull: "SET NULL"
    case .setDefault: "SET DEFAULT"
    }
  }
}

/// A foreign key of a table, as the table that it refers to knows it.
public struct ForeignKeyReference: Hashable, Sendable {
  public var table: TableID
  public var constraint: ConstraintID

  public init(table: TableID, constraint: ConstraintID) {
    self.table = table
    self.constraint = constraint
  }
}

extension ConstraintDescriptor {
  public var isForeignKey: Bool { if case .foreignKey = rule { true } else { false } }
}

extension TableDescriptor {
  /// The foreign keys that writers keep to.
  public var enforcedForeignKeys: [(constraint: ConstraintDescriptor, rule: ForeignKeyRule)] {
    constraints.compactMap { constraint in
      guard constraint.state.isWritable, case .foreignKey(let rule) = constraint.rule else { return nil }
      return (constraint, rule)
    }
  }

  /// The unique index about exactly these columns, in whatever order, through which foreign keys find and hold rows. The
  /// first one in the order of the descriptor, so that all who use the same version of the table hold the same key.
  public func uniqueIndex(on columns: [ColumnID]) -> IndexDescriptor? {
    let wanted = Set(columns)
    guard wanted.count == columns.count else { return nil }
    return indexes.first { index in
      index.state.isReadable && (isConstraint(index) || index.id == primaryIndex.id)
        && index.keyColumns.count == wanted.count && index.keyColumns.allSatisfy { wanted.contains($0.columnID) }
    }
  }
}

extension ForeignKeyRule {
  func encode(into writer: inout ByteWriter) {
    for column in columns { writer.field(1, column) }
    writer.field(2, referencedTable)
    for column in referencedColumns { writer.field(3, column) }
    writer.field(4, UInt64(onDelete.rawValue))
    writer.field(5, UInt64(onUpdate.rawValue))
  }

  init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    self.init(columns: [], referencedTable: TableID(0), referencedColumns: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: columns.append(try field.identifier())
      case 2: referencedTable = try field.identifier()
      case 3: referencedColumns.append(try field.identifier())
      case 4: onDelete = try ReferentialAction(decoding: field)
      case 5: onUpdate = try ReferentialAction(decoding: field)
      default: break
      }
    }
    guard !columns.isEmpty, columns.count == referencedColumns.count else {
      throw reader.failure("a foreign key of \(columns.count) columns to \(referencedColumns.count)")
    }
  }
}

extension ReferentialAction {
  public init(decoding field: TaggedField) throws(MalformedBytes) {
    guard let raw = UInt8(exactly: try field.integer()), let action = ReferentialAction(rawValue: raw) else {
      throw MalformedBytes("unknown referential action in field \(field.number)")
    }
    self = action
  }
}

extension ForeignKeyReference {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, table)
    writer.field(2, constraint)
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    self.init(table: TableID(0), constraint: ConstraintID(0))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: table = try field.identifier()
      case 2: constraint = try field.identifier()
      default: break
      }
    }
  }
}
