import Basics
import SQLValues

// Tagged records (ByteWriter): a reader skips fields it does not know, so neighbouring releases understand each other.

extension TableDescriptor {
  public func encode(into writer: inout ByteWriter) { encode(into: &writer, withLabels: false) }

  private func encode(into writer: inout ByteWriter, withLabels: Bool) {
    writer.field(1, id)
    writer.field(2, databaseID)
    writer.field(4, name)
    writer.field(5, version)
    writer.field(6, UInt64(state.rawValue))
    for column in columns { writer.field(7) { column.encode(into: &$0, withLabels: withLabels) } }
    for index in indexes { writer.field(8) { index.encode(into: &$0) } }
    writer.field(9, nextColumnID)
    writer.field(10, nextIndexID)
    writer.field(11, commitFloor)
    for constraint in constraints { writer.field(12) { constraint.encode(into: &$0) } }
    writer.field(13, nextConstraintID)
    if let sequence { writer.field(20) { sequence.encode(into: &$0) } }
    for reference in referencedBy { writer.field(30) { reference.encode(into: &$0) } }
    if namespaceID != .public { writer.field(40, namespaceID) }
    if let comment { writer.field(41, comment) }
    if let view { writer.field(90) { view.encode(into: &$0) } }
    if let enumeration { writer.field(100) { enumeration.encode(into: &$0) } }
  }

  public func encoded() -> [UInt8] { encoded(withLabels: false) }

  /// For those who have no catalog and show rows to people: with the labels of enumerated types.
  public func encodedWithLabels() -> [UInt8] { encoded(withLabels: true) }

  private func encoded(withLabels: Bool) -> [UInt8] {
    var writer = ByteWriter(capacity: 64 + 48 * (columns.count + indexes.count))
    encode(into: &writer, withLabels: withLabels)
    return writer.bytes
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var table = TableDescriptor(
      id: TableID(0), databaseID: .defaultDatabase, name: "", version: .none, columns: [], indexes: [],
      nextColumnID: ColumnID(0), nextIndexID: IndexID(0), commitFloor: .none)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: table.id = try field.identifier()
      case 2: table.databaseID = try field.identifier()
      case 4: table.name = try field.string()
      case 5: table.version = try field.identifier()
      case 6:
        guard let raw = UInt8(exactly: try field.integer()), let state = TableState(rawValue: raw) else {
          throw reader.failure("unknown table state")
        }
        table.state = state
      case 7: table.columns.append(try ColumnDescriptor(decoding: try field.slice()))
      case 8: table.indexes.append(try IndexDescriptor(decoding: try field.slice()))
      case 9: table.nextColumnID = try field.identifier()
      case 10: table.nextIndexID = try field.identifier()
      case 11: table.commitFloor = try field.identifier()
      case 12: table.constraints.append(try ConstraintDescriptor(decoding: try field.slice()))
      case 13: table.nextConstraintID = try field.identifier()
      case 20: table.sequence = try SequenceDescriptor(decoding: try field.slice())
      case 30: table.referencedBy.append(try ForeignKeyReference(decoding: try field.slice()))
      case 40: table.namespaceID = try field.identifier()
      case 41: table.comment = try field.string()
      case 90: table.view = try ViewDescriptor(decoding: try field.slice())
      case 100: table.enumeration = try EnumDescriptor(decoding: try field.slice())
      default: break
      }
    }
    guard table.id.rawValue != 0, !table.indexes.isEmpty else { throw reader.failure("incomplete table descriptor") }
    self = table
  }
}

extension ColumnDescriptor {
  public func encode(into writer: inout ByteWriter) { encode(into: &writer, withLabels: false) }

