import Basics
import SQLValues

/// Makes typed expressions: chooses overloads, writes implicit casts out, and finds the types of parameters.
///
/// All errors are PostgreSQL's, without a position in the statement: the caller adds it.
public struct ExpressionBuilder: Sendable {
  /// The types found so far, by position; `unknown` while the context has not decided.
  public private(set) var parameterTypes: [SQLType]

  /// `$65535` is the last parameter the wire protocol can carry.
  public static let maximumParameters = 65_535

  public init(parameterTypes: [SQLType] = []) { self.parameterTypes = parameterTypes }

  /// `$number`, from 1. Throws 42P02 beyond the protocol's limit.
  public mutating func parameter(_ number: Int) throws(SQLError) -> Expression {
    guard number >= 1, number <= Self.maximumParameters else {
      throw SQLError(.undefinedParameter, "there is no parameter $\(number)")
    }
    while parameterTypes.count < number { parameterTypes.append(.unknown) }
    return .parameter(number - 1, parameterTypes[number - 1])
  }

  // MARK: Casts

  /// `CAST(operand AS type)`. Throws 42846 if there is no such cast.
  public mutating func cast(_ operand: Expression, to type: SQLType) throws(SQLError) -> Expression {
    guard let cast = try coerced(operand, to: type, in: .explicit) else {
      throw SQLError(.cannotCoerce, "cannot cast type \(operand.type.baseName) to \(type.baseName)")
    }
    return cast
  }

  /// The value as a column of this type stores it. Throws 42804 if it needs a written cast.
  public mutating func assign(_ operand: Expression, to type: SQLType, column: String) throws(SQLError) -> Expression {
    guard let cast = try coerced(operand, to: type, in: .assignment) else {
      throw SQLError(
        .datatypeMismatch,
        "column \"\(column)\" is of type \(type.baseName) but expression is of type \(operand.type.baseName)",
        hint: "You will need to rewrite or cast the expression.")
    }
    return cast
  }

  /// A condition of `WHERE`, `ON`, `HAVING`, `AND`, …: must be boolean (42804).
  public mutating func condition(_ operand: Expression, of clause: String) throws(SQLError) -> Expression {
    guard operand.type.category == .boolean || operand.type == .unknown,
      let cast = try coerced(operand, to: .boolean, in: .implicit)
    else {
      throw SQLError(
        .datatypeMismatch, "argument of \(clause) must be type boolean, not type \(operand.type.baseName)")
    }
    return cast
  }

  /// An expression whose type no context decided is text (a select list, `GROUP BY`, …).
  public mutating func settled(_ operand: Expression) throws(SQLError) -> Expression {
    operand.type == .unknown ? try coerced(operand, to: .text, in: .implicit) ?? operand : operand
  }

  /// nil if the cast does not exist or needs a more explicit context.
  public mutating func coerced(
    _ operand: Expression, to type: SQLType, in context: CastContext
  ) throws(SQLError) -> Expression? {
    let source = operand.type
    if source == type { return refined(operand) }
    guard source.isCastable(to: type, in: context) else { return nil }
    if let named = try objectIdentifier(operand, to: type, in: context) { return named }
    let isExplicit = context == .explicit
    switch operand {
    case .parameter(let position, .unknown):
      if position < parameterTypes.count, parameterTypes[position] == .unknown {
        parameterTypes[position] = type.withoutModifier
      }
      let found = position < parameterTypes.count ? parameterTypes[position] : type.withoutModifier
      return try coerced(.parameter(position, found), to: type, in: context)
    case .constant(.null, _):
      return .constant(.null, type)
    case .constant(let value, .unknown):
      // Date and time words (`now`, `today`) are read when the statement runs.
      if FunctionTable.castVolatility(from: .unknown, to: type) != .immutable, case .text(let text) = value,
        Datum.containsDateTimeWord(text)
      {
        return .cast(operand, from: .unknown, to: type, isExplicit: isExplicit)
      }
      return .constant(try value.cast(from: .unknown, to: type, isExplicit: isExplicit), type)
    default:
      // A modifier only narrows; without one the values are the same for types that share a representation.
      if source.isSameType(as: type), type == type.withoutModifier { return refined(operand) }
      return .cast(operand, from: source, to: type, isExplicit: isExplicit)
    }
  }

