import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import Wire

/// Waits for the end of every transaction that was prewritten on a unique index before its last entry was ingested.
///
/// Such a transaction may have put another row under the key of an entry that was still to come: it found the key free. Once it
/// has ended it is committed below the timestamp of the proof, which finds both rows, or not at all. Whoever is prewritten later
/// finds the entries in place.
@EventLoopActor struct PrewriteDrain {
  private static let requestMilliseconds: UInt64 = 30_000
  private static let lockWaitMilliseconds: Int64 = 20

  let ranges: RangeClient
  let locks: LockResolver

  /// `beat` is called between waits; it may throw to give up.
  func run(
    _ index: IndexDescriptor, of table: TableDescriptor, beat: @EventLoopActor () async throws -> Void
  ) async throws {
    let whole = KeySpan.whole(table: table.id, index: index.id)
    var position: [UInt8]? = whole.start
    while let start = position {
      try Task.checkCancellation()
      let request = ListLocksRequest(startKey: start, endKey: whole.end)
      let response: ListLocksResponse
      do throws(RangeCallFailure) {
        response = try await ranges.call(RangeService.listLocks, range: index.rangeID, request, deadline: deadline)
      } catch {
        throw error.sqlError
      }
      if let error = response.error, error.kind != .ok {
        throw SQLError(
          .internalError, "a range did not name its locks", detail: "\(error.kind): \(error.message)")
      }
      for lock in response.locks { try await awaitEnd(of: lock, on: index.rangeID, beat) }
      position = response.resumeKey.isEmpty ? nil : response.resumeKey
    }
  }

  private func awaitEnd(
    of lock: LockInfo, on range: RangeID, _ beat: @EventLoopActor () async throws -> Void
  ) async throws {
    while true {
      try Task.checkCancellation()
      do throws(RangeCallFailure) {
        if try await locks.resolve(lock, range: range, reader: nil, deadline: deadline) == .resolved { return }
      } catch {
        throw error.sqlError
      }
      Probes.reached(.writerAwaited)
      try await beat()
      try await EventLoop.sleep(for: .milliseconds(Self.lockWaitMilliseconds))
    }
  }

  private var deadline: MonotonicTime { EventLoop.now.advanced(byMilliseconds: Self.requestMilliseconds) }
}
