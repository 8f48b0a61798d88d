/// The `grpc-timeout` header: up to eight digits and a unit.
enum TimeoutHeader {
  static let maximumLength = 9

  /// Milliseconds, or seconds when eight digits do not hold them.
  static func encode(milliseconds: UInt64) -> [UInt8] {
    if milliseconds < 100_000_000 { return Array("\(milliseconds)m".utf8) }
    return Array("\(min(milliseconds / 1000, 99_999_999))S".utf8)
  }

  /// Milliseconds, rounded up; nil when malformed.
  static func decode(_ bytes: some BidirectionalCollection<UInt8>) -> UInt64? {
    guard let unit = bytes.last, bytes.count >= 2, bytes.count <= maximumLength else { return nil }
    var value: UInt64 = 0
    for byte in bytes.dropLast() {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + UInt64(byte - UInt8(ascii: "0"))
    }
    switch unit {
    case UInt8(ascii: "H"): return value * 3_600_000
    case UInt8(ascii: "M"): return value * 60_000
    case UInt8(ascii: "S"): return value * 1000
    case UInt8(ascii: "m"): return value
    case UInt8(ascii: "u"): return (value + 999) / 1000
    case UInt8(ascii: "n"): return (value + 999_999) / 1_000_000
    default: return nil
    }
  }
}
