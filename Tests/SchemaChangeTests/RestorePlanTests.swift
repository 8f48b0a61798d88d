import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

/// What was dropped comes back; what a job did is taken back.
@Suite struct RestorePlanTests {
  private func world(_ statements: SchemaStatement...) throws -> World {
    var world = World()
    world.retainsDropped = true
    for statement in statements { try world.run(statement) }
    return world
  }

  private let t = createTable(
    "t", [column("id", isNullable: false), column("a", .text), column("b", isNullable: false)])

  private func drop(_ name: String, cascade: Bool = false) -> SchemaStatement {
    .dropTables(names: [ObjectName(name: name)], ifExists: false, isCascade: cascade)
  }

  private func undrop(
    _ kind: Undrop.Kind, _ name: String, on table: String? = nil, as newName: String? = nil
  ) -> SchemaStatement {
    .undrop(Undrop(kind, ObjectName(name: name), table: table.map { ObjectName(name: $0) }, newName: newName))
  }

  private func failure(_ world: World, _ statement: SchemaStatement) -> SQLError? {
    var world = world
    do {
      try world.run(statement)
      return nil
    } catch {
      return error as? SQLError
    }
  }

  private func names(_ world: World) -> [String] {
    world.waysBack.droppedObjects(in: world.catalog).map { "\($0.kind.name) \($0.name)" }
  }

  // MARK: Tables

  @Test func tableComesBackWithItsRangesUnderItsId() throws {
    var world = try world(t, createIndex("i", on: "t", ["a"]))
    let before = try #require(world.table("t"))
    try world.run(drop("t"))
    #expect(world.table("t") == nil)
    #expect(names(world) == ["table t"])
    let plan = try world.plan(undrop(.table, "t"))
    #expect(plan.stages.count == 1)
    #expect(plan.stages[0].restoredRanges == before.indexes.map(\.rangeID))
    try world.run(undrop(.table, "t"))
    var after = try #require(world.table("t"))
    #expect(after.version > TableVersion(before.version.rawValue + 1))
    #expect(after.commitFloor == after.version)
    after.version = before.version
    after.commitFloor = before.commitFloor
    #expect(after == before)
    #expect(names(world) == [])
    #expect(failure(world, undrop(.table, "t"))?.state == .undefinedObject)
  }

  @Test func versionsGoOnSoThatNobodyCommitsWithAnOldOne() throws {
    var world = try world(t, drop("t"), undrop(.table, "t"), drop("t"))
    let last = try #require(world.waysBack.values.last?.tables.first?.lastVersion)
    try world.run(undrop(.table, "t"))
    let table = try #require(world.table("t"))
    #expect(table.version > last)
    #expect(table.commitFloor == table.version)
  }

  @Test func theNameIsFreeAtOnceAndTheOldTableComesBackBeside() throws {
    var world = try world(t, drop("t"), t)
    let new = try #require(world.table("t"))
    #expect(failure(world, undrop(.table, "t"))?.state == .duplicateTable)
    try world.run(undrop(.table, "t", as: "old"))
    #expect(world.table("t") == new)
    let old = try #require(world.table("old"))
    #expect(old.primaryIndex.name == "old_pkey")
    #expect(old.id != new.id)
  }

  @Test func theLatestOfThatNameComesBackAndTheOthersByTheirJobs() throws {
    var world = try world(t, drop("t"))
    let first = world.lastJob
    try world.run(t)
    let second = try #require(world.table("t")?.id)
    try world.run(drop("t"))
    try world.run(undrop(.table, "t"))
    #expect(world.table("t")?.id == second)
    #expect(failure(world, .revertJob(first))?.state == .duplicateTable)
    try world.run(.renameTable(ObjectName(name: "t"), to: "u", ifExists: false))
    #expect(failure(world, .revertJob(first)) == nil)
  }

