import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

struct RewritePlanTests {
  /// t(id key, a indexed and unique together with b, b text not null default)
  private func world() throws -> World {
    var world = World()
    try world.run(
      createTable("t", [column("id"), column("a"), column("b", .text, isNullable: false, default: .text("x"))]))
    try world.run(createIndex("t_a", on: "t", ["a"]))
    try world.run(createIndex("t_b", on: "t", ["b"], isUnique: true))
    return world
  }

  private func change(_ name: String, _ old: SQLType, to new: SQLType, default value: [UInt8]? = nil) -> TypeChange {
    TypeChange(
      column: name, type: new,
      conversion: RowExpressionDefinition(columns: [.init(name: name, type: old)], expression: [1, 2, 3]),
      hasUsing: true, oldDefault: value, newDefault: value.map { $0 + [9] }, newDefaultText: value.map { _ in "new" })
  }

  private func primaryKey(_ columns: String..., name: String? = nil) -> TableAlteration {
    .addPrimaryKey(UniqueConstraint(name: name, columns: columns))
  }

  @Test(arguments: ElementKind.allCases) func tablesOfTransitionsAreSound(_ kind: ElementKind) {
    #expect(TransitionTable.table(for: kind).defects() == [])
  }

  @Test func aTypeChangeCopiesTheRowsAndTheIndexesOfTheColumn() throws {
    var world = try world()
    let before = try #require(world.table("t"))
    let plan = try world.plan(alter("t", .setType(change("b", .text, to: .int8, default: [1]))))
    #expect(
      plan.explanation == [
        "ALTER TABLE: 4 schema entries",
        "stage 1: column b, converted: absent -> writeOnly; not null of column #4: absent -> writeOnly; "
          + "copy #4 of index t_pkey: absent -> deleteOnly; copy #5 of index t_b: absent -> deleteOnly",
        "  new range 4 on nodes 11, 12, 13", "  new range 5 on nodes 12, 13, 14",
        "  wait until every session has caught up",
        "stage 2: not null of column #4: writeOnly -> validating; copy #4 of index t_pkey: deleteOnly -> writeOnly; "
          + "copy #5 of index t_b: deleteOnly -> writeOnly",
        "  table 1: commit floor becomes the previous version", "  wait until every session has caught up",
        "  validate that no row lacks column 4",
        "stage 3: copy #4 of index t_pkey: writeOnly -> backfilling; copy #5 of index t_b: writeOnly -> backfilling",
        "  table 1: commit floor becomes the previous version", "  backfill index 4", "  validate index 4",
        "  backfill index 5", "  validate index 5",
        "stage 4 (visible): column b, converted: writeOnly -> public; not null of column #4: validating -> public; "
          + "copy #4 of index t_pkey: backfilling -> public; copy #5 of index t_b: backfilling -> public",
        "  table 1: commit floor becomes the current version", "  range 1 is deleted after the retention time",
        "  range 3 is deleted after the retention time",
      ])
    // From every stage before the last there is a way back, to the catalog as it was.
    for stages in 1...3 {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      let halfway = try #require(attempt.table("t"))
      #expect(halfway.primaryIndex == before.primaryIndex && halfway.publicColumns == before.publicColumns)
      let back = plan.rollback(in: attempt.catalog)
      for stage in back.stages { try attempt.apply(stage) }
      #expect(attempt.table("t").map(Self.shape) == Self.shape(before))
      #expect(back.stages.flatMap(\.retiredRanges).sorted() == [RangeID(4), RangeID(5)])
    }
    for stage in plan.stages { try world.apply(stage) }
    let after = try #require(world.table("t"))
    #expect(after.columns.map(\.name) == ["id", "a", "b"] && after.columns.map(\.id.rawValue) == [1, 2, 4])
    let column = after.columns[2]
    #expect(column.type == .int8 && !column.isNullable && column.state == .public && column.conversion == nil)
    #expect(column.defaultExpression == [1, 9] && column.defaultText == "new")
    #expect(after.indexes.map(\.name) == ["t_pkey", "t_a", "t_b"] && after.indexes.map(\.id.rawValue) == [4, 2, 5])
    #expect(after.indexes.allSatisfy { $0.state == .public && $0.replaces == nil && $0.storedColumns.isEmpty })
    #expect(after.indexes[2].keyColumns.map(\.columnID) == [ColumnID(4)] && after.indexes[2].isUnique)
    #expect(after.constraints == [] && after.commitFloor == after.version)
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

  @Test func whileItIsBuiltACopyStoresWholeRows() throws {
    var world = try world()
    let plan = try world.plan(alter("t", .setType(change("id", .int8, to: .text))))
    for stage in plan.stages.prefix(2) { try world.apply(stage) }
    let table = try #require(world.table("t"))
    let copies = table.indexes.filter { $0.replaces != nil }
    // The key is another: the entries of every index end with it.
    #expect(copies.map(\.replaces) == [IndexID(1), IndexID(2), IndexID(3)])
    #expect(copies[0].keyColumns.map(\.columnID) == [ColumnID(4)])
    #expect(copies[0].storedColumns == [ColumnID(2), ColumnID(3)])
    #expect(table.rows(of: copies[1]).id == copies[0].id && table.rows(of: table.indexes[1]).id == IndexID(1))
    #expect(copies.map { table.displayName(of: $0) } == ["t_pkey", "t_a", "t_b"])
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
  }

