import Basics
import Catalog
import PostgresParser
import SQLPlanner
import SQLValues
import SchemaChange
import Testing

/// Enumerated types in statements.
@Suite struct EnumerationTests {
  /// mood and app.mood, and t(id, m mood, s text, o app.mood).
  private static func catalog(_ labels: [String] = ["sad", "ok", "happy"], version: UInt64 = 1) -> CatalogView {
    var catalog = CatalogState()
    let app = NamespaceDescriptor(id: NamespaceID(100), databaseID: .defaultDatabase, name: "app")
    var mood = TableDescriptor(
      enumeration: EnumDescriptor(labels: labels), id: TableID(20), databaseID: .defaultDatabase,
      namespaceID: .public, name: "mood")
    mood.version = TableVersion(version)
    let other = TableDescriptor(
      enumeration: EnumDescriptor(labels: ["sad", "glad"]), id: TableID(21), databaseID: .defaultDatabase,
      namespaceID: app.id, name: "mood")
    let table = TableDescriptor(
      id: TableID(11), databaseID: .defaultDatabase, name: "t", version: TableVersion(1),
      columns: [
        ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
        ColumnDescriptor(id: ColumnID(2), name: "m", type: .enumerated(EnumType(id: TableID(20)))),
        ColumnDescriptor(id: ColumnID(3), name: "s", type: .text),
        ColumnDescriptor(id: ColumnID(4), name: "o", type: .enumerated(EnumType(id: TableID(21)))),
      ],
      indexes: [
        IndexDescriptor(
          id: IndexID(1), name: "t_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
          rangeID: RangeID(1)),
        IndexDescriptor(
          id: IndexID(2), name: "t_m", isUnique: false, keyColumns: [IndexKeyColumn(columnID: ColumnID(2))],
          rangeID: RangeID(2)),
      ], nextColumnID: ColumnID(5), nextIndexID: IndexID(3), commitFloor: .none)
    var entry = SchemaEntry(
      index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase,
      changes: [mood, other, table].map {
        TableChange(tableID: $0.id, from: .none, to: $0.version, commitFloor: $0.commitFloor, descriptor: $0)
      })
    for position in entry.changes.indices {
      let version = entry.changes[position].to
      entry.changes[position].from = TableVersion(version.rawValue - 1)
    }
    entry.namespaceChanges = [NamespaceChange(id: app.id, from: .none, descriptor: app)]
    do { try catalog.apply(entry) } catch { fatalError("\(error)") }
    return catalog
  }

  private func plan(
    _ text: String, path: [String] = ["public"], types: [SQLType] = [], in catalog: CatalogView = Self.catalog()
  ) throws(SQLError) -> StatementPlan {
    let parsed = try StatementParser.parseOnThisThread(text)
    let planner = StatementPlanner(catalog: catalog, session: PlannerSession(searchPath: path))
    return try planner.plan(parsed[0], parameterTypes: types)
  }

  private func failure(_ text: String, path: [String] = ["public"]) -> SQLError? {
    do throws(SQLError) { _ = try plan(text, path: path) } catch { return error }
    return nil
  }

  @Test func untypedLiteralsAndParametersTakeTheType() throws {
    let plan = try plan("SELECT m FROM t WHERE m = $1 AND m < 'happy' AND m IN ('sad', $2) ORDER BY m")
    #expect(plan.parameterTypes.map(\.baseName) == ["mood", "mood"])
    #expect(plan.resultColumns?[0].type.oid == UInt32(1 << 28 | 20))
    #expect(plan.tables.map(\.tableID) == [TableID(11), TableID(20), TableID(21)], "labels hold for versions of types")
    #expect(try !self.plan("INSERT INTO t (id, m) VALUES (1, 'ok'), (2, $1)").parameterTypes.isEmpty)
  }

  @Test func theIndexServesComparisonsInTheirOrder() throws {
    guard case .explain(let lines) = try plan("EXPLAIN SELECT id FROM t WHERE m > 'sad' ORDER BY m").action else {
      return #expect(Bool(false))
    }
    let text = lines.joined(separator: "\n")
    #expect(text.contains("t_m") && !text.contains("Sort"), "\(text)")
  }

