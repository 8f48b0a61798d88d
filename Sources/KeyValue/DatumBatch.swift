import Basics
import SQLValues

/// Rows one after the other in the `Datum` codec: carried as one byte field, decoded row by row.
///
/// Every row has `columnCount` values; with keys, the entry's key stands before them as a byte string.
public struct DatumBatch: Hashable, Sendable {
  /// Rows of a batch whose rows take no bytes (no columns, no keys), where nothing else bounds what is made of their number;
  /// more than one page and all writes of a transaction have.
  public static let maximumEmptyRows = 1 << 22

  public var rowCount: Int
  public var columnCount: Int
  public var hasKeys: Bool
  public var bytes: [UInt8]

  public init(rowCount: Int = 0, columnCount: Int, hasKeys: Bool = false, bytes: [UInt8] = []) {
    self.rowCount = rowCount
    self.columnCount = columnCount
    self.hasKeys = hasKeys
    self.bytes = bytes
  }

  public mutating func append(_ row: [Datum], key: Span<UInt8>) {
    var writer = ByteWriter(capacity: 64)
    append(row, key: key, using: &writer)
  }

  /// Appends a row of a batch without keys.
  public mutating func append(_ row: [Datum]) { append(row, key: Span()) }

  mutating func append(_ row: [Datum], key: Span<UInt8>, using writer: inout ByteWriter) {
    if hasKeys {
      writer.writeVarint(UInt64(key.count))
      for index in 0..<key.count { writer.write(key[index]) }
    }
    for value in row { value.encode(into: &writer) }
    bytes.append(contentsOf: writer.bytes)
    rowCount += 1
  }

  /// All rows, without their keys.
  public func rows() throws(MalformedBytes) -> [[Datum]] {
    var rows: [[Datum]] = []
    rows.reserveCapacity(min(rowCount, bytes.count + 1))
    try forEach { (_: Range<Int>, row: [Datum]) throws(MalformedBytes) in rows.append(row) }
    return rows
  }

  /// Each row with its key (empty in a batch without keys).
  public func keyedRows() throws(MalformedBytes) -> [(key: [UInt8], row: [Datum])] {
    var rows: [(key: [UInt8], row: [Datum])] = []
    try forEach { (key: Range<Int>, row: [Datum]) throws(MalformedBytes) in rows.append((Array(bytes[key]), row)) }
    return rows
  }

  private func forEach(_ body: (Range<Int>, [Datum]) throws(MalformedBytes) -> Void) throws(MalformedBytes) {
    let span = bytes.span
    var position = 0
    // The counts come from elsewhere: every key and every value has a byte at least.
    let rowBytes = max(0, columnCount) + (hasKeys ? 1 : 0)
    let limit = rowBytes == 0 ? Self.maximumEmptyRows : span.count / rowBytes
    guard rowCount >= 0, columnCount >= 0, rowCount <= limit else {
      throw MalformedBytes("\(rowCount) rows of \(columnCount) columns in \(span.count) bytes")
    }
    for _ in 0..<rowCount {
      let key = hasKeys ? try SpanReading.sized(span, &position) : 0..<0
      var row: [Datum] = []
      row.reserveCapacity(columnCount)
      for _ in 0..<columnCount { row.append(try Datum.decode(span, at: &position)) }
      try body(key, row)
    }
    guard position == span.count else { throw MalformedBytes("bytes behind the last row", at: position) }
  }
}
