import Basics

// The replicated command of a range: what every replica applies without looking at anything.
//
//   offset 0   1 byte   format: 1, or 2 with safe points
//   offset 1   8 bytes  read bound, little-endian (0: unchanged)
//   offset 9   8 bytes  ingest timestamp (0: no entries)
//   offset 17  8 bytes  format 2 only: safe point of versions
//   offset 25  8 bytes  format 2 only: safe point of records
//   [varint length, entries as in `Ingestion.entries`]   only with an ingest timestamp
//   then, until the end: 1 byte space ‖ 0x80 for a delete; varint length, key; for a put: varint length, value

/// One low-level change.
public enum LowLevelWrite: Hashable, Sendable {
  case put(KeyValueSpace, key: [UInt8], value: [UInt8])
  case delete(KeyValueSpace, key: [UInt8])
}

public struct RangeCommand: Hashable, Sendable {
  static let format: UInt8 = 1
  static let formatWithSafePoints: UInt8 = 2
  static let deleteFlag: UInt8 = 0x80

  /// Reads up to here may be served by the leader that wrote it, so later leaders commit above it (zero: unchanged).
  public var readBound: Timestamp = .zero
  /// Raised to at least these.
  public var safePoints = SafePoints.zero
  public var ingestTimestamp: Timestamp = .zero
  public var ingestEntries: [UInt8] = []
  public var writes: [LowLevelWrite] = []

  public init() {}
  public init(readBound: Timestamp) { self.readBound = readBound }
  public init(writes: [LowLevelWrite]) { self.writes = writes }
  public init(safePoints: SafePoints) { self.safePoints = safePoints }

  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 64 + ingestEntries.count + writes.count * 64)
    writer.write(safePoints == .zero ? Self.format : Self.formatWithSafePoints)
    writer.write(readBound.rawValue)
    writer.write(ingestTimestamp.rawValue)
    if safePoints != .zero {
      writer.write(safePoints.versions.rawValue)
      writer.write(safePoints.records.rawValue)
    }
    if ingestTimestamp != .zero { writer.writeBytes(ingestEntries) }
    for write in writes {
      switch write {
      case .put(let space, let key, let value):
        writer.write(space.rawValue)
        writer.writeBytes(key)
        writer.writeBytes(value)
      case .delete(let space, let key):
        writer.write(space.rawValue | Self.deleteFlag)
        writer.writeBytes(key)
      }
    }
    return writer.bytes
  }

  /// Hands the writes of an encoded command to `writer` and returns the marks it sets (zero: unchanged).
  public static func apply(
    _ bytes: ArraySlice<UInt8>, to writer: inout some KeyValueWriter
  ) throws(MalformedBytes) -> (readBound: Timestamp, safePoints: SafePoints) {
    var reader = ByteReader(bytes)
    let format = try reader.readUInt8()
    guard format == Self.format || format == formatWithSafePoints else {
      throw reader.failure("unknown command format")
    }
    let readBound = Timestamp(rawValue: try reader.readUInt64())
    let ingestTimestamp = Timestamp(rawValue: try reader.readUInt64())
    var safePoints = SafePoints.zero
    if format == formatWithSafePoints {
      let versions = Timestamp(rawValue: try reader.readUInt64())
      safePoints = SafePoints(versions: versions, records: Timestamp(rawValue: try reader.readUInt64()))
    }
    if ingestTimestamp != .zero {
      var entries = ByteReader(try reader.readBytes())
      while !entries.isAtEnd {
        let key = try entries.readBytes()
        writer.putEntry(key, value: try entries.readBytes(), at: ingestTimestamp)
      }
    }
    while !reader.isAtEnd {
      let head = try reader.readUInt8()
      guard let space = KeyValueSpace(rawValue: head & ~deleteFlag) else { throw reader.failure("unknown space") }
      let key = Array(try reader.readBytes())
      if head & deleteFlag != 0 {
        writer.delete(space, key: key)
      } else {
        writer.put(space, key: key, value: Array(try reader.readBytes()))
      }
    }
    return (readBound, safePoints)
  }
}
