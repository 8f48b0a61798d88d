import Basics
import Catalog
import EventLoop
import Replication
import RocksEngine
import Transactions

/// One range on this node: applies its replicated commands, and while it leads answers requests through `RangeMachine`.
@EventLoopActor final class RangeReplica: ReplicatedStateMachine {
  typealias Completion = @EventLoopActor (RangeAnswer) -> Void

  private struct Waiting {
    var request: RangeRequest
    var completion: Completion
  }

  let descriptor: RangeDescriptor
  let state: StoreState
  let metrics: StorageMetrics
  private let space: DiskSpace
  private weak var log: (any RangeLog)?
  var machine: RangeMachine
  /// Written by the newest applied command that sets it.
  private(set) var appliedReadBound: Timestamp
  /// How far the past is given up, for good.
  private(set) var appliedSafePoints: SafePoints
  /// Cells of versions and records that were written here since the process began.
  private(set) var cellsWritten: UInt64 = 0
  /// What the garbage collector remembers of the range.
  var garbage = GarbageState()
  /// Why this replica no longer serves.
  private(set) var damage: String?
  private var requests: [RequestID: Waiting] = [:]
  /// Reads that wait; called with nil to try again, or with why there is nothing more to wait for.
  private var reads: [RequestID: @EventLoopActor (RangeFailure?) -> Void] = [:]
  private var nextRequest: UInt64 = 1
  private var isPumping = false

  init(
    _ descriptor: RangeDescriptor, state: StoreState, log: any RangeLog, metrics: StorageMetrics, space: DiskSpace,
    configuration: RangeMachineConfiguration
  ) throws {
    self.descriptor = descriptor
    self.state = state
    self.log = log
    self.metrics = metrics
    self.space = space
    let span = KeySpan(start: descriptor.startKey, end: descriptor.endKey)
    machine = RangeMachine(rangeID: descriptor.id, bounds: span, configuration: configuration)
    appliedReadBound = try Self.storedReadBound(descriptor.id, state)
    appliedSafePoints = try Self.storedSafePoints(descriptor.id, state)
  }

  var id: RangeID { descriptor.id }
  var span: KeySpan { machine.bounds }
  var isLeading: Bool { machine.isLeading }
  var leaderHint: NodeID? { log?.knownLeader(of: id) }

  // MARK: - Requests

  /// Evaluates a request; the completion is called once, now or later. Returns a handle for `cancel`.
  @discardableResult
  func submit(_ request: RangeRequest, completion: @escaping Completion) -> RequestID? {
    if let failure = refusal() {
      completion(.failed(failure))
      return nil
    }
    if space.refusesWrites, request.addsData {
      completion(.failed(.diskFull))
      return nil
    }
    let id = newRequestID()
    requests[id] = Waiting(request: request, completion: completion)
    machine.handle(request, id: id, snapshot: state, now: EventLoop.now)
    pump()
    return requests[id] == nil ? nil : id
  }

  /// Reads now, or again when what the read has to wait for has happened.
  func get(
    _ keys: [[UInt8]], view: ReadView, completion: @escaping @EventLoopActor (ReadResult<[DataVersion?]>) -> Void
  ) {
    if let failure = refusal() { return completion(.failure(failure)) }
    get(keys, view: view, id: newRequestID(), completion: completion)
  }

  private func get(
    _ keys: [[UInt8]], view: ReadView, id: RequestID,
    completion: @escaping @EventLoopActor (ReadResult<[DataVersion?]>) -> Void
  ) {
    switch machine.get(keys, view: view, id: id, snapshot: state) {
    case .result(let versions): completion(.success(versions))
    case .failed(let failure): completion(.failure(noticed(failure)))
    case .waiting:
      reads[id] = { [weak self] failure in
        guard let self else { return completion(.failure(.unknownRange)) }
        if let failure = failure ?? self.refusal() { return completion(.failure(failure)) }
        self.get(keys, view: view, id: id, completion: completion)
      }
    }
    pump()
  }

  /// Admits a scan, then calls `body` in the same turn of the loop: `body` reads and returns the span it has read.
  func scan(
    _ span: KeySpan, isReverse: Bool, view: ReadView,
    _ body: @escaping @EventLoopActor (ReadResult<AdmittedScan>) -> KeySpan?
  ) {
    if let failure = refusal() {
      _ = body(.failure(failure))
      return
    }
    scan(span, isReverse: isReverse, view: view, id: newRequestID(), body)
  }

  private func scan(
    _ span: KeySpan, isReverse: Bool, view: ReadView, id: RequestID,
    _ body: @escaping @EventLoopActor (ReadResult<AdmittedScan>) -> KeySpan?
  ) {
    switch machine.admitScan(span, isReverse: isReverse, view: view, id: id, snapshot: state) {
    case .result(let admitted):
      if let read = body(.success(admitted)) { machine.scanned(read, at: view.timestamp) }
    case .failed(let failure): _ = body(.failure(noticed(failure)))
    case .waiting:
      reads[id] = { [weak self] failure in
        guard let self else {
          _ = body(.failure(.unknownRange))
          return
        }
        if let failure = failure ?? self.refusal() {
          _ = body(.failure(failure))
          return
        }
        self.scan(span, isReverse: isReverse, view: view, id: id, body)
      }
    }
    pump()
  }

