import Basics
import SQLValues

/// Values as bytes whose lexicographic order is the order of the values, NULL last. Prefix-free, so that columns may
/// be written one after the other. Descending columns are the same bytes inverted (NULL first, as in PostgreSQL).
///
/// | value | bytes |
/// |---|---|
/// | NULL | `F0` |
/// | integer, date, timestamp | `80`+n, then n bytes of the value (n = 0…8, no leading zeros); negative: `80`−n, n bytes inverted |
/// | boolean | `01`, `00` or `01` |
/// | double | `01`, 8 bytes: sign bit flipped, or all bits if negative; −0 as 0, every NaN as one above infinity |
/// | numeric | kind byte (`10` −∞, `20` negative, `30` zero, `40` positive, `50` ∞, `60` NaN); for 20 and 40: 3 bytes exponent of 100, digit pairs plus one, `00`; for 20 inverted |
/// | text, bytes | `01`, bytes with `00` as `00 FF`, then `00 01` |
/// | uuid | `01`, 16 bytes |
/// | interval | `01`, 16 bytes of its length in microseconds, sign bit flipped |
public enum KeyEncoding {
  static let null: UInt8 = 0xf0
  static let present: UInt8 = 0x01

  public static func append(_ value: Datum, isDescending: Bool = false, to key: inout [UInt8]) {
    let start = key.count
    switch value {
    case .null: key.append(null)
    case .integer(let integer), .timestamp(let integer): appendInteger(integer, to: &key)
    case .date(let days): appendInteger(Int64(days), to: &key)
    case .boolean(let boolean):
      key.append(present)
      key.append(boolean ? 1 : 0)
    case .double(let double):
      key.append(present)
      appendBigEndian(orderedBits(double), to: &key)
    case .decimal(let decimal): appendDecimal(decimal, to: &key)
    case .text(let text):
      key.append(present)
      appendEscaped(text.utf8Span.span, to: &key)
    case .bytes(let bytes):
      key.append(present)
      appendEscaped(bytes.span, to: &key)
    case .uuid(let uuid):
      key.append(present)
      appendBigEndian(uuid.high, to: &key)
      appendBigEndian(uuid.low, to: &key)
    case .interval(let interval):
      key.append(present)
      let total = UInt128(bitPattern: interval.totalMicroseconds) ^ (1 << 127)
      appendBigEndian(UInt64(truncatingIfNeeded: total >> 64), to: &key)
      appendBigEndian(UInt64(truncatingIfNeeded: total), to: &key)
    }
    if isDescending {
      for index in start..<key.count { key[index] = ~key[index] }
    }
  }

  /// Table and index: the first twelve bytes of every key.
  public static func prefix(table: TableID, index: IndexID) -> [UInt8] {
    var key: [UInt8] = []
    key.reserveCapacity(40)
    appendPrefix(table: table, index: index, to: &key)
    return key
  }

  public static let prefixLength = 12

  public static func appendPrefix(table: TableID, index: IndexID, to key: inout [UInt8]) {
    appendBigEndian(table.rawValue, to: &key)
    let number = UInt32(truncatingIfNeeded: index.rawValue)
    key.append(UInt8(truncatingIfNeeded: number >> 24))
    key.append(UInt8(truncatingIfNeeded: number >> 16))
    key.append(UInt8(truncatingIfNeeded: number >> 8))
    key.append(UInt8(truncatingIfNeeded: number))
  }

  /// Nil: too short to be a key.
  public static func table(of key: [UInt8]) -> TableID? {
    guard key.count >= prefixLength else { return nil }
    return TableID(rawValue: key.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// The same index and values of another table.
  public static func key(_ key: [UInt8], movedTo table: TableID) -> [UInt8] {
    var moved: [UInt8] = []
    moved.reserveCapacity(key.count)
    appendBigEndian(table.rawValue, to: &moved)
    moved += key.dropFirst(8)
    return moved
  }

  /// The least key above all keys that begin with `prefix`; empty (no bound) if there is none.
  public static func successor(ofPrefix prefix: [UInt8]) -> [UInt8] {
    var key = prefix
    while let last = key.last {
      if last < 0xff {
        key[key.count - 1] = last + 1
        return key
      }
      key.removeLast()
    }
    return key
  }

  static func appendBigEndian(_ value: UInt64, to key: inout [UInt8]) {
    var shift: UInt64 = 56
    while true {
      key.append(UInt8(truncatingIfNeeded: value &>> shift))
      if shift == 0 { return }
      shift &-= 8
    }
  }

  private static func appendInteger(_ value: Int64, to key: inout [UInt8]) {
    let bits = UInt64(bitPattern: value < 0 ? ~value : value)
    // −1 has no significant bits but must differ from 0: negatives always have at least one byte.
    let significant = (64 - bits.leadingZeroBitCount + 7) / 8
    let count = value < 0 ? max(significant, 1) : significant
    key.append(value < 0 ? 0x80 - UInt8(count) : 0x80 + UInt8(count))
    let content = UInt64(bitPattern: value)
    var remaining = count
    while remaining > 0 {
      remaining -= 1
      key.append(UInt8(truncatingIfNeeded: content &>> UInt64(8 &* remaining)))
    }
  }

  private static func orderedBits(_ value: Double) -> UInt64 {
    if value.isNaN { return UInt64.max }
    let bits = (value == 0 ? 0.0 : value).bitPattern
    return bits >> 63 == 1 ? ~bits : bits | (1 << 63)
  }

  private static func appendEscaped(_ bytes: Span<UInt8>, to key: inout [UInt8]) {
    key.reserveCapacity(key.count + bytes.count + 2)
    for index in 0..<bytes.count {
      let byte = bytes[index]
      key.append(byte)
      if byte == 0 { key.append(0xff) }
    }
    key.append(0)
    key.append(1)
  }

  private static func appendDecimal(_ value: Decimal, to key: inout [UInt8]) {
    switch value.kind {
    case .negativeInfinity: key.append(0x10)
    case .positiveInfinity: key.append(0x50)
    case .notANumber: key.append(0x60)
    case .finite:
      if value.isZero {
        key.append(0x30)
        return
      }
      key.append(value.isNegative ? 0x20 : 0x40)
      let start = key.count
      var digits = value.significantDigits
      // value = 0.d1d2d3… × 10^point, aligned so that pairs begin at the point.
      var point = digits.count - value.scale
      if point % 2 != 0 {
        digits.insert(0, at: 0)
        point += 1
      }
      let exponent = UInt32(truncatingIfNeeded: point / 2 + 0x80_0000)
      key.append(UInt8(truncatingIfNeeded: exponent >> 16))
      key.append(UInt8(truncatingIfNeeded: exponent >> 8))
      key.append(UInt8(truncatingIfNeeded: exponent))
      while digits.last == 0 { digits.removeLast() }
      var index = 0
      while index < digits.count {
        let low = index + 1 < digits.count ? digits[index + 1] : 0
        key.append(digits[index] * 10 + low + 1)
        index += 2
      }
      key.append(0)
      if value.isNegative {
        for position in start..<key.count { key[position] = ~key[position] }
      }
    }
  }
}
