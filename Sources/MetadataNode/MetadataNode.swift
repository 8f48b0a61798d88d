import Basics
import Catalog
import Convergence
import EventLoop
import Metadata
import RPC
import Raft
import Replication
import RocksEngine
import SchemaChange
import Wire

/// One replica of the metadata service as a process: the replicated state, the leader's machine while this replica leads, and
/// their connections to the world. It interprets the machine's effects and nothing else.
@EventLoopActor public final class MetadataNode {
  public struct Settings: Sendable {
    public var nodeID: NodeID
    public var name: String
    /// RPC addresses of all metadata replicas, this one included.
    public var members: [NodeID: Endpoint]
    public var httpAddress = ""
    public var directory: String
    public var leader = MetadataLeader.Options()
    /// Rows a second of one backfill; 0: without a limit.
    public var maximumBackfillRowsPerSecond: UInt64 = 0
    /// Of randomness: the cluster's id if this replica names it, election timeouts.
    public var seed: UInt64

    public init(nodeID: NodeID, name: String, members: [NodeID: Endpoint], directory: String, seed: UInt64) {
      self.nodeID = nodeID
      self.name = name
      self.members = members
      self.directory = directory
      self.seed = seed
    }
  }

  /// The metadata service's Raft group.
  static let group = RangeID(0)
  static let tickMilliseconds: Int64 = 50

  /// Hears what each replica of this process applies to the schema log and its jobs. Nil in production.
  public static var observer: (@EventLoopActor (SchemaEntry?, JobRecord?) -> Void)?

  enum Reply {
    case timestamps(RPCReply<TimestampsResponse>)
    case register(RPCReply<RegisterResponse>)
    case statement(Mailbox<DDLProgress>)
    case control(RPCReply<ControlJobResponse>)
  }

  let settings: Settings
  let server: RPCServer
  let host: ReplicationHost
  let replica: MetadataReplica
  private let database: RocksDatabase
  var leader: MetadataLeader?
  private(set) var leaderTerm: UInt64 = 0
  var replies: [RequestID: Reply] = [:]
  private var nextRequest: UInt64 = 1
  var watches: WatchHub!
  private var links: AggregatorLinks!
  private var works: WorkRunner!
  private var ticks: Timer?
  let log: @EventLoopActor (String) -> Void
  /// Leads, or knows who does.
  public var onReadinessChange: (@EventLoopActor (Bool) -> Void)?
  /// The process cannot go on (disk full, corruption).
  public var onFailure: (@EventLoopActor (String) -> Void)?

  public init(settings: Settings, server: RPCServer, log: @escaping @EventLoopActor (String) -> Void) throws {
    self.settings = settings
    self.server = server
    self.log = log
    database = try RocksDatabase.open(
      settings.directory, columnFamilies: [ColumnFamilyOptions("raft"), ColumnFamilyOptions("meta")])
    let members = settings.members
    let transport = StreamTransport(node: settings.nodeID, server: server) { members[$0] }
    var options = ReplicationOptions()
    // Followers serve the watch streams, and the oracle's window is renewed all the time anyway.
    options.raft.announcesCommits = true
    // Every batch of timestamps is a round of reads: the third replica need not be woken for it.
    options.raft.asksQuorumForReads = true
    options.raft.quiesceAfterMilliseconds = nil
    host = ReplicationHost(
      node: settings.nodeID, database: database, logFamily: database.columnFamily("raft"), transport: transport,
      options: options, seed: settings.seed)
    replica = try MetadataReplica(
      checkpoints: Checkpoints(database: database, family: database.columnFamily("meta")))
    watches = WatchHub { [weak self] in self?.nodeList() ?? [] }
    links = AggregatorLinks { [weak self] acks in self?.acknowledge(acks) }
    works = WorkRunner(
      maximumRowsPerSecond: settings.maximumBackfillRowsPerSecond,
      node: { [weak self] in self?.replica.state.nodes[$0] },
      report: { [weak self] job, report in self?.report(job, report) }, log: log)
  }

  // MARK: - Running

