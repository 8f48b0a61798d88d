import Basics
import SQLValues

/// Elementary functions in double-double arithmetic (about 100 bits), rounded once at the end: the cores use no C
/// library, and the results agree with a correctly rounded one in all but the rarest cases.
enum FloatingMath {
  /// An unevaluated sum of two doubles, the second below half a unit of the first (Dekker 1971).
  struct Pair {
    var high: Double
    var low: Double

    init(_ high: Double, _ low: Double = 0) {
      self.high = high
      self.low = low
    }

    static func sum(_ a: Double, _ b: Double) -> Pair {
      let s = a + b
      let bb = s - a
      return Pair(s, (a - (s - bb)) + (b - bb))
    }

    static func + (a: Pair, b: Pair) -> Pair {
      let s = sum(a.high, b.high)
      return quick(s.high, s.low + a.low + b.low)
    }

    static func - (a: Pair, b: Pair) -> Pair { a + Pair(-b.high, -b.low) }

    static func * (a: Pair, b: Pair) -> Pair {
      let p = a.high * b.high
      let error = (-p).addingProduct(a.high, b.high)
      return quick(p, error + a.high * b.low + a.low * b.high)
    }

    static func / (a: Pair, b: Pair) -> Pair {
      let q1 = a.high / b.high
      let r = a - b * Pair(q1)
      let q2 = r.high / b.high
      let r2 = r - b * Pair(q2)
      return quick(q1, q2) + Pair(r2.high / b.high)
    }

    static func quick(_ a: Double, _ b: Double) -> Pair {
      let s = a + b
      return Pair(s, b - (s - a))
    }

    var value: Double { high + low }
  }

  private static let ln2 = Pair(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56)
  static let ln10 = Pair(0x1.26bb1bbb55516p+1, -0x1.f48ad494ea3e9p-53)

  static func exp(_ x: Double) -> Double {
    if x.isNaN { return x }
    if x > 709.8 { return .infinity }
    if x < -745.2 { return 0 }
    return expPair(Pair(x)).value
  }

  /// Exact for arguments between −745.2 and 709.8.
  static func expPair(_ x: Pair) -> Pair {
    guard abs(x.high) <= 746 else { return Pair(x.high.isNaN ? .nan : x.high > 0 ? .infinity : 0) }
    let k = (x.high / ln2.high).rounded()
    var r = x - ln2 * Pair(k)
    // e^r = (e^(r/512))^512 by nine squarings.
    r = r * Pair(1.0 / 512)
    var term = r
    var sum = Pair(1) + r
    for n in 2...10 {
      term = term * r / Pair(Double(n))
      sum = sum + term
    }
    for _ in 0..<9 { sum = sum * sum }
    let half = (k / 2).rounded(.towardZero)
    let first = Double(sign: .plus, exponent: Int(half), significand: 1)
    let second = Double(sign: .plus, exponent: Int(k - half), significand: 1)
    return Pair(sum.high * first * second, sum.low * first * second)
  }

  static func ln(_ x: Double) -> Double { lnPair(Pair(x)).value }

  /// x must be positive and finite.
  static func lnPair(_ x: Pair) -> Pair {
    if x.value == 1, x.low == 0 { return Pair(0) }
    var exponent = Double(x.high.exponent)
    var scale = Double(sign: .plus, exponent: -Int(x.high.exponent) / 2, significand: 1)
    var m = Pair(x.high * scale, x.low * scale)
    scale = Double(sign: .plus, exponent: -Int(x.high.exponent) + Int(x.high.exponent) / 2, significand: 1)
    m = Pair(m.high * scale, m.low * scale)
    if m.high > 1.4142135623730951 {
      m = Pair(m.high / 2, m.low / 2)
      exponent += 1
    }
    // ln m = 2 artanh((m−1)/(m+1)).
    let t = (m - Pair(1)) / (m + Pair(1))
    let t2 = t * t
    var power = t
    var sum = t
    var n = 3.0
    while n < 51 {
      power = power * t2
      sum = sum + power / Pair(n)
      n += 2
    }
    return sum * Pair(2) + ln2 * Pair(exponent)
  }

