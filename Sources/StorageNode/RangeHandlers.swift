import Basics
import EventLoop
import RPC
import Transactions
import Wire

/// Service `Range`: callbacks on the loop, no task for a request.
@EventLoopActor final class RangeHandlers {
  private let store: RangeStore

  init(_ store: RangeStore) { self.store = store }

  func register(on server: RPCServer) {
    server.handleFast(RangeService.get) { [self] in self.get($0, $1) }
    server.handleFast(RangeService.scan) { [self] in self.scan($0, $1) }
    server.handleFast(RangeService.acquireLocks) { [self] in self.acquireLocks($0, $1) }
    server.handleFast(RangeService.commitOneRound) { [self] in self.commitOneRound($0, $1) }
    server.handleFast(RangeService.prewrite) { [self] in self.prewrite($0, $1) }
    server.handleFast(RangeService.commit) { [self] in self.commit($0, $1) }
    server.handleFast(RangeService.rollback) { [self] in self.rollback($0, $1) }
    server.handleFast(RangeService.checkTransaction) { [self] in self.checkTransaction($0, $1) }
    server.handleFast(RangeService.heartbeat) { [self] in self.heartbeat($0, $1) }
    server.handleFast(RangeService.ingest) { [self] in self.ingest($0, $1) }
    server.handleFast(RangeService.listLocks) { [self] in self.listLocks($0, $1) }
    server.handleFast(RangeService.rangeStatus) { [self] in self.rangeStatus($0, $1) }
  }

  // MARK: - Reads

  private func get(_ request: GetRequest, _ reply: RPCReply<GetResponse>) {
    guard case .success(let replica) = replica(request.header) else {
      return reply.succeed(GetResponse(error: refusal(request.header)))
    }
    store.metrics.reads.increment(by: request.keys.count)
    let view = ReadView(
      request.readTimestamp, own: request.ownStartTimestamp, ignored: request.ignoredStartTimestamps)
    let start = EventLoop.now
    replica.get(request.keys, view: view) { [store] result in
      defer { store.metrics.answered(since: start) }
      switch result {
      case .success(let versions):
        reply.succeed(
          GetResponse(
            results: versions.map { version in
              guard let version else { return GetResult() }
              let isPresent = version.kind == .put
              return GetResult(
                isPresent: isPresent, value: isPresent ? version.value : [], commitTimestamp: version.commit.rawValue)
            }))
      case .failure(let failure): reply.succeed(GetResponse(error: RangeError(failure)))
      }
    }
  }

  private func scan(_ request: ScanRequest, _ reply: RPCReply<ScanResponse>) {
    guard case .success(let replica) = replica(request.header) else {
      return reply.succeed(ScanResponse(error: refusal(request.header)))
    }
    store.metrics.scans.increment()
    let view = ReadView(
      request.readTimestamp, own: request.ownStartTimestamp, ignored: request.ignoredStartTimestamps)
    let span = KeySpan(start: request.startKey, end: request.endKey)
    replica.scan(span, isReverse: request.isReverse, view: view) { [self] result in
      switch result {
      case .failure(let failure):
        reply.succeed(ScanResponse(error: RangeError(failure)))
        return nil
      case .success(let admitted): return self.scan(request, admitted, replica, view.timestamp, reply)
      }
    }
  }

  /// Returns the span that was read.
  private func scan(
    _ request: ScanRequest, _ admitted: AdmittedScan, _ replica: RangeReplica, _ timestamp: Timestamp,
    _ reply: RPCReply<ScanResponse>
  ) -> KeySpan? {
    do {
      let limits = ScanLimits(rows: request.rowLimit, bytes: request.byteLimit)
      let step: ScanStepResult
      if request.specification.isEmpty {
        step = try scanStep(
          replica.state, admitted.span, at: timestamp, isReverse: request.isReverse, limits: limits,
          into: RawScanOutput())
      } else {
        step = try scanStep(
          replica.state, admitted.span, at: timestamp, isReverse: request.isReverse, limits: limits,
          into: try SpecifiedScanOutput(request.specification))
      }
      store.metrics.rowsScanned.increment(by: step.rowCount)
      var resumeKey = step.resumeKey
      if resumeKey == nil, let holder = admitted.blockedBy {
        // Nothing at all before the lock: say who holds it. Otherwise hand over what there is, up to the lock.
        if step.examined == 0 {
          reply.succeed(ScanResponse(error: RangeError(.keyLocked(holder))))
          return nil
        }
        resumeKey = request.isReverse ? holder.key + [0] : holder.key
      }
      reply.succeed(
        ScanResponse(
          rowCount: UInt32(clamping: step.rowCount), rows: step.rows, resumeKey: resumeKey ?? [],
          rowsExamined: UInt64(clamping: step.examined)))
      var read = admitted.span
      if let resumeKey = step.resumeKey {
        if request.isReverse { read.start = resumeKey } else { read.end = resumeKey }
      }
      return read
    } catch let error as SQLError {
      reply.succeed(ScanResponse(error: RangeError(error)))
    } catch let error as MalformedBytes {
      reply.succeed(ScanResponse(error: RangeError(.malformed(error.description))))
    } catch {
      reply.succeed(ScanResponse(error: RangeError(replica.damaged(error))))
    }
    return nil
  }

