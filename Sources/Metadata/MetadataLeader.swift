import Basics
import Catalog
import Convergence
import SchemaChange

/// One call of a client of the metadata service, as the shell numbers them.
public struct RequestID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// One command given to the Raft log by this leader.
public struct ProposalID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// What a metadata replica is while it leads: timestamp oracle, sessions, barriers, and the jobs' coordinator. Volatile and
/// pure: a new leader makes a new one from the applied state (`init`), and nothing of the old one is missed.
///
/// It plans against `speculative`, the applied state moved ahead by everything it has proposed. As long as it leads, the log
/// holds its proposals in their order and nothing else, so that is what the state is going to be. Should a proposal be lost
/// all the same, it waits until no other is under way and starts over from the applied state.
public struct MetadataLeader: Sendable {
  public struct Options: Hashable, Sendable {
    public var leaseMilliseconds: UInt64 = 5_000
    public var replicationFactor = 3
    public var boundedWaitMilliseconds: UInt64 = BarrierWait.defaultBoundMilliseconds
    public var rangeRetentionMilliseconds: UInt64 = 3_600_000
    /// How long versions of rows are kept that newer ones have replaced; 0: for ever.
    public var garbageRetentionMilliseconds: UInt64 = 300_000
    /// How long an open transaction keeps them beyond that.
    public var maximumTransactionHoldMilliseconds: UInt64 = 3_600_000
    /// Timestamp requests waiting at once; more are answered with "try again".
    public var maximumWaitingTimestamps = 10_000
    /// DDL calls waiting at once.
    public var maximumWaitingCalls = 10_000
    /// Unfinished jobs at once.
    public var maximumUnfinishedJobs = 1_000

    public init() {}
  }

  public enum Effect: Hashable, Sendable {
    /// Give to Raft; tell `proposalFailed` if it is certain never to be applied.
    case propose(ProposalID, MetadataCommand)
    /// Confirm that this replica led after now; then call `leadershipConfirmed`. One is outstanding at most.
    case confirmLeadership
    case answer(RequestID, Answer)
    case openBarrier(BarrierID, Barrier)
    case closeBarrier(BarrierID)
    case startWork(WorkOrder)
    case settle(Settlement)
    case stopWork(JobID)
  }

  public enum Answer: Hashable, Sendable {
    case timestamps(TimestampsAnswer)
    case registered(NodeID, SessionEpoch)
    case progress(DDLProgressReport)
    case control(JobID, SQLError?)
    /// Nothing was done, or it is not known whether: ask again.
    case tryAgain(String)
  }

  struct Pending: Sendable {
    let id: ProposalID
    let entryTimestamp: Timestamp?
    /// Who is answered when it is applied.
    var register: (request: RequestID, node: NodeID, epoch: SessionEpoch)?
    var control: (request: RequestID, job: JobID)?
    /// Who is told then what was found in the catalog that it makes.
    var findings: [(request: RequestID, report: DDLProgressReport)] = []
  }

  public let options: Options
  public internal(set) var applied: MetadataState
  var speculative: MetadataState
  var pending: [Pending] = []
  var nextProposal: UInt64 = 1
  /// A proposal was lost: nothing new is proposed until none is under way.
  var isRecovering = false

  var oracle: TimestampOracle
  var waitingTimestamps: [(id: RequestID, request: TimestampsRequest)] = []
  /// Those whose confirmation is outstanding.
  var confirmingTimestamps: [(id: RequestID, request: TimestampsRequest)] = []
  /// Confirmed, and waiting for room in the oracle's window.
  var stalledTimestamps: [(id: RequestID, request: TimestampsRequest)] = []
  var isConfirming = false
  var isReserving = false

  var sessions: [NodeID: Session] = [:]
  var acknowledged = AckLattice()
  /// Nodes a barrier went on without, and the index they must have applied before they get a timestamp.
  var fences: [NodeID: SchemaIndex] = [:]
  var barriers: [JobID: OpenBarrier] = [:]
  var nextBarrier: UInt64 = 1

  var safePoints = SafePointTargets()
  var issued = IssuedTimestamps()

  var coordinator = JobCoordinator()
  /// Since when jobs wait for the rows of their transactions, as far as this leader has seen.
  var heldSince: [JobID: MonotonicTime] = [:]
  /// DDL calls by the job they wait for, in the order of arrival.
  var waitingCalls: [JobID: [WaitingCall]] = [:]
  var now: MonotonicTime
  var wallMilliseconds: UInt64
  /// Ticks are wanted every 100 ms; so long without one means that the process did not run.
  static let stallMilliseconds: UInt64 = 500
  private var lastTick: MonotonicTime

  /// Leadership begins: everything committed before is in `state`.
  public init(state: MetadataState, options: Options = Options(), now: MonotonicTime, wallMilliseconds: UInt64) {
    self.options = options
    self.now = now
    lastTick = now
    self.wallMilliseconds = wallMilliseconds
    applied = state
    speculative = state
    oracle = TimestampOracle(startingAbove: max(state.timestampBound, state.catalog.timestamp))
    // Nobody is declared dead by a leader that has not listened for one full lease.
    for node in state.nodes.values where node.isLive {
      sessions[node.id] = Session(
        epoch: node.epoch, role: node.role, deadline: now.advanced(byMilliseconds: options.leaseMilliseconds))
    }
  }

  /// The first effects of a leader.
  public mutating func begin(newClusterID: String) -> [Effect] {
    var effects: [Effect] = []
    if applied.clusterID.isEmpty { propose(.initialize(clusterID: newClusterID), into: &effects) }
    reserveWindow(into: &effects)
    startUnfinishedJobs(into: &effects)
    return effects
  }

