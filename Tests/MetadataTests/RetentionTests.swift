import Basics
import Catalog
import SQLValues
import SchemaChange
import Testing

@testable import Metadata

/// What was dropped is kept for the retention time, and then goes.
@Suite struct RetentionTests {
  private func world() -> LeaderWorld {
    var world = LeaderWorld()
    world.register(1, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    run(
      &world,
      .createTable(
        CreateTable(
          name: ObjectName(name: "t"), ifNotExists: false,
          columns: ["id", "a", "b"].map { ColumnDefinition(name: $0, type: .int8, isNullable: $0 != "id") },
          primaryKey: ["id"])))
    return world
  }

  private func run(_ world: inout LeaderWorld, _ statement: SchemaStatement) {
    let request = world.start(statement)
    world.finish()
    #expect(world.result(request) != nil && world.result(request)?.error == nil)
  }

  /// The retention time passes, however short the steps.
  private func expire(_ world: inout LeaderWorld) {
    world.advance(milliseconds: world.leader.options.rangeRetentionMilliseconds)
    world.applyAll()
    world.advance(milliseconds: 200)
    world.applyAll()
  }

  private let t = ObjectName(name: "t")
  private func dropColumn(_ name: String) -> SchemaStatement {
    .alterTable(ObjectName(name: "t"), ifExists: false, changes: [.dropColumn(name: name, ifExists: false)])
  }
  private func table(_ world: LeaderWorld) -> TableDescriptor? { world.state.catalog.table(named: "t") }

  @Test func columnsAreKeptAndThenGo() {
    var world = world()
    let floor = table(world)?.commitFloor
    run(&world, dropColumn("a"))
    #expect(table(world)?.columns.map(\.isRetained) == [false, true, false])
    #expect(table(world)?.commitFloor == floor)
    #expect(world.leader.droppedObjects.map(\.object.name) == ["a"])
    expire(&world)
    #expect(table(world)?.columns.map(\.name) == ["id", "b"])
    #expect(world.state.waysBack.isEmpty)
    #expect(world.leader.droppedObjects.isEmpty)
    // Who has still the version in which it was public may not commit any more.
    #expect(table(world)?.commitFloor.next == table(world)?.version)
  }

  @Test func tablesAreKeptAndThenGoWithTheirRanges() {
    var world = world()
    let ranges = world.state.catalog.rangeCount
    run(&world, .dropTables(names: [t], ifExists: false))
    #expect(world.leader.droppedObjects.map(\.object.kind) == [.table])
    #expect(
      world.leader.droppedObjects.map(\.untilMilliseconds)
        == [world.wall + world.leader.options.rangeRetentionMilliseconds])
    expire(&world)
    #expect(world.state.catalog.rangeCount == ranges - 1)
    #expect(world.leader.droppedObjects.isEmpty)
    let request = world.start(.undrop(Undrop(.table, t)))
    world.applyAll()
    #expect(world.result(request)?.error?.state == .undefinedObject)
  }

  @Test func whatIsBroughtBackStays() {
    var world = world()
    let before = table(world)
    run(&world, .dropTables(names: [t], ifExists: false))
    run(&world, .undrop(Undrop(.table, t)))
    run(&world, dropColumn("a"))
    run(&world, .undrop(Undrop(.column, ObjectName(name: "a"), table: t)))
    #expect(world.state.retiredRanges.isEmpty)
    expire(&world)
    #expect(table(world)?.columns == before?.columns)
    #expect(world.state.catalog.range(id: before?.primaryIndex.rangeID ?? RangeID(0)) != nil)
  }

  @Test func aColumnOfADroppedTableGoesOnlyWithItsOwnTime() {
    var world = world()
    run(&world, dropColumn("a"))
    world.advance(milliseconds: world.leader.options.rangeRetentionMilliseconds / 2)
    world.applyAll()
    run(&world, .dropTables(names: [t], ifExists: false))
    world.advance(milliseconds: world.leader.options.rangeRetentionMilliseconds / 2 + 200)
    world.applyAll()
    run(&world, .undrop(Undrop(.table, t)))
    #expect(table(world)?.columns.map(\.name) == ["id", "b"])
  }

  @Test func whatIsDroppedAgainIsKeptFromThen() {
    var world = world()
    let half = world.leader.options.rangeRetentionMilliseconds / 2 + 200
    run(&world, dropColumn("a"))
    run(&world, .undrop(Undrop(.column, ObjectName(name: "a"), table: t)))
    world.advance(milliseconds: half)
    world.applyAll()
    run(&world, dropColumn("a"))
    run(&world, .dropTables(names: [t], ifExists: false))
    run(&world, .undrop(Undrop(.table, t)))
    world.advance(milliseconds: half)
    world.applyAll()
    world.advance(milliseconds: 200)
    world.applyAll()
    #expect(world.state.waysBack.count == 2, "the first drop of the column and its return are past")
    #expect(table(world)?.columns.map(\.isRetained) == [false, true, false])
    run(&world, .undrop(Undrop(.column, ObjectName(name: "a"), table: t)))
    #expect(table(world)?.publicColumns.count == 3)
  }

  @Test func failedJobsHaveNoWayBack() {
    var world = world()
    let request = world.start(
      .createIndex(
        CreateIndex(
          name: "i", ifNotExists: false, table: t, isUnique: true,
          keyColumns: [IndexColumnDefinition(columnName: "a")])))
    for _ in 0..<20 where world.work.isEmpty {
      world.applyAll()
      world.acknowledgeAll()
    }
    #expect(world.state.waysBack.count == 1)
    for job in world.work.keys.sorted() {
      world.work[job] = nil
      world.perform(
        world.leader.report(
          job, .failed(SQLError(.uniqueViolation, "duplicates")), now: world.now, wallMilliseconds: world.wall))
    }
    world.finish()
    #expect(world.result(request)?.error?.state == .uniqueViolation)
    #expect(world.state.waysBack.isEmpty)
  }

  @Test func aNewLeaderKnowsTheWaysBack() throws {
    var world = world()
    run(&world, dropColumn("a"))
    let state = try MetadataState(decoding: world.state.encoded())
    #expect(state.waysBack.values == world.state.waysBack.values)
    world.changeLeader()
    world.register(1, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    #expect(world.leader.droppedObjects.count == 1)
    run(&world, .undrop(Undrop(.column, ObjectName(name: "a"), table: t)))
    #expect(table(world)?.publicColumns.count == 3)
  }

  @Test func stepsAreWrittenAndRead() throws {
    var world = world()
    run(&world, dropColumn("a"))
    run(&world, .dropTables(names: [t], ifExists: false))
    run(&world, .undrop(Undrop(.table, t)))
    expire(&world)
    for command in world.history { #expect(try MetadataCommand(decoding: command.encoded()) == command) }
    #expect(world.history.contains { if case .change(let step) = $0 { step.wayBack != nil } else { false } })
    #expect(world.history.contains { if case .change(let step) = $0 { !step.restoredRanges.isEmpty } else { false } })
    #expect(
      world.history.contains { if case .change(let step) = $0 { !step.forgottenWaysBack.isEmpty } else { false } })
  }
}
