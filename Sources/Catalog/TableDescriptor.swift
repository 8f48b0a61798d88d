import Basics
import SQLValues

/// What a table is at one version: everything a gateway or storage node needs to read and write it.
public struct TableDescriptor: Hashable, Sendable {
  public var id: TableID
  public var databaseID: DatabaseID
  public var namespaceID: NamespaceID
  public var name: String
  public var version: TableVersion
  public var state: TableState
  /// In the order of creation; columns of every state except absent ones.
  public var columns: [ColumnDescriptor]
  /// `indexes[0]` is the primary index, always public.
  public var indexes: [IndexDescriptor]
  /// In the order of creation.
  public var constraints: [ConstraintDescriptor]
  public var nextColumnID: ColumnID
  public var nextIndexID: IndexID
  public var nextConstraintID: ConstraintID
  /// The oldest version whose writes may still commit (Architecture.md, "One order"). Raised by entries, never lowered.
  public var commitFloor: TableVersion
  /// nil: a table or a view.
  public var sequence: SequenceDescriptor?
  /// nil: a table or a sequence.
  public var view: ViewDescriptor?
  /// nil: no type.
  public var enumeration: EnumDescriptor?
  /// Foreign keys to this table, of every state, in the order of their creation.
  public var referencedBy: [ForeignKeyReference] = []
  /// `COMMENT ON`.
  public var comment: String?

  public init(
    id: TableID, databaseID: DatabaseID, namespaceID: NamespaceID = .public, name: String, version: TableVersion,
    state: TableState = .public, columns: [ColumnDescriptor], indexes: [IndexDescriptor],
    constraints: [ConstraintDescriptor] = [], nextColumnID: ColumnID, nextIndexID: IndexID,
    nextConstraintID: ConstraintID = ConstraintID(1), commitFloor: TableVersion
  ) {
    self.id = id
    self.databaseID = databaseID
    self.namespaceID = namespaceID
    self.name = name
    self.version = version
    self.state = state
    self.columns = columns
    self.indexes = indexes
    self.constraints = constraints
    self.nextColumnID = nextColumnID
    self.nextIndexID = nextIndexID
    self.nextConstraintID = nextConstraintID
    self.commitFloor = commitFloor
  }

  public var primaryIndex: IndexDescriptor { indexes[0] }
  public var publicColumns: [ColumnDescriptor] { columns.filter { $0.state == .public && !$0.isHidden } }
  public var readableIndexes: [IndexDescriptor] { indexes.filter { $0.state.isReadable } }
  public func column(_ id: ColumnID) -> ColumnDescriptor? { columns.first { $0.id == id } }
  public func index(_ id: IndexID) -> IndexDescriptor? { indexes.first { $0.id == id } }
  /// The index whose key the entries of `index` end with, where their own does not name the row.
  public func rows(of index: IndexDescriptor) -> IndexDescriptor {
    index.replaces == nil ? primaryIndex : indexes.first { $0.replaces == primaryIndex.id } ?? primaryIndex
  }
  /// What people know an index by: one on its way to replace another has no name of its own yet.
  public func displayName(of index: IndexDescriptor) -> String {
    index.name.isEmpty ? index.replaces.flatMap { self.index($0)?.name } ?? "" : index.name
  }
  /// What people know a constraint by: one on its way to give another its rule has no name of its own.
  public func displayName(of constraint: ConstraintDescriptor) -> String {
    constraint.replaces.flatMap { self.constraint($0)?.name } ?? constraint.name
  }
  /// Of the rows' own columns those that decide about an index's entries.
  public func columns(readBy index: IndexDescriptor) -> Set<ColumnID> {
    var read = index.columns
    for computed in computedColumns(of: index) {
      read.remove(computed.id)
      read.formUnion(computed.conversion?.columns ?? [])
    }
    return read
  }
  /// What an index on expressions is an index of.
  public func computedColumns(of index: IndexDescriptor) -> [ColumnDescriptor] {
    index.keyColumns.compactMap { column($0.columnID) }.filter(\.isComputed)
  }
  /// Unique for all rows by its columns alone: what PostgreSQL also shows as a constraint.
  public func isConstraint(_ index: IndexDescriptor) -> Bool {
    index.isUnique && index.predicate == nil && computedColumns(of: index).isEmpty
  }
  public func constraint(_ id: ConstraintID) -> ConstraintDescriptor? { constraints.first { $0.id == id } }
  /// Generated columns whose values follow from any of these.
  public func columns(generatedFrom read: Set<ColumnID>) -> [ColumnDescriptor] {
    columns.filter { column in column.generation?.columns.contains(where: read.contains) ?? false }
  }
}

public enum TableState: UInt8, Hashable, Sendable {
  case `public` = 0
  /// Its name is free; transactions pinned to older versions may still commit.
  case dropping = 1
}