  // MARK: - Writes

  private func acquireLocks(_ request: AcquireLocksRequest, _ reply: RPCReply<AcquireLocksResponse>) {
    let acquisition = LockAcquisition(
      start: Timestamp(rawValue: request.startTimestamp), forUpdate: Timestamp(rawValue: request.forUpdateTimestamp),
      keys: request.keys, primaryKey: request.primaryKey, primaryRangeID: RangeID(request.primaryRangeID),
      gatewayID: NodeID(request.gatewayNodeID), sessionEpoch: SessionEpoch(request.sessionEpoch),
      waitMilliseconds: request.waitMilliseconds)
    submit(.acquireLocks(acquisition), request.header, reply) { answer in
      guard case .locked(let newest) = answer else { return AcquireLocksResponse(error: answer.error) }
      return AcquireLocksResponse(newestCommitTimestamps: newest.map(\.rawValue))
    }
  }

  private func commitOneRound(_ request: CommitOneRoundRequest, _ reply: RPCReply<CommitOneRoundResponse>) {
    do throws(MalformedRequest) {
      store.metrics.writes.increment(by: request.mutations.count)
      let commit = OneRoundCommit(
        start: Timestamp(rawValue: request.startTimestamp), commit: Timestamp(rawValue: request.commitTimestamp),
        mutations: try keyMutations(request.mutations))
      submit(.commitOneRound(commit), request.header, reply, isCommit: true) { CommitOneRoundResponse(error: $0.error) }
    } catch {
      reply.succeed(CommitOneRoundResponse(error: RangeError(.malformed(error.reason))))
    }
  }

  private func prewrite(_ request: PrewriteRequest, _ reply: RPCReply<PrewriteResponse>) {
    do throws(MalformedRequest) {
      store.metrics.writes.increment(by: request.mutations.count)
      let prewrite = Prewrite(
        start: Timestamp(rawValue: request.startTimestamp), primaryKey: request.primaryKey,
        primaryRangeID: RangeID(request.primaryRangeID), gatewayID: NodeID(request.gatewayNodeID),
        timeToLiveMilliseconds: request.isDecidedByJob
          ? LockRecord.decidedByJob : min(UInt32(clamping: request.lockTTLMilliseconds), LockRecord.decidedByJob - 1),
        mutations: try keyMutations(request.mutations))
      submit(.prewrite(prewrite), request.header, reply, isCommit: true) { answer in
        guard case .prewritten(let minimum) = answer else { return PrewriteResponse(error: answer.error) }
        return PrewriteResponse(minimumCommitTimestamp: minimum.rawValue)
      }
    } catch {
      reply.succeed(PrewriteResponse(error: RangeError(.malformed(error.reason))))
    }
  }

  private func commit(_ request: CommitRequest, _ reply: RPCReply<CommitResponse>) {
    let commit = CommitKeys(
      start: Timestamp(rawValue: request.startTimestamp), commit: Timestamp(rawValue: request.commitTimestamp),
      keys: request.keys, includesPrimary: request.includesPrimary)
    submit(.commit(commit), request.header, reply) { CommitResponse(error: $0.error) }
  }

  private func rollback(_ request: RollbackRequest, _ reply: RPCReply<RollbackResponse>) {
    let rollback = RollbackKeys(
      start: Timestamp(rawValue: request.startTimestamp), keys: request.keys, locksOnly: request.locksOnly,
      oneRoundCommit: Timestamp(rawValue: request.oneRoundCommitTimestamp))
    submit(.rollback(rollback), request.header, reply) { RollbackResponse(error: $0.error) }
  }

