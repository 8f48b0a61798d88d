import Basics
import Catalog
import PostgresParser
import SQLPlanner
import SQLValues
import Testing

@testable import SchemaChange

/// Views from their text to what the catalog keeps of them and shows: what depends on what, whatever it is called.
@Suite struct ViewPlanTests {
  private struct Site {
    var world = World()

    init(_ statements: String...) throws {
      for statement in statements { try run(statement) }
    }

    func plan(_ text: String) throws -> StatementPlan {
      try StatementPlanner(catalog: world.catalog).plan(StatementParser.parseOnThisThread(text)[0])
    }

    func statement(_ text: String) throws -> SchemaStatement {
      guard case .schemaChange(let statement) = try plan(text).action else {
        throw SQLError(.internalError, "no schema change: \(text)")
      }
      // As it comes to the leader.
      return try SchemaStatement(decoding: statement.encoded())
    }

    mutating func run(_ text: String) throws { try world.run(try statement(text)) }

    func failure(_ text: String) -> SQLError? {
      var copy = self
      do { try copy.run(text) } catch { return error as? SQLError }
      return nil
    }

    /// SQLSTATE and message.
    func refusal(_ text: String) -> String? { failure(text).map { "\($0.state.code) \($0.message)" } }

    func columns(_ text: String) throws -> [String] { (try plan(text).resultColumns ?? []).map(\.name) }

    func explain(_ text: String) throws -> [String] {
      guard case .explain(let lines) = try plan("EXPLAIN \(text)").action else { return [] }
      return lines
    }

    /// `pg_get_viewdef(view, pretty)`.
    func definition(_ name: String, isPretty: Bool = true) throws -> String {
      let view = try #require(world.catalog.view(named: name))
      let names = CatalogNames(world.catalog, PlannerSession())
      let number = Datum.integer(Int64(view.id.rawValue))
      guard case .text(let text) = try names.answer(.viewDefinition, [number, .boolean(isPretty)]) else { return "" }
      return text
    }
  }

  private func site() throws -> Site {
    try Site(
      "CREATE TABLE t (id int8 PRIMARY KEY, a int4, b text)", "CREATE TABLE u (id int8 PRIMARY KEY, a int4, c text)")
  }

  @Test func aViewIsOneEntryWithoutRange() throws {
    var site = try site()
    let plan = try site.world.plan(try site.statement("CREATE VIEW v AS SELECT id, b FROM t WHERE a > 1"))
    #expect(plan.isInstant && plan.stages[0].newRanges.isEmpty && plan.commandTag == "CREATE VIEW")
    try site.run("CREATE VIEW v AS SELECT id, b FROM t WHERE a > 1")
    let view = try #require(site.world.catalog.view(named: "v"))
    #expect(view.columns.map(\.name) == ["id", "b"] && view.columns.map(\.type) == [.int8, .text])
    #expect(try TableDescriptor(decoding: view.encoded()) == view)
    #expect(try CatalogState(decoding: site.world.catalog.encoded()).views(reading: TableID(1)).map(\.name) == ["v"])
    #expect(site.world.table("v") == nil)
    #expect(try site.columns("SELECT * FROM v") == ["id", "b"])
    let drop = try site.world.plan(try site.statement("DROP VIEW v"))
    #expect(drop.isInstant && drop.commandTag == "DROP VIEW")
  }

