import Basics
import Catalog
import PostgresParser
import SQLPlanner
import SQLValues
import SchemaChange
import Testing

/// Names with and without schema, and how long what they led to may be relied on.
@Suite struct SchemaNameTests {
  /// t in `public` and in `app`, lone in `public`, app_lone in `app`, no table in `void`.
  private static func catalog(_ extra: TableDescriptor...) -> CatalogView {
    var catalog = CatalogState()
    var entry = SchemaEntry(
      index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase, changes: [])
    for (number, name) in [(UInt64(100), "app"), (101, "void")] {
      let namespace = NamespaceDescriptor(id: NamespaceID(number), databaseID: .defaultDatabase, name: name)
      entry.namespaceChanges.append(NamespaceChange(id: namespace.id, from: .none, descriptor: namespace))
    }
    let tables = [
      table(11, "t", .public), table(12, "t", NamespaceID(100)), table(13, "lone", .public),
      table(14, "app_lone", NamespaceID(100)),
    ]
    for table in tables + extra {
      entry.changes.append(
        TableChange(tableID: table.id, from: .none, to: table.version, commitFloor: .none, descriptor: table))
    }
    do { try catalog.apply(entry) } catch { fatalError("\(error)") }
    return catalog
  }

  private static func table(_ id: UInt64, _ name: String, _ namespace: NamespaceID) -> TableDescriptor {
    var table = TableDescriptor(
      id: TableID(id), databaseID: .defaultDatabase, namespaceID: namespace, name: name, version: TableVersion(1),
      columns: [
        ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
        ColumnDescriptor(id: ColumnID(2), name: "a", type: .int4),
      ],
      indexes: [
        IndexDescriptor(
          id: IndexID(1), name: "\(name)_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
          rangeID: RangeID(id)),
        IndexDescriptor(
          id: IndexID(2), name: "\(name)_a_idx", isUnique: false, keyColumns: [IndexKeyColumn(columnID: ColumnID(2))],
          rangeID: RangeID(id + 100)),
      ],
      nextColumnID: ColumnID(3), nextIndexID: IndexID(3), commitFloor: .none)
    table.comment = "of \(id)"
    return table
  }

  private func plan(
    _ text: String, path: [String] = ["public"], in catalog: CatalogView = Self.catalog()
  ) throws(SQLError) -> StatementPlan {
    let parsed = try StatementParser.parseOnThisThread(text)
    let planner = StatementPlanner(catalog: catalog, session: PlannerSession(searchPath: path))
    return try planner.plan(parsed[0])
  }

  private func tables(_ text: String, path: [String]) throws -> [UInt64] {
    try plan(text, path: path).tables.map(\.tableID.rawValue)
  }

  private func change(_ text: String, path: [String]) throws -> SchemaStatement {
    guard case .schemaChange(let statement) = try plan(text, path: path).action else {
      throw SQLError(.internalError, "no schema change: \(text)")
    }
    return statement
  }

