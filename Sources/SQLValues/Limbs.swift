/// Arithmetic on natural numbers in base 10^9, least significant limb first, no zero limbs at the end.
enum Limbs {
  static let base: UInt64 = 1_000_000_000
  static let digitsPerLimb = 9

  /// 10^0 … 10^18.
  static let powersOfTen: [UInt64] = {
    var powers: [UInt64] = [1]
    for _ in 0..<18 { powers.append(powers[powers.count - 1] * 10) }
    return powers
  }()

  static func from(_ value: UInt64) -> [UInt32] {
    var limbs: [UInt32] = []
    var rest = value
    while rest > 0 {
      limbs.append(UInt32(truncatingIfNeeded: rest % base))
      rest /= base
    }
    return limbs
  }

  static func trim(_ limbs: inout [UInt32]) {
    while limbs.last == 0 { limbs.removeLast() }
  }

  static func digitCount(_ limbs: [UInt32]) -> Int {
    guard let last = limbs.last else { return 0 }
    var digits = (limbs.count - 1) * digitsPerLimb
    var rest = last
    while rest > 0 {
      digits += 1
      rest /= 10
    }
    return digits
  }

  static func compare(_ left: [UInt32], _ right: [UInt32]) -> Int {
    if left.count != right.count { return left.count < right.count ? -1 : 1 }
    var index = left.count - 1
    while index >= 0 {
      if left[index] != right[index] { return left[index] < right[index] ? -1 : 1 }
      index -= 1
    }
    return 0
  }

  static func add(_ left: [UInt32], _ right: [UInt32]) -> [UInt32] {
    let (long, short) = left.count >= right.count ? (left, right) : (right, left)
    var result: [UInt32] = []
    result.reserveCapacity(long.count + 1)
    var carry: UInt64 = 0
    for index in long.indices {
      let sum = UInt64(long[index]) + (index < short.count ? UInt64(short[index]) : 0) + carry
      carry = sum >= base ? 1 : 0
      result.append(UInt32(truncatingIfNeeded: carry == 1 ? sum - base : sum))
    }
    if carry > 0 { result.append(1) }
    return result
  }

  /// `left` must not be less than `right`.
  static func subtract(_ left: [UInt32], _ right: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(left.count)
    var borrow: Int64 = 0
    for index in left.indices {
      var difference = Int64(left[index]) - (index < right.count ? Int64(right[index]) : 0) - borrow
      borrow = difference < 0 ? 1 : 0
      if difference < 0 { difference += Int64(base) }
      result.append(UInt32(truncatingIfNeeded: difference))
    }
    trim(&result)
    return result
  }

  static func multiply(_ left: [UInt32], _ right: [UInt32]) -> [UInt32] {
    if left.isEmpty || right.isEmpty { return [] }
    var result = [UInt32](repeating: 0, count: left.count + right.count)
    for i in left.indices where left[i] != 0 {
      var carry: UInt64 = 0
      let factor = UInt64(left[i])
      for j in right.indices {
        let value = UInt64(result[i + j]) + factor * UInt64(right[j]) + carry
        result[i + j] = UInt32(truncatingIfNeeded: value % base)
        carry = value / base
      }
      result[i + right.count] = UInt32(truncatingIfNeeded: carry)
    }
    trim(&result)
    return result
  }

  static func multiply(_ limbs: [UInt32], by factor: UInt64) -> [UInt32] {
    multiply(limbs, from(factor))
  }

  static func multiply(_ limbs: [UInt32], byPowerOfTen exponent: Int) -> [UInt32] {
    if exponent == 0 || limbs.isEmpty { return limbs }
    let scaled = exponent % digitsPerLimb == 0 ? limbs : multiply(limbs, by: powersOfTen[exponent % digitsPerLimb])
    return [UInt32](repeating: 0, count: exponent / digitsPerLimb) + scaled
  }

  /// Divides by a small number and returns the remainder.
  @discardableResult
  static func divideInPlace(_ limbs: inout [UInt32], by divisor: UInt64) -> UInt64 {
    var remainder: UInt64 = 0
    var index = limbs.count - 1
    while index >= 0 {
      let value = remainder * base + UInt64(limbs[index])
      limbs[index] = UInt32(truncatingIfNeeded: value / divisor)
      remainder = value % divisor
      index -= 1
    }
    trim(&limbs)
    return remainder
  }