  @Test func dataThatIsGoneIsGone() throws {
    var world = try world(t, drop("t"))
    let ranges = try #require(world.waysBack.values.last?.tables.first?.before?.indexes.map(\.rangeID))
    try world.catalog.apply(
      SchemaEntry(
        index: world.catalog.schemaIndex.next, timestamp: world.catalog.timestamp.next, databaseID: .defaultDatabase,
        changes: [], removedRanges: ranges))
    #expect(names(world) == [])
    #expect(failure(world, undrop(.table, "t"))?.state == .objectNotInPrerequisiteState)
  }

  @Test func foreignKeysComeBackAsFarAsTheyCanHold() throws {
    func child(_ name: String) -> SchemaStatement {
      guard case .createTable(var create) = createTable(name, [column("id", isNullable: false), column("p")]) else {
        return t
      }
      create.foreignKeys = [
        ForeignKeyDefinition(name: "\(name)_p", columns: ["p"], referencedTable: ObjectName(name: "t"))
      ]
      return .createTable(create)
    }
    var world = try world(t, child("c"))
    // The side that refers: its parent went on.
    try world.run(drop("c"))
    #expect(world.table("t")?.referencedBy == [])
    try world.run(undrop(.table, "c"))
    var key = try #require(world.table("c")?.constraints.first)
    #expect(key.state == .writeOnly)
    #expect(world.table("t")?.referencedBy.map(\.constraint) == [key.id])
    #expect(world.table("t")?.commitFloor == world.table("t")?.version)
    try world.run(alter("c", .validateConstraint(name: "c_p")))
    // The side that is referred to: the child went on without the key.
    try world.run(drop("t", cascade: true))
    #expect(world.table("c")?.constraints == [])
    try world.run(undrop(.table, "t"))
    key = try #require(world.table("c")?.constraints.first)
    #expect(key.state == .writeOnly && key.name == "c_p")
    #expect(world.table("t")?.referencedBy.map(\.constraint) == [key.id])
    // Both: nobody has written either.
    try world.run(alter("c", .validateConstraint(name: "c_p")))
    try world.run(
      .dropTables(names: [ObjectName(name: "c"), ObjectName(name: "t")], ifExists: false, isCascade: false))
    try world.run(.revertJob(world.lastJob))
    #expect(world.table("c")?.constraints.map(\.state) == [.public])
    #expect(world.table("t")?.referencedBy.count == 1)
  }

  @Test func sequencesComeBackWithTheirTable() throws {
    var serial = column("id", isNullable: false)
    serial.generator = ColumnGenerator(identity: nil, options: SequenceOptions())
    var world = try world(createTable("s", [serial, column("a")]))
    let before = try #require(world.catalog.sequence(named: "s_id_seq"))
    try world.run(drop("s"))
    #expect(world.catalog.sequence(named: "s_id_seq") == nil)
    try world.run(undrop(.table, "s"))
    let after = try #require(world.catalog.sequence(named: "s_id_seq"))
    #expect(after.id == before.id && after.primaryIndex.rangeID == before.primaryIndex.rangeID)
    #expect(world.table("s")?.columns.first?.sequences == [before.id])
  }

  // MARK: Columns

