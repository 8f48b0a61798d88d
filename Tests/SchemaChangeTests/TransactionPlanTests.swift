import Basics
import Catalog
import SQLExpressions
import SQLValues
import Testing

@testable import SchemaChange

struct TransactionPlanTests {
  /// t(id key, a indexed, b text not null), u(id key, a)
  private func world() throws -> World {
    var world = World()
    try world.run(
      createTable("t", [column("id"), column("a"), column("b", .text, isNullable: false, default: .text("x"))]))
    try world.run(createIndex("t_a", on: "t", ["a"]))
    try world.run(createTable("u", [column("id"), column("a")]))
    return world
  }

  private func transaction(_ statements: [SchemaStatement], seenIn catalog: CatalogState) throws -> SchemaStatement {
    var draft = SchemaDraft(catalog: catalog, databaseID: .defaultDatabase)
    for statement in statements { _ = try draft.apply(statement) }
    return .transaction(draft.transaction)
  }

  /// What rows of before are, only a job can see to; rows of a table of its own the transaction has in hand.
  @Test func aDraftTellsWhatHasToBeDoneWithRowsOfItsOwnTables() throws {
    let world = try world()
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(createTable("v", [column("id"), column("a")]))
    #expect(draft.lastSteps.isEmpty)
    let id = try #require(draft.catalog.table(named: "v")).id
    _ = try draft.apply(createIndex("v_a", on: "v", ["a"]))
    #expect(draft.lastSteps.flatMap(\.work).first == .backfill(id, IndexID(2)))
    #expect(draft.lastSteps.flatMap(\.retiredRanges).isEmpty)
    _ = try draft.apply(createIndex("t_b", on: "t", ["b"]))
    #expect(draft.lastSteps.isEmpty)
    _ = try draft.apply(.truncateTables(names: [ObjectName(name: "v")]))
    #expect(draft.lastSteps.flatMap(\.retiredRanges).count == 2)
    #expect(draft.lastSteps.flatMap(\.work).isEmpty)
    _ = try draft.apply(.dropTables(names: [ObjectName(name: "v")], ifExists: false))
    #expect(draft.lastSteps.flatMap(\.retiredRanges).count == 2)
    // The leader has no rows of anybody.
    _ = try draft.rebased(on: world.catalog)
  }

