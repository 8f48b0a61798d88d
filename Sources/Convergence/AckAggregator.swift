import Basics

/// One open `Report` stream of a node.
public struct ReporterID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// One open `Watch` stream of a metadata leader.
public struct WatcherID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// A barrier as its watcher numbers it.
public struct BarrierID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// The ack aggregator: folds the acks of many nodes and passes on what a metadata leader waits for.
///
/// Nothing is durable. An aggregator that starts empty, forgets a node or dies delays a barrier by at most one period of
/// the nodes' re-sending (500 ms) and never makes one pass too early, because the leader judges barriers itself.
///
/// To a watcher goes at once what changes the answer for one of its open barriers; the rest goes in a summary every
/// `Limits.summaryIntervalMilliseconds`. Nothing is sent twice to one watcher.
public struct AckAggregator: Sendable {
  public struct Limits: Hashable, Sendable {
    /// Nodes remembered; the acks of further nodes are refused until some fall silent.
    public var maximumNodes = 10_000
    public var maximumReporters = 20_000
    public var maximumWatchers = 64
    public var maximumBarriersPerWatcher = 4_096
    /// Acks in one batch to a watcher.
    public var maximumBatchCount = 1_000
    public var summaryIntervalMilliseconds: UInt64 = 500
    /// A node that has not acked for this long is forgotten; a live one acks every 500 ms.
    public var silenceMilliseconds: UInt64 = 60_000

    public init() {}
  }

  public enum Event: Hashable, Sendable {
    case reporterOpened(ReporterID)
    case reported(ReporterID, [Acknowledgement])
    case reporterClosed(ReporterID)
    case watcherOpened(WatcherID)
    case barrierOpened(WatcherID, BarrierID, Barrier)
    case barrierClosed(WatcherID, BarrierID)
    case watcherClosed(WatcherID)
    /// Wanted every `summaryIntervalMilliseconds`.
    case tick
  }

  public enum Effect: Hashable, Sendable {
    /// Answer on the reporter's stream: everything up to `sequence` is folded.
    case confirm(ReporterID, sequence: UInt64)
    /// Send to the watcher, ascending by node.
    case deliver(WatcherID, [Acknowledgement])
    /// End the stream with RESOURCE_EXHAUSTED and this text.
    case refuseReporter(ReporterID, String)
    case refuseWatcher(WatcherID, String)
  }

  public private(set) var lattice = AckLattice()
  public let limits: Limits
  private var lastHeard: [NodeID: MonotonicTime] = [:]
  private var reporters: Set<ReporterID> = []
  private var watchers: [WatcherID: Watcher] = [:]

  private struct Watcher: Sendable {
    var barriers: [BarrierID: Barrier] = [:]
    /// Nodes whose newest ack has not been delivered yet.
    var pending: Set<NodeID> = []

    /// Whether the answer for one of its barriers, or the reason for waiting, differs between the two acks.
    func isConcerned(_ before: Acknowledgement?, _ after: Acknowledgement) -> Bool {
      barriers.values.contains { barrier in
        guard let before, before.epoch == after.epoch else { return true }
        return before.obstacle(to: barrier) != after.obstacle(to: barrier)
      }
    }
  }

  public init(limits: Limits = Limits()) { self.limits = limits }

  public var reporterCount: Int { reporters.count }
  public var watcherCount: Int { watchers.count }
  public var barrierCount: Int { watchers.values.reduce(0) { $0 + $1.barriers.count } }

  /// - Returns: what to do, in this order.
  public mutating func handle(_ event: Event, now: MonotonicTime) -> [Effect] {
    switch event {
    case .reporterOpened(let reporter): open(reporter)
    case .reported(let reporter, let acknowledgements): fold(acknowledgements, from: reporter, now: now)
    case .reporterClosed(let reporter): close(reporter)
    case .watcherOpened(let watcher): open(watcher)
    case .barrierOpened(let watcher, let id, let barrier): open(barrier, id, for: watcher)
    case .barrierClosed(let watcher, let id): close(id, of: watcher)
    case .watcherClosed(let watcher): close(watcher)
    case .tick: summarize(now: now)
    }
  }
}

