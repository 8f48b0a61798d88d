import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Reads one index of a table, and if that does not hold all that is wanted, the primary index beside it.
///
/// Order of the rows: that of the index, reversed if `isReverse`; several ranges come in the order of their keys.
public struct ScanPlan: Hashable, Sendable {
  public var table: TableDescriptor
  public var indexID: IndexID
  /// Key intervals whose union is read; they may overlap or coincide, each entry comes once. Empty: no rows.
  public var ranges: [KeyRange]
  public var isReverse: Bool
  /// What is decoded from an entry; the positions in `filter` and `output` count these.
  public var columns: [ColumnID]
  public var filter: Expression?
  /// Positions in `columns` of the values yielded.
  public var output: [Int]
  /// If set, an entry that passes `filter` only leads to the row in the primary index (`columns` then holds all primary key
  /// columns), and `lookup` says what is read, filtered and yielded there; `output` is not used.
  public var lookup: PrimaryLookup?
  /// No more than so many rows are wanted. Evaluated once; NULL means no limit.
  public var limit: Expression?

  public init(
    table: TableDescriptor, indexID: IndexID, ranges: [KeyRange] = [KeyRange()], isReverse: Bool = false,
    columns: [ColumnID], filter: Expression? = nil, output: [Int], lookup: PrimaryLookup? = nil,
    limit: Expression? = nil
  ) {
    self.table = table
    self.indexID = indexID
    self.ranges = ranges
    self.isReverse = isReverse
    self.columns = columns
    self.filter = filter
    self.output = output
    self.lookup = lookup
    self.limit = limit
  }

  /// The index read first. Plans are made from the descriptor they carry, so it is there.
  public var index: IndexDescriptor { table.index(indexID) ?? table.primaryIndex }

  /// Every range names exactly one entry of a unique index: a get (or several) instead of a scan.
  public var isPointLookup: Bool {
    let index = index
    return (index.isUnique || index.id == table.primaryIndex.id)
      && ranges.allSatisfy { $0.equal.count == index.keyColumns.count }
  }

  public var columnTypes: [SQLType] {
    let ids = lookup.map { lookup in lookup.output.map { lookup.columns[$0] } } ?? output.map { columns[$0] }
    return ids.map { table.column($0)?.type ?? .unknown }
  }
}

public struct PrimaryLookup: Hashable, Sendable {
  public var columns: [ColumnID]
  /// Over `columns`.
  public var filter: Expression?
  /// Positions in `columns`.
  public var output: [Int]

  public init(columns: [ColumnID], filter: Expression? = nil, output: [Int]) {
    self.columns = columns
    self.filter = filter
    self.output = output
  }
}

/// An interval of index keys: equal values for the first key columns, then bounds for the next one.
///
/// The expressions read no columns (in a lookup join: the left row) and have the types of the key columns, or types whose
/// values are encoded alike. If any of them is NULL the interval is empty. A key column with a bound never is NULL: the
/// side without bound ends where the NULLs are. Without any bound NULLs belong to it.
public struct KeyRange: Hashable, Sendable {
  public var equal: [Expression]
  /// In the order of values, not of keys: for a descending key column the lower bound is the end of the key interval.
  public var lower: KeyBound?
  public var upper: KeyBound?

  public init(equal: [Expression] = [], lower: KeyBound? = nil, upper: KeyBound? = nil) {
    self.equal = equal
    self.lower = lower
    self.upper = upper
  }

  public var isUnbounded: Bool { equal.isEmpty && lower == nil && upper == nil }
}

public struct KeyBound: Hashable, Sendable {
  public var value: Expression
  public var isInclusive: Bool

  public init(_ value: Expression, isInclusive: Bool) {
    self.value = value
    self.isInclusive = isInclusive
  }
}
