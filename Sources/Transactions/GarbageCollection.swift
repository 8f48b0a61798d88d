import Basics

/// What may be dropped once no read below a safe point will be served any more.
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

  /// - Parameter safePoint: `SafePoints.records`.
  public static func isDroppable(recordOfTransactionStarted start: Timestamp, safePoint: Timestamp) -> Bool {
    start < safePoint
  }

  /// Collects the droppable versions of one row after the other for commands of a bounded size.
  ///
  /// Commands are applied one after the other, with reads between them: so a tombstone, which hides what is older, is
  /// handed out last of its row.
  public struct Collector: Sendable {
    public let safePoint: Timestamp
    /// Cells at which the caller should stop and propose.
    public let limit: Int
    /// Cell keys that one command may delete.
    public private(set) var cells: [[UInt8]] = []
    /// Of the row under way.
    private var filter: Filter
    private var hasVersionAtSafePoint = false
    private var tombstone: [UInt8]?

    public init(safePoint: Timestamp, limit: Int) {
      self.safePoint = safePoint
      self.limit = max(1, limit)
      filter = Filter(safePoint: safePoint)
    }

    public var isFull: Bool { cells.count >= limit }

    /// Droppable cells met so far, with the tombstone of the row under way.
    public var foundCount: Int { cells.count + (tombstone == nil ? 0 : 1) }

    /// The next older version of the row under way, in the cell with this key.
    public mutating func visit(_ version: VersionHeader, cell: @autoclosure () -> [UInt8]) {
      let isNewest = version.commit <= safePoint && !hasVersionAtSafePoint
      if isNewest { hasVersionAtSafePoint = true }
      guard filter.isDroppable(version) else { return }
      if isNewest { tombstone = cell() } else { cells.append(cell()) }
    }

    /// The row under way has no older version.
    public mutating func endRow() {
      if let tombstone { cells.append(tombstone) }
      abandonRow()
    }

    /// The row under way is left in the middle, to be begun anew by another collector: its tombstone stays.
    public mutating func abandonRow() {
      tombstone = nil
      hasVersionAtSafePoint = false
      filter = Filter(safePoint: safePoint)
    }
  }
}
