import Basics
import Catalog
import SQLValues
import SchemaChange
import Testing

@testable import Metadata

/// Databases that go, or get another name, while something in them is under way.
@Suite struct DatabaseJobTests {
  private func world() throws -> (world: LeaderWorld, shop: DatabaseID) {
    var world = LeaderWorld()
    world.register(1, .gateway)
    for node in 11...13 { world.register(UInt64(node), .storage) }
    // The first change that the cluster sees.
    let made = world.start(.database(.create("shop", ifNotExists: false)))
    world.applyAll()
    #expect(world.result(made)?.error == nil)
    let shop = try #require(world.state.catalog.database(named: "shop")).id
    #expect(shop != .defaultDatabase)
    for database in [shop, .defaultDatabase] {
      let request = world.start(table("t"), in: database)
      world.applyAll()
      #expect(world.result(request)?.error == nil)
    }
    world.acknowledgeAll()
    return (world, shop)
  }

  private func table(_ name: String) -> SchemaStatement {
    .createTable(
      CreateTable(
        name: ObjectName(name: name), ifNotExists: false,
        columns: [ColumnDefinition(name: "id", type: .int8), ColumnDefinition(name: "a", type: .int8)],
        primaryKey: ["id"]))
  }

  private func index(on name: String) -> SchemaStatement {
    .createIndex(
      CreateIndex(
        name: nil, ifNotExists: false, table: ObjectName(name: name), isUnique: false,
        keyColumns: [IndexColumnDefinition(columnName: "a")]))
  }

  @Test func whatIsUnderWayEndsFirstAndWhoComesLaterFindsNothing() throws {
    var (world, shop) = try world()
    let build = world.start(index(on: "t"), in: shop)
    world.applyAll()
    let goes = world.start(.database(.drop("shop", ifExists: false)))
    let comes = world.start(table("u"), in: shop)
    let elsewhere = world.start(table("u"))
    let alters = world.start(index(on: "t"), in: shop)
    world.applyAll()
    #expect(world.result(elsewhere)?.error == nil, "the other database has nothing to wait for")
    #expect(world.state.unfinishedJobRecords.map(\.state) == [.running, .queued, .queued, .queued])
    world.finish()
    #expect(world.result(build)?.error == nil && world.result(goes)?.error == nil)
    #expect(world.result(comes)?.error?.state == .invalidCatalogName)
    #expect(world.result(alters)?.error?.state == .invalidCatalogName)
    #expect(world.state.catalog.databases.map(\.name) == ["defaultdb"])
    #expect(world.state.catalog.tables.map(\.name) == ["t", "u"])
  }

  /// Not to the database that has the name by now, but to the one that the session has.
  @Test func aStatementGoesToTheDatabaseOfItsSession() throws {
    var (world, shop) = try world()
    for statement: SchemaStatement in [
      .database(.rename("shop", to: "store")), .database(.create("shop", ifNotExists: false)),
    ] {
      let request = world.start(statement)
      world.applyAll()
      #expect(world.result(request)?.error == nil)
    }
    let made = world.start(table("u"), in: shop)
    world.applyAll()
    #expect(world.result(made)?.error == nil)
    #expect(world.state.catalog.tables.last?.databaseID == shop)
    let goes = world.start(.database(.drop("store", ifExists: false)))
    world.applyAll()
    let late = world.start(table("v"), in: shop)
    world.applyAll()
    #expect(world.result(late)?.error?.state == .invalidCatalogName)
    world.finish()
    #expect(world.result(goes)?.error == nil)
    #expect(world.state.catalog.databases.map(\.name) == ["defaultdb", "shop"])
  }
}
