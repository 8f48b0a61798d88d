/// An expression as written, before names and types are resolved.
public struct ExpressionSyntax: Hashable, Sendable {
  public var kind: ExpressionKind
  /// Character of the query string, counted from 1, where PostgreSQL would point for an error in this node.
  public var position: Int?

  public init(_ kind: ExpressionKind, at position: Int? = nil) {
    self.kind = kind
    self.position = position
  }
}

public indirect enum ExpressionKind: Hashable, Sendable {
  case null
  case boolean(Bool)
  /// A literal that fits int4.
  case integer(Int32)
  /// Any other number literal, as written.
  case number(String)
  /// A quoted literal: of unknown type until its context names one.
  case string(String)
  /// `$n`, counted from 1.
  case parameter(Int)
  /// `column`, `table.column` or `schema.table.column`.
  case column([String])
  /// `*` or `table.*` as a select target.
  case star(qualifier: [String])
  case unary(operator: String, ExpressionSyntax)
  case binary(operator: String, ExpressionSyntax, ExpressionSyntax)
  case and([ExpressionSyntax])
  case or([ExpressionSyntax])
  case not(ExpressionSyntax)
  case isNull(ExpressionSyntax, negated: Bool)
  case isTruth(ExpressionSyntax, TruthValue, negated: Bool)
  case isDistinct(ExpressionSyntax, ExpressionSyntax, negated: Bool)
  case between(ExpressionSyntax, low: ExpressionSyntax, high: ExpressionSyntax, negated: Bool, symmetric: Bool)
  case inList(ExpressionSyntax, [ExpressionSyntax], negated: Bool)
  case like(ExpressionSyntax, pattern: ExpressionSyntax, escape: ExpressionSyntax?, ignoringCase: Bool, negated: Bool)
  /// `left op ANY (array)` or `left op ALL (array)`.
  case quantifiedArray(ExpressionSyntax, operator: String, Quantifier, array: ExpressionSyntax)
  case function(FunctionCallSyntax)
  case keywordFunction(KeywordFunction)
  case cast(ExpressionSyntax, TypeNameSyntax)
  case `case`(operand: ExpressionSyntax?, branches: [CaseBranch], otherwise: ExpressionSyntax?)
  case coalesce([ExpressionSyntax])
  case greatest([ExpressionSyntax])
  case least([ExpressionSyntax])
  case nullIf(ExpressionSyntax, ExpressionSyntax)
  case row([ExpressionSyntax])
  case array([ExpressionSyntax])
  /// `ARRAY(SELECT …)`.
  case arraySubquery(SelectStatement)
  /// `array[index]`.
  case element(ExpressionSyntax, index: ExpressionSyntax)
  case scalarSubquery(SelectStatement)
  case exists(SelectStatement)
  case quantifiedSubquery(ExpressionSyntax, operator: String, Quantifier, SelectStatement)
  /// `DEFAULT` in `VALUES` of an insert or in `SET`.
  case defaultValue
}

public enum TruthValue: Hashable, Sendable { case `true`, `false`, unknown }
public enum Quantifier: Hashable, Sendable { case any, all }

/// Functions that SQL spells without parentheses.
public enum KeywordFunction: String, Hashable, Sendable {
  case currentDate = "current_date"
  case currentTimestamp = "current_timestamp"
  case localTimestamp = "localtimestamp"
  case currentUser = "current_user"
  case sessionUser = "session_user"
  case currentCatalog = "current_catalog"
  case currentSchema = "current_schema"
}

public struct CaseBranch: Hashable, Sendable {
  public var condition: ExpressionSyntax
  public var result: ExpressionSyntax

  public init(condition: ExpressionSyntax, result: ExpressionSyntax) {
    self.condition = condition
    self.result = result
  }
}

public struct FunctionCallSyntax: Hashable, Sendable {
  /// With its schema, if one was written: `pg_catalog.version`.
  public var name: [String]
  public var arguments: [ExpressionSyntax]
  /// `count(*)`.
  public var isStar: Bool
  public var isDistinct: Bool
  public var filter: ExpressionSyntax?
  /// `ORDER BY` within an aggregate.
  public var order: [SortKeySyntax]
  /// `WITH ORDINALITY`, in `FROM`.
  public var hasOrdinality = false

  public init(
    name: [String], arguments: [ExpressionSyntax], isStar: Bool = false, isDistinct: Bool = false,
    filter: ExpressionSyntax? = nil, order: [SortKeySyntax] = []
  ) {
    self.order = order
    self.name = name
    self.arguments = arguments
    self.isStar = isStar
    self.isDistinct = isDistinct
    self.filter = filter
  }
}

/// A type as written: `numeric(10,2)`, `pg_catalog.int4`.
public struct TypeNameSyntax: Hashable, Sendable {
  public var names: [String]
  public var modifiers: [Int]
  public var isArray: Bool
  public var position: Int?

  public init(names: [String], modifiers: [Int] = [], isArray: Bool = false, at position: Int? = nil) {
    self.names = names
    self.modifiers = modifiers
    self.isArray = isArray
    self.position = position
  }
}
