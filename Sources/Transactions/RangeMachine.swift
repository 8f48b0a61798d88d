import Basics

/// The leader-side logic of one range: decides reads and writes over the applied state, has the effects of writes replicated,
/// and keeps what a leader knows in memory (latches, row locks, reads served).
///
/// Evaluated at the leader, applied blindly everywhere (`RangeCommand`). A request is handed in once; it is answered by an
/// effect, or `retry` asks for it again. Transactions follow Percolator (OSDI 2010, section 2.2) with row locks kept in memory;
/// read leases are timestamps, not clocks (Architecture.md, "Ranges"): a leader serves reads up to a bound it has replicated, later
/// leaders commit above that bound.
public struct RangeMachine: Sendable {
  /// What a request waits for.
  enum Waiting: Sendable {
    case latch
    case readBound
    case rowLock(key: [UInt8])
    case confirmation
  }

  /// What happens when a proposal has been applied.
  struct Pending: Sendable {
    var request: RequestID?
    var answer: RangeAnswer
    var readBound: Timestamp = .zero
    var afterwards: Afterwards = .nothing
    var ingestKeys: [[UInt8]] = []
    var purpose = Purpose.request
  }

  enum Purpose: Sendable {
    case request
    case safePoints
    case collection
    case confirmation(RequestID)
  }

  struct PartialLocks: Sendable {
    var start: Timestamp
    var keys: [[UInt8]]
  }

  enum Afterwards: Sendable {
    case nothing
    case prewritten(TransactionLiveness.Key?)
    case transactionEnded(start: Timestamp, keys: [[UInt8]], primaryKey: [UInt8]?)
    case releaseAllLocks(start: Timestamp)
  }

  public let rangeID: RangeID
  public var bounds: KeySpan
  public let configuration: RangeMachineConfiguration
  public private(set) var isLeading = false
  public private(set) var leaderHint: NodeID?

  /// Reads of earlier leaders: nothing commits at or below it.
  public internal(set) var floor: Timestamp = .zero
  /// Reads up to here may be served: replicated by this leader.
  public internal(set) var readBound: Timestamp = .zero
  /// Proposed, not yet applied.
  var pendingReadBound: Timestamp = .zero

  /// What is refused as too old: applied, or proposed by this leader.
  public internal(set) var safePoints = SafePoints.zero
  /// Garbage is on its way out: `collect` again when it is gone.
  public internal(set) var isCollecting = false
  var isRaisingSafePoints = false

  var reads = ReadTimestampCache(lowWater: .zero)
  var latches = LatchTable()
  var rowLocks = RowLockTable()
  var liveness = TransactionLiveness()
  var pending: [ProposalID: Pending] = [:]
  var waiting: [RequestID: Waiting] = [:]
  var deadlines: [RequestID: MonotonicTime] = [:]
  /// Row locks a waiting request has got so far: given back if it fails.
  var partialLocks: [RequestID: PartialLocks] = [:]
  var readBoundWaiters: [RequestID] = []
  var ingestsInFlight: [[UInt8]: [UInt8]] = [:]
  /// Requests to whom a command has confirmed that this is the leader and that all before it is applied.
  var confirmed: Set<RequestID> = []
  var goneGateways: Set<NodeID> = []
  var effects: [RangeEffect] = []
  private var nextProposal: UInt64 = 1

  public init(rangeID: RangeID, bounds: KeySpan, configuration: RangeMachineConfiguration = .init()) {
    self.rangeID = rangeID
    self.bounds = bounds
    self.configuration = configuration
  }

  /// What to do since the last call, in order.
  public mutating func takeEffects() -> [RangeEffect] {
    if effects.isEmpty { return [] }
    let taken = effects
    effects.removeAll(keepingCapacity: false)
    return taken
  }

  public var proposalsInFlight: Int { latches.count }
  public var waitingCount: Int { waiting.count }
  public var rowLockCount: Int { rowLocks.count }

  // MARK: - Leadership

  /// Leadership is established: everything of earlier terms is applied, and the marks are those found in the state.
  public mutating func lead(appliedReadBound: Timestamp, safePoints: SafePoints = .zero) {
    isLeading = true
    self.safePoints = safePoints
    isCollecting = false
    isRaisingSafePoints = false
    leaderHint = nil
    floor = appliedReadBound
    readBound = .zero
    pendingReadBound = .zero
    reads = ReadTimestampCache(lowWater: appliedReadBound)
    liveness = TransactionLiveness()
  }

  /// Leadership is lost (or another leader is known): whoever waits is sent there, what is in flight is unknown.
  public mutating func follow(leader: NodeID?) {
    leaderHint = leader
    guard isLeading else { return }
    isLeading = false
    for (_, pending) in pending.sorted(by: { $0.key < $1.key }) {
      if let request = pending.request { effects.append(.answer(request, .failed(.outcomeUnknown))) }
    }
    for request in waiting.keys.sorted() { effects.append(.answer(request, .failed(.notLeader(leader)))) }
    pending = [:]
    waiting = [:]
    deadlines = [:]
    partialLocks = [:]
    readBoundWaiters = []
    ingestsInFlight = [:]
    confirmed = []
    latches = LatchTable()
    rowLocks = RowLockTable()
  }