/// The states of an element (SchemaChange.md), in the order an element passes them when it is added.
public enum ElementState: UInt8, Hashable, Sendable, CaseIterable {
  case absent = 0
  case deleteOnly = 1
  case writeOnly = 2
  /// Writes as `writeOnly`; existing rows are being worked through.
  case backfilling = 3
  case validating = 4
  case `public` = 5

  public var isReadable: Bool { self == .public }
  /// Inserts and updates maintain the element.
  public var isWritable: Bool { self.rawValue >= Self.writeOnly.rawValue }
  /// Deletes (and the removing half of updates) maintain the element.
  public var isDeletable: Bool { self != .absent }
}

public struct ColumnDescriptor: Hashable, Sendable {
  public var id: ColumnID
  public var name: String
  public var type: SQLType
  public var isNullable: Bool
  public var state: ElementState
  /// Not shown by `SELECT *` nor nameable: the row id of a table without primary key.
  public var isHidden: Bool
  /// Encoded expression (module SQLExpressions), evaluated for inserts that do not name the column; nil means NULL.
  public var defaultExpression: [UInt8]?
  /// The default as SQL text, for people.
  public var defaultText: String?
  /// What rows written before the column existed read.
  public var missingValue: Datum
  /// On its way to replace another column: its value follows from the rest of the row, and only replacing indexes
  /// (`IndexDescriptor.replaces`) hold it. Of a hidden column: what an index on an expression has in its key, for good.
  public var conversion: RowExpression?
  /// Those that `defaultExpression` takes values from, ascending.
  public var sequences: [TableID]
  /// nil: not `GENERATED … AS IDENTITY`.
  public var identity: IdentityKind?
  /// `GENERATED ALWAYS AS (…) STORED`: computed and stored with every write, whatever is given. Reads columns that are not
  /// generated. nil: the value is given.
  public var generation: RowExpression?
  /// On its way in with a value for each row there is. From *write-only* to *backfilling* whoever writes a row that has none yet
  /// gives it one. Never of a public column.
  public var isFilled = false
  public var comment: String?

  /// The expression of an index: comes, changes its state and goes with it. Its name is the expression as it was written.
  public var isComputed: Bool { isHidden && conversion != nil }

  public init(
    id: ColumnID, name: String, type: SQLType, isNullable: Bool = true, state: ElementState = .public,
    isHidden: Bool = false, defaultExpression: [UInt8]? = nil, defaultText: String? = nil, missingValue: Datum = .null,
    conversion: RowExpression? = nil, sequences: [TableID] = [], identity: IdentityKind? = nil
  ) {
    self.id = id
    self.name = name
    self.type = type
    self.isNullable = isNullable
    self.state = state
    self.isHidden = isHidden
    self.defaultExpression = defaultExpression
    self.defaultText = defaultText
    self.missingValue = missingValue
    self.conversion = conversion
    self.sequences = sequences
    self.identity = identity
  }
}

extension ColumnDescriptor {
  /// Dropped, and maintained until the retention time has passed, so that it can be brought back with its values.
  public var isRetained: Bool { name.isEmpty && state == .writeOnly && conversion == nil && !isHidden }
}

public struct IndexDescriptor: Hashable, Sendable {
  public var id: IndexID
  public var name: String
  public var isUnique: Bool
  public var state: ElementState
  public var keyColumns: [IndexKeyColumn]
  /// Columns kept in the entry beside the key (`INCLUDE`).
  public var storedColumns: [ColumnID]
  /// Where its entries are; assigned when the index is created.
  public var rangeID: RangeID
  /// Nameless and on its way to take this one's place in one step, together with all others that replace one. What replaces the
  /// primary index stores whole rows, and is what the entries of the others lead to.
  public var replaces: IndexID?
  /// Of type boolean. Only rows for which it is true have entries; nil: all rows.
  public var predicate: RowExpression?
  /// Maintained, and enforced if it is unique, but queries are planned as if it were not there.
  public var isInvisible: Bool
  public var comment: String?
  /// Of the constraint that it is, which PostgreSQL comments on apart.
  public var constraintComment: String?

  public init(
    id: IndexID, name: String, isUnique: Bool, state: ElementState = .public, keyColumns: [IndexKeyColumn],
    storedColumns: [ColumnID] = [], rangeID: RangeID, replaces: IndexID? = nil, predicate: RowExpression? = nil,
    isInvisible: Bool = false
  ) {
    self.id = id
    self.name = name
    self.isUnique = isUnique
    self.state = state
    self.keyColumns = keyColumns
    self.storedColumns = storedColumns
    self.rangeID = rangeID
    self.replaces = replaces
    self.predicate = predicate
    self.isInvisible = isInvisible
  }

  /// Of the row's columns those that decide about its entry.
  public var columns: Set<ColumnID> {
    Set(keyColumns.map(\.columnID) + storedColumns + (predicate?.columns ?? []))
  }
}

public struct IndexKeyColumn: Hashable, Sendable {
  public var columnID: ColumnID
  public var isDescending: Bool

  public init(columnID: ColumnID, isDescending: Bool = false) {
    self.columnID = columnID
    self.isDescending = isDescending
  }
}
