import Basics
import Catalog
import SQLExpressions
import SQLValues
import Testing

@testable import SchemaChange

/// Where what is dropped meets schemas in the sense of SQL, comments and columns with computed values.
@Suite struct RestoreInNamespacesTests {
  private func world(_ statements: SchemaStatement...) throws -> World {
    var world = World()
    world.retainsDropped = true
    for statement in statements { try world.run(statement) }
    return world
  }

  private let yard = SchemaStatement.namespace(.create("yard", ifNotExists: false))
  private let dropYard = SchemaStatement.namespace(.drop(["yard"], ifExists: false, isCascade: true))
  private let inYard = ObjectName(schema: "yard", name: "t")

  private func create(_ name: ObjectName) -> SchemaStatement {
    var id = column("id", isNullable: false)
    id.generator = ColumnGenerator(identity: nil)
    return .createTable(
      CreateTable(name: name, ifNotExists: false, columns: [id, column("k")], primaryKey: ["id"]))
  }

  private func undrop(_ name: ObjectName) -> SchemaStatement { .undrop(Undrop(.table, name)) }

  private func move(_ name: ObjectName, to schema: String) -> SchemaStatement {
    .setSchema(SetSchemaStatement(relation: name, isSequence: false, ifExists: false, schema: schema))
  }

  private func state(_ world: World, _ statement: SchemaStatement) -> String? {
    var world = world
    do { try world.run(statement) } catch { return (error as? SQLError)?.state.code }
    return nil
  }

  private func schemas(_ world: World) -> [String] {
    world.catalog.tables.filter { $0.state == .public }.map { "\(world.catalog.schemaName(of: $0)).\($0.name)" }
  }

  @Test func aTableComesBackIntoItsSchemaByWhateverName() throws {
    var world = try world(yard, create(inYard), .dropTables(names: [inYard], ifExists: false))
    try world.run(.namespace(.rename("yard", to: "dock")))
    #expect(world.waysBack.droppedObjects(in: world.catalog).map(\.schemaName) == ["dock", "dock"])
    #expect(state(world, undrop(inYard)) == "42704")
    #expect(state(world, undrop(ObjectName(name: "t"))) == "42704")
    try world.run(undrop(ObjectName(schema: "dock", name: "t")))
    #expect(schemas(world) == ["dock.t", "dock.t_id_seq"])
  }

  @Test func aTableWhoseSchemaIsGoneWaitsForOneOfItsName() throws {
    var world = try world(yard, create(inYard), dropYard)
    #expect(world.waysBack.droppedObjects(in: world.catalog).map(\.schemaName) == ["yard", "yard"])
    #expect(state(world, undrop(inYard)) == "3F000")
    try world.run(yard)
    try world.run(undrop(inYard))
    #expect(schemas(world) == ["yard.t", "yard.t_id_seq"])
    #expect(world.catalog.tables.allSatisfy { $0.namespaceID == world.catalog.namespace(named: "yard")?.id })
  }

