import Basics
import Catalog
import Convergence
import EventLoop
import Metadata
import RPC
import Raft
import Replication
import SchemaChange
import Wire

extension MetadataNode {
  /// Reports waiting for one DDL call.
  static let maximumWaitingReports = 10_000
  static let maximumListedJobs = 1_000

  func registerServices() {
    server.handleFast(MetadataService.timestamps) { [weak self] request, reply in
      guard let self else { return }
      guard self.leader != nil else { return reply.fail(self.notLeader()) }
      let id = self.take(.timestamps(reply))
      self.perform(self.leader?.timestamps(id, Metadata.TimestampsRequest(request)))
    }
    server.handleFast(MetadataService.register) { [weak self] request, reply in self?.register(request, reply) }
    server.handleFast(MetadataService.renew) { [weak self] request, reply in
      guard let self else { return }
      guard self.leader != nil else { return reply.fail(self.notLeader()) }
      reply.succeed(self.renew(request))
    }
    server.handleFast(MetadataService.deregister) { [weak self] request, reply in
      guard let self else { return }
      guard self.leader != nil else { return reply.fail(self.notLeader()) }
      self.perform(
        self.leader?.deregister(
          NodeID(request.nodeID), SessionEpoch(request.sessionEpoch), now: EventLoop.now,
          wallMilliseconds: EventLoop.wallClockMilliseconds))
      reply.succeed(Empty())
    }
    server.handleFast(MetadataService.acknowledge) { [weak self] request, reply in
      guard let self else { return }
      guard self.leader != nil else { return reply.fail(self.notLeader()) }
      self.perform(
        self.leader?.acknowledge(
          request.acks.map(Acknowledgement.init), now: EventLoop.now,
          wallMilliseconds: EventLoop.wallClockMilliseconds))
      reply.succeed(Empty())
    }
    server.handleServerStream(MetadataService.watch) { [weak self] request, _, sink in
      guard let self else { return }
      try await self.watches.serve(request, self.replica.state, sink)
    }
    server.handleServerStream(MetadataService.executeDDL) { [weak self] request, _, sink in
      try await self?.executeStatement(request, sink)
    }
    server.handleFast(MetadataService.listJobs) { [weak self] request, reply in self?.listJobs(request, reply) }
    server.handleFast(MetadataService.controlJob) { [weak self] request, reply in self?.controlJob(request, reply) }
    server.handleFast(MetadataService.schemaAgreement) { [weak self] _, reply in self?.schemaAgreement(reply) }
    server.handleFast(MetadataService.listDropped) { [weak self] _, reply in self?.listDropped(reply) }
    server.handleFast(MetadataService.schemaLog) { [weak self] request, reply in self?.schemaLog(request, reply) }
    server.handleFast(MetadataService.status) { [weak self] _, reply in
      guard let self else { return }
      reply.succeed(self.status())
    }
  }

  private func renew(_ request: RenewRequest) -> RenewResponse {
    let report = SafePointReport(
      oldestStart: request.oldestStartTimestamp == 0 ? nil : Timestamp(rawValue: request.oldestStartTimestamp),
      resolved: Timestamp(rawValue: request.resolvedTimestamp))
    let isLive = leader?.renew(
      NodeID(request.nodeID), SessionEpoch(request.sessionEpoch), report: report, now: EventLoop.now)
    var response = RenewResponse(isLive: isLive ?? false, leaseMilliseconds: settings.leader.leaseMilliseconds)
    let targets = leader?.advanceSafePoints(now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds)
    if let targets {
      response.versionSafePoint = targets.versions.rawValue
      response.recordSafePoint = targets.records.rawValue
      response.safePointHolds = targets.holds.map {
        SafePointHold(tableID: $0.table.rawValue, timestamp: $0.timestamp.rawValue)
      }
    }
    return response
  }

