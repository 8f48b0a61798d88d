import Basics

/// Arithmetic with PostgreSQL's scales (15, `numeric.c`): exact, and rounded only where a quotient is.
extension Decimal {
  /// Scale of quotients at most.
  public static let maximumDisplayScale = 1_000
  public static let minimumSignificantDigits = 16

  public static func add(_ left: Decimal, _ right: Decimal) throws(SQLError) -> Decimal {
    if left.kind != .finite || right.kind != .finite {
      if left.isNaN || right.isNaN { return .notANumber }
      if left.kind == .finite { return right }
      if right.kind == .finite || left.kind == right.kind { return left }
      return .notANumber
    }
    let scale = max(left.scale, right.scale)
    let a = Limbs.multiply(left.limbs, byPowerOfTen: scale - left.scale)
    let b = Limbs.multiply(right.limbs, byPowerOfTen: scale - right.scale)
    if left.isNegative == right.isNegative {
      return try Decimal(isNegative: left.isNegative, limbs: Limbs.add(a, b), scale: scale).checked()
    }
    let order = Limbs.compare(a, b)
    if order == 0 { return Decimal(limbs: [], scale: scale) }
    return order > 0
      ? Decimal(isNegative: left.isNegative, limbs: Limbs.subtract(a, b), scale: scale)
      : Decimal(isNegative: right.isNegative, limbs: Limbs.subtract(b, a), scale: scale)
  }

  public static func subtract(_ left: Decimal, _ right: Decimal) throws(SQLError) -> Decimal {
    try add(left, right.negated)
  }

  public static func multiply(_ left: Decimal, _ right: Decimal) throws(SQLError) -> Decimal {
    if left.kind != .finite || right.kind != .finite {
      if left.isNaN || right.isNaN || left.isZero || right.isZero { return .notANumber }
      return left.signum * right.signum > 0 ? .positiveInfinity : .negativeInfinity
    }
    let product = Decimal(
      isNegative: left.isNegative != right.isNegative, limbs: Limbs.multiply(left.limbs, right.limbs),
      scale: left.scale + right.scale)
    return try (product.scale > maximumScale ? product.rounded(to: maximumScale) : product).checked()
  }

  /// Throws 22012 for a zero divisor.
  public static func divide(_ left: Decimal, _ right: Decimal) throws(SQLError) -> Decimal {
    if left.isNaN || right.isNaN { return .notANumber }
    if left.kind != .finite {
      if right.kind != .finite { return .notANumber }
      if right.isZero { throw SQLError(.divisionByZero, "division by zero") }
      return left.signum * right.signum > 0 ? .positiveInfinity : .negativeInfinity
    }
    if right.kind != .finite { return .zero }
    if right.isZero { throw SQLError(.divisionByZero, "division by zero") }
    return try quotient(left, right, scale: divisionScale(left, right)).checked()
  }

  /// `left ÷ right` rounded half away from zero to `scale` digits; both finite, `right` not zero.
  static func quotient(_ left: Decimal, _ right: Decimal, scale: Int) -> Decimal {
    // left·10^-ls ÷ right·10^-rs = (left·10^(scale+1+rs-ls) ÷ right) · 10^-(scale+1)
    let shift = scale + 1 + right.scale - left.scale
    let numerator = shift >= 0 ? Limbs.multiply(left.limbs, byPowerOfTen: shift) : left.limbs
    let denominator = shift >= 0 ? right.limbs : Limbs.multiply(right.limbs, byPowerOfTen: -shift)
    let (whole, _) = Limbs.divide(numerator, by: denominator)
    // One digit more than wanted decides the rounding: what lies behind it cannot change half up.
    return Decimal(isNegative: left.isNegative != right.isNegative, limbs: whole, scale: scale + 1).rounded(to: scale)
  }

  /// PostgreSQL's `select_div_scale`: at least 16 significant digits, never fewer digits than the operands have.
  static func divisionScale(_ left: Decimal, _ right: Decimal) -> Int {
    let (weight1, first1) = left.leadingBaseTenThousandDigit
    let (weight2, first2) = right.leadingBaseTenThousandDigit
    var weight = weight1 - weight2
    if first1 <= first2 { weight -= 1 }
    let scale = max(minimumSignificantDigits - weight * 4, left.scale, right.scale, 0)
    return min(scale, maximumDisplayScale)
  }

  /// Position (0 is the units) and value of the first digit in base 10,000; (0, 0) for zero.
  var leadingBaseTenThousandDigit: (weight: Int, digit: Int) {
    let digits = Limbs.digits(limbs)
    if digits.isEmpty { return (0, 0) }
    // The first digit stands for 10^(point − 1).
    let point = digits.count - scale
    let weight = (point - 1) >= 0 ? (point - 1) / 4 : -((-(point - 1) + 3) / 4)
    let leading = point - weight * 4
    var digit = 0
    for index in 0..<leading { digit = digit * 10 + (index < digits.count ? Int(digits[index]) : 0) }
    return (weight, digit)
  }

  /// Remainder with the sign of the dividend. Throws 22012.
  public static func remainder(_ left: Decimal, _ right: Decimal) throws(SQLError) -> Decimal {
    if left.isNaN || right.isNaN { return .notANumber }
    if left.kind != .finite {
      if right.isZero { throw SQLError(.divisionByZero, "division by zero") }
      return .notANumber
    }
    if right.kind != .finite { return left }
    if right.isZero { throw SQLError(.divisionByZero, "division by zero") }
    let scale = max(left.scale, right.scale)
    let a = Limbs.multiply(left.limbs, byPowerOfTen: scale - left.scale)
    let b = Limbs.multiply(right.limbs, byPowerOfTen: scale - right.scale)
    return Decimal(isNegative: left.isNegative, limbs: Limbs.divide(a, by: b).remainder, scale: scale)
  }