  // MARK: - Requests

  /// Hands in a request, the first time or after `retry`. Answers come as effects.
  public mutating func handle(
    _ request: RangeRequest, id: RequestID, snapshot: some KeyValueSnapshot, now: MonotonicTime
  ) {
    waiting[id] = nil
    guard isLeading else { return answer(id, .failed(.notLeader(leaderHint))) }
    do throws(StorageFailure) {
      switch request {
      case .acquireLocks(let request): try acquireLocks(request, id: id, snapshot: snapshot, now: now)
      case .commitOneRound(let request): try commitOneRound(request, id: id, snapshot: snapshot, now: now)
      case .prewrite(let request): try prewrite(request, id: id, snapshot: snapshot, now: now)
      case .commit(let request): try commit(request, id: id, snapshot: snapshot)
      case .rollback(let request): try rollback(request, id: id, snapshot: snapshot)
      case .check(let request): try check(request, id: id, snapshot: snapshot, now: now)
      case .heartbeat(let request): try heartbeat(request, id: id, snapshot: snapshot, now: now)
      case .ingest(let request): try ingest(request, id: id, snapshot: snapshot)
      case .listLocks(let request): try listLocks(request, id: id, snapshot: snapshot)
      }
    } catch {
      answer(id, .failed(Self.failure(of: error)))
    }
  }

  /// The caller is gone: the request no longer waits. What is already proposed goes on.
  public mutating func cancel(_ id: RequestID) {
    if case .rowLock(let key)? = waiting[id] { rowLocks.forget(id, waitingFor: key) }
    if waiting.removeValue(forKey: id) != nil {
      latches.forget(id)
      readBoundWaiters.removeAll { $0 == id }
    }
    deadlines[id] = nil
    confirmed.remove(id)
    givePartialLocksBack(of: id)
  }

  public mutating func proposalFinished(_ id: ProposalID, _ outcome: ProposalOutcome, now: MonotonicTime) {
    guard let ended = pending.removeValue(forKey: id) else { return }
    for key in ended.ingestKeys { ingestsInFlight[key] = nil }
    switch ended.purpose {
    case .request: break
    case .safePoints: isRaisingSafePoints = false
    case .collection: isCollecting = false
    case .confirmation(let request): endConfirmation(of: request, outcome)
    }
    switch outcome {
    case .applied:
      if ended.readBound != .zero { readBound = max(readBound, ended.readBound) }
      if let request = ended.request { effects.append(.answer(request, ended.answer)) }
    case .refused(let failure):
      if let request = ended.request { effects.append(.answer(request, .failed(failure))) }
    case .unknown:
      if let request = ended.request { effects.append(.answer(request, .failed(.outcomeUnknown))) }
    }
    if ended.readBound != .zero { endExtension(outcome) }
    // It may yet be applied, by another leader: until this one knows, nobody reads or writes its keys here.
    if case .unknown = outcome, isLeading { return }
    let latchWaiters = latches.release(id)
    if case .applied = outcome { finish(ended.afterwards, now: now) }
    retry(latchWaiters)
  }

  /// Without the bound nobody may read: trying again here would propose again without end.
  private mutating func endExtension(_ outcome: ProposalOutcome) {
    let waiters = readBoundWaiters
    readBoundWaiters = []
    switch outcome {
    case .applied: return retry(waiters)
    case .refused(let failure):
      pendingReadBound = readBound
      for waiter in waiters where waiting.removeValue(forKey: waiter) != nil { answer(waiter, .failed(failure)) }
    case .unknown:
      pendingReadBound = readBound
      for waiter in waiters where waiting.removeValue(forKey: waiter) != nil {
        answer(waiter, .failed(.notLeader(leaderHint)))
      }
    }
  }

  private mutating func endConfirmation(of request: RequestID, _ outcome: ProposalOutcome) {
    guard waiting[request] != nil else { return }
    switch outcome {
    case .applied:
      confirmed.insert(request)
      retry([request])
    case .refused(let failure):
      waiting[request] = nil
      answer(request, .failed(failure))
    case .unknown:
      waiting[request] = nil
      answer(request, .failed(.notLeader(leaderHint)))
    }
  }

  /// Lets waits end; call it every 50 ms or so while `waitingCount` is above zero.
  public mutating func tick(now: MonotonicTime) {
    if deadlines.isEmpty { return }
    for id in deadlines.filter({ $0.value <= now }).keys.sorted() {
      guard case .rowLock(let key)? = waiting[id] else { continue }
      waiting[id] = nil
      rowLocks.forget(id, waitingFor: key)
      answer(id, .failed(.lockTimeout(holder(of: key, now: now))))
    }
  }

