import Basics

/// One step of a job that waits for a barrier, for a bounded time.
///
/// All live sessions, or a majority of them once the bound has passed: then the step goes on and the laggards are fenced, so
/// that they get no timestamp before they have caught up. Safety does not rest on the outcome (Architecture.md, "One order"); only the
/// comfort of running transactions does.
public struct BarrierWait: Hashable, Sendable {
  public static let defaultBoundMilliseconds: UInt64 = 2_000
  /// A longer bound asked for by a client is shortened to this (one day).
  public static let maximumBoundMilliseconds: UInt64 = 86_400_000

  public let barrier: Barrier
  public let startedAt: MonotonicTime
  public let boundMilliseconds: UInt64
  /// What happens once the bound has passed.
  public let onBlock: OnBlock

  public init(
    _ barrier: Barrier, startedAt: MonotonicTime, boundMilliseconds: UInt64 = Self.defaultBoundMilliseconds,
    onBlock: OnBlock = .abort
  ) {
    self.barrier = barrier
    self.startedAt = startedAt
    self.boundMilliseconds = min(boundMilliseconds, Self.maximumBoundMilliseconds)
    self.onBlock = onBlock
  }

  public enum Verdict: Hashable, Sendable {
    /// Every live session passed: nobody is to be fenced.
    case met
    /// Ask again when an ack or a session changes, and at `again` at the latest. Past the bound and still without a
    /// majority, or where all are waited for, `again` is nil: only an ack or the end of a session can help.
    case waiting([Laggard], again: MonotonicTime?)
    /// The bound has passed and a majority passed: go on and fence these at `barrier.index`.
    case proceed(fencing: [Laggard])
    /// The bound has passed, and the change is to be taken back rather than its laggards fenced.
    case giveUp([Laggard])
  }

  /// The moment from which on a majority is enough.
  public var deadline: MonotonicTime { startedAt.advanced(byMilliseconds: boundMilliseconds) }

  public func verdict(_ acknowledged: AckLattice, sessions: [LiveSession], now: MonotonicTime) -> Verdict {
    let laggards = acknowledged.laggards(of: barrier, among: sessions)
    if laggards.isEmpty { return .met }
    if onBlock == .wait { return .waiting(laggards, again: nil) }
    if now < deadline { return .waiting(laggards, again: deadline) }
    if onBlock == .cancel { return .giveUp(laggards) }
    if (sessions.count - laggards.count) * 2 > sessions.count { return .proceed(fencing: laggards) }
    return .waiting(laggards, again: nil)
  }
}
