import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

@Suite struct TransitionTableTests {
  @Test(arguments: ElementKind.allCases)
  func isSound(kind: ElementKind) {
    #expect(TransitionTable.table(for: kind).defects().isEmpty)
    #expect(TransitionTable.table(for: kind).kind == kind)
  }

  /// A transition's floor and barrier are what safety rests on: a change here needs an argument, not only a new expectation.
  @Test func indexTable() {
    #expect(
      TransitionTable.index.lines.filter { !$0.hasPrefix("    because") } == [
        "index",
        "  add: absent -> deleteOnly, floor unchanged, barrier",
        "  add: deleteOnly -> writeOnly, floor previous, barrier",
        "  add: writeOnly -> backfilling, floor previous, backfill, validateIndex",
        "  add: backfilling -> public, floor unchanged",
        "  drop: public -> writeOnly, floor unchanged, barrier",
        "  drop: validating -> deleteOnly, floor previous, barrier",
        "  drop: backfilling -> deleteOnly, floor previous, barrier",
        "  drop: writeOnly -> deleteOnly, floor previous, barrier",
        "  drop: deleteOnly -> absent, floor previous",
      ])
  }

  @Test func requiredColumnTable() {
    #expect(
      TransitionTable.requiredColumn.lines.filter { !$0.hasPrefix("    because") } == [
        "requiredColumn",
        "  add: absent -> deleteOnly, floor unchanged, validateNotNull",
        "  add: deleteOnly -> writeOnly, floor current, validateNotNull",
        "  add: writeOnly -> public, floor unchanged",
        "  drop: public -> writeOnly, floor unchanged, barrier",
        "  drop: writeOnly -> deleteOnly, floor previous, barrier",
        "  drop: deleteOnly -> absent, floor previous",
      ])
  }
}