  private func checkTransaction(_ request: CheckTransactionRequest, _ reply: RPCReply<CheckTransactionResponse>) {
    let check = TransactionCheck(
      primaryKey: request.primaryKey, start: Timestamp(rawValue: request.startTimestamp),
      pushAbove: Timestamp(rawValue: request.pushAbove), rollBackIfExpired: request.rollBackIfExpired)
    submit(.check(check), request.header, reply) { answer in
      guard case .status(let status) = answer else { return CheckTransactionResponse(error: answer.error) }
      switch status {
      case .alive(let minimum):
        return CheckTransactionResponse(status: .alive, minimumCommitTimestamp: minimum.rawValue)
      case .committed(let commit): return CheckTransactionResponse(status: .committed, commitTimestamp: commit.rawValue)
      case .rolledBack: return CheckTransactionResponse(status: .rolledBack)
      }
    }
  }

  private func heartbeat(_ request: TransactionHeartbeatRequest, _ reply: RPCReply<TransactionHeartbeatResponse>) {
    let heartbeat = TransactionHeartbeat(
      primaryKey: request.primaryKey, start: Timestamp(rawValue: request.startTimestamp))
    submit(.heartbeat(heartbeat), request.header, reply) { answer in
      guard case .status(let status) = answer else { return TransactionHeartbeatResponse(error: answer.error) }
      switch status {
      case .alive: return TransactionHeartbeatResponse(status: .alive)
      case .committed: return TransactionHeartbeatResponse(status: .committed)
      case .rolledBack: return TransactionHeartbeatResponse(status: .rolledBack)
      }
    }
  }

  private func ingest(_ request: IngestRequest, _ reply: RPCReply<IngestResponse>) {
    store.metrics.ingestBytes.increment(by: request.entries.count)
    let ingestion = Ingestion(
      timestamp: Timestamp(rawValue: request.timestamp), entries: request.entries,
      refusesDuplicates: request.refusesDuplicates, keepsFirst: request.keepsFirst)
    submit(.ingest(ingestion), request.header, reply) { IngestResponse(error: $0.error) }
  }

  private func listLocks(_ request: ListLocksRequest, _ reply: RPCReply<ListLocksResponse>) {
    let listing = LockListing(span: KeySpan(start: request.startKey, end: request.endKey))
    submit(.listLocks(listing), request.header, reply) { answer in
      guard case .locks(let locks, let resumeKey) = answer else { return ListLocksResponse(error: answer.error) }
      return ListLocksResponse(locks: locks.map { LockInfo($0) }, resumeKey: resumeKey ?? [])
    }
  }

  private func submit<Response>(
    _ request: RangeRequest, _ header: RangeHeader?, _ reply: RPCReply<Response>, isCommit: Bool = false,
    _ response: @escaping @EventLoopActor (RangeAnswer) -> Response
  ) {
    guard case .success(let replica) = replica(header) else {
      return reply.succeed(response(.failed(unknownRange(header))))
    }
    let start = EventLoop.now
    let pending = replica.submit(request) { [store] in
      reply.succeed(response($0))
      if isCommit { store.metrics.answered(since: start) }
    }
    if let pending { reply.onCancel { replica.cancel(pending) } }
  }

  // MARK: - Status

  private func rangeStatus(_ request: RangeStatusRequest, _ reply: RPCReply<RangeStatusResponse>) {
    let wanted = RangeID(request.rangeID)
    let replicas = store.replicas.filter { request.rangeID == 0 || $0.id == wanted }
    reply.succeed(RangeStatusResponse(ranges: replicas.map { store.status(of: $0) }))
  }

  // MARK: -

  private func replica(_ header: RangeHeader?) -> ReadResult<RangeReplica> {
    guard let header, let replica = store.replica(RangeID(header.rangeID)) else { return .failure(.unknownRange) }
    guard header.epoch == 0 || header.epoch == replica.descriptor.epoch else { return .failure(.epochMismatch) }
    return .success(replica)
  }

  private func unknownRange(_ header: RangeHeader?) -> RangeFailure {
    if case .failure(let failure) = replica(header) { failure } else { .unknownRange }
  }

  private func refusal(_ header: RangeHeader?) -> RangeError { RangeError(unknownRange(header)) }
}
