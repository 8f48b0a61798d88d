import Basics
import EventLoop
import RPC
import Wire

/// What became of a lock that stood in the way.
public enum LockOutcome: Hashable, Sendable {
  /// Its transaction commits above the reader or not at all: pass over its locks.
  case ignore(startTimestamp: UInt64)
  /// The lock is gone: try again.
  case resolved
  /// Its transaction is alive: wait a little and try again.
  case wait
}

/// Finds out the fate of a transaction whose lock is in the way, and finishes its key (Percolator, OSDI 2010, 2.2).
@EventLoopActor public final class LockResolver {
  /// Fates remembered; a fate never changes once it is known.
  private static let maximumFates = 4096

  private enum Fate {
    case committed(Timestamp)
    case rolledBack
  }

  private let ranges: RangeClient
  private var fates: [UInt64: Fate] = [:]
  private var fateOrder: [UInt64] = []

  public init(_ ranges: RangeClient) { self.ranges = ranges }

  /// `range`: where the locked key is. `reader`: the timestamp of the read, or nil for a writer, which cannot pass.
  public func resolve(
    _ lock: LockInfo, range: RangeID, reader: Timestamp?, deadline: MonotonicTime
  ) async throws(RangeCallFailure) -> LockOutcome {
    if let fate = fates[lock.startTimestamp] {
      return try await finish(lock, range: range, fate, reader: reader, deadline: deadline)
    }
    let request = CheckTransactionRequest(
      primaryKey: lock.primaryKey, startTimestamp: lock.startTimestamp, pushAbove: reader?.rawValue ?? 0,
      rollBackIfExpired: true)
    let response = try await ranges.call(
      RangeService.checkTransaction, range: RangeID(lock.primaryRangeID), request, deadline: deadline)
    if let error = response.error, error.kind != .ok { return .wait }
    switch response.status {
    case .committed:
      let fate = Fate.committed(Timestamp(rawValue: response.commitTimestamp))
      remember(lock.startTimestamp, fate)
      return try await finish(lock, range: range, fate, reader: reader, deadline: deadline)
    case .rolledBack:
      remember(lock.startTimestamp, .rolledBack)
      return try await finish(lock, range: range, .rolledBack, reader: reader, deadline: deadline)
    default:
      if let reader, response.minimumCommitTimestamp > reader.rawValue {
        return .ignore(startTimestamp: lock.startTimestamp)
      }
      return .wait
    }
  }

  private func finish(
    _ lock: LockInfo, range: RangeID, _ fate: Fate, reader: Timestamp?, deadline: MonotonicTime
  ) async throws(RangeCallFailure) -> LockOutcome {
    Probes.reached(.lockResolvedByOther)
    switch fate {
    case .committed(let commit):
      let request = CommitRequest(
        startTimestamp: lock.startTimestamp, commitTimestamp: commit.rawValue, keys: [lock.key])
      if let reader, commit > reader {
        ranges.call(RangeService.commit, range: range, request, deadline: deadline) { _ in }
        return .ignore(startTimestamp: lock.startTimestamp)
      }
      _ = try await ranges.call(RangeService.commit, range: range, request, deadline: deadline)
      return .resolved
    case .rolledBack:
      let request = RollbackRequest(startTimestamp: lock.startTimestamp, keys: [lock.key])
      if reader != nil {
        ranges.call(RangeService.rollback, range: range, request, deadline: deadline) { _ in }
        return .ignore(startTimestamp: lock.startTimestamp)
      }
      _ = try await ranges.call(RangeService.rollback, range: range, request, deadline: deadline)
      return .resolved
    }
  }

  private func remember(_ start: UInt64, _ fate: Fate) {
    if fates.updateValue(fate, forKey: start) == nil { fateOrder.append(start) }
    if fateOrder.count > Self.maximumFates {
      for forgotten in fateOrder.prefix(Self.maximumFates / 2) { fates[forgotten] = nil }
      fateOrder.removeFirst(Self.maximumFates / 2)
    }
  }
}
