import Basics
import Catalog
import KeyValue
import PostgresParser
import SQLPlanner
import SQLValues
import Testing

@testable import GatewayNode

@Suite struct PointReadTests {
  /// `t(id int8, part text, v text)` with the primary key (id, part) and the unique index (v).
  static let table = TableDescriptor(
    id: TableID(7), databaseID: .defaultDatabase, name: "t", version: TableVersion(1),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "part", type: .text, isNullable: false),
      ColumnDescriptor(id: ColumnID(3), name: "v", type: .text),
    ],
    indexes: [
      IndexDescriptor(
        id: IndexID(1), name: "t_pkey", isUnique: true, state: .public,
        keyColumns: [
          IndexKeyColumn(columnID: ColumnID(1), isDescending: false),
          IndexKeyColumn(columnID: ColumnID(2), isDescending: true),
        ], storedColumns: [], rangeID: RangeID(70)),
      IndexDescriptor(
        id: IndexID(2), name: "t_v_key", isUnique: true, state: .public,
        keyColumns: [IndexKeyColumn(columnID: ColumnID(3), isDescending: false)], storedColumns: [],
        rangeID: RangeID(71)),
    ], nextColumnID: ColumnID(4), nextIndexID: IndexID(3), commitFloor: .none)

  private func plan(_ text: String) throws -> StatementPlan {
    var catalog = CatalogState()
    try catalog.apply(
      SchemaEntry(
        index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase,
        changes: [
          TableChange(
            tableID: TableID(7), from: .none, to: TableVersion(1), commitFloor: .none, descriptor: Self.table)
        ]))
    let parsed = try StatementParser.parseOnThisThread(text, limits: ParserLimits())
    return try StatementPlanner(catalog: catalog).plan(parsed[0], parameterTypes: [])
  }

  @Test func theKeyIsTheEntrysKey() throws {
    let read = try #require(PointRead(try plan("SELECT v FROM t WHERE part = 'p' AND id = $1")))
    #expect(read.table == TableID(7))
    #expect(read.range == RangeID(70))
    #expect(read.types == [.text])
    let encoder = IndexEntryEncoder(
      table: Self.table, index: Self.table.primaryIndex, rowColumns: [ColumnID(1), ColumnID(2), ColumnID(3)])
    #expect(read.key([.integer(5)]) == encoder.key(of: [.integer(5), .text("p"), .null]))
    #expect(read.key([.integer(-5)]) == encoder.key(of: [.integer(-5), .text("p"), .null]))
    #expect(read.key([.null]) == nil)
    #expect(read.key([]) == nil)
  }

  @Test func aUniqueIndexThatHoldsAllWantedIsReadAlone() throws {
    let read = try #require(PointRead(try plan("SELECT v, id FROM t WHERE v = $1")))
    #expect(read.range == RangeID(71))
    #expect(read.types == [.text, .int8])
  }

  @Test(arguments: [
    "SELECT v FROM t WHERE id = $1", "SELECT v FROM t WHERE id = $1 AND part > 'a'",
    "SELECT v FROM t WHERE id = $1 AND part = 'a' AND v = 'b'", "SELECT v FROM t WHERE id IN (1, 2) AND part = 'a'",
    "SELECT v || 'x' FROM t WHERE id = $1 AND part = 'a'", "SELECT count(*) FROM t WHERE id = $1 AND part = 'a'",
    "SELECT v FROM t WHERE id = $1 AND part = 'a' FOR UPDATE", "SELECT v FROM t WHERE id = 1 + $1 AND part = 'a'",
    "SELECT v FROM t WHERE id = (SELECT 1) AND part = 'a'", "SELECT v FROM t WHERE id = $1 AND part = 'a' LIMIT 0",
    "SELECT 1", "UPDATE t SET v = '' WHERE id = $1 AND part = 'a'", "DELETE FROM t WHERE id = 1 AND part = 'a'",
  ]) func otherStatementsAreNone(_ text: String) throws {
    #expect(PointRead(try plan(text)) == nil)
  }
}
