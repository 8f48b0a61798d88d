import Basics
import ClusterClient
import EventLoop
import NodeRuntime
import Transactions
import Wire

/// Pace and limits of garbage collection on one node.
public struct GarbageCollectorOptions: Sendable {
  /// Steps of all ranges of a node come one after the other, so far apart.
  public var stepMilliseconds: Int64 = 25
  /// Every range is looked at once in a round. The records of a cluster wait for the newest range to be looked at.
  public var roundMilliseconds: UInt64 = 250
  /// Cells that one step may look at: it holds the loop for about a millisecond.
  public var maximumCellsPerStep = 2_048
  public var maximumCellsPerCommand = 512
  /// A range is swept when cells written since the last sweep, and those it had to leave, are a quarter of all it met and at
  /// least so many; with fewer after the longest rest.
  public var minimumCells: UInt64 = 1_024
  public var longestRestMilliseconds: UInt64 = 600_000
  /// Old locks of one range looked after in one go.
  public var maximumLocksPerRound = 64
  /// Locks that one step may look at.
  public var maximumLocksPerStep = 2_048

  public init() {}
}

/// What the collector remembers of one replica, in memory.
struct GarbageState {
  /// No lock of a transaction that started below this is on the replica: true for good once it is, because writes of such
  /// transactions are refused from the safe point on.
  var resolvedBelow = Timestamp.zero
  var isResolvingLocks = false
  /// The search for old locks under way; nil: none.
  var lockSearch: LockSearch?
  /// The last complete sweep; nil: none since the process began or the replica was restored.
  var lastSweep: Sweep?

  /// Locks are looked through from the beginning of the range, a bounded step at a time. What has been passed stays free of
  /// old locks: new ones below an applied safe point are refused.
  struct LockSearch {
    /// Locks of transactions that started below are looked for: an applied safe point.
    var point: Timestamp
    /// Where the next step begins.
    var position: [UInt8]
  }

  struct Sweep {
    var points: SafePoints
    var endedAt: MonotonicTime
    /// `RangeReplica.cellsWritten` when it began.
    var cellsWritten: UInt64
    var cellsKept: UInt64
    var cellsToCome: UInt64
  }
}

/// Gives up the past of the ranges that this node leads, as far as the metadata leader advises, and drops what is left of it.
///
/// Happy path, for each range: the safe points are raised through the log; old locks are resolved; a sweep walks over the
/// range and proposes deletes of what nobody can read any more, so that all replicas stay equal.
@EventLoopActor final class GarbageCollector {
  /// The newest advice.
  var advice: SafePointAdvice?
  private let store: RangeStore
  private let locks: LockResolver
  private let options: GarbageCollectorOptions
  private var timer: Timer?
  /// Ranges not looked at yet in this round.
  private var waiting: [RangeID] = []
  private var nextRound = MonotonicTime(nanoseconds: 0)
  private var sweep: (range: RangeID, cellsWritten: UInt64, walk: GarbageSweep)?

  init(_ store: RangeStore, _ locks: LockResolver, options: GarbageCollectorOptions) {
    self.store = store
    self.locks = locks
    self.options = options
  }

  func start() {
    timer = Timer.repeating(every: .milliseconds(options.stepMilliseconds)) { [weak self] in self?.step() }
  }

  func stop() {
    timer?.cancel()
    timer = nil
  }

  /// Goes on with the sweep under way, else looks at the next range.
  private func step() {
    if sweep != nil { return sweepOn() }
    guard let advice else { return }
    if waiting.isEmpty {
      let now = EventLoop.now
      if now < nextRound { return }
      nextRound = now.advanced(byMilliseconds: options.roundMilliseconds)
      waiting = store.replicas.reversed().map(\.id)
    }
    // A round is not longer because a node has many ranges.
    let stepsOfRound = max(1, Int(options.roundMilliseconds) / max(1, Int(options.stepMilliseconds)))
    var left = max(1, store.replicaCount / stepsOfRound + 1)
    while left > 0, sweep == nil, let range = waiting.popLast() {
      left -= 1
      guard let replica = store.replica(range), replica.damage == nil else { continue }
      do { try look(at: replica, advice) } catch { _ = replica.damaged(error) }
    }
  }

