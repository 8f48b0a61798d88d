import Basics

/// Waiting times of the cluster client, in one place (milliseconds).
enum ClientLimits {
  /// One attempt at the metadata leader; then the next address is tried.
  static let metadataAttemptMilliseconds: UInt64 = 2_000
  /// Telling the metadata leader of an orderly end; then the lease does.
  static let leavingMilliseconds: UInt64 = 1_000
  /// One attempt at a range's replica; then the next replica is tried.
  static let rangeAttemptMilliseconds: UInt64 = 3_000
  /// One call of a statement with all its attempts; then the statement fails.
  static let callMilliseconds: UInt64 = 30_000
  /// Waiting times between attempts double from the first to the last.
  static let firstBackoffMilliseconds: UInt64 = 5
  static let lastBackoffMilliseconds: UInt64 = 250
  /// Acks are sent again after this time even if nothing changed.
  static let acknowledgementMilliseconds: UInt64 = 500
  /// How long a waiter for a schema index is patient with the watch stream before it is opened anew.
  static let watchPatienceMilliseconds: UInt64 = 400
  /// The longest wait for a commit timestamp's minimum to pass.
  static let commitMinimumWaitMilliseconds: UInt64 = 3_000

  static func backoff(attempt: Int) -> UInt64 {
    min(lastBackoffMilliseconds, firstBackoffMilliseconds << UInt64(min(max(attempt, 0), 10)))
  }
}

extension MonotonicTime {
  /// Zero when it has passed.
  func millisecondsLeft(at now: MonotonicTime) -> UInt64 { milliseconds(since: now) }
}
