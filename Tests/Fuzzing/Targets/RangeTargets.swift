import Basics
import Transactions

/// The leader of a range, asked anything in any order.
let rangeTargets: [FuzzTarget] = [FuzzTarget("range-requests", seeds: { rangeSeeds }, run: runRange)]

/// A request: what (one byte; its highest bit lets the proposals under way be applied first), then what `RangeDriver` reads.
private func runRange(_ bytes: [UInt8]) {
  var driver = RangeDriver(bytes)
  driver.run()
}

/// The shell of a range with one replica.
private struct RangeDriver {
  private var input: FuzzInput
  private var machine = RangeMachine(rangeID: RangeID(1), bounds: KeySpan(start: [1], end: [2]))
  private var state = MemoryKeyValue()
  private var now = MonotonicTime(nanoseconds: 1_000_000_000)
  private var requests: [RequestID: RangeRequest] = [:]
  private var reads: [RequestID: (timestamp: Timestamp, isScan: Bool)] = [:]
  private var answers: [RequestID: Int] = [:]
  private var proposals: [(id: ProposalID, command: RangeCommand)] = []
  private var count: UInt64 = 0
  private var steps = 0

  init(_ bytes: [UInt8]) { input = FuzzInput(bytes) }

  mutating func run() {
    machine.lead(appliedReadBound: timestamp())
    while !input.isEmpty, count < 200 {
      let what = input.byte()
      if what & 0x80 != 0 { settle() }
      count += 1
      step(what & 0x7f, RequestID(count))
      drain()
    }
    settle()
    machine.follow(leader: nil)
    drain()
    for id in requests.keys.sorted() { require(answers[id] == 1, "request \(id) has \(answers[id] ?? 0) answers") }
  }

  private mutating func step(_ what: UInt8, _ id: RequestID) {
    switch what % 13 {
    case 8: read(id, at: timestamp(), isScan: false)
    case 9: read(id, at: timestamp(), isScan: true)
    case 10:
      now = now.advanced(byMilliseconds: UInt64(input.byte()) * 100)
      machine.tick(now: now)
    case 11:
      machine.gatewayChanged(NodeID(UInt64(input.byte() % 2)), liveEpoch: input.byte() % 2 == 0 ? nil : SessionEpoch(5))
    case 12:
      let points = SafePoints(versions: timestamp(), records: timestamp())
      machine.raiseSafePoints(to: points, applied: state.safePoints)
    case let kind: ask(id, request(kind))
    }
  }

  private mutating func request(_ kind: UInt8) -> RangeRequest {
    switch kind {
    case 0:
      return .acquireLocks(
        LockAcquisition(
          start: timestamp(), forUpdate: timestamp(), keys: keys(), primaryKey: key(), primaryRangeID: RangeID(1),
          gatewayID: NodeID(UInt64(input.byte() % 2)), sessionEpoch: SessionEpoch(4),
          waitMilliseconds: timestamp().rawValue))
    case 1: return .commitOneRound(OneRoundCommit(start: timestamp(), commit: timestamp(), mutations: mutations()))
    case 2:
      return .prewrite(
        Prewrite(
          start: timestamp(), primaryKey: key(), primaryRangeID: RangeID(1), gatewayID: NodeID(1),
          timeToLiveMilliseconds: UInt32(input.byte()) << 24, mutations: mutations()))
    case 3:
      return .commit(
        CommitKeys(start: timestamp(), commit: timestamp(), keys: keys(), includesPrimary: input.byte() & 1 == 0))
    case 4:
      let isLocksOnly = input.byte() & 1 == 1
      return .rollback(
        RollbackKeys(start: timestamp(), keys: keys(), locksOnly: isLocksOnly, oneRoundCommit: timestamp()))
    case 5:
      return .check(
        TransactionCheck(
          primaryKey: key(), start: timestamp(), pushAbove: timestamp(), rollBackIfExpired: input.byte() & 1 == 1))
    case 6: return .heartbeat(TransactionHeartbeat(primaryKey: key(), start: timestamp()))
    default:
      let (timestamp, entries, flags) = (timestamp(), input.piece(), input.byte())
      if flags & 2 != 0 { return .listLocks(LockListing(span: KeySpan(start: key(), end: key()))) }
      return .ingest(Ingestion(timestamp: timestamp, entries: entries, refusesDuplicates: flags & 1 == 1))
    }
  }

