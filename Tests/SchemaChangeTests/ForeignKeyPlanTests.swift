import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

/// Foreign keys: both tables step together, and every step has its way back.
@Suite struct ForeignKeyPlanTests {
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("p", [column("id"), column("x"), column("note", .text)], unique: [["x"]]))
    try world.run(createTable("c", [column("id"), column("p"), column("q")]))
    return world
  }

  private func key(
    _ columns: [String], to table: String = "p", _ referenced: [String] = [], name: String? = nil,
    onDelete: ReferentialAction = .noAction, onUpdate: ReferentialAction = .noAction
  ) -> ForeignKeyDefinition {
    ForeignKeyDefinition(
      name: name, columns: columns, referencedTable: ObjectName(name: table), referencedColumns: referenced,
      onDelete: onDelete, onUpdate: onUpdate)
  }

  private func add(_ definition: ForeignKeyDefinition, isValidated: Bool = true) -> SchemaStatement {
    alter("c", .addForeignKey(definition, isValidated: isValidated))
  }

  private func failure(_ world: World, _ statement: SchemaStatement) -> SQLError? {
    var attempt = world
    do {
      _ = try attempt.plan(statement)
      return nil
    } catch {
      return error as? SQLError
    }
  }

  /// Without what only grows: version, floor and the next ids.
  private func shape(_ table: TableDescriptor?) -> TableDescriptor? {
    guard var shape = table else { return nil }
    shape.version = TableVersion(1)
    shape.commitFloor = TableVersion(1)
    shape.nextConstraintID = ConstraintID(1)
    shape.nextColumnID = ColumnID(1)
    return shape
  }

  @Test func whoRefersHoldsBeforeWhoRemovesIsTrustedBeforeRowsAreProved() {
    #expect(TransitionTable.foreignKey.defects() == [])
    #expect(
      TransitionTable.foreignKey.lines.filter { !$0.hasPrefix("    because") } == [
        "foreignKey", "  add: absent -> writeOnly, floor unchanged, barrier",
        "  add: writeOnly -> backfilling, floor previous, barrier",
        "  add: backfilling -> validating, floor previous, validateForeignKey",
        "  add: validating -> public, floor unchanged", "  drop: public -> absent, floor unchanged",
        "  drop: validating -> absent, floor unchanged", "  drop: backfilling -> absent, floor unchanged",
        "  drop: writeOnly -> absent, floor unchanged",
      ])
  }

  @Test func bothTablesStepWithEveryEntryAndEveryStageHasItsWayBack() throws {
    var world = try world()
    let plan = try world.plan(add(key(["p"])))
    #expect(
      plan.explanation == [
        "ALTER TABLE: 4 schema entries",
        "stage 1: foreign key c_p_fkey: absent -> writeOnly", "  wait until every session has caught up",
        "stage 2: foreign key c_p_fkey: writeOnly -> backfilling",
        "  table 1: commit floor becomes the previous version", "  table 2: commit floor becomes the previous version",
        "  wait until every session has caught up",
        "stage 3: foreign key c_p_fkey: backfilling -> validating",
        "  table 1: commit floor becomes the previous version", "  table 2: commit floor becomes the previous version",
        "  validate foreign key 1", "stage 4 (visible): foreign key c_p_fkey: validating -> public",
      ])
    #expect(plan.tables == [TableID(1), TableID(2)] && plan.stages.allSatisfy { $0.changes.count == 2 })
    let before = (shape(world.table("p")), shape(world.table("c")))
    for count in 1...3 {
      var attempt = world
      for stage in plan.stages.prefix(count) { try attempt.apply(stage) }
      #expect(attempt.table("c")?.enforcedForeignKeys.count == 1 && attempt.table("p")?.referencedBy.count == 1)
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      #expect(shape(attempt.table("p")) == before.0 && shape(attempt.table("c")) == before.1)
    }
    for stage in plan.stages { try world.apply(stage) }
    let parent = try #require(world.table("p"))
    #expect(parent.version == TableVersion(5) && parent.commitFloor == TableVersion(3))
    #expect(parent.referencedBy == [ForeignKeyReference(table: TableID(2), constraint: ConstraintID(1))])
    #expect(world.table("c")?.constraint(ConstraintID(1))?.state == .public)
    // Nobody relies on it: it goes with one entry, of both tables.
    let drop = try world.plan(alter("c", .dropConstraint(name: "c_p_fkey", ifExists: false)))
    #expect(drop.isInstant && drop.stages[0].changes.map(\.tableID) == [TableID(1), TableID(2)])
    try world.apply(drop.stages[0])
    #expect(shape(world.table("p")) == before.0 && shape(world.table("c")) == before.1)
  }

  @Test func aNewTableKeepsItsForeignKeysFromItsFirstRowOn() throws {
    var world = try world()
    let create = CreateTable(
      name: ObjectName(name: "d"), ifNotExists: false, columns: [column("id"), column("p"), column("up")],
      primaryKey: ["id"],
      foreignKeys: [key(["p"], ["x"], onDelete: .cascade), key(["up"], to: "d", ["id"], name: "tree")])
    let plan = try world.plan(.createTable(create))
    #expect(plan.isInstant && plan.tables == [TableID(1), TableID(3)])
    // Who wrote the table without knowing of the new one has not looked for its rows.
    #expect(plan.stages[0].changes.first { $0.tableID == TableID(1) }?.floor == .current)
    try world.apply(plan.stages[0])
    let table = try #require(world.table("d"))
    #expect(table.enforcedForeignKeys.map(\.constraint.name) == ["d_p_fkey", "tree"])
    #expect(table.referencedBy == [ForeignKeyReference(table: TableID(3), constraint: ConstraintID(2))])
    let parent = try #require(world.table("p"))
    #expect(parent.commitFloor == parent.version && parent.referencedBy.count == 1)
    #expect(
      SchemaStatement.createTable(create)
        == (try SchemaStatement(decoding: SchemaStatement.createTable(create).encoded()))
    )
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
    #expect(try TableDescriptor(decoding: parent.encoded()) == parent)
    let concerned = Planner.tables(of: .createTable(create), in: world.catalog, .defaultDatabase)
    #expect(concerned == [TableID(1), TableID(3)], "a job of a table that is referred to comes first")
  }

  @Test func notValidJudgesNewRowsOnlyUntilItIsValidated() throws {
    var world = try world()
    let statement = add(key(["p"], name: "f"), isValidated: false)
    #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
    let plan = try world.plan(statement)
    #expect(plan.isInstant)
    try world.apply(plan.stages[0])
    let validate = try world.plan(alter("c", .validateConstraint(name: "f")))
    #expect(validate.stages.map(\.waitsForBarrier) == [true, false, false])
    #expect(validate.stages[1].work == [.validateForeignKey(TableID(2), ConstraintID(1))])
    for count in 1...2 {
      var failed = world
      for stage in validate.stages.prefix(count) { try failed.apply(stage) }
      for stage in validate.rollback(in: failed.catalog).stages { try failed.apply(stage) }
      #expect(failed.table("c")?.constraints == world.table("c")?.constraints)
    }
    for stage in validate.stages { try world.apply(stage) }
    #expect(world.table("c")?.constraint(ConstraintID(1))?.state == .public)
  }

  @Test func aColumnComesWithItsForeignKey() throws {
    var world = try world()
    let plan = try world.plan(
      alter("c", .addColumn(column("r"), ifNotExists: false), .addForeignKey(key(["r"]), isValidated: true)))
    #expect(plan.stages.count == 4 && plan.visibleStage == 3)
    for stage in plan.stages { try world.apply(stage) }
    #expect(world.table("c")?.enforcedForeignKeys.map(\.constraint.name) == ["c_r_fkey"])
  }

  @Test func whatIsReferredToIsNotDropped() throws {
    var world = try world()
    try world.run(add(key(["p"], ["x"])))
    let detail = "constraint c_p_fkey on table c depends on"
    let drop = SchemaStatement.dropTables(names: [ObjectName(name: "p")], ifExists: false)
    #expect(failure(world, drop)?.state == .dependentObjectsStillExist)
    #expect(failure(world, drop)?.detail == "\(detail) table p")
    let index = SchemaStatement.dropIndexes(names: [ObjectName(name: "p_x_key")], ifExists: false)
    #expect(failure(world, index)?.detail == "\(detail) index p_x_key")
    let constraint = alter("p", .dropConstraint(name: "p_x_key", ifExists: false))
    #expect(failure(world, constraint)?.message.hasPrefix("cannot drop constraint p_x_key on table p") == true)
    let column = alter("p", .dropColumn(name: "x", ifExists: false))
    #expect(failure(world, column)?.detail == "\(detail) column x of table p")
    let truncate = failure(world, .truncateTables(names: [ObjectName(name: "p")]))
    #expect(truncate?.state == .featureNotSupported && truncate?.detail == "Table \"c\" references \"p\".")
    #expect(failure(world, .truncateTables(names: [ObjectName(name: "p"), ObjectName(name: "c")])) == nil)
    // Another column, another index: no matter.
    #expect(failure(world, alter("p", .dropColumn(name: "note", ifExists: false))) == nil)
    // The table that refers goes with its foreign key.
    var without = world
    try without.run(.dropTables(names: [ObjectName(name: "c")], ifExists: false))
    #expect(without.table("p")?.referencedBy == [])
    // The key goes with the column that refers.
    var narrower = world
    try narrower.run(alter("c", .dropColumn(name: "p", ifExists: false)))
    #expect(narrower.table("p")?.referencedBy == [] && narrower.table("c")?.constraints == [])
    // So it does with an index, a constraint or a column.
    for statement in [
      SchemaStatement.dropIndexes(names: [ObjectName(name: "p_x_key")], ifExists: false, isCascade: true),
      alter("p", .dropConstraint(name: "p_x_key", ifExists: false, isCascade: true)),
      alter("p", .dropColumn(name: "x", ifExists: false, isCascade: true)),
    ] {
      var without = world
      let plan = try without.plan(try SchemaStatement(decoding: statement.encoded()))
      #expect(plan.notices == ["drop cascades to constraint c_p_fkey on table c"])
      for stage in plan.stages { try without.apply(stage) }
      #expect(without.table("p")?.referencedBy == [] && without.table("c")?.constraints == [])
    }
    // CASCADE takes the foreign key away, not the table that refers.
    let cascade = try world.plan(.dropTables(names: [ObjectName(name: "p")], ifExists: false, isCascade: true))
    #expect(cascade.notices == ["drop cascades to constraint c_p_fkey on table c"])
    for stage in cascade.stages { try world.apply(stage) }
    #expect(world.table("p") == nil && world.table("c")?.constraints == [])
  }

  @Test func severalChangesInOneTransactionTakeForeignKeysAlong() throws {
    var world = try world()
    func commit(_ statements: SchemaStatement...) throws -> Plan {
      try world.plan(.transaction(SchemaTransaction(statements: statements, versions: [])))
    }
    let create = CreateTable(
      name: ObjectName(name: "d"), ifNotExists: false, columns: [column("id"), column("p")], primaryKey: ["id"],
      foreignKeys: [key(["p"])])
    let plan = try commit(.createTable(create), createIndex("d_p", on: "d", ["p"]))
    #expect(plan.isInstant && plan.stages[0].changes.first { $0.tableID == TableID(1) }?.floor == .current)
    try world.apply(plan.stages[0])
    #expect(world.table("p")?.referencedBy.count == 1 && world.table("d")?.enforcedForeignKeys.count == 1)
    // Added to a table that is there it has the same stages as by itself.
    let add = try commit(add(key(["p"])), alter("c", .renameColumn(name: "q", to: "r")))
    #expect(add.stages.count == 4 && add.visibleStage == 3)
    for stage in add.stages { try world.apply(stage) }
    #expect(world.table("p")?.referencedBy.count == 2)
    let drop = try commit(
      .dropTables(names: [ObjectName(name: "d")], ifExists: false),
      .dropTables(names: [ObjectName(name: "c")], ifExists: false),
      .dropTables(names: [ObjectName(name: "p")], ifExists: false))
    for stage in drop.stages { try world.apply(stage) }
    #expect(world.table("p") == nil && world.table("c") == nil && world.table("d") == nil)
  }

  @Test func whatCannotBeReferredToIsRefused() throws {
    let world = try world()
    #expect(failure(world, add(key(["p"], to: "nowhere")))?.state == .undefinedTable)
    #expect(failure(world, add(key(["p"], ["note"])))?.state == SQLState("42830"))
    #expect(failure(world, add(key(["p", "q"])))?.state == SQLState("42830"))
    #expect(failure(world, add(key(["p"], ["nothing"])))?.state == .undefinedColumn)
    var other = world
    try other.run(createTable("s", [column("id", .text)]))
    let mismatch = failure(other, add(key(["p"], to: "s")))
    #expect(mismatch?.state == .datatypeMismatch)
    #expect(
      mismatch?.detail == "Key columns \"p\" and \"id\" are of incompatible types: bigint and text.")
    try other.run(add(key(["p"], name: "f")))
    #expect(failure(other, add(key(["q"], name: "f")))?.state == SQLState("42710"))
  }
}