  @Test func errorsArePostgreSQLs() {
    #expect(failure("SELECT 'angry'::mood")?.message == "invalid input value for enum mood: \"angry\"")
    #expect(failure("SELECT * FROM t WHERE m = 'angry'")?.state.code == "22P02")
    #expect(failure("SELECT * FROM t WHERE m = s")?.message == "operator does not exist: mood = text")
    #expect(failure("SELECT * FROM t WHERE m = o")?.state.code == "42883")
    #expect(failure("SELECT * FROM t WHERE m > 1")?.message == "operator does not exist: mood > integer")
    #expect(failure("INSERT INTO t (id, m) SELECT id, s FROM t")?.state.code == "42804")
    #expect(failure("SELECT m::int4 FROM t")?.message == "cannot cast type mood to integer")
    #expect(failure("SELECT 'a'::nothing")?.message == "type \"nothing\" does not exist")
    #expect(failure("ALTER TYPE int4 ADD VALUE 'x'")?.message == "integer is not an enum")
    #expect(failure("DROP TYPE text")?.state.code == "2BP01")
    #expect(failure("CREATE TYPE p AS (a int)")?.state.code == "0A000")
    #expect(failure("CREATE TYPE p AS RANGE (subtype = int4)")?.state.code == "0A000")
    #expect(failure("CREATE DOMAIN d AS int")?.state.code == "0A000")
    #expect(failure("ALTER TABLE t ALTER m TYPE int4")?.state.code == "42804")
    // A cast between text and labels is stable: labels may be renamed.
    #expect(failure("CREATE INDEX ON t ((m::text))")?.state.code == "42P17")
  }

  @Test func namesFollowTheSearchPath() throws {
    #expect(failure("SELECT 'glad'::mood", path: ["public", "app"])?.state.code == "22P02")
    #expect(failure("SELECT 'glad'::mood", path: ["app", "public"]) == nil)
    #expect(failure("SELECT 'glad'::app.mood") == nil)
    #expect(failure("SELECT 'glad'::mood", path: [])?.state.code == "42704")
    let plan = try plan("SELECT NULL::mood", path: ["app", "public"])
    #expect(plan.tables.map(\.tableID) == [TableID(21)])
  }

  @Test func aPlanEndsWithItsLabels() throws {
    let plan = try plan("SELECT count(*) FROM t WHERE m <> 'sad'")
    #expect(plan.isValid(in: Self.catalog()))
    #expect(!plan.isValid(in: Self.catalog(["blue", "ok", "happy"], version: 2)))
    // Parameters keep their type and get to know its labels.
    let newer = Self.catalog(["blue", "ok", "happy"], version: 2)
    let again = try self.plan("SELECT $1", types: [.enumerated(EnumType(id: TableID(20)))], in: newer)
    guard case .enumerated(let known) = again.parameterTypes[0] else { return #expect(Bool(false)) }
    #expect(known.labels == ["blue", "ok", "happy"])
    #expect(again.tables.map(\.tableID) == [TableID(20)])
  }

  @Test func functionsAnswerFromTheType() throws {
    for (text, type) in [
      ("enum_first(NULL::mood)", "mood"), ("enum_last(m)", "mood"), ("enum_range(NULL::mood)", "text[]"),
      ("enum_range('ok'::mood, NULL)", "text[]"), ("min(m)", "mood"), ("coalesce(m, 'ok')", "mood"),
      ("array_agg(m)", "text[]"),
    ] {
      #expect(try plan("SELECT \(text) FROM t GROUP BY id, m").resultColumns?[0].type.baseName == type, "\(text)")
    }
    #expect(failure("SELECT enum_range(NULL)")?.state.code == "42804")
  }

  @Test func statementsAboutTypesKeepTheirNames() throws {
    func statement(_ text: String, path: [String] = ["public"]) throws -> SchemaStatement? {
      guard case .schemaChange(let planned) = try plan(text, path: path).action else { return nil }
      return planned
    }
    let mood = ObjectName(name: "mood", isFromSearchPath: true)
    #expect(
      try statement("CREATE TYPE w AS ENUM ('a', 'b')")
        == .type(.create(ObjectName(name: "w", isFromSearchPath: true), labels: ["a", "b"])))
    #expect(
      try statement("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x' AFTER 'ok'")
        == .type(.addValue(mood, "x", ifNotExists: true, at: .after("ok"))))
    #expect(
      try statement("ALTER TYPE mood ADD VALUE 'x' BEFORE 'ok'")
        == .type(.addValue(mood, "x", ifNotExists: false, at: .before("ok"))))
    #expect(try statement("ALTER TYPE mood RENAME VALUE 'a' TO 'b'") == .type(.renameValue(mood, "a", to: "b")))
    #expect(try statement("ALTER TYPE mood RENAME TO temper") == .type(.rename(mood, to: "temper")))
    #expect(try statement("ALTER TYPE mood SET SCHEMA app") == .type(.setSchema(mood, "app")))
    #expect(
      try statement("DROP TYPE IF EXISTS app.mood, mood CASCADE")
        == .type(.drop([ObjectName(schema: "app", name: "mood"), mood], ifExists: true, isCascade: true)))
    #expect(try statement("COMMENT ON TYPE mood IS 'x'") == .comment(CommentStatement(.type(mood), text: "x")))
    let moved = try statement("DROP TYPE mood", path: ["app", "public"])
    #expect(
      moved
        == .type(
          .drop([ObjectName(schema: "app", name: "mood", isFromSearchPath: true)], ifExists: false, isCascade: false)))
  }
}
