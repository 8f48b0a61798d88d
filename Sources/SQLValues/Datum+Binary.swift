import Basics

/// The binary form of values in the wire protocol: what `typsend` and `typreceive` of PostgreSQL 15 exchange, without
/// the length in front. Big-endian.
extension Datum {
  /// Appends the binary form: nothing for NULL.
  public func writeBinary(as type: SQLType, into bytes: inout [UInt8]) {
    switch self {
    case .null: break
    case .boolean(let value): bytes.append(value ? 1 : 0)
    case .integer(let value):
      switch type {
      case .int2: Self.append(UInt16(truncatingIfNeeded: value), to: &bytes)
      case .int4, .oid, .system: Self.append(UInt32(truncatingIfNeeded: value), to: &bytes)
      default: Self.append(UInt64(bitPattern: value), to: &bytes)
      }
    case .double(let value):
      if type == .float4 {
        Self.append(Float(value).bitPattern, to: &bytes)
      } else {
        Self.append(value.bitPattern, to: &bytes)
      }
    case .decimal(let value): value.writeBinary(into: &bytes)
    case .text:
      if case .system(let system) = type, writeArray(system, into: &bytes) { return }
      writeText(as: type, into: &bytes)
    case .bytes(let value):
      if case .enumerated = type { return writeText(as: type, into: &bytes) }
      bytes.append(contentsOf: value)
    case .uuid(let value):
      Self.append(value.high, to: &bytes)
      Self.append(value.low, to: &bytes)
    case .date(let value): Self.append(UInt32(bitPattern: value), to: &bytes)
    case .timestamp(let value): Self.append(UInt64(bitPattern: value), to: &bytes)
    case .interval(let value):
      Self.append(UInt64(bitPattern: value.microseconds), to: &bytes)
      Self.append(UInt32(bitPattern: value.days), to: &bytes)
      Self.append(UInt32(bitPattern: value.months), to: &bytes)
    }
  }

  /// Throws 22P03 for bytes that are no value of the type, 22021 for text that is not UTF-8.
  public static func parseBinary(_ bytes: ArraySlice<UInt8>, as type: SQLType) throws(SQLError) -> Datum {
    func word(_ size: Int) throws(SQLError) -> UInt64 {
      guard bytes.count == size else { throw malformed(type) }
      return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
    switch type {
    case .boolean: return .boolean(try word(1) != 0)
    case .int2: return .integer(Int64(Int16(truncatingIfNeeded: try word(2))))
    case .int4: return .integer(Int64(Int32(truncatingIfNeeded: try word(4))))
    case .oid: return .integer(Int64(try word(4)))
    case .int8: return .integer(Int64(bitPattern: try word(8)))
    case .float4: return .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try word(4)))))
    case .float8: return .double(Double(bitPattern: try word(8)))
    case .numeric(let precision, let scale):
      guard let value = Decimal(binary: bytes) else { throw malformed(type) }
      guard let precision else { return .decimal(value) }
      return .decimal(try value.constrained(precision: precision, scale: scale ?? 0))
    case .text, .varchar, .character, .name, .unknown:
      guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
        throw SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
      }
      return try Datum.text(text).fitted(to: type, isExplicit: false)
    case .bytea: return .bytes(Array(bytes))
    case .uuid:
      guard bytes.count == 16 else { throw malformed(type) }
      let high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
      return .uuid(UUIDValue(high: high, low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }))
    case .date:
      let days = Int32(truncatingIfNeeded: try word(4))
      guard DateTimeLimits.isValid(date: Int64(days)) || days == .min || days == .max else {
        throw SQLError(.datetimeFieldOverflow, "date out of range")
      }
      return .date(days)
    case .timestamp, .timestampWithTimeZone:
      let value = Int64(bitPattern: try word(8))
      guard DateTimeLimits.isValid(timestamp: value) else {
        throw SQLError(.datetimeFieldOverflow, "timestamp out of range")
      }
      return .timestamp(value)
    case .interval:
      guard bytes.count == 16 else { throw malformed(type) }
      let time = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
      let rest = bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
      return .interval(
        IntervalValue(
          months: Int32(truncatingIfNeeded: rest), days: Int32(truncatingIfNeeded: rest >> 32),
          microseconds: Int64(bitPattern: time)))
    case .void: return .null
    case .enumerated(let enumeration):
      guard let label = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
        throw SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
      }
      return try enumeration.value(of: label)
    case .system(let system):
      if system.isObjectIdentifier { return .integer(Int64(try word(4))) }
      return try parseArray(bytes, system)
    }
  }

  private static func malformed(_ type: SQLType) -> SQLError {
    SQLError(.invalidBinaryRepresentation, "incorrect binary data format for type \(type.baseName)")
  }

  static func append(_ value: some FixedWidthInteger & UnsignedInteger, to bytes: inout [UInt8]) {
    let wide = UInt64(value)
    var shift = value.bitWidth - 8
    while shift >= 0 {
      bytes.append(UInt8(truncatingIfNeeded: wide >> UInt64(shift)))
      shift -= 8
    }
  }
}