  func cancel(_ id: RequestID) {
    guard requests.removeValue(forKey: id) != nil else { return }
    machine.cancel(id)
    pump()
  }

  func tick() {
    if machine.waitingCount == 0 { return }
    machine.tick(now: EventLoop.now)
    pump()
  }

  func gatewayChanged(_ gateway: NodeID, liveEpoch: SessionEpoch?) {
    machine.gatewayChanged(gateway, liveEpoch: liveEpoch)
    pump()
  }

  // MARK: - Garbage

  /// Only at the leader; elsewhere nothing happens.
  func raiseSafePoints(to points: SafePoints) {
    machine.raiseSafePoints(to: points, applied: appliedSafePoints)
    pump()
  }

  /// Only at the leader, and only what `appliedSafePoints` allows; done when `machine.isCollecting` is false again.
  func collect(data: [[UInt8]], transactions: [[UInt8]]) {
    machine.collect(data: data, transactions: transactions)
    pump()
  }

  private func newRequestID() -> RequestID {
    defer { nextRequest += 1 }
    return RequestID(nextRequest)
  }

  private func refusal() -> RangeFailure? {
    if let damage { return .corrupted(damage) }
    return machine.isLeading ? nil : .notLeader(leaderHint)
  }

  /// Corruption takes this replica out of service.
  private func noticed(_ failure: RangeFailure) -> RangeFailure {
    if case .corrupted(let reason) = failure, damage == nil {
      damage = reason
      metrics.corruptedRanges.increment()
    }
    return failure
  }

  /// A scan met bytes it cannot trust.
  func damaged(_ error: any Error) -> RangeFailure {
    switch error {
    case StorageFailure.corrupted(let reason), StorageFailure.inputOutput(let reason): noticed(.corrupted(reason))
    case let error as RocksError: noticed(.corrupted(error.description))
    default: noticed(.corrupted("\(error)"))
    }
  }

  private func pump() {
    if isPumping { return }
    isPumping = true
    defer { isPumping = false }
    while true {
      let effects = machine.takeEffects()
      if effects.isEmpty { return }
      for effect in effects { perform(effect) }
    }
  }

  private func perform(_ effect: RangeEffect) {
    switch effect {
    case .propose(let proposal, let command): propose(proposal, command)
    case .answer(let id, let answer):
      if let read = reads.removeValue(forKey: id) { return read(answer.failure) }
      guard let waiting = requests.removeValue(forKey: id) else { return }
      if case .failed(let failure) = answer { _ = noticed(failure) }
      waiting.completion(answer)
    case .retry(let id):
      if let read = reads.removeValue(forKey: id) { return read(nil) }
      guard let waiting = requests[id] else { return }
      machine.handle(waiting.request, id: id, snapshot: state, now: EventLoop.now)
    }
  }

  private func propose(_ proposal: ProposalID, _ command: RangeCommand) {
    guard let log else { return finish(proposal, .refused(.unknownRange)) }
    let term = leadershipCount
    log.propose(id, command.encoded()) { [weak self] result in
      guard let self, self.leadershipCount == term else { return }
      switch result {
      case .success: self.finish(proposal, .applied)
      case .failure(let error): self.finish(proposal, self.outcome(of: error))
      }
    }
  }

  private func finish(_ proposal: ProposalID, _ outcome: Transactions.ProposalOutcome) {
    machine.proposalFinished(proposal, outcome, now: EventLoop.now)
    pump()
  }

  private func outcome(of error: ReplicationError) -> Transactions.ProposalOutcome {
    switch error {
    case .notLeader(let hint): .refused(.notLeader(hint))
    case .proposalDropped: .refused(.notLeader(leaderHint))
    case .outcomeUnknown: .unknown
    case .tooLarge: .refused(.malformed("the command is too large"))
    case .busy: .refused(.overloaded("the range's log is full"))
    case .shuttingDown: .unknown
    case .unknownGroup: .refused(.unknownRange)
    // Other replicas may have it in their logs.
    case .storageFailed: .unknown
    }
  }

  // MARK: - ReplicatedStateMachine

  /// Grows with every gain or loss of leadership: answers to proposals of an earlier one mean nothing to the machine.
  private var leadershipCount: UInt64 = 0

  func apply(_ entry: CommittedEntry, into batch: WriteBatch) throws -> (any Sendable)? {
    var writer = BatchWriter(batch: batch, state: state)
    let marks = try RangeCommand.apply(entry.command[...], to: &writer)
    if marks.readBound > appliedReadBound { setReadBound(marks.readBound, batch) }
    setSafePoints(marks.safePoints, batch)
    cellsWritten &+= UInt64(writer.cellsWritten)
    return nil
  }

  func becameLeader(term: UInt64) {
    leadershipCount += 1
    machine.lead(appliedReadBound: appliedReadBound, safePoints: appliedSafePoints)
    pump()
  }

