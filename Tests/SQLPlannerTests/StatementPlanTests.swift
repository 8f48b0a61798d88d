import Basics
import Catalog
import SQLExpressions
import SQLPlanner
import SQLValues
import SchemaChange
import Testing

@Suite struct StatementPlanTests {
  @Test func parametersTakeTheirTypesFromTheContext() throws {
    let table: [(String, [SQLType])] = [
      ("select * from t where id = $1 and b = $2", [.int8, .text]),
      ("insert into t (id, a, c) values ($1, $2, $3)", [.int8, .int4, .numeric(precision: nil, scale: nil)]),
      ("insert into t (id, a) select $1, $2", [.int8, .int4]),
      ("update t set b = $2 where id = $1", [.int8, .text]),
      ("select $1", [.text]),
      ("select * from t limit $1", [.int8]),
      ("select $1 = a, $1 from t", [.int4]),
    ]
    for (text, types) in table {
      #expect(try PlannerFixture.plan(text).parameterTypes == types, "\(text)")
    }
    #expect(try PlannerFixture.plan("select $1", parameterTypes: [.int8]).resultColumns?.map(\.type) == [.int8])
  }

  @Test func resultColumnsHaveNamesTypesAndOrigins() throws {
    let plan = try PlannerFixture.plan(
      "select *, a + 1, count(*) over_all, lower(b), 'x', true, b::varchar from t group by 1, 2, 3, 4, 5, 6")
    let columns = try #require(plan.resultColumns)
    #expect(
      columns.map(\.name) == [
        "id", "a", "b", "c", "d", "flag", "?column?", "over_all", "lower", "?column?", "bool", "b",
      ])
    #expect(columns[0].tableID == TableID(11) && columns[0].columnNumber == 1)
    #expect(columns[6].tableID == nil && columns[6].type == .int4)
    #expect(columns[9].type == .text)
  }

  @Test func tablesAreListedForPins() throws {
    let plan = try PlannerFixture.plan("insert into t (id) select u.id from u where exists (select 1 from x)")
    #expect(
      plan.tables == [
        TableUse(tableID: TableID(11), version: TableVersion(1), isWritten: true),
        TableUse(tableID: TableID(12), version: TableVersion(1), isWritten: false),
        TableUse(tableID: TableID(13), version: TableVersion(1), isWritten: false),
      ])
    #expect(plan.isValid(in: PlannerFixture.catalog))
    #expect(!plan.isValid(in: CatalogState()))
    #expect(!plan.isReadOnly)
    #expect(plan.preliminaryQueries.count == 1 && plan.slotCount == 1)
  }

  /// A subquery that depends on a query two levels out is computed where that query's row is known.
  @Test func subqueriesReachThroughOthers() throws {
    let plan = try PlannerFixture.plan(
      "select (select (select count(*) from u where u.t_id = t.id)) from t where exists (select 1 from x)")
    #expect(plan.preliminaryQueries.map(\.result) == [.exists])
  }

  /// A column that is on its way in gets its default with every insert, though nobody can name it.
  @Test func insertsMaintainColumnsOnTheirWayIn() throws {
    guard case .insert(let insert) = try PlannerFixture.plan("insert into x values (1, 'a')").action,
      case .values(let values) = insert.source
    else {
      Issue.record("not an insert of values")
      return
    }
    #expect(insert.columns == [ColumnID(1), ColumnID(2), ColumnID(4)])
    #expect(
      values.rows == [
        [.constant(.integer(1), .int4), .constant(.text("a"), .text), .constant(.integer(7), .int4)]
      ])
  }

  @Test func updatesReadFullRows() throws {
    guard case .update(let update) = try PlannerFixture.plan("update t set a = a + 1 where b = 'x' and c > 1").action
    else {
      Issue.record("not an update")
      return
    }
    #expect(update.source.columnTypes == PlannerFixture.t.columns.map(\.type))
    #expect(update.assignments.map(\.column) == [ColumnID(2)])
    guard case .and(let conditions)? = update.target.recheck else {
      Issue.record("no condition to check again")
      return
    }
    #expect(conditions.count == 2)
  }

  @Test func conflictsNameTheirIndexes() throws {
    func handling(_ clause: String) throws -> ConflictHandling? {
      guard case .insert(let insert) = try PlannerFixture.plan("insert into t (id) values (1) \(clause)").action else {
        return nil
      }
      return insert.conflict
    }
    #expect(try handling("") == .fail)
    #expect(try handling("on conflict do nothing") == .skip(indexes: [IndexID(1), IndexID(3)]))
    #expect(try handling("on conflict (b) do nothing") == .skip(indexes: [IndexID(3)]))
    #expect(try handling("on conflict on constraint t_pkey do nothing") == .skip(indexes: [IndexID(1)]))
  }

  @Test func systemCatalogsAreBoundToTheSchemaIndex() throws {
    let plan = try PlannerFixture.plan("select relname from pg_class where relkind = 'r'")
    #expect(plan.catalogIndex == SchemaIndex(1))
    #expect(try PlannerFixture.plan("select * from information_schema.columns").resultColumns?.count == 23)
    #expect(try PlannerFixture.plan("select 't'::regclass").catalogIndex == SchemaIndex(1))
  }
}