  /// A gateway's session ended (`liveEpoch` nil) or it registered anew: row locks of its older sessions are void.
  public mutating func gatewayChanged(_ gateway: NodeID, liveEpoch: SessionEpoch?) {
    if liveEpoch == nil { goneGateways.insert(gateway) } else { goneGateways.remove(gateway) }
    for start in rowLocks.transactions(of: gateway, liveEpoch: liveEpoch) { retry(rowLocks.releaseAll(of: start)) }
  }

  // MARK: - Common

  /// Latches `keys` and has the command replicated; the answer is given when it is applied.
  mutating func propose(
    _ command: RangeCommand, keys: [[UInt8]], visibleFrom: Timestamp?, _ then: Pending
  ) {
    let id = ProposalID(nextProposal)
    nextProposal += 1
    latches.latch(keys, for: id, visibleFrom: visibleFrom)
    pending[id] = then
    effects.append(.propose(id, command))
  }

  /// False: the request has been refused because too much is under way already.
  mutating func admits(_ id: RequestID, mutationCount: Int, bytes: Int) -> Bool {
    if mutationCount > configuration.maximumMutationCount || bytes > configuration.maximumProposalBytes {
      answer(id, .failed(.malformed("\(mutationCount) keys, \(bytes) bytes: too much for one request")))
      return false
    }
    if latches.count >= configuration.maximumProposalCount {
      answer(id, .failed(.overloaded("\(latches.count) proposals in flight")))
      return false
    }
    return true
  }

  /// True: a key is latched and the request waits (or is refused because too many do).
  mutating func waitsForLatch(_ id: RequestID, keys: some Sequence<[UInt8]>) -> Bool {
    if latches.isEmpty { return false }
    for key in keys {
      guard let proposal = latches.holder(of: key) else { continue }
      if enqueue(id, .latch) { latches.wait(id, for: proposal) }
      return true
    }
    return false
  }

  /// True: another transaction holds a row lock and the request waits for it until `waitMilliseconds` have passed.
  mutating func waitsForRowLock(
    _ id: RequestID, keys: some Sequence<[UInt8]>, start: Timestamp, waitMilliseconds: UInt64, now: MonotonicTime
  ) -> Bool {
    if rowLocks.isEmpty { return false }
    for key in keys where rowLocks.foreignLock(of: key, start: start) != nil {
      let deadline = deadlines[id] ?? now.advanced(byMilliseconds: waitMilliseconds)
      if deadline <= now {
        answer(id, .failed(.lockTimeout(holder(of: key, now: now))))
      } else if enqueue(id, .rowLock(key: key)) {
        deadlines[id] = deadline
        rowLocks.wait(id, for: key)
      }
      return true
    }
    return false
  }

  /// False: refused, too many wait.
  mutating func enqueue(_ id: RequestID, _ cause: Waiting) -> Bool {
    guard waiting.count < configuration.maximumWaitingRequestCount else {
      answer(id, .failed(.overloaded("\(waiting.count) requests wait")))
      return false
    }
    waiting[id] = cause
    return true
  }

  func holder(of key: [UInt8], now: MonotonicTime) -> LockHolder {
    guard let lock = rowLocks.foreignLock(of: key, start: .zero) else {
      return LockHolder(
        key: key, primaryKey: [], primaryRangeID: RangeID(0), start: .zero, gatewayID: NodeID(0), ageMilliseconds: 0)
    }
    var holder = lock.holder
    holder.ageMilliseconds = now.milliseconds(since: lock.grantedAt)
    return holder
  }

  /// False: refused, a key is outside of the range.
  mutating func isInside(_ id: RequestID, _ keys: some Sequence<[UInt8]>) -> Bool {
    for key in keys where !bounds.contains(key) {
      answer(id, .failed(.malformed("a key outside of range \(rangeID)")))
      return false
    }
    return true
  }

  mutating func finish(_ afterwards: Afterwards, now: MonotonicTime) {
    switch afterwards {
    case .nothing: return
    case .prewritten(let primary):
      if let primary { liveness.heard(primary, now: now) }
    case .transactionEnded(let start, let keys, let primaryKey):
      for key in keys { retry(rowLocks.release(key, of: start)) }
      if let primaryKey { liveness.forget(TransactionLiveness.Key(primaryKey: primaryKey, start: start)) }
    case .releaseAllLocks(let start):
      retry(rowLocks.releaseAll(of: start))
    }
  }

  mutating func answer(_ id: RequestID, _ answer: RangeAnswer) {
    deadlines[id] = nil
    if case .failed = answer { givePartialLocksBack(of: id) } else { partialLocks[id] = nil }
    effects.append(.answer(id, answer))
  }

  mutating func givePartialLocksBack(of id: RequestID) {
    guard let partial = partialLocks.removeValue(forKey: id) else { return }
    for key in partial.keys { retry(rowLocks.release(key, of: partial.start)) }
  }

  mutating func retry(_ requests: [RequestID]) {
    for request in requests where waiting.removeValue(forKey: request) != nil { effects.append(.retry(request)) }
  }

  static func failure(of error: StorageFailure) -> RangeFailure {
    switch error {
    case .corrupted(let reason): .corrupted(reason)
    case .inputOutput(let reason): .corrupted(reason)
    }
  }
}
