import Basics
import Raft

/// Who leads a group, as this replica knows it.
public struct Leadership: Hashable, Sendable {
  public let role: RaftRole
  public let term: UInt64
  /// The best known leader, or nil.
  public let leader: NodeID?
  /// This replica leads and its state machine knows.
  public let isReady: Bool
}

/// One replica for `SHOW` and metrics.
public struct GroupStatus: Hashable, Sendable {
  public let group: RangeID
  public let leadership: Leadership
  public let membership: Membership
  public let firstIndex: UInt64
  public let lastIndex: UInt64
  public let commitIndex: UInt64
  public let appliedIndex: UInt64
  public let logBytes: Int
  public let isQuiesced: Bool
  public let isRestoring: Bool
  /// Entries each other member lacks; leaders only.
  public let lag: [NodeID: UInt64]
}

/// Counters of a host since it was created.
public struct ReplicationMetrics: Hashable, Sendable {
  public var proposals: UInt64 = 0
  public var appliedEntries: UInt64 = 0
  public var readBarriers: UInt64 = 0
  public var turns: UInt64 = 0
  public var messagesSent: UInt64 = 0
  public var messagesReceived: UInt64 = 0
  public var malformedPackets: UInt64 = 0
  public var snapshotsSent: UInt64 = 0
  public var snapshotsRestored: UInt64 = 0
  public var compactions: UInt64 = 0
  public var elections: UInt64 = 0
  public var syncs: UInt64 = 0
  public var groups: Int = 0
  public var leading: Int = 0
  public var ticking: Int = 0
}
