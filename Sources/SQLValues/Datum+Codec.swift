import Basics

/// The compact encoding of values in rows and messages: one tag byte, then the value.
///
/// | tag | value |
/// |---|---|
/// | 0 | NULL |
/// | 1, 2 | false, true |
/// | 3 | integer: zigzag varint |
/// | 4 | double: 8 bytes, little-endian |
/// | 5 | decimal: kind and sign byte, scale varint, limb count varint, limbs as varints |
/// | 6, 7 | text, bytes: length varint, bytes |
/// | 8 | uuid: high and low, 8 bytes each, little-endian |
/// | 9 | date: zigzag varint |
/// | 10 | timestamp: zigzag varint |
/// | 11 | interval: months, days, microseconds as zigzag varints |
/// | 64…255 | the integer tag − 64 |
extension Datum {
  enum Tag {
    static let null: UInt8 = 0
    static let boolFalse: UInt8 = 1
    static let boolTrue: UInt8 = 2
    static let integer: UInt8 = 3
    static let double: UInt8 = 4
    static let decimal: UInt8 = 5
    static let text: UInt8 = 6
    static let bytes: UInt8 = 7
    static let uuid: UInt8 = 8
    static let date: UInt8 = 9
    static let timestamp: UInt8 = 10
    static let interval: UInt8 = 11
    static let smallInteger: UInt8 = 64
  }

  public func encode(into writer: inout ByteWriter) {
    switch self {
    case .null: writer.write(Tag.null)
    case .boolean(let value): writer.write(value ? Tag.boolTrue : Tag.boolFalse)
    case .integer(let value):
      if value >= 0 && value < 192 {
        writer.write(Tag.smallInteger &+ UInt8(truncatingIfNeeded: value))
      } else {
        writer.write(Tag.integer)
        writer.writeSignedVarint(value)
      }
    case .double(let value):
      writer.write(Tag.double)
      writer.write(value)
    case .decimal(let value):
      writer.write(Tag.decimal)
      value.encode(into: &writer)
    case .text(let value):
      writer.write(Tag.text)
      writer.writeString(value)
    case .bytes(let value):
      writer.write(Tag.bytes)
      writer.writeBytes(value)
    case .uuid(let value):
      writer.write(Tag.uuid)
      writer.write(value.high)
      writer.write(value.low)
    case .date(let value):
      writer.write(Tag.date)
      writer.writeSignedVarint(Int64(value))
    case .timestamp(let value):
      writer.write(Tag.timestamp)
      writer.writeSignedVarint(value)
    case .interval(let value):
      writer.write(Tag.interval)
      writer.writeSignedVarint(Int64(value.months))
      writer.writeSignedVarint(Int64(value.days))
      writer.writeSignedVarint(value.microseconds)
    }
  }

  public static func decode(from reader: inout ByteReader) throws(MalformedBytes) -> Datum {
    func int32() throws(MalformedBytes) -> Int32 {
      guard let value = Int32(exactly: try reader.readSignedVarint()) else { throw reader.failure("beyond 32 bits") }
      return value
    }
    let tag = try reader.readUInt8()
    if tag >= Tag.smallInteger { return .integer(Int64(tag &- Tag.smallInteger)) }
    switch tag {
    case Tag.null: return .null
    case Tag.boolFalse: return .boolean(false)
    case Tag.boolTrue: return .boolean(true)
    case Tag.integer: return .integer(try reader.readSignedVarint())
    case Tag.double: return .double(try reader.readDouble())
    case Tag.decimal: return .decimal(try Decimal.decode(from: &reader))
    case Tag.text: return .text(try reader.readString())
    case Tag.bytes: return .bytes(Array(try reader.readBytes()))
    case Tag.uuid: return .uuid(UUIDValue(high: try reader.readUInt64(), low: try reader.readUInt64()))
    case Tag.date: return .date(try int32())
    case Tag.timestamp: return .timestamp(try reader.readSignedVarint())
    case Tag.interval:
      return .interval(
        IntervalValue(months: try int32(), days: try int32(), microseconds: try reader.readSignedVarint()))
    default: throw reader.failure("datum tag \(tag)")
    }
  }
}

extension Decimal {
  func encode(into writer: inout ByteWriter) {
    writer.write(kind.rawValue | (isNegative ? 0x80 : 0))
    writer.writeVarint(UInt64(clamping: scale))
    writer.writeVarint(UInt64(limbs.count))
    for limb in limbs { writer.writeVarint(UInt64(limb)) }
  }

  static func decode(from reader: inout ByteReader) throws(MalformedBytes) -> Decimal {
    let head = try reader.readUInt8()
    guard let kind = Kind(rawValue: head & 0x7f) else { throw reader.failure("decimal kind \(head)") }
    let scale = try reader.readVarint()
    guard scale <= UInt64(maximumScale) else { throw reader.failure("decimal scale \(scale)") }
    let count = try reader.readCount()
    var limbs: [UInt32] = []
    limbs.reserveCapacity(count)
    for _ in 0..<count {
      let limb = try reader.readVarint()
      guard limb < 1_000_000_000 else { throw reader.failure("decimal limb \(limb)") }
      limbs.append(UInt32(limb))
    }
    return Decimal(kind: kind, isNegative: head & 0x80 != 0, limbs: limbs, scale: Int(scale))
  }
}
