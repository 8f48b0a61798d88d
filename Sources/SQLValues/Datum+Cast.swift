import Basics

extension Datum {
  /// The value converted from one type to another, with the target's modifiers applied: an explicit cast truncates
  /// text, an assignment refuses what does not fit (22001). `now` is the statement's time, for texts such as `today`.
  public func cast(
    from: SQLType, to: SQLType, isExplicit: Bool, now: Int64 = 0
  ) throws(SQLError) -> Datum {
    if isNull { return self }
    if from == to { return self }
    switch to {
    case .boolean:
      if case .integer(let value) = self { return .boolean(value != 0) }
    case .int2, .int4, .int8, .oid:
      if let value = try integer(for: to) { return .integer(value) }
    case .float4, .float8:
      if let value = try double(for: to) { return .double(value) }
    case .numeric(let precision, let scale):
      guard let value = decimal(from: from) else { break }
      guard let precision else { return .decimal(value) }
      return .decimal(try value.constrained(precision: precision, scale: scale ?? 0))
    case .text, .varchar, .character, .name:
      let text: Datum
      switch self {
      case .text: text = self
      case .boolean(let value): text = .text(value ? "true" : "false")
      default: text = .text(self.text(as: from))
      }
      return try text.fitted(to: to, isExplicit: isExplicit)
    case .date:
      switch self {
      case .date: return self
      case .timestamp(let value): return .date(Self.date(ofTimestamp: value))
      default: break
      }
    case .timestamp, .timestampWithTimeZone:
      switch self {
      case .timestamp: return self
      case .date(let days): return .timestamp(try Self.timestamp(ofDate: days))
      default: break
      }
    case .system(let system):
      if system.isObjectIdentifier, let value = try integer(for: .oid) { return .integer(value) }
      if case .system(let source) = from, let elements = source.elements(of: self) {
        return try Self.array(elements, system)
      }
    case .bytea, .uuid, .interval, .unknown, .void, .enumerated: break
    }
    if case .text(let text) = self {
      if from.category == .string || from == .unknown { return try Self.parse(text, as: to, now: now) }
    }
    if from.isSameType(as: to) { return self }
    throw SQLError(.cannotCoerce, "cannot cast type \(from.baseName) to \(to.baseName)")
  }

  private func integer(for type: SQLType) throws(SQLError) -> Int64? {
    let limits: ClosedRange<Int64> =
      switch type {
      case .int2: Int64(Int16.min)...Int64(Int16.max)
      case .int4: Int64(Int32.min)...Int64(Int32.max)
      case .oid: 0...Int64(UInt32.max)
      default: Int64.min...Int64.max
      }
    let value: Int64?
    switch self {
    case .integer(let integer): value = integer
    case .boolean(let boolean): value = boolean ? 1 : 0
    case .double(let double): value = Int64(exactly: double.rounded(.toNearestOrEven))
    case .decimal(let decimal):
      if !decimal.isFinite {
        throw SQLError(
          .featureNotSupported, "cannot convert \(decimal.isNaN ? "NaN" : "infinity") to \(type.baseName)")
      }
      value = decimal.int64
    default: return nil
    }
    guard let value, limits.contains(value) else { throw .outOfRange(type) }
    return value
  }

  private func double(for type: SQLType) throws(SQLError) -> Double? {
    let value: Double
    switch self {
    case .double(let double): value = double
    case .integer(let integer): value = Double(integer)
    case .decimal(let decimal):
      value = decimal.double
      if decimal.isFinite, value.isInfinite || (value == 0 && !decimal.isZero) {
        throw SQLError(.numericValueOutOfRange, "\"\(decimal)\" is out of range for type \(type.baseName)")
      }
    default: return nil
    }
    guard type == .float4 else { return value }
    let single = Float(value)
    if single.isInfinite, value.isFinite { throw SQLError(.numericValueOutOfRange, "value out of range: overflow") }
    if single == 0, value != 0 { throw SQLError(.numericValueOutOfRange, "value out of range: underflow") }
    return Double(single)
  }

  private func decimal(from: SQLType) -> Decimal? {
    switch self {
    case .decimal(let value): value
    case .integer(let value): Decimal(value)
    case .double(let value): Decimal(value, significantDigits: from == .float4 ? 6 : 15)
    default: nil
    }
  }

  /// Text with the length of the type: blanks beyond the limit are dropped, other characters are an error unless the
  /// cast is explicit. Values of `char(n)` lose their trailing blanks (see `SQLType.character`).
  func fitted(to type: SQLType, isExplicit: Bool) throws(SQLError) -> Datum {
    guard case .text(var text) = self else { return self }
    switch type {
    case .varchar(let maximum?): text = try Self.limited(text, to: maximum, type: type, isExplicit: isExplicit)
    case .character(let count):
      if count > 0 { text = try Self.limited(text, to: count, type: type, isExplicit: isExplicit) }
      while text.utf8.last == UInt8(ascii: " ") { text.unicodeScalars.removeLast() }
    case .name:
      if text.utf8.count > 63 { text = Self.clipped(text, bytes: 63) }
    default: break
    }
    return .text(text)
  }

  private static func limited(
    _ text: String, to maximum: Int, type: SQLType, isExplicit: Bool
  ) throws(SQLError) -> String {
    if text.utf8.count <= maximum { return text }
    let scalars = text.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: maximum, limitedBy: scalars.endIndex) else {
      return text
    }
    if !isExplicit, scalars[end...].contains(where: { $0 != " " }) {
      throw SQLError(.stringDataRightTruncation, "value too long for type \(type)")
    }
    return String(scalars[..<end])
  }

  private static func clipped(_ text: String, bytes: Int) -> String {
    var result = String.UnicodeScalarView()
    var used = 0
    for scalar in text.unicodeScalars {
      used += UTF8.width(scalar)
      if used > bytes { break }
      result.append(scalar)
    }
    return String(result)
  }

  static func date(ofTimestamp value: Int64) -> Int32 {
    if value == .max { return DateTimeLimits.dateInfinity }
    if value == .min { return DateTimeLimits.dateMinusInfinity }
    let perDay = DateTimeLimits.microsecondsPerDay
    let days = value / perDay - (value % perDay < 0 ? 1 : 0)
    return Int32(truncatingIfNeeded: days)
  }

  static func timestamp(ofDate days: Int32) throws(SQLError) -> Int64 {
    if days == DateTimeLimits.dateInfinity { return .max }
    if days == DateTimeLimits.dateMinusInfinity { return .min }
    let (value, overflow) = Int64(days).multipliedReportingOverflow(by: DateTimeLimits.microsecondsPerDay)
    guard !overflow, DateTimeLimits.isValid(timestamp: value) else {
      throw SQLError(.datetimeFieldOverflow, "date out of range for timestamp")
    }
    return value
  }
}

extension SQLError {
  /// 22003 as PostgreSQL words it for integer types.
  public static func outOfRange(_ type: SQLType) -> SQLError {
    SQLError(.numericValueOutOfRange, "\(type == .oid ? "OID" : type.baseName) out of range")
  }
}