  /// A parameter whose type was found in the meantime.
  private func refined(_ operand: Expression) -> Expression {
    guard case .parameter(let position, .unknown) = operand, position < parameterTypes.count else { return operand }
    return .parameter(position, parameterTypes[position])
  }

  /// Parameters met before their type was known are given the type found (call once when the statement is bound).
  public func resolvingParameters(in expression: Expression) -> Expression {
    if case .parameter = expression { return refined(expression) }
    return expression.mapChildren { resolvingParameters(in: $0) }
  }

  // MARK: Functions and operators

  /// Throws 42883 if no overload takes the arguments, 42725 if several would.
  public mutating func call(_ name: String, _ arguments: [Expression]) throws(SQLError) -> Expression {
    let operands = arguments.map(refined)
    if let bound = try enumerationCall(name, operands) { return bound }
    if name == "pg_typeof", operands.count == 1 { return .constant(.text(operands[0].type.baseName), .text) }
    if let bound = try arrayCall(name, operands) { return bound }
    guard let signatures = FunctionTable.functions[name] else {
      throw Self.undefinedFunction(name, operands, cause: .none)
    }
    return try chosen(from: signatures, for: operands) { outcome in
      Self.undefinedFunction(name, operands, cause: outcome)
    }
  }

  /// A binary operator by its name: arithmetic, comparison, `||`, `~~` (LIKE), `!~~`, `~~*`, `!~~*`, ….
  public mutating func binary(_ name: String, _ left: Expression, _ right: Expression) throws(SQLError) -> Expression {
    if let comparison = ComparisonOperator(name: name) { return try compare(comparison, left, right) }
    switch name {
    case "!~~": return .not(try binary("~~", left, right))
    case "!~~*": return .not(try binary("~~*", left, right))
    case "!~": return .not(try binary("~", left, right))
    case "!~*": return .not(try binary("~*", left, right))
    default: break
    }
    let operands = [refined(left), refined(right)]
    if name == "||", let joined = try arrayConcatenation(operands[0], operands[1]) { return joined }
    guard let signatures = FunctionTable.operators[name] else { throw Self.undefinedOperator(name, operands, .none) }
    return try chosen(from: signatures, for: operands) { Self.undefinedOperator(name, operands, $0) }
  }

  /// A prefix operator: `-`, `+`, `~`, `@`, `|/`.
  public mutating func unary(_ name: String, _ operand: Expression) throws(SQLError) -> Expression {
    let operands = [refined(operand)]
    guard let signatures = FunctionTable.operators[name] else { throw Self.undefinedOperator(name, operands, .none) }
    return try chosen(from: signatures, for: operands) { Self.undefinedOperator(name, operands, $0) }
  }

  public mutating func compare(
    _ comparison: ComparisonOperator, _ left: Expression, _ right: Expression
  ) throws(SQLError) -> Expression {
    let (first, second) = try comparable(left, right, operator: comparison.name)
    if comparison != .equal, comparison != .notEqual { try Self.requireOrder(of: first.type) }
    return .comparison(comparison, first, second)
  }

  public mutating func isDistinct(_ left: Expression, _ right: Expression) throws(SQLError) -> Expression {
    let (first, second) = try comparable(left, right, operator: "=")
    return .isDistinct(first, second)
  }

  public mutating func nullIf(_ left: Expression, _ right: Expression) throws(SQLError) -> Expression {
    let (first, second) = try comparable(left, right, operator: "=")
    return .nullIf(first, second, first.type)
  }

  /// `low <= operand AND operand <= high`.
  public mutating func between(
    _ operand: Expression, _ low: Expression, _ high: Expression
  ) throws(SQLError) -> Expression {
    .and([try compare(.greaterOrEqual, operand, low), try compare(.lessOrEqual, operand, high)])
  }

  public mutating func inList(_ operand: Expression, _ list: [Expression]) throws(SQLError) -> Expression {
    guard !list.isEmpty else { return .isFalse }
    // One common type for all keeps the list a set of comparable constants; else a chain of comparisons.
    if let type = commonType(of: [operand] + list), let first = try coerced(operand, to: type, in: .implicit) {
      var items: [Expression] = []
      for item in list {
        guard let cast = try coerced(item, to: type, in: .implicit) else { break }
        items.append(cast)
      }
      if items.count == list.count, Self.isComparable(type, type) { return .inList(first, items) }
    }
    var alternatives: [Expression] = []
    for item in list { alternatives.append(try compare(.equal, operand, item)) }
    return .or(alternatives)
  }