@Suite struct PlannerTests {
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a"), column("b", .text)]))
    return world
  }

  @Test func createTableIsInstantAndPlacesItsRanges() throws {
    var world = World()
    let plan = try world.plan(createTable("t", [column("id"), column("a")], unique: [["a"]]))
    #expect(plan.isInstant)
    #expect(
      plan.explanation == [
        "CREATE TABLE: instant, one schema entry", "stage 1 (visible): table t: absent -> public",
        "  new range 1 on nodes 12, 13, 14", "  new range 2 on nodes 13, 14, 11",
      ])
    try world.apply(plan.stages[0])
    let table = try #require(world.table("t"))
    #expect(table.indexes.map(\.name) == ["t_pkey", "t_a_key"])
    #expect(table.column(ColumnID(1))?.isNullable == false)
    #expect(table.commitFloor == TableVersion(1))
    #expect(plan.stages[0].newRanges[0].endKey == plan.stages[0].newRanges[1].startKey)
  }

  @Test func tableWithoutPrimaryKeyGetsAHiddenColumn() throws {
    var world = World()
    try world.run(createTable("t", [column("a")], key: []))
    let table = try #require(world.table("t"))
    #expect(table.publicColumns.map(\.name) == ["a"])
    #expect(table.column(table.primaryIndex.keyColumns[0].columnID)?.isHidden == true)
  }

  @Test func createIndexGoesThroughAllStates() throws {
    var world = try world()
    let plan = try world.plan(createIndex(nil, on: "t", ["a", "b"]))
    #expect(
      plan.explanation == [
        "CREATE INDEX: 4 schema entries",
        "stage 1: index t_a_b_idx: absent -> deleteOnly", "  new range 2 on nodes 13, 14, 11",
        "  wait until every session has caught up",
        "stage 2: index t_a_b_idx: deleteOnly -> writeOnly", "  table 1: commit floor becomes the previous version",
        "  wait until every session has caught up",
        "stage 3: index t_a_b_idx: writeOnly -> backfilling", "  table 1: commit floor becomes the previous version",
        "  backfill index 2", "  validate index 2",
        "stage 4 (visible): index t_a_b_idx: backfilling -> public",
      ])
    var floors: [UInt64] = []
    for stage in plan.stages {
      try world.apply(stage)
      floors.append(world.table("t")?.commitFloor.rawValue ?? 0)
    }
    // Versions 2 to 5; at the backfill (4) whoever maintains entries (3 and later) may commit.
    #expect(floors == [1, 2, 3, 3])
    #expect(world.table("t")?.indexes[1].state == .public)
  }

  @Test func dropColumnTakesItsIndexesAlongAndKeepsTheColumnAsLongAsTheyNeedIt() throws {
    var world = try world()
    try world.run(createIndex("i", on: "t", ["a"]))
    let plan = try world.plan(alter("t", .dropColumn(name: "a", ifExists: false)))
    #expect(
      plan.stages.map(\.name) == [
        "index i: public -> writeOnly; column a: public -> writeOnly",
        "index i: writeOnly -> deleteOnly",
        "index i: deleteOnly -> absent; column a: writeOnly -> deleteOnly",
        "column a: deleteOnly -> absent",
      ])
    #expect(plan.stages.map(\.waitsForBarrier) == [true, true, true, false])
    #expect(plan.stages[2].retiredRanges == [RangeID(2)])
    #expect(plan.visibleStage == 0)
    try world.apply(plan.stages[0])
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "b"])
    // The name is free from the first entry on.
    #expect(world.catalog.index(named: "i") == nil)
    for stage in plan.stages.dropFirst() { try world.apply(stage) }
    #expect(world.table("t")?.columns.map(\.name) == ["id", "b"])
    #expect(world.table("t")?.indexes.count == 1)
  }

  @Test func severalChangesBecomeVisibleInOneEntry() throws {
    var world = try world()
    let plan = try world.plan(
      alter(
        "t", .addColumn(column("a", .text, default: .text("x")), ifNotExists: false),
        .dropColumn(name: "a", ifExists: false), .renameColumn(name: "b", to: "c"),
        .addColumn(column("d", isNullable: false), ifNotExists: false)))
    #expect(
      plan.stages.map(\.name) == [
        "column d: absent -> deleteOnly", "column d: deleteOnly -> writeOnly",
        "column b: renamed to c; column a: public -> writeOnly; column a: absent -> public; column d: writeOnly -> public",
        "column a: writeOnly -> deleteOnly", "column a: deleteOnly -> absent",
      ])
    #expect(plan.visibleStage == 2)
    for stage in plan.stages[..<2] {
      try world.apply(stage)
      #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "a", "b"])
    }
    try world.apply(plan.stages[2])
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "c", "a", "d"])
    for stage in plan.stages[3...] { try world.apply(stage) }
    let table = try #require(world.table("t"))
    // The column added again has an id of its own: it never sees values of the old one.
    #expect(table.columns.map(\.id.rawValue) == [1, 3, 4, 5])
    #expect(table.column(ColumnID(4))?.missingValue == .text("x"))
  }

  @Test func constantDefaultIsInstantAndLeavesTheFloorAlone() throws {
    var world = try world()
    let plan = try world.plan(
      alter("t", .addColumn(column("c", isNullable: false, default: .integer(7)), ifNotExists: false)))
    #expect(plan.isInstant)
    try world.apply(plan.stages[0])
    #expect(world.table("t")?.commitFloor == TableVersion(1))
  }

  @Test func dropTableFreesTheNameFirst() throws {
    var world = try world()
    try world.run(createTable("u", [column("id")]))
    let plan = try world.plan(
      .dropTables(names: [ObjectName(name: "t"), ObjectName(name: "u"), ObjectName(name: "t")], ifExists: false))
    #expect(plan.stages.count == 2)
    #expect(plan.tables == [TableID(1), TableID(2)])
    try world.apply(plan.stages[0])
    #expect(world.table("t") == nil && world.catalog.table(id: TableID(1)) != nil)
    try world.apply(plan.stages[1])
    #expect(world.catalog.tables.isEmpty)
    #expect(plan.stages[1].retiredRanges == [RangeID(1), RangeID(2)])
  }

  @Test(arguments: [1, 2, 3])
  func rollbackFromEveryStageOfAnIndexBuildLeavesNothing(stagesDone: Int) throws {
    var world = try world()
    let before = try #require(world.table("t"))
    let plan = try world.plan(createIndex("i", on: "t", ["a"]))
    for stage in plan.stages.prefix(stagesDone) { try world.apply(stage) }
    let back = plan.rollback(in: world.catalog)
    #expect(
      back.stages.map(\.name)
        == [
          ["index i: deleteOnly -> absent"],
          ["index i: writeOnly -> deleteOnly", "index #2: deleteOnly -> absent"],
          ["index i: backfilling -> deleteOnly", "index #2: deleteOnly -> absent"],
        ][stagesDone - 1].map { $0.replacingFirst("#2", with: "i") })
    for stage in back.stages { try world.apply(stage) }
    var after = try #require(world.table("t"))
    #expect(after.indexes == before.indexes)
    #expect(after.columns == before.columns)
    #expect(back.stages.last?.retiredRanges == [RangeID(2)])
    // The id is not given out again.
    #expect(after.nextIndexID == IndexID(3))
    after.nextIndexID = before.nextIndexID
    #expect(world.catalog.index(named: "i") == nil)
  }

  @Test(arguments: [1, 2])
  func rollbackOfARequiredColumn(stagesDone: Int) throws {
    var world = try world()
    let before = try #require(world.table("t"))
    let plan = try world.plan(alter("t", .addColumn(column("d", isNullable: false), ifNotExists: false)))
    for stage in plan.stages.prefix(stagesDone) { try world.apply(stage) }
    for stage in plan.rollback(in: world.catalog).stages { try world.apply(stage) }
    #expect(world.table("t")?.columns == before.columns)
  }

  @Test func errorsArePostgreSQLs() throws {
    var world = try world()
    try world.run(createIndex("i", on: "t", ["a"]))
    func state(_ statement: SchemaStatement) -> String {
      do {
        var copy = world
        _ = try copy.plan(statement)
        return "fine"
      } catch { return (error as? SQLError)?.state.code ?? "\(error)" }
    }
    #expect(state(createTable("t", [column("id")])) == "42P07")
    #expect(state(createTable("i", [column("id")])) == "42P07")
    #expect(state(createTable("u", [column("id"), column("id")])) == "42701")
    #expect(state(createTable("u", [column("id")], key: ["x"])) == "42703")
    #expect(state(createTable("u", [column("id")], key: ["id", "id"])) == "42701")
    #expect(state(createTable("u", [column("id", .void)])) == "42P16")
    #expect(state(createTable(String(repeating: "x", count: 64), [column("id")])) == "42602")
    #expect(state(createTable("u", (0..<1_600).map { column("c\($0)") }, key: [])) == "54011")
    #expect(state(createIndex("i", on: "t", ["a"])) == "42P07")
    #expect(state(createIndex("j", on: "nowhere", ["a"])) == "42P01")
    #expect(state(createIndex("j", on: "t", ["x"])) == "42703")
    #expect(state(createIndex("j", on: "t", [])) == "42601")
    #expect(state(createIndex("j", on: "i", ["a"])) == "42809")
    #expect(state(alter("t", .addColumn(column("a"), ifNotExists: false))) == "42701")
    #expect(state(alter("t", .addColumn(column("a"), ifNotExists: true))) == "fine")
    #expect(state(alter("t", .dropColumn(name: "x", ifExists: false))) == "42703")
    #expect(state(alter("t", .dropColumn(name: "x", ifExists: true))) == "fine")
    #expect(state(alter("t", .dropColumn(name: "id", ifExists: false))) == "0A000")
    #expect(state(alter("t", .renameColumn(name: "x", to: "y"))) == "42703")
    #expect(state(alter("t", .renameColumn(name: "a", to: "b"))) == "42701")
    #expect(state(.dropTables(names: [ObjectName(name: "x")], ifExists: false)) == "42P01")
    #expect(state(.dropTables(names: [ObjectName(name: "x")], ifExists: true)) == "fine")
    #expect(state(.dropTables(names: [ObjectName(name: "i")], ifExists: true)) == "42809")
    #expect(state(.dropIndexes(names: [ObjectName(name: "x")], ifExists: false)) == "42704")
    #expect(state(.dropIndexes(names: [ObjectName(name: "t_pkey")], ifExists: false)) == "2BP01")
    #expect(state(.dropIndexes(names: [ObjectName(name: "t")], ifExists: false)) == "42809")
    #expect(state(.renameTable(ObjectName(name: "x"), to: "y", ifExists: false)) == "42P01")
    #expect(state(.renameTable(ObjectName(name: "t"), to: "i", ifExists: false)) == "42P07")
    #expect(state(.renameIndex(ObjectName(name: "i"), to: "t", ifExists: false)) == "42P07")
    #expect(state(.renameIndex(ObjectName(name: "t_pkey"), to: "k", ifExists: false)) == "fine")
    world.storageNodes.removeLast(2)
    #expect(state(createTable("u", [column("id")])) == "57P03")
    let damaged = ColumnDefinition(name: "v", type: .uuid, defaultExpression: [255], defaultText: "gen_random_uuid()")
    #expect(state(alter("t", .addColumn(damaged, ifNotExists: false))) == "XX001")
  }

  @Test func newRangesAreLedByNodesThatAreThere() throws {
    var world = World()
    world.storageNodes.removeLast()
    world.absentNodes = [NodeID(12)]
    var first: [NodeID: Int] = [:]
    for number in 0..<6 {
      let plan = try world.plan(createTable("t\(number)", [column("id")]))
      let replicas = try #require(plan.stages.first?.newRanges.first).replicas
      #expect(replicas.sorted() == world.storageNodes && replicas.last == NodeID(12))
      first[replicas[0], default: 0] += 1
    }
    #expect(first.count == 2, "leaders spread over the others")
  }

  @Test func noticesForWhatIsThereAlready() throws {
    var world = try world()
    let again = CreateTable(
      name: ObjectName(name: "t"), ifNotExists: true, columns: [column("id")], primaryKey: ["id"])
    let plan = try world.plan(.createTable(again))
    #expect(plan.stages.isEmpty)
    #expect(plan.notices == ["relation \"t\" already exists, skipping"])
  }

  @Test func namesThatAreTakenGetNumbers() throws {
    var world = try world()
    try world.run(createIndex(nil, on: "t", ["a"]))
    try world.run(createIndex(nil, on: "t", ["a"]))
    #expect(world.table("t")?.indexes.map(\.name) == ["t_pkey", "t_a_idx", "t_a_idx1"])
  }
}

