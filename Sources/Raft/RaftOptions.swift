/// Times and limits of a group.
public struct RaftOptions: Sendable {
  /// A follower that hears nothing for a random time between these campaigns.
  public var electionTimeoutMinimumMilliseconds: UInt64 = 800
  public var electionTimeoutMaximumMilliseconds: UInt64 = 1500
  /// The same when the host has noticed that the leader's process is gone.
  public var lostLeaderTimeoutMinimumMilliseconds: UInt64 = 20
  public var lostLeaderTimeoutMaximumMilliseconds: UInt64 = 300
  public var heartbeatIntervalMilliseconds: UInt64 = 150
  /// Followers hear of a commit at once instead of at the next tick: for groups whose followers serve what they have applied.
  public var announcesCommits = false
  /// A round of reads asks as many followers as it needs, the ones that answered first lately, and all of them only when those
  /// do not answer within a tick or two: for groups with many reads. False: always all.
  public var asksQuorumForReads = false
  /// A leader without work for this long falls silent; nil: never.
  public var quiesceAfterMilliseconds: UInt64? = 3000
  /// Entries of one append message beyond the first.
  public var maximumAppendBytes = 1 << 20
  /// Appends sent to one follower and not yet answered.
  public var maximumInflightAppends = 64
  public var maximumInflightBytes = 8 << 20
  public var maximumCommandBytes = 8 << 20
  /// Proposals are refused while more than this is not committed.
  public var maximumUncommittedBytes = 16 << 20
  /// Committed entries handed out at once.
  public var maximumCommittedBytesPerReady = 4 << 20

  public init() {}
}