  public func start() throws {
    replica.onApplied = { [weak self] in self?.applied($0, wasRefused: $1, isOwn: $2) }
    replica.onBecameLeader = { [weak self] in self?.becameLeader(term: $0) }
    replica.onLostLeadership = { [weak self] in self?.lostLeadership() }
    replica.onRestored = { [weak self] in self?.watches.endAll("the state was restored; start again") }
    replica.onProblem = { [weak self] in self?.log($0) }
    host.onProblem = { [weak self] in self?.log($0) }
    host.onFailure = { [weak self] error in self?.onFailure?("\(error)") }
    registerServices()
    _ = try host.open()
    try host.createGroup(Self.group, members: settings.members.keys.sorted(), stateMachine: replica)
    host.start()
    ticks = Timer.repeating(every: .milliseconds(Self.tickMilliseconds)) { [weak self] in self?.tick() }
    server.health.set(MetadataService.name, .serving)
  }

  /// Hands over leadership, ends the streams, stops.
  public func shutdown() async {
    server.health.set(MetadataService.name, .notServing)
    await host.shutdown()
    lostLeadership()
    ticks?.cancel()
    watches.endAll("the metadata replica is shutting down")
    await server.shutdown(graceful: .seconds(1))
    await replica.finishCheckpoint()
    database.close()
  }

  public var isLeader: Bool { leader != nil }
  public var schemaIndex: SchemaIndex { replica.state.catalog.schemaIndex }
  public var watcherCount: Int { watches.count }
  public var replicationMetrics: ReplicationMetrics { host.metrics }

  private func tick() {
    let isReady = leader != nil || host.leadership(of: Self.group)?.leader.map { $0 != settings.nodeID } ?? false
    onReadinessChange?(isReady)
    guard leader != nil else { return }
    let (now, wall) = (EventLoop.now, EventLoop.wallClockMilliseconds)
    perform(leader?.tick(now: now, wallMilliseconds: wall))
  }

  // MARK: - The replica's events

  private func becameLeader(term: UInt64) {
    log("leading since term \(term), schema index \(replica.state.catalog.schemaIndex)")
    leaderTerm = term
    if !replica.state.unfinishedJobRecords.isEmpty { Probes.reached(.jobsTakenOver) }
    leader = MetadataLeader(
      state: replica.state, options: settings.leader, now: EventLoop.now,
      wallMilliseconds: EventLoop.wallClockMilliseconds)
    connectAggregators()
    var generator = SeededGenerator(seed: settings.seed ^ term)
    let name = [generator.next(), generator.next()].map { String($0, radix: 16) }.joined()
    perform(leader?.begin(newClusterID: name))
  }

  private func lostLeadership() {
    guard leader != nil else { return }
    log("no longer leading")
    leader = nil
    links.closeAll()
    works.stopAll()
    let waiting = replies
    replies = [:]
    for request in waiting.keys.sorted() {
      if let reply = waiting[request] { fail(reply, notLeader()) }
    }
  }

  private func applied(_ command: MetadataCommand, wasRefused: Bool, isOwn: Bool) {
    if case .change(let step) = command, !wasRefused { Self.observer?(step.entry, step.job) }
    switch command {
    case .register, .endSession:
      watches.nodesChanged()
      if leader != nil { connectAggregators() }
    case .change(let step): if !wasRefused, let entry = step.entry { watches.applied(entry) }
    case .initialize, .reserveTimestamps: break
    }
    guard leader != nil else { return }
    perform(
      leader?.didApply(
        command, state: replica.state, wasRefused: wasRefused, isOwn: isOwn, now: EventLoop.now,
        wallMilliseconds: EventLoop.wallClockMilliseconds))
  }

  private func connectAggregators() {
    let aggregators = replica.state.nodes.values.filter { $0.role == .ack && $0.isLive }
    links.setEndpoints(aggregators.compactMap { Endpoint($0.rpcAddress) })
  }

