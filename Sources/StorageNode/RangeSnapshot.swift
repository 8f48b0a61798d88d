import Basics
import EventLoop
import Replication
import RocksEngine
import Transactions

// The chunks of a range's snapshot: records one after the other, none split.
//
//   offset 0  1 byte   space (0 data, 1 lock, 2 transactions), or 0xff: the read bound, or 0xfe: the safe points
//   read bound: 8 bytes, little-endian; safe points: of versions and of records, 8 bytes each; otherwise: varint length, key, varint length, value

/// The state of one range as of now, in chunks, for a replica that is too far behind the log.
@EventLoopActor final class RangeSnapshot: SnapshotSource {
  static let readBoundTag: UInt8 = 0xff
  static let safePointsTag: UInt8 = 0xfe
  private static let chunkBytes = 512 << 10

  private let state: StoreState
  private let span: KeySpan
  /// Written at the beginning.
  private var marks: (readBound: Timestamp, safePoints: SafePoints)?
  private var spaces = KeyValueSpace.allCases[...]
  private var cursor: RocksIterator?

  init(_ state: StoreState, span: KeySpan, readBound: Timestamp, safePoints: SafePoints) {
    self.state = state.frozen()
    self.span = span
    marks = (readBound, safePoints)
  }

  func nextChunk() throws -> [UInt8]? {
    var writer = ByteWriter(capacity: Self.chunkBytes + 4096)
    if let marks {
      writer.write(Self.readBoundTag)
      writer.write(marks.readBound.rawValue)
      if marks.safePoints != .zero {
        writer.write(Self.safePointsTag)
        writer.write(marks.safePoints.versions.rawValue)
        writer.write(marks.safePoints.records.rawValue)
      }
      self.marks = nil
    }
    while let space = spaces.first, writer.bytes.count < Self.chunkBytes {
      let cursor = cursor ?? open(space)
      self.cursor = cursor
      while cursor.isValid, writer.bytes.count < Self.chunkBytes {
        writer.write(space.rawValue)
        writer.writeBytes(cursor.key)
        writer.writeBytes(cursor.value)
        cursor.next()
      }
      if cursor.isValid { break }
      try cursor.checkStatus()
      self.cursor = nil
      spaces.removeFirst()
    }
    return writer.bytes.isEmpty ? nil : writer.bytes
  }

  private func open(_ space: KeyValueSpace) -> RocksIterator {
    let cursor = state.database.iterator(
      in: state.family(space), from: span.start, to: span.end.isEmpty ? nil : span.end, snapshot: state.snapshot,
      readAheadBytes: 512 << 10, fillsCache: false)
    cursor.seekToFirst()
    return cursor
  }

  /// Writes a chunk's records; returns the marks that were among them (zero: not there).
  static func restore(
    _ chunk: [UInt8], into batch: WriteBatch, _ state: StoreState
  ) throws(MalformedBytes) -> (readBound: Timestamp, safePoints: SafePoints) {
    var reader = ByteReader(chunk)
    var readBound = Timestamp.zero
    var safePoints = SafePoints.zero
    while !reader.isAtEnd {
      let tag = try reader.readUInt8()
      if tag == readBoundTag {
        readBound = Timestamp(rawValue: try reader.readUInt64())
        continue
      }
      if tag == safePointsTag {
        let versions = Timestamp(rawValue: try reader.readUInt64())
        safePoints = SafePoints(versions: versions, records: Timestamp(rawValue: try reader.readUInt64()))
        continue
      }
      guard let space = KeyValueSpace(rawValue: tag) else { throw reader.failure("unknown space \(tag)") }
      let key = Array(try reader.readBytes())
      batch.put(key, Array(try reader.readBytes()), in: state.family(space))
    }
    return (readBound, safePoints)
  }
}
