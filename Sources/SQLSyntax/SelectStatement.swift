/// `SELECT`, `VALUES` or a set operation, with what applies to its whole result.
public struct SelectStatement: Hashable, Sendable {
  public var body: SelectBody
  public var commonTableExpressions: [CommonTableExpression]
  public var orderBy: [SortKeySyntax]
  public var limit: ExpressionSyntax?
  public var offset: ExpressionSyntax?
  public var locking: RowLocking?

  public init(
    body: SelectBody, commonTableExpressions: [CommonTableExpression] = [], orderBy: [SortKeySyntax] = [],
    limit: ExpressionSyntax? = nil, offset: ExpressionSyntax? = nil, locking: RowLocking? = nil
  ) {
    self.body = body
    self.commonTableExpressions = commonTableExpressions
    self.orderBy = orderBy
    self.limit = limit
    self.offset = offset
    self.locking = locking
  }
}

public indirect enum SelectBody: Hashable, Sendable {
  case select(SelectCore)
  case values([[ExpressionSyntax]])
  case union(SelectStatement, SelectStatement, all: Bool)
}

public struct SelectCore: Hashable, Sendable {
  public var isDistinct: Bool
  public var targets: [SelectTarget]
  /// Joined as a cross product, as written.
  public var from: [TableReference]
  public var filter: ExpressionSyntax?
  public var groupBy: [ExpressionSyntax]
  public var having: ExpressionSyntax?

  public init(
    isDistinct: Bool = false, targets: [SelectTarget], from: [TableReference] = [], filter: ExpressionSyntax? = nil,
    groupBy: [ExpressionSyntax] = [], having: ExpressionSyntax? = nil
  ) {
    self.isDistinct = isDistinct
    self.targets = targets
    self.from = from
    self.filter = filter
    self.groupBy = groupBy
    self.having = having
  }
}

/// One item of a select list or of `RETURNING`.
public struct SelectTarget: Hashable, Sendable {
  public var expression: ExpressionSyntax
  public var alias: String?

  public init(_ expression: ExpressionSyntax, alias: String? = nil) {
    self.expression = expression
    self.alias = alias
  }
}

public struct CommonTableExpression: Hashable, Sendable {
  public var name: String
  public var columnNames: [String]
  public var query: SelectStatement
  public var position: Int?
  /// In `WITH RECURSIVE`: it may name itself.
  public var isRecursive = false

  public init(name: String, columnNames: [String], query: SelectStatement, at position: Int? = nil) {
    self.name = name
    self.columnNames = columnNames
    self.query = query
    self.position = position
  }
}

public struct SortKeySyntax: Hashable, Sendable {
  public var expression: ExpressionSyntax
  public var isDescending: Bool
  /// nil: PostgreSQL's default, nulls after everything ascending and before everything descending.
  public var nullsFirst: Bool?

  public init(_ expression: ExpressionSyntax, isDescending: Bool = false, nullsFirst: Bool? = nil) {
    self.expression = expression
    self.isDescending = isDescending
    self.nullsFirst = nullsFirst
  }
}

/// `FOR UPDATE` and its weaker forms.
public struct RowLocking: Hashable, Sendable {
  public enum Strength: Hashable, Sendable { case share, update }
  public enum Waiting: Hashable, Sendable { case block, skipLocked, noWait }
  public var strength: Strength
  public var waiting: Waiting
  /// Names of the relations to lock; empty means all.
  public var relations: [String]

  public init(strength: Strength, waiting: Waiting, relations: [String]) {
    self.strength = strength
    self.waiting = waiting
    self.relations = relations
  }
}

public indirect enum TableReference: Hashable, Sendable {
  case table(RelationNameSyntax, alias: TableAlias?)
  case subquery(SelectStatement, alias: TableAlias?, isLateral: Bool)
  case function(FunctionCallSyntax, alias: TableAlias?, position: Int?)
  case join(JoinSyntax)
  /// In a stored query (`StoredQuery`): the relation at a place in the list of what a view reads.
  /// - hasOwnName: the alias was written; else it is the name that the relation had then.
  case dependency(Int, alias: TableAlias, hasOwnName: Bool)
}

/// `[schema.]name` with where it stands.
public struct RelationNameSyntax: Hashable, Sendable, CustomStringConvertible {
  public var schema: String?
  public var name: String
  public var position: Int?

  public init(schema: String? = nil, name: String, at position: Int? = nil) {
    self.schema = schema
    self.name = name
    self.position = position
  }

  public var description: String { schema.map { "\($0).\(name)" } ?? name }
}

public struct TableAlias: Hashable, Sendable {
  public var name: String
  public var columnNames: [String]

  public init(name: String, columnNames: [String] = []) {
    self.name = name
    self.columnNames = columnNames
  }
}

public struct JoinSyntax: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case inner, left, right, full }
  public enum Condition: Hashable, Sendable {
    case cross
    case on(ExpressionSyntax)
    case using([String])
    case natural
  }
  public var kind: Kind
  public var left: TableReference
  public var right: TableReference
  public var condition: Condition

  public init(kind: Kind, left: TableReference, right: TableReference, condition: Condition) {
    self.kind = kind
    self.left = left
    self.right = right
    self.condition = condition
  }
}
