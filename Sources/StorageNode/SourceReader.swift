import Basics
import ClusterClient
import EventLoop
import Transactions
import Wire

/// A part of a range that may be read at a timestamp without looking at the loop again.
struct ReadableSpan: Sendable {
  var state: StoreState
  var span: KeySpan
}

/// Admits long reads at the leader: whole spans at one timestamp, with the locks in the way resolved.
///
/// Once a span is admitted nothing commits in it at or below the timestamp, so a snapshot taken in the same turn shows
/// all there will ever be, whoever leads later.
@EventLoopActor final class SourceReader {
  /// Ends a read that this node cannot do: ask `leader` (nil: unknown).
  struct LedElsewhere: Error {
    let leader: NodeID?
  }

  private static let lockWaitMilliseconds: Int64 = 20
  private static let requestMilliseconds: UInt64 = 10_000

  private let store: RangeStore
  private let locks: LockResolver
  private let timestamp: Timestamp
  private var ignoredStarts: [Timestamp] = []

  init(_ store: RangeStore, _ locks: LockResolver, timestamp: Timestamp) {
    self.store = store
    self.locks = locks
    self.timestamp = timestamp
  }

  /// The first part of `span` that can be read now; waits while a lock stands at its very start.
  func admit(_ span: KeySpan, of rangeID: RangeID) async throws -> ReadableSpan {
    while true {
      try Task.checkCancellation()
      guard let replica = store.replica(rangeID) else { throw LedElsewhere(leader: nil) }
      let result = await admitOnce(span, replica)
      switch result {
      case .success(let admitted):
        guard let holder = admitted.blockedBy else {
          return ReadableSpan(state: admitted.state, span: admitted.span)
        }
        if admitted.span.start.lexicographicallyPrecedes(admitted.span.end) {
          return ReadableSpan(state: admitted.state, span: admitted.span)
        }
        try await resolve(holder, rangeID)
      case .failure(.notLeader(let leader)): throw LedElsewhere(leader: leader)
      case .failure(.unknownRange): throw LedElsewhere(leader: nil)
      case .failure(.overloaded): try await EventLoop.sleep(for: .milliseconds(Self.lockWaitMilliseconds))
      case .failure(.corrupted(let reason)): throw StorageFailure.corrupted(reason)
      case .failure(.timestampTooOld(let safePoint)):
        throw SQLError(
          .snapshotTooOld, "snapshot too old",
          detail: "A read at \(timestamp) is not possible any more: what was before \(safePoint) is given up.")
      case .failure(let failure): throw SQLError(.internalError, "a range refused a read", detail: "\(failure)")
      }
    }
  }

  private struct Admission: Sendable {
    var state: StoreState
    var span: KeySpan
    var blockedBy: LockHolder?
  }

  private func admitOnce(_ span: KeySpan, _ replica: RangeReplica) async -> ReadResult<Admission> {
    let view = ReadView(timestamp: timestamp, ignoredStarts: ignoredStarts)
    return await withUnsafeContinuation { continuation in
      replica.scan(span, isReverse: false, view: view) { result in
        continuation.resume(
          returning: result.map { Admission(state: replica.state.frozen(), span: $0.span, blockedBy: $0.blockedBy) })
        guard case .success(let admitted) = result else { return nil }
        return admitted.span
      }
    }
  }

  /// Throws when the lock's primary cannot be asked: whoever ordered the work begins again and says so.
  private func resolve(_ holder: LockHolder, _ rangeID: RangeID) async throws {
    let deadline = EventLoop.now.advanced(byMilliseconds: Self.requestMilliseconds)
    let outcome: LockOutcome
    do throws(RangeCallFailure) {
      outcome = try await locks.resolve(LockInfo(holder), range: rangeID, reader: timestamp, deadline: deadline)
    } catch {
      throw error.sqlError
    }
    switch outcome {
    case .ignore(let start): ignoredStarts.append(Timestamp(rawValue: start))
    case .resolved: return
    case .wait: try await EventLoop.sleep(for: .milliseconds(Self.lockWaitMilliseconds))
    }
  }
}
