import Basics
import Catalog
import Convergence
import SchemaChange
import Testing

@testable import Metadata

@Suite struct TimestampTests {
  private func world() -> LeaderWorld {
    var world = LeaderWorld()
    world.register(1, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    return world
  }

  @Test func answersOnlyAfterConfirmationAndOneConfirmationServesAll() {
    var world = world()
    let first = world.timestamps(reads: 3)
    #expect(world.isConfirmationWanted)
    #expect(world.answers[first] == nil)
    let late = world.timestamps(reads: 2)
    world.isConfirmationWanted = false
    world.perform(world.leader.leadershipConfirmed(now: world.now, wallMilliseconds: world.wall))
    // The second came after the confirmation had begun: it needs another.
    #expect(world.granted(first) != nil)
    #expect(world.answers[late] == nil)
    world.confirm()
    let next = world.granted(late).map { $0.first.rawValue } ?? 0
    #expect(next >= (world.granted(first)?.first.rawValue ?? UInt64.max) + 3)
    let other = world.timestamps()
    world.isConfirmationWanted = false
    world.perform(world.leader.leadershipUnconfirmed("deposed"))
    #expect(world.answers[other] == [.tryAgain("deposed")])
  }

  /// Random requests, statements, pauses and changes of leader: timestamps only grow, and each has exactly one schema index
  /// in force: the newest entry with an effective timestamp below it.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func everyTimestampHasOneSchemaIndexInForce(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var world = world()
    var issued: [(first: Timestamp, count: UInt64, index: SchemaIndex)] = []
    var open: [(RequestID, UInt64)] = []
    var tables = 0
    for _ in 0..<1_500 {
      switch Int.random(in: 0..<12, using: &generator) {
      case 0...4:
        let count = UInt64.random(in: 1...50, using: &generator)
        open.append((world.timestamps(reads: count), count))
      case 5, 6: world.confirm()
      case 7:
        _ = world.start(createTable("t\(tables)"))
        tables += 1
      case 8, 9: world.applyNext()
      case 10:
        world.renewAll()
        world.advance(milliseconds: UInt64.random(in: 0...50, using: &generator))
      default:
        guard Int.random(in: 0..<10, using: &generator) == 0 else { continue }
        // The clock of the new leader may be behind.
        world.wall -= UInt64.random(in: 0...2_000, using: &generator)
        world.changeLeader(keeping: Int.random(in: 0...3, using: &generator))
        open = []
      }
      for (request, count) in open {
        if let granted = world.granted(request) { issued.append((granted.first, count, granted.index)) }
      }
      open.removeAll { world.answers[$0.0] != nil }
    }
    world.applyAll()
    var history: [(SchemaIndex, Timestamp)] = [(.zero, .zero)]
    for entry in world.state.entries(after: .zero) ?? [] { history.append((entry.index, entry.timestamp)) }
    #expect(issued.count > 50)
    issued.sort { $0.first < $1.first }
    var last = Timestamp.zero
    for block in issued {
      #expect(block.first > last)
      last = Timestamp(rawValue: block.first.rawValue + block.count - 1)
      for timestamp in [block.first, last] {
        let inForce = history.last { $0.1 <= timestamp }
        #expect(inForce?.0 == block.index, "\(timestamp) of block \(block)")
      }
    }
  }