  private func register(_ request: RegisterRequest, _ reply: RPCReply<RegisterResponse>) {
    guard leader != nil else { return reply.fail(notLeader()) }
    let state = replica.state
    guard request.clusterID.isEmpty || state.clusterID.isEmpty || request.clusterID == state.clusterID else {
      let error = SQLError(
        .objectNotInPrerequisiteState,
        "the node belongs to cluster \(request.clusterID.prefix(64)), this is cluster \(state.clusterID)")
      return reply.succeed(RegisterResponse(error: SQLErrorMessage(error)))
    }
    guard let node = request.node, settings.members[NodeID(node.nodeID)] == nil else {
      let error = SQLError(.invalidParameterValue, "a node registers with its own id, or with 0 to be given one")
      return reply.succeed(RegisterResponse(error: SQLErrorMessage(error)))
    }
    let id = take(.register(reply))
    perform(
      leader?.register(id, NodeRecord(node), now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
  }

  // MARK: - Statements and jobs

  private func executeStatement(_ request: DDLRequest, _ sink: RPCSink<DDLProgress>) async throws {
    guard leader != nil else { throw notLeader() }
    guard request.operationID.isEmpty || OperationID(request.operationID) != nil else {
      let error = SQLError(
        .invalidParameterValue, "an operation id has at most \(OperationID.maximumLengthBytes) bytes")
      return try await sink.send(DDLProgress(isFinal: true, error: SQLErrorMessage(error)))
    }
    guard let onBlock = UInt8(exactly: request.onBlock).flatMap(OnBlock.init(rawValue:)) else {
      let error = SQLError(.protocolViolation, "an unknown way of waiting: \(request.onBlock)")
      return try await sink.send(DDLProgress(isFinal: true, error: SQLErrorMessage(error)))
    }
    let call = DDLCall(
      operationID: OperationID(request.operationID), database: request.database,
      databaseID: request.databaseID == 0 ? nil : DatabaseID(request.databaseID), statement: request.statement,
      statementText: request.statementText, isAsynchronous: request.isAsynchronous,
      boundedWaitMilliseconds: request.boundedWaitMilliseconds, onBlock: onBlock,
      gateway: NodeID(request.gatewayNodeID),
      isExplainOnly: request.explainOnly, hold: JobHold(request))
    try await confirmed()
    if let operation = call.operationID, replica.state.operations[operation.text] != nil {
      Probes.reached(.operationKnown)
    }
    let mailbox = Mailbox<DDLProgress>(limit: Self.maximumWaitingReports)
    let id = take(.statement(mailbox))
    defer {
      replies[id] = nil
      leader?.forget(id)
    }
    perform(
      leader?.execute(id, call, now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
    while let messages = try await mailbox.next() {
      for message in messages { try await sink.send(message) }
    }
  }

  func messages(_ report: DDLProgressReport) -> [DDLProgress] {
    var messages = report.notices.map { notice in
      DDLProgress(jobID: report.job?.id.rawValue ?? 0, notice: notice)
    }
    let rate = report.stages.isEmpty ? 0 : replica.state.measuredRowsPerSecond ?? 0
    let last = DDLProgress(
      isFinal: report.isFinal, error: report.error.map { SQLErrorMessage($0) },
      jobID: report.job?.id.rawValue ?? 0, schemaIndex: report.schemaIndex.rawValue, commandTag: report.commandTag,
      job: report.job.map { jobInfo($0) }, explanation: report.explanation,
      stages: report.stages.map { ExplainedStage($0, rowsPerSecond: rate) },
      awaitedRowsStartTimestamp: report.isHolding ? report.job?.hold?.start.rawValue ?? 0 : 0,
      createdTables: report.createdTables.map { $0.encoded() },
      rowsCommitTimestamp: report.isFinal ? report.job?.hold?.commit.rawValue ?? 0 : 0)
    messages.append(last)
    return messages
  }

  func jobInfo(_ stored: JobRecord) -> JobInfo {
    let limit = settings.maximumBackfillRowsPerSecond
    guard let leader else { return JobInfo(stored, waitReason: "", maximumRowsPerSecond: limit) }
    let job = leader.newest(stored)
    var info = JobInfo(job, waitReason: leader.waitReason(job), maximumRowsPerSecond: limit)
    info.databaseID = job.databaseID.rawValue
    info.database = replica.state.catalog.database(id: job.databaseID)?.name ?? ""
    info.barriers = leader.waits(of: job.id).map { JobBarrierInfo($0, replica.state) }
    if let progress = leader.progress(job.id, now: EventLoop.now) {
      info.workRowsDone = progress.rowsDone
      info.workRowsTotal = progress.rowsTotal
      info.rowsPerSecond = progress.rowsPerSecond ?? 0
      info.remainingMilliseconds = progress.remainingMilliseconds ?? 0
    }
    return info
  }

  private func listJobs(_ request: ListJobsRequest, _ reply: RPCReply<ListJobsResponse>) {
    whenConfirmed { [self] refusal in
      if let refusal { return reply.fail(refusal) }
      answerJobs(request, reply)
    }
  }

  private func answerJobs(_ request: ListJobsRequest, _ reply: RPCReply<ListJobsResponse>) {
    if request.jobID != 0 {
      let job = replica.state.jobs[JobID(request.jobID)]
      return reply.succeed(ListJobsResponse(jobs: job.map { [jobInfo($0)] } ?? []))
    }
    let limit = request.limit == 0 ? Self.maximumListedJobs : min(Int(request.limit), Self.maximumListedJobs)
    reply.succeed(ListJobsResponse(jobs: replica.state.newestJobs(limit).map { jobInfo($0) }))
  }

  private func controlJob(_ request: ControlJobRequest, _ reply: RPCReply<ControlJobResponse>) {
    let action: JobControlAction
    switch request.control {
    case .pause: action = .pause
    case .resume: action = .resume
    case .cancel: action = .cancel
    case .limit: action = .limit(rowsPerSecond: request.maxRowsPerSecond)
    case .limitLatencyIncrease: action = .limitLatencyIncrease(percent: request.maxLatencyIncrease)
    case .decide: return decide(request, reply)
    case .unspecified, .unrecognized:
      let error = SQLError(.invalidParameterValue, "unknown job control \(request.control.rawValue)")
      return reply.succeed(ControlJobResponse(error: SQLErrorMessage(error)))
    }
    whenConfirmed { [self] refusal in
      if let refusal { return reply.fail(refusal) }
      let id = take(.control(reply))
      perform(
        leader?.control(
          id, JobID(request.jobID), action, now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
    }
  }

  private func decide(_ request: ControlJobRequest, _ reply: RPCReply<ControlJobResponse>) {
    let decision = RowsDecision(
      start: Timestamp(rawValue: request.rowsStartTimestamp),
      pins: request.pins.map { (TableID($0.tableID), TableVersion($0.version)) },
      minimum: Timestamp(rawValue: request.minimumTimestamp), primaryKey: request.primaryKey,
      primaryRange: RangeID(request.primaryRangeID))
    whenConfirmed { [self] refusal in
      if let refusal { return reply.fail(refusal) }
      let id = take(.control(reply))
      perform(
        leader?.decide(
          id, JobID(request.jobID), decision, now: EventLoop.now, wallMilliseconds: EventLoop.wallClockMilliseconds))
    }
  }

  /// Calls back without an error when this node still leads and its state has all that was answered before: a leader that was
  /// deposed without noticing must not tell what is there and what is not.
  func whenConfirmed(_ body: @escaping @EventLoopActor (RPCError?) -> Void) {
    guard leader != nil else { return body(notLeader()) }
    let term = leaderTerm
    host.readBarrier(Self.group) { [weak self] error in
      guard let self else { return body(RPCError(.unavailable, "shutting down")) }
      if let error { return body(RPCError(.unavailable, "leadership could not be confirmed: \(error)")) }
      body(leader == nil || leaderTerm != term ? notLeader() : nil)
    }
  }

  private func confirmed() async throws {
    let refusal: RPCError? = await withUnsafeContinuation { continuation in
      whenConfirmed { continuation.resume(returning: $0) }
    }
    if let refusal { throw refusal }
  }

  // MARK: - Status

  func nodeList() -> [NodeInfo] {
    let now = EventLoop.now
    let members = settings.members.keys.sorted().map { id in
      NodeInfo(
        nodeID: id.rawValue, name: id == settings.nodeID ? settings.name : "meta-\(id)", role: .metadata,
        rpcAddress: settings.members[id].map(\.description) ?? "",
        httpAddress: id == settings.nodeID ? settings.httpAddress : "", isLive: true,
        appliedSchemaIndex: id == settings.nodeID ? schemaIndex.rawValue : 0)
    }
    return members + replica.state.nodes.values.map { NodeInfo($0, leader: leader, now: now) }
  }

  private func status() -> ClusterStatus {
    let status = host.status(of: Self.group)
    return ClusterStatus(
      clusterID: replica.state.clusterID, leaderNodeID: status?.leadership.leader?.rawValue ?? 0,
      term: status?.leadership.term ?? 0, schemaIndex: schemaIndex.rawValue, nodes: nodeList(),
      raftAppliedIndex: status?.appliedIndex ?? 0, raftCommittedIndex: status?.commitIndex ?? 0,
      respondingNodeID: settings.nodeID.rawValue, rangeCount: UInt64(replica.state.catalog.rangeCount))
  }
}
