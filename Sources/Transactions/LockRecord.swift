import Basics

// Space `lock`.
//
//   key:    row key
//   value:  offset 0   1 byte   kind: 0 put, 1 delete, 2 check
//           offset 1   8 bytes  start timestamp, little-endian (as all integers here)
//           offset 9   8 bytes  lowest timestamp the transaction may commit at
//           offset 17  8 bytes  id of the primary key's range
//           offset 25  8 bytes  node id of the gateway that runs the transaction
//           offset 33  4 bytes  time to live in milliseconds
//           offset 37  varint   length of the primary key, then the primary key
//           then                the row's value (empty for delete and check)

/// A prewritten change: in force once the transaction's primary key is committed (Percolator, section 2.2).
public struct LockRecord: Hashable, Sendable {
  public enum Kind: UInt8, Hashable, Sendable {
    case put = 0
    case delete = 1
    /// Holds the key without changing it (`SELECT … FOR UPDATE`): readers pass, commit leaves no version.
    case check = 2
  }

  public var kind: Kind
  public var start: Timestamp
  /// The transaction can commit at or above this only: readers below it need not wait. Pushed at the primary key.
  public var minimumCommit: Timestamp
  public var primaryKey: [UInt8]
  public var primaryRangeID: RangeID
  public var gatewayID: NodeID
  public var timeToLiveMilliseconds: UInt32
  public var value: [UInt8]

  public init(
    kind: Kind, start: Timestamp, minimumCommit: Timestamp, primaryKey: [UInt8], primaryRangeID: RangeID,
    gatewayID: NodeID, timeToLiveMilliseconds: UInt32, value: [UInt8]
  ) {
    self.kind = kind
    self.start = start
    self.minimumCommit = minimumCommit
    self.primaryKey = primaryKey
    self.primaryRangeID = primaryRangeID
    self.gatewayID = gatewayID
    self.timeToLiveMilliseconds = timeToLiveMilliseconds
    self.value = value
  }

  /// In place of a time to live: the transaction is decided by a schema change's job, which also ends it (JobHold). Nobody else
  /// does, however long it is silent, and nobody moves its commit timestamp.
  public static let decidedByJob = UInt32.max
  public var isDecidedByJob: Bool { timeToLiveMilliseconds == Self.decidedByJob }

  /// Whether a read at `timestamp` cannot know what it should see before the transaction is decided.
  public func blocksRead(at timestamp: Timestamp, own: Timestamp, ignored: [Timestamp]) -> Bool {
    !PlantedFault.isPlanted(.locksIgnoredByReads)
      && kind != .check && start <= timestamp && minimumCommit <= timestamp && start != own && !ignored.contains(start)
  }

  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 48 + primaryKey.count + value.count)
    writer.write(kind.rawValue)
    writer.write(start.rawValue)
    writer.write(minimumCommit.rawValue)
    writer.write(primaryRangeID.rawValue)
    writer.write(gatewayID.rawValue)
    writer.write(timeToLiveMilliseconds)
    writer.writeBytes(primaryKey)
    writer.writeRaw(value)
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard let kind = Kind(rawValue: try reader.readUInt8()) else { throw reader.failure("unknown lock kind") }
    self.kind = kind
    start = Timestamp(rawValue: try reader.readUInt64())
    minimumCommit = Timestamp(rawValue: try reader.readUInt64())
    primaryRangeID = RangeID(try reader.readUInt64())
    gatewayID = NodeID(try reader.readUInt64())
    timeToLiveMilliseconds = try reader.readUInt32()
    primaryKey = Array(try reader.readBytes())
    value = Array(reader.rest)
  }
}
