import Basics
import EventLoop
import RPC
import Wire

extension Transaction {
  /// Time to live of prewritten locks without a heartbeat, and the interval of heartbeats (milliseconds).
  static let lockTimeToLiveMilliseconds: UInt64 = 10_000
  static let heartbeatMilliseconds: Int64 = 2_000
  /// How long an outcome that was lost is asked for.
  static let settlingMilliseconds: UInt64 = 10_000
  /// Requests of one transaction under way at once, in each of its phases.
  static let parallelRequests = 4

  /// Commits what is buffered. Throws `retry` or `failed` when surely nothing was committed, and `failed` with 40003 when
  /// the outcome is not known. Pins and locks are given back in every case.
  public func commit(deadline: MonotonicTime) async throws(TransactionFault) {
    var passedRanges: Set<RangeID> = []
    do throws(TransactionFault) {
      switch CommitPlanning.chooseProtocol(&buffer, isChecked: !commitChecks.isEmpty) {
      case .nothingToWrite: break
      case .oneRound(let range):
        try await commitOneRound(range, deadline: deadline)
        passedRanges = [range]
      case .twoPhase(let primary): try await commitTwoPhase(primary, deadline: deadline)
      }
    } catch {
      // Locks stay for another try; the caller rolls back when there is none.
      throw error
    }
    isOver = true
    releaseLocks(except: lockedKeys.allSatisfy { buffer.write(for: $0) != nil } ? passedRanges : [])
    commitChecks = []
    releasePins()
  }

  var tablePins: [TablePin] {
    writePins.sorted { $0.key < $1.key }.map { TablePin(tableID: $0.key.rawValue, version: $0.value.rawValue) }
  }

  private func observe(_ commit: Timestamp) {
    guard let observer = EventLoop.observer else { return }
    for pin in tablePins where !decidedTables.contains(TableID(pin.tableID)) {
      observer.committed(table: pin.tableID, version: pin.version, timestamp: commit.rawValue)
    }
  }

  private func commitTimestamp(minimum: Timestamp, deadline: MonotonicTime) async throws(TransactionFault) -> Timestamp
  {
    let answer: CommitTimestamp
    do throws(SQLError) {
      answer = try await cluster.timestamps.commit(pins: tablePins, minimum: minimum, deadline: deadline)
    } catch {
      throw .failed(error)
    }
    switch answer {
    case .granted(let timestamp): return timestamp
    case .refused(let table, let floor):
      let name = snapshot?.catalog.table(id: table)?.name
      throw .schemaChanged(table, name: name, pinned: writePins[table], floor: floor)
    }
  }

  /// Nil also when the statement wrote with other versions than the timestamp was granted for. Used once.
  private func takeEarlyCommit() -> Timestamp? {
    guard let early = earlyCommit else { return nil }
    earlyCommit = nil
    return early.pins == tablePins ? early.timestamp : nil
  }

  /// What is sent at the commit.
  private var outgoing: WriteBuffer { relocated ?? buffer }

  private func mutations(_ keys: [[UInt8]]) -> [Mutation] {
    keys.compactMap { key in
      guard let write = outgoing.write(for: key) else { return nil }
      let kind: MutationKind =
        switch write.kind {
        case .put: .put
        case .delete: .delete
        case .insert: .insert
        case .check: .check
        }
      return Mutation(kind: kind, key: key, value: write.value, forUpdateTimestamp: write.forUpdateTimestamp.rawValue)
    }
  }

  // MARK: - One round

  private func commitOneRound(_ range: RangeID, deadline: MonotonicTime) async throws(TransactionFault) {
    let mutations = mutations(buffer.sorted())
    var minimum = Timestamp.zero
    var waits = 0
    let early = takeEarlyCommit()
    var commit: Timestamp
    if let early { commit = early } else { commit = try await commitTimestamp(minimum: minimum, deadline: deadline) }
    while true {
      let request = CommitOneRoundRequest(
        startTimestamp: startTimestamp.rawValue, commitTimestamp: commit.rawValue, mutations: mutations)
      let response: CommitOneRoundResponse
      do throws(RangeCallFailure) {
        response = try await cluster.ranges.call(RangeService.commitOneRound, range: range, request, deadline: deadline)
      } catch {
        if error.kind == .outcomeUnknown { return try await settle(range, mutations.map(\.key), commit, error) }
        throw .failed(error.sqlError)
      }
      guard let error = response.error, error.kind != .ok else { return observe(commit) }
      switch error.kind {
      case .alreadyCommitted: return
      case .commitTooLow:
        Probes.reached(.commitBelowRead)
        if commit == early { wasEarlyCommitTooLow = true }
        minimum = Timestamp(rawValue: max(error.minimumTimestamp, commit.rawValue &+ 1))
        commit = try await commitTimestamp(minimum: minimum, deadline: deadline)
      case .keyLocked:
        guard let lock = error.lock, waits < 4 else { throw fault(error) }
        let outcome: LockOutcome
        do throws(RangeCallFailure) {
          outcome = try await cluster.locks.resolve(lock, range: range, reader: nil, deadline: deadline)
        } catch {
          throw .failed(error.sqlError)
        }
        if outcome == .wait { throw fault(error) }
        waits += 1
      default: throw fault(error)
      }
    }
  }