  static func log10(_ x: Double) -> Double {
    (lnPair(Pair(x)) / ln10).value
  }

  /// `a ^ b` with PostgreSQL's errors (15, `dpow`).
  static func power(_ a: Double, _ b: Double) throws(SQLError) -> Double {
    if b == 0 || a == 1 { return 1 }
    if a.isNaN || b.isNaN { return .nan }
    let isWhole = b == b.rounded()
    if a == 0 {
      if b < 0 { throw SQLError(SQLState("2201F"), "zero raised to a negative power is undefined") }
      return 0
    }
    if a < 0, b.isFinite, !isWhole {
      throw SQLError(
        SQLState("2201F"), "a negative number raised to a non-integer power yields a complex result")
    }
    if b.isInfinite {
      let magnitude = abs(a)
      if magnitude == 1 { return 1 }
      return (magnitude > 1) == (b > 0) ? .infinity : 0
    }
    let isOdd = isWhole && abs(b) < 9_007_199_254_740_992 && Int64(b) % 2 != 0
    if a.isInfinite {
      let magnitude: Double = b > 0 ? .infinity : 0
      return a < 0 && isOdd ? -magnitude : magnitude
    }
    let magnitude = positivePower(abs(a), b, isWhole: isWhole)
    if magnitude.isInfinite { throw SQLError(.numericValueOutOfRange, "value out of range: overflow") }
    if magnitude == 0 { throw SQLError(.numericValueOutOfRange, "value out of range: underflow") }
    return a < 0 && isOdd ? -magnitude : magnitude
  }

  private static func positivePower(_ a: Double, _ b: Double, isWhole: Bool) -> Double {
    if isWhole, abs(b) <= 64 {
      var result = Pair(1)
      var base = Pair(a)
      var rest = Int(abs(b))
      while rest > 0 {
        if rest & 1 == 1 { result = result * base }
        base = base * base
        rest >>= 1
      }
      if result.value.isFinite, result.value.isNormal {
        let value = b < 0 ? (Pair(1) / result).value : result.value
        if value.isFinite { return value }
      }
    }
    if b == 0.5 { return a.squareRoot() }
    let exponent = lnPair(Pair(a)) * Pair(b)
    if exponent.high > 709.8 { return .infinity }
    if exponent.high < -745.2 { return 0 }
    return expPair(exponent).value
  }
}

/// Functions of numerics that are not exact.
enum DecimalMath {
  /// Exact for whole exponents up to the limits of numeric; others through double precision, to 16 digits.
  static func power(_ base: Decimal, _ exponent: Decimal) throws(SQLError) -> Decimal {
    if base.isNaN || exponent.isNaN {
      if exponent.isZero || (base.isFinite && Decimal.compare(base, Decimal(1)) == 0) { return Decimal(1) }
      return .notANumber
    }
    if base.isZero, exponent.signum < 0 {
      throw SQLError(SQLState("2201F"), "zero raised to a negative power is undefined")
    }
    if exponent.isFinite, base.isFinite, Decimal.compare(exponent, exponent.rounded(to: 0)) == 0,
      let whole = exponent.int64, whole.magnitude <= 100_000
    {
      return try wholePower(base, whole)
    }
    if base.signum < 0, exponent.isFinite {
      throw SQLError(
        SQLState("2201F"), "a negative number raised to a non-integer power yields a complex result")
    }
    if base.isZero { return Decimal(limbs: [], scale: 16) }
    guard base.isFinite, exponent.isFinite else {
      return Decimal(try FloatingMath.power(base.double, exponent.double))
    }
    let product = try logarithm(base) * pair(exponent)
    return try exponential(product, atLeast: max(base.scale, exponent.scale))
  }

