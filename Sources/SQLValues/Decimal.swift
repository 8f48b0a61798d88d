/// An exact decimal number: sign, coefficient in base 10^9 (least significant limb first), and decimal scale; or NaN or an infinity.
///
/// value = (isNegative ? -1 : 1) × Σ limbs[i] × 10^(9·i) × 10^-scale. Scale is the display scale (`1.50` keeps 2).
public struct Decimal: Sendable {
  public enum Kind: UInt8, Sendable { case finite, notANumber, positiveInfinity, negativeInfinity }

  public let kind: Kind
  public let isNegative: Bool
  /// No leading zero limbs (at the end of the array); empty for zero.
  public let limbs: [UInt32]
  /// Digits after the decimal point, 0 to 16383.
  public let scale: Int

  public init(kind: Kind = .finite, isNegative: Bool = false, limbs: [UInt32], scale: Int) {
    self.kind = kind
    var trimmed = limbs
    while trimmed.last == 0 { trimmed.removeLast() }
    self.limbs = trimmed
    self.isNegative = isNegative && !trimmed.isEmpty
    self.scale = scale
  }
}

extension Decimal: Hashable {
  /// Same representation; numeric comparison, where 1.0 equals 1.00, is `compare`.
  public static func == (left: Decimal, right: Decimal) -> Bool {
    left.kind == right.kind && left.isNegative == right.isNegative && left.limbs == right.limbs
      && left.scale == right.scale
  }
}

extension Decimal {
  /// Digits after the point at most (PostgreSQL 15, 8.1.2).
  public static let maximumScale = 16_383
  /// Digits before the point at most.
  public static let maximumIntegerDigits = 131_072
}
