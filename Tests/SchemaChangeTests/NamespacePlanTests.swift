import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

@Suite struct NamespacePlanTests {
  private func create(_ name: String, ifNotExists: Bool = false) -> SchemaStatement {
    .namespace(.create(name, ifNotExists: ifNotExists))
  }

  private func drop(_ names: String..., isCascade: Bool = false, ifExists: Bool = false) -> SchemaStatement {
    .namespace(.drop(names, ifExists: ifExists, isCascade: isCascade))
  }

  private func table(_ name: String, in schema: String, _ columns: [ColumnDefinition]? = nil) -> SchemaStatement {
    .createTable(
      CreateTable(
        name: ObjectName(schema: schema, name: name), ifNotExists: false, columns: columns ?? [column("id")],
        primaryKey: ["id"]))
  }

  private func move(_ name: ObjectName, to schema: String, isSequence: Bool = false) -> SchemaStatement {
    .setSchema(SetSchemaStatement(relation: name, isSequence: isSequence, ifExists: false, schema: schema))
  }

  private func state(of body: () throws -> Void) -> String? {
    do { try body() } catch { return (error as? SQLError)?.state.code }
    return nil
  }

  @Test func oneEntryMakesRenamesAndRemovesOne() throws {
    var world = World()
    let made = try world.plan(create("app"))
    #expect(
      made.explanation == [
        "CREATE SCHEMA: instant, one schema entry", "stage 1 (visible): schema app: absent -> public",
      ])
    #expect(made.explained(in: world.catalog)[0].lines == ["schema app is created"])
    try world.apply(made.stages[0])
    try world.run(table("t", in: "app"))
    let before = try #require(world.catalog.table(named: "t", schema: "app"))
    let renamed = try world.plan(.namespace(.rename("app", to: "shop")))
    #expect(renamed.isInstant && renamed.stages[0].changes == [], "no table is touched")
    try world.apply(renamed.stages[0])
    #expect(world.catalog.table(named: "t", schema: "app") == nil)
    #expect(world.catalog.table(named: "t", schema: "shop") == before)
    #expect(world.catalog.schemaName(of: before) == "shop")
    // The name is free, and whoever gets it is somebody else.
    try world.run(create("app"))
    #expect(world.catalog.namespace(named: "app")?.id != before.namespaceID)
    try world.run(drop("app"))
    #expect(world.catalog.namespaces.map(\.name) == ["public", "shop"])
  }

  @Test func namesAreRefusedAsInPostgreSQL() throws {
    var world = World()
    try world.run(create("app"))
    #expect(state { try world.run(create("app")) } == "42P06")
    #expect(try world.plan(create("app", ifNotExists: true)).notices == ["schema \"app\" already exists, skipping"])
    #expect(state { try world.run(create("pg_app")) } == "42939")
    #expect(state { try world.run(create("information_schema")) } == "42P06")
    #expect(state { try world.run(drop("x")) } == "3F000")
    #expect(try world.plan(drop("x", ifExists: true)).notices == ["schema \"x\" does not exist, skipping"])
    #expect(state { try world.run(drop("pg_catalog")) } == "2BP01")
    #expect(state { try world.run(.namespace(.rename("app", to: "public"))) } == "42P06")
    #expect(state { try world.run(.namespace(.rename("x", to: "y"))) } == "3F000")
    #expect(state { try world.run(table("t", in: "x")) } == "3F000")
    #expect(
      try world.plan(.dropTables(names: [ObjectName(schema: "x", name: "t")], ifExists: true)).notices
        == ["schema \"x\" does not exist, skipping"])
  }

  /// A name stands for different things in different schemas, indexes and constraints among them.
  @Test func namesAreUniqueWithinASchema() throws {
    var world = World()
    try world.run(create("app"))
    let columns = [column("id"), column("a")]
    try world.run(createTable("t", columns, unique: [["a"]]))
    try world.run(table("t", in: "app", columns))
    #expect(state { try world.run(table("t", in: "app", columns)) } == "42P07")
    try world.run(
      .createIndex(
        CreateIndex(
          name: nil, ifNotExists: false, table: ObjectName(schema: "app", name: "t"), isUnique: false,
          keyColumns: [IndexColumnDefinition(columnName: "a")])))
    try world.run(createIndex(nil, on: "t", ["a"]))
    #expect(world.catalog.table(named: "t", schema: "app")?.indexes.map(\.name) == ["t_pkey", "t_a_idx"])
    #expect(world.table("t")?.indexes.map(\.name) == ["t_pkey", "t_a_key", "t_a_idx"])
    #expect(
      world.catalog.index(named: "t_a_idx", schema: "app")?.table.namespaceID
        == world.catalog.namespace(named: "app")?.id)
  }

  @Test func dropTakesWhatIsInItAlongOrIsRefused() throws {
    var world = World()
    try world.run(create("app"))
    try world.run(
      table(
        "t", in: "app",
        [column("id"), ColumnDefinition(name: "n", type: .int4, generator: ColumnGenerator(identity: nil))]))
    try world.run(.createSequence(ObjectName(schema: "app", name: "s"), ifNotExists: false, SequenceOptions()))
    try world.run(createTable("child", [column("id"), column("ref")]))
    try world.run(
      alter(
        "child",
        .addForeignKey(
          ForeignKeyDefinition(
            name: nil, columns: ["ref"], referencedTable: ObjectName(schema: "app", name: "t")), isValidated: true)))
    do {
      try world.run(drop("app"))
      Issue.record("a schema with tables was dropped")
    } catch let error as SQLError {
      #expect(error.state == .dependentObjectsStillExist)
      #expect(error.detail == "table app.t depends on schema app\nsequence app.s depends on schema app")
    }
    let tables = Planner.tables(of: drop("app", isCascade: true), in: world.catalog, .defaultDatabase)
    #expect(
      tables.count == 6, "the schema, who is in it, its table, two sequences, and who refers to it: \(tables)")
    let plan = try world.plan(drop("app", isCascade: true))
    #expect(plan.visibleStage == 0)
    #expect(plan.notices == ["drop cascades to 3 other objects"])
    // All names are free with the first entry.
    try world.apply(plan.stages[0])
    #expect(world.catalog.namespace(named: "app") == nil)
    #expect(world.catalog.tables.filter { $0.state == .public }.map(\.name) == ["child"])
    #expect(world.table("child")?.constraints == [])
    for stage in plan.stages.dropFirst() { try world.apply(stage) }
    #expect(world.catalog.tableCount == 1)
  }

  /// Whoever comes second is refused: neither a table without schema nor a schema that is gone with a table in it.
  @Test func aTableDoesNotComeIntoASchemaThatGoes() throws {
    var world = World()
    try world.run(create("app"))
    let comes = try world.plan(table("t", in: "app"))
    let goes = try world.plan(drop("app"))
    var first = world
    try first.apply(goes.stages[0])
    #expect(throws: CatalogError.self) { try first.apply(comes.stages[0]) }
    var second = world
    try second.apply(comes.stages[0])
    #expect(throws: CatalogError.self) { try second.apply(goes.stages[0]) }
    // Nor is a change of a schema made that was planned against another version of it.
    let renamed = try world.plan(.namespace(.rename("app", to: "shop")))
    let entry = try renamed.stages[0].entry(in: world.catalog, timestamp: world.catalog.timestamp.next)
    try world.run(.comment(CommentStatement(.schema("app"), text: "note")))
    var late = entry
    late.index = world.catalog.schemaIndex.next
    late.timestamp = world.catalog.timestamp.next
    #expect(throws: CatalogError.self) { try world.catalog.apply(late) }
  }

  @Test func whoComesLaterWaitsForTheDropButNotForEachOther() throws {
    var world = World()
    try world.run(create("app"))
    try world.run(table("t", in: "app"))
    let id = try #require(world.catalog.namespace(named: "app")).id
    let goes = Planner.tables(of: drop("app", isCascade: true), in: world.catalog, .defaultDatabase)
    let comes = Planner.usedNamespaces(by: table("u", in: "app"), in: world.catalog, .defaultDatabase)
    #expect(goes.contains(TableID(queueing: id)) && comes == [TableID(userOf: id)])
    #expect(TableID.isHeldUp(comes, by: goes) && TableID.isHeldUp(goes, by: comes))
    #expect(!TableID.isHeldUp(comes, by: comes))
    let plan = try world.plan(table("u", in: "app"))
    #expect(!plan.tables.contains(TableID(queueing: id)))
  }

  @Test func aTableMovesWithAllThatBelongsToIt() throws {
    var world = World()
    try world.run(create("app"))
    let serial = ColumnDefinition(name: "n", type: .int4, generator: ColumnGenerator(identity: nil))
    try world.run(createTable("t", [column("id"), column("a"), serial], unique: [["a"]]))
    #expect(state { try world.run(move(ObjectName(name: "t"), to: "x")) } == "3F000")
    #expect(
      state { try world.run(move(ObjectName(name: "t_n_seq"), to: "app", isSequence: true)) } == "0A000")
    let before = try #require(world.table("t"))
    let plan = try world.plan(move(ObjectName(name: "t"), to: "app"))
    #expect(
      plan.explanation == [
        "ALTER TABLE: instant, one schema entry",
        "stage 1 (visible): table t: moved to schema app; sequence t_n_seq: moved to schema app",
      ])
    try world.apply(plan.stages[0])
    #expect(world.table("t") == nil)
    let after = try #require(world.catalog.table(named: "t", schema: "app"))
    #expect(after.indexes == before.indexes && after.commitFloor == before.commitFloor)
    #expect(world.catalog.index(named: "t_a_key", schema: "app") != nil)
    #expect(world.catalog.sequence(named: "t_n_seq", schema: "app") != nil)
    #expect(try world.plan(move(ObjectName(schema: "app", name: "t"), to: "app")).stages == [])
    // An index in the way, not only a table.
    try world.run(createTable("other", [column("id"), column("b")]))
    try world.run(createIndex("t_a_key", on: "other", ["b"]))
    #expect(state { try world.run(move(ObjectName(schema: "app", name: "t"), to: "public")) } == "42P07")
  }

  @Test func severalStatementsBecomeVisibleTogether() throws {
    var world = World()
    try world.run(createTable("old", [column("id"), column("a")]))
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    for statement: SchemaStatement in [
      create("app"), table("t", in: "app"), create("passing"), drop("passing"),
      move(ObjectName(name: "old"), to: "app"),
      .comment(CommentStatement(.table(ObjectName(schema: "app", name: "old")), text: "note")),
      .comment(CommentStatement(.schema("app"), text: "shop")), .namespace(.rename("app", to: "shop")),
    ] {
      _ = try draft.apply(statement)
    }
    #expect(draft.visibleCatalog().table(named: "t", schema: "shop") != nil)
    let plan = try world.plan(.transaction(draft.transaction))
    #expect(plan.stages.count == 1)
    try world.apply(plan.stages[0])
    #expect(world.catalog.namespaces.map(\.name) == ["public", "shop"])
    #expect(world.catalog.namespace(named: "shop")?.comment == "shop")
    #expect(world.catalog.table(named: "old", schema: "shop")?.comment == "note")
    #expect(world.catalog.table(named: "t", schema: "shop") != nil)
  }

  @Test func plansAndStatementsAreReadAgainAsTheyWereWritten() throws {
    var world = World()
    try world.run(create("app"))
    try world.run(table("t", in: "app"))
    for statement: SchemaStatement in [
      create("b", ifNotExists: true), drop("app", isCascade: true), .namespace(.rename("app", to: "c")),
      move(ObjectName(schema: "app", name: "t", isFromSearchPath: true), to: "public"),
      .comment(CommentStatement(.database("defaultdb"), text: nil)),
      .comment(CommentStatement(.schema("app"), text: "text")),
    ] {
      #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
      let plan = try world.plan(statement)
      var writer = ByteWriter(capacity: 64)
      plan.encode(into: &writer)
      #expect(try Plan(decoding: writer.bytes[...]) == plan)
      for stage in plan.stages.prefix(1) {
        let entry = try stage.entry(in: world.catalog, timestamp: world.catalog.timestamp.next)
        #expect(try SchemaEntry(decoding: entry.encoded()) == entry)
      }
    }
    let again = try CatalogState(decoding: world.catalog.encoded())
    #expect(again.table(named: "t", schema: "app") == world.catalog.table(named: "t", schema: "app"))
    // A release that knew no schemas wrote none.
    var old = ByteWriter(capacity: 16)
    old.field(1, SchemaIndex(7))
    #expect(try CatalogState(decoding: old.bytes).namespaces == CatalogState().namespaces)
    var none = World()
    try none.run(drop("public"))
    #expect(try CatalogState(decoding: none.catalog.encoded()).namespaces == [])
  }
}
