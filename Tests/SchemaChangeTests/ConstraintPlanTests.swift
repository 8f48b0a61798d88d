import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

/// What `ALTER TABLE` makes of NOT NULLs, defaults and constraints.
@Suite struct ConstraintPlanTests {
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a"), column("b", .text, isNullable: false)]))
    return world
  }

  private func check(_ name: String?, _ columns: String...) -> CheckDefinition {
    CheckDefinition(
      name: name,
      rule: RowExpressionDefinition(
        columns: columns.map { .init(name: $0, type: $0 == "b" ? .text : .int8) }, expression: [1, 2, 3]))
  }

  @Test(arguments: [TransitionTable.check, .notNull]) func everyWriterEnforcesBeforeRowsAreLookedAt(
    table: TransitionTable
  ) {
    let lines = table.lines.filter { !$0.hasPrefix("    because") }
    let work = table.kind == .check ? "validateCheck" : "validateNotNull"
    #expect(
      lines.prefix(4) == [
        "\(table.kind)",
        "  add: absent -> writeOnly, floor unchanged, barrier",
        "  add: writeOnly -> validating, floor previous, \(work)",
        "  add: validating -> public, floor unchanged",
      ])
  }

  @Test func dropsOfConstraints() {
    #expect(
      TransitionTable.check.dropping.map { "\($0.from) -> \($0.to), \($0.floor)" } == [
        "public -> absent, unchanged", "validating -> absent, unchanged", "writeOnly -> absent, unchanged",
      ])
    #expect(
      TransitionTable.notNull.dropping.map { "\($0.from) -> \($0.to), \($0.floor), \($0.waitsForBarrier)" } == [
        "public -> writeOnly, unchanged, true", "validating -> absent, unchanged, false",
        "writeOnly -> absent, previous, false",
      ])
  }

  @Test func aCheckIsEnforcedThenProvedThenPublic() throws {
    var world = try world()
    let plan = try world.plan(alter("t", .addCheck(check(nil, "a"), isValidated: true)))
    #expect(
      plan.explanation == [
        "ALTER TABLE: 3 schema entries",
        "stage 1: constraint t_a_check: absent -> writeOnly", "  wait until every session has caught up",
        "stage 2: constraint t_a_check: writeOnly -> validating",
        "  table 1: commit floor becomes the previous version", "  validate constraint 1",
        "stage 3 (visible): constraint t_a_check: validating -> public",
      ])
    let before = try #require(world.table("t"))
    // From every stage before the last there is a way back, to the catalog as it was.
    for stages in 1...2 {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      #expect(attempt.table("t")?.constraints.first?.state.isWritable == true)
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      #expect(attempt.table("t").map(Self.shape) == Self.shape(before))
    }
    for stage in plan.stages { try world.apply(stage) }
    let constraint = try #require(world.table("t")?.constraints.first)
    #expect(
      constraint.state == .public
        && constraint.rule == .check(RowExpression(columns: [ColumnID(2)], expression: [1, 2, 3])))
    // Nobody relies on it: it goes with one entry.
    let drop = try world.plan(alter("t", .dropConstraint(name: "t_a_check", ifExists: false)))
    #expect(drop.isInstant)
    try world.apply(drop.stages[0])
    #expect(world.table("t").map(Self.shape) == Self.shape(before))
  }

  /// Without what only grows: version, floor and the next ids.
  private static func shape(_ table: TableDescriptor) -> TableDescriptor {
    var shape = table
    shape.version = TableVersion(1)
    shape.commitFloor = TableVersion(1)
    shape.nextConstraintID = ConstraintID(1)
    return shape
  }

  @Test func notNullIsAConstraintOnItsWayInAndOut() throws {
    var world = try world()
    let set = try world.plan(alter("t", .setNotNull(column: "a")))
    #expect(
      set.stages.map(\.name) == [
        "not null of column #2: absent -> writeOnly", "not null of column #2: writeOnly -> validating",
        "not null of column #2: validating -> public",
      ])
    #expect(set.stages[1].work == [.validateNotNull(TableID(1), ColumnID(2))])
    try world.apply(set.stages[0])
    #expect(world.table("t")?.column(ColumnID(2))?.isNullable == true, "nobody may rely on it yet")
    var back = world
    for stage in set.rollback(in: back.catalog).stages { try back.apply(stage) }
    #expect(back.table("t")?.constraints == [])
    for stage in set.stages.dropFirst() { try world.apply(stage) }
    #expect(world.table("t")?.column(ColumnID(2))?.isNullable == false && world.table("t")?.constraints == [])
    #expect(try world.plan(alter("t", .setNotNull(column: "a"))).stages.isEmpty)

    let drop = try world.plan(alter("t", .dropNotNull(column: "a")))
    #expect(drop.stages.map(\.waitsForBarrier) == [true, false])
    try world.apply(drop.stages[0])
    // Nobody relies on it any more, but whoever still does is right: writers go on enforcing it.
    #expect(world.table("t")?.column(ColumnID(2))?.isNullable == true)
    #expect(world.table("t")?.constraints.first?.state == .writeOnly)
    try world.apply(drop.stages[1])
    #expect(world.table("t")?.constraints == [])
    #expect(try world.plan(alter("t", .dropNotNull(column: "a"))).stages.isEmpty)
  }

  @Test func notValidJudgesNewRowsOnlyUntilItIsValidated() throws {
    var world = try world()
    let add = try world.plan(alter("t", .addCheck(check("positive", "a"), isValidated: false)))
    #expect(add.isInstant)
    try world.apply(add.stages[0])
    #expect(world.table("t")?.constraints.first?.state == .writeOnly)
    let validate = try world.plan(alter("t", .validateConstraint(name: "positive")))
    #expect(
      validate.stages.map(\.name) == [
        "constraint positive: writeOnly -> validating", "constraint positive: validating -> public",
      ])
    // A proof that fails leaves what was there: the constraint for new rows.
    var failed = world
    try failed.apply(validate.stages[0])
    for stage in validate.rollback(in: failed.catalog).stages { try failed.apply(stage) }
    #expect(failed.table("t")?.constraints == world.table("t")?.constraints)
    for stage in validate.stages { try world.apply(stage) }
    #expect(world.table("t")?.constraints.first?.state == .public)
    #expect(try world.plan(alter("t", .validateConstraint(name: "positive"))).stages.isEmpty)
  }

  @Test func aColumnTakesItsConstraintsAlong() throws {
    var world = try world()
    try world.run(alter("t", .addCheck(check("both", "a", "b"), isValidated: true), .setNotNull(column: "a")))
    let plan = try world.plan(alter("t", .dropColumn(name: "a", ifExists: false)))
    #expect(plan.stages[0].name == "constraint both: public -> absent; column a: public -> writeOnly")
    for stage in plan.stages { try world.apply(stage) }
    #expect(world.table("t")?.constraints == [])
  }

  @Test func aColumnThatComesWithConstraintsIsThereBeforeItIsSeen() throws {
    var world = try world()
    let plan = try world.plan(
      alter(
        "t", .addColumn(column("c", default: .integer(7)), ifNotExists: false),
        .addUnique(UniqueConstraint(name: nil, columns: ["c"])), .addCheck(check(nil, "c"), isValidated: true)))
    #expect(
      plan.stages.map(\.name) == [
        "index t_c_key: absent -> deleteOnly; constraint t_c_check: absent -> writeOnly; column c: absent -> writeOnly",
        "index t_c_key: deleteOnly -> writeOnly; constraint t_c_check: writeOnly -> validating",
        "index t_c_key: writeOnly -> backfilling",
        "index t_c_key: backfilling -> public; constraint t_c_check: validating -> public; column c: writeOnly -> public",
      ])
    #expect(plan.visibleStage == 3)
    let before = try #require(world.table("t"))
    for stages in 1...3 {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      #expect(attempt.table("t")?.publicColumns == before.publicColumns)
      #expect(attempt.table("t")?.columns.last?.missingValue == .integer(7))
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      var after = try #require(attempt.table("t"))
      (after.nextColumnID, after.nextIndexID) = (before.nextColumnID, before.nextIndexID)
      #expect(Self.shape(after) == Self.shape(before))
    }
    for stage in plan.stages { try world.apply(stage) }
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "a", "b", "c"])
    #expect(throws: SQLError.self) {
      try world.plan(
        alter(
          "t", .addColumn(column("d", isNullable: false), ifNotExists: false),
          .addUnique(UniqueConstraint(name: nil, columns: ["d"]))))
    }
  }

  @Test func defaultsAndNamesAreOneEntry() throws {
    var world = try world()
    try world.run(alter("t", .addCheck(check("c", "a"), isValidated: true)))
    let plan = try world.plan(
      alter(
        "t", .setDefault(column: "a", expression: [7], text: "7"), .renameConstraint(name: "c", to: "d"),
        .renameColumn(name: "b", to: "e")))
    #expect(plan.isInstant)
    try world.apply(plan.stages[0])
    #expect(world.table("t")?.column(ColumnID(2))?.defaultText == "7")
    #expect(world.table("t")?.constraints.map(\.name) == ["d"])
    try world.run(alter("t", .setDefault(column: "a", expression: nil, text: nil)))
    #expect(world.table("t")?.column(ColumnID(2))?.defaultExpression == nil)
    try world.run(alter("t", .addUnique(UniqueConstraint(name: nil, columns: ["a"]))))
    #expect(world.table("t")?.indexes.map(\.name) == ["t_pkey", "t_a_key"])
    try world.run(alter("t", .renameConstraint(name: "t_a_key", to: "u"), .dropConstraint(name: "d", ifExists: false)))
    try world.run(alter("t", .dropConstraint(name: "u", ifExists: false)))
    #expect(world.table("t")?.indexes.count == 1)
  }

  @Test func mistakesAreNamed() throws {
    var world = try world()
    try world.run(alter("t", .addCheck(check("c", "a"), isValidated: true)))
    func state(_ changes: TableAlteration...) -> String {
      var copy = world
      do {
        _ = try copy.plan(.alterTable(ObjectName(name: "t"), ifExists: false, changes: changes))
        return "fine"
      } catch { return (error as? SQLError)?.state.code ?? "?" }
    }
    #expect(state(.addCheck(check("c", "b"), isValidated: true)) == "42710")
    #expect(state(.addCheck(check("t_pkey", "b"), isValidated: true)) == "42710")
    #expect(state(.addCheck(check("d", "x"), isValidated: true)) == "42703")
    var changed = check("d", "a")
    changed.rule.columns[0].type = .text
    #expect(state(.addCheck(changed, isValidated: true)) == "40001", "the gateway saw another column")
    #expect(state(.dropConstraint(name: "x", ifExists: false)) == "42704")
    #expect(state(.dropConstraint(name: "x", ifExists: true)) == "fine")
    #expect(state(.dropConstraint(name: "t_pkey", ifExists: false)) == "0A000")
    #expect(state(.validateConstraint(name: "x")) == "42704")
    #expect(state(.validateConstraint(name: "t_pkey")) == "42809")
    #expect(state(.renameConstraint(name: "x", to: "y")) == "42704")
    #expect(state(.renameConstraint(name: "c", to: "t_pkey")) == "42710")
    #expect(state(.setNotNull(column: "x")) == "42703")
    #expect(state(.dropNotNull(column: "id")) == "42P16")
    #expect(state(.setDefault(column: "x", expression: nil, text: nil)) == "42703")
    #expect(state(.addColumn(column("n"), ifNotExists: false), .setNotNull(column: "n")) == "0A000")
    #expect(state(.addColumn(column("n"), ifNotExists: false), .renameColumn(name: "n", to: "m")) == "0A000")
    #expect(state(.dropConstraint(name: "c", ifExists: false), .addCheck(check("c", "b"), isValidated: true)) == "fine")
    #expect(
      state(.setDefault(column: "a", expression: [UInt8](repeating: 0, count: 70_000), text: "")) == "54000")
  }
}
