/// Mistakes built in on purpose, each of which the checks of the simulation must find: what proves that they can fail.
///
/// Only the simulation program makes one of them active; no flag of another program does.
public enum PlantedFault: String, Sendable, CaseIterable {
  case commitFloorNotRaised = "commit-floor-not-raised"
  case writeOnlyIgnored = "write-only-ignored"
  case deleteOnlyIgnored = "delete-only-ignored"
  case backfillReadsBeforeFloor = "backfill-reads-before-floor"
  case checkpointOneRowTooFar = "checkpoint-one-row-too-far"
  case uniqueCheckSkipped = "unique-check-skipped"
  case acknowledgementsLost = "acknowledgements-lost"
  case readBoundIgnored = "read-bound-ignored"
  case readTimestampsIgnored = "read-timestamps-ignored"
  case locksIgnoredByReads = "locks-ignored-by-reads"
  case nextTryRolledBack = "next-try-rolled-back"
  case unsyncedVote = "unsynced-vote"
  case conversionNotWritten = "conversion-not-written"
  case referenceNotHeld = "reference-not-held"
  case rowsNotAwaited = "rows-not-awaited"

  /// The one that is active, set before anything runs; nil everywhere but in tests of the simulation.
  @_spi(Planting) public nonisolated(unsafe) static var planted: PlantedFault?

  public static func isPlanted(_ fault: PlantedFault) -> Bool { unsafe planted == fault }
}
