import Basics
import Testing

@testable import Transactions

/// Random clients, two ranges, lost leaders and stale ones, against the plainest statement of snapshot isolation: at the end,
/// what every read returned is what the final versions say for its timestamp.
@Suite struct SnapshotIsolationTests {
  @Test(arguments: 0..<120)
  func everyReadIsWhatTheFinalVersionsSay(seed: Int) throws {
    var world = RandomWorld(seed: UInt64(seed))
    for _ in 0..<1500 { try world.step() }
    try world.drain()
    try world.verify()
  }

  @Test func theWorldIsBusy() throws {
    var committed = 0
    var reads = 0
    var unknown = 0
    var (collected, recordsCollected, tooOld) = (0, 0, 0)
    for seed in 0..<20 {
      var world = RandomWorld(seed: UInt64(seed))
      for _ in 0..<1500 { try world.step() }
      try world.drain()
      committed += world.committedCount
      reads += world.observations.count
      unknown += world.unknownCount
      for range in world.ranges {
        collected += range.archive.cells[0].count - range.state.cells[0].count
        recordsCollected += range.archive.cells[2].count - range.state.cells[2].count
      }
      tooOld += world.tooOldCount
    }
    #expect(committed > 200, "\(committed) commits")
    #expect(reads > 800, "\(reads) reads")
    #expect(unknown > 5, "\(unknown) unknown")
    #expect(collected > 200, "\(collected) cells collected")
    #expect(recordsCollected > 20, "\(recordsCollected) records collected")
    #expect(tooOld > 5, "\(tooOld) transactions refused as too old")
  }
}

private struct RandomWorld {
  struct Observation {
    var range: Int
    var key: String
    var timestamp: Timestamp
    var value: String?
  }

  enum Fate {
    case open
    case committed(Timestamp)
    case aborted
    case unknown
  }

  /// A client's transaction: what it does next depends on the answers it has.
  struct Client {
    enum Stage {
      case reading
      case oneRound(Timestamp, RequestID)
      case prewriting([(range: Int, id: RequestID)], minimum: Timestamp)
      case committingPrimary(Timestamp, RequestID)
      case done
    }
    var start: Timestamp
    var writes: [String: String]
    var stage = Stage.reading
    var fate = Fate.open
    var value: String
    /// It deletes its keys; otherwise it puts its value.
    var isDeleting = false
    /// A commit of the primary key was answered "unknown".
    var mayHaveCommitted = false
  }

