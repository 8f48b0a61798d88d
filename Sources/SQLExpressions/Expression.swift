import SQLValues

/// A bound expression: names are positions, overloads are chosen, implicit casts are written out. A plain value that
/// can be sent to a storage node or kept in a descriptor (`encode`), and evaluated over a row (`evaluate`).
///
/// Made by `ExpressionBuilder`, which types it by PostgreSQL's rules; the cases may also be built directly when the
/// types are known to fit.
public indirect enum Expression: Hashable, Sendable {
  /// An untyped literal is a `text` datum (or NULL) of type `unknown` until `ExpressionBuilder` gives it a type.
  case constant(Datum, SQLType)
  /// Position in the input row, from 0.
  case column(Int, SQLType)
  /// Position in the parameters, from 0 (`$1` is 0). Type `unknown` until the context decides.
  case parameter(Int, SQLType)
  /// A function or operator of `FunctionTable` with its result type.
  case call(FunctionID, [Expression], SQLType)
  /// Both sides are of types whose values compare directly (the same type, or two integer or two floating types).
  case comparison(ComparisonOperator, Expression, Expression)
  case and([Expression])
  case or([Expression])
  case not(Expression)
  case isNull(Expression)
  /// `IS DISTINCT FROM`: NULL equals NULL.
  case isDistinct(Expression, Expression)
  /// `IS TRUE`, `IS NOT TRUE`, … of a boolean.
  case isTruth(Expression, TruthTest)
  /// Equal to one of the list (`IN`); all of comparable types.
  case inList(Expression, [Expression])
  /// `CASE`: the value of the first branch whose condition is true; NULL if none is and `otherwise` is missing.
  case conditional([ConditionalBranch], otherwise: Expression?, SQLType)
  case coalesce([Expression], SQLType)
  case greatest([Expression], SQLType)
  case least([Expression], SQLType)
  /// NULL if both are equal, else the first.
  case nullIf(Expression, Expression, SQLType)
  case cast(Expression, from: SQLType, to: SQLType, isExplicit: Bool)
}

public struct ConditionalBranch: Hashable, Sendable {
  public var condition: Expression
  public var value: Expression

  public init(condition: Expression, value: Expression) {
    self.condition = condition
    self.value = value
  }
}

public enum ComparisonOperator: UInt8, Hashable, Sendable, CaseIterable {
  case equal = 1
  case notEqual, less, lessOrEqual, greater, greaterOrEqual

  /// The operator's name in SQL.
  public var name: String {
    switch self {
    case .equal: "="
    case .notEqual: "<>"
    case .less: "<"
    case .lessOrEqual: "<="
    case .greater: ">"
    case .greaterOrEqual: ">="
    }
  }

  public init?(name: String) {
    switch name {
    case "=": self = .equal
    case "<>", "!=": self = .notEqual
    case "<": self = .less
    case "<=": self = .lessOrEqual
    case ">": self = .greater
    case ">=": self = .greaterOrEqual
    default: return nil
    }
  }

  /// `a op b` is `b op.mirrored a`.
  public var mirrored: ComparisonOperator {
    switch self {
    case .equal, .notEqual: self
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    }
  }

  /// `not (a op b)` is `a op.negated b`.
  public var negated: ComparisonOperator {
    switch self {
    case .equal: .notEqual
    case .notEqual: .equal
    case .less: .greaterOrEqual
    case .lessOrEqual: .greater
    case .greater: .lessOrEqual
    case .greaterOrEqual: .less
    }
  }

  /// Whether a three-way comparison result (negative, zero, positive) satisfies the operator.
  @inlinable public func holds(_ order: Int) -> Bool {
    switch self {
    case .equal: order == 0
    case .notEqual: order != 0
    case .less: order < 0
    case .lessOrEqual: order <= 0
    case .greater: order > 0
    case .greaterOrEqual: order >= 0
    }
  }
}

public enum TruthTest: UInt8, Hashable, Sendable {
  case isTrue = 1
  case isNotTrue, isFalse, isNotFalse, isUnknown, isNotUnknown
}

/// Whether the same arguments always give the same result (PostgreSQL 15, 38.7).
public enum Volatility: Int, Hashable, Comparable, Sendable {
  case immutable = 0
  /// Constant within a statement.
  case stable = 1
  /// May differ for every row.
  case volatile = 2

  public static func < (left: Volatility, right: Volatility) -> Bool { left.rawValue < right.rawValue }
}

