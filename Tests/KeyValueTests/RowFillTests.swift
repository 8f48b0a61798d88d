import Basics
import Catalog
import SQLExpressions
import SQLValues
import Testing

@testable import KeyValue

struct RowFillTests {
  /// t(id key, a, n from sequence 9, g generated from a); n and g are on their way in.
  private func table(isRequired: Bool = false) -> TableDescriptor {
    var columns = [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "a", type: .int8),
      ColumnDescriptor(
        id: ColumnID(3), name: "n", type: .int4, state: .backfilling,
        defaultExpression: Expression.nextValue(ofSequence: 9, as: .int4).encoded, sequences: [TableID(9)]),
      ColumnDescriptor(id: ColumnID(4), name: "g", type: .int8, isNullable: !isRequired, state: .backfilling),
    ]
    columns[3].generation = RowExpression(columns: [ColumnID(2)], expression: Expression.column(0, .int8).encoded)
    for position in [2, 3] { columns[position].isFilled = true }
    return TableDescriptor(
      id: TableID(1), databaseID: .defaultDatabase, name: "t", version: TableVersion(4), columns: columns,
      indexes: [
        IndexDescriptor(
          id: IndexID(1), name: "t_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
          rangeID: RangeID(1))
      ], nextColumnID: ColumnID(5), nextIndexID: IndexID(2), commitFloor: TableVersion(1))
  }

  private func record(_ table: TableDescriptor, _ row: [Datum]) -> [UInt8] {
    IndexEntryEncoder(
      table: table, index: table.primaryIndex, rowColumns: table.columns.map(\.id), preservesAllColumns: true
    ).value(of: row)
  }

  private func row(_ table: TableDescriptor, _ record: [UInt8]) throws -> [Datum] {
    try RowLayout(table: table, columnIDs: table.columns.map(\.id)).decode(record)
  }

  @Test func aRowGetsANumberOnceAndItsGeneratedValueAlways() throws {
    let table = table()
    var fill = try RowFill(table, EvaluationContext())
    let old = record(table, [.integer(1), .integer(20), .null, .null])
    #expect(try fill.isWaiting(forPrimaryRecord: old.span, of: TableID(9)))
    #expect(try fill.fill(primaryRecord: old.span) == .wants(TableID(9)))
    fill.numbers[TableID(9)] = [SequenceBlock(first: 5, count: 2, increment: 1)]
    guard case .changed(let first) = try fill.fill(primaryRecord: old.span) else {
      Issue.record("the row has no value")
      return
    }
    #expect(try row(table, first) == [.integer(1), .integer(20), .integer(5), .integer(20)])
    // Again: it keeps both, and takes no number.
    #expect(try fill.fill(primaryRecord: first.span) == .unchanged)
    #expect(try !fill.isWaiting(forPrimaryRecord: first.span, of: TableID(9)))
    // A writer that did not know of the column changed what it follows from.
    let stale = record(table, [.integer(1), .integer(30), .integer(5), .integer(20)])
    guard case .changed(let fresh) = try fill.fill(primaryRecord: stale.span) else {
      Issue.record("a value that is out of date stays")
      return
    }
    #expect(try row(table, fresh) == [.integer(1), .integer(30), .integer(5), .integer(30)])
    guard case .changed(let second) = try fill.fill(primaryRecord: old.span) else { return }
    #expect(try row(table, second)[2] == .integer(6))
    #expect(try fill.fill(primaryRecord: old.span) == .wants(TableID(9)))
  }

  @Test func aNumberOfARowThatHasToBeTriedAgainIsNotLost() throws {
    var table = table()
    let other = Expression.nextValue(ofSequence: 8, as: .int8)
    table.columns[3].generation = nil
    table.columns[3].defaultExpression = other.encoded
    table.columns[3].sequences = [TableID(8)]
    var fill = try RowFill(table, EvaluationContext())
    fill.numbers[TableID(9)] = [SequenceBlock(first: 5, count: 1, increment: 1)]
    let old = record(table, [.integer(1), .null, .null, .null])
    #expect(try fill.fill(primaryRecord: old.span) == .wants(TableID(8)))
    fill.numbers[TableID(8)] = [SequenceBlock(first: 1, count: 1, increment: 1)]
    guard case .changed(let filled) = try fill.fill(primaryRecord: old.span) else {
      Issue.record("the first number is gone")
      return
    }
    #expect(try row(table, filled) == [.integer(1), .null, .integer(5), .integer(1)])
  }

  @Test func aRowThatCanHaveNoValueIsNamed() throws {
    let table = table(isRequired: true)
    var fill = try RowFill(table, EvaluationContext())
    fill.numbers[TableID(9)] = [SequenceBlock(first: 1, count: 1, increment: 1)]
    let old = record(table, [.integer(7), .null, .null, .null])
    do {
      _ = try fill.fill(primaryRecord: old.span)
      Issue.record("a NULL where none may be")
    } catch {
      let error = try #require(error as? SQLError)
      #expect(error.state == .notNullViolation && error.columnName == "g")
      #expect(error.detail == "Failing row contains (7, null).")
    }
  }

  @Test func whatNobodySeesAnyMoreStopsNobody() throws {
    var table = table()
    table.columns.remove(at: 2)
    table.columns[2].isFilled = false
    table.columns[2].state = .public
    let failing = Expression.cast(.constant(.text("x"), .text), from: .text, to: .int8, isExplicit: true)
    table.columns[2].generation = RowExpression(columns: [], expression: failing.encoded)
    var row: [Datum] = [.integer(1), .integer(20), .integer(7)]
    var context = EvaluationContext()
    #expect(throws: SQLError.self) {
      try GeneratedColumns(of: table, over: table.columns.map(\.id)).fill(&row, &context)
    }
    // Dropped, and kept for a while.
    table.columns[2].state = .writeOnly
    table.columns[2].name = ""
    try GeneratedColumns(of: table, over: table.columns.map(\.id)).fill(&row, &context)
    #expect(row == [.integer(1), .integer(20), .null])
    // What it reads is gone.
    table.columns[2].generation = RowExpression(columns: [ColumnID(9)], expression: Expression.column(0, .int8).encoded)
    row[2] = .integer(7)
    try GeneratedColumns(of: table, over: table.columns.map(\.id)).fill(&row, &context)
    #expect(row[2] == .null)
  }
}
