import Basics
import SQLValues

/// Functions over a group of rows.
public enum AggregateFunction: UInt8, Hashable, Sendable, CaseIterable {
  case countRows = 1
  case count, sum, average, minimum, maximum, boolAnd, boolOr, stringAggregate, arrayAggregate
}

/// A bound aggregate call: its arguments are evaluated over the input row, the result stands for the group.
public struct AggregateCall: Hashable, Sendable {
  public var function: AggregateFunction
  /// In the type the aggregate works in (`ExpressionBuilder.aggregate` casts them).
  public var arguments: [Expression]
  public var isDistinct: Bool
  /// `FILTER (WHERE …)`.
  public var filter: Expression?
  public var type: SQLType
  /// `ORDER BY` within the call: for those whose result depends on it.
  public var order: [AggregateOrder]

  public init(
    function: AggregateFunction, arguments: [Expression], isDistinct: Bool, filter: Expression? = nil, type: SQLType,
    order: [AggregateOrder] = []
  ) {
    self.order = order
    self.function = function
    self.arguments = arguments
    self.isDistinct = isDistinct
    self.filter = filter
    self.type = type
  }
}

public struct AggregateOrder: Hashable, Sendable {
  public var expression: Expression
  public var isDescending: Bool
  public var nullsFirst: Bool

  public init(_ expression: Expression, isDescending: Bool = false, nullsFirst: Bool = false) {
    self.expression = expression
    self.isDescending = isDescending
    self.nullsFirst = nullsFirst
  }
}

extension AggregateCall {
  /// Everything it evaluates.
  public var expressions: [Expression] {
    arguments + (filter.map { [$0] } ?? []) + order.map(\.expression)
  }

  public func mapExpressions(_ transform: (Expression) -> Expression) -> AggregateCall {
    var copy = self
    copy.arguments = arguments.map(transform)
    copy.filter = filter.map(transform)
    for index in order.indices { copy.order[index].expression = transform(order[index].expression) }
    return copy
  }
}

extension ExpressionBuilder {
  public static let aggregateNames: Set<String> = [
    "count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "string_agg", "array_agg",
  ]

  /// `name([DISTINCT] arguments)` or `count(*)`. Throws 42883 for argument types the aggregate does not take.
  public mutating func aggregate(
    _ name: String, _ arguments: [Expression], isStar: Bool = false, isDistinct: Bool = false,
    filter: Expression? = nil
  ) throws(SQLError) -> AggregateCall {
    let filterCondition = filter == nil ? nil : try condition(filter!, of: "FILTER")
    func made(_ function: AggregateFunction, _ arguments: [Expression], _ type: SQLType) -> AggregateCall {
      AggregateCall(
        function: function, arguments: arguments, isDistinct: isDistinct, filter: filterCondition, type: type)
    }
    if name == "count", isStar { return made(.countRows, [], .int8) }
    guard let first = arguments.first else {
      throw SQLError(
        .undefinedFunction, "function \(name)() does not exist",
        hint: "No function matches the given name and argument types. You might need to add explicit type casts.")
    }
    let operand = try settledUnknown(first, name: name)
    let type = operand.type
    switch (name, arguments.count) {
    case ("count", 1): return made(.count, [operand], .int8)
    case ("sum", 1):
      switch type {
      case .int2, .int4: return made(.sum, [operand], .int8)
      case .int8, .numeric: return made(.sum, [operand], .numeric(precision: nil, scale: nil))
      case .float4, .float8, .interval: return made(.sum, [operand], type)
      default: break
      }
    case ("avg", 1):
      switch type {
      case .int2, .int4, .int8, .numeric: return made(.average, [operand], .numeric(precision: nil, scale: nil))
      case .float4, .float8: return made(.average, [operand], .float8)
      case .interval: return made(.average, [operand], .interval)
      default: break
      }
    case ("min", 1), ("max", 1):
      try Self.requireOrder(of: type)
      switch type {
      case .boolean, .bytea, .uuid, .unknown, .void: break
      case .varchar, .name: return made(name == "min" ? .minimum : .maximum, [operand], .text)
      default: return made(name == "min" ? .minimum : .maximum, [operand], type.withoutModifier)
      }
    case ("bool_and", 1), ("every", 1), ("bool_or", 1):
      if type == .boolean { return made(name == "bool_or" ? .boolOr : .boolAnd, [operand], .boolean) }
    case ("string_agg", 2):
      if type == .bytea, let separator = try coerced(arguments[1], to: .bytea, in: .implicit) {
        return made(.stringAggregate, [operand, separator], .bytea)
      }
      if let text = try coerced(operand, to: .text, in: .implicit),
        let separator = try coerced(arguments[1], to: .text, in: .implicit)
      {
        return made(.stringAggregate, [text, separator], .text)
      }
    case ("array_agg", 1):
      if let array = SystemType.array(of: type) { return made(.arrayAggregate, [operand], .system(array)) }
      if let text = try coerced(operand, to: .text, in: .explicit), type.category == .userDefined {
        return made(.arrayAggregate, [text], .system(.textArray))
      }
      throw .unsupported("arrays of type \(type.baseName)")
    default: break
    }
    let types = arguments.map(\.type.baseName).joined(separator: ", ")
    throw SQLError(
      .undefinedFunction, "function \(name)(\(types)) does not exist",
      hint: "No function matches the given name and argument types. You might need to add explicit type casts.")
  }

  private mutating func settledUnknown(_ operand: Expression, name: String) throws(SQLError) -> Expression {
    guard operand.type == .unknown else { return operand }
    let type: SQLType =
      switch name {
      case "sum", "avg": .float8
      case "bool_and", "bool_or", "every": .boolean
      default: .text
      }
    return try coerced(operand, to: type, in: .implicit) ?? operand
  }
}
