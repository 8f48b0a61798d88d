import Basics
import SQLValues

/// Implementations of the functions, by group. Arguments are not NULL unless the function says it takes NULL.
enum Builtins {
  static func evaluate(
    _ function: FunctionID, _ arguments: [Datum], _ type: SQLType, _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    switch function.rawValue {
    case 1..<40: return try NumberFunctions.evaluate(function, arguments, type, &context)
    case 76...86: return try RegularExpressionFunctions.evaluate(function, arguments, &context)
    case 40..<100: return try TextFunctions.evaluate(function, arguments, type)
    case 100..<140: return try DateTimeFunctions.evaluate(function, arguments, type, context)
    case 150..<180: return try CatalogFunctions.evaluate(function, arguments, context)
    case 190..<220: return try ArrayFunctions.evaluate(function, arguments, type)
    case 220..<230: return try JSONFunctions.evaluate(function, arguments)
    case 180..<190: return try SequenceFunctions.evaluate(function, arguments, &context)
    default: return try session(function, arguments, &context)
    }
  }

  /// The stored bytes name a function with values it does not take.
  static func mismatch(_ function: FunctionID) -> SQLError {
    SQLError(.internalError, "function \(function) was given values of other types than it was bound for")
  }

  private static func session(
    _ function: FunctionID, _ arguments: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    switch function {
    case .randomUUID:
      // Version 4, variant 10 (RFC 4122).
      let high = context.random.next() & 0xffff_ffff_ffff_0fff | 0x4000
      let low = context.random.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
      return .uuid(UUIDValue(high: high, low: low))
    case .version: return .text(context.session.version)
    case .currentDatabase: return .text(context.session.databaseName)
    // Nothing of the search path is there.
    case .currentSchema: return context.session.schemaName.isEmpty ? .null : .text(context.session.schemaName)
    case .currentUser, .sessionUser: return .text(context.session.userName)
    case .backendPID: return .integer(Int64(context.session.backendPID))
    default: throw mismatch(function)
    }
  }
}

enum NumberFunctions {
  static func evaluate(
    _ function: FunctionID, _ arguments: [Datum], _ type: SQLType, _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    if arguments.isEmpty {
      switch function {
      case .random: return .double(Double(context.random.next() >> 11) * 0x1p-53)
      case .pi: return .double(.pi)
      default: throw Builtins.mismatch(function)
      }
    }
    if arguments.count == 2 {
      if case .decimal(let value) = arguments[0], case .integer(let places) = arguments[1] {
        let digits = Int(max(-131_072, min(places, Int64(Decimal.maximumScale))))
        return .decimal(value.rounded(to: digits, function == .truncate ? .towardsZero : .halfAwayFromZero))
      }
      if let result = try Arithmetic.evaluate(function, arguments[0], arguments[1], type) { return result }
      throw Builtins.mismatch(function)
    }
    switch arguments[0] {
    case .integer(let value): return try integer(function, value, type)
    case .double(let value): return try double(function, value)
    case .decimal(let value): return try decimal(function, value)
    case .interval(let value): return try DateTimeFunctions.negated(value, function)
    default: throw Builtins.mismatch(function)
    }
  }

  private static func integer(_ function: FunctionID, _ value: Int64, _ type: SQLType) throws(SQLError) -> Datum {
    switch function {
    case .negate, .absolute:
      if function == .absolute, value >= 0 { return .integer(value) }
      let (result, overflow) = (0 as Int64).subtractingReportingOverflow(value)
      if overflow || !type.holds(result) { throw .outOfRange(type) }
      return .integer(result)
    case .identity: return .integer(value)
    case .bitNot: return .integer(~value)
    default: throw Builtins.mismatch(function)
    }
  }

  private static func double(_ function: FunctionID, _ value: Double) throws(SQLError) -> Datum {
    switch function {
    case .negate: return .double(-value)
    case .absolute: return .double(abs(value))
    case .identity: return .double(value)
    case .round: return .double(value.rounded(.toNearestOrEven))
    case .truncate: return .double(value.rounded(.towardZero))
    case .floor: return .double(value.rounded(.down))
    case .ceiling: return .double(value.rounded(.up))
    case .sign: return .double(value > 0 ? 1 : value < 0 ? -1 : value)
    case .squareRoot:
      if value < 0 { throw SQLError(SQLState("2201F"), "cannot take square root of a negative number") }
      return .double(value.squareRoot())
    case .exponential:
      let result = FloatingMath.exp(value)
      if result.isInfinite, value.isFinite { throw SQLError(.numericValueOutOfRange, "value out of range: overflow") }
      if result == 0, value.isFinite { throw SQLError(.numericValueOutOfRange, "value out of range: underflow") }
      return .double(result)
    case .naturalLogarithm, .commonLogarithm:
      try requirePositive(value > 0 || value.isNaN, isZero: value == 0)
      if !value.isFinite { return .double(value) }
      return .double(function == .naturalLogarithm ? FloatingMath.ln(value) : FloatingMath.log10(value))
    default: throw Builtins.mismatch(function)
    }
  }

  private static func decimal(_ function: FunctionID, _ value: Decimal) throws(SQLError) -> Datum {
    switch function {
    case .negate: return .decimal(value.negated)
    case .absolute: return .decimal(value.magnitude)
    case .identity: return .decimal(value)
    case .round: return .decimal(value.rounded(to: 0))
    case .truncate: return .decimal(value.rounded(to: 0, .towardsZero))
    case .floor: return .decimal(value.rounded(to: 0, .down))
    case .ceiling: return .decimal(value.rounded(to: 0, .up))
    case .sign: return .decimal(value.isNaN ? value : Decimal(Int64(value.signum)))
    case .squareRoot: return .decimal(try value.squareRoot())
    case .exponential: return .decimal(try DecimalMath.exponential(value))
    case .naturalLogarithm, .commonLogarithm:
      try requirePositive(value.signum > 0 || value.isNaN, isZero: value.isZero)
      if !value.isFinite { return .decimal(value) }
      return .decimal(
        try function == .naturalLogarithm ? DecimalMath.naturalLogarithm(value) : DecimalMath.commonLogarithm(value))
    default: throw Builtins.mismatch(function)
    }
  }

  private static func requirePositive(_ isPositive: Bool, isZero: Bool) throws(SQLError) {
    if isPositive { return }
    throw SQLError(
      SQLState("2201E"), isZero ? "cannot take logarithm of zero" : "cannot take logarithm of a negative number")
  }
}