  private mutating func chosen(
    from signatures: [FunctionSignature], for operands: [Expression],
    failure: (OverloadResolution.Outcome) -> SQLError
  ) throws(SQLError) -> Expression {
    var fitting: [(signature: FunctionSignature, parameters: [SQLType])] = []
    for signature in signatures {
      if signature.parameters.count == operands.count {
        fitting.append((signature, signature.parameters))
      } else if signature.isVariadic, operands.count >= signature.parameters.count, let last = signature.parameters.last
      {
        let repeated = Array(repeating: last, count: operands.count - signature.parameters.count)
        fitting.append((signature, signature.parameters + repeated))
      }
    }
    let outcome = OverloadResolution.resolve(operands.map(\.type), candidates: fitting.map(\.parameters))
    guard case .chosen(let position) = outcome else { throw failure(outcome) }
    var arguments: [Expression] = []
    for (operand, parameter) in zip(operands, fitting[position].parameters) {
      let isText = fitting[position].signature.result == .text
      let target = parameter == .unknown ? (isText ? .text : operand.type) : parameter
      guard let argument = try coerced(operand, to: target, in: parameter == .unknown ? .assignment : .implicit) else {
        throw failure(.none)
      }
      arguments.append(argument)
    }
    return .call(fitting[position].signature.function, arguments, fitting[position].signature.result)
  }

  /// Both sides in types that compare directly.
  private mutating func comparable(
    _ left: Expression, _ right: Expression, operator name: String
  ) throws(SQLError) -> (Expression, Expression) {
    let operands = [refined(left), refined(right)]
    let rows = FunctionTable.comparisonRows
    if operands[0].type == .unknown, operands[1].type == .unknown,
      let first = try coerced(operands[0], to: .text, in: .implicit),
      let second = try coerced(operands[1], to: .text, in: .implicit)
    {
      return (first, second)
    }
    // Two enumerated types have nothing in common, nor has one with text.
    if let enumerated = operands.map(\.type).first(where: \.isEnumerated) {
      guard operands.allSatisfy({ $0.type == enumerated || $0.type == .unknown }),
        let first = try coerced(operands[0], to: enumerated, in: .implicit),
        let second = try coerced(operands[1], to: enumerated, in: .implicit)
      else { throw Self.undefinedOperator(name, operands, .none) }
      return (first, second)
    }
    let outcome = OverloadResolution.resolve(operands.map(\.type), candidates: rows.map { [$0.0, $0.1] })
    guard case .chosen(let position) = outcome,
      let first = try coerced(operands[0], to: Self.target(rows[position].0, for: operands[0]), in: .implicit),
      let second = try coerced(operands[1], to: Self.target(rows[position].1, for: operands[1]), in: .implicit)
    else { throw Self.undefinedOperator(name, operands, outcome) }
    // Equal numbers need not have the same text.
    if first.type == .system(.numericArray) || first.type == .system(.float8Array) {
      throw .unsupported("operator \(name) of values of type \(first.type.baseName)")
    }
    return (first, second)
  }

  /// Arrays are kept as text, whose order is not theirs. Throws 0A000 for them.
  public static func requireOrder(of type: SQLType) throws(SQLError) {
    if case .system(let system) = type, system.elementType != nil {
      throw .unsupported("an order of values of type \(type.baseName)")
    }
  }

  /// Types that hold the same kind of value need no cast to be compared (a column keeps its own type then).
  private static func target(_ parameter: SQLType, for operand: Expression) -> SQLType {
    switch (operand.type, parameter) {
    case (.varchar, .text), (.varchar, .character), (.character, .text), (.text, .character), (.name, .text):
      operand.type
    case _ where operand.type.isSameType(as: parameter): operand.type
    default: parameter
    }
  }

  static func isComparable(_ left: SQLType, _ right: SQLType) -> Bool {
    FunctionTable.comparisonRows.contains { $0.0.isSameType(as: left) && $0.1.isSameType(as: right) }
      || (left.category == .string && right.category == .string) || (left.isEnumerated && left == right)
  }

  // MARK: Several values of one type

