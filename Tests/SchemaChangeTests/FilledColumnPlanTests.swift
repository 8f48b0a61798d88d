import Basics
import Catalog
import SQLExpressions
import SQLValues
import Testing

@testable import SchemaChange

struct FilledColumnPlanTests {
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a")]))
    return world
  }

  private let random = ColumnDefinition(
    name: "r", type: .float8, defaultExpression: Expression.call(.random, [], .float8).encoded,
    defaultText: "random()")

  private let serial = ColumnDefinition(
    name: "n", type: .int8, isNullable: false, generator: ColumnGenerator(identity: nil))

  private func generated(_ name: String, from read: String...) -> ColumnDefinition {
    ColumnDefinition(
      name: name, type: .int8,
      generation: RowExpressionDefinition(
        columns: read.map { .init(name: $0, type: .int8) }, expression: Expression.column(0, .int8).encoded))
  }

  private func add(_ columns: ColumnDefinition...) -> SchemaStatement {
    .alterTable(ObjectName(name: "t"), ifExists: false, changes: columns.map { .addColumn($0, ifNotExists: false) })
  }

  private func refusal(_ world: World, _ statement: SchemaStatement) -> String? {
    var world = world
    do {
      _ = try world.plan(statement)
      return nil
    } catch {
      return (error as? SQLError)?.state.code
    }
  }

  /// Without what only grows: version, floor and the next ids.
  private static func shape(_ table: TableDescriptor) -> TableDescriptor {
    var shape = table
    shape.version = TableVersion(1)
    shape.commitFloor = TableVersion(1)
    shape.nextColumnID = ColumnID(1)
    shape.nextIndexID = IndexID(1)
    shape.nextConstraintID = ConstraintID(1)
    return shape
  }

  /// From every stage before the visible one there is a way back to the catalog as it was.
  private func requireWaysBack(_ plan: Plan, from world: World) throws {
    let before = try #require(world.table("t"))
    for stages in 1...max(1, plan.visibleStage) {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      let halfway = try #require(attempt.table("t"))
      #expect(halfway.publicColumns == before.publicColumns && halfway.indexes.first == before.indexes.first)
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      #expect(attempt.table("t").map(Self.shape) == Self.shape(before))
      #expect(attempt.catalog.sequences.isEmpty)
    }
  }

  @Test func rowsAreFilledBeforeAVolatileDefaultIsVisible() throws {
    var world = try world()
    let plan = try world.plan(add(random))
    #expect(
      plan.explanation == [
        "ALTER TABLE: 5 schema entries", "stage 1: column r: absent -> deleteOnly",
        "  wait until every session has caught up", "stage 2: column r: deleteOnly -> writeOnly",
        "  table 1: commit floor becomes the previous version", "  wait until every session has caught up",
        "stage 3: column r: writeOnly -> backfilling", "  table 1: commit floor becomes the previous version",
        "  wait until every session has caught up", "  give rows of table 1 the values of new columns",
        "stage 4: column r: backfilling -> validating", "  table 1: commit floor becomes the previous version",
        "  wait until every session has caught up", "stage 5 (visible): column r: validating -> public",
        "  table 1: commit floor becomes the previous version",
      ])
    try requireWaysBack(plan, from: world)
    for (position, stage) in plan.stages.enumerated() {
      try world.apply(stage)
      let column = try #require(world.table("t")?.columns.last)
      #expect(column.isFilled == (position < 4) && column.missingValue == .null)
    }
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "a", "r"])
  }

  @Test func aSerialColumnBringsItsSequenceWithTheFirstStage() throws {
    var world = try world()
    let plan = try world.plan(add(serial))
    #expect(plan.stages[0].name == "sequence t_n_seq: absent -> public; column n: absent -> deleteOnly")
    #expect(
      plan.stages[2].work == [.fill(TableID(1))] && plan.stages[3].work == [.validateNotNull(TableID(1), ColumnID(3))])
    #expect(plan.additions.contains(.sequence(TableID(2))) && plan.tables == [TableID(1), TableID(2)])
    try requireWaysBack(plan, from: world)
    for stage in plan.stages { try world.apply(stage) }
    let sequence = try #require(world.catalog.sequences.first)
    #expect(sequence.name == "t_n_seq" && sequence.sequence?.owner?.column == ColumnID(3))
    let column = try #require(world.table("t")?.column(ColumnID(3)))
    #expect(!column.isNullable && column.sequences == [sequence.id] && !column.isFilled)
    // With the column goes the sequence.
    try world.run(alter("t", .dropColumn(name: "n", ifExists: false)))
    #expect(world.catalog.sequences.isEmpty)
  }

  @Test func aColumnThatAnIndexStillNeedsTakesNoNumbers() throws {
    var world = try world()
    try world.run(add(serial))
    try world.run(createIndex("t_n", on: "t", ["n"], isUnique: true))
    let plan = try world.plan(alter("t", .dropColumn(name: "n", ifExists: false)))
    for stage in plan.stages {
      try world.apply(stage)
      // Whoever inserts a row evaluates the default of a column that is written, and the sequence is on its way out.
      let column = world.table("t")?.column(ColumnID(3))
      #expect(column?.defaultExpression == nil && column?.sequences.isEmpty ?? true, "\(stage.name)")
    }
    #expect(world.catalog.sequences.isEmpty && world.table("t")?.columns.count == 2)
  }

  @Test func whatReadsAFilledColumnWaitsForItsValues() throws {
    let world = try world()
    let statement = SchemaStatement.alterTable(
      ObjectName(name: "t"), ifExists: false,
      changes: [
        .addColumn(serial, ifNotExists: false), .addUnique(UniqueConstraint(name: "u", columns: ["n"])),
        .addCheck(
          CheckDefinition(
            name: "c", rule: RowExpressionDefinition(columns: [.init(name: "n", type: .int8)], expression: [1])),
          isValidated: true),
      ])
    var planning = world
    let plan = try planning.plan(statement)
    let filled = try #require(plan.stages.firstIndex { $0.work.contains(.fill(TableID(1))) })
    #expect(plan.stages[...filled].allSatisfy { !$0.name.contains("index u") && !$0.name.contains("constraint c") })
    #expect(plan.stages[plan.visibleStage].name.contains("index u: backfilling -> public"))
    #expect(plan.stages[plan.visibleStage].name.contains("column n: validating -> public"))
    try requireWaysBack(plan, from: world)
    for stage in plan.stages { try planning.apply(stage) }
    #expect(planning.table("t")?.indexes.map(\.name) == ["t_pkey", "u"])
  }

  @Test func aPrimaryKeyOfANewColumnIsCopiedWhenRowsAreFilled() throws {
    var world = World()
    try world.run(createTable("t", [column("a")], key: []))
    try world.run(createIndex("t_a", on: "t", ["a"]))
    let statement = SchemaStatement.alterTable(
      ObjectName(name: "t"), ifExists: false,
      changes: [
        .addColumn(serial, ifNotExists: false), .addPrimaryKey(UniqueConstraint(name: nil, columns: ["n"])),
      ])
    let before = world
    let plan = try world.plan(statement)
    let filled = try #require(plan.stages.firstIndex { $0.work.contains(.fill(TableID(1))) })
    #expect(plan.stages[...filled].allSatisfy { !$0.name.contains("copy") })
    try requireWaysBack(plan, from: before)
    for stage in plan.stages { try world.apply(stage) }
    let table = try #require(world.table("t"))
    #expect(table.columns.map(\.name) == ["a", "n"] && table.indexes.map(\.name) == ["t_pkey", "t_a"])
    #expect(table.primaryIndex.keyColumns.map(\.columnID) == [ColumnID(3)])
    #expect(
      refusal(
        before,
        .alterTable(
          ObjectName(name: "t"), ifExists: false,
          changes: [
            .addColumn(column("n", isNullable: false, default: .integer(1)), ifNotExists: false),
            .addPrimaryKey(UniqueConstraint(name: nil, columns: ["n"])),
          ])) == "0A000")
  }

  @Test func severalColumnsAreFilledInOnePass() throws {
    var world = try world()
    let plan = try world.plan(add(random, serial, column("c", default: .integer(7)), generated("g", from: "c")))
    #expect(plan.stages.flatMap(\.work).filter { $0 == .fill(TableID(1)) }.count == 1)
    // What it is computed from is there before it.
    let first = try #require(plan.stages.firstIndex { $0.name.contains("column c: absent -> writeOnly") })
    #expect(first < plan.visibleStage)
    for stage in plan.stages { try world.apply(stage) }
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "a", "r", "n", "c", "g"])
  }

  @Test func generatedColumnsComeAndGoWithWhatTheyRead() throws {
    var world = try world()
    let plan = try world.plan(add(generated("g", from: "a")))
    try requireWaysBack(plan, from: world)
    for stage in plan.stages { try world.apply(stage) }
    let column = try #require(world.table("t")?.column(ColumnID(3)))
    #expect(column.generation?.columns == [ColumnID(2)] && column.state == .public)

    #expect(refusal(world, alter("t", .dropColumn(name: "a", ifExists: false))) == "2BP01")
    #expect(refusal(world, add(generated("h", from: "g"))) == "42P17")
    #expect(refusal(world, alter("t", .setDefault(column: "g", expression: nil, text: nil))) == "42601")
    #expect(refusal(world, alter("t", .dropGeneration(column: "a", ifExists: false))) == "55000")
    #expect(try world.plan(alter("t", .dropGeneration(column: "a", ifExists: true))).notices.count == 1)

    var without = world
    let removal = try without.plan(alter("t", .dropGeneration(column: "g", ifExists: false)))
    #expect(removal.isInstant && removal.stages[0].changes[0].floor == .current)
    for stage in removal.stages { try without.apply(stage) }
    #expect(without.table("t")?.column(ColumnID(3))?.generation == nil)
    try without.run(alter("t", .dropColumn(name: "a", ifExists: false)))

    let cascade = try world.plan(alter("t", .dropColumn(name: "a", ifExists: false, isCascade: true)))
    #expect(cascade.notices == ["drop cascades to column g of table t"])
    for stage in cascade.stages {
      try world.apply(stage)
      // As long as it is computed, what it reads is written.
      let table = try #require(world.table("t"))
      if let generated = table.column(ColumnID(3)), generated.state.isWritable {
        #expect(table.column(ColumnID(2))?.state.isWritable == true)
      }
    }
    #expect(world.table("t")?.columns.map(\.name) == ["id"])
  }

  @Test func aTransactionFillsAsAStatementAlone() throws {
    let world = try world()
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try draft.apply(add(serial))
    _ = try draft.apply(createIndex("i", on: "t", ["n"]))
    _ = try draft.apply(alter("t", .renameColumn(name: "a", to: "b")))
    #expect(draft.unreadableTables == [TableID(1)], "its rows have no values yet")
    var planning = world
    let plan = try planning.plan(.transaction(draft.transaction))
    let filled = try #require(plan.stages.firstIndex { $0.work.contains(.fill(TableID(1))) })
    #expect(plan.stages[0].name.contains("sequence t_n_seq: absent -> public"))
    #expect(plan.stages[...filled].allSatisfy { !$0.name.contains("index i") })
    try requireWaysBack(plan, from: world)
    for stage in plan.stages { try planning.apply(stage) }
    #expect(planning.table("t")?.publicColumns.map(\.name) == ["id", "b", "n"])

    // The name of the sequence is free only when the old column is gone.
    var taken = world
    try taken.run(add(serial))
    let before = taken
    var swap = SchemaDraft(catalog: taken.catalog, databaseID: .defaultDatabase)
    _ = try swap.apply(alter("t", .dropColumn(name: "n", ifExists: false)))
    _ = try swap.apply(add(serial))
    let swapped = try taken.plan(.transaction(swap.transaction))
    #expect(swapped.stages[0].name.contains("sequence new_sequence_"))
    for stage in swapped.stages { try taken.apply(stage) }
    #expect(taken.catalog.sequences.map(\.name) == ["t_n_seq"])
    #expect(taken.catalog.sequences[0].id != before.catalog.sequences[0].id)

    var other = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    _ = try other.apply(add(random))
    _ = try other.apply(alter("t", .setDefault(column: "r", expression: nil, text: nil)))
    #expect(refusal(world, .transaction(other.transaction)) == "0A000")
  }

  @Test func truncationRestartsWhatTheTableOwns() throws {
    var world = try world()
    try world.run(add(serial))
    let before = try #require(world.catalog.sequences.first?.sequence)
    let name = ObjectName(name: "t")
    #expect(try world.plan(.truncateTables(names: [name])).tables == [TableID(1)])
    let plan = try world.plan(.truncateTables(names: [name], restartsIdentity: true))
    #expect(plan.tables == [TableID(1), TableID(2)] && plan.isInstant)
    #expect(plan.stages[0].changes.allSatisfy { $0.floor == .current })
    for stage in plan.stages { try world.apply(stage) }
    let after = try #require(world.catalog.sequences.first?.sequence)
    #expect(after.generation != before.generation && after.initialState.lastValue == 1)
    #expect(
      Planner.tables(
        of: .truncateTables(names: [name], restartsIdentity: true), in: world.catalog, .defaultDatabase)
        == [TableID(1), TableID(2)])
  }

  @Test func statementsAndPlansSurviveEncoding() throws {
    let world = try world()
    for statement in [
      add(random), add(serial), add(generated("g", from: "a")),
      alter("t", .dropGeneration(column: "g", ifExists: true)),
    ] {
      #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
    }
    var planning = world
    for definition in [serial, generated("g", from: "a")] {
      let plan = try planning.plan(add(definition))
      var writer = ByteWriter(capacity: 256)
      plan.encode(into: &writer)
      #expect(try Plan(decoding: writer.bytes[...]) == plan)
    }
  }
}
