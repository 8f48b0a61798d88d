import Basics
import SQLValues

/// Binary arithmetic on numbers: the functions that run once a row.
enum Arithmetic {
  /// nil if the function or the values are not of arithmetic on numbers.
  static func evaluate(
    _ function: FunctionID, _ left: Datum, _ right: Datum, _ type: SQLType
  ) throws(SQLError) -> Datum? {
    switch (left, right) {
    case (.integer(let a), .integer(let b)): return try integers(function, a, b, type)
    case (.double(let a), .double(let b)): return try doubles(function, a, b, type)
    case (.decimal(let a), .decimal(let b)): return try decimals(function, a, b)
    default: return nil
    }
  }

  private static func integers(
    _ function: FunctionID, _ a: Int64, _ b: Int64, _ type: SQLType
  ) throws(SQLError) -> Datum? {
    let value: Int64
    let overflow: Bool
    switch function {
    case .add: (value, overflow) = a.addingReportingOverflow(b)
    case .subtract: (value, overflow) = a.subtractingReportingOverflow(b)
    case .multiply: (value, overflow) = a.multipliedReportingOverflow(by: b)
    case .divide:
      if b == 0 { throw SQLError(.divisionByZero, "division by zero") }
      (value, overflow) = a.dividedReportingOverflow(by: b)
    case .modulo:
      if b == 0 { throw SQLError(.divisionByZero, "division by zero") }
      return .integer(b == -1 ? 0 : a % b)
    case .bitAnd: return .integer(a & b)
    case .bitOr: return .integer(a | b)
    case .bitXor: return .integer(a ^ b)
    case .shiftLeft, .shiftRight: return .integer(shifted(a, by: b, left: function == .shiftLeft, type))
    default: return nil
    }
    if overflow || !type.holds(value) { throw .outOfRange(type) }
    return .integer(value)
  }

  /// The machine's shifts: the count is taken modulo the width (int2 shifts as int4).
  private static func shifted(_ value: Int64, by count: Int64, left: Bool, _ type: SQLType) -> Int64 {
    switch type {
    case .int8: return left ? value &<< (count & 63) : value &>> (count & 63)
    case .int4:
      let narrow = Int32(truncatingIfNeeded: value)
      let places = Int32(truncatingIfNeeded: count & 31)
      return Int64(left ? narrow &<< places : narrow &>> places)
    default:
      let wide = Int32(truncatingIfNeeded: value)
      let places = Int32(truncatingIfNeeded: count & 31)
      return Int64(Int16(truncatingIfNeeded: left ? wide &<< places : wide &>> places))
    }
  }

  private static func doubles(
    _ function: FunctionID, _ a: Double, _ b: Double, _ type: SQLType
  ) throws(SQLError) -> Datum? {
    let value: Double
    var mayBeZero = true
    switch function {
    case .add: value = a + b
    case .subtract: value = a - b
    case .multiply:
      value = a * b
      mayBeZero = a == 0 || b == 0
    case .divide:
      if b == 0, !a.isNaN { throw SQLError(.divisionByZero, "division by zero") }
      value = a / b
      mayBeZero = a == 0 || b.isInfinite
    case .power: return .double(try FloatingMath.power(a, b))
    default: return nil
    }
    let result = type == .float4 ? Double(Float(value)) : value
    if result.isInfinite, a.isFinite, b.isFinite {
      throw SQLError(.numericValueOutOfRange, "value out of range: overflow")
    }
    if result == 0, !mayBeZero { throw SQLError(.numericValueOutOfRange, "value out of range: underflow") }
    return .double(result)
  }

  private static func decimals(_ function: FunctionID, _ a: Decimal, _ b: Decimal) throws(SQLError) -> Datum? {
    switch function {
    case .add: return .decimal(try Decimal.add(a, b))
    case .subtract: return .decimal(try Decimal.subtract(a, b))
    case .multiply: return .decimal(try Decimal.multiply(a, b))
    case .divide: return .decimal(try Decimal.divide(a, b))
    case .modulo: return .decimal(try Decimal.remainder(a, b))
    case .integerDivide: return .decimal(try Decimal.wholeQuotient(a, b))
    case .power: return .decimal(try DecimalMath.power(a, b))
    default: return nil
    }
  }
}

extension SQLType {
  /// Whether an integer type holds the value.
  func holds(_ value: Int64) -> Bool {
    switch self {
    case .int2: value >= Int64(Int16.min) && value <= Int64(Int16.max)
    case .int4: value >= Int64(Int32.min) && value <= Int64(Int32.max)
    case .oid: value >= 0 && value <= Int64(UInt32.max)
    default: true
    }
  }
}