  @Test func commitsBelowTheFloorAreRefused() {
    var world = world()
    _ = world.start(createTable("t"))
    world.applyAll()
    world.acknowledgeAll()
    func ask(_ version: UInt64) -> CommitTimestampAnswer? {
      let query = CommitTimestampQuery(pins: [(TableID(1), TableVersion(version))], minimum: .zero)
      let request = world.timestamps(reads: 1, commits: [query])
      world.confirm()
      let granted = world.granted(request)
      if case .granted(let commit)? = granted?.commits.first { #expect(commit < granted?.first ?? .zero) }
      return granted?.commits.first
    }
    func isGranted(_ version: UInt64) -> Bool { if case .granted? = ask(version) { true } else { false } }
    _ = world.start(addColumn("b", to: "t"))
    world.applyAll()
    #expect(isGranted(1), "an older compatible version may commit")
    _ = world.start(createIndex("i", on: "t"))
    world.applyAll()
    #expect(isGranted(1), "nothing has to be maintained yet")
    for _ in 0..<10 where world.work.isEmpty {
      world.acknowledgeAll()
      world.applyAll()
    }
    // Versions: 3 delete-only, 4 write-only, 5 backfilling.
    #expect(ask(3) == .refused(TableID(1), floor: TableVersion(4)))
    #expect(isGranted(4), "write-only maintains entries")
    #expect(ask(0) == .refused(TableID(1), floor: TableVersion(4)))
    let gone = CommitTimestampQuery(pins: [(TableID(77), TableVersion(1))], minimum: .zero)
    let request = world.timestamps(commits: [gone])
    world.confirm()
    #expect(world.granted(request)?.commits == [.refused(TableID(77), floor: TableVersion(UInt64.max))])
  }

  /// A statement may ask for both of its timestamps at once: commits of others, then all reads, then the commits of those reads,
  /// each timestamp once and all on one side of an entry under way.
  @Test func commitsThatFollowReadsLieAboveAllReadsOfTheirRequest() {
    var world = world()
    _ = world.start(createTable("t"))
    world.applyAll()
    world.acknowledgeAll()
    func query(_ version: UInt64, follows: Bool) -> CommitTimestampQuery {
      CommitTimestampQuery(pins: [(TableID(1), TableVersion(version))], minimum: .zero, followsReads: follows)
    }
    _ = world.start(addColumn("b", to: "t"))
    let request = world.timestamps(
      reads: 3, commits: [query(1, follows: true), query(1, follows: false), query(1, follows: true)])
    world.confirm()
    guard let granted = world.granted(request) else { return #expect(Bool(false), "nothing granted") }
    let first = granted.first.rawValue
    #expect(
      granted.commits == [
        .granted(Timestamp(rawValue: first + 3)), .granted(Timestamp(rawValue: first - 1)),
        .granted(Timestamp(rawValue: first + 4)),
      ])
    world.applyAll()
    let entry = world.state.entries(after: granted.index)?.first
    #expect(entry.map { $0.timestamp.rawValue > first + 4 } == true)
    // The next request gets larger ones.
    let next = world.timestamps(reads: 1)
    world.confirm()
    #expect((world.granted(next)?.first.rawValue ?? 0) > first + 4)
    // A floor holds for them as for all others.
    _ = world.start(createIndex("i", on: "t"))
    world.applyAll()
    for _ in 0..<10 where world.work.isEmpty {
      world.acknowledgeAll()
      world.applyAll()
    }
    let late = world.timestamps(reads: 1, commits: [query(3, follows: true)])
    world.confirm()
    #expect(world.granted(late)?.commits == [.refused(TableID(1), floor: TableVersion(4))])
  }

  @Test func withoutASessionThereAreNoTimestamps() {
    var world = world()
    let stranger = world.timestamps(node: 99)
    world.confirm()
    #expect(world.answers[stranger] == [.timestamps(.sessionUnknown)])
    // A second registration ends the first session.
    let old = world.epochs[NodeID(1)]
    world.register(1, .gateway)
    #expect(old.map { world.leader.renew(NodeID(1), $0, now: world.now) } == false)
    // A new leader gives everybody a full lease, then ends who does not renew.
    world.changeLeader()
    world.applyAll()
    let known = world.timestamps()
    world.confirm()
    #expect(world.granted(known) != nil)
    // While the leader itself stood still nobody could renew.
    world.stall(milliseconds: 60_000)
    let spared = world.timestamps()
    world.confirm()
    #expect(world.granted(spared) != nil)
    world.advance(milliseconds: world.leader.options.leaseMilliseconds)
    let expired = world.timestamps()
    world.confirm()
    #expect(world.answers[expired] == [.timestamps(.sessionUnknown)])
  }

  @Test(arguments: [(UInt64(0), 100_001), (UInt64.max, 1), (UInt64(99_999), 2)])
  func moreThanARequestMayHaveIsRefused(reads: UInt64, commitCount: Int) {
    var world = world()
    let query = CommitTimestampQuery(pins: [], minimum: .zero)
    let request = world.timestamps(reads: reads, commits: Array(repeating: query, count: commitCount))
    world.confirm()
    #expect(world.answers[request] == [.tryAgain("more than 100000 timestamps in one request")])
  }

  @Test func minimumNotFarAheadOfTheClockIsHonoured() {
    var world = world()
    world.advance(milliseconds: 10)
    let now = Timestamp(physicalMilliseconds: world.wall)
    func commit(_ minimum: Timestamp) -> Timestamp? {
      let request = world.timestamps(reads: 0, commits: [CommitTimestampQuery(pins: [], minimum: minimum)])
      world.confirm()
      if case .granted(let timestamp)? = world.granted(request)?.commits.first { return timestamp }
      return nil
    }
    let wanted = Timestamp(rawValue: now.rawValue + 500)
    #expect((commit(wanted) ?? .zero) >= wanted)
    // As a range asks whose leader is new.
    let ahead = Timestamp(physicalMilliseconds: world.wall + 1_000)
    #expect((commit(ahead) ?? .zero) >= ahead)
    let beyond = Timestamp(physicalMilliseconds: world.wall + TimestampOracle.maximumLeadMilliseconds + 1)
    #expect((commit(beyond) ?? .max) < beyond)
  }
}

@Suite struct TimestampOracleTests {
  @Test func staysBelowBoundAndCeiling() {
    var oracle = TimestampOracle(startingAbove: Timestamp(rawValue: 1_000))
    #expect(oracle.take(1, ceiling: nil, wallMilliseconds: 0) == nil)
    oracle.applied(bound: Timestamp(rawValue: 1_010))
    #expect(oracle.take(5, ceiling: nil, wallMilliseconds: 0) == Timestamp(rawValue: 1_001))
    #expect(oracle.take(6, ceiling: nil, wallMilliseconds: 0) == nil)
    #expect(oracle.take(2, ceiling: Timestamp(rawValue: 1_008), wallMilliseconds: 0) == Timestamp(rawValue: 1_006))
    #expect(oracle.take(1, ceiling: Timestamp(rawValue: 1_008), wallMilliseconds: 0) == nil)
    #expect(oracle.take(3, ceiling: nil, wallMilliseconds: 99) == Timestamp(rawValue: 1_008))
    #expect(oracle.take(1, ceiling: nil, wallMilliseconds: 99) == nil)
    #expect(oracle.take(0, ceiling: nil, wallMilliseconds: 0) == nil)
    #expect(oracle.take(UInt64.max, ceiling: nil, wallMilliseconds: 0) == nil)
  }

