import Basics

@testable import Transactions

/// One range with its applied state and the queue of its proposals; the test decides when each is applied.
struct RangeHarness {
  var machine: RangeMachine
  var state = MemoryKeyValue()
  /// The same without garbage collection.
  var archive = MemoryKeyValue()
  var proposals: [(id: ProposalID, command: RangeCommand)] = []
  var answers: [RequestID: RangeAnswer] = [:]
  var requests: [RequestID: RangeRequest] = [:]
  /// Reads to hand in again.
  var readsToRetry: [RequestID] = []
  var now = MonotonicTime(milliseconds: 1_000_000)
  private var nextRequest: UInt64 = 1

  init(
    bounds: KeySpan = KeySpan(start: [], end: []), id: UInt64 = 1, configuration: RangeMachineConfiguration = .init()
  ) {
    machine = RangeMachine(rangeID: RangeID(id), bounds: bounds, configuration: configuration)
    machine.lead(appliedReadBound: .zero)
  }

  mutating func newID() -> RequestID {
    defer { nextRequest += 1 }
    return RequestID(nextRequest)
  }

  @discardableResult
  mutating func submit(_ request: RangeRequest) -> RequestID {
    let id = newID()
    requests[id] = request
    machine.handle(request, id: id, snapshot: state, now: now)
    pump()
    return id
  }

  mutating func pump() {
    while true {
      let effects = machine.takeEffects()
      if effects.isEmpty { return }
      for effect in effects {
        switch effect {
        case .propose(let id, let command): proposals.append((id, command))
        case .answer(let id, let answer):
          precondition(answers[id] == nil, "answered twice")
          answers[id] = answer
          requests[id] = nil
        case .retry(let id):
          if let request = requests[id] {
            machine.handle(request, id: id, snapshot: state, now: now)
          } else {
            readsToRetry.append(id)
          }
        }
      }
    }
  }

  /// Applies the oldest proposal.
  mutating func applyOne() throws {
    guard !proposals.isEmpty else { return }
    let (id, command) = proposals.removeFirst()
    try apply(command)
    machine.proposalFinished(id, .applied, now: now)
    pump()
  }

  mutating func apply(_ command: RangeCommand) throws {
    try state.apply(command)
    var kept = command
    kept.writes.removeAll { write in
      if case .delete(let space, _) = write { space != .lock } else { false }
    }
    try archive.apply(kept)
  }

  /// One command's worth of what the applied safe points allow to drop, from the beginning of the range.
  mutating func sweep(limit: Int) throws {
    guard !machine.isCollecting else { return }
    let points = state.safePoints
    var collector = GarbageCollection.Collector(safePoint: points.versions, limit: limit)
    var row: [UInt8]?
    for cell in state.cells[0] {
      let (key, commit) = try DataRecord.splitCellKey(cell.key)
      if key != row {
        collector.endRow()
        row = key
      }
      if collector.isFull {
        collector.abandonRow()
        break
      }
      collector.visit(try DataRecord.decodeHeader(cell.value[...], commit: commit), cell: cell.key)
    }
    if !collector.isFull { collector.endRow() }
    var records: [[UInt8]] = []
    for cell in state.cells[2] where records.count < limit {
      let start = try TransactionRecord.start(ofCell: cell.key)
      if GarbageCollection.isDroppable(recordOfTransactionStarted: start, safePoint: points.records) {
        records.append(cell.key)
      }
    }
    machine.collect(data: collector.cells, transactions: records)
    pump()
  }

  /// Whether a lock of a transaction that started below the applied safe point is left.
  func hasOldLock() throws -> Bool {
    try state.cells[1].contains { try LockRecord(decoding: $0.value).start < state.safePoints.versions }
  }

  mutating func applyAll() throws {
    while !proposals.isEmpty { try applyOne() }
  }

  /// The request's answer after everything proposed is applied.
  mutating func run(_ request: RangeRequest) throws -> RangeAnswer? {
    let id = submit(request)
    try applyAll()
    return answers[id]
  }