  @Test func namesAreSharedWithOtherRelations() throws {
    var site = try site()
    try site.run("CREATE VIEW v AS SELECT 1 AS one")
    try site.run("CREATE SEQUENCE s")
    let refusals: [(String, String)] = [
      ("CREATE VIEW t AS SELECT 1", "42P07 relation \"t\" already exists"),
      ("CREATE VIEW v AS SELECT 1", "42P07 relation \"v\" already exists"),
      ("CREATE TABLE v (id int8)", "42P07 relation \"v\" already exists"),
      ("CREATE SEQUENCE v", "42P07 relation \"v\" already exists"),
      ("CREATE OR REPLACE VIEW t AS SELECT 1", "42809 \"t\" is not a view"),
      ("DROP VIEW t", "42809 \"t\" is not a view"), ("DROP VIEW s", "42809 \"s\" is not a view"),
      ("DROP TABLE v", "42809 \"v\" is not a table"), ("DROP SEQUENCE v", "42809 \"v\" is not a sequence"),
      ("DROP INDEX v", "42809 \"v\" is not an index"), ("DROP VIEW w", "42P01 view \"w\" does not exist"),
      ("TRUNCATE v", "42809 \"v\" is not a table"),
      ("CREATE INDEX ON v (one)", "42809 cannot create index on relation \"v\""),
      ("ALTER TABLE v ADD COLUMN x int8", "42809 ALTER action ADD COLUMN cannot be performed on relation \"v\""),
      ("ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES v", "42809 referenced relation \"v\" is not a table"),
      ("ALTER VIEW t RENAME TO w", "42809 \"t\" is not a view"),
      ("ALTER VIEW v RENAME TO t", "42P07 relation \"t\" already exists"),
      ("COMMENT ON VIEW t IS 'x'", "42809 \"t\" is not a view"),
      ("CREATE VIEW w (a, a) AS SELECT 1, 2", "42701 column \"a\" specified more than once"),
      ("CREATE VIEW w (a, b) AS SELECT 1", "42601 CREATE VIEW specifies more column names than columns"),
      ("INSERT INTO v VALUES (1)", "0A000 writing through view \"v\" is not supported yet"),
      ("UPDATE v SET one = 1", "0A000 writing through view \"v\" is not supported yet"),
      ("DELETE FROM v", "0A000 writing through view \"v\" is not supported yet"),
      ("CREATE TEMP VIEW w AS SELECT 1", "0A000 CREATE TEMPORARY VIEW is not supported yet"),
      ("CREATE MATERIALIZED VIEW w AS SELECT 1", "0A000 CREATE MATERIALIZED VIEW is not supported yet"),
      ("CREATE VIEW w AS SELECT id FROM t WITH CHECK OPTION", "0A000 WITH CHECK OPTION is not supported yet"),
      ("CREATE VIEW w AS SELECT id FROM t FOR UPDATE", "0A000 FOR UPDATE in a view is not supported yet"),
      (
        "ALTER VIEW v ALTER COLUMN one SET DEFAULT 1",
        "0A000 ALTER VIEW ALTER COLUMN ... SET DEFAULT is not supported yet"
      ),
    ]
    for (text, expected) in refusals { #expect(site.refusal(text) == expected, "\(text)") }
    #expect(site.failure("DROP TABLE v")?.hint == "Use DROP VIEW to remove a view.")
    #expect(site.failure("DROP VIEW s")?.hint == "Use DROP SEQUENCE to remove a sequence.")
    try site.run("DROP VIEW IF EXISTS w, v")
    #expect(site.world.catalog.views.isEmpty)
  }

  @Test func itFollowsRenames() throws {
    var site = try site()
    try site.run("CREATE VIEW v AS SELECT t.*, c AS other FROM t JOIN u USING (id) WHERE u.a > 1 ORDER BY c")
    try site.run("CREATE VIEW w (n, total) AS SELECT b, count(*) FROM v GROUP BY b HAVING count(*) > 1")
    let before = try #require(site.world.catalog.view(named: "v"))
    try site.run("ALTER TABLE t RENAME TO ships")
    try site.run("ALTER TABLE ships RENAME COLUMN b TO name")
    try site.run("CREATE SCHEMA yard")
    try site.run("ALTER TABLE u SET SCHEMA yard")
    try site.run("ALTER SCHEMA yard RENAME TO dock")
    try site.run("ALTER VIEW v RENAME TO fleet")
    try site.run("ALTER VIEW fleet RENAME COLUMN b TO called")
    #expect(site.world.catalog.view(named: "fleet")?.view == before.view)
    // Another table under the old name is nobody's concern.
    try site.run("CREATE TABLE t (id text PRIMARY KEY)")
    #expect(try site.columns("SELECT * FROM fleet") == ["id", "a", "called", "other"])
    #expect(try site.columns("SELECT * FROM w") == ["n", "total"])
    #expect(
      try site.definition("fleet") == """
         SELECT ships.id,
            ships.a,
            ships.name AS called,
            u.c AS other
           FROM ships
             JOIN dock.u ON ships.id = u.id
          WHERE u.a > 1
          ORDER BY u.c;
        """)
    #expect(
      try site.definition("w", isPretty: false) == """
         SELECT fleet.called AS n,
            count(*) AS total
           FROM fleet
          GROUP BY fleet.called
         HAVING (count(*) > 1);
        """)
  }

  @Test func whatItReadsDoesNotGoWithoutIt() throws {
    var site = try site()
    try site.run("CREATE VIEW v AS SELECT id, b FROM t")
    try site.run("CREATE VIEW w AS SELECT v.b, u.c FROM v, u")
    var refused = try #require(site.failure("DROP TABLE t"))
    #expect(
      refused.state.code == "2BP01" && refused.message == "cannot drop table t because other objects depend on it")
    #expect(refused.detail == "view v depends on table t\nview w depends on view v")
    #expect(refused.hint == "Use DROP ... CASCADE to drop the dependent objects too.")
    refused = try #require(site.failure("ALTER TABLE t DROP COLUMN b"))
    #expect(refused.message == "cannot drop column b of table t because other objects depend on it")
    #expect(refused.detail == "view v depends on column b of table t\nview w depends on view v")
    refused = try #require(site.failure("DROP VIEW v"))
    #expect(refused.message == "cannot drop view v because other objects depend on it")
    #expect(refused.detail == "view w depends on view v")
    refused = try #require(site.failure("ALTER TABLE t ALTER b TYPE varchar(3)"))
    #expect(refused.state == .featureNotSupported)
    #expect(refused.message == "cannot alter type of a column used by a view or rule")
    #expect(refused.detail == "rule _RETURN on view v depends on column \"b\"")
    #expect(
      site.refusal("ALTER TABLE t ALTER b TYPE varchar")?.hasPrefix("0A000 cannot alter type of a column") == true)
    // What it does not read is free.
    try site.run("ALTER TABLE t DROP COLUMN a")
    try site.run("ALTER TABLE t ALTER id SET DEFAULT 3")
    let plan = try site.world.plan(try site.statement("DROP TABLE t CASCADE"))
    #expect(plan.notices == ["drop cascades to view v", "drop cascades to view w"])
    #expect(plan.stages[0].name == "view v: public -> absent; view w: public -> absent; table t: public -> deleteOnly")
    try site.run("ALTER TABLE t DROP COLUMN b CASCADE")
    #expect(site.world.catalog.views.isEmpty && site.world.table("u") != nil)
  }

  @Test func schemasAndSequencesTakeViewsAlong() throws {
    var site = try site()
    try site.run("CREATE SCHEMA yard")
    try site.run("CREATE TABLE yard.hulls (id int8 PRIMARY KEY)")
    try site.run("CREATE VIEW yard.inside AS SELECT id FROM yard.hulls")
    try site.run("CREATE VIEW outside AS SELECT id FROM yard.inside")
    try site.run("CREATE SEQUENCE s")
    try site.run("CREATE VIEW numbered AS SELECT nextval('s') AS n, a FROM t")
    try site.run("ALTER SEQUENCE s RENAME TO digits")
    #expect(try site.definition("numbered") == " SELECT nextval('digits'::regclass) AS n,\n    t.a\n   FROM t;")
    #expect(try site.columns("SELECT * FROM numbered") == ["n", "a"])
    #expect(site.failure("DROP SEQUENCE digits")?.detail == "view numbered depends on sequence digits")
    #expect(site.failure("DROP SCHEMA yard")?.state.code == "2BP01")
    try site.run("DROP SCHEMA yard CASCADE")
    try site.run("DROP SEQUENCE digits CASCADE")
    #expect(site.world.catalog.views.isEmpty)
  }

  @Test func replacingAddsColumnsAtTheEnd() throws {
    var site = try site()
    try site.run("CREATE VIEW v AS SELECT id, b FROM t")
    try site.run("COMMENT ON COLUMN v.b IS 'said'")
    try site.run("CREATE VIEW w AS SELECT b FROM v")
    let refusals: [(String, String)] = [
      ("CREATE OR REPLACE VIEW v AS SELECT id FROM t", "42P16 cannot drop columns from view"),
      (
        "CREATE OR REPLACE VIEW v AS SELECT id, b AS c FROM t",
        "42P16 cannot change name of view column \"b\" to \"c\""
      ),
      (
        "CREATE OR REPLACE VIEW v AS SELECT id, a AS b FROM t",
        "42P16 cannot change data type of view column \"b\" from text to integer"
      ),
      ("CREATE OR REPLACE VIEW v AS SELECT * FROM v", "42P17 infinite recursion detected in rules for relation \"v\""),
      (
        "CREATE OR REPLACE VIEW v AS SELECT 1::int8 AS id, b FROM w",
        "42P17 infinite recursion detected in rules for relation \"v\""
      ),
    ]
    for (text, expected) in refusals { #expect(site.refusal(text) == expected, "\(text)") }
    try site.run("CREATE OR REPLACE VIEW v AS SELECT id, c AS b, a FROM u")
    #expect(site.world.catalog.view(named: "v")?.columns.map(\.comment) == [nil, "said", nil])
    #expect(site.world.catalog.views(reading: TableID(1)).isEmpty)
    try site.run("DROP TABLE t")
    #expect(try site.columns("SELECT * FROM w") == ["b"])
    // The same again changes nothing.
    #expect(
      try site.world.plan(try site.statement("CREATE OR REPLACE VIEW v AS SELECT id, c AS b, a FROM u")).stages.isEmpty)
  }

  @Test func simpleViewsNeedNoSubquery() throws {
    var site = try site()
    try site.run("CREATE INDEX t_a ON t (a)")
    try site.run("CREATE VIEW v AS SELECT id AS key, a, b || '!' AS loud FROM t WHERE a > 1")
    try site.run("CREATE VIEW w AS SELECT v.key, v.loud, u.c FROM v JOIN u ON u.id = v.key")
    // As if it had been written with the tables.
    #expect(
      try site.explain("SELECT loud FROM v WHERE key = 7")
        == site.explain("SELECT b || '!' FROM t WHERE a > 1 AND id = 7"))
    #expect(
      try site.explain("SELECT key FROM v WHERE a = 5 ORDER BY a LIMIT 1")
        == site.explain("SELECT id FROM t WHERE a > 1 AND a = 5 ORDER BY a LIMIT 1"))
    #expect(
      try site.explain("SELECT loud, c FROM w WHERE key = 3")
        == site.explain("SELECT b || '!', c FROM t JOIN u ON u.id = t.id WHERE t.a > 1 AND t.id = 3"))
    #expect(
      site.refusal("SELECT loud FROM v GROUP BY a")
        == "42803 column \"v.loud\" must appear in the GROUP BY clause or be used in an aggregate function")
    #expect(site.refusal("SELECT t.a FROM v")?.hasPrefix("42P01") == true)
    #expect(site.refusal("SELECT \"#0\" FROM v")?.hasPrefix("42703") == true)
    #expect(try site.columns("SELECT v.*, x.a FROM v, v AS x (k, a)") == ["key", "a", "loud", "a"])
  }

  @Test func whatIsStoredMeansTheSame() throws {
    var site = try site()
    let queries = [
      "SELECT DISTINCT a FROM t ORDER BY a DESC NULLS LAST LIMIT 3 OFFSET 1",
      "SELECT x.a, (SELECT max(c) FROM u WHERE u.a = x.a) AS m FROM t AS x (i, a)",
      "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) AND a IN (SELECT a FROM u)",
      "WITH w AS (SELECT id, a FROM t), unused AS (SELECT 1 AS x) SELECT w.a, count(*) AS n FROM w GROUP BY w.a",
      "SELECT id, a FROM t UNION ALL SELECT u.id, u.a FROM u ORDER BY a",
      "SELECT CASE WHEN a > 1 THEN 'x' ELSE b END AS k, COALESCE(b, 'y'), a BETWEEN 1 AND 2 AS between_ FROM t",
      "SELECT t.id, s.total FROM t LEFT JOIN (SELECT a, sum(id) AS total FROM u GROUP BY a) s ON s.a = t.a",
      "SELECT n, a FROM generate_series(1, 3) AS n, t WHERE a = n",
      "SELECT a.id, b.id AS other FROM t a NATURAL JOIN u b WHERE NOT (a.a IS NULL OR b.c LIKE 'x%')",
      "SELECT a, string_agg(b, ',' ORDER BY b) AS all_, count(*) FILTER (WHERE id > 1) AS some FROM t GROUP BY a",
      "VALUES (1, 'a'), (2, 'b')", "SELECT relname FROM pg_class WHERE oid = 't'::regclass",
      "SELECT b::varchar(3) AS b, a + 2 * 3 AS sum, -a AS minus, current_date AS today FROM t",
      "SELECT array(SELECT a FROM u WHERE u.id = t.id) AS list, a = ANY (ARRAY[1, 2]) AS has FROM t",
    ]
    for (number, query) in queries.enumerated() {
      try site.run("CREATE VIEW q\(number) AS \(query)")
      let view = try #require(site.world.catalog.view(named: "q\(number)"))
      #expect(try site.columns("SELECT * FROM q\(number)") == view.columns.map(\.name), "\(query)")
      for isPretty in [true, false] {
        let text = try site.definition("q\(number)", isPretty: isPretty)
        // What is shown is the same query: it makes the same view.
        try site.run("CREATE VIEW again AS \(text)")
        let again = try site.definition("again", isPretty: isPretty)
        #expect(again == text, "\(query)")
        try site.run("DROP VIEW again")
      }
    }
  }

  @Test func aTransactionMakesATableAndItsView() throws {
    var site = try site()
    var draft = SchemaDraft(catalog: site.world.catalog, databaseID: .defaultDatabase)
    func apply(_ text: String) throws {
      let plan = try StatementPlanner(catalog: draft.visibleCatalog()).plan(StatementParser.parseOnThisThread(text)[0])
      guard case .schemaChange(let statement) = plan.action else { return }
      _ = try draft.apply(statement)
    }
    try apply("CREATE TABLE new (id int8 PRIMARY KEY, x text)")
    try apply("CREATE VIEW v AS SELECT new.x, t.b FROM new JOIN t ON t.id = new.id")
    try apply("ALTER TABLE new RENAME COLUMN x TO y")
    try apply("CREATE OR REPLACE VIEW v AS SELECT y AS x, b, t.a FROM new, t")
    try apply("ALTER TABLE t ADD COLUMN more int8")
    try apply("DROP TABLE u")
    try apply("CREATE VIEW u AS SELECT * FROM v")
    #expect(throws: SQLError.self) { try apply("ALTER TABLE t DROP COLUMN b") }
    let plan = try site.world.plan(.transaction(draft.transaction))
    for stage in plan.stages { try site.world.apply(stage) }
    #expect(try site.columns("SELECT * FROM u") == ["x", "b", "a"])
    let table = try #require(site.world.table("new"))
    #expect(site.world.catalog.views(reading: table.id).map(\.name) == ["v"])
  }

  @Test func theCatalogRefusesWhatContradictsAView() throws {
    var site = try site()
    // Planned side by side, as two leaders might.
    let drop = try site.world.plan(try site.statement("ALTER TABLE t DROP COLUMN b"))
    let create = try site.world.plan(try site.statement("CREATE VIEW v AS SELECT b FROM t"))
    var first = site.world
    for stage in create.stages { try first.apply(stage) }
    #expect(throws: CatalogError.self) { for stage in drop.stages { try first.apply(stage) } }
    for stage in drop.stages { try site.world.apply(stage) }
    #expect(throws: CatalogError.self) { for stage in create.stages { try site.world.apply(stage) } }
    // And who plans again is told why.
    let statement = SchemaStatement.view(
      .create(
        CreateView(
          name: ObjectName(name: "v"), isReplacing: false, columns: [.init(name: "b", type: .text)], query: [],
          dependencies: [
            .init(relation: ObjectName(name: "t"), id: TableID(1), columns: [.init(name: "b", type: .text)])
          ])))
    #expect(throws: SQLError.self) { try site.world.run(statement) }
  }

  @Test func deepAndWideViewsAreRefusedBeforeTheyHurt() throws {
    var site = try site()
    try site.run("CREATE VIEW v0 AS SELECT id FROM t")
    var refusal: String?
    for number in 1...40 {
      let text = "CREATE VIEW v\(number) AS SELECT id FROM v\(number - 1) LIMIT 5"
      refusal = site.refusal(text)
      if refusal != nil { break }
      try site.run(text)
    }
    #expect(refusal?.hasPrefix("54001 ") == true)
    try site.run("CREATE VIEW w0 AS SELECT count(*) AS id FROM t")
    for number in 1...12 {
      let text = "CREATE VIEW w\(number) AS SELECT count(*) AS id FROM w\(number - 1) a, w\(number - 1) b"
      refusal = site.refusal(text)
      if refusal != nil { break }
      try site.run(text)
    }
    #expect(refusal?.hasPrefix("54000 ") == true)
    let sum = Array(repeating: "a", count: 100).joined(separator: " + ")
    try site.run("CREATE VIEW s0 AS SELECT \(sum) AS a FROM t")
    for number in 1...20 {
      let text = "CREATE VIEW s\(number) AS SELECT \(sum) AS a FROM s\(number - 1)"
      refusal = site.refusal(text)
      if refusal != nil { break }
      try site.run(text)
    }
    #expect(refusal?.hasPrefix("54001 ") == true)
  }

  @Test func whoChangesWhatAViewReadsStandsBehindIt() throws {
    var site = try site()
    try site.run("CREATE VIEW v AS SELECT id FROM t")
    try site.run("CREATE VIEW w AS SELECT id FROM v")
    func tables(_ text: String) throws -> [UInt64] {
      Planner.tables(of: try site.statement(text), in: site.world.catalog, .defaultDatabase).map(\.rawValue)
    }
    #expect(try tables("DROP TABLE t CASCADE") == [1, 2 + 1, 4])
    #expect(try tables("CREATE VIEW x AS SELECT t.id FROM t, w") == [1, 4])
    #expect(try tables("CREATE OR REPLACE VIEW v AS SELECT id FROM u") == [2, 3])
  }
}
