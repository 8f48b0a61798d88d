import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

@Suite struct TypePlanTests {
  private static let mood = ObjectName(name: "mood")

  private func create(_ name: String = "mood", _ labels: [String] = ["sad", "ok", "happy"]) -> SchemaStatement {
    .type(.create(ObjectName(name: name), labels: labels))
  }

  private func add(
    _ label: String, ifNotExists: Bool = false, at place: TypeStatement.Neighbour? = nil
  ) -> SchemaStatement {
    .type(.addValue(Self.mood, label, ifNotExists: ifNotExists, at: place))
  }

  private func drop(_ names: String..., ifExists: Bool = false, isCascade: Bool = false) -> SchemaStatement {
    .type(.drop(names.map { ObjectName(name: $0) }, ifExists: ifExists, isCascade: isCascade))
  }

  private func type(_ world: World, _ name: String = "mood") throws -> SQLType {
    let found = try #require(world.catalog.type(named: name, schema: "public"))
    return .enumerated(try #require(world.catalog.enumType(found.id)))
  }

  private func labels(_ world: World, _ name: String = "mood") -> [String] {
    world.catalog.type(named: name, schema: "public").flatMap { world.catalog.enumType($0.id) }?.labels ?? []
  }

  private func error(of body: () throws -> Void) -> SQLError? {
    do { try body() } catch { return error as? SQLError }
    return nil
  }

  private func state(of body: () throws -> Void) -> String? { error(of: body)?.state.code }

  @Test func oneEntryMakesAType() throws {
    var world = World()
    let plan = try world.plan(create())
    #expect(plan.isInstant && plan.stages[0].newRanges.isEmpty)
    #expect(plan.explained(in: world.catalog)[0].lines == ["type mood is created: 3 labels"])
    try world.apply(plan.stages[0])
    #expect(labels(world) == ["sad", "ok", "happy"])
    #expect(world.catalog.table(named: "mood") == nil, "it is no relation")
    #expect(world.catalog.relation(named: "mood", schema: "public") == nil)
  }

  /// First everybody can read it, then everybody may write it.
  @Test func aLabelComesInTwoSteps() throws {
    var world = World()
    try world.run(create())
    try world.run(createTable("t", [column("id"), column("m", try type(world))]))
    let before = try #require(world.table("t"))
    let plan = try world.plan(add("meh", at: .before("ok")))
    #expect(plan.stages.count == 2 && plan.visibleStage == 1)
    #expect(plan.stages[0].waitsForBarrier && !plan.stages[1].waitsForBarrier)
    #expect(plan.stages.allSatisfy { $0.changes.allSatisfy { $0.floor == .unchanged } })
    try world.apply(plan.stages[0])
    #expect(labels(world) == ["sad", "ok", "happy"])
    let known = try #require(world.table("t")?.enumType(plan.tables[0]))
    #expect(known.values.map(\.label) == ["sad", "meh", "ok", "happy"], "the table's columns know it")
    #expect(state { _ = try known.value(of: "meh") } == "55P04")
    #expect(world.table("t") == before, "no version of a table has to do with it")
    // From here the job can turn back.
    var back = world
    for stage in plan.rollback(in: world.catalog).stages { try back.apply(stage) }
    #expect(labels(back) == ["sad", "ok", "happy"])
    #expect(back.table("t")?.enumType(plan.tables[0])?.values.count == 3)
    try world.apply(plan.stages[1])
    #expect(labels(world) == ["sad", "meh", "ok", "happy"])
    #expect(try world.table("t")?.enumType(plan.tables[0])?.value(of: "meh") != nil)
  }

  @Test func labelsAreRefusedAsInPostgreSQL() throws {
    var world = World()
    try world.run(create())
    #expect(state { _ = try world.plan(create()) } == "42710")
    #expect(state { _ = try world.plan(create("other", ["a", "b", "a"])) } == "23505")
    #expect(state { _ = try world.plan(create("other", [String(repeating: "x", count: 64)])) } == "42602")
    #expect(error { _ = try world.plan(add("ok")) }?.message == "enum label \"ok\" already exists")
    let noticed = try world.plan(add("ok", ifNotExists: true))
    #expect(noticed.stages.isEmpty && noticed.notices == ["enum label \"ok\" already exists, skipping"])
    let missing = error { _ = try world.plan(add("new", at: .after("none"))) }
    #expect(missing?.state.code == "22023" && missing?.message == "\"none\" is not an existing enum label")
    #expect(state { _ = try world.plan(.type(.renameValue(Self.mood, "none", to: "x"))) } == "22023")
    #expect(state { _ = try world.plan(.type(.renameValue(Self.mood, "sad", to: "ok"))) } == "42710")
    #expect(state { _ = try world.plan(.type(.renameValue(ObjectName(name: "no"), "sad", to: "x"))) } == "42704")
  }

  /// A table is a type of its name as well; a sequence and an index are not.
  @Test func namesAreThoseOfTypes() throws {
    var world = World()
    try world.run(create())
    try world.run(createTable("t", [column("id"), column("n")]))
    try world.run(createIndex("by_n", on: "t", ["n"]))
    #expect(state { _ = try world.plan(create("t")) } == "42710")
    #expect(state { _ = try world.plan(createTable("mood", [column("id")])) } == "42710")
    #expect(
      state { _ = try world.plan(.renameTable(ObjectName(name: "t"), to: "mood", ifExists: false)) } == "42710")
    try world.run(create("by_n"))
    #expect(labels(world, "by_n").count == 3)
    #expect(state { _ = try world.plan(.type(.rename(Self.mood, to: "t"))) } == "42710")
    #expect(state { _ = try world.plan(.type(.rename(ObjectName(name: "t"), to: "x"))) } == "42809")
    #expect(state { _ = try world.plan(drop("t")) } == "2BP01")
    try world.run(.type(.rename(Self.mood, to: "temper")))
    #expect(labels(world, "temper").count == 3)
    try world.run(.namespace(.create("yard", ifNotExists: false)))
    try world.run(.type(.setSchema(ObjectName(name: "temper"), "yard")))
    #expect(world.catalog.type(named: "temper", schema: "yard") != nil)
    #expect(state { _ = try world.plan(.namespace(.drop(["yard"], ifExists: false, isCascade: false))) } == "2BP01")
  }

