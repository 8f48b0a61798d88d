import Basics
import Catalog
import Convergence
import SQLValues
import SchemaChange
import Testing

@testable import Metadata

@Suite struct JobTests {
  /// Three storage nodes, two gateways, one table `t`.
  private func world() -> LeaderWorld {
    var world = LeaderWorld()
    world.register(1, .gateway)
    world.register(2, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    world.register(21, .ack)
    let request = world.start(createTable("t"))
    world.applyAll()
    #expect(world.result(request)?.commandTag == "CREATE TABLE")
    world.acknowledgeAll()
    return world
  }

  private func index(_ world: LeaderWorld) -> ElementState? {
    world.state.catalog.table(named: "t")?.indexes.dropFirst().first?.state
  }

  private func report(_ world: inout LeaderWorld, _ job: JobID, _ report: WorkReport) {
    world.work[job] = nil
    world.perform(world.leader.report(job, report, now: world.now, wallMilliseconds: world.wall))
  }

  private func advanceToWork(_ world: inout LeaderWorld) {
    world.applyAll()
    for _ in 0..<20 where world.work.isEmpty {
      world.acknowledgeAll()
      world.applyAll()
    }
    #expect(!world.work.isEmpty)
  }

  /// A table whose creation is still under way may be lost, and no gateway has it yet.
  @Test func whatIsFoundInAChangeUnderWayIsToldWhenThatIsDecided() throws {
    var world = world()
    let first = world.start(createTable("u", ifNotExists: true))
    let second = world.start(createTable("u", ifNotExists: true))
    let third = world.start(createTable("u"))
    let gone = world.start(createTable("u", ifNotExists: true))
    world.leader.forget(gone)
    #expect(world.answers[second] == nil && world.answers[third] == nil)
    world.applyAll()
    let index = world.state.catalog.schemaIndex
    #expect(world.result(first)?.schemaIndex == index)
    #expect(world.result(second)?.schemaIndex == index)
    #expect(world.result(second)?.notices == ["relation \"u\" already exists, skipping"])
    #expect(world.result(third)?.error?.state == .duplicateTable)
    #expect(world.result(third)?.schemaIndex == index)
    #expect(world.answers[gone] == nil)

    let lost = world.start(createTable("v"))
    let behind = world.start(createTable("v", ifNotExists: true))
    let dropped = try #require(world.log.last)
    world.log.removeLast()
    world.perform(world.leader.proposalFailed(dropped.id))
    #expect(world.answers[lost] == [.tryAgain("the proposal was dropped")])
    guard case .tryAgain? = world.answers[behind]?.last else {
      Issue.record("\(String(describing: world.answers[behind]))")
      return
    }
  }

  @Test func aLimitIsKeptAndTakenOverAtTheCheckpoint() throws {
    var world = world()
    _ = world.start(createIndex("i", on: "t"))
    advanceToWork(&world)
    let job = world.state.unfinishedJobRecords[0].id
    #expect(world.work[job]?.maximumRowsPerSecond == nil)
    world.advance(milliseconds: 1_000)
    world.perform(
      world.leader.report(
        job, .progressed(checkpoint: [7], rowsDone: 500, rowsTotal: 2_000), now: world.now,
        wallMilliseconds: world.wall))
    world.applyAll()
    #expect(world.leader.progress(job, now: world.now)?.rowsPerSecond == 500)
    #expect(world.leader.progress(job, now: world.now)?.remainingMilliseconds == 3_000)
    let steps = world.state.jobs[job]?.history.count

    #expect(control(&world, job, .limit(rowsPerSecond: 100)) == nil)
    let order = try #require(world.work[job])
    #expect((order.maximumRowsPerSecond, order.checkpoint, order.rowsDone) == (100, [7], 500))
    #expect(world.state.jobs[job]?.history.count == steps, "the same step, taken up again")
    // The next leader knows it.
    world.changeLeader()
    world.advance(milliseconds: 10)
    #expect(world.state.jobs[job]?.maximumRowsPerSecond == 100)
    #expect(try JobRecord(decoding: try #require(world.state.jobs[job]).encoded()) == world.state.jobs[job])
    #expect(world.work[job]?.maximumRowsPerSecond == 100)
    #expect(control(&world, job, .pause) == nil)
    #expect(control(&world, job, .limit(rowsPerSecond: 0)) == nil)
    #expect(world.work[job] == nil && world.state.jobs[job]?.state == .paused)
    #expect(control(&world, job, .resume) == nil)
    #expect(world.work[job]?.maximumRowsPerSecond == 0)
    world.finish()
    #expect(control(&world, job, .limit(rowsPerSecond: 5))?.state == .objectNotInPrerequisiteState)
    #expect(world.state.jobs[job]?.backfillMilliseconds ?? 0 >= 1_000)
  }

  @Test func waitsAndAgreementNameWhoLagsBehind() throws {
    var world = world()
    _ = world.start(createIndex("i", on: "t"))
    world.applyAll()
    let job = world.state.unfinishedJobRecords[0].id
    for node in [1, 11, 12] as [UInt64] { world.acknowledge(node) }
    world.acknowledge(2, held: [HeldTable(table: TableID(1), oldestIndex: SchemaIndex(1))])
    world.advance(milliseconds: 500)
    let wait = try #require(world.leader.waits(of: job).first)
    #expect(wait.barrier == Barrier(table: TableID(1), index: world.state.catalog.schemaIndex))
    #expect(wait.waitedMilliseconds == 500 && wait.boundMilliseconds == 2_000)
    #expect(
      wait.laggards == [
        Laggard(node: NodeID(2), reason: .holds(TableID(1), SchemaIndex(1))),
        Laggard(node: NodeID(13), reason: .notApplied(SchemaIndex(1))),
      ])
    let agreement = Dictionary(uniqueKeysWithValues: world.leader.agreement().map { ($0.node, $0) })
    #expect(agreement[NodeID(1)]?.lagMilliseconds == 0 && agreement[NodeID(1)]?.isLive == true)
    #expect(agreement[NodeID(2)]?.oldestHeld == HeldTable(table: TableID(1), oldestIndex: SchemaIndex(1)))
    #expect(agreement[NodeID(13)]?.appliedIndex == SchemaIndex(1))
    // Since the entry's effective timestamp, a little after it was proposed.
    #expect((400...500).contains(agreement[NodeID(13)]?.lagMilliseconds ?? 0))
    // The bound passes: who still lags is fenced.
    world.renewAll()
    world.advance(milliseconds: 1_600)
    world.applyAll()
    #expect(world.leader.agreement().first { $0.node == NodeID(13) }?.fence != nil)
    #expect(world.leader.agreement().first { $0.node == NodeID(1) }?.fence == nil)
  }

