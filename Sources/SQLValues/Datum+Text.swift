import Basics

/// The text form of values, as the wire protocol and casts to text use it.
extension Datum {
  /// As PostgreSQL prints a value of the type (time zone UTC); empty for NULL.
  public func text(as type: SQLType) -> String {
    if case .text(let value) = self {
      guard case .character(let count) = type, count > 0 else { return value }
    }
    var bytes: [UInt8] = []
    writeText(as: type, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends the text form: nothing for NULL.
  public func writeText(as type: SQLType, into bytes: inout [UInt8]) {
    switch self {
    case .null: break
    case .boolean(let value): bytes.append(value ? UInt8(ascii: "t") : UInt8(ascii: "f"))
    case .integer(let value): Self.write(integer: value, into: &bytes)
    case .double(let value):
      if type == .float4 {
        DoubleText.write(single: value, into: &bytes)
      } else {
        DoubleText.write(value, into: &bytes)
      }
    case .decimal(let value): value.write(into: &bytes)
    case .text(let value):
      bytes.append(contentsOf: value.utf8)
      if case .character(let count) = type, count > 0 {
        for _ in 0..<max(0, count - value.unicodeScalars.count) { bytes.append(UInt8(ascii: " ")) }
      }
    case .bytes(let value):
      if case .enumerated(let enumeration) = type, let label = enumeration.label(of: value) {
        bytes.append(contentsOf: label.utf8)
        return
      }
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(UInt8(ascii: "x"))
      for byte in value {
        bytes.append(Self.hexadecimalDigit(byte >> 4))
        bytes.append(Self.hexadecimalDigit(byte & 15))
      }
    case .uuid(let value): value.write(into: &bytes)
    case .date(let value): DateTimeText.write(date: value, into: &bytes)
    case .timestamp(let value):
      DateTimeText.write(timestamp: value, withTimeZone: type == .timestampWithTimeZone, into: &bytes)
    case .interval(let value): DateTimeText.write(value, into: &bytes)
    }
  }

  static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  private static func write(integer value: Int64, into bytes: inout [UInt8]) {
    if value >= 0, value < 10 { return bytes.append(UInt8(ascii: "0") + UInt8(value)) }
    var magnitude = value.magnitude
    let start = bytes.count
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10))
      magnitude /= 10
    } while magnitude > 0
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    bytes[start...].reverse()
  }
}

extension UUIDValue: CustomStringConvertible {
  public var description: String {
    var bytes: [UInt8] = []
    write(into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  func write(into bytes: inout [UInt8]) {
    for index in 0..<16 {
      if index == 4 || index == 6 || index == 8 || index == 10 { bytes.append(UInt8(ascii: "-")) }
      let word = index < 8 ? high : low
      let byte = UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index % 8)))
      bytes.append(Datum.hexadecimalDigit(byte >> 4))
      bytes.append(Datum.hexadecimalDigit(byte & 15))
    }
  }

  /// 32 hexadecimal digits, a hyphen allowed after every fourth, braces allowed around; nil for anything else.
  public init?(_ text: String) {
    var bytes = Array(text.utf8)[...]
    if bytes.first == UInt8(ascii: "{") {
      guard bytes.last == UInt8(ascii: "}"), bytes.count > 1 else { return nil }
      bytes = bytes.dropFirst().dropLast()
    }
    var value: UInt128 = 0
    var digits = 0
    for byte in bytes {
      if byte == UInt8(ascii: "-") {
        guard digits > 0, digits % 4 == 0, digits < 32 else { return nil }
        continue
      }
      guard digits < 32, let digit = Datum.hexadecimalValue(byte) else { return nil }
      value = value << 4 | UInt128(digit)
      digits += 1
    }
    guard digits == 32, bytes.last != UInt8(ascii: "-") else { return nil }
    self.init(high: UInt64(truncatingIfNeeded: value >> 64), low: UInt64(truncatingIfNeeded: value))
  }
}

extension Datum {
  static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
  }
}
