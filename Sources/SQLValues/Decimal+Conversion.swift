import Basics

extension Decimal {
  public init(_ value: Int64) {
    self.init(isNegative: value < 0, limbs: Limbs.from(value.magnitude), scale: 0)
  }

  /// As PostgreSQL converts floats: the shortest decimal with 15 (`float8`) or 6 (`float4`) significant digits.
  public init(_ value: Double, significantDigits: Int = 15) {
    if value.isNaN {
      self = .notANumber
    } else if value.isInfinite {
      self = value < 0 ? .negativeInfinity : .positiveInfinity
    } else {
      let parts = DoubleText.parts(value, significantDigits: significantDigits)
      var digits = parts.digits
      while digits.last == 0 { digits.removeLast() }
      let scale = digits.count - parts.point
      let limbs = Limbs.from(digits: digits)
      self =
        scale >= 0
        ? Decimal(isNegative: value < 0, limbs: limbs, scale: scale)
        : Decimal(isNegative: value < 0, limbs: Limbs.multiply(limbs, byPowerOfTen: -scale), scale: 0)
    }
  }

  /// The exact value of a finite double, which may have many digits.
  public init(exactly value: Double) {
    guard value.isFinite, value != 0 else {
      self = .zero
      return
    }
    // value = significand · 2^exponent with a whole significand.
    let exponent = Int(value.exponent) - 52
    let whole = UInt64(Double(sign: .plus, exponent: 52, significand: value.magnitude.significand))
    var limbs = Limbs.from(whole)
    if exponent >= 0 {
      for _ in 0..<exponent { limbs = Limbs.add(limbs, limbs) }
      self.init(isNegative: value < 0, limbs: limbs, scale: 0)
    } else {
      // 2^-n = 5^n / 10^n.
      for _ in 0..<(-exponent) { limbs = Limbs.multiply(limbs, by: 5) }
      self = Decimal(isNegative: value < 0, limbs: limbs, scale: -exponent).normalized
    }
  }

  /// Rounded half away from zero; nil beyond 64 bits, for NaN and for infinities.
  public var int64: Int64? {
    guard kind == .finite else { return nil }
    let whole = scale == 0 ? self : rounded(to: 0)
    guard whole.limbs.count <= 3 else { return nil }
    var magnitude: UInt128 = 0
    for limb in whole.limbs.reversed() { magnitude = magnitude * 1_000_000_000 + UInt128(limb) }
    if isNegative {
      guard magnitude <= UInt128(1) << 63 else { return nil }
      return Int64(truncatingIfNeeded: -Int128(magnitude))
    }
    return Int64(exactly: magnitude)
  }

  /// The nearest double.
  public var double: Double {
    switch kind {
    case .notANumber: .nan
    case .positiveInfinity: .infinity
    case .negativeInfinity: -.infinity
    case .finite: Double(description) ?? 0
    }
  }

  /// nil if the text is no number. Surrounding blanks are allowed.
  public init?(_ text: String) {
    let trimmed = text.utf8.trimmingBlanks
    switch String(trimmed)?.lowercased() {
    case "nan": self = .notANumber
    case "infinity", "inf", "+infinity", "+inf": self = .positiveInfinity
    case "-infinity", "-inf": self = .negativeInfinity
    default:
      guard let parsed = Self.parse(trimmed) else { return nil }
      self = parsed
    }
  }

  private static func parse(_ text: Substring.UTF8View) -> Decimal? {
    var rest = text
    var isNegative = false
    if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      rest = rest.dropFirst()
    }
    var digits: [UInt8] = []
    var scale = 0
    var sawPoint = false
    var sawDigit = false
    while let byte = rest.first {
      if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
        digits.append(byte - UInt8(ascii: "0"))
        if sawPoint { scale += 1 }
        sawDigit = true
      } else if byte == UInt8(ascii: "."), !sawPoint {
        sawPoint = true
      } else {
        break
      }
      rest = rest.dropFirst()
    }
    guard sawDigit else { return nil }
    if let mark = rest.first {
      guard mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E"),
        let text = String(rest.dropFirst()), let exponent = Int(text), abs(exponent) <= 200_000
      else { return nil }
      scale -= exponent
    }
    if scale < 0 {
      guard digits.count - scale <= maximumIntegerDigits + 1 || digits.allSatisfy({ $0 == 0 }) else { return nil }
      digits.append(contentsOf: repeatElement(0, count: -scale))
      scale = 0
    }
    let value = Decimal(isNegative: isNegative, limbs: Limbs.from(digits: digits), scale: scale)
    return scale > maximumScale ? value.rounded(to: maximumScale) : value
  }
}

extension Decimal: CustomStringConvertible {
  public var description: String {
    var text: [UInt8] = []
    write(into: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends the digits as PostgreSQL prints them.
  func write(into text: inout [UInt8]) {
    switch kind {
    case .notANumber:
      text.append(contentsOf: "NaN".utf8)
      return
    case .positiveInfinity:
      text.append(contentsOf: "Infinity".utf8)
      return
    case .negativeInfinity:
      text.append(contentsOf: "-Infinity".utf8)
      return
    case .finite: break
    }
    if isNegative { text.append(UInt8(ascii: "-")) }
    let digits = Limbs.digits(limbs)
    let whole = digits.count - scale
    if whole <= 0 { text.append(UInt8(ascii: "0")) }
    for (index, digit) in digits.enumerated() {
      if index == whole, index > 0 { text.append(UInt8(ascii: ".")) }
      if index == 0, whole <= 0 {
        text.append(UInt8(ascii: "."))
        for _ in 0..<(-whole) { text.append(UInt8(ascii: "0")) }
      }
      text.append(digit + UInt8(ascii: "0"))
    }
    if digits.isEmpty, scale > 0 {
      text.append(UInt8(ascii: "."))
      for _ in 0..<scale { text.append(UInt8(ascii: "0")) }
    }
  }
}

extension String.UTF8View {
  /// Without blanks at both ends.
  var trimmingBlanks: Substring.UTF8View {
    func isBlank(_ byte: UInt8) -> Bool { byte == 32 || (byte >= 9 && byte <= 13) }
    var slice = self[...]
    while let first = slice.first, isBlank(first) { slice = slice.dropFirst() }
    while let last = slice.last, isBlank(last) { slice = slice.dropLast() }
    return slice
  }
}