  /// ⌊limbs / 10^exponent⌋ and whether the remainder is below, at or above half (−1, 0, 1) and whether it is zero.
  static func divide(
    _ limbs: [UInt32], byPowerOfTen exponent: Int
  ) -> (quotient: [UInt32], half: Int, isExact: Bool) {
    if exponent == 0 || limbs.isEmpty { return (limbs, -1, true) }
    let whole = exponent / digitsPerLimb
    let part = exponent % digitsPerLimb
    if whole >= limbs.count + 1 { return ([], -1, false) }
    let divisor = powersOfTen[part]
    var quotient = whole < limbs.count ? Array(limbs[whole...]) : []
    let remainder = part == 0 ? 0 : divideInPlace(&quotient, by: divisor)
    let low = limbs.prefix(whole)
    let lowIsZero = low.allSatisfy { $0 == 0 }
    let isExact = remainder == 0 && lowIsZero
    // Compare (remainder, low) with half of 10^exponent.
    var half = -1
    if part > 0 {
      if remainder > divisor / 2 || (remainder == divisor / 2 && !lowIsZero) {
        half = 1
      } else if remainder == divisor / 2 {
        half = 0
      }
    } else if let top = low.last {
      let middle = UInt32(base / 2)
      let belowIsZero = low.dropLast().allSatisfy { $0 == 0 }
      if top > middle || (top == middle && !belowIsZero) {
        half = 1
      } else if top == middle {
        half = 0
      }
    }
    return (quotient, half, isExact)
  }

  /// Long division (Knuth, TAOCP volume 2, 4.3.1, algorithm D). `divisor` must not be empty.
  static func divide(_ dividend: [UInt32], by divisor: [UInt32]) -> (quotient: [UInt32], remainder: [UInt32]) {
    if compare(dividend, divisor) < 0 { return ([], dividend) }
    if divisor.count == 1 {
      var quotient = dividend
      let remainder = divideInPlace(&quotient, by: UInt64(divisor[0]))
      return (quotient, from(remainder))
    }
    let factor = base / (UInt64(divisor[divisor.count - 1]) + 1)
    var rest = multiply(dividend, by: factor)
    let v = multiply(divisor, by: factor)
    while rest.count <= dividend.count { rest.append(0) }
    let n = v.count
    let m = rest.count - n - 1
    var quotient = [UInt32](repeating: 0, count: m + 1)
    var j = m
    while j >= 0 {
      let numerator = UInt64(rest[j + n]) * base + UInt64(rest[j + n - 1])
      var estimate = numerator / UInt64(v[n - 1])
      var remainder = numerator % UInt64(v[n - 1])
      while estimate >= base || estimate * UInt64(v[n - 2]) > base * remainder + UInt64(rest[j + n - 2]) {
        estimate -= 1
        remainder += UInt64(v[n - 1])
        if remainder >= base { break }
      }
      var borrow: Int64 = 0
      var carry: UInt64 = 0
      for i in 0..<n {
        let product = estimate * UInt64(v[i]) + carry
        carry = product / base
        var difference = Int64(rest[i + j]) - borrow - Int64(product % base)
        borrow = difference < 0 ? 1 : 0
        if difference < 0 { difference += Int64(base) }
        rest[i + j] = UInt32(truncatingIfNeeded: difference)
      }
      var top = Int64(rest[j + n]) - borrow - Int64(carry)
      let isNegative = top < 0
      if isNegative { top += Int64(base) }
      rest[j + n] = UInt32(truncatingIfNeeded: top)
      if isNegative {
        estimate -= 1
        var addCarry: UInt64 = 0
        for i in 0..<n {
          let sum = UInt64(rest[i + j]) + UInt64(v[i]) + addCarry
          addCarry = sum >= base ? 1 : 0
          rest[i + j] = UInt32(truncatingIfNeeded: addCarry == 1 ? sum - base : sum)
        }
        rest[j + n] = UInt32(truncatingIfNeeded: (UInt64(rest[j + n]) + addCarry) % base)
      }
      quotient[j] = UInt32(truncatingIfNeeded: estimate)
      j -= 1
    }
    trim(&quotient)
    trim(&rest)
    divideInPlace(&rest, by: factor)
    return (quotient, rest)
  }

  /// Decimal digits, most significant first, as values 0…9; empty for zero.
  static func digits(_ limbs: [UInt32]) -> [UInt8] {
    guard let last = limbs.last else { return [] }
    var result: [UInt8] = []
    result.reserveCapacity(limbs.count * digitsPerLimb)
    func append(_ limb: UInt32, padded: Bool) {
      var divisor: UInt32 = 100_000_000
      var started = padded
      while divisor > 0 {
        let digit = UInt8(truncatingIfNeeded: limb / divisor % 10)
        if started || digit != 0 {
          started = true
          result.append(digit)
        }
        divisor /= 10
      }
    }
    append(last, padded: false)
    for limb in limbs.dropLast().reversed() { append(limb, padded: true) }
    return result
  }

  /// From decimal digits, most significant first.
  static func from(digits: some RandomAccessCollection<UInt8>) -> [UInt32] {
    var limbs: [UInt32] = []
    limbs.reserveCapacity(digits.count / digitsPerLimb + 1)
    var end = digits.endIndex
    while end != digits.startIndex {
      let start = digits.index(end, offsetBy: -digitsPerLimb, limitedBy: digits.startIndex) ?? digits.startIndex
      var limb: UInt32 = 0
      for digit in digits[start..<end] { limb = limb * 10 + UInt32(digit) }
      limbs.append(limb)
      end = start
    }
    trim(&limbs)
    return limbs
  }
}
