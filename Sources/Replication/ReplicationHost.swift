import Basics
import EventLoop
import Raft
import RocksEngine

/// Runs the replicas of many Raft groups in one process: one timer, one synced write for each turn of the loop, one run of
/// bytes for each peer and turn.
///
/// What a turn does: messages, proposals and reads reach the cores while the turn runs; at its end every group with
/// something to do gives its `Ready`; messages that need no durability leave; log entries, hard states and the effects of
/// committed entries go into one batch, which is written at once and made durable by an fsync on a thread; proposers and
/// readers are answered; what depends on the fsync follows when it is done. Groups gather work for the next batch meanwhile.
@EventLoopActor public final class ReplicationHost {
  public let node: NodeID
  public let options: ReplicationOptions
  /// Called once, when the database refused a write, an fsync failed or a read met damage: the host has stopped then and every call answers
  /// `storageFailed`. A restart of the process recovers from what is durable.
  public var onFailure: (@EventLoopActor (RocksError) -> Void)?
  /// For the log: something went wrong that is tried again.
  public var onProblem: (@EventLoopActor (String) -> Void)?

  let database: RocksDatabase
  let family: ColumnFamily
  let transport: any RaftTransport
  let committer: GroupCommitWriter
  let batch = WriteBatch()
  private var generator: SeededGenerator

  var groupsByID: [RangeID: Group] = [:]
  /// Found on disk, not attached yet.
  private var found: [RangeID: GroupStorage.Found] = [:]
  /// Groups with something to do at the end of the turn.
  var dirty: [Group] = []
  /// Groups that look at the time. A group leaves the list at a tick after it fell silent.
  var ticking: [Group] = []
  var isTurnScheduled = false
  var turn = Turn()
  var outgoing: [NodeID: PacketWriter] = [:]
  var unreachable: Set<NodeID> = []
  let snapshots = OutgoingSnapshots()
  var nextReadID: UInt64 = 1
  var counters = ReplicationMetrics()

  private var timer: Timer?
  private var clock = MonotonicTime(nanoseconds: 1_000_000_000)
  private var clockRead = EventLoop.now
  var failure: RocksError?
  var isShuttingDown = false
  private(set) var isStarted = false

  /// - Parameter logFamily: a column family that nothing else uses.
  /// - Parameter seed: decides election timeouts; should differ between nodes.
  public init(
    node: NodeID, database: RocksDatabase, logFamily: ColumnFamily, transport: any RaftTransport,
    options: ReplicationOptions = ReplicationOptions(), seed: UInt64
  ) {
    self.node = node
    self.database = database
    self.transport = transport
    self.options = options
    family = logFamily
    committer = GroupCommitWriter(database: database)
    // Nodes that were given equal seeds must not campaign at equal times.
    var nodeGenerator = SeededGenerator(seed: node.rawValue)
    generator = SeededGenerator(seed: seed &+ nodeGenerator.next())
    transport.receiver = self
    // The other replicas have what cannot be read here: this process gives up all that it leads.
    database.onCorruption { [weak self] error in EventLoop.execute { self?.fail(error) } }
  }

  // MARK: - Groups

  /// Reads the groups that are on disk; each takes part once it is attached.
  ///
  /// - Throws: `RocksError.corruption` when the log cannot be trusted.
  public func open() throws -> [RangeID] {
    for (group, state) in try GroupStorage.load(database, family) { found[group] = state }
    return found.keys.sorted()
  }

  /// Gives a group found on disk its state machine.
  public func attach(_ group: RangeID, stateMachine: any ReplicatedStateMachine) throws {
    guard var state = found.removeValue(forKey: group) else { throw ReplicationError.unknownGroup }
    let storage = GroupStorage(group: group, family: family)
    if let snapshot = state.restoring {
      try restoreNow(snapshot, storage, stateMachine)
      state.persisted.truncated = snapshot
      state.persisted.appliedIndex = snapshot.index
      state.persisted.entries = []
      state.persisted.hardState.term = max(state.persisted.hardState.term, snapshot.term)
    }
    if let stored = stateMachine.storedIndex {
      guard stored >= state.persisted.truncated.index else {
        throw RocksError.corruption(
          "the state of group \(group) ends at \(stored), its log begins after \(state.persisted.truncated.index)")
      }
      state.persisted.appliedIndex = min(stored, state.persisted.appliedIndex)
    }
    add(Group(id: group, storage: storage, machine: stateMachine, core: makeCore(state.persisted)))
  }

  /// Creates an empty replica, unless the group is there. Every member must create it with the same members.
  ///
  /// - Parameter preferredLeader: campaigns at once instead of waiting for a timeout.
  public func createGroup(
    _ group: RangeID, members: [NodeID], stateMachine: any ReplicatedStateMachine, preferredLeader: NodeID? = nil
  ) throws {
    if let failure { throw ReplicationError.storageFailed(failure) }
    if groupsByID[group] != nil { return }
    if found[group] != nil { return try attach(group, stateMachine: stateMachine) }
    let truncated = TruncatedState(membership: Membership(voters: members))
    let storage = GroupStorage(group: group, family: family)
    let first = WriteBatch()
    storage.put(truncated, into: first)
    storage.put(HardState(), into: first)
    storage.put(appliedIndex: 0, into: first)
    // Durable with the fsync that the first vote or entry needs anyway: the log keeps the order.
    try database.write(first, sync: false)
    let created = Group(
      id: group, storage: storage, machine: stateMachine, core: makeCore(PersistedState(truncated: truncated)))
    if preferredLeader == node {
      created.eagerUntil = now().advanced(byMilliseconds: options.preferredLeaderMilliseconds)
      created.core.campaignNow(now())
    }
    add(created)
  }

