import Basics
import EventLoop
import RPC
import Wire

/// What to do about rows that others hold.
public enum LockWaiting: Hashable, Sendable {
  case block
  case skipLocked
  case noWait
}

extension Transaction {
  /// How long a lock request waits at the range before the gateway looks for a deadlock (milliseconds).
  static let deadlockCheckMilliseconds: UInt64 = 1_000

  /// Locks what was written since `mark`: rows, and entries that must be unique. Throws `retry` when one has a newer commit
  /// than what the statement read: the locks stay, so that the next try will find the rows unchanged.
  public func lockWrites(since mark: Mark, _ control: StatementControl) async throws(TransactionFault) {
    let keys = buffer.keys(since: mark.buffer).filter { key in
      !lockedKeys.contains(key) && buffer.write(for: key)?.locksEarly == true
    }
    for group in CommitPlanning.groups(keys, buffer) {
      try await lock(range: group.range, keys: group.keys, waiting: .block, control)
    }
  }

  /// Answers for each key whether it is locked now (only `skipLocked` leaves some out). Throws `retry` if a row is newer
  /// than the read timestamp.
  @discardableResult
  public func lock(
    range: RangeID, keys: [[UInt8]], waiting: LockWaiting, _ control: StatementControl
  ) async throws(TransactionFault) -> [Bool] {
    var granted = [Bool](repeating: false, count: keys.count)
    if waiting == .skipLocked, keys.count > 1 {
      for (position, key) in keys.enumerated() {
        granted[position] = try await lockTogether(range: range, keys: [key], waiting: waiting, control)
      }
      return granted
    }
    let wanted = keys.filter { !lockedKeys.contains($0) }
    let isGranted =
      wanted.isEmpty ? true : try await lockTogether(range: range, keys: wanted, waiting: waiting, control)
    for position in granted.indices { granted[position] = isGranted }
    return granted
  }

  private func lockTogether(
    range: RangeID, keys: [[UInt8]], waiting: LockWaiting, _ control: StatementControl
  ) async throws(TransactionFault) -> Bool {
    if primary == nil, let first = keys.first { primary = (first, range) }
    guard let primary, let snapshot else { return true }
    defer { cluster.waits.endWait(startTimestamp.rawValue) }
    var waits = 0
    let lockDeadline = control.lockDeadline
    while true {
      let left = lockDeadline.millisecondsLeft(at: EventLoop.now)
      let patience = waiting == .block ? min(Self.deadlockCheckMilliseconds, max(1, left)) : 0
      let request = AcquireLocksRequest(
        startTimestamp: startTimestamp.rawValue, forUpdateTimestamp: snapshot.timestamp.rawValue, keys: keys,
        primaryKey: primary.key, primaryRangeID: primary.range.rawValue,
        gatewayNodeID: cluster.connection.nodeID.rawValue, waitMilliseconds: patience,
        sessionEpoch: cluster.connection.sessionEpoch?.rawValue ?? 0)
      let response: AcquireLocksResponse
      lockedRanges.insert(range)
      do throws(RangeCallFailure) {
        response = try await control.call(
          cluster.ranges, RangeService.acquireLocks, range: range, request,
          patience: patience + ClientLimits.rangeAttemptMilliseconds,
          late: { [self, start = startTimestamp] in self.answeredLate(range, start) })
      } catch {
        throw control.fault(RangeCallFailure(.timedOut, error.message).sqlError)
      }
      guard let error = response.error, error.kind != .ok else {
        for key in keys { lockedKeys.insert(key) }
        if let newest = response.newestCommitTimestamps.max(), newest > snapshot.timestamp.rawValue {
          throw .conflict("A row was changed at \(Timestamp(rawValue: newest)).")
        }
        return true
      }
      switch error.kind {
      case .lockTimeout, .keyLocked:
        if waiting == .skipLocked { return false }
        if waiting == .noWait {
          throw .failed(SQLError(.lockNotAvailable, "could not obtain lock on row"))
        }
        try await wait(for: error, range: range, waits: &waits, until: lockDeadline, control)
      default: throw fault(error)
      }
    }
  }

  /// A lock request of a cancelled statement was answered, and perhaps granted. A transaction that goes on gives it back at its
  /// end; one that is over must not keep it.
  private func answeredLate(_ range: RangeID, _ start: Timestamp) {
    if isOver || start != startTimestamp { release(range, of: start) }
  }

  /// Another transaction holds a row: finish it if it is over, look for a deadlock, else come again.
  private func wait(
    for error: RangeError, range: RangeID, waits: inout Int, until lockDeadline: MonotonicTime,
    _ control: StatementControl
  ) async throws(TransactionFault) {
    try control.check()
    guard EventLoop.now < lockDeadline else {
      throw .failed(SQLError(.lockNotAvailable, "canceling statement due to lock timeout"))
    }
    guard let lock = error.lock else { return try await pause(&waits, control) }
    let start = startTimestamp.rawValue
    cluster.waits.wait(
      start, for: WaitGraph.Blocker(start: lock.startTimestamp, gateway: NodeID(lock.gatewayNodeID)))
    if await cluster.waits.mustGiveUp(start) {
      throw .failed(
        SQLError(
          .deadlockDetected, "deadlock detected",
          detail: "Transaction \(start) and others wait for each other; this one is the youngest.",
          hint: "Try the transaction again."))
    }
    // A row lock was waited for at the range already; a prewritten one has to be looked into.
    guard error.kind == .keyLocked else { return }
    let outcome: LockOutcome
    do throws(RangeCallFailure) {
      outcome = try await cluster.locks.resolve(lock, range: range, reader: nil, deadline: control.callDeadline)
    } catch {
      throw control.fault(error.sqlError)
    }
    if outcome == .wait { try await pause(&waits, control) }
  }
}