  private func acknowledge(_ acks: [Acknowledgement]) {
    perform(
      leader?.acknowledge(acks, now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
  }

  private func report(_ job: JobID, _ report: WorkReport) {
    perform(
      leader?.report(job, report, now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
  }

  // MARK: - Effects

  func take(_ reply: Reply) -> RequestID {
    let id = RequestID(nextRequest)
    nextRequest += 1
    replies[id] = reply
    return id
  }

  func perform(_ effects: [MetadataLeader.Effect]?) {
    guard let effects else { return }
    for effect in effects {
      switch effect {
      case .propose(let id, let command): propose(id, command)
      case .confirmLeadership: confirmLeadership()
      case .answer(let id, let answer): self.answer(id, answer)
      case .openBarrier(let id, let barrier): links.open(id, barrier)
      case .closeBarrier(let id): links.close(id)
      case .startWork(let order): works.start(order)
      case .settle(let settlement): works.settle(settlement)
      case .stopWork(let job): works.stop(job)
      }
    }
  }

  private func propose(_ id: ProposalID, _ command: MetadataCommand) {
    let term = leaderTerm
    host.propose(Self.group, command.encoded()) { [weak self] result in
      guard let self, leaderTerm == term, leader != nil, case .failure(let error) = result else { return }
      switch error {
      // What becomes of it is known when another leader has been found; then this one's machine is gone.
      case .outcomeUnknown, .storageFailed, .shuttingDown: break
      case .notLeader, .proposalDropped, .tooLarge, .busy, .unknownGroup:
        log("proposal \(id) was dropped: \(error)")
        // In a turn of its own, so that the effects behind it come first.
        EventLoop.execute { [weak self] in
          guard let self, self.leaderTerm == term else { return }
          self.perform(self.leader?.proposalFailed(id))
        }
      }
    }
  }

  private func confirmLeadership() {
    let term = leaderTerm
    host.readBarrier(Self.group) { [weak self] error in
      if error != nil { Probes.reached(.leadershipUnconfirmed) }
      guard let self, leaderTerm == term, leader != nil else { return }
      if let error {
        let reason = "leadership could not be confirmed: \(error)"
        EventLoop.execute { [weak self] in
          guard let self, self.leaderTerm == term else { return }
          self.perform(self.leader?.leadershipUnconfirmed(reason))
        }
        return
      }
      perform(
        leader?.leadershipConfirmed(now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
    }
  }

  private func answer(_ id: RequestID, _ answer: MetadataLeader.Answer) {
    guard let reply = replies[id] else { return }
    switch (answer, reply) {
    case (.timestamps(let answer), .timestamps(let reply)):
      replies[id] = nil
      reply.succeed(TimestampsResponse(answer))
    case (.registered(let node, let epoch), .register(let reply)):
      replies[id] = nil
      reply.succeed(
        RegisterResponse(
          sessionEpoch: epoch.rawValue, leaseMilliseconds: settings.leader.leaseMilliseconds,
          clusterID: replica.state.clusterID, nodeID: node.rawValue))
    case (.control(let job, let error), .control(let reply)):
      replies[id] = nil
      reply.succeed(
        ControlJobResponse(
          error: error.map { SQLErrorMessage($0) }, job: replica.state.jobs[job].map { jobInfo($0) },
          commitTimestamp: replica.state.jobs[job]?.hold?.commit.rawValue ?? 0))
    case (.progress(let report), .statement(let mailbox)):
      for message in messages(report) { mailbox.put(message) }
      if report.isFinal {
        replies[id] = nil
        mailbox.finish()
      }
    case (.tryAgain(let reason), _):
      replies[id] = nil
      fail(reply, RPCError(.unavailable, reason))
    default: log("request \(id) got an answer of another kind")
    }
  }

  func fail(_ reply: Reply, _ error: RPCError) {
    switch reply {
    case .timestamps(let reply): reply.fail(error)
    case .register(let reply): reply.fail(error)
    case .control(let reply): reply.fail(error)
    // A schema change may have been stored: whoever asks again with its operation id finds it.
    case .statement(let mailbox): mailbox.finish(RPCError(.unavailable, error.message, trailers: error.trailers))
    }
  }

  /// What a client of a follower gets: where the leader is, as far as it is known.
  func notLeader() -> RPCError {
    guard let id = host.leadership(of: Self.group)?.leader, id != settings.nodeID, let address = settings.members[id]
    else { return RPCError(.unavailable, "no leader of the metadata service is known") }
    return RPCError(
      .failedPrecondition, "not leader; leader is \(address)", trailers: ["theseus-leader": "\(address)"])
  }
}
