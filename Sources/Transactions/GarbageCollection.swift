import Basics

/// What may be dropped once no read below a safe point will be served any more. The caller resolves every lock with a start
/// timestamp below the safe point first, so that no decided transaction is still asked about.
public enum GarbageCollection {
  /// Decides for the versions of one key, handed in newest first.
  public struct Filter: Sendable {
    public let safePoint: Timestamp
    private var hasVersionAtSafePoint = false

    public init(safePoint: Timestamp) { self.safePoint = safePoint }

    /// Reads at or above the safe point see the newest version at or below it: older ones are dead, and so is that one if
    /// it is a tombstone (which may go only together with everything older).
    public mutating func isDroppable(_ version: VersionHeader) -> Bool {
      if version.commit > safePoint { return false }
      if hasVersionAtSafePoint { return true }
      hasVersionAtSafePoint = true
      return version.kind == .delete
    }
  }

  public static func isDroppable(recordOfTransactionStarted start: Timestamp, safePoint: Timestamp) -> Bool {
    start < safePoint
  }
}