  func lostLeadership() {
    leadershipCount += 1
    machine.follow(leader: leaderHint)
    pump()
    answerAll(.notLeader(leaderHint))
  }

  func makeSnapshot() throws -> any SnapshotSource {
    RangeSnapshot(state, span: span, readBound: appliedReadBound, safePoints: appliedSafePoints)
  }

  func restoreBegan(into batch: WriteBatch) throws {
    Self.deleteData(of: descriptor, state, into: batch)
    appliedSafePoints = .zero
    garbage = GarbageState()
  }

  func restore(_ chunk: [UInt8], into batch: WriteBatch) throws {
    let marks = try RangeSnapshot.restore(chunk, into: batch, state)
    if marks.readBound != .zero { setReadBound(marks.readBound, batch) }
    setSafePoints(marks.safePoints, batch)
  }

  func restoreFinished() throws {
    appliedReadBound = try Self.storedReadBound(id, state)
    appliedSafePoints = try Self.storedSafePoints(id, state)
  }

  /// The range is gone from this node: nobody is left waiting.
  func close() {
    machine.follow(leader: nil)
    pump()
    answerAll(.unknownRange)
  }

  private func answerAll(_ failure: RangeFailure) {
    for id in reads.keys.sorted() { reads.removeValue(forKey: id)?(failure) }
    for id in requests.keys.sorted() { requests.removeValue(forKey: id)?.completion(.failed(failure)) }
  }

  private func setReadBound(_ bound: Timestamp, _ batch: WriteBatch) {
    appliedReadBound = bound
    var writer = ByteWriter(capacity: 8)
    writer.write(bound.rawValue)
    batch.put(Self.readBoundKey(id), writer.bytes, in: state.meta)
  }

  static func readBoundKey(_ id: RangeID) -> [UInt8] { StoreKeys.key("bound", id) }

  private static func storedReadBound(_ id: RangeID, _ state: StoreState) throws -> Timestamp {
    guard let bytes = try state.database.get(readBoundKey(id), in: state.meta) else { return .zero }
    var reader = ByteReader(bytes)
    return Timestamp(rawValue: try reader.readUInt64())
  }

  private func setSafePoints(_ points: SafePoints, _ batch: WriteBatch) {
    let raised = appliedSafePoints.raised(to: points)
    if raised == appliedSafePoints { return }
    appliedSafePoints = raised
    var writer = ByteWriter(capacity: 16)
    writer.write(raised.versions.rawValue)
    writer.write(raised.records.rawValue)
    batch.put(Self.safePointsKey(id), writer.bytes, in: state.meta)
  }

  static func safePointsKey(_ id: RangeID) -> [UInt8] { StoreKeys.key("safe", id) }

  private static func storedSafePoints(_ id: RangeID, _ state: StoreState) throws -> SafePoints {
    guard let bytes = try state.database.get(safePointsKey(id), in: state.meta) else { return .zero }
    var reader = ByteReader(bytes)
    let versions = Timestamp(rawValue: try reader.readUInt64())
    return SafePoints(versions: versions, records: Timestamp(rawValue: try reader.readUInt64()))
  }

  static func deleteData(of range: RangeDescriptor, _ state: StoreState, into batch: WriteBatch) {
    for space in KeyValueSpace.allCases {
      batch.deleteRange(from: range.startKey, to: range.endKey, in: state.family(space))
    }
    batch.delete(readBoundKey(range.id), in: state.meta)
    batch.delete(safePointsKey(range.id), in: state.meta)
  }
}

typealias ReadResult<Value> = Result<Value, RangeFailure>

/// Hands the writes of a command to a batch.
private struct BatchWriter: KeyValueWriter {
  let batch: WriteBatch
  let state: StoreState
  private(set) var cellsWritten = 0
  private var cell: [UInt8] = []
  private var record: [UInt8] = []

  init(batch: WriteBatch, state: StoreState) {
    self.batch = batch
    self.state = state
  }

  mutating func putEntry(_ key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, at timestamp: Timestamp) {
    cell.removeAll(keepingCapacity: true)
    record.removeAll(keepingCapacity: true)
    DataRecord.append(key, value: value, at: timestamp, toKey: &cell, toValue: &record)
    batch.put(cell, record, in: state.data)
    cellsWritten += 1
  }

  mutating func put(_ space: KeyValueSpace, key: [UInt8], value: [UInt8]) {
    batch.put(key, value, in: state.family(space))
    if space != .lock { cellsWritten += 1 }
  }

  mutating func delete(_ space: KeyValueSpace, key: [UInt8]) { batch.delete(key, in: state.family(space)) }
}

/// Keys of column family `meta`: a word, a zero byte, the range's id in eight bytes, big-endian.
enum StoreKeys {
  static func key(_ word: String, _ id: RangeID) -> [UInt8] {
    var key = Array(word.utf8) + [0]
    for shift in stride(from: 56, through: 0, by: -8) {
      key.append(UInt8(truncatingIfNeeded: id.rawValue >> UInt64(shift)))
    }
    return key
  }
}
