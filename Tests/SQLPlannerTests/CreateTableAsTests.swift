import Basics
import Catalog
import SQLPlanner
import SQLValues
import SchemaChange
import Testing

/// `CREATE TABLE … AS`: names and types of the columns are those of the query.
@Suite struct CreateTableAsTests {
  private func planned(_ text: String, parameterTypes: [SQLType] = []) throws -> CreateTableAsPlan? {
    guard case .createTableAs(let plan) = try PlannerFixture.plan(text, parameterTypes: parameterTypes).action else {
      return nil
    }
    return plan
  }

  private func columns(_ text: String) throws -> [String] {
    try planned(text)?.create.columns.map { "\($0.name) \($0.type)" } ?? []
  }

  @Test func columnsAreNamedAndTypedAsPostgreSQLDoes() throws {
    #expect(
      try columns("create table n as select t.id, c, 1, a + 1 as s, upper(b), u.name, d::date from t, u") == [
        "id bigint", "c numeric(10,2)", "?column? integer", "s integer", "upper text", "name character varying(20)",
        "d date",
      ])
    #expect(try columns("create table n as select 'x', count(*) from t") == ["?column? text", "count bigint"])
    #expect(
      try columns("create table n (z, y) as select a, b, flag from t") == ["z integer", "y text", "flag boolean"])
    #expect(try columns("create table n as values (1, null), (2, 'b')") == ["column1 integer", "column2 text"])
    #expect(try columns("select k, v into n from x") == ["k integer", "v text"])
    // What the query shows is nullable, and the table has no key of its own.
    let create = try #require(try planned("create table s.n as select id from t")).create
    #expect(create.columns.allSatisfy(\.isNullable) && create.primaryKey.isEmpty)
    #expect(create.name == ObjectName(schema: "s", name: "n"))
  }

  @Test func withoutDataTheQueryIsNotRun() throws {
    let plan = try #require(try planned("create table if not exists n as select a from t with no data"))
    #expect(!plan.hasData && plan.create.ifNotExists)
    #expect(try planned("create table n as select a from t with data")?.hasData == true)
  }

  @Test func parametersAndPinsAreThoseOfTheQuery() throws {
    let plan = try PlannerFixture.plan("create table n as select a, $1::text as p from t where id = $2")
    #expect(plan.parameterTypes == [.text, .int8] && plan.resultColumns == nil && !plan.isReadOnly)
    #expect(plan.tables == [TableUse(tableID: TableID(11), version: TableVersion(1), isWritten: false)])
  }

  @Test func itIsExplainedByItsQuery() throws {
    #expect(
      try PlannerFixture.explain("create table n as select a from t where id = 5")
        == PlannerFixture.explain("select a from t where id = 5"))
    guard
      case .explainSchemaChange(.createTable(let create)) = try PlannerFixture.plan(
        "explain (ddl) create table n as select a from t"
      ).action
    else {
      Issue.record("not explained")
      return
    }
    #expect(create.columns == [ColumnDefinition(name: "a", type: .int4)])
  }

  @Test func whatCannotBeATableIsRefused() {
    let table: [(text: String, state: String, message: String)] = [
      ("create table n (p, q) as select a from t", "42601", "too many column names were specified"),
      ("create table n as select 1, 2", "42701", "column \"?column?\" specified more than once"),
      ("create table n as select a, a from t", "42701", "column \"a\" specified more than once"),
      (
        "create table n as select 't'::regclass", "0A000",
        "column \"regclass\" of type regclass in a table is not supported yet"
      ),
      ("create table n as select * from nope", "42P01", "relation \"nope\" does not exist"),
      ("create table pg_catalog.n as select 1", "42501", "permission denied: \"n\" is a system catalog"),
    ]
    for (text, state, message) in table {
      let error = PlannerFixture.failure(text)
      #expect(error?.state.description == state && error?.message == message, "\(text): \(String(describing: error))")
    }
  }
}
