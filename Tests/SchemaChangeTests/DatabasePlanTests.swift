import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

@Suite struct DatabasePlanTests {
  private func create(_ name: String, ifNotExists: Bool = false) -> SchemaStatement {
    .database(.create(name, ifNotExists: ifNotExists))
  }

  private func drop(_ name: String, ifExists: Bool = false) -> SchemaStatement {
    .database(.drop(name, ifExists: ifExists))
  }

  private func rename(_ name: String, to newName: String) -> SchemaStatement { .database(.rename(name, to: newName)) }

  private func error(of body: () throws -> Void) -> SQLError? {
    do { try body() } catch { return error as? SQLError }
    return nil
  }

  private func state(of body: () throws -> Void) -> String? { error(of: body)?.state.code }

  /// Makes the database and goes into it.
  private func enter(_ name: String, _ world: inout World) throws {
    world.databaseID = try #require(world.catalog.database(named: name)).id
  }

  @Test func oneEntryMakesRenamesAndRemovesOne() throws {
    var world = World()
    let made = try world.plan(create("shop"))
    #expect(
      made.explanation == [
        "CREATE DATABASE: instant, one schema entry",
        "stage 1 (visible): schema public: absent -> public; database shop: absent -> public",
      ])
    #expect(made.explained(in: world.catalog)[0].lines == ["schema public is created", "database shop is created"])
    try world.apply(made.stages[0])
    let shop = try #require(world.catalog.database(named: "shop"))
    let names = world.catalog.namespaces.filter { $0.databaseID == shop.id }
    #expect(names.map(\.name) == ["public"] && names[0].id != .public)
    #expect(names[0].comment == "standard public schema")
    let renamed = try world.plan(rename("shop", to: "store"))
    #expect(renamed.isInstant && renamed.stages[0].changes == [] && renamed.stages[0].namespaceChanges == [])
    #expect(renamed.explained(in: world.catalog)[0].lines == ["database shop is renamed to store"])
    try world.apply(renamed.stages[0])
    #expect(world.catalog.database(named: "shop") == nil && world.catalog.database(id: shop.id)?.name == "store")
    let dropped = try world.plan(drop("store"))
    #expect(dropped.isInstant && dropped.notices == [])
    #expect(dropped.explained(in: world.catalog)[0].lines == ["schema public is gone", "database store is gone"])
    try world.apply(dropped.stages[0])
    #expect(world.catalog.databases.map(\.name) == ["defaultdb"] && world.catalog.namespaces.map(\.id) == [.public])
    // The name is free, and whoever gets it is somebody else.
    try world.run(create("shop"))
    #expect(world.catalog.database(named: "shop")?.id != shop.id)
  }

  @Test func namesAreRefusedAsInPostgreSQL() throws {
    var world = World()
    try world.run(create("shop"))
    try world.run(create("other"))
    #expect(error { try world.run(create("shop")) }?.message == "database \"shop\" already exists")
    #expect(state { try world.run(create("shop")) } == "42P04")
    #expect(state { try world.run(create("defaultdb")) } == "42P04")
    #expect(state { try world.run(create("template1")) } == "42P04")
    #expect(state { try world.run(create("")) } == "42601")
    #expect(state { try world.run(create(String(repeating: "x", count: 64))) } == "42602")
    #expect(try world.plan(create("shop", ifNotExists: true)).notices == ["database \"shop\" already exists, skipping"])
    #expect(state { try world.run(drop("nowhere")) } == "3D000")
    #expect(
      try world.plan(drop("nowhere", ifExists: true)).notices == ["database \"nowhere\" does not exist, skipping"])
    #expect(state { try world.run(rename("nowhere", to: "x")) } == "3D000")
    #expect(state { try world.run(rename("shop", to: "other")) } == "42P04")
    #expect(state { try world.run(rename("shop", to: "shop")) } == "42P04")
    #expect(error { try world.run(drop("defaultdb")) }?.message == "cannot drop the currently open database")
    #expect(state { try world.run(drop("defaultdb")) } == "55006")
    #expect(error { try world.run(rename("defaultdb", to: "x")) }?.message == "current database cannot be renamed")
    try enter("shop", &world)
    #expect(state { try world.run(drop("shop")) } == "55006")
    #expect(state { try world.run(drop("defaultdb")) } == "0A000")
    #expect(state { try world.run(rename("defaultdb", to: "x")) } == "0A000")
    #expect(state { try world.run(rename("shop", to: "x")) } == "0A000")
    try world.run(rename("other", to: "x"))
  }

  @Test func oneNameMeansDifferentThingsInEach() throws {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a")]))
    try world.run(create("shop"))
    try enter("shop", &world)
    try world.run(createTable("t", [column("id"), column("b")]))
    try world.run(createIndex("t_b", on: "t", ["b"]))
    try world.run(.namespace(.create("app", ifNotExists: false)))
    let table = try #require(world.catalog.table(named: "t", in: world.databaseID))
    #expect(table.databaseID == world.databaseID && table.columns.map(\.name) == ["id", "b"])
    #expect(world.catalog.table(named: "t")?.columns.map(\.name) == ["id", "a"])
    #expect(world.catalog.namespace(named: "app") == nil)
    #expect(try CatalogState(decoding: world.catalog.encoded()).databases == world.catalog.databases)
    world.databaseID = .defaultDatabase
    #expect(state { try world.run(createIndex("t_b", on: "t", ["b"])) } == "42703")
    #expect(state { try world.run(.namespace(.drop(["app"], ifExists: false, isCascade: true))) } == "3F000")
  }

  @Test func withOneThatIsDroppedGoesEverythingInIt() throws {
    var world = World()
    world.retainsDropped = true
    try world.run(createTable("t", [column("id")]))
    try world.run(create("shop"))
    try enter("shop", &world)
    try world.run(createTable("t", [column("id"), column("b")]))
    try world.run(createIndex("t_b", on: "t", ["b"]))
    try world.run(.createSequence(ObjectName(name: "s"), ifNotExists: false, SequenceOptions()))
    try world.run(.namespace(.create("app", ifNotExists: false)))
    try world.run(.type(.create(ObjectName(schema: "app", name: "mood"), labels: ["good", "bad"])))
    let shop = world.databaseID
    world.databaseID = .defaultDatabase
    let concerned = Planner.tables(of: drop("shop"), in: world.catalog, .defaultDatabase)
    #expect(Set(concerned).isSuperset(of: world.catalog.tables.filter { $0.databaseID == shop }.map(\.id)))
    let plan = try world.plan(drop("shop"))
    #expect(plan.visibleStage == 0 && plan.stages.count > 1 && plan.notices == [])
    try world.run(drop("shop"))
    #expect(world.catalog.tables.map(\.name) == ["t"] && world.catalog.ranges.count >= 1)
    #expect(world.catalog.databases.map(\.name) == ["defaultdb"] && world.catalog.namespaces.map(\.name) == ["public"])
    // It is not taken back, nor are its tables found from elsewhere.
    #expect(error { try world.run(.revertJob(world.lastJob)) }?.message.contains("dropped a database") == true)
    #expect(state { try world.run(.undrop(Undrop(.table, ObjectName(name: "t")))) } != nil)
    #expect(world.waysBack.droppedObjects(in: world.catalog).filter { $0.database == .defaultDatabase } == [])
  }

  /// Who works in a database that is being dropped waits, and is told that it is gone; who only uses it holds up nobody but that.
  @Test func theEndOfOneWaitsForThoseInIt() throws {
    var world = World()
    try world.run(create("shop"))
    let shop = try #require(world.catalog.database(named: "shop")).id
    let ending = Planner.tables(of: drop("shop"), in: world.catalog, .defaultDatabase)
    let using = Planner.usedNamespaces(by: createTable("t", [column("id")]), in: world.catalog, shop)
    let elsewhere = Planner.usedNamespaces(by: createTable("t", [column("id")]), in: world.catalog, .defaultDatabase)
    #expect(TableID.isHeldUp(using, by: ending) && TableID.isHeldUp(ending, by: using))
    #expect(!TableID.isHeldUp(using, by: using) && !TableID.isHeldUp(elsewhere, by: ending))
    #expect(!TableID.isHeldUp(ending, by: elsewhere))
    #expect(
      TableID.isHeldUp(Planner.tables(of: rename("shop", to: "x"), in: world.catalog, .defaultDatabase), by: ending))
  }

  @Test func anotherNameIsTakenBack() throws {
    var world = World()
    world.retainsDropped = true
    try world.run(create("shop"))
    #expect(error { try world.run(.revertJob(world.lastJob)) }?.hint == "DROP DATABASE shop takes that back.")
    try world.run(rename("shop", to: "store"))
    let renamed = world.lastJob
    try world.run(.comment(CommentStatement(.database("store"), text: "goods")))
    let commented = world.lastJob
    try world.run(.revertJob(renamed))
    #expect(world.catalog.database(named: "shop")?.comment == "goods")
    try world.run(.revertJob(commented))
    #expect(world.catalog.database(named: "shop")?.comment == nil)
    #expect(state { try world.run(.revertJob(renamed)) } == "55000")
    try world.run(rename("shop", to: "store"))
    let again = world.lastJob
    try world.run(create("shop"))
    #expect(state { try world.run(.revertJob(again)) } == "42P04")
    for way in world.waysBack.values {
      var writer = ByteWriter()
      way.encode(into: &writer)
      #expect(try WayBack(decoding: writer.bytes[...]) == way)
    }
  }

  @Test func theyAreMadeAndDroppedOutsideOfTransactions() throws {
    var world = World()
    try world.run(create("shop"))
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    #expect(
      error { _ = try draft.apply(create("other")) }?.message
        == "CREATE DATABASE cannot run inside a transaction block")
    #expect(state { _ = try draft.apply(drop("shop")) } == "25001")
    _ = try draft.apply(rename("shop", to: "store"))
    _ = try draft.apply(.comment(CommentStatement(.database("store"), text: "goods")))
    try world.run(.transaction(draft.transaction))
    #expect(world.catalog.database(named: "store")?.comment == "goods")
  }

  @Test func storedFormsComeBack() throws {
    var world = World()
    for statement in [create("a", ifNotExists: true), create("b"), drop("a", ifExists: true), rename("b", to: "c")] {
      #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
    }
    for statement in [
      create("a"), rename("a", to: "b"), .comment(CommentStatement(.database("b"), text: "x")),
      .comment(CommentStatement(.database("b"), text: nil)), drop("b"),
    ] {
      let plan = try world.plan(statement)
      var writer = ByteWriter()
      plan.encode(into: &writer)
      #expect(try Plan(decoding: writer.bytes[...]) == plan)
      let entry = try plan.stages[0].entry(in: world.catalog, timestamp: world.catalog.timestamp.next)
      #expect(try SchemaEntry(decoding: entry.encoded()) == entry)
      for stage in plan.stages { try world.apply(stage) }
    }
  }

  @Test func nothingComesIntoOneThatIsGone() throws {
    var world = World()
    try world.run(create("shop"))
    try enter("shop", &world)
    let table = try world.plan(createTable("t", [column("id")]))
    let schema = try world.plan(.namespace(.create("app", ifNotExists: false)))
    let shop = world.databaseID
    world.databaseID = .defaultDatabase
    let ending = try world.plan(drop("shop"))
    var filled = world
    try filled.apply(schema.stages[0])
    #expect(throws: CatalogError.self) { try filled.apply(ending.stages[0]) }
    try world.apply(ending.stages[0])
    #expect(throws: CatalogError.self) { try world.apply(table.stages[0]) }
    #expect(throws: CatalogError.self) { try world.apply(schema.stages[0]) }
    #expect(world.catalog.database(id: shop) == nil)
  }
}
