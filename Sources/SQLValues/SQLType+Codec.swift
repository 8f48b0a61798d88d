import Basics

/// Layout: one tag byte, then the modifiers as varints (a missing modifier is 0, a present one its value plus one). An enumerated type
/// is its id; whoever has the catalog knows the rest.
extension SQLType {
  private enum Tag: UInt8 {
    case boolean = 1
    case int2, int4, int8, float4, float8, numeric, text, varchar, character, name, bytea, uuid, date, timestamp
    case timestampWithTimeZone, interval, oid, unknown, void, system
    case enumerated, enumeratedWithLabels
  }

  /// The largest modifier a type can carry; larger ones in bytes from outside are refused.
  static let maximumModifier = 10_485_760

  public func encode(into writer: inout ByteWriter) {
    func put(_ tag: Tag) { writer.write(tag.rawValue) }
    func put(_ modifier: Int?) {
      writer.writeVarint(modifier.map { UInt64(clamping: $0) &+ 1 } ?? 0)
    }
    switch self {
    case .boolean: put(.boolean)
    case .int2: put(.int2)
    case .int4: put(.int4)
    case .int8: put(.int8)
    case .float4: put(.float4)
    case .float8: put(.float8)
    case .numeric(let precision, let scale):
      put(.numeric)
      put(precision)
      // A scale may be negative: zigzag.
      put(scale.map { $0 >= 0 ? $0 &* 2 : $0 &* -2 &- 1 })
    case .text: put(.text)
    case .varchar(let maximum):
      put(.varchar)
      put(maximum)
    case .character(let count):
      put(.character)
      put(count)
    case .name: put(.name)
    case .bytea: put(.bytea)
    case .uuid: put(.uuid)
    case .date: put(.date)
    case .timestamp: put(.timestamp)
    case .timestampWithTimeZone: put(.timestampWithTimeZone)
    case .interval: put(.interval)
    case .oid: put(.oid)
    case .unknown: put(.unknown)
    case .void: put(.void)
    case .system(let type):
      put(.system)
      writer.write(type.rawValue)
    case .enumerated(let type):
      put(.enumerated)
      writer.writeVarint(type.id.rawValue)
    }
  }

  /// With the labels of an enumerated type, for those who have no catalog.
  public func encodeWithLabels(into writer: inout ByteWriter) {
    guard case .enumerated(let type) = self else { return encode(into: &writer) }
    writer.write(Tag.enumeratedWithLabels.rawValue)
    writer.writeVarint(type.id.rawValue)
    writer.writeString(type.name)
    writer.writeVarint(UInt64(type.values.count))
    for value in type.values {
      writer.writeString(value.label)
      writer.writeBytes(value.key)
      writer.write(value.isUsable)
    }
  }

  public static func decode(from reader: inout ByteReader) throws(MalformedBytes) -> SQLType {
    func modifier() throws(MalformedBytes) -> Int? {
      let raw = try reader.readVarint()
      guard raw <= UInt64(maximumModifier) + 1 else { throw reader.failure("type modifier \(raw)") }
      return raw == 0 ? nil : Int(raw) - 1
    }
    let raw = try reader.readUInt8()
    guard let tag = Tag(rawValue: raw) else { throw reader.failure("type tag \(raw)") }
    switch tag {
    case .boolean: return .boolean
    case .int2: return .int2
    case .int4: return .int4
    case .int8: return .int8
    case .float4: return .float4
    case .float8: return .float8
    case .numeric:
      let precision = try modifier()
      let scale = try modifier().map { $0 % 2 == 0 ? $0 / 2 : -($0 + 1) / 2 }
      return .numeric(precision: precision, scale: scale)
    case .text: return .text
    case .varchar: return .varchar(maximumCharacters: try modifier())
    case .character: return .character(count: try modifier() ?? 1)
    case .name: return .name
    case .bytea: return .bytea
    case .uuid: return .uuid
    case .date: return .date
    case .timestamp: return .timestamp
    case .timestampWithTimeZone: return .timestampWithTimeZone
    case .interval: return .interval
    case .oid: return .oid
    case .unknown: return .unknown
    case .void: return .void
    case .system:
      let raw = try reader.readUInt8()
      guard let type = SystemType(rawValue: raw) else { throw reader.failure("system type \(raw)") }
      return .system(type)
    case .enumerated: return .enumerated(EnumType(id: TableID(try reader.readVarint())))
    case .enumeratedWithLabels:
      let id = TableID(try reader.readVarint())
      let name = try reader.readString()
      var values: [EnumType.Value] = []
      for _ in 0..<(try reader.readCount()) {
        let value = EnumType.Value(
          label: try reader.readString(), key: Array(try reader.readBytes()), isUsable: try reader.readBool())
        // Labels are looked up by the order of the keys.
        if let last = values.last, !last.key.lexicographicallyPrecedes(value.key) {
          throw reader.failure("labels out of order")
        }
        values.append(value)
      }
      return .enumerated(EnumType(id: id, name: name, values: values))
    }
  }
}