  @Test func namesMayBeginWithTheSessionsDatabase() throws {
    #expect(try tables("select defaultdb.public.t.* from defaultdb.public.t", path: []) == [11])
    #expect(try tables("select * from defaultdb.app.t", path: []) == [12])
    for (text, name) in [
      ("select * from other.public.t", "other.public.t"), ("drop table other.public.t", "other.public.t"),
      ("create table other.app.n (id int8)", "other.app.n"), ("select other.public.t.a from t", "other.public.t.a"),
      ("insert into other.public.t values (1)", "other.public.t"),
      ("explain select * from other.public.t", "other.public.t"),
      ("select 'other.public.t'::regclass", "other.public.t"),
      ("select 1::other.pg_catalog.int8", "other.pg_catalog.int8"),
      ("comment on table other.public.t is 'x'", "other.public.t"),
    ] {
      let message = "cross-database references are not implemented: \"\(name)\""
      #expect { try plan(text) } throws: { error in
        let error = error as? SQLError
        return error?.state == .featureNotSupported && error?.message == message
      }
    }
    #expect { try plan("drop table a.b.c.d") } throws: { ($0 as? SQLError)?.state == .syntaxError }
  }

  @Test func databasesAreMadeWithWhatIsSoAnyway() throws {
    #expect(try change("create database shop", path: []) == .database(.create("shop", ifNotExists: false)))
    #expect(
      try change("create database if not exists \"Shop\" encoding 'UTF8' owner = root", path: [])
        == .database(.create("Shop", ifNotExists: true)))
    #expect(
      try change("CREATE DATABASE /* a */ IF NOT EXISTS shop", path: [])
        == .database(.create("shop", ifNotExists: true)))
    #expect(
      try change("drop database if exists shop with (force)", path: []) == .database(.drop("shop", ifExists: true)))
    #expect(try change("alter database shop rename to store", path: []) == .database(.rename("shop", to: "store")))
    for (options, state, message) in [
      ("connection limit 5", "0A000", "CREATE DATABASE … CONNECTION LIMIT 5 is not supported yet"),
      ("lc_collate 'de_DE.UTF-8'", "0A000", "CREATE DATABASE … LC_COLLATE de_DE.UTF-8 is not supported yet"),
      ("owner nobody", "0A000", "CREATE DATABASE … OWNER nobody is not supported yet"),
      ("template nowhere", "3D000", "template database \"nowhere\" does not exist"),
      ("template defaultdb", "0A000", "CREATE DATABASE … TEMPLATE defaultdb is not supported yet"),
      ("flavour mint", "42601", "option \"flavour\" not recognized"),
      ("encoding utf8 encoding utf8", "42601", "conflicting or redundant options"),
    ] {
      #expect { try plan("create database shop " + options) } throws: { error in
        let error = error as? SQLError
        return error?.state.code == state && error?.message == message
      }
    }
    for options in [
      "template template0", "lc_ctype 'C.UTF-8'", "locale 'C'", "connection limit -1", "encoding default",
    ] {
      #expect(try change("create database shop " + options, path: []) == .database(.create("shop", ifNotExists: false)))
    }
  }

  @Test func theSearchPathDecides() throws {
    #expect(try tables("select * from t", path: ["public"]) == [11])
    #expect(try tables("select * from t", path: ["app", "public"]) == [12])
    #expect(try tables("select * from app.t join public.t p using (id)", path: []) == [11, 12])
    #expect(try tables("select * from lone, app_lone", path: ["void", "app", "public"]) == [13, 14])
    for (text, path) in [("select * from lone", ["app"]), ("select * from t", []), ("select * from x.t", ["public"])] {
      #expect("\(text)") {
        _ = try plan(text, path: path)
      } throws: { ($0 as? SQLError)?.state == .undefinedTable }
    }
    // An index before the table in the path is in its way, as in PostgreSQL.
    #expect {
      _ = try plan("select * from t_a_idx", path: ["app", "public"])
    } throws: { ($0 as? SQLError)?.state.code == "42809" }
  }

  @Test func plansHoldUntilAnotherTableTakesTheName() throws {
    let before = Self.catalog()
    let found = try plan("select * from lone", path: ["app", "public"], in: before)
    #expect(found.isValid(in: before))
    let taken = Self.catalog(Self.table(15, "lone", NamespaceID(100)))
    #expect(!found.isValid(in: taken))
    #expect(try plan("select * from lone", path: ["public"], in: before).isValid(in: taken))
    #expect(try plan("select * from public.lone", path: ["app", "public"], in: before).isValid(in: taken))
    // Another name for a schema changes no table.
    var renamed = before
    var entry = SchemaEntry(
      index: SchemaIndex(2), timestamp: Timestamp(rawValue: 2), databaseID: .defaultDatabase, changes: [])
    var app = try #require(before.namespace(named: "app"))
    app.name = "shop"
    app.version = app.version.next
    entry.namespaceChanges = [NamespaceChange(id: app.id, from: DescriptorVersion(1), descriptor: app)]
    try renamed.apply(entry)
    #expect(!(try plan("select * from app.t", in: before).isValid(in: renamed)))
  }

  @Test func whatIsMadeComesIntoTheFirstSchema() throws {
    let path = ["app", "public"]
    guard case .createTable(let created) = try change("create table n (id int8 references lone)", path: path) else {
      Issue.record("no table")
      return
    }
    #expect(created.name == ObjectName(schema: "app", name: "n", isFromSearchPath: true))
    #expect(created.foreignKeys[0].referencedTable.schema == "public")
    guard
      case .createTable(let tree) = try change(
        "create table lone (id int8 primary key, up int8 references lone)", path: path)
    else {
      Issue.record("no table")
      return
    }
    #expect(tree.foreignKeys[0].referencedTable.schema == "app", "it refers to itself")
    #expect(
      try change("drop table lone", path: path)
        == .dropTables(names: [ObjectName(schema: "public", name: "lone", isFromSearchPath: true)], ifExists: false))
    #expect {
      _ = try plan("create table n (id int8)", path: [])
    } throws: { ($0 as? SQLError)?.state == .invalidSchemaName }
    #expect {
      _ = try plan("create table pg_catalog.n (id int8)", path: path)
    } throws: { ($0 as? SQLError)?.state == .insufficientPrivilege }
  }

  @Test func objectsAreNamedAsTheyAreFound() throws {
    let path = ["app", "public"]
    let statements: [(String, SchemaStatement)] = [
      (
        "comment on table lone is 'it''s'",
        .comment(
          CommentStatement(.table(ObjectName(schema: "public", name: "lone", isFromSearchPath: true)), text: "it's"))
      ),
      (
        "comment on column app.t.a is null",
        .comment(CommentStatement(.column(ObjectName(schema: "app", name: "t"), "a"), text: nil))
      ),
      ("comment on schema app is 'x'", .comment(CommentStatement(.schema("app"), text: "x"))),
      ("comment on database defaultdb is ''", .comment(CommentStatement(.database("defaultdb"), text: nil))),
      ("create schema if not exists b authorization root", .namespace(.create("b", ifNotExists: true))),
      ("create schema authorization root", .namespace(.create("root", ifNotExists: false))),
      ("drop schema a, b cascade", .namespace(.drop(["a", "b"], ifExists: false, isCascade: true))),
      ("alter schema a rename to b", .namespace(.rename("a", to: "b"))),
      (
        "alter table if exists app.t set schema public",
        .setSchema(
          SetSchemaStatement(
            relation: ObjectName(schema: "app", name: "t"), isSequence: false, ifExists: true, schema: "public"))
      ),
    ]
    for (text, expected) in statements { #expect(try change(text, path: path) == expected, "\(text)") }
    for text in [
      "comment on domain v is 'x'", "create schema s create table t (id int8)",
      "alter materialized view v set schema s",
    ] {
      #expect("\(text)") {
        _ = try plan(text)
      } throws: { ($0 as? SQLError)?.state == .featureNotSupported }
    }
  }

  @Test func likeTakesWhatItIsAskedFor() throws {
    guard case .createTable(let plain) = try change("create table n (x text, like app.t, y text)", path: ["public"]),
      case .createTable(let all) = try change(
        "create table n (like app.t including all excluding comments)", path: ["app"])
    else {
      Issue.record("no table")
      return
    }
    #expect(plain.columns.map(\.name) == ["x", "id", "a", "y"] && plain.primaryKey == [] && plain.indexes == [])
    #expect(plain.columns.map(\.isNullable) == [true, false, true, true])
    #expect(all.primaryKey == ["id"] && all.indexes.map(\.keyColumns) == [[IndexColumnDefinition(columnName: "a")]])
    #expect(try SchemaStatement(decoding: SchemaStatement.createTable(all).encoded()) == .createTable(all))
    for (text, state) in [
      ("create table n (like x)", "42P01"), ("create table n (a int4, like t)", "42701"),
      ("create table n (x int8 primary key, like t including indexes)", "42P16"),
    ] {
      #expect("\(text)") {
        _ = try plan(text)
      } throws: { ($0 as? SQLError)?.state.code == state }
    }
  }
}