  private static func wholePower(_ base: Decimal, _ exponent: Int64) throws(SQLError) -> Decimal {
    let approximate = base.isZero ? 0 : FloatingMath.log10(max(abs(base.double), 1e-300)) * Double(exponent)
    guard approximate < 131_072 else {
      throw SQLError(.numericValueOutOfRange, "value overflows numeric format")
    }
    let scale = min(max(Decimal.minimumSignificantDigits, base.scale), Decimal.maximumDisplayScale)
    if approximate < -Double(Decimal.maximumDisplayScale) - 1 { return Decimal(limbs: [], scale: scale) }
    var result = Decimal(1)
    var factor = base
    var rest = exponent.magnitude
    // Digits beyond what can show are cut as they arise.
    let working = exponent < 0 ? Decimal.maximumDisplayScale * 2 : scale + 32
    while rest > 0 {
      if rest & 1 == 1 { result = trimmed(try Decimal.multiply(result, factor), working) }
      rest >>= 1
      if rest > 0 { factor = trimmed(try Decimal.multiply(factor, factor), working) }
    }
    if exponent < 0 {
      if result.isZero { throw SQLError(.numericValueOutOfRange, "value overflows numeric format") }
      let one = Decimal(1).rounded(to: scale)
      return try Decimal.divide(one, result).rounded(to: scale)
    }
    return result.rounded(to: scale)
  }

  private static func trimmed(_ value: Decimal, _ scale: Int) -> Decimal {
    value.scale > scale ? value.rounded(to: scale) : value
  }

  static func exponential(_ value: Decimal) throws(SQLError) -> Decimal {
    if value.isNaN || value.kind == .positiveInfinity { return value }
    if value.kind == .negativeInfinity { return .zero }
    return try exponential(pair(value), atLeast: value.scale)
  }

  /// The value must be positive and finite.
  static func naturalLogarithm(_ value: Decimal) throws(SQLError) -> Decimal {
    shown(try logarithm(value), atLeast: value.scale)
  }

  static func commonLogarithm(_ value: Decimal) throws(SQLError) -> Decimal {
    shown(try logarithm(value) / FloatingMath.ln10, atLeast: value.scale)
  }

  private static func logarithm(_ value: Decimal) throws(SQLError) -> FloatingMath.Pair {
    let operand = pair(value)
    guard operand.high.isFinite, operand.high > 0 else {
      throw .unsupported("logarithms of numerics above 10^308 or below 10^-308")
    }
    return FloatingMath.lnPair(operand)
  }

  private static func exponential(_ argument: FloatingMath.Pair, atLeast minimum: Int) throws(SQLError) -> Decimal {
    // Of operands beyond double precision not even the sign is known here.
    guard argument.high <= 709 else {
      throw .unsupported("numeric operands or results of exponential functions above 10^307")
    }
    if argument.high < -709 { return Decimal(limbs: [], scale: Decimal.maximumDisplayScale) }
    return shown(FloatingMath.expPair(argument), atLeast: minimum)
  }

  /// The nearest double and what it lacks.
  private static func pair(_ value: Decimal) -> FloatingMath.Pair {
    let high = value.double
    guard high.isFinite, let rest = try? Decimal.subtract(value, Decimal(exactly: high)) else {
      return FloatingMath.Pair(high)
    }
    return FloatingMath.Pair(high, rest.double)
  }

  /// Sixteen significant digits, at least `minimum` behind the point.
  private static func shown(_ value: FloatingMath.Pair, atLeast minimum: Int) -> Decimal {
    guard value.high.isFinite, let exact = try? Decimal.add(Decimal(exactly: value.high), Decimal(exactly: value.low))
    else { return Decimal(value.high) }
    let leading = value.high == 0 ? 0 : Int(FloatingMath.log10(abs(value.high)).rounded(.towardZero))
    return exact.rounded(to: min(max(16 - leading, minimum, 0), Decimal.maximumDisplayScale))
  }
}