// MARK: - Reporters

extension AckAggregator {
  private mutating func open(_ reporter: ReporterID) -> [Effect] {
    guard reporters.count < limits.maximumReporters else {
      return [.refuseReporter(reporter, "this aggregator serves \(limits.maximumReporters) nodes already")]
    }
    reporters.insert(reporter)
    return []
  }

  private mutating func close(_ reporter: ReporterID) -> [Effect] {
    reporters.remove(reporter)
    return []
  }

  private mutating func fold(
    _ acknowledgements: [Acknowledgement], from reporter: ReporterID, now: MonotonicTime
  ) -> [Effect] {
    guard reporters.contains(reporter) else { return [] }
    var concerned: Set<WatcherID> = []
    var confirmed: UInt64 = 0
    for acknowledgement in acknowledgements {
      let before = lattice[acknowledgement.node]
      guard before != nil || lattice.count < limits.maximumNodes else {
        reporters.remove(reporter)
        return [.refuseReporter(reporter, "this aggregator remembers \(limits.maximumNodes) nodes already")]
      }
      lastHeard[acknowledgement.node] = now
      confirmed = max(confirmed, acknowledgement.sequence)
      guard lattice.merge(acknowledgement), let after = lattice[acknowledgement.node] else { continue }
      for (id, watcher) in watchers {
        watchers[id]?.pending.insert(acknowledgement.node)
        if watcher.isConcerned(before, after) { concerned.insert(id) }
      }
    }
    guard !acknowledgements.isEmpty else { return [] }
    return [.confirm(reporter, sequence: confirmed)] + concerned.sorted().flatMap { deliver(to: $0) }
  }
}

// MARK: - Watchers

extension AckAggregator {
  private mutating func open(_ watcher: WatcherID) -> [Effect] {
    guard watchers.count < limits.maximumWatchers else {
      return [.refuseWatcher(watcher, "this aggregator has \(limits.maximumWatchers) watchers already")]
    }
    watchers[watcher] = Watcher(pending: Set(lattice.acknowledgements.map(\.node)))
    return deliver(to: watcher)
  }

  private mutating func open(_ barrier: Barrier, _ id: BarrierID, for watcher: WatcherID) -> [Effect] {
    guard let known = watchers[watcher] else { return [] }
    guard known.barriers.count < limits.maximumBarriersPerWatcher || known.barriers[id] != nil else {
      watchers[watcher] = nil
      return [.refuseWatcher(watcher, "more than \(limits.maximumBarriersPerWatcher) barriers are open")]
    }
    watchers[watcher]?.barriers[id] = barrier
    return deliver(to: watcher)
  }

  private mutating func close(_ barrier: BarrierID, of watcher: WatcherID) -> [Effect] {
    watchers[watcher]?.barriers[barrier] = nil
    return []
  }

  private mutating func close(_ watcher: WatcherID) -> [Effect] {
    watchers[watcher] = nil
    return []
  }

  private mutating func summarize(now: MonotonicTime) -> [Effect] {
    for (node, heard) in lastHeard where now.milliseconds(since: heard) >= limits.silenceMilliseconds {
      lastHeard[node] = nil
      lattice.forget(node)
    }
    return watchers.keys.sorted().flatMap { deliver(to: $0) }
  }

  private mutating func deliver(to watcher: WatcherID) -> [Effect] {
    guard let pending = watchers[watcher]?.pending, !pending.isEmpty else { return [] }
    watchers[watcher]?.pending = []
    let acknowledgements = pending.sorted().compactMap { lattice[$0] }
    return stride(from: 0, to: acknowledgements.count, by: limits.maximumBatchCount).map { start in
      let end = min(start + limits.maximumBatchCount, acknowledgements.count)
      return .deliver(watcher, Array(acknowledgements[start..<end]))
    }
  }
}
