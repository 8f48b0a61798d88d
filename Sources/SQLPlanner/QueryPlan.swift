import Basics
import SQLExpressions
import SQLValues

/// How to compute rows: a tree of operators as plain values, independent of the text it came from.
///
/// Every operator yields rows of `columnTypes.count` values; the expressions of an operator name positions in its input
/// row (for joins: left row followed by right row). Parameters name slots: first the client's (`$1` is slot 0), then those
/// that `StatementPlan.preliminaryQueries` and `ApplyPlan.outerValues` fill.
public indirect enum QueryPlan: Hashable, Sendable {
  case scan(ScanPlan)
  /// Rows of expressions that read no column; `FROM`-less selects are one row of zero columns.
  case values(ValuesPlan)
  case series(SeriesPlan)
  case filter(QueryPlan, condition: Expression)
  case project(QueryPlan, [Expression])
  case hashJoin(HashJoinPlan)
  case nestedLoopJoin(NestedLoopJoinPlan)
  case lookupJoin(LookupJoinPlan)
  case apply(ApplyPlan)
  case setProjection(SetProjectionPlan)
  case aggregate(AggregatePlan)
  case sort(SortPlan)
  case limit(QueryPlan, count: Expression?, offset: Expression?)
  /// Rows that are equal in all columns once; NULL equals NULL. The first of equals stays where it is.
  case distinct(QueryPlan)
  /// The rows of all inputs, in order; their types agree.
  case append([QueryPlan])
  case lockRows(LockRowsPlan)
}

extension QueryPlan {
  /// The types of the values in each row it yields.
  public var columnTypes: [SQLType] {
    switch self {
    case .scan(let scan): scan.columnTypes
    case .values(let values): values.types
    case .series(let series): [series.type]
    case .filter(let input, _), .limit(let input, _, _), .distinct(let input): input.columnTypes
    case .project(_, let expressions): expressions.map(\.type)
    case .hashJoin(let join): join.kind.columnTypes(join.left, join.right.columnTypes)
    case .nestedLoopJoin(let join): join.kind.columnTypes(join.left, join.right.columnTypes)
    case .lookupJoin(let join): join.kind.columnTypes(join.left, join.right.columnTypes)
    case .apply(let apply): apply.input.columnTypes + [apply.type]
    case .setProjection(let sets):
      sets.input.columnTypes + sets.calls.map(\.function.type) + (sets.hasOrdinality ? [.int8] : [])
    case .aggregate(let aggregate): aggregate.groupBy.map(\.type) + aggregate.calls.map(\.type)
    case .sort(let sort): sort.input.columnTypes
    case .append(let inputs): inputs.first?.columnTypes ?? []
    case .lockRows(let lock): lock.input.columnTypes
    }
  }
}

public struct ValuesPlan: Hashable, Sendable {
  public var rows: [[Expression]]
  public var types: [SQLType]

  public init(rows: [[Expression]], types: [SQLType]) {
    self.rows = rows
    self.types = types
  }
}

/// `generate_series(first, last, step)` of int4, int8 or numeric, or of timestamps with an interval step.
/// No rows if any argument is NULL; 22023 if the step is zero.
public struct SeriesPlan: Hashable, Sendable {
  public var first: Expression
  public var last: Expression
  public var step: Expression
  public var type: SQLType

  public init(first: Expression, last: Expression, step: Expression, type: SQLType) {
    self.first = first
    self.last = last
    self.step = step
    self.type = type
  }
}

public enum JoinKind: Hashable, Sendable {
  case inner
  /// Left rows without a partner come once, with NULLs.
  case left
  /// Left rows that have a partner, once each; only the left columns.
  case semi
  /// Left rows that have no partner; only the left columns.
  case anti

  func columnTypes(_ left: QueryPlan, _ right: [SQLType]) -> [SQLType] {
    switch self {
    case .inner, .left: left.columnTypes + right
    case .semi, .anti: left.columnTypes
    }
  }
}

/// Equality of keys, with the right side in a hash table. A NULL key has no partner.
public struct HashJoinPlan: Hashable, Sendable {
  public var kind: JoinKind
  public var left: QueryPlan
  public var right: QueryPlan
  /// Over the left row, and over the right row; of pairwise comparable types, never empty.
  public var leftKeys: [Expression]
  public var rightKeys: [Expression]
  /// What else partners must satisfy, over left row followed by right row.
  public var condition: Expression?
  /// `NOT IN`: with kind `anti` and one key, a left row with a NULL key comes only if the right side is empty, and none
  /// comes if the right side has a NULL key.
  public var isNullAware: Bool

  public init(
    kind: JoinKind, left: QueryPlan, right: QueryPlan, leftKeys: [Expression], rightKeys: [Expression],
    condition: Expression? = nil, isNullAware: Bool = false
  ) {
    self.kind = kind
    self.left = left
    self.right = right
    self.leftKeys = leftKeys
    self.rightKeys = rightKeys
    self.condition = condition
    self.isNullAware = isNullAware
  }
}

