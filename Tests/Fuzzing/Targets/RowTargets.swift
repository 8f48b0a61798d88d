import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLValues

/// Rows, batches of rows and what a scan is told to do with them.
let rowTargets: [FuzzTarget] = [
  FuzzTarget("row", seeds: { [rowSeed] }, run: runRow),
  FuzzTarget("row-layout", seeds: { [encodedLayout(fuzzLayout)] }, run: runLayout),
  FuzzTarget("datum-batch", seeds: batchSeeds, run: runBatch),
  FuzzTarget("expression", seeds: { fuzzExpressions.map(\.encoded) }, run: runExpression),
  FuzzTarget("scan-specification", seeds: scanSeeds, run: runScan),
]

/// Every second column of a table that has one of each type.
let fuzzLayout = RowLayout(
  columns: fuzzTypes.enumerated().map { position, type in
    RowLayout.Column(
      id: ColumnID(UInt64(2 * position + 1)), type: type, missingValue: position == 3 ? .integer(7) : .null)
  })

private let rowEncoder = RowRecordEncoder(
  version: TableVersion(3),
  columns: fuzzLayout.columns.map { column in
    ColumnDescriptor(id: column.id, name: "c\(column.id)", type: column.type, missingValue: column.missingValue)
  }, positions: Array(fuzzLayout.columns.indices))

private let rowSeed = rowEncoder.encode(fuzzValues + [.null, .integer(200)])

private func runRow(_ bytes: [UInt8]) {
  guard let row = try? fuzzLayout.decode(bytes) else { return }
  require(row.count == fuzzLayout.columns.count, "a row has the layout's columns")
  let record = rowEncoder.encode(row)
  let again = try? fuzzLayout.decode(record)
  require(again.map { $0.map(encoded) } == row.map(encoded), "a row is written and read again")
  if let again { require(rowEncoder.encode(again) == record, "the same row has the same bytes") }
}

// MARK: - Layouts and batches

private func encodedLayout(_ layout: RowLayout) -> [UInt8] {
  var writer = ByteWriter()
  layout.encode(into: &writer)
  return writer.bytes
}

private func runLayout(_ bytes: [UInt8]) {
  var reader = ByteReader(bytes)
  guard let layout = try? RowLayout.decode(from: &reader) else { return }
  let written = encodedLayout(layout)
  var again = ByteReader(written)
  require((try? RowLayout.decode(from: &again)).map(encodedLayout) == written, "a layout is written and read again")
  _ = try? layout.decode(Array(reader.rest))
}

/// A row count and a column count (two bytes each; as a message carries them, they may say anything), whether there are
/// keys, then the rows.
private func runBatch(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let rowCount = Int(input.byte()) << 24 | Int(input.byte())
  let columnCount = Int(input.byte()) << 24 | Int(input.byte())
  let batch = DatumBatch(
    rowCount: rowCount, columnCount: columnCount, hasKeys: input.byte() & 1 == 1, bytes: input.bytes)
  guard let rows = try? batch.keyedRows() else { return }
  require(rows.count == rowCount && rows.allSatisfy { $0.row.count == columnCount }, "as many rows as announced")
  var again = DatumBatch(columnCount: columnCount, hasKeys: batch.hasKeys)
  for row in rows { again.append(row.row, key: row.key.span) }
  let written = try? again.keyedRows()
  require(written.map { $0.map { $0.row.map(encoded) } } == rows.map { $0.row.map(encoded) }, "written and read again")
  require(written.map { $0.map(\.key) } == rows.map(\.key), "with their keys")
}

private func batchSeeds() -> [[UInt8]] {
  var batch = DatumBatch(columnCount: fuzzValues.count, hasKeys: true)
  for _ in 0..<2 { batch.append(fuzzValues, key: keyBytes([.integer(3)]).span) }
  return [[0, 2, 0, UInt8(fuzzValues.count), 1] + batch.bytes, [0, 3, 0, 0, 0]]
}

// MARK: - Expressions

let fuzzExpressions: [Expression] = {
  let column = Expression.column(3, .int8)
  let one = Expression.constant(.integer(1), .int8)
  let text = Expression.column(8, .text)
  return [
    .comparison(.less, column, one), .and([.isNull(column), .not(.isTruth(.isTrue, .isTrue))]),
    .or([.inList(column, [one, .constant(.null, .int8)]), .isDistinct(column, one)]),
    .conditional([ConditionalBranch(condition: .isTrue, value: one)], otherwise: column, .int8),
    .coalesce([column, one], .int8), .greatest([column, one], .int8), .least([one], .int8),
    .nullIf(column, one, .int8), .cast(text, from: .text, to: .int4, isExplicit: true),
    .comparison(.equal, text, .constant(.text("x"), .text)),
  ]
}()

private func runExpression(_ bytes: [UInt8]) {
  guard let expression = try? Expression(decoding: bytes) else { return }
  let written = expression.encoded
  require((try? Expression(decoding: written))?.encoded == written, "an expression is written and read again")
  evaluate(expression)
}

/// Whatever an expression from another process asks of a row: a value or an error.
private func evaluate(_ expression: Expression) {
  var context = EvaluationContext()
  let row = fuzzValues + Array(repeating: Datum.null, count: fuzzLayout.columns.count - fuzzValues.count)
  _ = try? expression.evaluate(row, &context)
  _ = try? expression.holds([], &context)
}

private func scanSeeds() -> [[UInt8]] {
  fuzzExpressions.map { filter in
    let layout = RowLayout(columns: Array(fuzzLayout.columns.prefix(10)))
    let specification = ScanSpecification(layout: layout, filter: filter, outputs: [3, 8], includesKeys: true)
    return [UInt8(rowSeed.count)] + rowSeed + specification.encoded
  }
}

/// A row, then the specification that reads it.
private func runScan(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let record = input.piece()
  guard let specification = try? ScanSpecification(decoding: input.bytes) else { return }
  let written = specification.encoded
  require((try? ScanSpecification(decoding: written))?.encoded == written, "a scan is written and read again")
  var evaluator = ScanEvaluator(specification)
  var batch = evaluator.makeBatch()
  let isKept = try? evaluator.consider(key: record.span, value: record.span, into: &batch)
  require(batch.rowCount == (isKept == true ? 1 : 0), "a kept entry is a row")
  guard let rows = try? batch.keyedRows() else { return require(false, "what a scan makes can be read") }
  require(rows.allSatisfy { $0.row.count == specification.outputCount }, "with the columns asked for")
}
