import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLValues
import Testing

@Suite struct RowCodecTests {
  static let table = TableDescriptor(
    id: TableID(5), databaseID: DatabaseID(1), name: "t", version: TableVersion(3),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "name", type: .text),
      ColumnDescriptor(id: ColumnID(4), name: "amount", type: .numeric(precision: nil, scale: nil)),
      ColumnDescriptor(id: ColumnID(9), name: "late", type: .int4, missingValue: .integer(42)),
    ],
    indexes: [
      IndexDescriptor(
        id: IndexID(1), name: "t_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
        rangeID: RangeID(1)),
      IndexDescriptor(
        id: IndexID(2), name: "t_name_key", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(2))],
        storedColumns: [ColumnID(4)], rangeID: RangeID(2)),
    ], nextColumnID: ColumnID(10), nextIndexID: IndexID(3), commitFloor: .none)

  static let ids = table.columns.map(\.id)

  static func rows(_ count: Int) -> [[Datum]] {
    var generator = SeededGenerator(seed: 11)
    return (0..<count).map { number in
      [
        .integer(Int64(number)), KeyEncodingTests.random("text", &generator),
        KeyEncodingTests.random("decimal", &generator), KeyEncodingTests.random("integer", &generator),
      ]
    }
  }

  @Test func recordsRoundTripInAnyColumnOrder() throws {
    let encoder = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[0], rowColumns: Self.ids)
    let straight = RowLayout(table: Self.table, columnIDs: Self.ids)
    let mixed = RowLayout(table: Self.table, columnIDs: [ColumnID(9), ColumnID(2), ColumnID(9)])
    for row in Self.rows(500) {
      let value = encoder.value(of: row)
      #expect(try straight.decode(value) == row)
      #expect(try mixed.decode(value) == [row[3], row[1], row[3]])
    }
  }

  @Test func olderRowsReadTheMissingValueAndNullIsNotMissing() throws {
    var old = Self.table
    old.columns.removeLast()
    let layout = RowLayout(table: Self.table, columnIDs: Self.ids)
    let row: [Datum] = [.integer(1), .null, .null]
    let oldRecord = IndexEntryEncoder(table: old, index: old.indexes[0], rowColumns: old.columns.map(\.id)).value(
      of: row)
    #expect(try layout.decode(oldRecord) == [.integer(1), .null, .null, .integer(42)])
    let newRecord = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[0], rowColumns: Self.ids)
      .value(of: row + [.null])
    #expect(try layout.decode(newRecord) == [.integer(1), .null, .null, .null])
  }

  @Test func entriesOfBackfillAndOfWritesAgree() throws {
    let primary = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[0], rowColumns: Self.ids)
    let secondary = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[1], rowColumns: Self.ids)
    var backfill = BackfillEncoder(table: Self.table, index: Self.table.indexes[1])
    var rowSide = EntryChecksum()
    var indexSide = EntryChecksum()
    for row in Self.rows(500) {
      let record = primary.value(of: row)
      let written = secondary.entry(for: row)
      #expect(try backfill.entry(forPrimaryRecord: record.span) == written)
      rowSide.add(key: written.key.span, value: written.value.span)
    }
    for row in Self.rows(500).reversed() {
      let entry = secondary.entry(for: row)
      indexSide.add(key: entry.key.span, value: entry.value.span)
    }
    #expect(rowSide == indexSide)
    let stray: [UInt8] = [1]
    indexSide.add(key: stray.span, value: stray.span)
    #expect(rowSide != indexSide)
  }

  @Test func uniqueKeysNameTheRowOnlyWithNulls() {
    let encoder = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[1], rowColumns: Self.ids)
    let first: [Datum] = [.integer(1), .text("a"), .null, .null]
    let second: [Datum] = [.integer(2), .text("a"), .null, .null]
    #expect(encoder.key(of: first) == encoder.key(of: second))
    #expect(encoder.isConstraining(first))
    let third: [Datum] = [.integer(1), .null, .null, .null]
    let fourth: [Datum] = [.integer(2), .null, .null, .null]
    #expect(encoder.key(of: third) != encoder.key(of: fourth))
    #expect(!encoder.isConstraining(third))
  }

  @Test func damagedRecordsAreRefusedNotTrapped() {
    let encoder = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[0], rowColumns: Self.ids)
    let layout = RowLayout(table: Self.table, columnIDs: Self.ids)
    var generator = SeededGenerator(seed: 5)
    var refused = 0
    for row in Self.rows(300) {
      var record = encoder.value(of: row)
      for _ in 0..<3 {
        record[Int(generator.next() % UInt64(record.count))] = UInt8(truncatingIfNeeded: generator.next())
      }
      record.removeLast(Int(generator.next() % 2))
      do { _ = try layout.decode(record) } catch { refused += 1 }
    }
    #expect(refused > 0)
  }

  @Test func scanSpecificationsRoundTripAndRun() throws {
    let layout = RowLayout(table: Self.table, columnIDs: [ColumnID(9), ColumnID(2)])
    let specification = ScanSpecification(
      layout: layout, filter: .comparison(.greater, .column(0, .int4), .constant(.integer(10), .int4)), outputs: [1],
      includesKeys: true)
    #expect(try ScanSpecification(decoding: specification.encoded) == specification)
    let encoder = IndexEntryEncoder(table: Self.table, index: Self.table.indexes[0], rowColumns: Self.ids)
    var evaluator = ScanEvaluator(specification)
    var batch = evaluator.makeBatch()
    var wanted: [[Datum]] = []
    for row in Self.rows(200) {
      let entry = encoder.entry(for: row)
      let holds = if case .integer(let value) = row[3] { value > 10 } else { false }
      #expect(try evaluator.consider(key: entry.key.span, value: entry.value.span, into: &batch) == holds)
      if holds { wanted.append([row[1]]) }
    }
    #expect(try batch.rows() == wanted)
    #expect(try batch.keyedRows().allSatisfy { $0.key.count > 12 })
    batch.bytes.append(0)
    #expect(throws: MalformedBytes.self) { try batch.rows() }
  }
}