  @Test func aDefaultFollowsTheSequenceOfItsTransaction() throws {
    var world = try world()
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(createTable("first", [column("id")]))
    _ = try draft.apply(.createSequence(ObjectName(name: "s"), ifNotExists: false, SequenceOptions()))
    let drafted = try #require(draft.catalog.sequences.first).id
    let next = Expression.nextValue(ofSequence: Int64(drafted.rawValue), as: .int8).encoded
    var numbered = column("n")
    numbered.defaultExpression = next
    numbered.defaultText = "next"
    numbered.sequences = [drafted]
    _ = try draft.apply(createTable("v", [column("id"), numbered]))
    _ = try draft.apply(
      alter("t", .setDefault(column: "a", expression: next, text: "next", sequences: [drafted])))
    for stage in try world.plan(.transaction(draft.transaction)).stages { try world.apply(stage) }
    let real = try #require(world.catalog.sequences.first).id
    #expect(!SchemaDraft.isProvisional(real))
    for table in ["t", "v"] {
      let column = try #require(world.table(table)?.column(ColumnID(2)))
      #expect(column.sequences == [real])
      let stored = try Expression(decoding: try #require(column.defaultExpression))
      #expect(stored.sequenceNumbers == [Int64(real.rawValue)])
    }
  }

  @Test func changesOfDifferentTablesBecomeVisibleTogether() throws {
    var world = try world()
    let statement = try transaction(
      [
        createIndex("t_b", on: "t", ["b"]),
        alter("u", .addColumn(column("c", default: .integer(7)), ifNotExists: false)),
        createTable("v", [column("id")]),
      ], seenIn: world.catalog)
    let plan = try world.plan(statement)
    #expect(plan.commandTag == "COMMIT")
    #expect(
      plan.explanation == [
        "COMMIT: 4 schema entries",
        "stage 1: index t_b: absent -> deleteOnly", "  new range 4 on nodes 11, 12, 13",
        "  wait until every session has caught up",
        "stage 2: index t_b: deleteOnly -> writeOnly", "  table 1: commit floor becomes the previous version",
        "  wait until every session has caught up",
        "stage 3: index t_b: writeOnly -> backfilling", "  table 1: commit floor becomes the previous version",
        "  backfill index 3", "  validate index 3",
        "stage 4 (visible): index t_b: backfilling -> public; column c: absent -> public; table v: absent -> public",
        "  new range 5 on nodes 12, 13, 14",
      ])
    // Nobody sees any of it before the last entry, and before it there is a way back.
    for count in 1...3 {
      var attempt = world
      for stage in plan.stages.prefix(count) { try attempt.apply(stage) }
      #expect(attempt.table("v") == nil && attempt.table("u") == world.table("u"))
      #expect(attempt.table("t")?.readableIndexes == world.table("t")?.readableIndexes)
      let back = plan.rollback(in: attempt.catalog)
      for stage in back.stages { try attempt.apply(stage) }
      #expect(attempt.table("t").map(shape) == world.table("t").map(shape))
      #expect(back.stages.flatMap(\.retiredRanges) == [RangeID(4)])
    }
    for stage in plan.stages { try world.apply(stage) }
    #expect(world.table("v") != nil && world.table("u")?.publicColumns.map(\.name) == ["id", "a", "c"])
    #expect(world.table("t")?.readableIndexes.map(\.name) == ["t_pkey", "t_a", "t_b"])
  }