  @Test func droppedColumnIsMaintainedAndComesBackInOneStep() throws {
    var world = try world(t)
    let before = try #require(world.table("t"))
    try world.run(alter("t", .dropColumn(name: "a", ifExists: false)))
    let kept = try #require(world.table("t")?.columns.first { $0.id == before.columns[1].id })
    #expect(kept.isRetained)
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "b"])
    #expect(names(world) == ["column a"])
    let plan = try world.plan(undrop(.column, "a", on: "t"))
    #expect(plan.stages.count == 1)
    try world.run(undrop(.column, "a", on: "t"))
    #expect(world.table("t")?.columns == before.columns)
  }

  @Test func aColumnAddedAgainIsAnotherOne() throws {
    var world = try world(
      t, alter("t", .dropColumn(name: "a", ifExists: false)),
      alter("t", .addColumn(column("a", .text), ifNotExists: false)))
    #expect(world.table("t")?.publicColumns.map(\.id) == [ColumnID(1), ColumnID(3), ColumnID(4)])
    #expect(failure(world, undrop(.column, "a", on: "t"))?.state == .duplicateColumn)
    try world.run(undrop(.column, "a", on: "t", as: "old"))
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "old", "b", "a"])
  }

  @Test func whatWentWithTheColumnIsBuiltAndProvedAgain() throws {
    var world = try world(t, createIndex("i", on: "t", ["b", "a"], isUnique: true))
    try world.run(
      alter(
        "t",
        .addCheck(
          CheckDefinition(
            name: "c",
            rule: RowExpressionDefinition(
              columns: [RowExpressionDefinition.Column(name: "b", type: .int8)], expression: [1])), isValidated: true)))
    let before = try #require(world.table("t"))
    try world.run(alter("t", .dropColumn(name: "b", ifExists: false)))
    #expect(world.table("t")?.indexes.count == 1)
    #expect(names(world).sorted() == ["column b", "index i"])
    let plan = try world.plan(undrop(.column, "b", on: "t"))
    let work = plan.stages.flatMap(\.work)
    #expect(work.count == 4, "backfill, its proof, NOT NULL, CHECK")
    // Until all is proved the column stays out of sight, and stays maintained if it is not.
    for stage in plan.stages.dropLast() { #expect(!stage.name.contains("column b: writeOnly -> public")) }
    #expect(!plan.additions.contains { if case .column = $0 { true } else { false } })
    try world.run(undrop(.column, "b", on: "t"))
    let after = try #require(world.table("t"))
    #expect(after.columns == before.columns)
    #expect(after.constraints.map(\.name) == ["c"])
    #expect(after.index(after.nextIndexID.predecessor)?.keyColumns == before.indexes[1].keyColumns)
    #expect(names(world) == [])
  }

  @Test func rollbackFromEveryStageKeepsTheValues() throws {
    var world = try world(
      t, createIndex("i", on: "t", ["b"]), alter("t", .dropColumn(name: "b", ifExists: false)))
    let dropped = try #require(world.table("t"))
    let plan = try world.plan(undrop(.column, "b", on: "t"))
    for count in 0...plan.visibleStage {
      var copy = world
      for stage in plan.stages.prefix(count) { try copy.apply(stage) }
      for stage in plan.rollback(in: copy.catalog).stages { try copy.apply(stage) }
      #expect(copy.table("t")?.columns == dropped.columns)
      #expect(copy.table("t")?.indexes == dropped.indexes)
      #expect(copy.table("t")?.constraints == dropped.constraints)
    }
  }

  @Test func aTableThatComesBackKeepsOnlyWhatCanStillComeBack() throws {
    var world = try world(t, alter("t", .dropColumn(name: "a", ifExists: false)))
    let column = world.lastJob
    try world.run(drop("t"))
    var forgotten = world
    forgotten.waysBack[column] = nil
    try forgotten.run(undrop(.table, "t"))
    #expect(forgotten.table("t")?.columns.map(\.name) == ["id", "b"])
    try world.run(undrop(.table, "t"))
    try world.run(undrop(.column, "a", on: "t"))
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "a", "b"])
  }

  // MARK: Indexes

  @Test func anIndexIsBuiltAgain() throws {
    var world = try world(
      t, createIndex("i", on: "t", ["a"]), .dropIndexes(names: [ObjectName(name: "i")], ifExists: false))
    #expect(names(world) == ["index i"])
    let plan = try world.plan(undrop(.index, "i"))
    #expect(plan.stages.flatMap(\.work).count == 2)
    try world.run(undrop(.index, "i", on: "t", as: "j"))
    #expect(world.table("t")?.indexes.last?.name == "j")
    try world.run(undrop(.index, "i"))
    #expect(failure(world, undrop(.index, "i"))?.state == .undefinedObject)
  }

  /// t(id, a text, b), an invisible index on lower(a) and b of the rows with b.
  private func expressionIndex() -> SchemaStatement {
    .createIndex(
      CreateIndex(
        name: "e", ifNotExists: false, table: ObjectName(name: "t"), isUnique: true,
        keyColumns: [
          IndexColumnDefinition(
            columnName: "lower",
            expression: IndexExpressionDefinition(
              value: RowExpressionDefinition(columns: [.init(name: "a", type: .text)], expression: [1]), type: .text,
              text: "lower(a)")), IndexColumnDefinition(columnName: "b"),
        ], predicate: RowExpressionDefinition(columns: [.init(name: "b", type: .int8)], expression: [2]),
        isVisible: false))
  }

  /// Ids are never used twice, those of what it computes neither.
  private func requireLike(_ old: IndexDescriptor, of before: TableDescriptor, _ world: World) throws {
    let table = try #require(world.table("t"))
    let new = try #require(table.indexes.last)
    #expect(new.name == old.name && new.isUnique && new.isInvisible && new.predicate == old.predicate)
    #expect(new.id > old.id && new.state == .public && new.rangeID != old.rangeID)
    let (computed, was) = (table.computedColumns(of: new), before.computedColumns(of: old))
    #expect(computed.map(\.conversion) == was.map(\.conversion) && computed.map(\.name) == was.map(\.name))
    #expect(computed.map(\.state) == [.public] && computed[0].id > was[0].id)
    #expect(new.keyColumns.map(\.columnID) == [computed[0].id, ColumnID(3)])
    #expect(table.columns.count == 4)
  }

  @Test func anIndexComesBackWithItsExpressionsItsPredicateAndItsVisibility() throws {
    var world = try world(t, expressionIndex())
    let before = try #require(world.table("t"))
    try world.run(.dropIndexes(names: [ObjectName(name: "e")], ifExists: false))
    let dropped = try #require(world.table("t"))
    #expect(dropped.columns.count == 3)
    let plan = try world.plan(undrop(.index, "e"))
    for count in 0...plan.visibleStage {
      var copy = world
      for stage in plan.stages.prefix(count) { try copy.apply(stage) }
      for stage in plan.rollback(in: copy.catalog).stages { try copy.apply(stage) }
      #expect(copy.table("t")?.columns == dropped.columns && copy.table("t")?.indexes == dropped.indexes)
    }
    try world.run(undrop(.index, "e"))
    try requireLike(before.indexes[1], of: before, world)
    #expect(names(world) == [] && failure(world, undrop(.index, "e"))?.state == .undefinedObject)
    // Made visible it is the same index; under another name it is one beside it.
    try world.run(.setIndexVisibility(ObjectName(name: "e"), ifExists: false, isVisible: true))
    let visible = world.lastJob
    #expect(names(world) == [])
    try world.run(.revertJob(visible))
    try requireLike(before.indexes[1], of: before, world)
    try world.run(.renameIndex(ObjectName(name: "e"), to: "f", ifExists: false))
    try world.run(undrop(.index, "e"))
    let table = try #require(world.table("t"))
    #expect(table.columns.filter(\.isComputed).count == 2)
    try world.run(.dropIndexes(names: [ObjectName(name: "e"), ObjectName(name: "f")], ifExists: false))
    #expect(world.table("t")?.columns == dropped.columns)
  }

  @Test(arguments: ["a", "b"]) func anIndexThatReadsADroppedColumnComesBackWithIt(_ name: String) throws {
    var world = try world(t, expressionIndex())
    let before = try #require(world.table("t"))
    try world.run(alter("t", .dropColumn(name: name, ifExists: false)))
    #expect(world.table("t")?.indexes.count == 1 && world.table("t")?.columns.count == 3)
    #expect(failure(world, undrop(.index, "e"))?.state == .objectNotInPrerequisiteState)
    var reverted = world
    try world.run(undrop(.column, name, on: "t"))
    try requireLike(before.indexes[1], of: before, world)
    try reverted.run(.revertJob(reverted.lastJob))
    try requireLike(before.indexes[1], of: before, reverted)
  }

  @Test func anotherIndexOfThatNameIsNoneThatCameBack() throws {
    var world = try world(t, expressionIndex(), .dropIndexes(names: [ObjectName(name: "e")], ifExists: false))
    try world.run(createIndex("e", on: "t", ["a", "b"], isUnique: true))
    #expect(names(world) == ["index e"])
    #expect(failure(world, undrop(.index, "e"))?.state == .duplicateTable)
  }

  // MARK: Dropped twice

  @Test func onlyTheLastDropOfATableComesBack() throws {
    var world = try world(t, createIndex("i", on: "t", ["b"]), drop("t"))
    let first = world.lastJob
    try world.run(undrop(.table, "t"))
    #expect(failure(world, .revertJob(first))?.state == .objectNotInPrerequisiteState)
    try world.run(.dropIndexes(names: [ObjectName(name: "i")], ifExists: false))
    try world.run(drop("t"))
    #expect(names(world) == ["table t"])
    // It has an index there that has missed writes.
    #expect(failure(world, .revertJob(first))?.state == .objectNotInPrerequisiteState)
    var forgotten = world
    forgotten.waysBack[world.lastJob] = nil
    #expect(failure(forgotten, undrop(.table, "t"))?.state == .undefinedObject)
    try world.run(undrop(.table, "t"))
    #expect(world.table("t")?.indexes.count == 1)
  }

  @Test func aColumnDroppedTwiceIsListedOnce() throws {
    let drop = alter("t", .dropColumn(name: "a", ifExists: false))
    var world = try world(t, drop, undrop(.column, "a", on: "t"), drop)
    #expect(names(world) == ["column a"])
    let first = try #require(world.waysBack.values.first)
    #expect(world.waysBack.columnsRetained(only: [first], in: world.catalog).isEmpty)
    #expect(
      world.waysBack.columnsRetained(only: world.waysBack.values, in: world.catalog).values.first == [ColumnID(2)])
    try world.run(.revertJob(first.job))
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "a", "b"])
  }

  // MARK: Jobs

  /// What the statement changes is taken back, byte for byte but for versions and ids that are never used twice.
  @Test(
    arguments: [
      .renameTable(ObjectName(name: "t"), to: "u", ifExists: false),
      .renameIndex(ObjectName(name: "i"), to: "j", ifExists: false),
      alter("t", .renameColumn(name: "a", to: "z")),
      alter("t", .addColumn(column("n", default: .integer(5)), ifNotExists: false)),
      alter("t", .dropColumn(name: "a", ifExists: false)),
      alter("t", .dropColumn(name: "b", ifExists: false)),
      alter("t", .setDefault(column: "b", expression: [9], text: "9")),
      alter("t", .setNotNull(column: "a")), alter("t", .dropNotNull(column: "b")),
      alter("t", .addUnique(UniqueConstraint(name: "q", columns: ["a"]))),
      alter("t", .dropConstraint(name: "c", ifExists: false)),
      alter(
        "t", .renameColumn(name: "a", to: "x"), .dropNotNull(column: "b"),
        .addColumn(column("n"), ifNotExists: false)),
      createIndex("k", on: "t", ["a", "b"]), .dropIndexes(names: [ObjectName(name: "i")], ifExists: false),
      .setIndexVisibility(ObjectName(name: "i"), ifExists: false, isVisible: false),
      alter(
        "t", .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: "other", columns: ["a", "id"]))),
      alter(
        "t", .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: "other", columns: ["id"]))),
      alter("t", .validateConstraint(name: "n")),
    ] as [SchemaStatement])
  func jobIsTakenBack(_ statement: SchemaStatement) throws {
    func check(_ name: String, isValidated: Bool) -> SchemaStatement {
      alter(
        "t",
        .addCheck(
          CheckDefinition(
            name: name,
            rule: RowExpressionDefinition(
              columns: [RowExpressionDefinition.Column(name: "b", type: .int8)], expression: [1])),
          isValidated: isValidated))
    }
    var world = try world(
      t, createIndex("i", on: "t", ["b"], isUnique: true), check("c", isValidated: true), check("n", isValidated: false)
    )
    let before = shape(try #require(world.table("t")))
    try world.run(statement)
    let job = world.lastJob
    let after = try #require(world.table("t") ?? world.table("u"))
    #expect(shape(after) != before)
    try world.run(.revertJob(job))
    #expect(shape(try #require(world.table("t"))) == before)
    #expect(failure(world, .revertJob(job))?.state == .objectNotInPrerequisiteState)
    // And that is a job like any other.
    try world.run(.revertJob(world.lastJob))
    #expect(shape(try #require(world.table("t") ?? world.table("u"))) == shape(after))
  }

  private func shape(_ table: TableDescriptor) -> [String] {
    ["table \(table.name)"]
      + table.columns.filter { !$0.isRetained }.map {
        "\($0.name) \($0.type) \($0.isNullable) \($0.defaultText ?? "") \($0.state)"
      }.sorted()
      + table.indexes.map { index in
        "\(index.name) \(index.isUnique) \(index.keyColumns.map { table.column($0.columnID)?.name ?? "" }) \(index.state)"
          + (index.isInvisible ? " invisible" : "")
      }.sorted() + table.constraints.map { "\($0.name) \($0.state) \($0.rule)" }.sorted()
  }

  @Test func whatWasChangedSinceIsLeftAlone() throws {
    var world = try world(t, alter("t", .renameColumn(name: "a", to: "x")))
    let job = world.lastJob
    try world.run(alter("t", .renameColumn(name: "x", to: "y")))
    #expect(failure(world, .revertJob(job))?.state == .objectNotInPrerequisiteState)
    try world.run(alter("t", .renameColumn(name: "y", to: "x")))
    try world.run(alter("t", .addColumn(column("a"), ifNotExists: false)))
    #expect(failure(world, .revertJob(job))?.state == .duplicateColumn)
    try world.run(drop("t"))
    #expect(failure(world, .revertJob(job))?.state == .objectNotInPrerequisiteState)
    #expect(failure(world, .revertJob(JobID(99)))?.state == .objectNotInPrerequisiteState)
  }

  @Test func typeGoesBackWhereEveryValueWasKept() throws {
    func type(_ type: SQLType, from old: SQLType, using: Bool = false) -> SchemaStatement {
      alter(
        "t",
        .setType(
          TypeChange(
            column: "n", type: type,
            conversion: RowExpressionDefinition(
              columns: [RowExpressionDefinition.Column(name: "n", type: old)], expression: [1]), hasUsing: using)))
    }
    let table = createTable("t", [column("id", isNullable: false), column("n", .int4)])
    var world = try world(table, createIndex("i", on: "t", ["n"]), type(.int8, from: .int4))
    let job = world.lastJob
    #expect(world.table("t")?.columns[1].type == .int8)
    #expect(names(world) == [], "copies are no drops")
    try world.run(.revertJob(job))
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "n"])
    #expect(world.table("t")?.publicColumns[1].type == .int4)
    try world.run(type(.int2, from: .int4))
    #expect(failure(world, .revertJob(world.lastJob))?.state == .featureNotSupported)
    try world.run(type(.int4, from: .int2, using: true))
    #expect(failure(world, .revertJob(world.lastJob))?.state == .featureNotSupported)
    try world.run(.truncateTables(names: [ObjectName(name: "t")]))
    #expect(failure(world, .revertJob(world.lastJob))?.state == .featureNotSupported)
    // A key that nobody had declared.
    try world.run(createTable("u", [column("a")], key: []))
    try world.run(alter("u", .addPrimaryKey(UniqueConstraint(name: nil, columns: ["a"]))))
    #expect(failure(world, .revertJob(world.lastJob))?.state == .featureNotSupported)
  }

  // MARK: Stored form

  @Test func statementsAndWaysBackAreWrittenAndRead() throws {
    for statement in [
      undrop(.table, "t", as: "u"), undrop(.column, "c", on: "t"), undrop(.index, "i"), .revertJob(JobID(7)),
    ] as [SchemaStatement] {
      #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
    }
    let world = try world(
      t, alter("t", .dropColumn(name: "a", ifExists: false)), .truncateTables(names: [ObjectName(name: "t")]),
      drop("t"))
    #expect(world.waysBack.values.map(\.hasTruncation) == [false, true, false])
    for way in world.waysBack.values {
      var writer = ByteWriter(capacity: 64)
      way.encode(into: &writer)
      #expect(try WayBack(decoding: writer.bytes[...]) == way)
    }
  }
}

extension IndexID {
  fileprivate var predecessor: IndexID { IndexID(rawValue - 1) }
}