  @Test func goesAheadOfTheClockOnlySoFarAndNeverBeyondItsWindow() {
    let lead = TimestampOracle.maximumLeadMilliseconds
    // A new leader, a window ahead of the clock.
    var oracle = TimestampOracle(startingAbove: Timestamp(physicalMilliseconds: 3_100))
    oracle.skip(to: Timestamp(physicalMilliseconds: 3_200), ceiling: nil, wallMilliseconds: 100)
    #expect(oracle.last == Timestamp(physicalMilliseconds: 3_100), "nothing is reserved")
    oracle.applied(bound: Timestamp(physicalMilliseconds: 9_000))
    oracle.skip(to: Timestamp(physicalMilliseconds: 4_100), ceiling: nil, wallMilliseconds: 100)
    #expect(oracle.last == Timestamp(physicalMilliseconds: 4_100))
    oracle.skip(
      to: Timestamp(physicalMilliseconds: 4_200), ceiling: Timestamp(physicalMilliseconds: 4_150), wallMilliseconds: 100
    )
    oracle.skip(to: Timestamp(physicalMilliseconds: 101 + lead), ceiling: nil, wallMilliseconds: 100)
    oracle.skip(to: Timestamp(physicalMilliseconds: 4_000), ceiling: nil, wallMilliseconds: 100)
    #expect(oracle.last == Timestamp(physicalMilliseconds: 4_100))
    oracle.skip(to: Timestamp(physicalMilliseconds: 100 + lead), ceiling: nil, wallMilliseconds: 100)
    #expect(oracle.last == Timestamp(physicalMilliseconds: 100 + lead))
    oracle.skip(to: Timestamp(physicalMilliseconds: 8_999), ceiling: nil, wallMilliseconds: .max)
    #expect(oracle.last == Timestamp(physicalMilliseconds: 8_999))
  }

  @Test func entriesUnderWayKeepTheirDistance() {
    let oracle = TimestampOracle(startingAbove: Timestamp(physicalMilliseconds: 100))
    let first = oracle.entryTimestamp(after: nil, wallMilliseconds: 100)
    let second = oracle.entryTimestamp(after: first, wallMilliseconds: 100)
    #expect(first.physicalMilliseconds == 104)
    #expect(second.rawValue == first.rawValue + TimestampOracle.entrySpacing)
  }
}