  /// The answer to a one-round commit was lost, and a copy of the request may still be on its way: asks whether it took place,
  /// and keeps it from taking place later.
  private func settle(
    _ range: RangeID, _ keys: [[UInt8]], _ commit: Timestamp, _ failure: RangeCallFailure
  ) async throws(TransactionFault) {
    let request = RollbackRequest(
      startTimestamp: startTimestamp.rawValue, keys: keys, oneRoundCommitTimestamp: commit.rawValue)
    let response: RollbackResponse
    do throws(RangeCallFailure) {
      response = try await cluster.ranges.call(
        RangeService.rollback, range: range, request,
        deadline: EventLoop.now.advanced(byMilliseconds: Self.settlingMilliseconds))
    } catch {
      throw .failed(failure.sqlError)
    }
    switch response.error?.kind ?? .ok {
    case .ok:
      Probes.reached(.unknownOutcomeResolved)
      forgetLocks()
      throw .retry(
        SQLError(
          .serializationFailure, "the commit did not reach its range in time", detail: failure.message,
          hint: "Try the transaction again."), isContended: false)
    case .alreadyCommitted: Probes.reached(.unknownOutcomeResolved)
    default: throw .failed(failure.sqlError)
    }
  }

  /// A rolled back transaction never comes back under the same name.
  private func forgetLocks() {
    lockedKeys = []
    releaseLocks(except: [])
  }

  // MARK: - Two phases

  func commitTwoPhase(_ primaryKey: [UInt8], deadline: MonotonicTime) async throws(TransactionFault) {
    var writes = outgoing
    guard let primaryRange = writes.write(for: primaryKey)?.range else { return }
    let groups = CommitPlanning.groups(writes.sorted(), writes)
    let chunks = groups.flatMap { CommitPlanning.chunks($0, writes, primary: primaryKey) }
    let heartbeat =
      decidingJob == nil
      ? Timer.repeating(every: .milliseconds(Self.heartbeatMilliseconds)) { [self] in beat(primaryKey, primaryRange) }
      : nil
    defer { heartbeat?.cancel() }
    var minimum: Timestamp
    do throws(TransactionFault) {
      minimum = try await prewrite(chunks, primaryKey, primaryRange, deadline: deadline)
      try await runCommitChecks(deadline: deadline)
      let commit: Timestamp
      if let job = decidingJob {
        commit = try await decision(of: job, primaryKey, primaryRange, minimum: minimum, deadline: deadline)
        await commitPrimary(chunks.first { $0.keys.first == primaryKey }, commit)
      } else {
        commit = try await decide(primaryKey, primaryRange, chunks, minimum: &minimum, deadline: deadline)
      }
      observe(commit)
      let rest = chunks.filter { $0.keys.first != primaryKey }
      if chunks.count > Self.parallelRequests {
        // So many locks would stop every reader for a lookup each: the client waits until they are gone.
        await withUnsafeContinuation { continuation in
          commitSecondaries(rest, commit) { continuation.resume() }
        }
      } else {
        commitSecondaries(rest, commit) {}
      }
    } catch {
      if error.sqlError.state != .statementCompletionUnknown { rollBackPrewrites(chunks) }
      forgetLocks()
      throw error
    }
  }

  /// At a timestamp above everything that was committed before the prewrites were answered. Who commits later and could make
  /// a check fail meets a prewritten key.
  private func runCommitChecks(deadline: MonotonicTime) async throws(TransactionFault) {
    if commitChecks.isEmpty { return }
    let read: ReadTimestamp
    do throws(SQLError) {
      read = try await cluster.timestamps.read(deadline: deadline)
    } catch {
      throw .failed(error)
    }
    guard let catalog = snapshot?.catalog else { return }
    let now = ReadSnapshot(timestamp: read.timestamp, catalog: catalog)
    let control = StatementControl(deadline: deadline)
    for check in commitChecks { try await check(now, control) }
  }

