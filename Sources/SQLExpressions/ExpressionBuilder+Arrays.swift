import Basics
import SQLValues

extension ExpressionBuilder {
  /// `ARRAY[…]`.
  public mutating func array(_ elements: [Expression]) throws(SQLError) -> Expression {
    let (values, type) = try unify(elements, construct: "ARRAY")
    guard let array = SystemType.array(of: type) else { throw .unsupported("arrays of type \(type.baseName)") }
    return .call(.makeArray, try texts(values), .system(array))
  }

  private mutating func texts(_ values: [Expression]) throws(SQLError) -> [Expression] {
    var result: [Expression] = []
    for value in values { result.append(try text(value)) }
    return result
  }

  /// In the form that elements have in an array: `t`, not `true`.
  private mutating func text(_ value: Expression) throws(SQLError) -> Expression {
    if value.type == .boolean {
      return .conditional(
        [
          ConditionalBranch(condition: value, value: .constant(.text("t"), .text)),
          ConditionalBranch(condition: .not(value), value: .constant(.text("f"), .text)),
        ], otherwise: nil, .text)
    }
    return try coerced(value, to: .text, in: .explicit) ?? value
  }

  /// `operand = ANY (array)` of an array that is no list of expressions.
  public mutating func contains(_ operand: Expression, in array: Expression) throws(SQLError) -> Expression {
    var array = array
    if array.type == .unknown {
      guard let type = SystemType.array(of: operand.type.withoutModifier),
        let typed = try coerced(array, to: .system(type), in: .implicit)
      else { throw .unsupported("arrays of type \(operand.type.baseName)") }
      array = typed
    }
    guard case .system(let type) = array.type, let element = type.elementType else {
      throw SQLError(.wrongObjectType, "op ANY/ALL (array) requires array on right side")
    }
    var value = operand
    func isWhole(_ type: SQLType) -> Bool { type.isInteger || type == .oid }
    if value.type.category == .numeric, element.category == .numeric {
      // Whole numbers have one text, whatever their type; others are compared as numbers.
      if isWhole(value.type), isWhole(element) { return .call(.arrayContains, [try text(value), array], .boolean) }
      let (values, common) = try unify([value, .constant(.null, element)], construct: "ANY")
      let types = [element, common].map { Expression.constant(.integer(Int64($0.oid)), .oid) }
      return .call(.arrayContains, [values[0], array] + types, .boolean)
    }
    if value.type == .unknown || !value.type.isSameType(as: element) {
      // Compared as text: the element's type decides the form.
      var typed = try coerced(value, to: element, in: .implicit)
      if typed == nil { typed = try coerced(value, to: element, in: .assignment) }
      guard let typed else {
        throw SQLError(.undefinedFunction, "operator does not exist: \(value.type.baseName) = \(element.baseName)")
      }
      value = typed
    }
    return .call(.arrayContains, [try text(value), array], .boolean)
  }

  public mutating func element(of array: Expression, at index: Expression) throws(SQLError) -> Expression {
    guard case .system(let type) = array.type, let element = type.elementType else {
      throw SQLError(
        .datatypeMismatch, "cannot subscript type \(array.type.baseName) because it does not support subscripting")
    }
    guard let position = try coerced(index, to: .int4, in: .assignment) else {
      throw SQLError(.datatypeMismatch, "array subscript must have type integer")
    }
    return .call(.arrayElement, [array, position], element)
  }

