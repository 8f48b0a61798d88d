import Basics
import Catalog
import SQLValues
import SchemaChange
import Testing

@testable import Metadata

/// Schemas that go while something in them is under way.
@Suite struct NamespaceJobTests {
  private func world() -> LeaderWorld {
    var world = LeaderWorld()
    world.register(1, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    for statement: SchemaStatement in [.namespace(.create("app", ifNotExists: false)), table("t")] {
      let request = world.start(statement)
      world.applyAll()
      #expect(world.result(request)?.error == nil)
    }
    world.acknowledgeAll()
    return world
  }

  private func table(_ name: String) -> SchemaStatement {
    .createTable(
      CreateTable(
        name: ObjectName(schema: "app", name: name), ifNotExists: false,
        columns: [ColumnDefinition(name: "id", type: .int8), ColumnDefinition(name: "a", type: .int8)],
        primaryKey: ["id"]))
  }

  private func index(on name: String) -> SchemaStatement {
    .createIndex(
      CreateIndex(
        name: nil, ifNotExists: false, table: ObjectName(schema: "app", name: name), isUnique: false,
        keyColumns: [IndexColumnDefinition(columnName: "a")]))
  }

  private func drop(isCascade: Bool) -> SchemaStatement {
    .namespace(.drop(["app"], ifExists: false, isCascade: isCascade))
  }

  @Test func whatIsUnderWayEndsFirstAndWhoComesLaterFindsNothing() throws {
    var world = world()
    let build = world.start(index(on: "t"))
    world.applyAll()
    let goes = world.start(drop(isCascade: true))
    let comes = world.start(table("u"))
    let alters = world.start(index(on: "t"))
    world.applyAll()
    #expect(world.state.unfinishedJobRecords.map(\.state) == [.running, .queued, .queued, .queued])
    world.finish()
    #expect(world.result(build)?.error == nil && world.result(goes)?.error == nil)
    #expect(world.result(comes)?.error?.state == .invalidSchemaName)
    #expect(world.result(alters)?.error?.state == .invalidSchemaName)
    #expect(world.state.catalog.namespaces.map(\.name) == ["public"] && world.state.catalog.tableCount == 0)
  }

  @Test func aRefusedDropLeavesThoseBehindItInPeace() throws {
    var world = world()
    let build = world.start(index(on: "t"))
    world.applyAll()
    let goes = world.start(drop(isCascade: false))
    let requests = ["u", "v"].map { world.start(table($0)) } + [world.start(index(on: "t"))]
    world.applyAll()
    world.finish()
    #expect(world.result(build)?.error == nil)
    #expect(world.result(goes)?.error?.state == .dependentObjectsStillExist)
    for request in requests { #expect(world.result(request)?.error == nil) }
    #expect(world.state.catalog.tableCount == 3)
    #expect(world.state.catalog.table(named: "t", schema: "app")?.indexes.count == 3)
  }

  @Test func usersOfOneSchemaDoNotWaitForEachOther() throws {
    var world = world()
    _ = world.start(index(on: "t"))
    world.applyAll()
    let other = world.start(table("u"))
    world.applyAll()
    #expect(world.result(other)?.error == nil)
    // Nor for those who wait for something else.
    let behind = world.start(index(on: "t"))
    world.applyAll()
    #expect(world.state.unfinishedJobRecords.map(\.state) == [.running, .queued])
    let another = world.start(table("v"))
    world.applyAll()
    #expect(world.result(behind) == nil && world.result(another)?.error == nil && world.result(another) != nil)
    let renamed = world.start(.namespace(.rename("app", to: "shop")))
    world.applyAll()
    #expect(world.result(renamed)?.error == nil, "no table has anything to do with it")
    world.finish()
    #expect(world.state.catalog.table(named: "t", schema: "shop")?.indexes.count == 2)
    #expect(world.result(behind)?.error?.state == .invalidSchemaName)
  }

  @Test func aTransactionThatDropsTellsThoseBehindItOfItsEnd() throws {
    var world = world()
    let build = world.start(index(on: "t"))
    world.applyAll()
    var draft = SchemaDraft(catalog: world.state.catalog, databaseID: .defaultDatabase)
    for statement in [drop(isCascade: true), .namespace(.create("app", ifNotExists: false)), table("t")] {
      _ = try draft.apply(statement)
    }
    let goes = world.start(.transaction(draft.transaction))
    let comes = world.start(table("u"))
    world.applyAll()
    world.finish()
    #expect(world.result(build)?.error == nil)
    // The table has another version than the transaction saw: the index was built meanwhile.
    #expect(world.result(goes)?.error?.state == .serializationFailure)
    #expect(world.result(comes)?.error == nil)
  }
}