  /// The whole quotient, towards zero (`div`). Throws 22012.
  public static func wholeQuotient(_ left: Decimal, _ right: Decimal) throws(SQLError) -> Decimal {
    if left.kind != .finite || right.kind != .finite { return try divide(left, right) }
    if right.isZero { throw SQLError(.divisionByZero, "division by zero") }
    let scale = max(left.scale, right.scale)
    let a = Limbs.multiply(left.limbs, byPowerOfTen: scale - left.scale)
    let b = Limbs.multiply(right.limbs, byPowerOfTen: scale - right.scale)
    return Decimal(isNegative: left.isNegative != right.isNegative, limbs: Limbs.divide(a, by: b).quotient, scale: 0)
  }

  public var negated: Decimal {
    switch kind {
    case .finite: Decimal(isNegative: !isNegative, limbs: limbs, scale: scale)
    case .notANumber: self
    case .positiveInfinity: .negativeInfinity
    case .negativeInfinity: .positiveInfinity
    }
  }

  public var magnitude: Decimal {
    switch kind {
    case .finite: Decimal(limbs: limbs, scale: scale)
    case .notANumber: self
    case .positiveInfinity, .negativeInfinity: .positiveInfinity
    }
  }

  /// −1, 0 or 1.
  public var signum: Int {
    switch kind {
    case .finite: limbs.isEmpty ? 0 : isNegative ? -1 : 1
    case .notANumber: 0
    case .positiveInfinity: 1
    case .negativeInfinity: -1
    }
  }

  public enum Rounding: Sendable { case halfAwayFromZero, towardsZero, down, up }

  /// With `places` digits after the point, or zeros before it if negative.
  public func rounded(to places: Int, _ rounding: Rounding = .halfAwayFromZero) -> Decimal {
    guard kind == .finite else { return self }
    if places >= scale {
      let wanted = min(places, Self.maximumScale)
      return Decimal(
        isNegative: isNegative, limbs: Limbs.multiply(limbs, byPowerOfTen: wanted - scale), scale: wanted)
    }
    let (quotient, half, isExact) = Limbs.divide(limbs, byPowerOfTen: scale - places)
    let up: Bool =
      switch rounding {
      case .halfAwayFromZero: half >= 0 && !isExact
      case .towardsZero: false
      case .down: isNegative && !isExact
      case .up: !isNegative && !isExact
      }
    var result = up ? Limbs.add(quotient, [1]) : quotient
    if places < 0 { result = Limbs.multiply(result, byPowerOfTen: -places) }
    return Decimal(isNegative: isNegative, limbs: result, scale: max(places, 0))
  }

  /// Throws 22003 where the number has more digits before the point than PostgreSQL can keep.
  func checked() throws(SQLError) -> Decimal {
    if limbs.count * Limbs.digitsPerLimb - scale > Self.maximumIntegerDigits,
      Limbs.digitCount(limbs) - scale > Self.maximumIntegerDigits
    {
      throw SQLError(.numericValueOutOfRange, "value overflows numeric format")
    }
    return self
  }

  /// Fits `numeric(precision, scale)`, or throws 22003 with PostgreSQL's detail.
  public func constrained(precision: Int, scale wanted: Int) throws(SQLError) -> Decimal {
    if kind == .notANumber { return self }
    let detail =
      "A field with precision \(precision), scale \(wanted) must round to an absolute value less than "
      + (precision - wanted == 0 ? "1" : "10^\(precision - wanted)") + "."
    if kind != .finite {
      throw SQLError(
        .numericValueOutOfRange, "numeric field overflow",
        detail: "A field with precision \(precision), scale \(wanted) cannot hold an infinite value.")
    }
    let result = rounded(to: wanted)
    guard result.isZero || Limbs.digitCount(result.limbs) - result.scale <= precision - wanted else {
      throw SQLError(.numericValueOutOfRange, "numeric field overflow", detail: detail)
    }
    return result
  }

  /// Throws 2201F for a negative number.
  public func squareRoot() throws(SQLError) -> Decimal {
    if kind == .notANumber || kind == .positiveInfinity { return self }
    if signum < 0 { throw SQLError(SQLState("2201F"), "cannot take square root of a negative number") }
    // numeric_sqrt: sixteen significant digits, at least the operand's scale.
    let weight = leadingBaseTenThousandDigit.weight
    let sweight = weight >= 0 ? weight * 4 / 2 + 1 : 1 - (-weight * 4 - 1) / 2
    let wanted = min(max(Self.minimumSignificantDigits - sweight, scale, 0), Self.maximumDisplayScale)
    if isZero { return Decimal(limbs: [], scale: wanted) }
    // Integer square root of the coefficient scaled to 2·(wanted+1) digits, by Newton's iteration from above.
    let target = Limbs.multiply(limbs, byPowerOfTen: 2 * (wanted + 1) + (scale % 2))
    let extraScale = (scale + scale % 2) / 2
    var guess = Limbs.multiply([1], byPowerOfTen: (Limbs.digitCount(target) + 1) / 2 + 1)
    while true {
      var next = Limbs.add(guess, Limbs.divide(target, by: guess).quotient)
      Limbs.divideInPlace(&next, by: 2)
      if Limbs.compare(next, guess) >= 0 { break }
      guess = next
    }
    return Decimal(limbs: guess, scale: wanted + 1 + extraScale).rounded(to: wanted)
  }
}