  @Test func ofSeveralChangesOfOneTableTheOutcomeCounts() throws {
    var world = try world()
    let plan = try world.plan(
      transaction(
        [
          alter("t", .addColumn(column("c", default: .integer(7)), ifNotExists: false)),
          createIndex("t_c", on: "t", ["c"], isUnique: true),
          alter("t", .renameColumn(name: "a", to: "z")), alter("t", .setNotNull(column: "z")),
          .renameTable(ObjectName(name: "t"), to: "ships", ifExists: false),
          .renameIndex(ObjectName(name: "t_c"), to: "ships_c", ifExists: false),
          createIndex("passing", on: "ships", ["b"]),
          .dropIndexes(names: [ObjectName(name: "passing")], ifExists: false),
          .dropIndexes(names: [ObjectName(name: "t_a")], ifExists: false),
        ], seenIn: world.catalog))
    #expect(plan.stages.count == 6 && plan.visibleStage == 3)
    let work = plan.stages.flatMap(\.work)
    #expect(
      work == [
        .validateNotNull(TableID(1), ColumnID(2)), .backfill(TableID(1), IndexID(3)),
        .validateIndex(TableID(1), IndexID(3)),
      ])
    for (position, stage) in plan.stages.enumerated() {
      try world.apply(stage)
      #expect((world.table("ships") != nil) == (position >= 3))
    }
    let table = try #require(world.table("ships"))
    #expect(table.publicColumns.map(\.name) == ["id", "z", "b", "c"])
    #expect(table.columns[1].isNullable == false && table.constraints.isEmpty)
    #expect(table.indexes.map(\.name) == ["t_pkey", "ships_c"])
  }

  @Test func whatATransactionCreatesComesIntoBeingInOneEntry() throws {
    var world = try world()
    let statements: [SchemaStatement] = [
      .dropTables(names: [ObjectName(name: "u")], ifExists: false),
      createTable("u", [column("id"), column("n")]),
      createIndex("u_n", on: "u", ["n"], isUnique: true),
      alter("u", .addColumn(column("m", isNullable: false), ifNotExists: false)),
      alter("u", .dropColumn(name: "n", ifExists: false)),
      createIndex("u_m", on: "u", ["m"]),
      createTable("gone", [column("id")]), .dropTables(names: [ObjectName(name: "gone")], ifExists: false),
    ]
    let old = try #require(world.table("u"))
    let plan = try world.plan(transaction(statements, seenIn: world.catalog))
    #expect(plan.visibleStage == 0 && plan.stages.count == 2 && plan.stages[0].newRanges.count == 2)
    try world.apply(plan.stages[0])
    let new = try #require(world.table("u"))
    #expect(new.id != old.id && new.version == TableVersion(1) && world.catalog.table(id: old.id)?.state == .dropping)
    #expect(new.publicColumns.map(\.name) == ["id", "m"] && new.readableIndexes.map(\.name) == ["u_pkey", "u_m"])
    try world.apply(plan.stages[1])
    #expect(world.catalog.table(id: old.id) == nil && world.table("gone") == nil)
  }

  @Test func whatIsAddedAndDroppedAgainIsNothing() throws {
    var world = try world()
    let plan = try world.plan(
      transaction(
        [createIndex("x", on: "u", ["a"]), .dropIndexes(names: [ObjectName(name: "x")], ifExists: false)],
        seenIn: world.catalog))
    #expect(plan.stages.isEmpty)
  }

  @Test func aTableThatChangedMeanwhileIsRefused() throws {
    var world = try world()
    let seen = world.catalog
    let statement = try transaction([createIndex("x", on: "u", ["a"])], seenIn: seen)
    try world.run(alter("t", .addColumn(column("other"), ifNotExists: false)))
    _ = try world.plan(statement)
    try world.run(alter("u", .addColumn(column("other"), ifNotExists: false)))
    let error = #expect(throws: SQLError.self) { try world.plan(statement) }
    #expect(error?.state == .serializationFailure && error?.tableName == "u")
    var draft = SchemaDraft(catalog: seen, databaseID: .defaultDatabase)
    _ = try draft.apply(createIndex("x", on: "u", ["a"]))
    #expect(throws: SQLError.self) { try draft.rebased(on: world.catalog) }
  }

  @Test func aStatementThatFailsLeavesTheDraftAsItWas() throws {
    let world = try world()
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(createTable("v", [column("id")]))
    for wrong in [createTable("v", [column("id")]), createIndex("i", on: "v", ["none"])] {
      #expect(throws: SQLError.self) { try draft.apply(wrong) }
    }
    #expect(draft.statements.count == 1 && draft.catalog.table(named: "v") != nil)
    #expect(SchemaDraft.isProvisional(try #require(draft.catalog.table(named: "v")).id))
  }

  @Test func itsOwnStatementsDoNotReadAnIndexThatIsNotBuilt() throws {
    let world = try world()
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(createIndex("u_a", on: "u", ["a"]))
    let table = try #require(draft.visibleCatalog().table(named: "u"))
    #expect(table.indexes.count == 2 && table.readableIndexes.count == 1 && draft.unreadableTables == [])
    _ = try draft.apply(.truncateTables(names: [ObjectName(name: "t")]))
    #expect(draft.unreadableTables == [try #require(world.table("t")).id])
  }

  @Test func statementsSurviveTheirEncoding() throws {
    let world = try world()
    let statement = try transaction(
      [createIndex("x", on: "u", ["a"]), createTable("v", [column("id")])], seenIn: world.catalog)
    #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
    // One in another is no statement, however deep.
    var writer = ByteWriter(capacity: 64)
    writer.field(24) { $0.field(1, statement.encoded()) }
    #expect(throws: MalformedBytes.self) { try SchemaStatement(decoding: writer.bytes) }
  }

  /// Whatever the statements: what the transaction leaves is what they leave one after the other.
  @Test(arguments: 0..<400) func aTransactionLeavesWhatItsStatementsLeave(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var world = try world()
    world.retainsDropped = seed % 2 == 1
    var alone = world
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    for _ in 0..<(2 + Int(random.next() % 8)) {
      let statement = Self.statement(&random)
      // What the draft refuses, the catalog refuses as well.
      let isDrafted = (try? draft.apply(statement)) != nil
      var attempt = alone
      let isDone = (try? attempt.run(statement)) != nil
      #expect(isDrafted == isDone, "\(statement)")
      if isDone { alone = attempt }
    }
    let plan: Plan
    do { plan = try world.plan(.transaction(draft.transaction)) } catch let error as SQLError {
      #expect(error.state == .featureNotSupported && !error.message.contains("combination"), "\(error)")
      return
    }
    // Before it is visible every table is as it was, for those who read.
    let before = world
    for (position, stage) in plan.stages.enumerated() {
      try world.apply(stage)
      if position < plan.visibleStage {
        for table in before.catalog.tables {
          let now = try #require(world.catalog.table(id: table.id))
          #expect(now.publicColumns == table.publicColumns && now.readableIndexes == table.readableIndexes)
        }
      }
    }
    let left = world.catalog.tables.map(readable).sorted()
    #expect(left == alone.catalog.tables.map(readable).sorted())
  }

  private static func statement(_ random: inout SeededGenerator) -> SchemaStatement {
    func pick(_ names: String...) -> String { names[Int(random.next() % UInt64(names.count))] }
    let table = pick("t", "u", "v")
    switch random.next() % 13 {
    case 0: return createTable(pick("u", "v"), [column("id"), column("a")])
    case 1: return .dropTables(names: [ObjectName(name: table)], ifExists: false)
    case 2: return .renameTable(ObjectName(name: table), to: pick("t", "u", "v"), ifExists: false)
    case 3:
      return alter(table, .addColumn(column(pick("a", "c", "d"), default: .integer(1)), ifNotExists: false))
    case 4: return alter(table, .addColumn(column(pick("c", "d"), isNullable: false), ifNotExists: false))
    case 5: return alter(table, .dropColumn(name: pick("a", "c", "d"), ifExists: false))
    case 6: return alter(table, .renameColumn(name: pick("a", "c"), to: pick("c", "d")))
    case 7: return alter(table, .setNotNull(column: pick("a", "c", "d")))
    case 8: return alter(table, .dropNotNull(column: pick("a", "b", "c")))
    case 9: return createIndex(pick("i", "j"), on: table, [pick("a", "c", "d")], isUnique: random.next() % 2 == 0)
    case 10: return .dropIndexes(names: [ObjectName(name: pick("i", "j", "t_a"))], ifExists: false)
    case 11: return .renameIndex(ObjectName(name: pick("i", "t_a")), to: pick("i", "j", "k"), ifExists: false)
    default:
      return alter(table, .setDefault(column: pick("a", "c"), expression: [2], text: "two"))
    }
  }
}

/// Without what only grows.
private func shape(_ table: TableDescriptor) -> TableDescriptor {
  var copy = table
  copy.version = .none
  copy.commitFloor = .none
  copy.nextIndexID = IndexID(0)
  copy.nextColumnID = ColumnID(0)
  copy.nextConstraintID = ConstraintID(0)
  return copy
}

/// What clients can tell, whatever the ids.
private func readable(_ table: TableDescriptor) -> String {
  let columns = table.publicColumns.map { column in
    "\(column.name) \(column.type)\(column.isNullable ? "" : " not null") \(column.defaultText ?? "")"
  }
  let indexes = table.readableIndexes.map { index in
    let key = index.keyColumns.map { table.column($0.columnID)?.name ?? "?" }.joined(separator: ",")
    return "\(index.name)(\(key))\(index.isUnique ? " unique" : "")"
  }
  return
    "\(table.name): \(columns.joined(separator: "; ")) | \(indexes.sorted().joined(separator: "; ")) | \(table.constraints.count)"
}
