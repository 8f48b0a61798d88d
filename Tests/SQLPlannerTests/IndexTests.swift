import Basics
import Catalog
import PostgresParser
import SQLExpressions
import SQLPlanner
import SQLValues
import SchemaChange
import Testing

/// Which indexes a query may use: those of some rows only if it wants no others, invisible ones never.
@Suite struct IndexTests {
  /// p(id int8 primary key, a int4, s text, done boolean not null, n numeric)
  ///   p_open (a) where not done; p_some (a) where s is not null; p_big (s) include (a) where a > 100;
  ///   p_list (n) where s in ('x', 'y'); p_hidden (n), invisible
  private static let catalog: CatalogView = {
    var table = TableDescriptor(
      id: TableID(21), databaseID: .defaultDatabase, name: "p", version: TableVersion(1),
      columns: [
        ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
        ColumnDescriptor(id: ColumnID(2), name: "a", type: .int4),
        ColumnDescriptor(id: ColumnID(3), name: "s", type: .text),
        ColumnDescriptor(id: ColumnID(4), name: "done", type: .boolean, isNullable: false),
        ColumnDescriptor(id: ColumnID(5), name: "n", type: .numeric(precision: nil, scale: nil)),
      ],
      indexes: [
        IndexDescriptor(
          id: IndexID(1), name: "p_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
          rangeID: RangeID(1))
      ], nextColumnID: ColumnID(20), nextIndexID: IndexID(20), commitFloor: .none)
    func add(
      _ name: String, _ column: UInt64, stored: [UInt64] = [], isInvisible: Bool = false, reads: UInt64 = 0,
      where condition: Expression? = nil
    ) {
      let id = UInt64(table.indexes.count + 1)
      table.indexes.append(
        IndexDescriptor(
          id: IndexID(id), name: name, isUnique: false, keyColumns: [IndexKeyColumn(columnID: ColumnID(column))],
          storedColumns: stored.map { ColumnID($0) }, rangeID: RangeID(id),
          predicate: condition.map { RowExpression(columns: [ColumnID(reads)], expression: $0.encoded) },
          isInvisible: isInvisible))
    }
    func text(_ value: String) -> Expression { .constant(.text(value), .text) }
    add("p_open", 2, reads: 4, where: .not(.column(0, .boolean)))
    add("p_some", 2, reads: 3, where: .not(.isNull(.column(0, .text))))
    add(
      "p_big", 3, stored: [2], reads: 2,
      where: .comparison(.greater, .column(0, .int4), .constant(.integer(100), .int4)))
    add("p_list", 5, reads: 3, where: .inList(.column(0, .text), [text("x"), text("y")]))
    add("p_hidden", 5, isInvisible: true)
    var catalog = CatalogState()
    let entry = SchemaEntry(
      index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase,
      changes: [
        TableChange(tableID: table.id, from: .none, to: table.version, commitFloor: .none, descriptor: table)
      ])
    do { try catalog.apply(entry) } catch { fatalError("\(error)") }
    return catalog
  }()

