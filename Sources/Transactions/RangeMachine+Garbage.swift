import Basics

extension RangeMachine {
  /// Gives up the past of the range below new safe points. From now on it is refused here; once the command is applied, on
  /// every replica and for good, and then it may be collected.
  ///
  /// - Parameter applied: what is in the state; a proposal that was lost is made again.
  public mutating func raiseSafePoints(to points: SafePoints, applied: SafePoints) {
    guard isLeading, !isRaisingSafePoints else { return }
    let raised = safePoints.raised(to: points)
    if raised == applied { return }
    safePoints = raised
    isRaisingSafePoints = true
    propose(
      RangeCommand(safePoints: raised), keys: [], visibleFrom: nil,
      Pending(request: nil, answer: .done, purpose: .safePoints))
  }

  /// Drops cells of the spaces `data` and `transactions` that the applied safe points allow to drop. What is at or below
  /// them does not change any more but by this, so nothing in flight can meet it.
  public mutating func collect(data: [[UInt8]], transactions: [[UInt8]]) {
    guard isLeading, !isCollecting, !(data.isEmpty && transactions.isEmpty) else { return }
    isCollecting = true
    let writes =
      data.map { LowLevelWrite.delete(.data, key: $0) } + transactions.map { .delete(.transactions, key: $0) }
    propose(
      RangeCommand(writes: writes), keys: [], visibleFrom: nil,
      Pending(request: nil, answer: .done, purpose: .collection))
  }

  /// Whether a read, or an index entry to ingest, is below the safe point.
  func isGivenUp(_ timestamp: Timestamp) -> Bool { timestamp < safePoints.versions }

  /// Whether a transaction may no longer write: versions and tombstones that would show a conflict may be gone.
  func isGivenUp(_ start: Timestamp, _ mutations: [KeyMutation]) -> Bool {
    isGivenUp(start) || mutations.contains { isGivenUp($0.forUpdate) }
  }
}
