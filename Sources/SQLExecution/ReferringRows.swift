import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// The rows of a table that refer to certain keys: found through an index whose key begins with columns of the foreign key,
/// else by reading the whole table.
struct ReferringRows {
  /// From so many keys on the index is read from end to end instead of once for each.
  static let maximumRanges = 512
  /// From so many keys on it is decided here, not by the storage nodes, which rows refer to one of them.
  static let maximumConditions = 16

  private let key: IncomingForeignKey
  private let state: ExecutionState
  private let keys: [[Datum]]
  private let wanted: Set<[UInt8]>
  /// Of the foreign key's columns in full rows of the table that refers.
  var positions: [Int] { key.outgoing.positions }

  /// - Parameter keys: values of the columns that the foreign key refers to.
  init(_ key: IncomingForeignKey, _ keys: [[Datum]], _ state: ExecutionState) {
    self.key = key
    self.state = state
    var wanted: Set<[UInt8]> = []
    self.keys = keys.filter { wanted.insert(Self.encoded($0)).inserted }
    self.wanted = wanted
  }

  /// Equal for equal keys, of either side.
  static func encoded(_ values: [Datum]) -> [UInt8] {
    var bytes: [UInt8] = []
    for value in values { KeyEncoding.append(value, to: &bytes) }
    return bytes
  }

  func encoded(_ values: [Datum]) -> [UInt8] { Self.encoded(values) }

  /// The key that a full row refers to, if it is one of those wanted.
  func match(_ row: [Datum]) -> [UInt8]? {
    let bytes = Self.encoded(positions.map { row[$0] })
    return wanted.contains(bytes) ? bytes : nil
  }

  /// All of them, full.
  nonisolated(nonsending) func rows() async throws(SQLError) -> [[Datum]] {
    let source = ScanSource(plan(isFull: true), state)
    var rows: [[Datum]] = []
    while let batch = try await source.next() {
      for row in batch where match(row) != nil {
        try state.hold(row)
        rows.append(row)
      }
      try await state.access.checkpoint()
    }
    return rows
  }

  /// A key that some row refers to.
  nonisolated(nonsending) func first() async throws(SQLError) -> [Datum]? {
    if keys.isEmpty { return nil }
    let source = ScanSource(plan(isFull: false), state)
    while let batch = try await source.next() {
      for values in batch where wanted.contains(Self.encoded(values)) { return values }
      try await state.access.checkpoint()
    }
    return nil
  }

  /// - Parameter isFull: whole rows are wanted, else the foreign key's columns alone.
  private func plan(isFull: Bool) -> ScanPlan {
    let table = key.table
    let columns = isFull ? table.columns.map(\.id) : key.rule.columns
    guard let (index, length) = bestIndex() else {
      return ScanPlan(
        table: table, indexID: table.primaryIndex.id, columns: columns, filter: filter(over: columns),
        output: Array(columns.indices))
    }
    let leading = index.keyColumns.prefix(length).compactMap { key.rule.columns.firstIndex(of: $0.columnID) }
    let ranges =
      keys.count > Self.maximumRanges
      ? [KeyRange()] : keys.map { values in KeyRange(equal: leading.map { .constant(values[$0], type($0)) }) }
    let isPrimary = index.id == table.primaryIndex.id
    let held = IndexEntryEncoder.valueColumns(table: table, index: index)
    if isPrimary || columns.allSatisfy(held.contains) {
      return ScanPlan(
        table: table, indexID: index.id, ranges: ranges, columns: columns, output: Array(columns.indices))
    }
    let entry = table.primaryIndex.keyColumns.map(\.columnID)
    return ScanPlan(
      table: table, indexID: index.id, ranges: ranges, columns: entry, output: Array(entry.indices),
      lookup: PrimaryLookup(columns: columns, output: Array(columns.indices)))
  }

  private func type(_ number: Int) -> SQLType { key.table.column(key.rule.columns[number])?.type ?? .unknown }

  /// The index with the most columns of the foreign key at the beginning of its key, and how many these are.
  private func bestIndex() -> (IndexDescriptor, Int)? {
    var best: (IndexDescriptor, Int)?
    // One of some rows does not know the others.
    for index in key.table.readableIndexes where index.predicate == nil {
      let length = index.keyColumns.prefix { key.rule.columns.contains($0.columnID) }.count
      if length > best?.1 ?? 0 { best = (index, length) }
    }
    return best
  }

  private func filter(over columns: [ColumnID]) -> Expression? {
    if keys.count > Self.maximumConditions { return nil }
    let places = key.rule.columns.map { id in columns.firstIndex(of: id) ?? 0 }
    let alternatives = keys.map { values in
      Expression.and(
        places.indices.map { number in
          .comparison(
            .equal, .column(places[number], type(number)), .constant(values[number], type(number)))
        })
    }
    return alternatives.count == 1 ? alternatives[0] : .or(alternatives)
  }
}

/// Keys that rows have lost: nobody may refer to them, unless they are there again.
final class RemovedKeys: CommitCheck {
  var table: TableDescriptor { key.table }
  private let key: IncomingForeignKey
  private let keys: [[Datum]]
  private let context: EvaluationContext
  private let limits: ExecutionLimits

  init(_ key: IncomingForeignKey, _ keys: [[Datum]], _ state: ExecutionState) {
    self.key = key
    self.keys = keys
    context = state.context
    limits = state.limits
  }

  /// A key that is not there and is referred to.
  nonisolated(nonsending) func violation(_ access: any TableAccess) async throws(SQLError) -> [Datum]? {
    let state = ExecutionState(access: access, context: context, limits: limits, cache: ExecutionCache())
    var missing: [[Datum]] = []
    var start = 0
    while start < keys.count {
      let batch = Array(keys[start..<min(start + limits.batchRows, keys.count)])
      start += batch.count
      let found = try await access.get(
        table: key.referenced, index: key.outgoing.index, keys: batch.map { key.outgoing.referencedKey(of: $0) })
      guard found.count == batch.count else { throw SQLError(.internalError, "a get answered other keys than asked") }
      for (values, value) in zip(batch, found) where value == nil { missing.append(values) }
    }
    return try await ReferringRows(key, missing, state).first()
  }

  nonisolated(nonsending) func holds(_ access: any TableAccess) async throws(SQLError) -> Bool {
    try await violation(access) == nil
  }
}