  @Test func typesWithTheSameValuesAreOneEntry() throws {
    var world = World()
    try world.run(
      createTable(
        "t", [column("id"), column("s", .varchar(maximumCharacters: 5)), column("n", .numeric(precision: 6, scale: 2))])
    )
    func plan(_ name: String, _ old: SQLType, _ new: SQLType, hasUsing: Bool = false) throws -> Plan {
      var change = change(name, old, to: new)
      change.hasUsing = hasUsing
      return try world.plan(alter("t", .setType(change)))
    }
    let short = SQLType.varchar(maximumCharacters: 5)
    let number = SQLType.numeric(precision: 6, scale: 2)
    #expect(try plan("s", short, .varchar(maximumCharacters: 9)).isInstant)
    #expect(try plan("s", short, .text).isInstant)
    #expect(try plan("s", short, short).stages.isEmpty)
    #expect(try plan("s", short, .text, hasUsing: true).stages.count == 4)
    #expect(try plan("s", short, .varchar(maximumCharacters: 4)).stages.count == 4)
    #expect(try plan("n", number, .numeric(precision: 8, scale: 2)).isInstant)
    #expect(try plan("n", number, .numeric(precision: nil, scale: nil)).isInstant)
    #expect(try plan("n", number, .numeric(precision: 8, scale: 3)).stages.count == 4)
    #expect(try plan("id", .int8, .int4).stages.count == 4)
    try world.run(alter("t", .setType(change("s", short, to: .text))))
    #expect(world.table("t")?.columns[1].type == .text)
  }

  @Test func anotherPrimaryKeyTakesEveryIndexAlong() throws {
    var world = try world()
    let plan = try world.plan(
      alter("t", .dropConstraint(name: "t_pkey", ifExists: false), primaryKey("a", "id", name: "k")))
    #expect(plan.stages.count == 4 && plan.stages[0].name.contains("not null of column #2: absent -> writeOnly"))
    for stage in plan.stages { try world.apply(stage) }
    let table = try #require(world.table("t"))
    #expect(table.indexes.map(\.name) == ["k", "t_a", "t_b"])
    #expect(table.primaryIndex.keyColumns.map(\.columnID) == [ColumnID(2), ColumnID(1)])
    #expect(table.columns.map(\.isNullable) == [false, false, false])
  }

  @Test func aTableWithoutPrimaryKeyGetsOne() throws {
    var world = World()
    try world.run(createTable("h", [column("a"), column("b")], key: []))
    #expect(world.table("h")?.columns.count == 3)
    try world.run(alter("h", primaryKey("b")))
    let table = try #require(world.table("h"))
    #expect(table.columns.map(\.name) == ["a", "b"] && table.primaryIndex.name == "h_pkey")
    #expect(table.primaryIndex.keyColumns.map(\.columnID) == [ColumnID(2)])
  }

  @Test func truncateIsOneEntryWithEmptyIndexes() throws {
    var world = try world()
    let before = try #require(world.table("t"))
    let plan = try world.plan(.truncateTables(names: [ObjectName(name: "t"), ObjectName(name: "t")]))
    #expect(plan.isInstant && plan.commandTag == "TRUNCATE TABLE" && plan.stages[0].name == "table t: emptied")
    #expect(plan.stages[0].retiredRanges == before.indexes.map(\.rangeID))
    try world.apply(plan.stages[0])
    let after = try #require(world.table("t"))
    #expect(after.indexes.map(\.name) == before.indexes.map(\.name) && after.commitFloor == after.version)
    #expect(after.indexes.map(\.id.rawValue) == [4, 5, 6] && after.columns == before.columns)
    #expect(after.indexes.map(\.keyColumns) == before.indexes.map(\.keyColumns))
    #expect(throws: SQLError.self) { try world.plan(.truncateTables(names: [ObjectName(name: "t_a")])) }
    #expect(throws: SQLError.self) { try world.plan(.truncateTables(names: [ObjectName(name: "x")])) }
  }

  @Test func mistakesAreNamed() throws {
    var world = try world()
    func state(_ changes: TableAlteration...) -> String {
      do {
        _ = try world.plan(.alterTable(ObjectName(name: "t"), ifExists: false, changes: changes))
        return "fine"
      } catch { return (error as? SQLError)?.state.code ?? "?" }
    }
    #expect(state(.setType(change("x", .int8, to: .text))) == "42703")
    #expect(state(.setType(change("a", .text, to: .int8))) == "40001", "the gateway saw another type")
    #expect(state(.setType(change("a", .int8, to: .text, default: [1]))) == "40001", "the gateway saw another default")
    #expect(state(.setType(change("a", .int8, to: .void))) == "42P16")
    #expect(state(.setType(change("a", .int8, to: .text)), .setType(change("a", .int8, to: .text))) == "0A000")
    #expect(state(.setType(change("a", .int8, to: .text)), .addColumn(column("n"), ifNotExists: false)) == "0A000")
    #expect(state(primaryKey("a")) == "42P16")
    #expect(state(.dropConstraint(name: "t_pkey", ifExists: false), primaryKey("a"), primaryKey("b")) == "42P16")
    #expect(state(.dropConstraint(name: "t_pkey", ifExists: false), primaryKey("x")) == "42703")
    #expect(state(.dropConstraint(name: "t_pkey", ifExists: false), primaryKey("a", "a")) == "42701")
    #expect(state(.dropConstraint(name: "t_pkey", ifExists: false), primaryKey("a", name: "t_b")) == "42P07")
    let rule = RowExpressionDefinition(columns: [.init(name: "a", type: .int8)], expression: [1])
    try world.run(alter("t", .addCheck(CheckDefinition(name: "c", rule: rule), isValidated: true)))
    #expect(state(.setType(change("a", .int8, to: .text))) == "XX001", "the check cannot be read")
  }
}
