import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// `INSERT`: rows are completed, checked against constraints and against the rows that exist, then written.
final class InsertExecution {
  private let plan: InsertPlan
  private let state: ExecutionState
  private let writer: RowWriter
  /// Position in a full row of each value of the source's rows.
  private let positions: [Int]
  private let rowIDPosition: Int?
  private let skippedIndexes: Set<IndexID>
  private let foreignKeys: ForeignKeyKeeper?
  /// Keys of unique entries that this statement has written.
  private var written: Set<[UInt8]> = []

  private(set) var affectedRows = 0
  private(set) var returned: [[Datum]] = []

  init(_ plan: InsertPlan, _ state: ExecutionState) throws(SQLError) {
    self.plan = plan
    self.state = state
    let writer = state.cache.writer(for: plan.table)
    self.writer = writer
    foreignKeys = ForeignKeyKeeper(plan.foreignKeyTables, of: plan.table, state)
    var positions: [Int] = []
    for id in plan.columns {
      guard let position = writer.position(of: id) else {
        throw SQLError(.internalError, "the plan names a column that the table lacks")
      }
      positions.append(position)
    }
    self.positions = positions
    let given = Set(plan.columns)
    rowIDPosition = plan.table.columns.firstIndex { column in
      column.isHidden && !given.contains(column.id)
        && plan.table.primaryIndex.keyColumns.contains { $0.columnID == column.id }
    }
    if case .skip(let indexes) = plan.conflict { skippedIndexes = Set(indexes) } else { skippedIndexes = [] }
  }

  nonisolated(nonsending) func run() async throws(SQLError) {
    try await insertAll()
    try await foreignKeys?.keep()
  }

  private nonisolated(nonsending) func insertAll() async throws(SQLError) {
    let source = state.source(plan.source)
    if plan.source.readsTables {
      // Everything is read before the first row is written: a statement does not see its own rows.
      let rows = try await source.collect(state)
      var start = 0
      while start < rows.count {
        let end = min(start + state.limits.batchRows, rows.count)
        try await insert(Array(rows[start..<end]))
        start = end
      }
      return
    }
    while let batch = try await source.next() { try await insert(batch) }
  }

  private nonisolated(nonsending) func insert(_ batch: [[Datum]]) async throws(SQLError) {
    if batch.isEmpty { return }
    var rows: [[Datum]] = []
    rows.reserveCapacity(batch.count)
    for values in batch { rows.append(try fullRow(values)) }
    var entries: [[IndexEntryEncoder.Entry?]] = []
    entries.reserveCapacity(rows.count)
    for row in rows { entries.append(try writer.newEntries(of: row, &state.context)) }
    let isSkipping = if case .skip = plan.conflict { true } else { false }
    if isSkipping || !state.access.checksInsertsAtCommit {
      let kept = try await withoutConflicts(rows, entries)
      if kept.count < rows.count {
        rows = kept.map { rows[$0] }
        entries = kept.map { entries[$0] }
      }
    } else if batch.count > 1 || !written.isEmpty {
      for (row, entry) in zip(rows, entries) { try recordKeys(row, entry) }
    }
    var mutations: [TableMutation] = []
    mutations.reserveCapacity(rows.count * writer.indexes.count)
    for (row, entry) in zip(rows, entries) {
      for (index, entry) in zip(writer.indexes, entry) {
        guard let entry else { continue }
        let kind: TableMutation.Kind = index.insertEncoder.isConstraining(row) ? .insert : .put
        mutations.append(writer.mutation(kind, index, key: entry.key, value: entry.value))
      }
    }
    if !mutations.isEmpty { try await state.access.write(table: plan.table, mutations: mutations) }
    if let foreignKeys { for row in rows { try foreignKeys.inserted(row, of: writer) } }
    affectedRows += rows.count
    try await appendReturned(rows)
  }

  private func fullRow(_ values: [Datum]) throws(SQLError) -> [Datum] {
    guard values.count == positions.count else {
      throw SQLError(.internalError, "the source yields \(values.count) values for \(positions.count) columns")
    }
    var row = [Datum](repeating: .null, count: plan.table.columns.count)
    writer.fillNew(&row)
    for (value, position) in zip(values, positions) { row[position] = value }
    if let rowIDPosition { row[rowIDPosition] = .integer(state.access.nextRowID()) }
    try writer.check(&row, &state.context)
    return row
  }

  /// Positions of the rows that meet no entry of a unique index, in the order of the rows. Throws 23505 for a conflict
  /// that `ON CONFLICT` does not cover.
  private nonisolated(nonsending) func withoutConflicts(
    _ rows: [[Datum]], _ entries: [[IndexEntryEncoder.Entry?]]
  ) async throws(SQLError) -> [Int] {
    var existing: [Set<[UInt8]>] = []
    for (position, index) in writer.indexes.enumerated() {
      guard index.isWritable, index.insertEncoder.isUnique else {
        existing.append([])
        continue
      }
      var keys: [[UInt8]] = []
      for (row, entry) in zip(rows, entries) {
        if let entry = entry[position], index.insertEncoder.isConstraining(row) { keys.append(entry.key) }
      }
      if keys.isEmpty {
        existing.append([])
        continue
      }
      let values = try await state.access.get(table: plan.table, index: index.descriptor, keys: keys)
      existing.append(Set(zip(keys, values).compactMap { $1 == nil ? nil : $0 }))
    }
    var kept: [Int] = []
    for (number, row) in rows.enumerated() {
      var isSkipped = false
      for (position, index) in writer.indexes.enumerated() {
        guard let entry = entries[number][position], index.insertEncoder.isConstraining(row) else { continue }
        guard existing[position].contains(entry.key) || written.contains(entry.key) else { continue }
        guard skippedIndexes.contains(index.descriptor.id) else { throw writer.duplicate(index, row) }
        isSkipped = true
        break
      }
      if isSkipped { continue }
      try recordKeys(row, entries[number])
      kept.append(number)
    }
    return kept
  }

  /// Throws 23505 if the statement has written a key before.
  private func recordKeys(_ row: [Datum], _ entries: [IndexEntryEncoder.Entry?]) throws(SQLError) {
    for (index, entry) in zip(writer.indexes, entries) {
      guard let entry, index.insertEncoder.isConstraining(row) else { continue }
      guard written.insert(entry.key).inserted else { throw writer.duplicate(index, row) }
      try state.hold(bytes: entry.key.count + 64)
    }
  }

  private nonisolated(nonsending) func appendReturned(_ rows: [[Datum]]) async throws(SQLError) {
    guard let returning = plan.returning else { return }
    for row in rows {
      let output = try await state.values(of: returning, over: row)
      try state.hold(output)
      returned.append(output)
    }
  }
}

extension QueryPlan {
  /// Whether any part of it reads a table.
  var readsTables: Bool {
    switch self {
    case .scan, .lookupJoin, .lockRows: true
    case .values, .series: false
    case .filter(let input, _), .project(let input, _), .limit(let input, _, _), .distinct(let input):
      input.readsTables
    case .hashJoin(let join): join.left.readsTables || join.right.readsTables
    case .nestedLoopJoin(let join): join.left.readsTables || join.right.readsTables
    case .apply(let apply): apply.input.readsTables || apply.subquery.readsTables
    case .setProjection(let sets): sets.input.readsTables
    case .aggregate(let aggregate): aggregate.input.readsTables
    case .sort(let sort): sort.input.readsTables
    case .append(let inputs): inputs.contains { $0.readsTables }
    }
  }
}
