import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLValues
import Transactions

/// What validation wants of the entries of one side.
enum SideReading: Hashable, Sendable {
  case checksum
  /// Hashes of whole entries, to find one that the other side lacks.
  case entryHashes
  /// Hashes of keys, to find one that occurs twice.
  case keyHashes
  /// The first entry with this hash.
  case find(UInt64, isKeyOnly: Bool)
  /// For each of these hashes of keys the first entry.
  case findKeys(Set<UInt64>)
}

/// What was found in a part of one side of an index.
struct SideResult: Sendable {
  var checksum = EntryChecksum()
  /// Rows read, also those that have no entry.
  var rowCount: UInt64 = 0
  var hashes: [UInt64] = []
  var found: IndexEntryEncoder.Entry?
  var foundKeys: [UInt64: IndexEntryEncoder.Entry] = [:]
  var resumeKey: [UInt8]?

  mutating func add(key: Span<UInt8>, value: Span<UInt8>, _ reading: SideReading) {
    checksum.add(key: key, value: value)
    switch reading {
    case .checksum: return
    case .entryHashes: hashes.append(EntryChecksum.hash(key: key, value: value))
    case .keyHashes: hashes.append(EntryChecksum.hash(key: key, value: Span()))
    case .find(let wanted, let isKeyOnly):
      guard found == nil else { return }
      let hash = isKeyOnly ? EntryChecksum.hash(key: key, value: Span()) : EntryChecksum.hash(key: key, value: value)
      if hash == wanted { found = IndexEntryEncoder.Entry(key: array(key), value: array(value)) }
    case .findKeys(let wanted):
      let hash = EntryChecksum.hash(key: key, value: Span())
      guard wanted.contains(hash), foundKeys[hash] == nil else { return }
      foundKeys[hash] = IndexEntryEncoder.Entry(key: array(key), value: array(value))
    }
  }

  mutating func merge(_ other: SideResult) {
    checksum.merge(other.checksum)
    rowCount += other.rowCount
    hashes.append(contentsOf: other.hashes)
    if found == nil { found = other.found }
    foundKeys.merge(other.foundKeys) { first, _ in first }
    resumeKey = other.resumeKey
  }

  private func array(_ span: Span<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(span.count)
    for index in span.indices { bytes.append(span[index]) }
    return bytes
  }
}

/// The entries that rows should have, and the entries that are there.
enum IndexSide {
  static let rowsPerStep = 16_384
  /// Rows named when a check does not hold.
  static let maximumViolations = 10

  /// Of rows, through the same encoder as the build.
  static func readRows(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, table: TableDescriptor,
    index: IndexDescriptor, _ reading: SideReading
  ) throws -> SideResult {
    var result = SideResult()
    var encoder = BackfillEncoder(table: table, index: index)
    var scanner = VersionScanner(state, span, at: timestamp, isReverse: false, isLong: true)
    result.resumeKey = try scanner.forEach(examinedLimit: rowsPerStep) { _, value in
      do {
        result.rowCount += 1
        if let entry = try encoder.entry(forPrimaryRecord: value.assumingMemoryBound(to: UInt8.self).span) {
          result.add(key: entry.key.span, value: entry.value.span, reading)
        }
      } catch let error as MalformedBytes {
        throw StorageFailure.corrupted("a row of table \(table.name): \(error)")
      }
      return true
    }
    return result
  }

  /// Of entries on this node.
  static func readEntries(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, _ reading: SideReading
  ) throws -> SideResult {
    var result = SideResult()
    var scanner = VersionScanner(state, span, at: timestamp, isReverse: false, isLong: true)
    result.resumeKey = try scanner.forEach(examinedLimit: rowsPerStep) { key, value in
      result.add(
        key: key.assumingMemoryBound(to: UInt8.self).span, value: value.assumingMemoryBound(to: UInt8.self).span,
        reading)
      return true
    }
    return result
  }

  /// Of a page that another node sent: (key length varint, key, value length varint, value)*.
  static func readPage(_ rows: [UInt8], _ reading: SideReading) throws(MalformedBytes) -> SideResult {
    var result = SideResult()
    var reader = ByteReader(rows)
    while !reader.isAtEnd {
      let key = try reader.readBytes()
      let value = try reader.readBytes()
      result.add(key: key.span, value: value.span, reading)
    }
    return result
  }

  /// Rows that violate a check; returns how many rows were read, and the first violations as text.
  static func readViolations(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, table: TableDescriptor,
    check: RowExpression
  ) throws -> (rows: UInt64, violations: [String], resumeKey: [UInt8]?) {
    let condition: Expression
    switch check.bound(to: table.columns.map(\.id)) {
    case .success(let decoded): condition = decoded
    case .failure(let error): throw StorageFailure.corrupted("a check of table \(table.name): \(error)")
    }
    var context = EvaluationContext()
    var rows: UInt64 = 0
    var violations: [String] = []
    let resumeKey = try forEachRow(state, span, at: timestamp, table) { row in
      rows += 1
      if try condition.evaluate(row, &context) == .boolean(false) { violations.append(table.text(ofRow: row)) }
      return violations.count < maximumViolations
    }
    return (rows, violations, resumeKey)
  }

  /// Rows without the column, read as NULL; returns how many rows were read, and whether one was NULL.
  static func readNulls(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, table: TableDescriptor, column: ColumnID
  ) throws -> (rows: UInt64, containsNull: Bool, resumeKey: [UInt8]?) {
    var rows: UInt64 = 0
    var containsNull = false
    let position = table.columns.firstIndex { $0.id == column }
    let resumeKey = try forEachRow(state, span, at: timestamp, table) { row in
      rows += 1
      if position.map({ row[$0].isNull }) ?? true { containsNull = true }
      return !containsNull
    }
    return (rows, containsNull, resumeKey)
  }

  /// Up to `limit` rows without a value in the column, as text.
  static func readRowsWithNull(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, table: TableDescriptor,
    column: ColumnID, limit: Int
  ) throws -> (rows: UInt64, violations: [String], resumeKey: [UInt8]?) {
    var rows: UInt64 = 0
    var violations: [String] = []
    let position = table.columns.firstIndex { $0.id == column }
    let resumeKey = try forEachRow(state, span, at: timestamp, table) { row in
      rows += 1
      if position.map({ row[$0].isNull }) ?? true { violations.append(table.text(ofRow: row)) }
      return violations.count < limit
    }
    return (rows, violations, resumeKey)
  }

  /// Rows with all columns, in their order, until `body` returns false. Returns where to go on.
  static func forEachRow(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, _ table: TableDescriptor,
    _ body: ([Datum]) throws -> Bool
  ) throws -> [UInt8]? {
    let columns = table.columns.map(\.id)
    let layout = RowLayout(table: table, columnIDs: columns)
    let conversions = ColumnConversions(of: table, over: columns)
    var context = EvaluationContext()
    var row: [Datum] = []
    var scanner = VersionScanner(state, span, at: timestamp, isReverse: false, isLong: true)
    return try scanner.forEach(examinedLimit: rowsPerStep) { _, value in
      do throws(MalformedBytes) {
        try layout.decode(value.assumingMemoryBound(to: UInt8.self).span, into: &row)
      } catch {
        throw StorageFailure.corrupted("a row of table \(table.name): \(error)")
      }
      try conversions.fill(&row, of: table, &context)
      return try body(row)
    }
  }
}
