import Basics
import Catalog
import SchemaChange
import Testing

@testable import Metadata

/// Rows and schema changes of one transaction: the job stops before its visible entry, and that entry decides.
@Suite struct HoldTests {
  private func world() -> LeaderWorld {
    var world = LeaderWorld()
    world.register(1, .gateway)
    world.register(2, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    for name in ["t", "written"] {
      let request = world.start(createTable(name))
      world.applyAll()
      #expect(world.result(request)?.error == nil)
    }
    world.acknowledgeAll()
    return world
  }

  private let start = Timestamp(physicalMilliseconds: 1_700_000_000_000)
  private let key: [UInt8] = [1, 2, 3]

  /// What gateway 1 sends: `statements` with rows whose primary key is in a range that is there (unless `isNew`).
  private func begin(
    _ world: inout LeaderWorld, _ statements: [SchemaStatement], operation: String = "o", isNew: Bool = false
  ) -> RequestID {
    let request = world.takeRequest()
    let versions = world.state.catalog.table(named: "t").map {
      [SchemaTransaction.Version(table: $0.id, version: $0.version)]
    }
    let range = world.state.catalog.table(named: "written")?.primaryIndex.rangeID ?? RangeID(0)
    let hold = JobHold(
      start: start, epoch: world.epochs[NodeID(1)] ?? SessionEpoch(0), primaryKey: isNew ? [] : key,
      primaryRange: isNew ? RangeID(0) : range)
    let call = DDLCall(
      operationID: OperationID(operation), database: "defaultdb",
      statement: SchemaStatement.transaction(
        SchemaTransaction(statements: statements, versions: versions ?? [])
      ).encoded(), statementText: "block", gateway: NodeID(1), hold: hold)
    world.perform(world.leader.execute(request, call, now: world.now, wallMilliseconds: world.wall))
    return request
  }

  /// Until the job asks for the rows; what it tells the gateway.
  private func hold(_ world: inout LeaderWorld, _ request: RequestID) throws -> DDLProgressReport {
    for _ in 0..<20 where world.leader.coordinator.holding.isEmpty {
      world.applyAll()
      world.acknowledgeAll()
      for job in world.work.keys.sorted() {
        world.work[job] = nil
        world.perform(
          world.leader.report(job, .finished(rowsDone: 1), now: world.now, wallMilliseconds: world.wall))
      }
    }
    let reports = (world.answers[request] ?? []).compactMap { answer -> DDLProgressReport? in
      guard case .progress(let report) = answer, report.isHolding else { return nil }
      return report
    }
    return try #require(reports.last)
  }

  private func decide(
    _ world: inout LeaderWorld, _ job: JobID, version: TableVersion? = nil, minimum: Timestamp = .zero
  ) -> RequestID {
    let request = world.takeRequest()
    let table = world.state.catalog.table(named: "written")
    let decision = RowsDecision(
      start: start, pins: table.map { [($0.id, version ?? $0.version)] } ?? [], minimum: minimum, primaryKey: key,
      primaryRange: table?.primaryIndex.rangeID ?? RangeID(0))
    world.perform(world.leader.decide(request, job, decision, now: world.now, wallMilliseconds: world.wall))
    return request
  }

  private func error(_ world: LeaderWorld, _ request: RequestID) -> SQLError? {
    guard case .control(_, let error)? = world.answers[request]?.last else { return nil }
    return error
  }

  @Test func theRowsAreAskedForWhenAllElseIsThereAndTheVisibleEntryDecides() throws {
    var world = world()
    let request = begin(&world, [createTable("new"), createIndex("i", on: "t"), addColumn("c", to: "t")])
    let report = try hold(&world, request)
    let job = try #require(report.job)
    #expect(report.createdTables.map(\.name) == ["new"])
    let created = try #require(report.createdTables.first)
    #expect(world.state.catalog.range(id: created.primaryIndex.rangeID) != nil, "its rows can be written")
    #expect(world.state.catalog.table(named: "new") == nil)
    #expect(world.state.catalog.table(named: "t")?.columns.count == 2)

    // Not below what the ranges accept.
    let farAhead = world.wall + TimestampOracle.maximumLeadMilliseconds + 900
    let early = decide(&world, job.id, minimum: Timestamp(physicalMilliseconds: farAhead))
    guard case .tryAgain? = world.answers[early]?.last else {
      Issue.record("decided below the minimum")
      return
    }
    let decided = decide(&world, job.id, minimum: Timestamp(physicalMilliseconds: world.wall + 1))
    #expect(world.answers[decided] == nil, "not before the entry is applied")
    world.applyAll()
    #expect(error(world, decided) == nil)
    let hold = try #require(world.state.jobs[job.id]?.hold)
    #expect(hold.commit == world.state.log.last?.value.timestamp || hold.commit > .zero)
    #expect(hold.commit >= Timestamp(physicalMilliseconds: world.wall + 1))
    #expect(world.state.catalog.table(named: "new") != nil)
    // Asked again, also of another leader: the same answer.
    world.changeLeader()
    world.acknowledgeAll()
    let again = decide(&world, job.id)
    #expect(world.answers[again]?.last == .control(job.id, nil))
    #expect(world.state.jobs[job.id]?.hold == hold)
    for _ in 0..<10 where world.settlements.isEmpty {
      world.applyAll()
      world.acknowledgeAll()
    }
    let settlement = try #require(world.settlements[job.id])
    #expect((settlement.primaryKey, settlement.start, settlement.commit) == (key, start, hold.commit))
    world.finish()
    #expect(world.state.jobs[job.id]?.state == .succeeded)
    #expect(try JobRecord(decoding: try #require(world.state.jobs[job.id]).encoded()) == world.state.jobs[job.id])
  }

  @Test(arguments: [0, 1, 2]) func withoutTheRowsNothingStays(_ cause: Int) throws {
    var world = world()
    let before = world.state.catalog.table(named: "t")?.columns
    let request = begin(&world, [createTable("new"), createIndex("i", on: "t")])
    let job = try #require(try hold(&world, request).job)
    switch cause {
    case 0: world.deregister(1, try #require(world.epochs[NodeID(1)]))
    case 1:
      // The gateway lives on, but does not come.
      for _ in 0..<70 {
        world.advance(milliseconds: 1_000)
        world.renewAll()
      }
    default:
      // It restarts while another leader takes over.
      world.changeLeader()
      world.register(1, .gateway)
    }
    for _ in 0..<20 where world.settlements.isEmpty {
      world.applyAll()
      world.acknowledgeAll()
    }
    let settlement = try #require(world.settlements[job.id])
    #expect(settlement.commit == .zero && settlement.primaryKey == key)
    let late = decide(&world, job.id)
    #expect(error(world, late)?.state == .serializationFailure, "too late")
    world.finish()
    #expect(world.state.jobs[job.id]?.state == .failed)
    #expect(world.state.catalog.table(named: "t")?.columns == before)
    #expect(world.state.catalog.table(named: "t")?.indexes.count == 1)
    #expect(world.state.catalog.table(named: "new") == nil)
    var retired: [RangeID] = []
    world.state.retiredRanges.forEach { range, _ in
      retired.append(range)
      return true
    }
    #expect(retired.count == 2, "of the table and of the index")
  }

  @Test func aTableWrittenWithAVersionThatIsRefusedKeepsTheChangesAway() throws {
    var world = world()
    let request = begin(&world, [addColumn("c", to: "t")])
    let job = try #require(try hold(&world, request).job)
    // Somebody else's change of the table that the transaction has written.
    let other = world.start(createIndex("j", on: "written"))
    for _ in 0..<20 where world.result(other) == nil {
      world.applyAll()
      world.acknowledgeAll()
      for id in world.work.keys.sorted() {
        world.work[id] = nil
        world.perform(
          world.leader.report(id, .finished(rowsDone: 1), now: world.now, wallMilliseconds: world.wall))
      }
    }
    #expect(world.result(other)?.error == nil)
    let refused = decide(&world, job.id, version: TableVersion(1))
    #expect(error(world, refused)?.state == .serializationFailure)
    #expect(world.state.jobs[job.id]?.hold?.commit == .zero)
    #expect(world.state.catalog.table(named: "t")?.columns.count == 2)
  }

  @Test func aNameThatIsTakenMeanwhileKeepsTheChangesAway() throws {
    var world = world()
    let request = begin(&world, [createTable("new")])
    let job = try #require(try hold(&world, request).job)
    let other = world.start(createTable("new"))
    world.applyAll()
    #expect(world.result(other)?.error == nil)
    let made = world.state.catalog.table(named: "new")
    let refused = decide(&world, job.id)
    #expect(error(world, refused)?.state == .duplicateTable)
    #expect(error(world, refused)?.message == "relation \"new\" already exists")
    #expect(world.state.jobs[job.id]?.hold?.commit == .zero && world.state.catalog.table(named: "new") == made)
  }

  @Test func aNameThatIsTakenMeanwhileTurnsAJobWithoutRowsBack() throws {
    var world = world()
    let version = try #require(world.state.catalog.table(named: "t")).version
    let table = try #require(world.state.catalog.table(named: "t")).id
    let request = world.start(
      .transaction(
        SchemaTransaction(
          statements: [createTable("new"), createIndex("i", on: "t")], versions: [.init(table: table, version: version)]
        )))
    world.applyAll()
    let other = world.start(createTable("new"))
    world.applyAll()
    #expect(world.result(other)?.error == nil)
    for _ in 0..<30 where world.result(request) == nil {
      world.applyAll()
      world.acknowledgeAll()
      for id in world.work.keys.sorted() {
        world.work[id] = nil
        world.perform(world.leader.report(id, .finished(rowsDone: 1), now: world.now, wallMilliseconds: world.wall))
      }
    }
    #expect(world.result(request)?.error?.state == .duplicateTable)
    #expect(world.state.catalog.table(named: "t")?.indexes.count == 1)
  }

  @Test func rowsBesideStatementsThatComeToNothingAreRememberedByAJob() throws {
    var world = world()
    let nothing = SchemaStatement.createTable(
      CreateTable(name: ObjectName(name: "t"), ifNotExists: true, columns: [column("id")], primaryKey: ["id"]))
    let before = world.state.catalog
    let request = begin(&world, [nothing])
    let job = try #require(try hold(&world, request).job)
    let decided = decide(&world, job.id)
    world.applyAll()
    #expect(error(world, decided) == nil)
    world.finish()
    #expect(world.result(request)?.error == nil)
    let record = try #require(world.state.jobs[job.id])
    #expect(record.state == .succeeded && record.hold?.commit ?? .zero > .zero)
    #expect(world.state.catalog.tables == before.tables)
    // Sent again.
    let second = begin(&world, [nothing])
    #expect(world.result(second)?.job?.id == job.id && world.result(second)?.job?.hold?.commit == record.hold?.commit)
  }

  @Test func anotherTransactionCannotDecide() throws {
    var world = world()
    let request = begin(&world, [addColumn("c", to: "t")], isNew: true)
    let job = try #require(try hold(&world, request).job)
    let stranger = world.takeRequest()
    let decision = RowsDecision(
      start: start.next, pins: [], minimum: .zero, primaryKey: key, primaryRange: RangeID(1))
    world.perform(world.leader.decide(stranger, job.id, decision, now: world.now, wallMilliseconds: world.wall))
    #expect(error(world, stranger)?.state == .undefinedObject)
    // Who asks with the operation id again is told what the job waits for.
    let second = begin(&world, [addColumn("c", to: "t")])
    guard case .progress(let report)? = world.answers[second]?.last else {
      Issue.record("no answer")
      return
    }
    #expect(report.isHolding && report.job?.hold?.start == start)
    // A primary key that came with the decision is stored with it.
    _ = decide(&world, job.id)
    world.applyAll()
    #expect(world.state.jobs[job.id]?.hold?.primaryKey == key)
    world.finish()
  }
}
