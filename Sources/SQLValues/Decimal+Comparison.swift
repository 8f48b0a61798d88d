extension Decimal {
  public static let zero = Decimal(limbs: [], scale: 0)
  public static let notANumber = Decimal(kind: .notANumber, limbs: [], scale: 0)
  public static let positiveInfinity = Decimal(kind: .positiveInfinity, limbs: [], scale: 0)
  public static let negativeInfinity = Decimal(kind: .negativeInfinity, limbs: [], scale: 0)

  public var isFinite: Bool { kind == .finite }
  public var isNaN: Bool { kind == .notANumber }
  public var isZero: Bool { kind == .finite && limbs.isEmpty }

  /// Negative, zero or positive; −∞ < finite < ∞ < NaN, and NaN equals NaN (PostgreSQL 15, 8.1.2).
  public static func compare(_ left: Decimal, _ right: Decimal) -> Int {
    if left.kind != .finite || right.kind != .finite {
      let a = left.kindRank
      let b = right.kindRank
      return a < b ? -1 : a > b ? 1 : 0
    }
    if left.isNegative != right.isNegative {
      // Zero is never negative.
      return left.isNegative ? -1 : 1
    }
    let order = compareMagnitudes(left, right)
    return left.isNegative ? -order : order
  }

  private var kindRank: Int {
    switch kind {
    case .negativeInfinity: 0
    case .finite: 1
    case .positiveInfinity: 2
    case .notANumber: 3
    }
  }

  private static func compareMagnitudes(_ left: Decimal, _ right: Decimal) -> Int {
    if left.scale == right.scale { return Limbs.compare(left.limbs, right.limbs) }
    if left.limbs.isEmpty || right.limbs.isEmpty {
      return left.limbs.isEmpty ? (right.limbs.isEmpty ? 0 : -1) : 1
    }
    // The position of the first digit decides most comparisons without arithmetic.
    let a = Limbs.digitCount(left.limbs) - left.scale
    let b = Limbs.digitCount(right.limbs) - right.scale
    if a != b { return a < b ? -1 : 1 }
    if left.scale < right.scale {
      return Limbs.compare(Limbs.multiply(left.limbs, byPowerOfTen: right.scale - left.scale), right.limbs)
    }
    return Limbs.compare(left.limbs, Limbs.multiply(right.limbs, byPowerOfTen: left.scale - right.scale))
  }

  /// Equal numbers hash alike whatever their scale.
  func hashNumerically(into hasher: inout Hasher) {
    hasher.combine(kind)
    guard kind == .finite else { return }
    let normal = normalized
    hasher.combine(normal.isNegative)
    hasher.combine(normal.limbs)
    hasher.combine(normal.scale)
  }

  /// The same number without zeros at the end of its fraction; integers keep scale 0.
  public var normalized: Decimal {
    guard kind == .finite, scale > 0 else { return self }
    if limbs.isEmpty { return Decimal(limbs: [], scale: 0) }
    var rest = limbs
    var newScale = scale
    while newScale >= 9, rest.first == 0 {
      rest.removeFirst()
      newScale -= 9
    }
    while newScale > 0, rest[0] % 10 == 0 {
      Limbs.divideInPlace(&rest, by: 10)
      newScale -= 1
    }
    return Decimal(isNegative: isNegative, limbs: rest, scale: newScale)
  }
}

extension Decimal {
  /// Digits of the coefficient, most significant first, each 0…9; empty for zero.
  public var significantDigits: [UInt8] { Limbs.digits(limbs) }
}
