import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

/// Indexes of some rows, with further columns, that no query sees.
struct IndexPlanTests {
  private static let predicate = RowExpressionDefinition(columns: [.init(name: "b", type: .text)], expression: [1, 2])

  private static let partial = SchemaStatement.createIndex(
    CreateIndex(
      name: "p", ifNotExists: false, table: ObjectName(name: "t"), isUnique: true,
      keyColumns: [IndexColumnDefinition(columnName: "a", isDescending: true)], storedColumns: ["c"],
      predicate: predicate, isVisible: false))

  /// t(id key, a, b text, c)
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a"), column("b", .text), column("c")]))
    return world
  }

  private func refusal(_ world: World, _ statement: SchemaStatement) -> String? {
    var copy = world
    do {
      _ = try copy.plan(statement)
      return nil
    } catch let error as SQLError { return "\(error.state.code) \(error.message)" } catch { return "\(error)" }
  }

  @Test func aPartialIndexIsBuiltAsAnyOther() throws {
    var world = try world()
    let before = try #require(world.table("t"))
    let plan = try world.plan(Self.partial)
    #expect(
      plan.stages.map(\.name) == [
        "index p: absent -> deleteOnly", "index p: deleteOnly -> writeOnly", "index p: writeOnly -> backfilling",
        "index p: backfilling -> public",
      ])
    for stages in 1...3 {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      let halfway = try #require(attempt.table("t")?.indexes.last)
      // Every writer of every stage knows whose entries these are.
      #expect(halfway.predicate == RowExpression(columns: [ColumnID(3)], expression: [1, 2]))
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      #expect(attempt.table("t")?.indexes == before.indexes && attempt.table("t")?.columns == before.columns)
    }
    for stage in plan.stages { try world.apply(stage) }
    let table = try #require(world.table("t"))
    let index = try #require(table.indexes.last)
    #expect(index.columns == [ColumnID(2), ColumnID(3), ColumnID(4)])
    #expect(index.isUnique && !table.isConstraint(index) && index.isInvisible && index.storedColumns == [ColumnID(4)])
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
    #expect(try SchemaStatement(decoding: Self.partial.encoded()) == Self.partial)
  }

  @Test func thePredicateFollowsItsColumns() throws {
    var world = try world()
    try world.run(Self.partial)
    // By id: a rename is none of its business.
    try world.run(alter("t", .renameColumn(name: "b", to: "text")))
    #expect(world.table("t")?.indexes.last?.predicate?.columns == [ColumnID(3)])
    let change = TypeChange(
      column: "text", type: .int8,
      conversion: RowExpressionDefinition(columns: [.init(name: "text", type: .text)], expression: [1]), hasUsing: true)
    #expect(
      refusal(world, alter("t", .setType(change)))
        == "XX001 an expression of table \"t\" cannot be read")
    // A unique index of some rows is no constraint.
    #expect(refusal(world, alter("t", .dropConstraint(name: "p", ifExists: false)))?.hasPrefix("42704") == true)
    #expect(refusal(world, alter("t", .renameConstraint(name: "p", to: "q")))?.hasPrefix("42704") == true)
    // Another primary key takes it along as it is.
    try world.run(
      alter(
        "t", .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: nil, columns: ["a"]))))
    let copy = try #require(world.table("t")?.indexes.last)
    #expect(copy.predicate == RowExpression(columns: [ColumnID(3)], expression: [1, 2]))
    #expect(copy.isInvisible && copy.isUnique && copy.name == "p" && copy.id == IndexID(4))
    // The column takes the index along, whose entries need its values until nobody removes any.
    let plan = try world.plan(alter("t", .dropColumn(name: "text", ifExists: false)))
    for stage in plan.stages {
      try world.apply(stage)
      let table = try #require(world.table("t"))
      if let index = table.indexes.first(where: { $0.id == copy.id }), index.state.isWritable {
        #expect(table.column(ColumnID(3))?.state.isWritable == true)
      }
    }
    #expect(world.table("t")?.indexes.count == 1 && world.table("t")?.column(ColumnID(3)) == nil)
  }

  @Test func aPredicateOfAnotherTimeIsRefused() throws {
    var world = try world()
    try world.run(alter("t", .renameColumn(name: "b", to: "d")))
    #expect(refusal(world, Self.partial) == "42703 column \"b\" does not exist")
    try world.run(alter("t", .addColumn(column("b"), ifNotExists: false)))
    #expect(refusal(world, Self.partial)?.hasPrefix("40001") == true)
  }

  @Test func visibilityIsOneEntry() throws {
    var world = try world()
    try world.run(createIndex("i", on: "t", ["a"]))
    func set(_ name: String, _ isVisible: Bool, ifExists: Bool = false) -> SchemaStatement {
      .setIndexVisibility(ObjectName(name: name), ifExists: ifExists, isVisible: isVisible)
    }
    let before = try #require(world.table("t"))
    let plan = try world.plan(set("i", false))
    #expect(plan.isInstant && plan.stages.map(\.name) == ["index i: invisible"] && plan.commandTag == "ALTER INDEX")
    for stage in plan.stages { try world.apply(stage) }
    let after = try #require(world.table("t"))
    #expect(after.indexes[1].isInvisible && after.commitFloor == before.commitFloor)
    #expect(try TableDescriptor(decoding: after.encoded()) == after)
    #expect(
      TableDifferences.sentences(from: before, to: after) == ["index i is invisible: no query uses it"])
    #expect(
      TableDifferences.sentences(from: after, to: before) == ["index i is visible to queries"])
    #expect(try world.plan(set("i", false)).stages.isEmpty)
    for stage in plan.stages.flatMap(\.changes).flatMap(\.edits) {
      #expect(stage == .setIndexVisibility(IndexID(2), isVisible: false))
    }
    var job = JobRecord(
      id: JobID(7), operationID: OperationID("x"), databaseID: .defaultDatabase, statementText: "ALTER INDEX …",
      tableName: "t", state: .running)
    job.plan = plan
    job.statement = set("i", false).encoded()
    #expect(try JobRecord(decoding: job.encoded()) == job)
    #expect(try SchemaStatement(decoding: job.statement) == set("i", false))
    try world.run(set("i", true))
    #expect(world.table("t")?.indexes == before.indexes)
    #expect(refusal(world, set("t_pkey", false)) == "0A000 primary index \"t_pkey\" cannot be invisible")
    #expect(refusal(world, set("t", false)) == "42809 \"t\" is not an index")
    #expect(refusal(world, set("x", false)) == "42P01 relation \"x\" does not exist")
    #expect(try world.plan(set("x", false, ifExists: true)).notices == ["relation \"x\" does not exist, skipping"])
    #expect(Planner.tables(of: set("i", true), in: world.catalog, .defaultDatabase) == [TableID(1)])
  }
}