  /// Forgets a group's Raft state. Its data is the state machine's own affair.
  public func removeGroup(_ id: RangeID) throws {
    found[id] = nil
    let gone = WriteBatch()
    GroupStorage(group: id, family: family).deleteEverything(into: gone)
    if let group = groupsByID.removeValue(forKey: id) {
      group.isRemoved = true
      if group.announcedTerm != nil { group.machine.lostLeadership() }
      for completion in group.takeAllProposals() { completion(.failure(.outcomeUnknown)) }
      for completion in group.takeBarriers() { completion(.unknownGroup) }
      snapshots.cancel(group: id)
    }
    try database.write(gone, sync: false)
  }

  private func makeCore(_ state: PersistedState) -> RaftCore {
    RaftCore(id: node, state: state, options: options.raft, seed: generator.next(), now: now())
  }

  private func add(_ group: Group) {
    groupsByID[group.id] = group
    for member in group.core.membership.all where member != node { transport.connect(to: member) }
    if !unreachable.isEmpty {
      for member in unreachable.sorted() { group.core.setReachable(member, false, now: now()) }
    }
    keepTicking(group)
    markDirty(group)
  }

  // MARK: - Running

  /// Begins to tick and to talk to the other nodes.
  public func start() {
    precondition(!isStarted, "a host starts once")
    isStarted = true
    timer = Timer.repeating(every: .milliseconds(Int64(options.tickIntervalMilliseconds))) { [weak self] in
      self?.tick()
    }
    transport.start()
    for group in groupsByID.values.sorted(by: { $0.id < $1.id }) { markDirty(group) }
  }

  /// Hands leadership over where it can, then stops. Whoever still waits gets `shuttingDown`.
  public func shutdown() async {
    if isStarted && failure == nil { await handOver() }
    stop()
    for group in groupsByID.values.sorted(by: { $0.id < $1.id }) {
      for completion in group.takeAllProposals() { completion(.failure(.outcomeUnknown)) }
      for completion in group.takeBarriers() { completion(.shuttingDown) }
    }
  }

  /// Begins to give every leadership to the reachable follower that lacks least. Where none takes it, it stays.
  public func transferLeaderships() {
    for group in groupsByID.values.sorted(by: { $0.id < $1.id }) where group.core.isLeader {
      let candidates = (group.core.followerMatch ?? []).filter {
        !unreachable.contains($0.node) && group.core.membership.isVoter($0.node)
      }
      guard let best = candidates.max(by: { $0.matchIndex < $1.matchIndex }) else { continue }
      // Refused while another transfer is under way, and that is as good.
      do throws(ProposalRefusal) { try group.core.transferLeadership(to: best.node, now: now()) } catch { continue }
      keepTicking(group)
      markDirty(group)
    }
  }

  /// Waits for at most one second until others lead.
  private func handOver() async {
    transferLeaderships()
    isShuttingDown = true
    var attempts = 0
    while attempts < 50
      && groupsByID.values.contains(where: { $0.core.isLeader && $0.core.membership.voters.count > 1 })
    {
      attempts += 1
      try? await EventLoop.sleep(for: .milliseconds(20))
    }
  }

  private func stop() {
    isShuttingDown = true
    timer?.cancel()
    timer = nil
    transport.stop()
    snapshots.cancelAll()
    ticking.removeAll()
    dirty.removeAll()
  }

  /// The database failed, or what it holds is damaged: nothing of this process may be believed to be durable from here on.
  func fail(_ error: RocksError) {
    guard failure == nil else { return }
    failure = error
    stop()
    for group in groupsByID.values.sorted(by: { $0.id < $1.id }) {
      if group.announcedTerm != nil { group.machine.lostLeadership() }
      group.announcedTerm = nil
      for completion in group.takeAllProposals() { completion(.failure(.storageFailed(error))) }
      for completion in group.takeBarriers() { completion(.storageFailed(error)) }
    }
    onFailure?(error)
  }

  // MARK: - Time

  /// The cores' clock. It stands still while this process did not run, so that a pause does not end every timeout at once.
  func now() -> MonotonicTime {
    let read = EventLoop.now
    let step = read.nanoseconds &- clockRead.nanoseconds
    clockRead = read
    clock = MonotonicTime(nanoseconds: clock.nanoseconds + min(step, options.maximumClockStepMilliseconds * 1_000_000))
    return clock
  }

  private func tick() {
    let time = now()
    var kept = 0
    for group in ticking {
      if group.isRemoved || group.core.isQuiesced {
        group.isTicking = false
        if !group.isRemoved { compactQuiesced(group) }
        continue
      }
      ticking[kept] = group
      kept += 1
      tick(group, time)
    }
    ticking.removeLast(ticking.count - kept)
    snapshots.tick(self, time)
  }

  private func tick(_ group: Group, _ time: MonotonicTime) {
    if group.restore != nil { return }
    if let until = group.eagerUntil {
      if time >= until || group.core.leader != nil {
        group.eagerUntil = nil
      } else {
        group.core.campaignNow(time)
      }
    }
    group.core.tick(time)
    if !group.undecided.isEmpty && time >= group.undecidedDeadline {
      for completion in group.takeUndecided() { completion(.failure(.outcomeUnknown)) }
    }
    if group.core.hasReady || group.core.isLeader != (group.leaderTermSeen != nil) { markDirty(group) }
  }

  func keepTicking(_ group: Group) {
    if group.isTicking || group.core.isQuiesced { return }
    group.isTicking = true
    ticking.append(group)
  }
}