  private func beat(_ primaryKey: [UInt8], _ primaryRange: RangeID) {
    let request = TransactionHeartbeatRequest(primaryKey: primaryKey, startTimestamp: startTimestamp.rawValue)
    cluster.ranges.call(
      RangeService.heartbeat, range: primaryRange, request,
      deadline: EventLoop.now.advanced(byMilliseconds: UInt64(Self.heartbeatMilliseconds))
    ) { _ in }
  }

  /// Prewrites all chunks; the answer is the lowest commit timestamp that every range accepts.
  private func prewrite(
    _ chunks: [RangeWrites], _ primaryKey: [UInt8], _ primaryRange: RangeID, deadline: MonotonicTime
  ) async throws(TransactionFault) -> Timestamp {
    let gate = PrewriteGate(count: chunks.count)
    inTurns(chunks) { [self] chunk, done in
      gate.whenNextSettles(done)
      if gate.hasFailed { return gate.skip() }
      send(chunk, primaryKey, primaryRange, waits: 0, deadline: deadline, gate)
    }
    return try await gate.result()
  }

  private func send(
    _ chunk: RangeWrites, _ primaryKey: [UInt8], _ primaryRange: RangeID, waits: Int, deadline: MonotonicTime,
    _ gate: PrewriteGate
  ) {
    let request = PrewriteRequest(
      startTimestamp: startTimestamp.rawValue, primaryKey: primaryKey, primaryRangeID: primaryRange.rawValue,
      gatewayNodeID: cluster.connection.nodeID.rawValue,
      lockTTLMilliseconds: Self.lockTimeToLiveMilliseconds, mutations: mutations(chunk.keys),
      isDecidedByJob: decidingJob != nil)
    cluster.ranges.call(RangeService.prewrite, range: chunk.range, request, deadline: deadline) { [self] result in
      switch result {
      case .failure(let failure):
        // Nothing is committed before the primary is: a lost prewrite is a plain failure.
        gate.fail(.failed(RangeCallFailure(.timedOut, failure.message).sqlError))
      case .success(let response):
        guard let error = response.error, error.kind != .ok else {
          return gate.succeed(Timestamp(rawValue: response.minimumCommitTimestamp))
        }
        // Rows that many refer to are held by one transaction after the other, each for a short time.
        let isHolding = chunk.keys.allSatisfy { outgoing.write(for: $0)?.kind == .check }
        guard error.kind == .keyLocked, let lock = error.lock, waits < (isHolding ? 32 : 8) else {
          return gate.fail(fault(error))
        }
        Task { @EventLoopActor in
          do throws(RangeCallFailure) {
            let outcome = try await cluster.locks.resolve(lock, range: chunk.range, reader: nil, deadline: deadline)
            if outcome == .wait { try? await EventLoop.sleep(for: .milliseconds(1 << min(waits, 5))) }
            send(chunk, primaryKey, primaryRange, waits: waits + 1, deadline: deadline, gate)
          } catch {
            gate.fail(.failed(RangeCallFailure(.timedOut, error.message).sqlError))
          }
        }
      }
    }
  }

  /// Commits the chunk of the primary key: from its answer on the transaction is committed.
  private func decide(
    _ primaryKey: [UInt8], _ primaryRange: RangeID, _ chunks: [RangeWrites], minimum: inout Timestamp,
    deadline: MonotonicTime
  ) async throws(TransactionFault) -> Timestamp {
    let keys = chunks.first { $0.keys.first == primaryKey }?.keys ?? [primaryKey]
    while true {
      let commit = try await commitTimestamp(minimum: minimum, deadline: deadline)
      let request = CommitRequest(
        startTimestamp: startTimestamp.rawValue, commitTimestamp: commit.rawValue, keys: keys, includesPrimary: true)
      var response: CommitResponse?
      do throws(RangeCallFailure) {
        response = try await cluster.ranges.call(RangeService.commit, range: primaryRange, request, deadline: deadline)
      } catch {
        if error.kind != .outcomeUnknown { throw .failed(RangeCallFailure(.timedOut, error.message).sqlError) }
        guard let fate = await fate(primaryKey, primaryRange) else {
          throw .failed(RangeCallFailure(.outcomeUnknown, error.message).sqlError)
        }
        Probes.reached(.unknownOutcomeResolved)
        return try committed(fate)
      }
      guard let error = response?.error, error.kind != .ok else { return commit }
      switch error.kind {
      case .commitTooLow: minimum = Timestamp(rawValue: max(error.minimumTimestamp, commit.rawValue &+ 1))
      case .alreadyCommitted: return Timestamp(rawValue: error.conflictTimestamp)
      default: throw fault(error)
      }
    }
  }

