/// Rare situations that tests must have reached: a place in the code that no run ever comes to has not been tested.
public enum Probe: String, Sendable, CaseIterable {
  case jobsTakenOver = "a new metadata leader took over unfinished jobs"
  case leadershipUnconfirmed = "timestamps were not given because leadership could not be confirmed"
  case commitRefusedByFloor = "a commit with a stale schema was refused"
  case commitBelowRead = "a late one-round commit was refused by a read timestamp"
  case nodeFenced = "a bounded wait ended without a node, which was fenced"
  case commitsLostWithSession = "commits failed because their node's session had ended"
  case aggregatorLostWithBarriers = "an aggregator was lost while barriers were open"
  case backfillResumed = "a backfill went on from a checkpoint"
  case writerAwaited = "a unique index build waited for a transaction that had written before its entries"
  case operationKnown = "a statement was answered from the record of its operation id"
  case lockResolvedByOther = "a lock was resolved by another transaction"
  case unknownOutcomeResolved = "an unknown outcome of a commit was found out"
  case proposalUndecided = "a leader was deposed with proposals whose fate was open"
  case rowsDecidedByJob = "the rows of a transaction were committed by the job of its schema changes"
  case rowsGivenUpByJob = "the rows of a transaction were given up by the job of its schema changes"
  case snapshotSent = "a replica that had fallen behind was sent a snapshot"
}

/// How often each was reached. Counts only in simulations: elsewhere a probe costs the look at a flag.
@EventLoopActor public enum Probes {
  public nonisolated(unsafe) static var isCounting = false
  private static var counts: [Probe: UInt64] = [:]

  public static func reached(_ probe: Probe) {
    if isCounting { counts[probe, default: 0] += 1 }
  }

  public static func count(_ probe: Probe) -> UInt64 { counts[probe] ?? 0 }
}