  // MARK: Parts of requests

  /// Small ones that meet, and the largest there are.
  private mutating func timestamp() -> Timestamp {
    let byte = input.byte()
    switch byte {
    case 0..<240: return Timestamp(rawValue: UInt64(byte) << 16)
    case 240..<254: return Timestamp(rawValue: UInt64.max - UInt64(byte - 240))
    default: return Timestamp(rawValue: input.word())
    }
  }

  private mutating func key() -> [UInt8] {
    let byte = input.byte()
    return byte == 255 ? [9] : [1, byte % 4]
  }

  private mutating func keys() -> [[UInt8]] { (0..<input.byte() % 4).map { _ in key() } }

  private mutating func mutations() -> [KeyMutation] {
    (0..<input.byte() % 4).map { _ in
      let kind = KeyMutation.Kind(rawValue: input.byte() % 4) ?? .put
      return KeyMutation(kind: kind, key: key(), value: [input.byte()], forUpdate: timestamp())
    }
  }

  // MARK: The shell

  private mutating func ask(_ id: RequestID, _ request: RangeRequest) {
    requests[id] = request
    machine.handle(request, id: id, snapshot: state, now: now)
  }

  private mutating func read(_ id: RequestID, at timestamp: Timestamp, isScan: Bool) {
    reads[id] = (timestamp, isScan)
    let view = ReadView(timestamp: timestamp)
    if isScan {
      let outcome = machine.admitScan(machine.bounds, isReverse: false, view: view, id: id, snapshot: state)
      if case .result(let scan) = outcome { machine.scanned(scan.span, at: timestamp) }
    } else {
      _ = machine.get([[1, 1], [1, 2]], view: view, id: id, snapshot: state)
    }
  }

  /// Does what the machine wants, but for proposals, which wait for `settle`.
  private mutating func drain() {
    var effects = machine.takeEffects()
    while !effects.isEmpty {
      for effect in effects {
        steps += 1
        require(steps < 100_000, "the machine comes to rest")
        switch effect {
        case .propose(let id, let command): proposals.append((id, command))
        case .answer(let id, _): if requests[id] != nil { answers[id, default: 0] += 1 }
        case .retry(let id):
          if let request = requests[id] {
            machine.handle(request, id: id, snapshot: state, now: now)
          } else if let again = reads[id] {
            read(id, at: again.timestamp, isScan: again.isScan)
          }
        }
      }
      effects = machine.takeEffects()
    }
  }

  /// Proposals are applied, in their order, until none is left.
  private mutating func settle() {
    while !proposals.isEmpty {
      let (id, command) = proposals.removeFirst()
      do throws(MalformedBytes) { try state.apply(command) } catch {
        return require(false, "a command is well-formed: \(error)")
      }
      machine.proposalFinished(id, .applied, now: now)
      drain()
    }
  }
}

private let rangeSeeds: [[UInt8]] = [
  // Commit in one round, read it, prewrite, commit, ingest.
  [
    5, 1, 10, 20, 1, 0, 1, 7, 0, 0x88, 30, 0x82, 40, 1, 1, 1, 0, 1, 8, 0, 0x83, 40, 50, 1, 1, 0, 0x87, 60, 4, 2, 1, 1,
    0, 0,
  ],
  // Row locks that wait for each other, time, a rollback of everything.
  [0, 0, 10, 10, 2, 1, 2, 1, 1, 100, 0x80, 11, 11, 1, 1, 1, 1, 100, 0x8a, 9, 0x84, 1, 10, 0, 0, 0x8a, 200],
  // A lock, its check, heartbeat, safe points, the largest timestamps.
  [
    0, 2, 10, 1, 1, 1, 0, 1, 1, 0, 0x85, 1, 10, 20, 1, 0x86, 1, 10, 0x8c, 30, 20, 0x88, 240, 0x81, 240, 241, 1, 0, 2, 1,
    0,
  ],
]
