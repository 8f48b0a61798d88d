import Basics
import Catalog
import SQLValues
import Testing

@testable import SchemaChange

@Suite struct CommentPlanTests {
  /// t(id key, a indexed and unique, b with a check)
  private func world() throws -> World {
    var world = World()
    try world.run(createTable("t", [column("id"), column("a"), column("b")], unique: [["a"]]))
    try world.run(createIndex("t_b", on: "t", ["b"]))
    try world.run(
      alter("t", .addCheck(CheckDefinition(name: "t_check", rule: Self.isPositive("b")), isValidated: false)))
    try world.run(.createSequence(ObjectName(name: "s"), ifNotExists: false, SequenceOptions()))
    return world
  }

  private static func isPositive(_ column: String) -> RowExpressionDefinition {
    RowExpressionDefinition(columns: [.init(name: column, type: .int8)], expression: [1])
  }

  private func comment(_ target: CommentStatement.Target, _ text: String?) -> SchemaStatement {
    .comment(CommentStatement(target, text: text))
  }

  private let t = ObjectName(name: "t")

  @Test func everyPlaceHasItsOwn() throws {
    var world = try world()
    let floor = world.table("t")?.commitFloor
    let targets: [(CommentStatement.Target, String, (World) -> String?)] = [
      (.table(t), "table t", { $0.table("t")?.comment }),
      (.column(t, "a"), "column a", { $0.table("t")?.columns[1].comment }),
      (.index(ObjectName(name: "t_a_key")), "index t_a_key", { $0.table("t")?.indexes[1].comment }),
      (.constraint(t, "t_a_key"), "constraint t_a_key", { $0.table("t")?.indexes[1].constraintComment }),
      (.constraint(t, "t_check"), "constraint t_check", { $0.table("t")?.constraints[0].comment }),
      (.sequence(ObjectName(name: "s")), "sequence s", { $0.catalog.sequence(named: "s")?.comment }),
      (.schema("public"), "schema public", { $0.catalog.namespace(named: "public")?.comment }),
      (.database("defaultdb"), "database defaultdb", { $0.catalog.database(named: "defaultdb")?.comment }),
    ]
    for (target, title, found) in targets {
      let plan = try world.plan(comment(target, title))
      #expect(
        plan.explanation == [
          "COMMENT: instant, one schema entry", "stage 1 (visible): \(title): commented on",
        ])
      try world.apply(plan.stages[0])
      #expect(found(world) == title)
      // The same again is nothing to do.
      #expect(try world.plan(comment(target, title)).stages == [])
    }
    for (_, title, found) in targets { #expect(found(world) == title, "one comment is not another's") }
    // What nobody reads or writes by leaves the floor alone.
    #expect(world.table("t")?.commitFloor == floor)
    for (target, _, found) in targets {
      try world.run(comment(target, ""))
      #expect(found(world) == nil, "an empty comment is none")
    }
  }

  @Test func whatIsNotThereIsNamed() throws {
    var world = try world()
    let wrong: [(CommentStatement.Target, String)] = [
      (.table(ObjectName(name: "x")), "42P01"), (.table(ObjectName(name: "t_b")), "42809"),
      (.sequence(t), "42809"), (.index(t), "42809"), (.index(ObjectName(name: "x")), "42P01"),
      (.column(t, "x"), "42703"), (.constraint(t, "x"), "42704"), (.constraint(t, "t_b"), "42704"),
      (.schema("x"), "3F000"), (.table(ObjectName(schema: "x", name: "t")), "3F000"),
    ]
    for (target, state) in wrong {
      #expect("\(target)") {
        try world.run(comment(target, "text"))
      } throws: { ($0 as? SQLError)?.state.code == state }
    }
    #expect(try world.plan(comment(.database("x"), "text")).notices == ["database \"x\" does not exist"])
    let long = String(repeating: "x", count: SchemaLimits.maximumCommentBytes + 1)
    #expect {
      try world.run(comment(.table(t), long))
    } throws: { ($0 as? SQLError)?.state == .programLimitExceeded }
  }

  @Test func commentsStayWithWhatTheyAreOn() throws {
    var world = try world()
    for (target, text) in [
      (CommentStatement.Target.table(t), "table"), (.column(t, "b"), "column"),
      (.index(ObjectName(name: "t_b")), "index"), (.index(ObjectName(name: "t_pkey")), "key"),
    ] {
      try world.run(comment(target, text))
    }
    try world.run(.renameTable(t, to: "u", ifExists: false))
    try world.run(alter("u", .renameColumn(name: "b", to: "c")))
    try world.run(.truncateTables(names: [ObjectName(name: "u")]))
    let table = try #require(world.table("u"))
    #expect(table.comment == "table" && table.columns.map(\.comment) == [nil, nil, "column"])
    #expect(table.indexes.map(\.comment) == ["key", nil, "index"])
    try world.run(alter("u", .dropColumn(name: "c", ifExists: false)))
    #expect(world.table("u")?.columns.compactMap(\.comment) == [])
    // Another primary key is another constraint.
    try world.run(
      alter(
        "u", .dropConstraint(name: "t_pkey", ifExists: false),
        .addPrimaryKey(UniqueConstraint(name: nil, columns: ["a"]))))
    #expect(world.table("u")?.primaryIndex.comment == nil)
  }

  @Test func commentsAreReadAgainAsTheyWereWritten() throws {
    var world = try world()
    for target: CommentStatement.Target in [
      .table(t), .column(t, "a"), .index(ObjectName(name: "t_b")), .constraint(t, "t_a_key"),
      .constraint(t, "t_check"), .schema("public"), .database("defaultdb"),
    ] {
      let statement = comment(target, "text of \(target)")
      #expect(try SchemaStatement(decoding: statement.encoded()) == statement)
      try world.run(statement)
    }
    let table = try #require(world.table("t"))
    #expect(try TableDescriptor(decoding: table.encoded()) == table)
    let again = try CatalogState(decoding: world.catalog.encoded())
    #expect(again.namespaces == world.catalog.namespaces && again.databases == world.catalog.databases)
    #expect(again.namespacesIndex == world.catalog.namespacesIndex)
  }
}