  @Test func renamingALabelTouchesNoRow() throws {
    var world = World()
    try world.run(create())
    let key = try type(world).value("sad")
    let plan = try world.plan(.type(.renameValue(Self.mood, "sad", to: "blue")))
    #expect(plan.isInstant)
    try world.apply(plan.stages[0])
    #expect(try type(world).value("blue") == key)
    #expect(state { _ = try type(world).value("sad") } == "22P02")
  }

  @Test func whatIsUsedGoesWithItsColumnsOnly() throws {
    var world = World()
    world.retainsDropped = true
    try world.run(create())
    let mood = try type(world)
    try world.run(createTable("t", [column("id"), column("m", mood), column("n")]))
    try world.run(createIndex("by_m", on: "t", ["m"]))
    let refused = error { _ = try world.plan(drop("mood")) }
    #expect(refused?.state.code == "2BP01")
    #expect(refused?.message == "cannot drop type mood because other objects depend on it")
    #expect(refused?.detail == "column m of table t depends on type mood")
    let stale = add("late")
    let plan = try world.plan(drop("mood", isCascade: true))
    #expect(plan.notices == ["drop cascades to column m of table t"])
    // What was planned before is refused where the log decides.
    let late = try world.plan(createTable("late", [column("id"), column("m", mood)]))
    for stage in plan.stages { try world.apply(stage) }
    #expect(throws: (any Error).self) { try world.apply(late.stages[0]) }
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "n"])
    #expect(world.catalog.types.isEmpty)
    #expect(state { _ = try world.plan(stale) } == "42704")
    let missing = error { _ = try world.plan(createTable("x", [column("id"), column("m", mood)])) }
    #expect(missing?.state.code == "42704")
    // The other way round.
    try world.run(create("weather"))
    let gone = try world.plan(drop("weather"))
    try world.run(createTable("w", [column("id"), column("m", try type(world, "weather"))]))
    #expect(throws: (any Error).self) { try world.apply(gone.stages[0]) }
    #expect(try world.plan(drop("nothing", ifExists: true)).notices == ["type \"nothing\" does not exist, skipping"])
  }

  @Test func aColumnComesBackOnlyBesideItsType() throws {
    var world = World()
    world.retainsDropped = true
    try world.run(create())
    try world.run(createTable("t", [column("id"), column("m", try type(world))]))
    try world.run(alter("t", .dropColumn(name: "m", ifExists: false)))
    let back = SchemaStatement.undrop(Undrop(.column, ObjectName(name: "m"), table: ObjectName(name: "t")))
    #expect(try !world.plan(back).stages.isEmpty)
    try world.run(drop("mood"))
    #expect(state { _ = try world.plan(back) } == "42704")
    #expect(state { _ = try world.plan(.revertJob(world.lastJob)) } == "0A000")
  }

  /// The gateway's draft has ids of its own for what the block makes.
  @Test func aTransactionUsesTheTypeThatItMakes() throws {
    var world = World()
    try world.run(createTable("t", [column("id")]))
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(createTable("first", [column("id")]))
    _ = try draft.apply(create())
    let made = try #require(draft.visibleCatalog().type(named: "mood", schema: "public"))
    let mood = SQLType.enumerated(try #require(draft.visibleCatalog().enumType(made.id)))
    #expect(try mood.value("ok") == .bytes(EnumType.keys(count: 3)[1]), "at once, as in PostgreSQL")
    _ = try draft.apply(createTable("u", [column("id"), column("m", mood)]))
    _ = try draft.apply(alter("t", .addColumn(column("m", mood), ifNotExists: false)))
    let plan = try world.plan(.transaction(draft.transaction))
    for stage in plan.stages { try world.apply(stage) }
    let real = try type(world)
    #expect(world.table("u")?.column(ColumnID(2))?.type == real)
    #expect(world.table("t")?.publicColumns.last?.type == real)
    #expect(world.table("u")?.enumType(TableID(world.nextTableID.rawValue - 2))?.labels == ["sad", "ok", "happy"])
  }

  @Test func aTransactionCannotUseTheLabelThatItAdds() throws {
    var world = World()
    try world.run(create())
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(add("new"))
    _ = try draft.apply(add("newer", at: .after("new")))
    _ = try draft.apply(.type(.renameValue(Self.mood, "sad", to: "blue")))
    let id = try #require(world.catalog.type(named: "mood", schema: "public")?.id)
    let seen = try #require(draft.visibleCatalog().enumType(id))
    #expect(seen.labels == ["blue", "ok", "happy"])
    #expect(state { _ = try seen.value(of: "new") } == "55P04")
    let plan = try world.plan(.transaction(draft.transaction))
    #expect(plan.stages.count == 2)
    for stage in plan.stages { try world.apply(stage) }
    #expect(labels(world) == ["blue", "ok", "happy", "new", "newer"])
  }

  @Test func whoConvertsHoldsUpWhoChangesLabels() throws {
    var world = World()
    try world.run(create())
    try world.run(createTable("t", [column("id"), column("m", try type(world))]))
    func queue(_ statement: SchemaStatement) -> [TableID] {
      Planner.tables(of: statement, in: world.catalog, .defaultDatabase)
        + Planner.usedNamespaces(by: statement, in: world.catalog, .defaultDatabase)
    }
    let change = alter(
      "t",
      .setType(
        TypeChange(
          column: "m", type: .text, conversion: RowExpressionDefinition(columns: [], expression: []), hasUsing: false)))
    #expect(TableID.isHeldUp(queue(add("x")), by: queue(change)))
    #expect(TableID.isHeldUp(queue(change), by: queue(add("x"))))
    #expect(TableID.isHeldUp(queue(drop("mood", isCascade: true)), by: queue(change)))
    #expect(!TableID.isHeldUp(queue(createIndex("i", on: "t", ["m"])), by: queue(add("x"))))
    #expect(!TableID.isHeldUp(queue(add("x")), by: queue(createIndex("i", on: "t", ["m"]))))
  }

  @Test func statementsAndDescriptorsKeepWhatTheySay() throws {
    let name = ObjectName(schema: "app", name: "mood", isFromSearchPath: true)
    let statements: [TypeStatement] = [
      .create(name, labels: ["a", ""]), .create(name, labels: []), .addValue(name, "x", ifNotExists: true, at: nil),
      .addValue(name, "x", ifNotExists: false, at: .before("a")),
      .addValue(name, "x", ifNotExists: false, at: .after("a")), .renameValue(name, "a", to: "b"),
      .rename(name, to: "n"), .setSchema(name, "s"), .drop([name, Self.mood], ifExists: true, isCascade: true),
    ]
    for statement in statements {
      #expect(try SchemaStatement(decoding: SchemaStatement.type(statement).encoded()) == .type(statement))
    }
    let comment = SchemaStatement.comment(CommentStatement(.type(name), text: "x"))
    #expect(try SchemaStatement(decoding: comment.encoded()) == comment)
    let table = TableDescriptor(
      enumeration: EnumDescriptor(labels: ["a", "b"]), id: TableID(5), databaseID: .defaultDatabase,
      namespaceID: .public, name: "e")
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
    var world = World()
    try world.run(create())
    try world.run(createTable("t", [column("id"), column("m", try type(world))]))
    let again = try CatalogState(decoding: world.catalog.encoded())
    #expect(again.table(named: "t")?.enumType(TableID(1))?.labels == ["sad", "ok", "happy"])
  }
}

extension SQLType {
  fileprivate func value(_ label: String) throws -> Datum { try Datum.parse(label, as: self) }
}