  private func look(at replica: RangeReplica, _ advice: SafePointAdvice) throws {
    try resolveLocks(of: replica)
    guard replica.isLeading else { return }
    let hold = tableID(of: replica).flatMap { advice.holds[$0] } ?? .max
    replica.raiseSafePoints(to: SafePoints(versions: min(advice.versions, hold), records: advice.records))
    guard isDue(replica) else { return }
    let walk = GarbageSweep(
      replica.state, span: replica.span, points: replica.appliedSafePoints, options: options)
    sweep = (replica.id, replica.cellsWritten, walk)
  }

  private func isDue(_ replica: RangeReplica) -> Bool {
    if replica.appliedSafePoints == .zero { return false }
    guard let last = replica.garbage.lastSweep else { return true }
    if replica.appliedSafePoints == last.points { return false }
    let cells = replica.cellsWritten &- last.cellsWritten &+ last.cellsToCome
    if cells == 0 { return false }
    if cells >= max(options.minimumCells, last.cellsKept / 4) { return true }
    return EventLoop.now.milliseconds(since: last.endedAt) >= options.longestRestMilliseconds
  }

  private func sweepOn() {
    guard var current = sweep else { return }
    guard let replica = store.replica(current.range), replica.isLeading, replica.damage == nil else {
      sweep = nil
      return
    }
    if replica.machine.isCollecting { return }
    do {
      let step = try current.walk.step()
      sweep = current.walk.isDone ? nil : current
      store.metrics.garbageCells.increment(by: step.data.count + step.transactions.count)
      replica.collect(data: step.data, transactions: step.transactions)
    } catch {
      sweep = nil
      _ = replica.damaged(error)
      return
    }
    guard current.walk.isDone else { return }
    replica.garbage.lastSweep = GarbageState.Sweep(
      points: current.walk.points, endedAt: EventLoop.now, cellsWritten: current.cellsWritten,
      cellsKept: current.walk.cellsKept, cellsToCome: current.walk.cellsToCome)
  }

  // MARK: - Locks

  /// Goes on with the search for old locks; at the leader, has the fates of their transactions looked up and carried out.
  private func resolveLocks(of replica: RangeReplica) throws {
    guard !replica.garbage.isResolvingLocks else { return }
    let point = replica.appliedSafePoints.versions
    guard point > replica.garbage.resolvedBelow else {
      replica.garbage.lockSearch = nil
      return
    }
    let search = replica.garbage.lockSearch ?? GarbageState.LockSearch(point: point, position: replica.span.start)
    let step = try oldLocks(of: replica, search)
    if step.found.isEmpty, step.resumeKey == nil {
      replica.garbage.lockSearch = nil
      replica.garbage.resolvedBelow = search.point
      return
    }
    // What was found is looked at again after it was looked after.
    let position = step.found.first?.key ?? step.resumeKey ?? search.position
    replica.garbage.lockSearch = GarbageState.LockSearch(point: search.point, position: position)
    if replica.isLeading, !step.found.isEmpty { lookAfter(step.found, of: replica) }
  }

  private func lookAfter(_ old: [LockHolder], of replica: RangeReplica) {
    replica.garbage.isResolvingLocks = true
    Task { @EventLoopActor [locks] in
      let deadline = EventLoop.now.advanced(byMilliseconds: 5_000)
      for holder in old {
        do throws(RangeCallFailure) {
          _ = try await locks.resolve(LockInfo(holder), range: replica.id, reader: nil, deadline: deadline)
        } catch {
          break
        }
      }
      replica.garbage.isResolvingLocks = false
    }
  }

  private func oldLocks(
    of replica: RangeReplica, _ search: GarbageState.LockSearch
  ) throws -> (found: [LockHolder], resumeKey: [UInt8]?) {
    let (state, span) = (replica.state, replica.span)
    let cursor = state.database.iterator(
      in: state.lock, from: search.position, to: span.end.isEmpty ? nil : span.end, fillsCache: false)
    cursor.seekToFirst()
    var found: [LockHolder] = []
    var examined = 0
    while cursor.isValid {
      if found.count >= options.maximumLocksPerRound || examined >= options.maximumLocksPerStep {
        return (found, cursor.key)
      }
      examined += 1
      let record = try LockRecord(decoding: cursor.value)
      if record.start < search.point { found.append(LockHolder(key: cursor.key, lock: record)) }
      cursor.next()
    }
    try cursor.checkStatus()
    return (found, nil)
  }

  /// The table whose rows or entries the range has: the first eight bytes of its keys.
  private func tableID(of replica: RangeReplica) -> TableID? {
    let key = replica.descriptor.startKey
    return key.count < 8 ? nil : TableID(key.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
  }
}
