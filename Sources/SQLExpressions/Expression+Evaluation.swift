import Basics
import SQLValues

extension Expression {
  /// The value over a row. Throws the SQL errors of the functions (22003, 22012, 22P02, …). A column or parameter that
  /// the row or context lacks is XX000.
  public func evaluate(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Datum {
    switch self {
    case .constant(let value, _): return value
    case .column(let position, _):
      guard position >= 0, position < row.count else { throw Self.missing("column", position) }
      return row[position]
    case .parameter(let position, _):
      guard position >= 0, position < context.parameters.count else { throw Self.missing("parameter", position) }
      return context.parameters[position]
    case .comparison(let comparison, let left, let right):
      let first = try left.evaluate(row, &context)
      if first.isNull { return .null }
      let second = try right.evaluate(row, &context)
      if second.isNull { return .null }
      return .boolean(comparison.holds(Datum.compare(first, second)))
    case .and(let operands):
      var sawNull = false
      for operand in operands {
        switch try operand.evaluate(row, &context) {
        case .boolean(false): return .boolean(false)
        case .null: sawNull = true
        default: break
        }
      }
      return sawNull ? .null : .boolean(true)
    case .or(let operands):
      var sawNull = false
      for operand in operands {
        switch try operand.evaluate(row, &context) {
        case .boolean(true): return .boolean(true)
        case .null: sawNull = true
        default: break
        }
      }
      return sawNull ? .null : .boolean(false)
    case .not(let operand):
      guard case .boolean(let value) = try operand.evaluate(row, &context) else { return .null }
      return .boolean(!value)
    case .isNull(let operand): return .boolean(try operand.evaluate(row, &context).isNull)
    case .isDistinct(let left, let right):
      return .boolean(!Datum.areSame(try left.evaluate(row, &context), try right.evaluate(row, &context)))
    case .isTruth(let operand, let test): return .boolean(test.holds(try operand.evaluate(row, &context)))
    case .inList(let operand, let list):
      let value = try operand.evaluate(row, &context)
      if value.isNull { return .null }
      var sawNull = false
      for item in list {
        let candidate = try item.evaluate(row, &context)
        if candidate.isNull {
          sawNull = true
        } else if Datum.compare(value, candidate) == 0 {
          return .boolean(true)
        }
      }
      return sawNull ? .null : .boolean(false)
    case .call(let function, let arguments, let type):
      return try Self.call(function, arguments, type, row, &context)
    case .cast(let operand, let from, let to, let isExplicit):
      let value = try operand.evaluate(row, &context)
      return try value.cast(from: from, to: to, isExplicit: isExplicit, now: context.transactionTime)
    case .conditional(let branches, let otherwise, _):
      for branch in branches where try branch.condition.holds(row, &context) {
        return try branch.value.evaluate(row, &context)
      }
      return try otherwise?.evaluate(row, &context) ?? .null
    case .coalesce(let values, _):
      for value in values {
        let found = try value.evaluate(row, &context)
        if !found.isNull { return found }
      }
      return .null
    case .greatest(let values, _): return try Self.extreme(values, row, &context) { $0 > 0 }
    case .least(let values, _): return try Self.extreme(values, row, &context) { $0 < 0 }
    case .nullIf(let left, let right, _):
      let first = try left.evaluate(row, &context)
      let second = try right.evaluate(row, &context)
      return !first.isNull && !second.isNull && Datum.compare(first, second) == 0 ? .null : first
    }
  }

  /// A condition over a row: NULL counts as false.
  public func holds(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Bool {
    if case .boolean(true) = try evaluate(row, &context) { return true }
    return false
  }

  private static func extreme(
    _ values: [Expression], _ row: [Datum], _ context: inout EvaluationContext, _ isBetter: (Int) -> Bool
  ) throws(SQLError) -> Datum {
    var best = Datum.null
    for value in values {
      let candidate = try value.evaluate(row, &context)
      if candidate.isNull { continue }
      if best.isNull || isBetter(Datum.compare(candidate, best)) { best = candidate }
    }
    return best
  }

  private static func call(
    _ function: FunctionID, _ arguments: [Expression], _ type: SQLType, _ row: [Datum],
    _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    if arguments.count == 2, !FunctionTable.isCalledOnNull(function) {
      let first = try arguments[0].evaluate(row, &context)
      if first.isNull { return .null }
      let second = try arguments[1].evaluate(row, &context)
      if second.isNull { return .null }
      if let result = try Arithmetic.evaluate(function, first, second, type) { return result }
      return try Builtins.evaluate(function, [first, second], type, &context)
    }
    var values: [Datum] = []
    values.reserveCapacity(arguments.count)
    let isStrict = !FunctionTable.isCalledOnNull(function)
    for argument in arguments {
      let value = try argument.evaluate(row, &context)
      if isStrict && value.isNull { return .null }
      values.append(value)
    }
    return try Builtins.evaluate(function, values, type, &context)
  }

  private static func missing(_ kind: String, _ position: Int) -> SQLError {
    SQLError(.internalError, "no \(kind) at position \(position)")
  }
}

extension TruthTest {
  func holds(_ value: Datum) -> Bool {
    switch self {
    case .isTrue: value == .boolean(true)
    case .isNotTrue: value != .boolean(true)
    case .isFalse: value == .boolean(false)
    case .isNotFalse: value != .boolean(false)
    case .isUnknown: value.isNull
    case .isNotUnknown: !value.isNull
    }
  }
}