  var random: SeededGenerator
  var clock: UInt64 = 1
  var ranges: [RangeHarness]
  /// A deposed leader that has not noticed: it still answers reads from the state it has.
  var stale: [(range: Int, harness: RangeHarness)] = []
  var clients: [Client] = []
  var observations: [Observation] = []
  /// For each range: no lock of a transaction that started below is left.
  var resolved = [Timestamp.zero, .zero]
  var tooOldCount = 0
  let keys = ["a1", "a2", "a3", "b1", "b2", "b3"]

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    var configuration = RangeMachineConfiguration()
    configuration.readBoundMilliseconds = 40
    configuration.readBoundRenewalMilliseconds = 20
    ranges = [
      RangeHarness(bounds: KeySpan(start: [0x61], end: [0x62]), id: 1, configuration: configuration),
      RangeHarness(bounds: KeySpan(start: [0x62], end: [0x63]), id: 2, configuration: configuration),
    ]
  }

  var committedCount: Int { clients.count { if case .committed = $0.fate { true } else { false } } }
  var unknownCount: Int { clients.count { if case .unknown = $0.fate { true } else { false } } }

  mutating func nextTimestamp() -> Timestamp {
    clock += 1
    return Timestamp(rawValue: clock << Timestamp.logicalBits)
  }

  func rangeIndex(_ key: String) -> Int { key.hasPrefix("a") ? 0 : 1 }

  mutating func step() throws {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<18: try read()
    case 18..<25: try collectGarbage()
    case 25..<40: begin()
    case 40..<65: try advanceClient()
    case 65..<94: try ranges[Int.random(in: 0...1, using: &random)].applyOne()
    case 94..<96: try resolve()
    case 96..<98: try changeLeader(Int.random(in: 0...1, using: &random))
    default: try readStale()
    }
  }

  mutating func begin() {
    let start = nextTimestamp()
    let value = "v\(clients.count)"
    let chosen = keys.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
    var writes: [String: String] = [:]
    for key in chosen { writes[key] = value }
    let isDeleting = Int.random(in: 0..<4, using: &random) == 0
    clients.append(Client(start: start, writes: writes, value: value, isDeleting: isDeleting))
  }

  mutating func read() throws {
    // Now and then a read at an older timestamp, as a long transaction makes.
    let age = UInt64.random(in: 0...3, using: &random) == 0 ? UInt64.random(in: 0...20, using: &random) : 0
    let current = nextTimestamp()
    let timestamp = Timestamp(rawValue: current.rawValue - min(age << Timestamp.logicalBits, current.rawValue / 2))
    let key = keys.randomElement(using: &random) ?? "a1"
    let seen = Self.observe(key, timestamp, in: &ranges[rangeIndex(key)], range: rangeIndex(key))
    if let seen { observations.append(seen) }
  }

  mutating func readStale() throws {
    guard !stale.isEmpty else { return }
    let index = Int.random(in: 0..<stale.count, using: &random)
    let key =
      (stale[index].range == 0 ? ["a1", "a2", "a3"] : ["b1", "b2", "b3"]).randomElement(using: &random) ?? "a1"
    let timestamp = nextTimestamp()
    let range = stale[index].range
    if let seen = Self.observe(key, timestamp, in: &stale[index].harness, range: range) { observations.append(seen) }
  }

  private static func observe(
    _ key: String, _ timestamp: Timestamp, in harness: inout RangeHarness, range: Int
  ) -> Observation? {
    let outcome = harness.machine.get(
      [Array(key.utf8)], view: ReadView(timestamp: timestamp), id: harness.newID(), snapshot: harness.state)
    harness.pump()
    guard case .result(let versions) = outcome else { return nil }
    return Observation(
      range: range, key: key, timestamp: timestamp,
      value: versions[0].flatMap { $0.kind == .put ? String(decoding: $0.value, as: UTF8.self) : nil })
  }

  /// Old leader: keeps its state and answers reads for a while. New leader: some of the proposals in flight survive.
  mutating func changeLeader(_ index: Int) throws {
    stale.append((index, ranges[index]))
    if stale.count > 3 { stale.removeFirst() }
    let surviving = Int.random(in: 0...ranges[index].proposals.count, using: &random)
    var next = ranges[index]
    next.machine.follow(leader: nil)
    next.pump()
    for proposal in next.proposals.prefix(surviving) { try next.apply(proposal.command) }
    next.proposals = []
    next.machine.lead(appliedReadBound: next.state.readBound, safePoints: next.state.safePoints)
    clock = max(clock, next.state.readBound.physicalMilliseconds)
    ranges[index] = next
  }

  /// Nobody asks whether somebody still needs what is given up.
  mutating func collectGarbage() throws {
    let index = Int.random(in: 0...1, using: &random)
    for range in ranges.indices where try !ranges[range].hasOldLock() {
      resolved[range] = max(resolved[range], ranges[range].state.safePoints.versions)
    }
    if Int.random(in: 0..<3, using: &random) == 0 {
      let age = UInt64.random(in: 1...60, using: &random)
      let point = Timestamp(rawValue: (clock - min(age, clock)) << Timestamp.logicalBits)
      let points = SafePoints(versions: point, records: min(resolved[0], resolved[1]))
      ranges[index].machine.raiseSafePoints(to: points, applied: ranges[index].state.safePoints)
      ranges[index].pump()
    } else {
      try ranges[index].sweep(limit: Int.random(in: 1...8, using: &random))
    }
  }

  mutating func advanceClient() throws {
    let open = clients.indices.filter { if case .done = clients[$0].stage { false } else { true } }
    guard let index = open.randomElement(using: &random) else { return }
    try advance(index)
  }

  mutating func advance(_ index: Int) throws {
    let client = clients[index]
    switch client.stage {
    case .done: return
    case .reading: startCommit(index)
    case .oneRound(let commit, let id):
      let range = rangeIndex(client.writes.keys.sorted()[0])
      guard let answer = ranges[range].answers[id] else { return }
      switch answer {
      case .done: finish(index, .committed(commit))
      case .failed(.commitTooLow(let minimum)):
        clock = max(clock, minimum.physicalMilliseconds)
        startCommit(index)
      case .failed(.outcomeUnknown): finish(index, .unknown)
      default: abort(index, answer)
      }
    case .prewriting(let pending, let minimum):
      var highest = minimum
      for (range, id) in pending {
        guard let answer = ranges[range].answers[id] else { return }
        guard case .prewritten(let needed) = answer else {
          if case .failed(.outcomeUnknown) = answer { return retryPrewrite(index) }
          rollBack(index)
          return abort(index, answer)
        }
        highest = max(highest, needed)
      }
      clock = max(clock, highest.physicalMilliseconds)
      commitPrimary(index, nextTimestamp())
    case .committingPrimary(let commit, let id):
      let primary = client.writes.keys.sorted()[0]
      guard let answer = ranges[rangeIndex(primary)].answers[id] else { return }
      switch answer {
      case .done:
        finish(index, .committed(commit))
        commitSecondaries(index, commit)
      case .failed(.commitTooLow(let minimum)):
        clock = max(clock, minimum.physicalMilliseconds)
        commitPrimary(index, nextTimestamp())
      case .failed(.outcomeUnknown):
        clients[index].mayHaveCommitted = true
        commitPrimary(index, commit)
      case .failed(.notLeader) where client.mayHaveCommitted: commitPrimary(index, commit)
      case .failed(.timestampTooOld) where client.mayHaveCommitted: finish(index, .unknown)
      default: abort(index, answer)
      }
    }
  }

  mutating func commitPrimary(_ index: Int, _ commit: Timestamp) {
    let primary = clients[index].writes.keys.sorted()[0]
    let id = ranges[rangeIndex(primary)].submit(commitRequest(clients[index], commit, [primary]))
    clients[index].stage = .committingPrimary(commit, id)
  }

  func mutations(_ client: Client, in range: Int) -> [KeyMutation] {
    client.writes.keys.sorted().filter { rangeIndex($0) == range }.map { key in
      client.isDeleting
        ? KeyMutation(kind: .delete, key: Array(key.utf8), forUpdate: client.start)
        : KeyMutation(kind: .put, key: Array(key.utf8), value: Array(client.value.utf8), forUpdate: client.start)
    }
  }

  func commitRequest(_ client: Client, _ commit: Timestamp, _ keys: [String]) -> RangeRequest {
    .commit(CommitKeys(start: client.start, commit: commit, keys: keys.map { Array($0.utf8) }, includesPrimary: true))
  }

  mutating func startCommit(_ index: Int) {
    let client = clients[index]
    let touched = Set(client.writes.keys.map(rangeIndex)).sorted()
    if touched.count == 1, Bool.random(using: &random) {
      let commit = nextTimestamp()
      let id = ranges[touched[0]].submit(
        .commitOneRound(
          OneRoundCommit(start: client.start, commit: commit, mutations: mutations(client, in: touched[0]))))
      clients[index].stage = .oneRound(commit, id)
    } else {
      retryPrewrite(index)
    }
  }

  mutating func retryPrewrite(_ index: Int) {
    let client = clients[index]
    let primary = client.writes.keys.sorted()[0]
    var pending: [(range: Int, id: RequestID)] = []
    for range in Set(client.writes.keys.map(rangeIndex)).sorted() {
      let request = Prewrite(
        start: client.start, primaryKey: Array(primary.utf8), primaryRangeID: RangeID(UInt64(rangeIndex(primary)) + 1),
        gatewayID: NodeID(7), timeToLiveMilliseconds: 10_000, mutations: mutations(client, in: range))
      pending.append((range, ranges[range].submit(.prewrite(request))))
    }
    clients[index].stage = .prewriting(pending, minimum: .zero)
  }

  mutating func commitSecondaries(_ index: Int, _ commit: Timestamp) {
    let client = clients[index]
    for key in client.writes.keys.sorted().dropFirst() {
      ranges[rangeIndex(key)].submit(
        .commit(CommitKeys(start: client.start, commit: commit, keys: [Array(key.utf8)], includesPrimary: false)))
    }
  }

  mutating func rollBack(_ index: Int) {
    for key in clients[index].writes.keys.sorted() {
      ranges[rangeIndex(key)].submit(rollback(clients[index].start.rawValue, key))
    }
  }

  mutating func abort(_ index: Int, _ answer: RangeAnswer) {
    if case .failed(.timestampTooOld) = answer { tooOldCount += 1 }
    finish(index, .aborted)
  }

  mutating func finish(_ index: Int, _ fate: Fate) {
    clients[index].stage = .done
    clients[index].fate = fate
  }

  /// Somebody meets a lock and settles it, as readers do.
  mutating func resolve() throws {
    let key = keys.randomElement(using: &random) ?? "a1"
    let range = rangeIndex(key)
    guard let lock = try ranges[range].state.lock(of: Array(key.utf8)) else { return }
    let primaryRange = Int(lock.primaryRangeID.rawValue) - 1
    if UInt64.random(in: 0...3, using: &random) == 0 {
      ranges[primaryRange].now = ranges[primaryRange].now.advanced(byMilliseconds: 10_001)
    }
    let id = ranges[primaryRange].submit(
      .check(
        TransactionCheck(
          primaryKey: lock.primaryKey, start: lock.start,
          pushAbove: Timestamp(rawValue: clock << Timestamp.logicalBits),
          rollBackIfExpired: true)))
    try ranges[primaryRange].applyAll()
    switch ranges[primaryRange].answers[id] {
    case .status(.committed(let commit))?:
      ranges[range].submit(
        .commit(CommitKeys(start: lock.start, commit: commit, keys: [Array(key.utf8)], includesPrimary: false)))
    case .status(.rolledBack)?: ranges[range].submit(rollback(lock.start.rawValue, key))
    default: break
    }
  }

  /// Everybody finishes; then no lock is left that a check cannot settle.
  mutating func drain() throws {
    for _ in 0..<60 {
      for range in ranges.indices {
        try ranges[range].applyAll()
        ranges[range].now = ranges[range].now.advanced(byMilliseconds: 100)
      }
      for index in clients.indices { try advance(index) }
    }
    for range in ranges.indices { ranges[range].now = ranges[range].now.advanced(byMilliseconds: 30_000) }
    for _ in 0..<200 { try resolve() }
    for range in ranges.indices { try ranges[range].applyAll() }
  }

  func verify() throws {
    for seen in observations {
      let version = try ranges[seen.range].archive.newestVersion(of: Array(seen.key.utf8), atOrBelow: seen.timestamp)
      let value = version.flatMap { $0.kind == .put ? String(decoding: $0.value, as: UTF8.self) : nil }
      #expect(value == seen.value, "read of \(seen.key) at \(seen.timestamp)")
    }
    for client in clients {
      let written = try client.writes.keys.sorted().map { key in
        try versions(of: key).filter { $0.start == client.start }
      }
      switch client.fate {
      case .committed(let commit):
        #expect(written.allSatisfy { $0.map(\.commit) == [commit] }, "\(client.value) is committed everywhere")
      case .aborted: #expect(written.allSatisfy { $0.isEmpty }, "\(client.value) is nowhere")
      case .unknown, .open:
        #expect(Set(written.map { $0.map(\.commit) }).count == 1, "\(client.value) is everywhere or nowhere")
      }
    }
    for key in keys {
      let ascending = try versions(of: key)
      for (older, newer) in zip(ascending, ascending.dropFirst()) {
        #expect(newer.start > older.commit, "\(key): the later writer had seen the earlier")
      }
      let range = ranges[rangeIndex(key)]
      let point = range.state.safePoints.versions
      for timestamp in [point] + ascending.map(\.commit) where timestamp >= point {
        let kept = try range.state.newestVersion(of: Array(key.utf8), atOrBelow: timestamp)
        let all = try range.archive.newestVersion(of: Array(key.utf8), atOrBelow: timestamp)
        #expect((kept?.kind == .put ? kept : nil) == (all?.kind == .put ? all : nil), "\(key) at \(timestamp)")
      }
    }
  }

  func versions(of key: String) throws -> [VersionHeader] {
    var result: [VersionHeader] = []
    var timestamp = Timestamp.max
    while let version = try ranges[rangeIndex(key)].archive.newestVersion(of: Array(key.utf8), atOrBelow: timestamp) {
      result.append(version.header)
      timestamp = version.commit.previous
    }
    return result.reversed()
  }
}
