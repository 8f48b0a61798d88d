import Basics

/// What every row of a table has to satisfy, beyond types and unique indexes. From `writeOnly` on whatever is written is
/// checked; `public` says that every row holds it.
public struct ConstraintDescriptor: Hashable, Sendable {
  public var id: ConstraintID
  /// Unique within the table; empty for a NOT NULL, which has no name of its own.
  public var name: String
  public var state: ElementState
  public var rule: ConstraintRule
  /// Nameless and on its way to give this one its rule: the same condition over columns of other types.
  public var replaces: ConstraintID?
  public var comment: String?

  public init(
    id: ConstraintID, name: String, state: ElementState, rule: ConstraintRule, replaces: ConstraintID? = nil
  ) {
    self.id = id
    self.name = name
    self.state = state
    self.rule = rule
    self.replaces = replaces
  }
}

public enum ConstraintRule: Hashable, Sendable {
  /// A NOT NULL on its way in or out. A column whose every row is known to have a value says so itself
  /// (`ColumnDescriptor.isNullable`).
  case notNull(ColumnID)
  /// Of type boolean. Violated by a row for which it is false (NULL is no violation).
  case check(RowExpression)
  case foreignKey(ForeignKeyRule)

  /// What it reads, of its own table.
  public var columns: [ColumnID] {
    switch self {
    case .notNull(let column): [column]
    case .check(let check): check.columns
    case .foreignKey(let key): key.columns
    }
  }
}