extension Expression {
  public static let null = Expression.constant(.null, .unknown)
  public static let isTrue = Expression.constant(.boolean(true), .boolean)
  public static let isFalse = Expression.constant(.boolean(false), .boolean)

  public var type: SQLType {
    switch self {
    case .constant(_, let type), .column(_, let type), .parameter(_, let type), .call(_, _, let type),
      .conditional(_, _, let type), .coalesce(_, let type), .greatest(_, let type), .least(_, let type),
      .nullIf(_, _, let type), .cast(_, _, let type, _):
      type
    case .comparison, .and, .or, .not, .isNull, .isDistinct, .isTruth, .inList: .boolean
    }
  }

  /// The direct operands, in order.
  public var children: [Expression] {
    switch self {
    case .constant, .column, .parameter: []
    case .call(_, let arguments, _), .and(let arguments), .or(let arguments), .coalesce(let arguments, _),
      .greatest(let arguments, _), .least(let arguments, _):
      arguments
    case .comparison(_, let left, let right), .isDistinct(let left, let right), .nullIf(let left, let right, _):
      [left, right]
    case .not(let operand), .isNull(let operand), .isTruth(let operand, _), .cast(let operand, _, _, _): [operand]
    case .inList(let operand, let list): [operand] + list
    case .conditional(let branches, let otherwise, _):
      branches.flatMap { [$0.condition, $0.value] } + (otherwise.map { [$0] } ?? [])
    }
  }

  /// The expression with each direct operand replaced.
  public func mapChildren<Failure: Error>(
    _ transform: (Expression) throws(Failure) -> Expression
  ) throws(Failure) -> Expression {
    func all(_ list: [Expression]) throws(Failure) -> [Expression] {
      var result: [Expression] = []
      result.reserveCapacity(list.count)
      for item in list { result.append(try transform(item)) }
      return result
    }
    switch self {
    case .constant, .column, .parameter: return self
    case .call(let function, let arguments, let type): return .call(function, try all(arguments), type)
    case .comparison(let name, let left, let right): return .comparison(name, try transform(left), try transform(right))
    case .and(let list): return .and(try all(list))
    case .or(let list): return .or(try all(list))
    case .not(let operand): return .not(try transform(operand))
    case .isNull(let operand): return .isNull(try transform(operand))
    case .isDistinct(let left, let right): return .isDistinct(try transform(left), try transform(right))
    case .isTruth(let operand, let test): return .isTruth(try transform(operand), test)
    case .inList(let operand, let list): return .inList(try transform(operand), try all(list))
    case .conditional(let branches, let otherwise, let type):
      var mapped: [ConditionalBranch] = []
      for branch in branches {
        mapped.append(
          ConditionalBranch(condition: try transform(branch.condition), value: try transform(branch.value)))
      }
      return .conditional(mapped, otherwise: otherwise == nil ? nil : try transform(otherwise!), type)
    case .coalesce(let list, let type): return .coalesce(try all(list), type)
    case .greatest(let list, let type): return .greatest(try all(list), type)
    case .least(let list, let type): return .least(try all(list), type)
    case .nullIf(let left, let right, let type): return .nullIf(try transform(left), try transform(right), type)
    case .cast(let operand, let from, let to, let isExplicit):
      return .cast(try transform(operand), from: from, to: to, isExplicit: isExplicit)
    }
  }

  /// Every column replaced.
  public func mapColumns(_ transform: (Int, SQLType) -> Expression) -> Expression {
    if case .column(let number, let type) = self { return transform(number, type) }
    return mapChildren { $0.mapColumns(transform) }
  }

  /// Every column position read, in the order met, with repetitions.
  public var columns: [Int] {
    if case .column(let position, _) = self { return [position] }
    return children.flatMap(\.columns)
  }

  public var containsParameters: Bool {
    if case .parameter = self { return true }
    return children.contains { $0.containsParameters }
  }

  /// The least stable function in it. Parameters and columns count as immutable.
  public var volatility: Volatility {
    var worst = children.lazy.map(\.volatility).max() ?? .immutable
    switch self {
    case .call(let function, _, _): worst = max(worst, FunctionTable.volatility(of: function))
    case .cast(_, let from, let to, _): worst = max(worst, FunctionTable.castVolatility(from: from, to: to))
    default: break
    }
    return worst
  }

  /// Reads no column and no parameter and calls immutable functions only: may be evaluated once when planning.
  public var isFoldable: Bool {
    volatility == .immutable && columns.isEmpty && !containsParameters
  }
}
