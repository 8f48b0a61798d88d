import Basics
import Catalog
import SQLExpressions
import SQLValues

/// The layout of a full row: every column of the descriptor, of whatever state, in the descriptor's order. Position = index
/// in `table.columns`. What is not in the stored row reads as the column's missing value.
public enum RowLayout {
  public static func columnIDs(_ table: TableDescriptor) -> [ColumnID] { table.columns.map(\.id) }
}

/// A table whose rows are locked or changed, with what is needed to look at a row again after waiting for its lock.
public struct ModifiedTable: Hashable, Sendable {
  public var table: TableDescriptor
  /// The statement's condition over the full row; nil is true. Conditions with subqueries are not part of it.
  public var recheck: Expression?

  public init(table: TableDescriptor, recheck: Expression?) {
    self.table = table
    self.recheck = recheck
  }
}

public struct InsertPlan: Hashable, Sendable {
  public var table: TableDescriptor
  /// The columns that the source's rows give, in their order: every column that is maintained by inserts (public and
  /// write-only), defaults included, except the hidden row id, which the executor makes.
  public var columns: [ColumnID]
  /// Values have the columns' types already; lengths and NOT NULL are checked by the executor.
  public var source: QueryPlan
  public var conflict: ConflictHandling
  /// Over the full row (`RowLayout`).
  public var returning: [Expression]?

  /// That foreign keys tie to the change, ascending by id.
  public var foreignKeyTables: [TableDescriptor]

  public init(
    table: TableDescriptor, columns: [ColumnID], source: QueryPlan, conflict: ConflictHandling,
    returning: [Expression]?, foreignKeyTables: [TableDescriptor] = []
  ) {
    self.table = table
    self.columns = columns
    self.source = source
    self.conflict = conflict
    self.returning = returning
    self.foreignKeyTables = foreignKeyTables
  }
}

public enum ConflictHandling: Hashable, Sendable {
  /// 23505.
  case fail
  /// Rows that conflict in any of these unique indexes (the primary index among them) are left out; a conflict elsewhere fails.
  case skip(indexes: [IndexID])
}

public struct UpdatePlan: Hashable, Sendable {
  public var target: ModifiedTable
  /// Yields full rows (`RowLayout`).
  public var source: QueryPlan
  /// Over the full old row; of the columns' types.
  public var assignments: [ColumnAssignment]
  /// Over the full new row.
  public var returning: [Expression]?

  /// That foreign keys tie to the change, ascending by id.
  public var foreignKeyTables: [TableDescriptor]

  public init(
    target: ModifiedTable, source: QueryPlan, assignments: [ColumnAssignment], returning: [Expression]?,
    foreignKeyTables: [TableDescriptor] = []
  ) {
    self.target = target
    self.source = source
    self.assignments = assignments
    self.returning = returning
    self.foreignKeyTables = foreignKeyTables
  }
}

public struct ColumnAssignment: Hashable, Sendable {
  public var column: ColumnID
  public var value: Expression

  public init(column: ColumnID, value: Expression) {
    self.column = column
    self.value = value
  }
}

public struct DeletePlan: Hashable, Sendable {
  public var target: ModifiedTable
  /// Yields full rows (`RowLayout`).
  public var source: QueryPlan
  /// Over the full old row.
  public var returning: [Expression]?

  /// That foreign keys tie to the change, ascending by id.
  public var foreignKeyTables: [TableDescriptor]

  public init(
    target: ModifiedTable, source: QueryPlan, returning: [Expression]?, foreignKeyTables: [TableDescriptor] = []
  ) {
    self.target = target
    self.source = source
    self.returning = returning
    self.foreignKeyTables = foreignKeyTables
  }
}
