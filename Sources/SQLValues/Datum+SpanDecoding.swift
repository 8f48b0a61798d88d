import Basics

/// Decoding straight from borrowed memory: for scans, where building a `ByteReader` a row would cost too much.
extension Datum {
  /// The value at `position`, which is moved behind it.
  public static func decode(_ bytes: Span<UInt8>, at position: inout Int) throws(MalformedBytes) -> Datum {
    let tag = try SpanReading.byte(bytes, &position)
    if tag >= Tag.smallInteger { return .integer(Int64(tag &- Tag.smallInteger)) }
    switch tag {
    case Tag.null: return .null
    case Tag.boolFalse: return .boolean(false)
    case Tag.boolTrue: return .boolean(true)
    case Tag.integer: return .integer(try SpanReading.signedVarint(bytes, &position))
    case Tag.double: return .double(Double(bitPattern: try SpanReading.word(bytes, &position)))
    case Tag.text:
      let slice = try SpanReading.sized(bytes, &position)
      let content = bytes.extracting(slice)
      do {
        return .text(String(copying: try UTF8Span(validating: content)))
      } catch {
        throw MalformedBytes("invalid UTF-8", at: slice.lowerBound)
      }
    case Tag.bytes:
      let slice = try SpanReading.sized(bytes, &position)
      var copy: [UInt8] = []
      copy.reserveCapacity(slice.count)
      for index in slice { copy.append(bytes[index]) }
      return .bytes(copy)
    case Tag.uuid:
      let high = try SpanReading.word(bytes, &position)
      return .uuid(UUIDValue(high: high, low: try SpanReading.word(bytes, &position)))
    case Tag.date: return .date(try SpanReading.int32(bytes, &position))
    case Tag.timestamp: return .timestamp(try SpanReading.signedVarint(bytes, &position))
    case Tag.interval:
      let months = try SpanReading.int32(bytes, &position)
      let days = try SpanReading.int32(bytes, &position)
      return .interval(
        IntervalValue(months: months, days: days, microseconds: try SpanReading.signedVarint(bytes, &position)))
    case Tag.decimal: return .decimal(try decimal(bytes, at: &position))
    default: throw MalformedBytes("datum tag \(tag)", at: position)
    }
  }

  /// Moves `position` behind the value there.
  public static func skip(_ bytes: Span<UInt8>, at position: inout Int) throws(MalformedBytes) {
    let tag = try SpanReading.byte(bytes, &position)
    if tag >= Tag.smallInteger { return }
    switch tag {
    case Tag.null, Tag.boolFalse, Tag.boolTrue: break
    case Tag.integer, Tag.date, Tag.timestamp: _ = try SpanReading.varint(bytes, &position)
    case Tag.double: _ = try SpanReading.word(bytes, &position)
    case Tag.text, Tag.bytes: _ = try SpanReading.sized(bytes, &position)
    case Tag.uuid:
      _ = try SpanReading.word(bytes, &position)
      _ = try SpanReading.word(bytes, &position)
    case Tag.interval: for _ in 0..<3 { _ = try SpanReading.varint(bytes, &position) }
    case Tag.decimal: _ = try decimal(bytes, at: &position)
    default: throw MalformedBytes("datum tag \(tag)", at: position)
    }
  }

  private static func decimal(_ bytes: Span<UInt8>, at position: inout Int) throws(MalformedBytes) -> Decimal {
    let head = try SpanReading.byte(bytes, &position)
    guard let kind = Decimal.Kind(rawValue: head & 0x7f) else { throw MalformedBytes("decimal kind", at: position) }
    let scale = try SpanReading.varint(bytes, &position)
    guard scale <= UInt64(Decimal.maximumScale) else { throw MalformedBytes("decimal scale", at: position) }
    let count = try SpanReading.varint(bytes, &position)
    guard count <= UInt64(bytes.count - position) else { throw MalformedBytes("decimal length", at: position) }
    var limbs: [UInt32] = []
    limbs.reserveCapacity(Int(count))
    for _ in 0..<count {
      let limb = try SpanReading.varint(bytes, &position)
      guard limb < 1_000_000_000 else { throw MalformedBytes("decimal limb", at: position) }
      limbs.append(UInt32(limb))
    }
    return Decimal(kind: kind, isNegative: head & 0x80 != 0, limbs: limbs, scale: Int(scale))
  }
}

/// Bounds-checked reads of what `ByteWriter` wrote, over borrowed memory.
public enum SpanReading {
  @inlinable @inline(__always)
  public static func byte(_ bytes: Span<UInt8>, _ position: inout Int) throws(MalformedBytes) -> UInt8 {
    guard position < bytes.count else { throw MalformedBytes("end of record", at: position) }
    let value = bytes[position]
    position &+= 1
    return value
  }

  @inlinable
  public static func varint(_ bytes: Span<UInt8>, _ position: inout Int) throws(MalformedBytes) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try byte(bytes, &position)
      if shift == 63 && byte > 1 { throw MalformedBytes("varint beyond 64 bits", at: position) }
      value |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 { return value }
      shift &+= 7
      if shift > 63 { throw MalformedBytes("varint beyond 64 bits", at: position) }
    }
  }

  @inlinable
  public static func signedVarint(_ bytes: Span<UInt8>, _ position: inout Int) throws(MalformedBytes) -> Int64 {
    let raw = try varint(bytes, &position)
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  public static func int32(_ bytes: Span<UInt8>, _ position: inout Int) throws(MalformedBytes) -> Int32 {
    guard let value = Int32(exactly: try signedVarint(bytes, &position)) else {
      throw MalformedBytes("beyond 32 bits", at: position)
    }
    return value
  }

  /// Eight bytes, little-endian.
  public static func word(_ bytes: Span<UInt8>, _ position: inout Int) throws(MalformedBytes) -> UInt64 {
    guard bytes.count - position >= 8 else { throw MalformedBytes("end of record", at: position) }
    var value: UInt64 = 0
    for index in 0..<8 { value |= UInt64(bytes[position &+ index]) &<< UInt64(8 &* index) }
    position &+= 8
    return value
  }

  /// The range of a byte string behind its length.
  public static func sized(_ bytes: Span<UInt8>, _ position: inout Int) throws(MalformedBytes) -> Range<Int> {
    let count = try varint(bytes, &position)
    guard count <= UInt64(bytes.count - position) else {
      throw MalformedBytes("count \(count) exceeds what is left", at: position)
    }
    let start = position
    position += Int(count)
    return start..<position
  }
}