  /// Wanted every 100 ms or so: leases, bounded waits, the oracle's window, retention.
  public mutating func tick(now: MonotonicTime, wallMilliseconds: UInt64) -> [Effect] {
    grantTimeForStall(now: now)
    advanceClock(now, wallMilliseconds)
    var effects: [Effect] = []
    reserveWindow(into: &effects)
    endExpiredSessions(into: &effects)
    evaluateBarriers(into: &effects)
    giveUpHolds(into: &effects)
    removeExpired(into: &effects)
    serveStalled(into: &effects)
    return effects
  }

  /// While the leader itself stood still (paused, starved of processor time) nobody could renew: that time does not count.
  private mutating func grantTimeForStall(now: MonotonicTime) {
    let stall = now.milliseconds(since: lastTick)
    lastTick = max(lastTick, now)
    guard stall > Self.stallMilliseconds else { return }
    for id in sessions.keys { sessions[id]?.extendLease(byMilliseconds: stall) }
  }

  mutating func advanceClock(_ now: MonotonicTime, _ wallMilliseconds: UInt64) {
    self.now = max(self.now, now)
    self.wallMilliseconds = wallMilliseconds
  }

  // MARK: Proposals

  /// Moves the speculative state and hands the command to Raft. Returns false when it does not fit, and then nothing happened.
  @discardableResult
  mutating func propose(
    _ command: MetadataCommand, register: (RequestID, NodeID, SessionEpoch)? = nil,
    control: (RequestID, JobID)? = nil, into effects: inout [Effect]
  ) -> Bool {
    guard !isRecovering else { return false }
    do { try speculative.apply(command) } catch { return false }
    var entryTimestamp: Timestamp?
    if case .change(let step) = command {
      entryTimestamp = step.entry?.timestamp
      if let job = step.job { coordinator.proposed(job) }
    }
    let id = ProposalID(nextProposal)
    nextProposal += 1
    pending.append(Pending(id: id, entryTimestamp: entryTimestamp, register: register, control: control))
    effects.append(.propose(id, command))
    return true
  }

  /// The smallest effective timestamp under way: nothing at or above it may be issued yet.
  var ceiling: Timestamp? { pending.lazy.compactMap(\.entryTimestamp).first }

  /// A command of the log was applied, giving `state`. `isOwn`: this leader proposed it (they come in order).
  public mutating func didApply(
    _ command: MetadataCommand, state: MetadataState, wasRefused: Bool, isOwn: Bool, now: MonotonicTime,
    wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    applied = state
    var effects: [Effect] = []
    let proposal = isOwn && !pending.isEmpty ? pending.removeFirst() : nil
    if wasRefused || !isOwn { isRecovering = true }
    switch command {
    case .initialize: break
    case .reserveTimestamps:
      isReserving = false
      oracle.applied(bound: state.timestampBound)
    case .register(let node): didRegister(node, proposal, into: &effects)
    case .endSession: break
    case .change(let step):
      oracle.applied(entryAt: state.catalog.timestamp)
      if !wasRefused { didApply(step, proposal, into: &effects) }
    }
    for (request, report) in proposal?.findings ?? [] { tell(request, report, into: &effects) }
    finishRecoveryIfIdle(into: &effects)
    serveStalled(into: &effects)
    return effects
  }

  /// The proposal is certain never to be applied, though this replica may still lead.
  public mutating func proposalFailed(_ id: ProposalID) -> [Effect] {
    var effects: [Effect] = []
    guard let position = pending.firstIndex(where: { $0.id == id }) else { return effects }
    let lost = pending.remove(at: position)
    if let register = lost.register { effects.append(.answer(register.request, .tryAgain("the proposal was dropped"))) }
    if let control = lost.control { effects.append(.answer(control.request, .tryAgain("the proposal was dropped"))) }
    isRecovering = true
    isReserving = false
    for (request, report) in lost.findings { tell(request, report, into: &effects) }
    finishRecoveryIfIdle(into: &effects)
    return effects
  }

  private mutating func finishRecoveryIfIdle(into effects: inout [Effect]) {
    guard isRecovering, pending.isEmpty else { return }
    isRecovering = false
    speculative = applied
    for job in barriers.keys.sorted() { closeBarrier(job, into: &effects) }
    for job in coordinator.unfinished { effects.append(.stopWork(job.id)) }
    coordinator = JobCoordinator()
    heldSince = [:]
    // Calls on jobs that were never stored have to come again; the operation id keeps that from doing anything twice.
    for job in waitingCalls.keys.sorted() where applied.jobs[job] == nil {
      for call in waitingCalls[job] ?? [] {
        effects.append(.answer(call.request, .tryAgain("the proposal was dropped")))
      }
      waitingCalls[job] = nil
    }
    isReserving = false
    reserveWindow(into: &effects)
    startUnfinishedJobs(into: &effects)
  }

  private mutating func startUnfinishedJobs(into effects: inout [Effect]) {
    for job in applied.unfinishedJobRecords { coordinator.proposed(job) }
    for job in applied.unfinishedJobRecords { drive(.applied(job), into: &effects) }
  }

  mutating func reserveWindow(into effects: inout [Effect]) {
    guard !isReserving, let bound = oracle.reservation(wallMilliseconds: wallMilliseconds) else { return }
    isReserving = propose(.reserveTimestamps(bound: bound), into: &effects)
  }
}