extension String {
  fileprivate func replacingFirst(_ part: String, with other: String) -> String {
    guard let range = firstRange(of: part) else { return self }
    return self[..<range.lowerBound] + other + self[range.upperBound...]
  }
}

@Suite struct StatementCodecTests {
  @Test(arguments: [
    createTable(
      "t", [column("id"), column("a", .varchar(maximumCharacters: 20), default: .text("x"))], unique: [["a"]]),
    .dropTables(names: [ObjectName(name: "a"), ObjectName(schema: "s", name: "b")], ifExists: true),
    .renameTable(ObjectName(name: "a"), to: "b", ifExists: true),
    alter(
      "t", .addColumn(column("a", isNullable: false), ifNotExists: true), .dropColumn(name: "b", ifExists: true),
      .renameColumn(name: "c", to: "d")),
    alter(
      "t", .setDefault(column: "a", expression: [1, 2], text: "3"),
      .setDefault(column: "b", expression: nil, text: nil),
      .setNotNull(column: "a"), .dropNotNull(column: "b"),
      .addCheck(
        CheckDefinition(
          name: "c",
          rule: RowExpressionDefinition(
            columns: [.init(name: "a", type: .varchar(maximumCharacters: 3))],
            expression: [9])), isValidated: true),
      .addCheck(
        CheckDefinition(name: nil, rule: RowExpressionDefinition(columns: [], expression: [9])), isValidated: false),
      .addUnique(UniqueConstraint(name: "u", columns: ["a", "b"])), .validateConstraint(name: "c"),
      .dropConstraint(name: "c", ifExists: true), .renameConstraint(name: "c", to: "d")),
    alter(
      "t",
      .setType(
        TypeChange(
          column: "a", type: .text, conversion: RowExpressionDefinition(columns: [], expression: [9]), hasUsing: true,
          oldDefault: [1], newDefault: [2], newDefaultText: "two")),
      .setType(
        TypeChange(
          column: "b", type: .int4, conversion: RowExpressionDefinition(columns: [], expression: []), hasUsing: false)),
      .addPrimaryKey(UniqueConstraint(name: nil, columns: ["a", "b"]))),
    createIndex("i", on: "t", ["a", "b"], isUnique: true), createIndex(nil, on: "t", ["a"]),
    .dropIndexes(names: [ObjectName(name: "i")], ifExists: false),
    .truncateTables(names: [ObjectName(name: "a"), ObjectName(schema: "s", name: "b")]),
    .truncateTables(names: [ObjectName(name: "a")], restartsIdentity: true),
    .renameIndex(ObjectName(name: "i"), to: "j", ifExists: false),
  ])
  func roundTrip(statement: SchemaStatement) throws {
    #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
  }