  @Test func aSchemaComesBackUnderItsIdWithAllThatWasInIt() throws {
    var world = try world(yard, create(inYard))
    let before = world.catalog.namespace(named: "yard")?.id
    try world.run(dropYard)
    let revert = SchemaStatement.revertJob(world.lastJob)
    var other = world
    try other.run(yard)
    #expect(state(other, revert) == "42P06")
    // Who waits for the schema waits for this, and it for them.
    #expect(
      Planner.tables(of: revert, in: world.catalog, .defaultDatabase, waysBack: world.waysBack)
        .contains(TableID(queueing: try #require(before))))
    try world.run(revert)
    #expect(world.catalog.namespace(named: "yard")?.id == before)
    #expect(schemas(world) == ["yard.t", "yard.t_id_seq"])
    #expect(state(world, revert) == "55000")
  }

  @Test func movesGoBackWithTheSequencesOfNow() throws {
    var world = try world(yard, create(ObjectName(name: "t")), move(ObjectName(name: "t"), to: "yard"))
    let revert = SchemaStatement.revertJob(world.lastJob)
    var identity = column("n")
    identity.generator = ColumnGenerator(identity: .always)
    try world.run(.alterTable(inYard, ifExists: false, changes: [.addColumn(identity, ifNotExists: false)]))
    #expect(schemas(world) == ["yard.t", "yard.t_id_seq", "yard.t_n_seq"])
    var other = world
    try other.run(createTable("t", [column("id", isNullable: false)]))
    #expect(state(other, revert) == "42P07")
    var moved = world
    try moved.run(.namespace(.create("dock", ifNotExists: false)))
    try moved.run(move(inYard, to: "dock"))
    #expect(state(moved, revert) == "55000")
    try world.run(revert)
    #expect(schemas(world) == ["public.t", "public.t_id_seq", "public.t_n_seq"])
  }

  @Test func whatIsSaidOfThingsIsTakenBack() throws {
    var world = try world(yard, create(inYard))
    #expect(state(world, .revertJob(JobID(1))) == "0A000", "DROP SCHEMA takes that back")
    try world.run(.comment(CommentStatement(.column(inYard, "k"), text: "a number")))
    let column = SchemaStatement.revertJob(world.lastJob)
    try world.run(.comment(CommentStatement(.schema("yard"), text: "ours")))
    let schema = SchemaStatement.revertJob(world.lastJob)
    try world.run(.namespace(.rename("yard", to: "dock")))
    let rename = SchemaStatement.revertJob(world.lastJob)
    try world.run(.comment(CommentStatement(.database("defaultdb"), text: "all")))
    try world.run(.revertJob(world.lastJob))
    #expect(world.catalog.database(named: "defaultdb")?.comment == nil)
    var other = world
    try other.run(.comment(CommentStatement(.schema("dock"), text: "theirs")))
    #expect(state(other, schema) == "55000")
    for statement in [schema, rename, column] { try world.run(statement) }
    #expect(world.catalog.namespace(named: "yard")?.comment == nil)
    #expect(world.catalog.table(named: "t", schema: "yard")?.publicColumns[1].comment == nil)
  }

  @Test func aColumnTakesItsSequenceAlongAndComesBackWithIt() throws {
    var world = try world(createTable("t", [column("id", isNullable: false)]))
    var identity = column("n")
    identity.generator = ColumnGenerator(identity: .always)
    try world.run(alter("t", .addColumn(identity, ifNotExists: false)))
    try world.run(.revertJob(world.lastJob))
    #expect(schemas(world) == ["public.t"])
    #expect(world.table("t")?.columns.last?.isRetained == true)
    try world.run(.revertJob(world.lastJob))
    #expect(schemas(world) == ["public.t", "public.t_n_seq"])
    let restored = try #require(world.table("t")?.publicColumns.last)
    #expect(restored.name == "n" && restored.identity == .always && restored.sequences.count == 1)
    #expect(!restored.isNullable && !restored.isFilled)
  }

  @Test func aGeneratedColumnComesBackAsLongAsWhatItReadsIsThere() throws {
    var world = try world(createTable("t", [column("id", isNullable: false), column("k")]))
    var generated = column("twice")
    generated.generation = RowExpressionDefinition(
      columns: [RowExpressionDefinition.Column(name: "k", type: .int8)], expression: Expression.column(0, .int8).encoded
    )
    try world.run(alter("t", .addColumn(generated, ifNotExists: false)))
    try world.run(alter("t", .dropColumn(name: "k", ifExists: false, isCascade: true)))
    let both = SchemaStatement.revertJob(world.lastJob)
    let undrop = SchemaStatement.undrop(Undrop(.column, ObjectName(name: "twice"), table: ObjectName(name: "t")))
    #expect(state(world, undrop) == "55000")
    try world.run(both)
    #expect(world.table("t")?.publicColumns.map(\.name) == ["id", "k", "twice"])
    #expect(world.table("t")?.publicColumns.last?.generation != nil)
    try world.run(alter("t", .dropGeneration(column: "twice", ifExists: false)))
    #expect(state(world, .revertJob(world.lastJob)) == "0A000")
  }

  @Test func theWayBackIsReadAsItWasWritten() throws {
    let world = try world(yard, create(inYard), dropYard)
    for way in world.waysBack.values {
      var writer = ByteWriter()
      way.encode(into: &writer)
      #expect(try WayBack(decoding: writer.bytes[...]) == way)
    }
    let last = try #require(world.waysBack.values.last)
    #expect(last.namespaces.count == 1 && last.tables.map(\.schemaName) == ["yard", "yard"])
  }
}
