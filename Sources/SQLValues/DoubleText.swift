/// Floating-point numbers as decimal text.
enum DoubleText {
  /// Digits (most significant first) and the position of the point: value = 0.d1d2… × 10^point. Shortest digits that
  /// read back as the same number unless `significantDigits` asks for fewer. The value must be finite.
  static func parts(_ value: Double, significantDigits: Int? = nil) -> (digits: [UInt8], point: Int) {
    split(value.magnitude.description, significantDigits: significantDigits)
  }

  static func parts(_ value: Float) -> (digits: [UInt8], point: Int) {
    split(value.magnitude.description, significantDigits: nil)
  }

  private static func split(_ text: String, significantDigits: Int?) -> (digits: [UInt8], point: Int) {
    var digits: [UInt8] = []
    var point = 0
    var sawPoint = false
    var rest = text.utf8[...]
    while let byte = rest.first, byte != UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if byte == UInt8(ascii: ".") {
        sawPoint = true
      } else {
        digits.append(byte &- UInt8(ascii: "0"))
        if !sawPoint { point += 1 }
      }
    }
    if !rest.isEmpty, let exponentText = String(rest.dropFirst()), let exponent = Int(exponentText) {
      point += exponent
    }
    let leading = digits.prefix { $0 == 0 }.count
    digits.removeFirst(leading)
    point -= leading
    if digits.isEmpty { return ([0], 1) }
    while digits.count > 1, digits.last == 0 { digits.removeLast() }
    if let limit = significantDigits, digits.count > limit {
      let up = digits[limit] >= 5
      digits.removeSubrange(limit...)
      if up {
        var index = limit - 1
        while index >= 0, digits[index] == 9 {
          digits[index] = 0
          index -= 1
        }
        if index >= 0 {
          digits[index] += 1
        } else {
          digits.insert(1, at: 0)
          digits.removeLast()
          point += 1
        }
      }
      while digits.count > 1, digits.last == 0 { digits.removeLast() }
    }
    return (digits, point)
  }

  /// As PostgreSQL prints `float8` (`extra_float_digits` ≥ 1): scientific below 10^-4 and from 10^15 on.
  static func write(_ value: Double, into text: inout [UInt8]) {
    if writeSpecial(value, into: &text) { return }
    let (digits, point) = parts(value)
    write(digits, point: point, isNegative: value.sign == .minus, scientificFrom: 15, into: &text)
  }

  /// As PostgreSQL prints `float4`: scientific from 10^6 on.
  static func write(single value: Double, into text: inout [UInt8]) {
    if writeSpecial(value, into: &text) { return }
    let (digits, point) = parts(Float(value))
    write(digits, point: point, isNegative: value.sign == .minus, scientificFrom: 6, into: &text)
  }

  private static func writeSpecial(_ value: Double, into text: inout [UInt8]) -> Bool {
    if value.isNaN {
      text.append(contentsOf: "NaN".utf8)
    } else if value.isInfinite {
      text.append(contentsOf: (value < 0 ? "-Infinity" : "Infinity").utf8)
    } else {
      return false
    }
    return true
  }

  private static func write(
    _ digits: [UInt8], point: Int, isNegative: Bool, scientificFrom limit: Int, into text: inout [UInt8]
  ) {
    let zero = UInt8(ascii: "0")
    if isNegative { text.append(UInt8(ascii: "-")) }
    let exponent = point - 1
    if digits == [0] {
      text.append(zero)
    } else if exponent < -4 || exponent >= limit {
      text.append(digits[0] + zero)
      if digits.count > 1 {
        text.append(UInt8(ascii: "."))
        for digit in digits.dropFirst() { text.append(digit + zero) }
      }
      text.append(UInt8(ascii: "e"))
      text.append(exponent < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
      let magnitude = abs(exponent)
      if magnitude < 10 { text.append(zero) }
      text.append(contentsOf: String(magnitude).utf8)
    } else if point <= 0 {
      text.append(zero)
      text.append(UInt8(ascii: "."))
      for _ in 0..<(-point) { text.append(zero) }
      for digit in digits { text.append(digit + zero) }
    } else {
      for index in 0..<max(point, digits.count) {
        if index == point { text.append(UInt8(ascii: ".")) }
        text.append((index < digits.count ? digits[index] : 0) + zero)
      }
    }
  }
}
