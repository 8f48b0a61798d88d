import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Key and value of a row's entry in one index (the primary index included): prepared once, used for every row.
///
/// * primary: key = primary key columns; value = all columns.
/// * secondary: key = indexed columns, then the primary key columns unless the index is unique and none of the
///   indexed columns is NULL; value = indexed, primary key and stored columns.
///
/// Rows for which the predicate of a partial index is not true have no entry in it.
public struct IndexEntryEncoder: Sendable {
  public struct Entry: Hashable, Sendable {
    public var key: [UInt8]
    public var value: [UInt8]

    public init(key: [UInt8], value: [UInt8]) {
      self.key = key
      self.value = value
    }
  }

  private struct KeyPart: Sendable {
    let position: Int
    let isDescending: Bool
  }

  public let isPrimary: Bool
  public let isUnique: Bool
  private let prefix: [UInt8]
  private let keyParts: [KeyPart]
  /// Appended where the indexed columns alone do not name the row.
  private let suffixParts: [KeyPart]
  private let record: RowRecordEncoder
  private let predicate: Result<Expression, MalformedBytes>?

  /// `rowColumns[i]` is the column whose value stands at position i of the rows to come. A column of the index that is
  /// not among them counts as NULL. With `preservesAllColumns` a primary value also carries columns that inserts do not
  /// maintain (delete-only ones): for rows that exist already, whose values a neighbouring version may have written.
  public init(
    table: TableDescriptor, index: IndexDescriptor, rowColumns: [ColumnID], preservesAllColumns: Bool = false
  ) {
    func position(_ id: ColumnID) -> Int { rowColumns.firstIndex(of: id) ?? Int.max }
    isPrimary = index.id == table.primaryIndex.id
    isUnique = index.isUnique || isPrimary
    prefix = KeyEncoding.prefix(table: table.id, index: index.id)
    keyParts = index.keyColumns.map { KeyPart(position: position($0.columnID), isDescending: $0.isDescending) }
    suffixParts =
      isPrimary
      ? []
      : table.rows(of: index).keyColumns.map { KeyPart(position: position($0.columnID), isDescending: $0.isDescending) }
    let columns =
      isPrimary && preservesAllColumns
      ? table.columns.filter { $0.state != .absent && $0.conversion == nil }
      : Self.valueColumns(table: table, index: index).compactMap { table.column($0) }
    record = RowRecordEncoder(
      version: isPrimary ? table.version : TableVersion.none, columns: columns,
      positions: columns.map { position($0.id) })
    predicate = index.predicate.map { $0.bound(to: rowColumns) }
  }

  /// Whether a row that is to be written has an entry. Throws what the predicate throws for it.
  public func includes(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Bool {
    switch predicate {
    case nil: true
    case .success(let condition)?: try condition.evaluate(row, &context) == .boolean(true)
    case .failure(let error)?:
      throw SQLError(.dataCorrupted, "the predicate of an index cannot be read", detail: error.reason)
    }
  }

  /// Whether a row that exists can have an entry. One older than the index may be none for its predicate, and then has none.
  public func mayInclude(_ row: [Datum], _ context: inout EvaluationContext) -> Bool {
    (try? includes(row, &context)) ?? false
  }

  /// The entry of a row that is to be written; nil if it has none.
  public func entry(
    ifIncluded row: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> Entry? {
    try includes(row, &context) ? entry(for: row) : nil
  }

  /// The columns an entry's value carries; what a reader of this index alone can see.
  public static func valueColumns(table: TableDescriptor, index: IndexDescriptor) -> [ColumnID] {
    if index.id == table.primaryIndex.id {
      return table.columns.filter { $0.state.isWritable && $0.conversion == nil }.map(\.id)
    }
    var ids: [ColumnID] = []
    for id in index.keyColumns.map(\.columnID) + table.rows(of: index).keyColumns.map(\.columnID) + index.storedColumns
    where !ids.contains(id) {
      ids.append(id)
    }
    return ids
  }

  public func key(of row: [Datum]) -> [UInt8] {
    var key: [UInt8] = []
    appendKey(of: row, to: &key)
    return key
  }

  public func appendKey(of row: [Datum], to key: inout [UInt8]) {
    key.reserveCapacity(key.count + prefix.count + 12 * (keyParts.count + suffixParts.count))
    key.append(contentsOf: prefix)
    var containsNull = false
    for part in keyParts {
      guard part.position < row.count else {
        containsNull = true
        KeyEncoding.append(.null, isDescending: part.isDescending, to: &key)
        continue
      }
      if row[part.position].isNull { containsNull = true }
      KeyEncoding.append(row[part.position], isDescending: part.isDescending, to: &key)
    }
    if isUnique && !containsNull { return }
    for part in suffixParts {
      let value = part.position < row.count ? row[part.position] : .null
      KeyEncoding.append(value, isDescending: part.isDescending, to: &key)
    }
  }

  /// Whether two rows of this key may not exist at once: unique, and no indexed column is NULL.
  public func isConstraining(_ row: [Datum]) -> Bool {
    isUnique && keyParts.allSatisfy { $0.position < row.count && !row[$0.position].isNull }
  }

  public func value(of row: [Datum]) -> [UInt8] { record.encode(row) }

  public func entry(for row: [Datum]) -> Entry { Entry(key: key(of: row), value: value(of: row)) }
}

/// Turns stored primary rows into entries of a secondary index: the inner loop of a backfill.
public struct BackfillEncoder: Sendable {
  private let table: TableDescriptor
  private let layout: RowLayout
  private let encoder: IndexEntryEncoder
  private let conversions: ColumnConversions
  private var row: [Datum] = []
  private var context = EvaluationContext()

  public init(table: TableDescriptor, index: IndexDescriptor) {
    self.table = table
    var columns = IndexEntryEncoder.valueColumns(table: table, index: index)
    for id in index.predicate?.columns ?? [] where !columns.contains(id) { columns.append(id) }
    // A converted column follows from others, which the index need not have.
    if columns.contains(where: { table.column($0)?.conversion != nil }) { columns = table.columns.map(\.id) }
    layout = RowLayout(table: table, columnIDs: columns)
    encoder = IndexEntryEncoder(table: table, index: index, rowColumns: columns)
    conversions = ColumnConversions(of: table, over: columns)
  }

  /// nil: the row has no entry. Throws `MalformedBytes` for a stored row that cannot be read, `SQLError` for one that cannot be
  /// converted or judged.
  public mutating func entry(forPrimaryRecord record: Span<UInt8>) throws -> IndexEntryEncoder.Entry? {
    try layout.decode(record, into: &row)
    try conversions.fill(&row, of: table, &context)
    return try encoder.entry(ifIncluded: row, &context)
  }

  /// Whether the last entry's key may exist only once.
  public var isLastEntryConstraining: Bool { encoder.isConstraining(row) }

  /// The indexed values of the last entry, for messages.
  public var lastRow: [Datum] { row }
}
