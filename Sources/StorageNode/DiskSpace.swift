import Basics
import EventLoop
import Glibc
import NodeRuntime

/// Whether the data directory's file system has room for more than what is under way already.
///
/// RocksDB cannot go on after a write that failed for want of space. So while there is still enough for the log to be compacted
/// and for transactions to end, leaderships are offered to nodes that may have room, and a second later new writes are
/// refused (53100). Reads, commits of what is prewritten and roll-backs go on.
@EventLoopActor final class DiskSpace {
  static let checkMilliseconds: Int64 = 250
  /// From the offer of the leaderships to the first refusal.
  static let offerMilliseconds: UInt64 = 1_000

  let path: String
  /// Less than this is too little (bytes).
  let reserveBytes: UInt64
  /// Since when there is too little; nil while there is enough.
  private var lowSince: MonotonicTime?
  private(set) var refusesWrites = false
  /// Nil where it is not known.
  private(set) var availableBytes: UInt64?
  /// There is too little from now on.
  var onLow: (@EventLoopActor () -> Void)?
  private var timer: Timer?

  init(path: String, reserveBytes: Int) {
    self.path = path
    self.reserveBytes = UInt64(clamping: reserveBytes)
  }

  func start() {
    check()
    timer = Timer.repeating(every: .milliseconds(Self.checkMilliseconds)) { [weak self] in self?.check() }
  }

  func stop() {
    timer?.cancel()
    timer = nil
  }

  private func check() {
    availableBytes = Self.availableBytes(at: path)
    guard let availableBytes else { return }
    let now = EventLoop.now
    guard let lowSince else {
      if availableBytes < reserveBytes { beginLow(availableBytes, now) }
      return
    }
    // A quarter more ends it, so that it does not begin again at once.
    if availableBytes >= reserveBytes &+ reserveBytes / 4 {
      Log.info("storage", "there is disk space again", ["available": "\(availableBytes)"])
      self.lowSince = nil
      refusesWrites = false
    } else if !refusesWrites, now.milliseconds(since: lowSince) >= Self.offerMilliseconds {
      Log.warning("storage", "new writes are refused for want of disk space", ["available": "\(availableBytes)"])
      refusesWrites = true
    }
  }

  private func beginLow(_ availableBytes: UInt64, _ now: MonotonicTime) {
    lowSince = now
    Log.warning(
      "storage", "little disk space is left; other nodes are asked to lead",
      ["available": "\(availableBytes)", "reserve": "\(reserveBytes)"])
    onLow?()
  }

  /// For processes without special rights; nil when the system does not say.
  static func availableBytes(at path: String) -> UInt64? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? .max : bytes
  }
}