  /// `CASE` with the conditions already boolean. Throws 42804 when the values have no common type.
  public mutating func conditional(
    _ branches: [ConditionalBranch], otherwise: Expression?
  ) throws(SQLError) -> Expression {
    let values = branches.map(\.value) + (otherwise.map { [$0] } ?? [])
    let (unified, type) = try unify(values, construct: "CASE")
    var result: [ConditionalBranch] = []
    for (branch, value) in zip(branches, unified) {
      result.append(
        ConditionalBranch(condition: try condition(branch.condition, of: "CASE/WHEN"), value: value))
    }
    return .conditional(result, otherwise: otherwise == nil ? nil : unified.last, type)
  }

  public mutating func coalesce(_ values: [Expression]) throws(SQLError) -> Expression {
    let (unified, type) = try unify(values, construct: "COALESCE")
    return .coalesce(unified, type)
  }

  public mutating func greatest(_ values: [Expression]) throws(SQLError) -> Expression {
    let (unified, type) = try unify(values, construct: "GREATEST")
    try Self.requireOrder(of: type)
    return .greatest(unified, type)
  }

  public mutating func least(_ values: [Expression]) throws(SQLError) -> Expression {
    let (unified, type) = try unify(values, construct: "LEAST")
    try Self.requireOrder(of: type)
    return .least(unified, type)
  }

  /// All values in their common type (PostgreSQL 15, 10.5). Throws 42804 `… types a and b cannot be matched`.
  public mutating func unify(
    _ values: [Expression], construct: String
  ) throws(SQLError) -> (values: [Expression], type: SQLType) {
    let operands = values.map(refined)
    guard let type = commonType(of: operands) else {
      let types = operands.map(\.type).filter { $0 != .unknown }
      let other = types.first { $0.category != types[0].category } ?? types[0]
      throw SQLError(
        .datatypeMismatch, "\(construct) types \(types[0].baseName) and \(other.baseName) cannot be matched")
    }
    var unified: [Expression] = []
    for operand in operands {
      guard let cast = try coerced(operand, to: type, in: .implicit) else {
        throw SQLError(
          .cannotCoerce, "\(construct) could not convert type \(operand.type.baseName) to \(type.baseName)")
      }
      unified.append(cast)
    }
    return (unified, type)
  }

  /// nil if the types are of different categories.
  public func commonType(of values: [Expression]) -> SQLType? {
    let types = values.map { refined($0).type }
    guard let first = types.first else { return .text }
    if first != .unknown, types.allSatisfy({ $0 == first }) { return first }
    let known = types.filter { $0 != .unknown }
    guard var common = known.first else { return .text }
    for type in known.dropFirst() where !type.isSameType(as: common) {
      guard type.category == common.category else { return nil }
      if !common.isPreferred, common.isCastable(to: type, in: .implicit), !type.isCastable(to: common, in: .implicit) {
        common = type
      } else if type.isPreferred, common.isCastable(to: type, in: .implicit) {
        common = type
      }
    }
    return known.allSatisfy({ $0 == common }) ? common : common.withoutModifier
  }

  // MARK: Errors

  private static func undefinedFunction(
    _ name: String, _ arguments: [Expression], cause: OverloadResolution.Outcome
  ) -> SQLError {
    let call = "\(name)(\(arguments.map(\.type.baseName).joined(separator: ", ")))"
    if cause == .ambiguous {
      return SQLError(
        SQLState("42725"), "function \(call) is not unique",
        hint: "Could not choose a best candidate function. You might need to add explicit type casts.")
    }
    return SQLError(
      .undefinedFunction, "function \(call) does not exist",
      hint: "No function matches the given name and argument types. You might need to add explicit type casts.")
  }

  private static func undefinedOperator(
    _ name: String, _ operands: [Expression], _ cause: OverloadResolution.Outcome
  ) -> SQLError {
    let types = operands.map(\.type.baseName)
    let shown = types.count == 1 ? "\(name) \(types[0])" : "\(types[0]) \(name) \(types[1])"
    if cause == .ambiguous {
      return SQLError(
        SQLState("42725"), "operator is not unique: \(shown)",
        hint: "Could not choose a best candidate operator. You might need to add explicit type casts.")
    }
    return SQLError(
      .undefinedFunction, "operator does not exist: \(shown)",
      hint: "No operator matches the given name and argument types. You might need to add explicit type casts.")
  }
}
