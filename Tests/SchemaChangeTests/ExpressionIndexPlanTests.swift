import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

/// Indexes on expressions: the column that holds one comes, changes its state and goes with its index.
struct ExpressionIndexPlanTests {
  private func part(_ text: String, _ column: String, _ bytes: [UInt8]) -> IndexColumnDefinition {
    IndexColumnDefinition(
      columnName: "lower",
      expression: IndexExpressionDefinition(
        value: RowExpressionDefinition(columns: [.init(name: column, type: .text)], expression: bytes), type: .text,
        text: text))
  }

  private func create(_ name: String? = nil, _ parts: IndexColumnDefinition...) -> SchemaStatement {
    .createIndex(
      CreateIndex(name: name, ifNotExists: false, table: ObjectName(name: "t"), isUnique: true, keyColumns: parts))
  }

  private var both: SchemaStatement {
    create(nil, part("lower(b)", "b", [1]), IndexColumnDefinition(columnName: "a"), part("upper(c)", "c", [2]))
  }

  /// t(id key, a, b text, c text)
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a"), column("b", .text), column("c", .text)]))
    return world
  }

  @Test func theExpressionsComeAndGoWithTheIndex() throws {
    var world = try world()
    let before = try #require(world.table("t"))
    let plan = try world.plan(both)
    #expect(plan.stages.count == 4 && plan.stages[0].name == "index t_lower_a_lower_idx: absent -> deleteOnly")
    for stages in 1...3 {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      let halfway = try #require(attempt.table("t"))
      let index = try #require(halfway.indexes.last)
      #expect(halfway.computedColumns(of: index).map(\.state) == [index.state, index.state])
      #expect(halfway.publicColumns == before.publicColumns)
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      #expect(attempt.table("t")?.indexes == before.indexes && attempt.table("t")?.columns == before.columns)
    }
    for stage in plan.stages { try world.apply(stage) }
    let table = try #require(world.table("t"))
    let index = try #require(table.indexes.last)
    #expect(index.keyColumns.map(\.columnID.rawValue) == [5, 2, 6])
    #expect(table.columns.map(\.isComputed) == [false, false, false, false, true, true])
    #expect(table.columns[4].conversion == RowExpression(columns: [ColumnID(3)], expression: [1]))
    #expect(table.columns[4].name == "lower(b)" && table.columns[4].state == .public)
    #expect(table.columns(readBy: index) == [ColumnID(2), ColumnID(3), ColumnID(4)])
    #expect(index.isUnique && !table.isConstraint(index) && table.isConstraint(table.primaryIndex))
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
    #expect(try SchemaStatement(decoding: both.encoded()) == both)
    #expect(
      TableDifferences.sentences(from: before, to: table) == ["unique index t_lower_a_lower_idx is readable"])
    let drop = try world.plan(.dropIndexes(names: [ObjectName(name: "t_lower_a_lower_idx")], ifExists: false))
    for stage in drop.stages { try world.apply(stage) }
    #expect(world.table("t")?.indexes == before.indexes && world.table("t")?.columns == before.columns)
  }

  @Test func theExpressionFollowsItsColumns() throws {
    var world = try world()
    try world.run(both)
    func refusal(_ statement: SchemaStatement) -> String? {
      var copy = world
      do {
        _ = try copy.plan(statement)
        return nil
      } catch let error as SQLError { return "\(error.state.code) \(error.message)" } catch { return "\(error)" }
    }
    try world.run(alter("t", .renameColumn(name: "b", to: "text")))
    func change(_ name: String) -> TypeChange {
      TypeChange(
        column: name, type: .int8,
        conversion: RowExpressionDefinition(
          columns: [.init(name: name, type: name == "a" ? .int8 : .text)], expression: [1]), hasUsing: true)
    }
    #expect(
      refusal(alter("t", .setType(change("text"))))
        == "XX001 an expression of table \"t\" cannot be read")
    // Another column's type, another primary key: the copies compute the same.
    try world.run(alter("t", .setType(change("a"))))
    try world.run(
      alter(
        "t", .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: nil, columns: ["a", "id"]))))
    var table = try #require(world.table("t"))
    #expect(table.indexes.count == 2 && table.indexes.allSatisfy { $0.replaces == nil && $0.state == .public })
    #expect(table.indexes[1].keyColumns.map(\.columnID.rawValue) == [5, 7, 6])
    #expect(table.computedColumns(of: table.indexes[1]).count == 2 && table.columns.count == 6)
    try world.run(.truncateTables(names: [ObjectName(name: "t")]))
    // With a column goes what is computed of it, after the index.
    let plan = try world.plan(alter("t", .dropColumn(name: "text", ifExists: false)))
    for stage in plan.stages {
      try world.apply(stage)
      table = try #require(world.table("t"))
      if table.indexes.count > 1, table.indexes[1].state.isWritable {
        #expect(table.column(ColumnID(3))?.state.isWritable == true)
      }
    }
    #expect(table.indexes.count == 1 && table.columns.map(\.name) == ["id", "a", "c"])
  }

  @Test func aCopyThatIsTakenBackLeavesTheExpressionToItsIndex() throws {
    var world = try world()
    try world.run(both)
    let before = try #require(world.table("t"))
    let plan = try world.plan(
      alter(
        "t", .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: nil, columns: ["a", "id"]))))
    for stage in plan.stages.prefix(3) { try world.apply(stage) }
    for stage in plan.rollback(in: world.catalog).stages { try world.apply(stage) }
    #expect(world.table("t")?.columns == before.columns && world.table("t")?.indexes == before.indexes)
  }

  @Test func aTransactionMakesAndDropsThemAsStatementsDo() throws {
    var world = try world()
    try world.run(create("old", part("lower(b)", "b", [1])))
    try world.run(createIndex("seen", on: "t", ["a"]))
    var some = createIndex("some", on: "t", ["a"])
    if case .createIndex(var index) = some {
      index.predicate = RowExpressionDefinition(columns: [.init(name: "d", type: .text)], expression: [4])
      some = .createIndex(index)
    }
    var draft = SchemaDraft(catalog: world.catalog, databaseID: .defaultDatabase)
    for statement in [
      alter("t", .addColumn(column("d", .text), ifNotExists: false)), create("new", part("upper(d)", "d", [3])), some,
      .dropIndexes(names: [ObjectName(name: "old")], ifExists: false),
      .setIndexVisibility(ObjectName(name: "seen"), ifExists: false, isVisible: false),
    ] { _ = try draft.apply(statement) }
    let before = try #require(world.table("t"))
    let plan = try world.plan(.transaction(draft.transaction))
    for stages in 1...plan.visibleStage {
      var attempt = world
      for stage in plan.stages.prefix(stages) { try attempt.apply(stage) }
      // Who judges or computes an entry reads the new column before it is public.
      #expect(attempt.table("t")?.column(ColumnID(6))?.state == .writeOnly)
      for stage in plan.rollback(in: attempt.catalog).stages { try attempt.apply(stage) }
      #expect(attempt.table("t")?.columns == before.columns && attempt.table("t")?.indexes == before.indexes)
    }
    for stage in plan.stages { try world.apply(stage) }
    let table = try #require(world.table("t"))
    #expect(table.indexes.map(\.name) == ["t_pkey", "seen", "new", "some"])
    #expect(table.indexes.map(\.isInvisible) == [false, true, false, false])
    #expect(table.indexes[3].predicate?.columns == [ColumnID(6)])
    #expect(table.columns.map(\.isComputed) == [false, false, false, false, false, true])
  }
}
