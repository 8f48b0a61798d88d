import Basics
import EventLoop

/// What a storage node counts.
@EventLoopActor final class StorageMetrics {
  /// A number that only grows.
  @EventLoopActor final class Count {
    private(set) var value: UInt64 = 0
    func increment(by amount: Int = 1) { value &+= UInt64(clamping: amount) }
  }

  let reads = Count()
  let scans = Count()
  let rowsScanned = Count()
  let writes = Count()
  let ingestBytes = Count()
  let backfilledRows = Count()
  let garbageCells = Count()
  let corruptedRanges = Count()

  /// Reads of keys and commits that were answered, and how long that took together.
  private(set) var answered = WorkShare.Requests()

  func answered(since start: MonotonicTime) {
    answered.count &+= 1
    answered.microseconds &+= (EventLoop.now.nanoseconds &- start.nanoseconds) / 1_000
  }

  /// Keys and scans that clients asked for.
  var clientRequests: UInt64 { reads.value &+ scans.value &+ writes.value }
}
