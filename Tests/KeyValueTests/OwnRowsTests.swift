import Basics
import Catalog
import SQLExpressions
import SQLValues
import Testing

@testable import KeyValue

struct OwnRowsTests {
  /// t(id key, a), with a unique index on a.
  private let table = TableDescriptor(
    id: TableID(1), databaseID: .defaultDatabase, name: "t", version: TableVersion(1),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "a", type: .int8),
    ],
    indexes: [
      IndexDescriptor(
        id: IndexID(1), name: "t_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
        rangeID: RangeID(1)),
      IndexDescriptor(
        id: IndexID(2), name: "t_a", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(2))],
        rangeID: RangeID(2)),
    ], nextColumnID: ColumnID(3), nextIndexID: IndexID(3), commitFloor: TableVersion(1))

  private func record(_ id: Int64, _ a: Datum) -> [UInt8] {
    IndexEntryEncoder(table: table, index: table.primaryIndex, rowColumns: [ColumnID(1), ColumnID(2)])
      .value(of: [.integer(id), a])
  }

  @Test func aRowWithoutAValueIsFound() throws {
    var own = OwnRows(table)
    try own.requireValues(in: ColumnID(2), of: [record(1, .integer(5))])
    try own.requireValues(in: ColumnID(2), of: [])
    let error = #expect(throws: SQLError.self) {
      try own.requireValues(in: ColumnID(2), of: [record(1, .integer(5)), record(2, .null)])
    }
    #expect(error?.state == .notNullViolation)
    #expect(error?.message == "column \"a\" of relation \"t\" contains null values")
  }

  @Test func theFirstRowsForWhichACheckIsFalseAreNamed() throws {
    let check = RowExpression(
      columns: [ColumnID(2)],
      expression: Expression.comparison(.greater, .column(0, .int8), .constant(.integer(5), .int8)).encoded)
    var own = OwnRows(table)
    // Neither true nor false is no violation.
    try own.require(check, named: "c", of: [record(1, .integer(6)), record(2, .null)])
    let error = #expect(throws: SQLError.self) {
      try own.require(check, named: "c", of: (1...30).map { record($0, .integer($0)) })
    }
    #expect(error?.state == .checkViolation && error?.constraintName == "c")
    #expect(error?.detail == "Failing rows: (1, 1), (2, 2), (3, 3), (4, 4), (5, 5).")
    let many = #expect(throws: SQLError.self) {
      try own.require(check, named: "c", of: (1...30).map { record($0, .integer(0)) })
    }
    #expect(many?.detail?.contains("(10, 0)") == true && many?.detail?.contains("(11, 0)") == false)
  }

  @Test func rowsReferToTheKeysThatTheirCounterpartsHave() throws {
    let rule = ForeignKeyRule(
      columns: [ColumnID(2)], referencedTable: TableID(1), referencedColumns: [ColumnID(1)])
    let lookup = try #require(ReferencedKey(rule, in: table))
    var own = OwnRows(table)
    let records = [record(1, .null), record(2, .integer(1)), record(3, .integer(9))]
    let found = try own.references(by: rule, lookup, of: records)
    let encoder = IndexEntryEncoder(table: table, index: table.primaryIndex, rowColumns: [ColumnID(1), ColumnID(2)])
    #expect(found.map(\.key) == [1, 9].map { encoder.key(of: [.integer($0), .null]) })
    #expect(found.map(\.values) == [[.integer(1)], [.integer(9)]])
  }

  @Test func aDamagedRowIsAnError() {
    var own = OwnRows(table)
    let error = #expect(throws: SQLError.self) { try own.requireValues(in: ColumnID(2), of: [[1, 255, 255]]) }
    #expect(error?.state == .dataCorrupted)
  }
}