extension Decimal {
  private static let signPositive: UInt16 = 0x0000
  private static let signNegative: UInt16 = 0x4000
  private static let signNaN: UInt16 = 0xc000
  private static let signInfinity: UInt16 = 0xd000
  private static let signMinusInfinity: UInt16 = 0xf000

  /// ndigits, weight, sign, dscale (16 bits each), then the digits in base 10,000 (PostgreSQL `numeric_send`).
  func writeBinary(into bytes: inout [UInt8]) {
    func head(_ count: Int, _ weight: Int, _ sign: UInt16, _ scale: Int) {
      Datum.append(UInt16(truncatingIfNeeded: count), to: &bytes)
      Datum.append(UInt16(bitPattern: Int16(truncatingIfNeeded: weight)), to: &bytes)
      Datum.append(sign, to: &bytes)
      Datum.append(UInt16(truncatingIfNeeded: scale), to: &bytes)
    }
    switch kind {
    case .notANumber: return head(0, 0, Self.signNaN, 0)
    case .positiveInfinity: return head(0, 0, Self.signInfinity, 0)
    case .negativeInfinity: return head(0, 0, Self.signMinusInfinity, 0)
    case .finite: break
    }
    var digits = Limbs.digits(limbs)
    if digits.isEmpty { return head(0, 0, Self.signPositive, scale) }
    // Align so that groups of four begin at the point.
    let point = digits.count - scale
    let lead = ((-point % 4) + 4) % 4
    digits.insert(contentsOf: repeatElement(0, count: lead), at: 0)
    while digits.count % 4 != 0 { digits.append(0) }
    let weight = (point + lead) / 4 - 1
    var groups: [UInt16] = []
    for start in stride(from: 0, to: digits.count, by: 4) {
      groups.append(digits[start..<start + 4].reduce(0) { $0 * 10 + UInt16($1) })
    }
    while groups.last == 0 { groups.removeLast() }
    head(groups.count, weight, isNegative ? Self.signNegative : Self.signPositive, scale)
    for group in groups { Datum.append(group, to: &bytes) }
  }

  init?(binary bytes: ArraySlice<UInt8>) {
    guard bytes.count >= 8, bytes.count % 2 == 0 else { return nil }
    func word(_ index: Int) -> UInt16 {
      UInt16(bytes[bytes.startIndex + 2 * index]) << 8 | UInt16(bytes[bytes.startIndex + 2 * index + 1])
    }
    let count = Int(word(0))
    let weight = Int(Int16(bitPattern: word(1)))
    let sign = word(2)
    let scale = Int(word(3))
    guard bytes.count == 8 + 2 * count, scale <= Self.maximumScale else { return nil }
    switch sign {
    case Self.signNaN: self = .notANumber
    case Self.signInfinity: self = .positiveInfinity
    case Self.signMinusInfinity: self = .negativeInfinity
    case Self.signPositive, Self.signNegative:
      var digits: [UInt8] = []
      digits.reserveCapacity(count * 4)
      for index in 0..<count {
        let group = word(4 + index)
        guard group < 10_000 else { return nil }
        for divisor in [1_000, 100, 10, 1] as [UInt16] { digits.append(UInt8(group / divisor % 10)) }
      }
      // The digits stand for 10^(4·(weight+1)) × 0.digits; their scale is how far they reach behind the point.
      let reach = digits.count - 4 * (weight + 1)
      let limbs = Limbs.from(digits: digits)
      let exact =
        reach >= 0
        ? Decimal(isNegative: sign == Self.signNegative, limbs: limbs, scale: reach)
        : Decimal(isNegative: sign == Self.signNegative, limbs: Limbs.multiply(limbs, byPowerOfTen: -reach), scale: 0)
      self = exact.rounded(to: scale, .towardsZero)
    default: return nil
    }
  }
}