  mutating func get(_ key: String, at timestamp: UInt64, own: UInt64 = 0, ignored: [UInt64] = []) throws -> ReadOutcome<
    [DataVersion?]
  > {
    let view = ReadView(
      timestamp: Timestamp(rawValue: timestamp), ownStart: Timestamp(rawValue: own),
      ignoredStarts: ignored.map(Timestamp.init(rawValue:)))
    let id = newID()
    var outcome = machine.get([Array(key.utf8)], view: view, id: id, snapshot: state)
    pump()
    if case .waiting = outcome {
      try applyAll()
      outcome = machine.get([Array(key.utf8)], view: view, id: id, snapshot: state)
      pump()
    }
    return outcome
  }

  /// The value read, "locked" or "failed".
  mutating func text(_ key: String, at timestamp: UInt64, own: UInt64 = 0, ignored: [UInt64] = []) throws -> String? {
    switch try get(key, at: timestamp, own: own, ignored: ignored) {
    case .result(let versions):
      versions[0].flatMap { $0.kind == .put ? String(decoding: $0.value, as: UTF8.self) : nil }
    case .failed(.keyLocked): "locked"
    case .waiting, .failed: "failed"
    }
  }
}

func ts(_ raw: UInt64) -> Timestamp { Timestamp(rawValue: raw) }

func put(_ key: String, _ value: String, forUpdate: UInt64) -> KeyMutation {
  KeyMutation(kind: .put, key: Array(key.utf8), value: Array(value.utf8), forUpdate: ts(forUpdate))
}

func oneRound(_ start: UInt64, _ commit: UInt64, _ mutations: KeyMutation...) -> RangeRequest {
  .commitOneRound(OneRoundCommit(start: ts(start), commit: ts(commit), mutations: mutations))
}

func prewrite(_ start: UInt64, primary: String, _ mutations: KeyMutation...) -> RangeRequest {
  .prewrite(
    Prewrite(
      start: ts(start), primaryKey: Array(primary.utf8), primaryRangeID: RangeID(1), gatewayID: NodeID(7),
      timeToLiveMilliseconds: 10_000, mutations: mutations))
}

/// Of a transaction that a schema change's job decides about.
func prewriteForJob(_ start: UInt64, primary: String, _ mutations: KeyMutation...) -> RangeRequest {
  .prewrite(
    Prewrite(
      start: ts(start), primaryKey: Array(primary.utf8), primaryRangeID: RangeID(1), gatewayID: NodeID(7),
      timeToLiveMilliseconds: LockRecord.decidedByJob, mutations: mutations))
}

func commit(_ start: UInt64, _ commit: UInt64, _ keys: String..., primary: Bool = true) -> RangeRequest {
  .commit(
    CommitKeys(start: ts(start), commit: ts(commit), keys: keys.map { Array($0.utf8) }, includesPrimary: primary))
}

/// Settles a one-round commit whose answer was lost.
func settle(_ start: UInt64, _ commit: UInt64, _ keys: String...) -> RangeRequest {
  .rollback(
    RollbackKeys(start: ts(start), keys: keys.map { Array($0.utf8) }, locksOnly: false, oneRoundCommit: ts(commit)))
}

func rollback(_ start: UInt64, _ keys: String...) -> RangeRequest {
  .rollback(RollbackKeys(start: ts(start), keys: keys.map { Array($0.utf8) }, locksOnly: false))
}

func check(_ start: UInt64, primary: String, pushAbove: UInt64 = 0, rollBack: Bool = true) -> RangeRequest {
  .check(
    TransactionCheck(
      primaryKey: Array(primary.utf8), start: ts(start), pushAbove: ts(pushAbove), rollBackIfExpired: rollBack))
}

func lockRows(_ start: UInt64, forUpdate: UInt64, wait: UInt64 = 1000, gateway: UInt64 = 7, _ keys: String...)
  -> RangeRequest
{
  .acquireLocks(
    LockAcquisition(
      start: ts(start), forUpdate: ts(forUpdate), keys: keys.map { Array($0.utf8) }, primaryKey: Array(keys[0].utf8),
      primaryRangeID: RangeID(1), gatewayID: NodeID(gateway), sessionEpoch: SessionEpoch(1), waitMilliseconds: wait))
}