  private enum Fate {
    case committed(Timestamp)
    case rolledBack
  }

  /// Asks the primary's range when the answer to the commit was lost. Nil: still not known.
  private func fate(_ primaryKey: [UInt8], _ primaryRange: RangeID) async -> Fate? {
    let request = CheckTransactionRequest(primaryKey: primaryKey, startTimestamp: startTimestamp.rawValue)
    let deadline = EventLoop.now.advanced(byMilliseconds: Self.settlingMilliseconds)
    let response = try? await cluster.ranges.call(
      RangeService.checkTransaction, range: primaryRange, request, deadline: deadline)
    guard let response, response.error.map({ $0.kind == .ok }) ?? true else { return nil }
    switch response.status {
    case .committed: return .committed(Timestamp(rawValue: response.commitTimestamp))
    case .rolledBack: return .rolledBack
    default: return nil
    }
  }

  private func committed(_ fate: Fate) throws(TransactionFault) -> Timestamp {
    switch fate {
    case .committed(let commit): return commit
    case .rolledBack:
      throw .retry(
        SQLError(.serializationFailure, "the transaction was rolled back by another one"), isContended: true)
    }
  }

  /// The decision has fallen; the other keys learn of it by and by (readers can find out by themselves).
  private func commitSecondaries(
    _ chunks: [RangeWrites], _ commit: Timestamp, completion: @escaping @EventLoopActor () -> Void
  ) {
    let start = startTimestamp.rawValue
    inTurns(
      chunks,
      { [self] chunk, done in
        let request = CommitRequest(
          startTimestamp: start, commitTimestamp: commit.rawValue, keys: chunk.keys)
        cluster.ranges.call(
          RangeService.commit, range: chunk.range, request, deadline: EventLoop.now.advanced(byMilliseconds: 30_000)
        ) { _ in done() }
      }, completion: completion)
  }

  /// Goes on while the statement runs again as another transaction, whose locks on the same keys are not meant.
  private func rollBackPrewrites(_ chunks: [RangeWrites]) {
    let start = startTimestamp.rawValue
    inTurns(chunks) { [self] chunk, done in
      let named = PlantedFault.isPlanted(.nextTryRolledBack) ? startTimestamp.rawValue : start
      let request = RollbackRequest(startTimestamp: named, keys: chunk.keys)
      cluster.ranges.call(
        RangeService.rollback, range: chunk.range, request, deadline: EventLoop.now.advanced(byMilliseconds: 10_000)
      ) { _ in done() }
    }
  }

  /// Starts `body` for each chunk, `parallelRequests` at a time; `body` calls back when its chunk is through.
  private func inTurns(
    _ chunks: [RangeWrites],
    _ body: @escaping @EventLoopActor (RangeWrites, @escaping @EventLoopActor () -> Void) -> Void,
    completion: @escaping @EventLoopActor () -> Void = {}
  ) {
    if chunks.isEmpty { return completion() }
    var next = 0
    var missing = chunks.count
    func startNext() {
      guard next < chunks.count else { return }
      let chunk = chunks[next]
      next += 1
      body(chunk) {
        missing -= 1
        if missing == 0 { completion() } else { startNext() }
      }
    }
    for _ in 0..<min(Self.parallelRequests, chunks.count) { startNext() }
  }
}

/// Collects the answers to prewrites that run side by side.
@EventLoopActor private final class PrewriteGate {
  private var missing: Int
  private var minimum = Timestamp.zero
  private var fault: TransactionFault?
  private var continuation: UnsafeContinuation<Void, Never>?
  private var settlers: [@EventLoopActor () -> Void] = []

  init(count: Int) { missing = count }

  var hasFailed: Bool { fault != nil }

  /// Calls back when one more prewrite is through.
  func whenNextSettles(_ observer: @escaping @EventLoopActor () -> Void) { settlers.append(observer) }

  /// Another one has failed: this one is not sent.
  func skip() { settle() }

  func succeed(_ timestamp: Timestamp) {
    minimum = max(minimum, timestamp)
    settle()
  }

  func fail(_ fault: TransactionFault) {
    if self.fault == nil { self.fault = fault }
    settle()
  }

  private func settle() {
    missing -= 1
    if let observer = settlers.popLast() { EventLoop.execute { observer() } }
    if missing == 0 {
      continuation?.resume()
      continuation = nil
    }
  }

  /// Waits for every answer, so that a rollback cannot overtake a prewrite.
  func result() async throws(TransactionFault) -> Timestamp {
    if missing > 0 { await withUnsafeContinuation { continuation = $0 } }
    if let fault { throw fault }
    return minimum
  }
}