/// Every left row with every right row; the right side is computed once and kept.
public struct NestedLoopJoinPlan: Hashable, Sendable {
  public var kind: JoinKind
  public var left: QueryPlan
  public var right: QueryPlan
  /// Over left row followed by right row; nil is true.
  public var condition: Expression?

  public init(kind: JoinKind, left: QueryPlan, right: QueryPlan, condition: Expression? = nil) {
    self.kind = kind
    self.left = left
    self.right = right
    self.condition = condition
  }
}

/// For each left row (better: batch of left rows) an index access whose key values are expressions over the left row.
public struct LookupJoinPlan: Hashable, Sendable {
  public var kind: JoinKind
  public var left: QueryPlan
  /// The expressions of its `ranges` read the left row; its filters read its own columns as always.
  public var right: ScanPlan
  /// What else partners must satisfy, over left row followed by right row.
  public var condition: Expression?

  public init(kind: JoinKind, left: QueryPlan, right: ScanPlan, condition: Expression? = nil) {
    self.kind = kind
    self.left = left
    self.right = right
    self.condition = condition
  }
}

/// A subquery computed for each input row that it depends on (once for all if `outerValues` is empty): yields the input row
/// with one more column.
public struct ApplyPlan: Hashable, Sendable {
  public enum Result: Hashable, Sendable {
    /// The one value of the one row, NULL without a row; 21000 `more than one row returned by a subquery used as an
    /// expression` otherwise.
    case scalar
    case exists
    /// `operand op ANY (subquery)`, three-valued; `operand` is over the input row.
    case any(ComparisonOperator, operand: Expression)
    case all(ComparisonOperator, operand: Expression)
  }
  public var input: QueryPlan
  public var subquery: QueryPlan
  public var result: Result
  public var type: SQLType
  /// Parameter slots the subquery reads, filled from the input row before it is computed.
  public var outerValues: [OuterValue]

  public init(input: QueryPlan, subquery: QueryPlan, result: Result, type: SQLType, outerValues: [OuterValue]) {
    self.input = input
    self.subquery = subquery
    self.result = result
    self.type = type
    self.outerValues = outerValues
  }
}

/// Functions that yield rows, over each input row: the input row with one more column a function, as often as the longest
/// has values; shorter ones go on with NULLs. No row where none has a value.
public struct SetProjectionPlan: Hashable, Sendable {
  public var input: QueryPlan
  public var calls: [SetCall]
  /// One more column behind them: the number of the row, from 1 for each input row.
  public var hasOrdinality: Bool

  public init(input: QueryPlan, calls: [SetCall], hasOrdinality: Bool = false) {
    self.input = input
    self.calls = calls
    self.hasOrdinality = hasOrdinality
  }
}

public struct SetCall: Hashable, Sendable {
  public var function: SetFunction
  /// Over the input row.
  public var arguments: [Expression]

  public init(_ function: SetFunction, _ arguments: [Expression]) {
    self.function = function
    self.arguments = arguments
  }
}

public struct OuterValue: Hashable, Sendable {
  public var slot: Int
  /// Over the input row.
  public var value: Expression

  public init(slot: Int, value: Expression) {
    self.slot = slot
    self.value = value
  }
}

/// Groups by equality of `groupBy` (NULL equals NULL); yields the group values followed by the results of the calls.
/// Without `groupBy` there is exactly one group, also for no input.
public struct AggregatePlan: Hashable, Sendable {
  public var input: QueryPlan
  public var groupBy: [Expression]
  public var calls: [AggregateCall]

  public init(input: QueryPlan, groupBy: [Expression], calls: [AggregateCall]) {
    self.input = input
    self.groupBy = groupBy
    self.calls = calls
  }
}

public struct SortKey: Hashable, Sendable {
  public var expression: Expression
  public var isDescending: Bool
  public var nullsFirst: Bool

  public init(expression: Expression, isDescending: Bool = false, nullsFirst: Bool = false) {
    self.expression = expression
    self.isDescending = isDescending
    self.nullsFirst = nullsFirst
  }
}

/// Stable for equal keys.
public struct SortPlan: Hashable, Sendable {
  public var input: QueryPlan
  public var keys: [SortKey]
  /// Only so many of the first rows are wanted (limit plus offset above it); nil means all, also when it is NULL.
  public var limit: Expression?

  public init(input: QueryPlan, keys: [SortKey], limit: Expression? = nil) {
    self.input = input
    self.keys = keys
    self.limit = limit
  }
}

/// `SELECT … FOR UPDATE`: the input rows have the layout of `RowLayout(table)`; each is locked by its primary key, read
/// again and yielded if `recheck` still holds.
public struct LockRowsPlan: Hashable, Sendable {
  public var input: QueryPlan
  public var target: ModifiedTable
  public var waiting: LockWaiting

  public init(input: QueryPlan, target: ModifiedTable, waiting: LockWaiting) {
    self.input = input
    self.target = target
    self.waiting = waiting
  }
}

public enum LockWaiting: Hashable, Sendable {
  case block
  case skipLocked
  /// 55P03 when another transaction holds the lock.
  case noWait
}
