import Basics
import Catalog
import PostgresParser
import SQLExpressions
import SQLPlanner
import SQLSyntax
import SQLValues
import Testing

@testable import SchemaChange

/// What depends on a column whose type changes.
struct RetypingPlanTests {
  private func world(_ statements: String) throws -> World {
    var world = World()
    world.retainsDropped = true
    for statement in try StatementParser.parseOnThisThread(statements, limits: ParserLimits(maximumDepthBound: 2_000)) {
      try world.run(change(statement, world))
    }
    return world
  }

  private func change(_ statement: ParsedStatement, _ world: World) throws -> SchemaStatement {
    guard case .schemaChange(let planned) = try StatementPlanner(catalog: world.catalog).plan(statement).action else {
      throw SQLError(.internalError, "no schema change")
    }
    var context = EvaluationContext()
    return try planned.evaluatingStableDefaults(&context)
  }

  private func change(_ text: String, _ world: World) throws -> SchemaStatement {
    let parsed = try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 2_000))
    return try change(try #require(parsed.first), world)
  }

  private func refusal(_ text: String, _ world: World) throws -> SQLError {
    var attempt = world
    do {
      _ = try attempt.plan(change(text, world))
    } catch let error as SQLError {
      return error
    }
    return SQLError(.internalError, "it is not refused")
  }

  private static let table = """
    CREATE TABLE t (id int8 PRIMARY KEY, a int4, s varchar(9), n numeric CHECK (n < 9.5),
      CONSTRAINT either CHECK (a > 0 OR s = 'none'), CONSTRAINT a_only CHECK (a < 100));
    COMMENT ON CONSTRAINT a_only ON t IS 'few';
    ALTER TABLE t ADD CONSTRAINT later CHECK (a <> 7) NOT VALID;
    CREATE UNIQUE INDEX e ON t ((a + 1), id) WHERE a % 2 = 0;
    CREATE INDEX p ON t (n) WHERE a > 5;
    CREATE INDEX other ON t (n)
    """

  @Test func aCheckGoesOnUnderItsNumberNameAndComment() throws {
    var world = try world(Self.table)
    let before = try #require(world.table("t"))
    let plan = try world.plan(change("ALTER TABLE t ALTER a TYPE int8", world))
    for stage in plan.stages.dropLast() { try world.apply(stage) }
    let halfway = try #require(world.table("t"))
    let temporary = halfway.constraints.filter { $0.replaces != nil }
    #expect(temporary.map { halfway.displayName(of: $0) } == ["either", "a_only", "later"])
    #expect(temporary.map(\.state) == [.validating, .validating, .writeOnly])
    #expect(halfway.constraints.filter { $0.replaces == nil } == before.constraints, "the old rules are in force")
    #expect(try TableDescriptor(decoding: halfway.encoded()) == halfway)
    try world.apply(try #require(plan.stages.last))
    let after = try #require(world.table("t"))
    #expect(after.constraints.map(\.id) == before.constraints.map(\.id))
    #expect(after.constraints.map(\.name) == before.constraints.map(\.name))
    #expect(after.constraints.map(\.state) == before.constraints.map(\.state))
    #expect(after.constraints.map(\.comment) == before.constraints.map(\.comment))
    let column = try #require(after.columns.first { $0.name == "a" })
    #expect(column.type == .int8 && after.constraints.filter { $0.rule.columns.contains(column.id) }.count == 3)
    for edit in plan.stages.flatMap(\.changes).flatMap(\.edits) {
      var writer = ByteWriter()
      edit.encode(into: &writer)
      #expect(try DescriptorEdit(decoding: writer.bytes[...]) == edit)
    }
  }

  @Test func anIndexHasTheExpressionOfTheNewType() throws {
    var world = try world(Self.table)
    let before = try #require(world.table("t"))
    try world.run(change("ALTER TABLE t ALTER a TYPE numeric", world))
    let after = try #require(world.table("t"))
    let column = try #require(after.columns.first { $0.name == "a" })
    let index = try #require(after.indexes.first { $0.name == "e" })
    let computed = after.computedColumns(of: index)
    #expect(
      computed.map(\.type) == [.numeric(precision: nil, scale: nil)] && computed.allSatisfy { $0.state == .public })
    #expect(computed[0].conversion?.columns == [column.id] && index.predicate?.columns == [column.id] && index.isUnique)
    #expect(after.columns.filter(\.isComputed).count == 1, "that of the old index is gone")
    #expect(after.indexes.first { $0.name == "p" }?.predicate?.columns == [column.id])
    #expect(after.indexes.first { $0.name == "other" }?.id == before.indexes.first { $0.name == "other" }?.id)
  }

  @Test func whatHasNoMeaningOverTheNewTypeIsRefused() throws {
    let world = try world(
      Self.table
        + "; CREATE TABLE g (id int8 PRIMARY KEY, a int8, g int8 GENERATED ALWAYS AS (a * 1.5) STORED,"
        + " f boolean CHECK (f))"
    )
    let text = try refusal("ALTER TABLE t ALTER a TYPE text", world)
    #expect(text.state.code == "42883" && text.message.hasPrefix("operator does not exist: text "))
    #expect(try refusal("ALTER TABLE t ALTER n TYPE date USING now()::date", world).state.code == "0A000")
    #expect(try refusal("ALTER TABLE t ALTER n TYPE bytea USING 'x'::bytea", world).state.code == "42883")
    #expect(
      try refusal("ALTER TABLE g ALTER f TYPE text", world).message
        == "argument of CHECK must be type boolean, not type text")
    let generated = try refusal("ALTER TABLE g ALTER a TYPE int4", world)
    #expect(generated.state.code == "0A000")
    #expect(generated.message == "cannot alter type of a column used by a generated column")
    #expect(generated.detail == "Column \"a\" is used by generated column \"g\".")
    #expect(try refusal("ALTER TABLE g ALTER g TYPE int4 USING 1", world).state.code == "42611")
    #expect(try refusal("ALTER TABLE g ALTER g TYPE boolean", world).state.code == "42804")
  }

  @Test func typesInTheSameFormAreOneEntryWithWhatDependsOnThem() throws {
    var world = try world(
      "CREATE TABLE t (id int8 PRIMARY KEY, s varchar(9) CHECK (s <> 'x'));"
        + "CREATE INDEX i ON t (lower(s)) WHERE s > 'a'"
    )
    let before = try #require(world.table("t"))
    let plan = try world.plan(change("ALTER TABLE t ALTER s TYPE varchar(20)", world))
    #expect(plan.isInstant)
    for edit in plan.stages.flatMap(\.changes).flatMap(\.edits) {
      var writer = ByteWriter()
      edit.encode(into: &writer)
      #expect(try DescriptorEdit(decoding: writer.bytes[...]) == edit)
    }
    for stage in plan.stages { try world.apply(stage) }
    let after = try #require(world.table("t"))
    #expect(
      after.indexes.map(\.id) == before.indexes.map(\.id) && after.constraints.map(\.id) == before.constraints.map(\.id)
    )
    #expect(after.constraints[0].rule != before.constraints[0].rule)
    // In a transaction with another change of the table, too.
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    for text in ["ALTER TABLE t ALTER s TYPE text", "ALTER TABLE t ADD COLUMN n int8"] {
      var seen = world
      seen.catalog = draft.catalog
      _ = try draft.apply(change(text, seen))
    }
    #expect(try world.plan(.transaction(draft.transaction)).isInstant)
  }

  @Test func aForeignKeyFollowsEitherSide() throws {
    var world = try world(
      """
      CREATE TABLE p (id int4 PRIMARY KEY, up int4 REFERENCES p, n text UNIQUE);
      CREATE TABLE c (id int8 PRIMARY KEY, p int4 CONSTRAINT k REFERENCES p, n varchar(5) CONSTRAINT m REFERENCES p (n))
      """)
    let plan = try world.plan(change("ALTER TABLE p ALTER id TYPE int8", world))
    let last = try #require(plan.stages.last)
    #expect(last.changes.map(\.floor) == [.current, .current], "whoever has looked into the old index is refused")
    #expect(plan.stages.dropLast().allSatisfy { $0.changes.count == 1 })
    for stage in plan.stages { try world.apply(stage) }
    let (parent, child) = (try #require(world.table("p")), try #require(world.table("c")))
    let id = try #require(parent.columns.first { $0.name == "id" }).id
    func rule(_ name: String, _ table: TableDescriptor) throws -> ForeignKeyRule {
      let constraint = try #require(table.constraints.first { $0.name == name })
      guard case .foreignKey(let rule) = constraint.rule else { throw SQLError(.internalError, "no key") }
      return rule
    }
    #expect(try rule("k", child).referencedColumns == [id] && rule("p_up_fkey", parent).referencedColumns == [id])
    #expect(parent.uniqueIndex(on: [id]) != nil)
    try world.run(change("ALTER TABLE c ALTER p TYPE int8, ALTER n TYPE varchar(9)", world))
    let column = try #require(world.table("c")?.columns.first { $0.name == "p" })
    #expect(try rule("k", #require(world.table("c"))).columns == [column.id])
    #expect(
      try refusal("ALTER TABLE c ALTER p TYPE text", world).message
        == "foreign key constraint \"k\" cannot be implemented")
    #expect(try refusal("ALTER TABLE c ALTER p TYPE numeric", world).state.code == "0A000")
    #expect(try refusal("ALTER TABLE c ALTER p TYPE int4 USING p + 1", world).state.code == "0A000")
    #expect(try refusal("ALTER TABLE p ALTER n TYPE varchar(3)", world).state.code == "0A000")
    #expect(try refusal("ALTER TABLE p ALTER id TYPE date USING now()::date", world).state.code == "0A000")
    // And back.
    let revert = try world.plan(.revertJob(world.lastJob))
    for stage in revert.stages { try world.apply(stage) }
    #expect(world.table("c")?.columns.first { $0.name == "p" }?.type == .int4)
  }
}