  private func plan(_ text: String) throws -> StatementPlan {
    let parsed = try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 2_000))
    return try StatementPlanner(catalog: Self.catalog).plan(parsed[0])
  }

  private func explain(_ condition: String, _ columns: String = "*") throws -> String {
    guard case .explain(let lines) = try plan("EXPLAIN SELECT \(columns) FROM p WHERE \(condition)").action else {
      return "no explanation"
    }
    return lines.joined(separator: "\n")
  }

  private func change(_ text: String) throws -> SchemaStatement? {
    guard case .schemaChange(let statement) = try plan(text).action else { return nil }
    return statement
  }

  private func failure(_ text: String) -> String? {
    do {
      _ = try plan(text)
      return nil
    } catch let error as SQLError { return "\(error.state.code) \(error.message)" } catch { return "\(error)" }
  }

  @Test(arguments: [
    ("a = 5 and not done", "p_open"), ("a = 5 and done = false", "p_open"), ("a = 5 and done is false", nil),
    ("a = 5", nil), ("a = 5 and done", nil), ("(a = 5 and not done) or (a = 6 and not done)", "p_open"),
    ("a = 5 and s is not null", "p_some"), ("a = 5 and s = 'q'", "p_some"), ("a = 5 and s > 'q'", "p_some"),
    ("a = 5 and s in ('q', 'r')", "p_some"), ("a = 5 and (s = 'x' or s > 'y')", "p_some"),
    ("a = 5 and (s = 'x' or id > 3)", nil), ("a = 5 and s is null", nil),
    ("s = 'k' and a > 100", "p_big"), ("s = 'k' and a > 101", "p_big"), ("s = 'k' and a = 200", "p_big"),
    ("s = 'k' and a in (200, 300)", "p_big"), ("s = 'k' and a between 150 and 160", "p_big"),
    ("s = 'k' and a >= 100", nil), ("s = 'k' and a > 99", nil), ("s = 'k' and a < 500", nil),
    ("s = 'k' and a in (200, 30)", "p_some"), ("s = 'k' and a <> 3", nil), ("s = 'k' and 101 <= a", "p_big"),
    ("n = 3 and s = 'x'", "p_list"), ("n = 3 and s in ('y', 'x')", "p_list"), ("n = 3 and s in ('y', 'z')", nil),
    ("n = 3", nil), ("n = 3 and s = $1", nil), ("s = 'k' and a > $1::int", nil),
  ])
  func aPartialIndexIsUsedOnlyIfTheQueryWantsNoOtherRows(condition: String, index: String?) throws {
    let lines = try explain(condition)
    if let index {
      #expect(lines.hasPrefix("Index Scan using \(index) on p"), "\(condition): \(lines)")
    } else {
      #expect(lines.hasPrefix("Seq Scan on p"), "\(condition): \(lines)")
    }
  }

  @Test func whatTheIndexSaysIsNotAskedAgain() throws {
    #expect(try explain("not done and a = 5") == "Index Scan using p_open on p\n  Index Cond: (a = 5)")
    // The column of the predicate need not be in the index then.
    #expect(try explain("not done and a = 5", "id") == "Index Only Scan using p_open on p\n  Index Cond: (a = 5)")
    // What is stored is read from the entry.
    #expect(
      try explain("s = 'k' and a > 200", "id, a")
        == "Index Only Scan using p_big on p\n  Index Cond: (s = 'k'::text)\n  Filter: (a > 200)")
  }

  /// e(id int8 primary key, a int4, s text): e_lower (lower(s)), e_sum ((a + 1), id) where a > 0
  private static let expressions: CatalogView = {
    func computed(_ id: UInt64, _ name: String, _ type: SQLType, _ column: UInt64, _ value: Expression)
      -> ColumnDescriptor
    {
      ColumnDescriptor(
        id: ColumnID(id), name: name, type: type, isHidden: true,
        conversion: RowExpression(columns: [ColumnID(column)], expression: value.encoded))
    }
    func index(_ id: UInt64, _ name: String, _ columns: [UInt64], isUnique: Bool = false) -> IndexDescriptor {
      IndexDescriptor(
        id: IndexID(id), name: name, isUnique: isUnique,
        keyColumns: columns.map { IndexKeyColumn(columnID: ColumnID($0)) }, rangeID: RangeID(id))
    }
    var table = TableDescriptor(
      id: TableID(22), databaseID: .defaultDatabase, name: "e", version: TableVersion(1),
      columns: [
        ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
        ColumnDescriptor(id: ColumnID(2), name: "a", type: .int4),
        ColumnDescriptor(id: ColumnID(3), name: "s", type: .text),
        computed(4, "lower(s)", .text, 3, .call(.lower, [.column(0, .text)], .text)),
        computed(5, "(a + 1)", .int4, 2, .call(.add, [.column(0, .int4), .constant(.integer(1), .int4)], .int4)),
      ],
      indexes: [
        index(1, "e_pkey", [1], isUnique: true), index(2, "e_lower", [4], isUnique: true), index(3, "e_sum", [5, 1]),
      ],
      nextColumnID: ColumnID(20), nextIndexID: IndexID(20), commitFloor: .none)
    table.indexes[2].predicate = RowExpression(
      columns: [ColumnID(2)],
      expression: Expression.comparison(.greater, .column(0, .int4), .constant(.integer(0), .int4)).encoded)
    var catalog = CatalogState()
    let entry = SchemaEntry(
      index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase,
      changes: [TableChange(tableID: table.id, from: .none, to: table.version, commitFloor: .none, descriptor: table)])
    do { try catalog.apply(entry) } catch { fatalError("\(error)") }
    return catalog
  }()

  @Test(arguments: [
    ("* from e where lower(s) = 'x'", "Index Scan using e_lower on e\n  Index Cond: (lower(s) = 'x'::text)"),
    ("* from e where 'x' = lower(s)", "Index Scan using e_lower on e\n  Index Cond: (lower(s) = 'x'::text)"),
    (
      "* from e where lower(s) in ('x', 'y') and a > 3",
      "Index Scan using e_lower on e\n  Index Cond: (lower(s) IN ('x'::text, 'y'::text))\n  Filter: (a > 3)"
    ),
    ("s from e order by lower(s) limit 3", "Limit\n  ->  Index Scan using e_lower on e"),
    ("* from e where upper(s) = 'x'", "Seq Scan on e\n  Filter: (upper(s) = 'x'::text)"),
    // What is asked of the row is asked of the row, not of the entry.
    (
      "id from e where a + 1 = 7 and a > 0 and id > 5",
      "Index Only Scan using e_sum on e\n  Index Cond: (((a + 1) = 7) AND (id > 5))"
    ),
    ("id from e where a + 1 = 7", "Seq Scan on e\n  Filter: ((a + 1) = 7)"),
    (
      "id from e where a + 1 = 7 and (a + 1) * 2 = 14 and a > 0",
      "Index Scan using e_sum on e\n  Index Cond: ((a + 1) = 7)\n  Filter: (((a + 1) * 2) = 14)"
    ),
  ])
  func anIndexOnAnExpressionIsUsedForTheExpression(query: String, plan: String) throws {
    let parsed = try StatementParser.parseOnThisThread(
      "EXPLAIN SELECT \(query)", limits: ParserLimits(maximumDepthBound: 2_000))
    guard case .explain(let lines) = try StatementPlanner(catalog: Self.expressions).plan(parsed[0]).action else {
      Issue.record("no explanation")
      return
    }
    #expect(lines.joined(separator: "\n") == plan)
  }

  @Test func expressionsInStatements() throws {
    #expect(
      try change("create index on p (lower(s) desc, (a), (a + 1))")
        == .createIndex(
          CreateIndex(
            name: nil, ifNotExists: false, table: found("p"), isUnique: false,
            keyColumns: [
              IndexColumnDefinition(
                columnName: "lower", isDescending: true,
                expression: IndexExpressionDefinition(
                  value: RowExpressionDefinition(
                    columns: [.init(name: "s", type: .text)],
                    expression: Expression.call(.lower, [.column(0, .text)], .text).encoded), type: .text,
                  text: "lower(s)")),
              IndexColumnDefinition(columnName: "a"),
              IndexColumnDefinition(
                columnName: "expr",
                expression: IndexExpressionDefinition(
                  value: RowExpressionDefinition(
                    columns: [.init(name: "a", type: .int4)],
                    expression: Expression.call(.add, [.column(0, .int4), .constant(.integer(1), .int4)], .int4).encoded
                  ),
                  type: .int4, text: "(a + 1)")),
            ])))
    let parsed = try StatementParser.parseOnThisThread(
      "SELECT indexdef FROM pg_indexes", limits: ParserLimits(maximumDepthBound: 2_000))
    let plan = try StatementPlanner(catalog: Self.expressions).plan(parsed[0])
    let text = String(describing: plan)
    #expect(text.contains("CREATE UNIQUE INDEX e_lower ON public.e USING btree (lower(s))"))
    #expect(text.contains("CREATE INDEX e_sum ON public.e USING btree (((a + 1)), id) WHERE (a > 0)"))
  }

  @Test func statements() throws {
    #expect(
      try change(
        "create unique index i on p (a) include (n) with (visible = off, fillfactor = 70) where s <> 'x' and a > 3")
        == .createIndex(
          CreateIndex(
            name: "i", ifNotExists: false, table: found("p"), isUnique: true,
            keyColumns: [IndexColumnDefinition(columnName: "a")], storedColumns: ["n"],
            predicate: RowExpressionDefinition(
              columns: [.init(name: "a", type: .int4), .init(name: "s", type: .text)],
              expression: Expression.and([
                .comparison(.notEqual, .column(1, .text), .constant(.text("x"), .text)),
                .comparison(.greater, .column(0, .int4), .constant(.integer(3), .int4)),
              ]).encoded), isVisible: false)))
    func visibility(_ isVisible: Bool, ifExists: Bool = false) -> SchemaStatement {
      .setIndexVisibility(found("i"), ifExists: ifExists, isVisible: isVisible)
    }
    #expect(try change("alter index i set (visible = false)") == visibility(false))
    #expect(try change("alter index if exists i set (visible = 'off')") == visibility(false, ifExists: true))
    #expect(try change("alter index i set (visible)") == visibility(true))
    #expect(try change("alter index i set (visible = yes)") == visibility(true))
    #expect(try change("alter index i reset (visible)") == visibility(true))
  }

  @Test(arguments: [
    ("create index on p (a) where s", "42804 argument of WHERE must be type boolean, not type text"),
    ("create index on p (a) where nope > 3", "42703 column \"nope\" does not exist"),
    ("create index on p (a) where random() < 0.5", "42P17 functions in index predicate must be marked IMMUTABLE"),
    ("create index on p (a) where a < (select 1)", "0A000 cannot use subquery in index predicate"),
    ("create index on p (a) where count(*) > 1", "42803 aggregate functions are not allowed in index predicates"),
    ("create index on q (a) where a > 1", "42P01 relation \"q\" does not exist"),
    ("create index on p (lower(nope))", "42703 column \"nope\" does not exist"),
    ("create index on p ((random() + a))", "42P17 functions in index expression must be marked IMMUTABLE"),
    ("create index on p ((a + (select 1)))", "0A000 cannot use subquery in index expression"),
    (
      "create index on p (string_to_array(s, ','))",
      "0A000 an index on an expression of type text[] is not supported yet"
    ),
    ("create index on p (max(a))", "42803 aggregate functions are not allowed in index expressions"),
    ("alter index i set (visible = maybe)", "22023 invalid value for boolean option \"visible\": maybe"),
    ("alter index i set (visible = true, visible = false)", "22023 parameter \"visible\" specified more than once"),
    ("alter index i set (fastupdate = on)", "0A000 a storage parameter is not supported yet"),
    ("alter index i set tablespace x", "0A000 ALTER INDEX … SET TABLESPACE is not supported yet"),
    (
      "insert into p (id) values (1) on conflict (a) where a > 5 do nothing",
      "42P10 there is no unique or exclusion constraint matching the ON CONFLICT specification"
    ),
  ])
  func refusals(text: String, error: String) { #expect(failure(text) == error) }

  @Test func definitionsAreShownAsStatements() throws {
    let shown = String(describing: try plan("select indexdef from pg_indexes").action)
    for text in [
      "CREATE UNIQUE INDEX p_pkey ON public.p USING btree (id)",
      "CREATE INDEX p_open ON public.p USING btree (a) WHERE (NOT done)",
      "CREATE INDEX p_some ON public.p USING btree (a) WHERE (s IS NOT NULL)",
      "CREATE INDEX p_big ON public.p USING btree (s) INCLUDE (a) WHERE (a > 100)",
      "CREATE INDEX p_list ON public.p USING btree (n) WHERE (s IN ('x'::text, 'y'::text))",
      "CREATE INDEX p_hidden ON public.p USING btree (n) WITH (visible='false')",
    ] { #expect(shown.contains(text.debugDescription), "\(text)") }
  }
}