  @Test func instantStatementIsOneCommand() {
    var world = world()
    let request = world.start(addColumn("b", to: "t"))
    #expect(world.log.count == 1)
    #expect(world.result(request) == nil)
    world.applyNext()
    #expect(world.result(request)?.schemaIndex == world.state.catalog.schemaIndex)
    #expect(world.result(request)?.job?.state == .succeeded)
    #expect(world.leader.coordinator.unfinished.isEmpty)
  }

  @Test func instantStatementsFollowEachOtherWithoutWaitingForTheLog() {
    var world = world()
    var requests = (0..<5).map { world.start(createTable("u\($0)")) }
    // Behind each other on one table, all the same without waiting.
    requests += (0..<5).map { world.start(addColumn("b\($0)", to: "t")) }
    #expect(world.log.count == 10)
    world.applyAll()
    for request in requests { #expect(world.result(request)?.error == nil && world.result(request) != nil) }
    #expect(world.state.catalog.table(named: "t")?.publicColumns.count == 7)
    #expect(Set(world.state.catalog.tables.map(\.id)).count == 6)
  }

  @Test func indexBuildWaitsForEveryone() {
    var world = world()
    let request = world.start(createIndex("i", on: "t"))
    world.applyAll()
    #expect(index(world) == .deleteOnly)
    for node in [1, 2, 11, 12] as [UInt64] {
      world.acknowledge(node)
      #expect(world.log.isEmpty)
    }
    world.acknowledge(13)
    world.applyAll()
    #expect(index(world) == .writeOnly)
    // A transaction on another table holds nothing back; one on this table does.
    for node in [1, 11, 12, 13] as [UInt64] { world.acknowledge(node) }
    world.acknowledge(2, held: [HeldTable(table: TableID(1), oldestIndex: SchemaIndex(1))])
    #expect(world.log.isEmpty)
    let job = world.state.unfinishedJobRecords[0]
    #expect(world.leader.waitReason(job) == "waiting for n2: node 2 uses table 1 at schema index 1")
    world.acknowledge(2, held: [HeldTable(table: TableID(99), oldestIndex: SchemaIndex(1))])
    world.applyAll()
    #expect(index(world) == .backfilling)
    // At the backfill every writer that still commits maintains entries.
    let table = world.state.catalog.table(named: "t")
    #expect(table?.commitFloor == table?.version.previous)

    let order = world.work[job.id]
    #expect(order?.work == .backfill(TableID(1), IndexID(2)))
    #expect(order?.readTimestamp == world.state.catalog.timestamp)
    report(&world, job.id, .finished(rowsDone: 10))
    #expect(world.work[job.id]?.work == .validateIndex(TableID(1), IndexID(2)))
    #expect((world.work[job.id]?.readTimestamp ?? .zero) > world.state.catalog.timestamp)
    // Nothing of it is stored yet, but whoever asks is told.
    if let stored = world.state.jobs[job.id] {
      let shown = world.leader.newest(stored)
      #expect(stored.history.last?.name == "index i: writeOnly -> backfilling")
      #expect(shown.history.last?.name == "validate index 2" && shown.history.last?.finishedMilliseconds == 0)
      #expect(world.leader.waitReason(shown) == "validate index 2")
      #expect(shown.rowsDone == 10)
    }
    report(&world, job.id, .finished(rowsDone: 10))
    world.applyAll()
    #expect(index(world) == .public)
    #expect(world.result(request)?.commandTag == "CREATE INDEX")
    #expect(world.result(request)?.job?.rowsDone == 10)
    #expect(world.openBarriers.isEmpty)
  }

  /// Once a step has waited as long as it may: what it does about a transaction on an older version.
  @Test(arguments: OnBlock.allCases)
  func aStepThatWaitedLongEnough(onBlock: OnBlock) throws {
    var world = world()
    let request = world.start(createIndex("i", on: "t"), operation: "op", onBlock: onBlock)
    world.applyAll()
    let held = [HeldTable(table: TableID(1), oldestIndex: SchemaIndex(1))]
    func acknowledge() {
      for node in [1, 11, 12, 13] as [UInt64] { world.acknowledge(node) }
      world.acknowledge(2, held: held)
    }
    acknowledge()
    #expect(index(world) == .deleteOnly)
    // What was asked for is stored: another leader keeps to it.
    world.changeLeader()
    acknowledge()
    for _ in 0..<4 {
      world.advance(milliseconds: 700)
      world.renewAll()
    }
    acknowledge()
    world.applyAll()
    switch onBlock {
    case .abort: #expect(index(world) == .writeOnly)
    case .wait:
      #expect(index(world) == .deleteOnly)
      world.acknowledge(2)
      world.applyAll()
      #expect(index(world) == .writeOnly)
    case .cancel:
      let turning = try #require(world.state.unfinishedJobRecords.first)
      #expect(turning.state == .reverting && turning.error?.state == .lockNotAvailable)
      // Asked again it is answered at once; whoever was in the way is not, and commits.
      let again = world.start(createIndex("i", on: "t"), operation: "op")
      #expect(world.result(again)?.error?.state == .lockNotAvailable)
      #expect(index(world) == .deleteOnly && !world.leader.waitReason(turning).isEmpty)
      world.acknowledge(2)
      // The way back waits for nobody.
      for _ in 0..<8 {
        acknowledge()
        world.advance(milliseconds: 700)
        world.renewAll()
        world.applyAll()
      }
      #expect(index(world) == nil)
      let job = try #require(world.state.jobs.values.first { $0.statementText == "statement" && $0.error != nil })
      #expect(job.state == .failed && job.error?.state == .lockNotAvailable)
      #expect(job.error?.detail == "waiting for n2: node 2 uses table 1 at schema index 1")
      let stored = try JobRecord(decoding: job.encoded())
      #expect(stored.onBlock == .cancel)
    }
    #expect(world.result(request) == nil, "its leader is gone")
  }

  /// The leader is lost after every single command, with and without the next command having made it.
  @Test(arguments: [0, 1])
  func aNewLeaderGoesOnFromEveryStep(kept: Int) {
    for step in 0..<12 {
      var world = world()
      var request = world.start(createIndex("i", on: "t"), operation: "op")
      for _ in 0..<step {
        world.applyNext()
        world.acknowledgeAll()
        if world.log.isEmpty, let job = world.work.keys.first { report(&world, job, .finished(rowsDone: 1)) }
      }
      world.changeLeader(keeping: kept)
      world.applyAll()
      // The client asks again with its operation id.
      request = world.start(createIndex("i", on: "t"), operation: "op")
      world.finish()
      #expect(world.result(request)?.error == nil, "step \(step)")
      #expect(world.result(request)?.commandTag == "CREATE INDEX", "step \(step)")
      #expect(index(world) == .public, "step \(step)")
      #expect(world.state.catalog.table(named: "t")?.indexes.count == 2, "step \(step)")
      #expect(world.state.jobs.count == 2, "step \(step)")
    }
  }

  @Test func knownOperationIsAnsweredNotRepeated() {
    var world = world()
    let first = world.start(createTable("u"), operation: "x")
    let second = world.start(createTable("u"), operation: "x")
    world.applyAll()
    let third = world.start(createTable("u"), operation: "x")
    world.changeLeader()
    world.applyAll()
    let fourth = world.start(createTable("u"), operation: "x")
    for request in [first, second, third, fourth] {
      #expect(world.result(request)?.error == nil)
      #expect(world.result(request)?.commandTag == "CREATE TABLE")
      #expect(world.result(request)?.job?.id == JobID(2))
    }
    #expect(world.state.catalog.tables.filter { $0.name == "u" }.count == 1)
  }

  @Test func violationTurnsTheJobRoundAndNothingIsLeft() {
    var world = world()
    let before = world.state.catalog.table(named: "t")
    let request = world.start(createIndex("i", on: "t", isUnique: true))
    advanceToWork(&world)
    let job = world.state.unfinishedJobRecords[0].id
    let error = SQLError(.uniqueViolation, "could not create unique index \"i\"", detail: "Key (a)=(1) is duplicated.")
    report(&world, job, .failed(error))
    world.finish()
    #expect(world.result(request)?.error == error)
    #expect(world.result(request)?.job?.state == .failed)
    #expect(world.state.catalog.table(named: "t")?.indexes == before?.indexes)
    #expect(world.state.retiredRanges.count == 1)
    // After the retention time the range leaves the catalog.
    let ranges = world.state.catalog.rangeCount
    world.advance(milliseconds: world.leader.options.rangeRetentionMilliseconds)
    world.applyAll()
    world.advance(milliseconds: 100)
    world.applyAll()
    #expect(world.state.catalog.rangeCount == ranges - 1)
    #expect(world.state.retiredRanges.isEmpty)
  }

  @Test func jobsOnOneTableQueueAndOthersDoNotWait() {
    var world = world()
    let other = world.start(createTable("u"))
    world.applyAll()
    #expect(world.result(other) != nil)
    let build = world.start(createIndex("i", on: "t"))
    let behind = world.start(addColumn("b", to: "t"))
    let wrong = world.start(addColumn("b", to: "t"))
    let elsewhere = world.start(addColumn("b", to: "u"))
    world.applyAll()
    #expect(world.result(elsewhere) != nil)
    #expect(world.result(build) == nil && world.result(behind) == nil)
    let queued = world.state.unfinishedJobRecords.first { $0.state == .queued }
    #expect(queued.map { world.leader.waitReason($0) } == "queued behind job 3")
    world.finish()
    #expect(world.result(behind)?.error == nil)
    #expect(world.result(behind)?.commandTag == "ALTER TABLE")
    // Planned in its turn, against what the one before it left.
    #expect(world.result(wrong)?.error?.state == .duplicateColumn)
    #expect(world.state.catalog.table(named: "t")?.publicColumns.map(\.name) == ["id", "a", "b"])
  }

  private func control(_ world: inout LeaderWorld, _ job: JobID, _ action: JobControlAction) -> SQLError? {
    let request = world.takeRequest()
    world.perform(world.leader.control(request, job, action, now: world.now, wallMilliseconds: world.wall))
    world.applyAll()
    if case .control(_, let error)? = world.answers[request]?.last { return error }
    return SQLError(.internalError, "no answer")
  }

  @Test func pauseResumeCancel() {
    var world = world()
    let request = world.start(createIndex("i", on: "t"))
    advanceToWork(&world)
    let job = world.state.unfinishedJobRecords[0].id
    world.perform(
      world.leader.report(
        job, .progressed(checkpoint: [7], rowsDone: 60_000, rowsTotal: 100_000), now: world.now,
        wallMilliseconds: world.wall))
    world.applyAll()
    #expect(control(&world, job, .pause) == nil)
    #expect(world.work.isEmpty)
    #expect(control(&world, job, .pause)?.state == .objectNotInPrerequisiteState)
    world.changeLeader()
    world.applyAll()
    #expect(world.work.isEmpty)
    #expect(control(&world, job, .resume) == nil)
    // Goes on where it was, on the new leader.
    #expect(world.work[job]?.checkpoint == [7])
    #expect(world.work[job]?.rowsDone == 60_000)
    #expect(control(&world, job, .cancel) == nil)
    #expect(world.work.isEmpty)
    world.finish()
    #expect(world.state.jobs[job]?.state == .canceled)
    #expect(world.state.catalog.table(named: "t")?.indexes.count == 1)
    #expect(control(&world, job, .cancel)?.state == .objectNotInPrerequisiteState)
    #expect(control(&world, JobID(99), .cancel)?.state == .undefinedObject)
    _ = request
  }

  @Test func slowNodeIsFencedAndDeadNodeStopsCounting() {
    var world = world()
    _ = world.start(createIndex("i", on: "t"))
    world.applyAll()
    for node in [1, 11, 12, 13] as [UInt64] { world.acknowledge(node) }
    // Gateway 2 renews its lease and acknowledges nothing: after the bound the step goes on without it.
    world.advance(milliseconds: 1_000)
    world.renewAll()
    world.advance(milliseconds: 900)
    world.applyAll()
    #expect(index(world) == .deleteOnly)
    world.advance(milliseconds: 200)
    world.applyAll()
    #expect(index(world) == .writeOnly)
    let fenced = world.timestamps(node: 2, appliedIndex: SchemaIndex(1))
    world.confirm()
    #expect(world.answers[fenced] == [.timestamps(.fenced(until: SchemaIndex(2)))])
    let caughtUp = world.timestamps(node: 2, appliedIndex: SchemaIndex(2))
    world.confirm()
    #expect(world.granted(caughtUp) != nil)

    // Now it dies: when its lease has run out nobody waits for it.
    for node in [1, 11, 12, 13] as [UInt64] { world.acknowledge(node) }
    world.epochs[NodeID(2)] = nil
    for _ in 0..<12 {
      world.advance(milliseconds: 500)
      world.renewAll()
      world.applyAll()
    }
    #expect(world.state.nodes[NodeID(2)]?.isLive == false)
    #expect(index(world) == .backfilling)
  }

  @Test func nobodyWaitsForANodeThatHasLeft() throws {
    var world = world()
    _ = world.start(createIndex("i", on: "t"))
    world.applyAll()
    for node in [1, 11, 12, 13] as [UInt64] { world.acknowledge(node) }
    world.applyAll()
    #expect(index(world) == .deleteOnly)
    // An end of another session than the present one is none.
    let epoch = try #require(world.epochs[NodeID(2)])
    world.deregister(2, SessionEpoch(epoch.rawValue &+ 1))
    world.applyAll()
    #expect(index(world) == .deleteOnly)
    world.deregister(2, epoch)
    world.applyAll()
    #expect(index(world) == .writeOnly)
    #expect(world.state.nodes[NodeID(2)]?.isLive == false)
    let refused = world.timestamps(node: 2)
    world.confirm()
    #expect(world.answers[refused] == [.timestamps(.sessionUnknown)])
    // The next leader does not wait for it either.
    world.changeLeader()
    for node in [1, 11, 12, 13] as [UInt64] { world.acknowledge(node) }
    world.applyAll()
    #expect(index(world) == .backfilling)
  }

  @Test func rangesArePlacedOnNodesThatAreAwayAsLongAsAMajorityIsThere() {
    var world = world()
    func lose(_ node: UInt64) {
      world.epochs[NodeID(node)] = nil
      for _ in 0..<12 {
        world.advance(milliseconds: 500)
        world.renewAll()
        world.applyAll()
      }
    }
    lose(12)
    let first = world.start(createTable("u"))
    world.applyAll()
    #expect(world.result(first)?.error == nil)
    #expect(world.state.catalog.ranges.allSatisfy { Set($0.replicas) == [NodeID(11), NodeID(12), NodeID(13)] })
    lose(13)
    let second = world.start(createTable("v"))
    world.applyAll()
    #expect(world.result(second)?.error?.state == .cannotConnectNow)
  }

  @Test func aDroppedProposalStartsOverWithoutHarm() {
    var world = world()
    let first = world.start(createTable("u"))
    let second = world.start(createTable("v"))
    let lost = world.log.removeFirst()
    world.perform(world.leader.proposalFailed(lost.id))
    // The second was planned after the first: its entry does not fit any more and is refused.
    world.applyAll()
    for request in [first, second] {
      guard case .tryAgain? = world.answers[request]?.last else {
        Issue.record("\(String(describing: world.answers[request]))")
        continue
      }
    }
    let again = world.start(createTable("v"))
    world.applyAll()
    #expect(world.result(again)?.error == nil)
    #expect(world.state.catalog.tables.map(\.name) == ["t", "v"])
  }

  @Test func replicasThatFollowHaveTheSameState() throws {
    var world = world()
    _ = world.start(createIndex("i", on: "t"), operation: "a")
    _ = world.start(addColumn("b", to: "t"), operation: "b")
    world.finish()
    var follower = MetadataState()
    for command in world.history {
      let copy = try MetadataCommand(decoding: command.encoded())
      #expect(copy == command)
      try? follower.apply(copy)
    }
    #expect(follower.encoded() == world.state.encoded())
    #expect(try MetadataState(decoding: follower.encoded()).encoded() == follower.encoded())
    #expect(follower.entries(after: SchemaIndex(1))?.count == 5)
  }
}
