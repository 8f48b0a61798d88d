import Basics
import Raft

/// Times and limits of a host and its groups.
public struct ReplicationOptions: Sendable {
  public var raft = RaftOptions()
  /// How often groups that are not quiesced look at the time.
  public var tickIntervalMilliseconds: UInt64 = 50
  /// The most that one pause of this process counts for, so that after a pause messages are read before timeouts end.
  public var maximumClockStepMilliseconds: UInt64 = 250
  /// How long a proposer waits to learn the fate of a proposal after its leader was deposed.
  public var undecidedTimeoutMilliseconds: UInt64 = 2500
  /// The uncompacted log of a group in memory.
  public var maximumLogEntries = 8192
  public var maximumLogBytes = 8 << 20
  /// What compaction leaves for slow followers.
  public var retainedLogEntries = 2048
  public var retainedLogBytes = 2 << 20
  /// What a quiesced group keeps.
  public var quiescedLogEntries = 64
  public var quiescedLogBytes = 64 << 10
  public var maximumSnapshotChunkBytes = 1 << 20
  /// Chunks on their way to one follower.
  public var snapshotWindowChunks = 4
  /// Snapshots sent at a time.
  public var maximumOutgoingSnapshots = 2
  /// A transfer without progress sends its window again, and is given up after some of these.
  public var snapshotRetryMilliseconds: UInt64 = 1000
  public var snapshotRetries = 10
  /// How long the preferred leader of a new group tries to be elected.
  public var preferredLeaderMilliseconds: UInt64 = 5000

  public init() {}

  public var maximumCommandBytes: Int { raft.maximumCommandBytes }
}
