import Basics
import Catalog
import SchemaChange
import Testing

@testable import Metadata

@Suite struct SafePointTests {
  /// Two gateways (1, 2) and three storage nodes (11, 12, 13); retention 80 s, so steps of 10 s.
  private func world() -> LeaderWorld {
    var world = LeaderWorld()
    world.leader = leader(of: world)
    world.perform(world.leader.begin(newClusterID: "c"))
    world.applyAll()
    for node in [1, 2] { world.register(UInt64(node), .gateway) }
    for node in [11, 12, 13] { world.register(UInt64(node), .storage) }
    return world
  }

  private func leader(of world: LeaderWorld) -> MetadataLeader {
    var options = MetadataLeader.Options()
    options.garbageRetentionMilliseconds = 80_000
    options.maximumTransactionHoldMilliseconds = 600_000
    options.leaseMilliseconds = 3_600_000
    return MetadataLeader(state: world.state, options: options, now: world.now, wallMilliseconds: world.wall)
  }

  private func renew(
    _ world: inout LeaderWorld, _ node: UInt64, oldest: Timestamp? = nil, resolved: Timestamp = .zero
  ) throws {
    let epoch = try #require(world.epochs[NodeID(node)])
    let report = SafePointReport(oldestStart: oldest, resolved: resolved)
    let isLive = world.leader.renew(NodeID(node), epoch, report: report, now: world.now)
    #expect(isLive)
  }

  private func wait(_ world: inout LeaderWorld, seconds: Int) {
    for _ in 0..<seconds {
      world.advance(milliseconds: 1_000)
      world.applyAll()
      _ = targets(&world)
    }
  }

  private func targets(_ world: inout LeaderWorld) -> SafePointTargets {
    world.leader.advanceSafePoints(now: world.now, wallMilliseconds: world.wall)
  }

  @Test func theSafePointFollowsThePresentInSteps() throws {
    var world = world()
    #expect(targets(&world).versions == .zero, "not before every gateway has told")
    try renew(&world, 1)
    #expect(targets(&world).versions == .zero)
    try renew(&world, 2)
    #expect(targets(&world).versions == .zero, "not before the leader knows what was issued so long ago")
    wait(&world, seconds: 79)
    #expect(targets(&world).versions == .zero)
    wait(&world, seconds: 1)
    let first = targets(&world).versions.physicalMilliseconds
    #expect(first <= world.wall - 80_000 && first > world.wall - 90_000 && first % 10_000 == 0)
    wait(&world, seconds: 20)
    #expect(targets(&world).versions.physicalMilliseconds == first + 20_000)
  }

  @Test func aWallClockSetForwardMakesNothingOlder() throws {
    var world = world()
    try renew(&world, 1)
    try renew(&world, 2)
    wait(&world, seconds: 100)
    let before = targets(&world).versions
    let began = Timestamp(physicalMilliseconds: world.wall)
    world.wall += 400_000
    wait(&world, seconds: 79)
    #expect(targets(&world).versions > before)
    #expect(targets(&world).versions <= began)
    // And back: timestamps go on from where they are, the safe point does not wait for the clock to come there.
    world.wall -= 400_000
    wait(&world, seconds: 100)
    #expect(targets(&world).versions > began)
    #expect(targets(&world).versions <= Timestamp(physicalMilliseconds: world.wall + 400_000 - 80_000))
  }

  @Test func openTransactionsHoldItBackForAWhile() throws {
    var world = world()
    try renew(&world, 1)
    let began = Timestamp(physicalMilliseconds: world.wall)
    try renew(&world, 2, oldest: began)
    wait(&world, seconds: 200)
    let held = targets(&world).versions
    #expect(held <= began && held.physicalMilliseconds > began.physicalMilliseconds - 10_000)
    wait(&world, seconds: 600)
    #expect(targets(&world).versions > began, "not for longer than the limit")
    // It never goes back.
    let before = targets(&world).versions
    try renew(&world, 1, oldest: Timestamp(physicalMilliseconds: 1_000))
    #expect(targets(&world).versions == before)
  }

  @Test func recordsWaitForEveryStorageNode() throws {
    var world = world()
    try renew(&world, 1)
    try renew(&world, 2)
    wait(&world, seconds: 100)
    let versions = targets(&world).versions
    let low = Timestamp(rawValue: versions.rawValue - 1_000)
    try renew(&world, 11, resolved: versions)
    try renew(&world, 12, resolved: low)
    #expect(targets(&world).records == .zero, "13 has not told")
    try renew(&world, 13, resolved: .max)
    #expect(targets(&world).records == low)
    try renew(&world, 12, resolved: .max)
    try renew(&world, 11, resolved: .max)
    #expect(targets(&world).records == versions, "never above the point of versions")
    // A new leader knows nothing yet.
    world.changeLeader()
    world.leader = leader(of: world)
    world.applyAll()
    #expect(targets(&world) == SafePointTargets())
  }

  @Test func aJobHoldsItsTables() throws {
    var world = world()
    _ = world.start(createTable("t"))
    world.applyAll()
    _ = world.start(createIndex("i", on: "t"))
    world.applyAll()
    for _ in 0..<10 where world.work.isEmpty {
      world.acknowledgeAll()
      world.applyAll()
    }
    let job = try #require(world.state.unfinishedJobRecords.first)
    #expect(job.timestamp != .zero)
    try renew(&world, 1)
    try renew(&world, 2)
    #expect(targets(&world).holds.isEmpty, "the safe point is not there yet")
    wait(&world, seconds: 120)
    let reached = targets(&world)
    #expect(reached.versions > job.timestamp)
    #expect(reached.holds == [SafePointTargets.Hold(table: TableID(1), timestamp: job.timestamp)])
  }

  @Test func aRetentionOfZeroKeepsEverything() throws {
    var world = LeaderWorld()
    var options = MetadataLeader.Options()
    options.garbageRetentionMilliseconds = 0
    world.leader = MetadataLeader(state: world.state, options: options, now: world.now, wallMilliseconds: world.wall)
    world.applyAll()
    #expect(targets(&world) == SafePointTargets())
  }
}