  /// Functions that take any array; nil for other names.
  mutating func arrayCall(_ name: String, _ arguments: [Expression]) throws(SQLError) -> Expression? {
    if name == "json_build_object" { return try jsonObject(arguments) }
    guard let first = arguments.first, case .system(let array) = first.type, array.elementType != nil else {
      return nil
    }
    func made(_ function: FunctionID, _ type: SQLType) throws(SQLError) -> Expression? {
      var operands = [first]
      for operand in arguments.dropFirst() {
        let wanted: SQLType = function == .arrayToString || function == .arrayPosition ? .text : .int4
        guard let typed = try coerced(operand, to: wanted, in: .assignment) else { return nil }
        operands.append(typed)
      }
      return .call(function, operands, type)
    }
    switch (name, arguments.count) {
    case ("array_to_string", 2), ("array_to_string", 3): return try made(.arrayToString, .text)
    case ("array_length", 2): return try made(.arrayLength, .int4)
    case ("array_upper", 2): return try made(.arrayUpper, .int4)
    case ("array_lower", 2): return try made(.arrayLower, .int4)
    case ("cardinality", 1): return try made(.cardinality, .int4)
    case ("array_position", 2): return try made(.arrayPosition, .int4)
    case ("array_cat", 2): return try arrayConcatenation(arguments[0], arguments[1])
    default: return nil
    }
  }

  /// nil if neither side is an array.
  mutating func arrayConcatenation(_ left: Expression, _ right: Expression) throws(SQLError) -> Expression? {
    func arrayType(_ value: Expression) -> SystemType? {
      if case .system(let type) = value.type, type.elementType != nil { return type }
      return nil
    }
    guard let type = arrayType(left) ?? arrayType(right), !type.isVector, let element = type.elementType else {
      return nil
    }
    var sides: [Expression] = []
    for side in [left, right] {
      if arrayType(side) != nil {
        sides.append(side)
      } else if side.type == .unknown {
        guard let typed = try coerced(side, to: .system(type), in: .implicit) else { return nil }
        sides.append(typed)
      } else {
        guard let typed = try coerced(side, to: element, in: .implicit) else { return nil }
        sides.append(.call(.makeArray, [try text(typed)], .system(type)))
      }
    }
    return .call(.arrayConcatenate, sides, .system(type))
  }

  // MARK: Object identifiers

  /// Casts between the number and the name of something: the catalog is asked. nil for other casts.
  mutating func objectIdentifier(
    _ operand: Expression, to type: SQLType, in context: CastContext
  ) throws(SQLError) -> Expression? {
    if case .system(let source) = operand.type, let function = source.nameFunction, type.category == .string {
      let name = Expression.call(function, [operand], .text)
      return type == .text ? name : .cast(name, from: .text, to: type, isExplicit: context == .explicit)
    }
    guard case .system(let target) = type, let function = target.numberFunction else { return nil }
    switch operand {
    case .constant(.null, _): return nil
    case .constant(.text, .unknown), .parameter(_, .unknown):
      guard let text = try coerced(operand, to: .text, in: .implicit) else { return nil }
      return .call(function, [text], type)
    default:
      guard operand.type.category == .string else { return nil }
      return .call(function, [operand], type)
    }
  }

  /// An object identifier as the text that clients are shown.
  public static func shown(_ value: Expression) -> Expression {
    guard case .system(let type) = value.type, let function = type.nameFunction else { return value }
    return .call(function, [value], value.type)
  }

  // MARK: JSON

  private mutating func jsonObject(_ arguments: [Expression]) throws(SQLError) -> Expression {
    guard arguments.count % 2 == 0 else {
      throw SQLError(.invalidParameterValue, "argument list must have even number of elements")
    }
    var values: [Expression] = []
    for (position, argument) in arguments.enumerated() {
      let isPlain = argument.type.category == .boolean || argument.type.category == .numeric
      let wantsText = position % 2 == 0 || !isPlain
      values.append(wantsText ? try coerced(argument, to: .text, in: .explicit) ?? argument : argument)
    }
    return .call(.jsonBuildObject, values, .system(.json))
  }
}

extension SystemType {
  fileprivate var nameFunction: FunctionID? {
    switch self {
    case .regclass: .relationName
    case .regtype: .typeName
    case .regproc, .regprocedure: .functionName
    case .regnamespace: .namespaceName
    case .regrole: .roleName
    default: nil
    }
  }

  fileprivate var numberFunction: FunctionID? {
    switch self {
    case .regclass: .relationNumber
    case .regtype: .typeNumber
    case .regproc, .regprocedure: .functionNumber
    case .regnamespace: .namespaceNumber
    case .regrole: .roleNumber
    default: nil
    }
  }
}
