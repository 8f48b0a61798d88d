import Basics
import EventLoop
import Metadata
import Raft
import Replication
import RocksEngine

/// The replica's state on disk: a header that names the last entry contained and how many pieces follow, and the pieces.
///
/// | key | value |
/// |---|---|
/// | `h` | tagged: 1 applied index, 2 number of pieces, 3 generation |
/// | `p` generation(1) piece(4, big-endian) | up to 1 MiB of the encoded state |
///
/// Written whole, alternating between two generations, so that the last one stays until the next is complete.
package final class Checkpoints: Sendable {
  static let pieceBytes = 1 << 20
  static let headerKey: [UInt8] = [0x68]

  private let database: RocksDatabase
  private let family: ColumnFamily

  package init(database: RocksDatabase, family: ColumnFamily) {
    self.database = database
    self.family = family
  }

  struct Header: Sendable {
    var index: UInt64
    var pieces: UInt64
    var generation: UInt8
  }

  func header() throws -> Header? {
    guard let bytes = try database.get(Self.headerKey, in: family) else { return nil }
    var header = Header(index: 0, pieces: 0, generation: 0)
    var reader = ByteReader(bytes)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: header.index = try field.integer()
      case 2: header.pieces = try field.integer()
      case 3: header.generation = UInt8(truncatingIfNeeded: try field.integer())
      default: break
      }
    }
    return header
  }

  /// The stored state and the last entry it contains; nil when there is none yet.
  package func load() throws -> (state: MetadataState, index: UInt64)? {
    guard let header = try header() else { return nil }
    var bytes: [UInt8] = []
    for piece in 0..<min(header.pieces, 1 << 20) {
      guard let part = try database.get(Self.key(header.generation, piece), in: family) else {
        throw RocksError.corruption("piece \(piece) of the metadata checkpoint is missing")
      }
      bytes += part
    }
    do { return (try MetadataState(decoding: bytes), header.index) } catch {
      throw RocksError.corruption("the metadata checkpoint cannot be read: \(error)")
    }
  }

  /// Blocks for an fsync: not on the loop, but for a restore.
  ///
  /// - Returns: the size of the encoded state in bytes.
  func store(_ state: MetadataState, index: UInt64) throws -> Int {
    let generation = (try header()?.generation ?? 0) ^ 1
    let bytes = state.encoded()
    let batch = WriteBatch()
    batch.deleteRange(from: Self.key(generation, 0), to: Self.key(generation, UInt64(UInt32.max)), in: family)
    var piece: UInt64 = 0
    var start = 0
    while start < bytes.count {
      let end = min(start + Self.pieceBytes, bytes.count)
      batch.put(Self.key(generation, piece), Array(bytes[start..<end]), in: family)
      piece += 1
      start = end
    }
    var header = ByteWriter()
    header.field(1, index)
    header.field(2, piece)
    header.field(3, UInt64(generation))
    batch.put(Self.headerKey, header.bytes, in: family)
    try database.write(batch, sync: true)
    return bytes.count
  }

  private static func key(_ generation: UInt8, _ piece: UInt64) -> [UInt8] {
    [0x70, generation] + (0..<4).map { UInt8(truncatingIfNeeded: piece >> UInt64(24 - 8 * $0)) }
  }
}

/// A state on its way to another replica: the applied index, then the encoded state, in chunks.
@EventLoopActor final class StateSnapshot: SnapshotSource {
  private var bytes: [UInt8]
  private var position = 0

  init(_ state: MetadataState, index: UInt64) {
    var writer = ByteWriter()
    writer.write(index)
    writer.writeRaw(state.encoded())
    bytes = writer.bytes
  }

  func nextChunk() throws -> [UInt8]? {
    guard position < bytes.count else { return nil }
    let end = min(position + Checkpoints.pieceBytes, bytes.count)
    defer { position = end }
    return Array(bytes[position..<end])
  }
}
