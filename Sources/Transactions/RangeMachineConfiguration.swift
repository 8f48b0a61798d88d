/// Limits and times of one range's leader.
public struct RangeMachineConfiguration: Hashable, Sendable {
  /// How far above a read's timestamp the read bound is extended.
  public var readBoundMilliseconds: UInt64 = 1000
  /// The bound is extended ahead of need when less than this is left.
  public var readBoundRenewalMilliseconds: UInt64 = 500
  /// How long a commit or prewrite waits for a row lock before it is answered `lockTimeout`.
  public var writeWaitMilliseconds: UInt64 = 1000
  public var maximumLockWaitMilliseconds: UInt64 = 60_000
  /// A transaction whose primary key is not prewritten may be rolled back after this silence.
  public var defaultTimeToLiveMilliseconds: UInt64 = 10_000
  public var maximumWaitingRequestCount = 20_000
  public var maximumRowLockCount = 500_000
  public var maximumProposalCount = 4096
  public var maximumLocksPerListing = 64
  public var maximumMutationCount = 50_000
  public var maximumProposalBytes = 16 << 20

  public init() {}
}
