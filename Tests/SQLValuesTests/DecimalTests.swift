import Basics
import SQLValues
import Testing

/// Decimal arithmetic against 128-bit integers, and against itself where those do not reach.
@Suite struct DecimalTests {
  static func random(_ generator: inout SeededGenerator) -> (Int64, Int) {
    (Int64(bitPattern: generator.next()) >> Int64(8 + generator.next() % 50), Int(generator.next() % 8))
  }

  static func decimal(_ units: Int128, scale: Int) -> Decimal {
    var limbs: [UInt32] = []
    var rest = units.magnitude
    while rest > 0 {
      limbs.append(UInt32(rest % 1_000_000_000))
      rest /= 1_000_000_000
    }
    return Decimal(isNegative: units < 0, limbs: limbs, scale: scale)
  }

  @Test func sumsAndProductsAreExact() throws {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<5_000 {
      let (a, s) = Self.random(&generator)
      let (b, t) = Self.random(&generator)
      let left = Self.decimal(Int128(a), scale: s)
      let right = Self.decimal(Int128(b), scale: t)
      let scale = max(s, t)
      func power(_ n: Int) -> Int128 { (0..<n).reduce(1) { result, _ in result * 10 } }
      let sum = Int128(a) * power(scale - s) + Int128(b) * power(scale - t)
      #expect(try Decimal.add(left, right) == Self.decimal(sum, scale: scale))
      #expect(try Decimal.multiply(left, right) == Self.decimal(Int128(a) * Int128(b), scale: s + t))
      let order = Int128(a) * power(scale - s) - Int128(b) * power(scale - t)
      #expect(Decimal.compare(left, right).signum() == Int(order.signum()))
    }
  }

  @Test func quotientAndRemainderFitTogether() throws {
    var generator = SeededGenerator(seed: 2)
    for _ in 0..<2_000 {
      // Long numbers, so that division takes several limbs.
      var left = Decimal(1)
      var right = Decimal(1)
      for _ in 0..<(1 + generator.next() % 6) {
        left = try Decimal.multiply(left, Self.decimal(Int128(Self.random(&generator).0), scale: 1))
      }
      for _ in 0..<(1 + generator.next() % 4) {
        right = try Decimal.multiply(right, Self.decimal(Int128(Self.random(&generator).0), scale: 2))
      }
      if right.isZero { continue }
      let quotient = try Decimal.wholeQuotient(left, right)
      let remainder = try Decimal.remainder(left, right)
      let back = try Decimal.add(Decimal.multiply(quotient, right), remainder)
      #expect(Decimal.compare(back, left) == 0)
      #expect(Decimal.compare(remainder.magnitude, right.magnitude) < 0)
    }
  }

  @Test func textRoundTrips() throws {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<3_000 {
      let (units, scale) = Self.random(&generator)
      let value = Self.decimal(Int128(units), scale: scale)
      #expect(Decimal(value.description) == value)
    }
  }

  @Test func doublesAreExact() {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<500 {
      let value = Double(bitPattern: generator.next())
      guard value.isFinite else { continue }
      #expect(Decimal(exactly: value).double == value)
    }
  }
}