  func encode(into writer: inout ByteWriter, withLabels: Bool) {
    writer.field(1, id)
    writer.field(2, name)
    writer.field(3) { if withLabels { type.encodeWithLabels(into: &$0) } else { type.encode(into: &$0) } }
    writer.field(4, isNullable)
    writer.field(5, UInt64(state.rawValue))
    writer.field(6, isHidden)
    if let defaultExpression { writer.field(7, defaultExpression) }
    if let defaultText { writer.field(8, defaultText) }
    if !missingValue.isNull { writer.field(9) { missingValue.encode(into: &$0) } }
    if let conversion { writer.field(10) { conversion.encode(into: &$0) } }
    for sequence in sequences { writer.field(20, sequence) }
    if let identity { writer.field(21, UInt64(identity.rawValue)) }
    if let generation { writer.field(40) { generation.encode(into: &$0) } }
    if isFilled { writer.field(41, true) }
    if let comment { writer.field(42, comment) }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var column = ColumnDescriptor(id: ColumnID(0), name: "", type: .unknown)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: column.id = try field.identifier()
      case 2: column.name = try field.string()
      case 3:
        var nested = try field.reader()
        column.type = try SQLType.decode(from: &nested)
      case 4: column.isNullable = try field.boolean()
      case 5: column.state = try ElementState(decoding: field)
      case 6: column.isHidden = try field.boolean()
      case 7: column.defaultExpression = try field.bytes()
      case 8: column.defaultText = try field.string()
      case 9:
        var nested = try field.reader()
        column.missingValue = try Datum.decode(from: &nested)
      case 10: column.conversion = try RowExpression(decoding: try field.slice())
      case 20: column.sequences.append(try field.identifier())
      case 21:
        guard let raw = UInt8(exactly: try field.integer()), let kind = IdentityKind(rawValue: raw) else {
          throw reader.failure("unknown kind of identity")
        }
        column.identity = kind
      case 40: column.generation = try RowExpression(decoding: try field.slice())
      case 41: column.isFilled = try field.boolean()
      case 42: column.comment = try field.string()
      default: break
      }
    }
    self = column
  }
}

extension IndexDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, name)
    writer.field(3, isUnique)
    writer.field(4, UInt64(state.rawValue))
    for key in keyColumns {
      writer.field(5) {
        $0.field(1, key.columnID)
        if key.isDescending { $0.field(2, true) }
      }
    }
    for stored in storedColumns { writer.field(6, stored) }
    writer.field(7, rangeID)
    if let replaces { writer.field(8, replaces) }
    if let predicate { writer.field(9) { predicate.encode(into: &$0) } }
    if isInvisible { writer.field(10, true) }
    if let comment { writer.field(41, comment) }
    if let constraintComment { writer.field(42, constraintComment) }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var index = IndexDescriptor(id: IndexID(0), name: "", isUnique: false, keyColumns: [], rangeID: RangeID(0))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: index.id = try field.identifier()
      case 2: index.name = try field.string()
      case 3: index.isUnique = try field.boolean()
      case 4: index.state = try ElementState(decoding: field)
      case 5:
        var nested = try field.reader()
        var key = IndexKeyColumn(columnID: ColumnID(0))
        while let part = try nested.nextField() {
          switch part.number {
          case 1: key.columnID = try part.identifier()
          case 2: key.isDescending = try part.boolean()
          default: break
          }
        }
        index.keyColumns.append(key)
      case 6: index.storedColumns.append(try field.identifier())
      case 7: index.rangeID = try field.identifier()
      case 8: index.replaces = try field.identifier()
      case 9: index.predicate = try RowExpression(decoding: try field.slice())
      case 10: index.isInvisible = try field.boolean()
      case 41: index.comment = try field.string()
      case 42: index.constraintComment = try field.string()
      default: break
      }
    }
    self = index
  }
}

extension ConstraintDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, name)
    writer.field(3, UInt64(state.rawValue))
    switch rule {
    case .notNull(let column): writer.field(4, column)
    case .check(let check): writer.field(5) { check.encode(into: &$0) }
    case .foreignKey(let key): writer.field(30) { key.encode(into: &$0) }
    }
    if let comment { writer.field(41, comment) }
    if let replaces { writer.field(70, replaces) }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    var id = ConstraintID(0)
    var name = ""
    var state = ElementState.absent
    var rule: ConstraintRule?
    var replaces: ConstraintID?
    var comment: String?
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: name = try field.string()
      case 3: state = try ElementState(decoding: field)
      case 4: rule = .notNull(try field.identifier())
      case 5: rule = .check(try RowExpression(decoding: try field.slice()))
      case 30: rule = .foreignKey(try ForeignKeyRule(decoding: try field.slice()))
      case 41: comment = try field.string()
      case 70: replaces = try field.identifier()
      default: break
      }
    }
    guard let rule else { throw reader.failure("a constraint without a rule") }
    self.init(id: id, name: name, state: state, rule: rule, replaces: replaces)
    self.comment = comment
  }
}

extension ElementState {
  init(decoding field: TaggedField) throws(MalformedBytes) {
    guard let raw = UInt8(exactly: try field.integer()), let state = ElementState(rawValue: raw) else {
      throw MalformedBytes("unknown element state in field \(field.number)")
    }
    self = state
  }
}
