import Basics
import EventLoop
import Raft
import RocksEngine
import Testing

@testable import Replication

@Suite(.timeLimit(.minutes(1)), .serialized) @EventLoopActor struct HostTests {
  let group = RangeID(1)

  @Test func replicatesToAll() async throws {
    let cluster = try TestCluster()
    for number in 0..<20 {
      let outcome = try await cluster.propose("command \(number)")
      #expect(outcome.result as? Int == number)
    }
    await cluster.everywhere(20)
    #expect(
      cluster.members.map { $0.machines[group]?.rows }
        == Array(repeating: cluster.members[0].machines[group]?.rows, count: 3))
    await cluster.stop()
  }

  @Test func preferredReplicaLeadsSoon() async throws {
    let cluster = try TestCluster {
      $0.raft.electionTimeoutMinimumMilliseconds = 20_000
      $0.raft.electionTimeoutMaximumMilliseconds = 30_000
    }
    let leader = await cluster.leader()
    #expect(leader.node == NodeID(1))
    await cluster.stop()
  }

  @Test func followersNameTheLeader() async throws {
    let cluster = try TestCluster()
    try await cluster.propose("one")
    let leader = await cluster.leader()
    for follower in await cluster.followers() {
      await #expect(throws: ReplicationError.notLeader(hint: leader.node)) {
        try await follower.host?.propose(group, [1])
      }
      await #expect(throws: ReplicationError.notLeader(hint: leader.node)) {
        try await follower.host?.readBarrier(group)
      }
    }
    await #expect(throws: ReplicationError.unknownGroup) { try await leader.host?.propose(RangeID(77), [1]) }
    await #expect(throws: ReplicationError.tooLarge) {
      try await leader.host?.propose(group, [UInt8](repeating: 0, count: 9 << 20))
    }
    await cluster.stop()
  }

  @Test func manyProposalsShareSyncs() async throws {
    let cluster = try TestCluster(groups: 5)
    for group in cluster.groups { try await cluster.propose("first", group) }
    let host = await cluster.leader().host
    let syncsBefore = host?.metrics.syncs ?? 0
    var answered = 0
    for number in 0..<1000 {
      let group = cluster.groups[number % 5]
      let leader = await cluster.leader(of: group)
      leader.host?.propose(group, Array("n \(number)".utf8)) { result in
        if case .success = result { answered += 1 }
      }
    }
    await cluster.until("all answers") { answered == 1000 }
    for group in cluster.groups { await cluster.everywhere(201, group) }
    #expect((host?.metrics.syncs ?? 0) - syncsBefore < 300)
    await cluster.stop()
  }

  @Test func readBarrierSeesWhatWasCommitted() async throws {
    let cluster = try TestCluster()
    for number in 0..<10 {
      try await cluster.propose("\(number)")
      let leader = await cluster.leader()
      try await leader.host?.readBarrier(group)
      #expect(leader.machines[group]?.count == number + 1)
    }
    await cluster.stop()
  }

  @Test func cutOffLeaderAnswersNoBarrierAndAnotherTakesOver() async throws {
    let cluster = try TestCluster()
    try await cluster.propose("before")
    let old = await cluster.leader()
    for other in cluster.nodes where other != old.node { cluster.network.cut(old.node, other) }
    var barrier: ReplicationError??
    old.host?.readBarrier(group) { barrier = .some($0) }
    var doomed: Result<ProposalOutcome, ReplicationError>?
    old.host?.propose(group, Array("doomed".utf8)) { doomed = $0 }
    await cluster.until("a new leader") {
      cluster.members.contains { $0.node != old.node && $0.host?.leadership(of: group)?.isReady == true }
    }
    await cluster.until("the old leader notices") { barrier != nil }
    #expect(barrier == .some(.notLeader(hint: nil)))
    let new = cluster.members.first { $0.node != old.node && $0.host?.leadership(of: group)?.isReady == true }
    _ = try await new?.host?.propose(group, Array("after".utf8))
    for other in cluster.nodes where other != old.node { cluster.network.heal(old.node, other) }
    await cluster.everywhere(2)
    await cluster.until("the proposal's fate") { doomed != nil }
    #expect(throws: ReplicationError.proposalDropped) { try doomed?.get() }
    #expect(old.machines[group]?.losses == 1)
    await cluster.stop()
  }

  @Test func killedLeaderIsReplacedAndComesBack() async throws {
    let cluster = try TestCluster()
    for number in 0..<50 { try await cluster.propose("\(number)") }
    let old = await cluster.leader()
    await cluster.kill(old)
    for number in 50..<80 { try await cluster.propose("\(number)") }
    try cluster.start(old)
    await cluster.everywhere(80)
    #expect(old.machines[group]?.rows == (0..<80).map { Array("\($0)".utf8) })
    await cluster.stop()
  }

  @Test func everythingIsThereAfterAllWereKilled() async throws {
    let cluster = try TestCluster(groups: 3)
    for number in 0..<30 { for group in cluster.groups { try await cluster.propose("\(number)", group) } }
    for member in cluster.members { await cluster.kill(member) }
    for member in cluster.members { try cluster.start(member) }
    for group in cluster.groups {
      let outcome = try await cluster.propose("last", group)
      #expect(outcome.result as? Int == 30)
      await cluster.everywhere(31, group)
    }
    await cluster.stop()
  }

  @Test func wipedFollowerGetsASnapshot() async throws {
    let cluster = try TestCluster {
      $0.maximumLogEntries = 20
      $0.retainedLogEntries = 5
    }
    for number in 0..<30 { try await cluster.propose("\(number)") }
    let wiped = await cluster.followers()[0]
    await cluster.kill(wiped)
    wiped.directory = TemporaryDirectory()
    for number in 30..<200 { try await cluster.propose("\(number)") }
    try cluster.start(wiped)
    await cluster.everywhere(200)
    #expect(wiped.machines[group]?.restores == 1)
    #expect(wiped.machines[group]?.rows == (0..<200).map { Array("\($0)".utf8) })
    try await cluster.propose("after")
    await cluster.everywhere(201)
    // The restored state survives a restart.
    await cluster.kill(wiped)
    try cluster.start(wiped)
    #expect(wiped.machines[group]?.count == 201)
    try await cluster.propose("again")
    await cluster.everywhere(202)
    await cluster.stop()
  }

  @Test func silentGroupsWakeUp() async throws {
    let cluster = try TestCluster(groups: 4) { $0.raft.quiesceAfterMilliseconds = 50 }
    for group in cluster.groups { try await cluster.propose("one", group) }
    func isSilent() -> Bool {
      cluster.members.allSatisfy { member in member.host?.metrics.ticking == 0 }
    }
    await cluster.until("silence") { isSilent() }
    let messages = cluster.network.deliveredCount
    try await EventLoop.sleep(for: .milliseconds(400))
    #expect(cluster.network.deliveredCount == messages)
    for group in cluster.groups {
      try await cluster.propose("two", group)
      await cluster.everywhere(2, group)
    }
    await cluster.until("silence again") { isSilent() }
    // The death of a silent leader is noticed.
    let leader = await cluster.leader()
    await cluster.kill(leader)
    try await cluster.propose("three")
    await cluster.until("silence without it") {
      isSilent() || cluster.members.allSatisfy { $0.host == nil || $0.host?.metrics.ticking == 0 }
    }
    try cluster.start(leader)
    await cluster.everywhere(3)
    await cluster.stop()
  }

  @Test func leadershipMovesAndMembersChange() async throws {
    let cluster = try TestCluster()
    try await cluster.propose("one")
    let first = await cluster.leader()
    let target = await cluster.followers()[1]
    try first.host?.transferLeadership(group, to: target.node)
    await cluster.until("the transfer") { target.host?.leadership(of: group)?.isReady == true }
    #expect(first.machines[group]?.losses == 1)
    try await target.host?.changeMembership(group, .remove(first.node))
    #expect(target.host?.status(of: group)?.membership.contains(first.node) == false)
    try await cluster.propose("two")
    try await target.host?.changeMembership(group, .addVoter(first.node))
    await cluster.everywhere(2)
    await cluster.stop()
  }

  @Test func gracefulShutdownHandsOver() async throws {
    let cluster = try TestCluster {
      $0.raft.electionTimeoutMinimumMilliseconds = 20_000
      $0.raft.electionTimeoutMaximumMilliseconds = 30_000
    }
    try await cluster.propose("one")
    let first = await cluster.leader()
    await first.host?.shutdown()
    await #expect(throws: ReplicationError.shuttingDown) { try await first.host?.propose(group, [1]) }
    let next = await cluster.leader()
    #expect(next.node != first.node)
    await cluster.stop()
  }

  @Test func removedGroupLeavesNothing() async throws {
    let cluster = try TestCluster(groups: 2)
    for group in cluster.groups { try await cluster.propose("one", group) }
    for member in cluster.members { try member.host?.removeGroup(group) }
    for member in cluster.members { await cluster.kill(member) }
    for member in cluster.members {
      let database = try RocksDatabase.open(
        member.directory.path, columnFamilies: [ColumnFamilyOptions("raft"), ColumnFamilyOptions("data")])
      let found = try GroupStorage.load(database, database.columnFamily("raft"))
      #expect(found.map(\.0) == [RangeID(2)])
    }
  }
}