@Suite struct SchemaStatementTests {
  private func change(_ text: String) throws -> SchemaStatement? {
    guard case .schemaChange(let statement) = try PlannerFixture.plan(text).action else { return nil }
    return statement
  }

  @Test func tables() throws {
    let expected = CreateTable(
      name: found("q"), ifNotExists: true,
      columns: [
        ColumnDefinition(name: "a", type: .int8, isNullable: false),
        ColumnDefinition(
          name: "b", type: .varchar(maximumCharacters: 10),
          defaultExpression: Expression.constant(.text("x"), .varchar(maximumCharacters: 10)).encoded,
          defaultText: "'x'::character varying", constantDefault: .text("x")),
        ColumnDefinition(name: "c", type: .numeric(precision: 8, scale: 2), isNullable: false),
      ],
      primaryKey: ["a"],
      uniqueConstraints: [
        UniqueConstraint(name: nil, columns: ["c"]), UniqueConstraint(name: "k", columns: ["b", "c"]),
      ])
    #expect(
      try change(
        "create table if not exists q (a bigint primary key, b varchar(10) default 'x', c numeric(8,2) not null unique, constraint k unique (b, c))"
      ) == .createTable(expected))
    #expect(
      try change("drop table if exists a, public.b")
        == .dropTables(names: [found("a"), ObjectName(name: "b")], ifExists: true))
    #expect(try change("alter table t rename to s") == .renameTable(found("t"), to: "s", ifExists: false))
  }

  @Test func columns() throws {
    #expect(
      try change("alter table t add column n int not null default 1 + 2, drop column if exists m")
        == .alterTable(
          found("t"), ifExists: false,
          changes: [
            .addColumn(
              ColumnDefinition(
                name: "n", type: .int4, isNullable: false,
                defaultExpression: Expression.constant(.integer(3), .int4).encoded, defaultText: "3",
                constantDefault: .integer(3)), ifNotExists: false),
            .dropColumn(name: "m", ifExists: true),
          ]))
    guard
      case .alterTable(_, _, let changes)? = try change("alter table t add column n timestamptz default now()"),
      case .addColumn(let column, _) = changes[0]
    else {
      Issue.record("no column")
      return
    }
    #expect(column.constantDefault == nil && column.defaultExpression != nil)
    #expect(
      try change("alter table t rename column a to z")
        == .alterTable(found("t"), ifExists: false, changes: [.renameColumn(name: "a", to: "z")]))
  }

  @Test func constraints() throws {
    func alteration(_ text: String) throws -> TableAlteration? {
      guard case .alterTable(_, _, let changes)? = try change("alter table t \(text)"), changes.count == 1 else {
        return nil
      }
      return changes[0]
    }
    // The expression reads the columns that the statement names, by position among them.
    let text = SQLType.text
    let definition = CheckDefinition(
      name: "c",
      rule: RowExpressionDefinition(
        columns: [.init(name: "a", type: .int4), .init(name: "b", type: text)],
        expression: Expression.or([
          .comparison(.less, .column(0, .int4), .constant(.integer(3), .int4)), .isNull(.column(1, text)),
        ]).encoded))
    #expect(
      try alteration("add constraint c check (a < 1 + 2 or b is null)") == .addCheck(definition, isValidated: true))
    #expect(
      try alteration("add constraint c check (a < 3 or t.b is null) not valid")
        == .addCheck(definition, isValidated: false))
    #expect(try alteration("add unique (a, b)") == .addUnique(UniqueConstraint(name: nil, columns: ["a", "b"])))
    #expect(try alteration("validate constraint c") == .validateConstraint(name: "c"))
    #expect(try alteration("drop constraint if exists c") == .dropConstraint(name: "c", ifExists: true))
    #expect(try alteration("rename constraint c to d") == .renameConstraint(name: "c", to: "d"))
    #expect(try alteration("alter a set not null") == .setNotNull(column: "a"))
    #expect(try alteration("alter column a drop not null") == .dropNotNull(column: "a"))
    #expect(try alteration("alter a drop default") == .setDefault(column: "a", expression: nil, text: nil))
    #expect(try alteration("alter a set default null") == .setDefault(column: "a", expression: nil, text: nil))
    #expect(
      try alteration("alter a set default '4'")
        == .setDefault(column: "a", expression: Expression.constant(.integer(4), .int4).encoded, text: "4"))
    guard
      case .createTable(let table)? = try change(
        "create table q (a int check (a < b), b int, constraint c check (true))")
    else {
      Issue.record("no table")
      return
    }
    #expect(table.checks.map(\.name) == [nil, "c"])
    #expect(table.checks.map { $0.rule.columns.map(\.name) } == [["a", "b"], []])
    // A table that may be missing is looked for where the change is made.
    #expect(
      try change("alter table if exists nope add check (a > 1)")
        == .alterTable(found("nope"), ifExists: true, changes: []))
  }

  @Test func columnsWithConstraints() throws {
    guard
      case .alterTable(_, _, let changes)? = try change(
        "alter table t add q int default 3 constraint u unique check (q < a), add r text, add check (r is null or q > 0)"
      )
    else {
      Issue.record("no alteration")
      return
    }
    #expect(changes.count == 5)
    #expect(changes[1] == .addUnique(UniqueConstraint(name: "u", columns: ["q"])))
    guard case .addCheck(let inline, isValidated: true) = changes[2], case .addCheck(let other, _) = changes[4] else {
      Issue.record("no checks")
      return
    }
    #expect(inline.rule.columns.map(\.name) == ["a", "q"] && Set(other.rule.columns.map(\.name)) == ["q", "r"])
    #expect(throws: SQLError.self) { try change("alter table t add if not exists q int unique") }
    // The key's columns have no NULL.
    guard case .alterTable(_, _, let keyed)? = try change("alter table t add q int primary key"),
      case .addColumn(let column, ifNotExists: false)? = keyed.first
    else {
      Issue.record("no alteration")
      return
    }
    #expect(!column.isNullable && keyed.dropFirst() == [.addPrimaryKey(UniqueConstraint(name: nil, columns: ["q"]))])
  }

  @Test func typesOfColumns() throws {
    func typeChange(_ text: String) throws -> TypeChange? {
      guard case .alterTable(_, _, let changes)? = try change("alter table t alter \(text)"),
        case .setType(let change)? = changes.first
      else { return nil }
      return change
    }
    let cast = try #require(try typeChange("a type text"))
    #expect(cast.column == "a" && cast.type == .text && !cast.hasUsing)
    #expect(cast.conversion.columns == [.init(name: "a", type: .int4)])
    #expect(
      try Expression(decoding: cast.conversion.expression)
        == .cast(.column(0, .int4), from: .int4, to: .text, isExplicit: false))
    let using = try #require(try typeChange("column a set data type int8 using a * length(b)"))
    #expect(using.type == .int8 && using.hasUsing && using.conversion.columns.map(\.name) == ["a", "b"])
    #expect(try change("alter table if exists nope alter a type text") != nil)
  }

  @Test func indexes() throws {
    #expect(
      try change("create unique index concurrently if not exists i on t (a, d desc) include (b)")
        == .createIndex(
          CreateIndex(
            name: "i", ifNotExists: true, table: found("t"), isUnique: true,
            keyColumns: [
              IndexColumnDefinition(columnName: "a"), IndexColumnDefinition(columnName: "d", isDescending: true),
            ], storedColumns: ["b"])))
    #expect(try change("drop index i") == .dropIndexes(names: [found("i")], ifExists: false))
    #expect(
      try change("alter index i rename to j") == .renameIndex(found("i"), to: "j", ifExists: false))
    guard case .explainSchemaChange = try PlannerFixture.plan("explain (ddl) drop index i").action else {
      Issue.record("not explained")
      return
    }
  }
}