  @Test func jobsRoundTripWithTheirPlans() throws {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a")]))
    for statement in [
      createTable("u", [column("id")]), createIndex("i", on: "t", ["a"], isUnique: true),
      alter(
        "t", .dropColumn(name: "a", ifExists: false), .addColumn(column("n", isNullable: false), ifNotExists: false),
        .renameColumn(name: "id", to: "key")),
      alter(
        "t", .setNotNull(column: "a"), .setDefault(column: "a", expression: [1], text: "1"),
        .addCheck(
          CheckDefinition(name: "c", rule: RowExpressionDefinition(columns: [], expression: [1])), isValidated: true)),
      alter("t", .dropNotNull(column: "a")),
      alter(
        "t",
        .setType(
          TypeChange(
            column: "a", type: .text,
            conversion: RowExpressionDefinition(columns: [.init(name: "a", type: .int8)], expression: [9]),
            hasUsing: true
          ))),
      alter(
        "t",
        .setType(
          TypeChange(
            column: "a", type: .int8,
            conversion: RowExpressionDefinition(columns: [.init(name: "a", type: .int8)], expression: [9]),
            hasUsing: false))),
      .dropTables(names: [ObjectName(name: "t")], ifExists: false),
      .renameTable(ObjectName(name: "t"), to: "v", ifExists: false),
      .renameIndex(ObjectName(name: "t_pkey"), to: "w", ifExists: false),
    ] {
      var job = JobRecord(
        id: JobID(7), operationID: OperationID("x"), databaseID: .defaultDatabase, statementText: "CREATE …",
        tableName: "t", state: .running)
      job.plan = try world.plan(statement)
      job.statement = statement.encoded()
      job.error = SQLError(.uniqueViolation, "message", detail: "detail", constraintName: "i")
      job.checkpoint = [1, 2]
      job.history = [
        JobStep(name: "s", schemaIndex: SchemaIndex(3), startedMilliseconds: 1, finishedMilliseconds: 2)
      ]
      #expect(try JobRecord(decoding: job.encoded()) == job)
    }
  }
}
