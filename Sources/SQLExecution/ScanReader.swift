import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// Reads the rows of a `ScanPlan`: prepared once, used for one scan or for every batch of a lookup join.
final class ScanReader {
  let plan: ScanPlan
  let index: IndexDescriptor
  private let state: ExecutionState
  private let layout: KeyValue.RowLayout
  private let lookup: Lookup?

  /// The way from an index entry to its row.
  private struct Lookup {
    let layout: KeyValue.RowLayout
    let filter: Expression?
    let output: [Int]
    let keyEncoder: IndexEntryEncoder
  }

  init(_ plan: ScanPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    index = plan.index
    layout = KeyValue.RowLayout(table: plan.table, columnIDs: plan.columns)
    lookup = plan.lookup.map {
      Lookup(
        layout: KeyValue.RowLayout(table: plan.table, columnIDs: $0.columns), filter: $0.filter, output: $0.output,
        keyEncoder: IndexEntryEncoder(
          table: plan.table, index: plan.table.primaryIndex, rowColumns: plan.columns))
    }
  }

  // MARK: Keys

  /// The key of a range that names one entry; nil if a value is NULL.
  func key(of range: KeyRange, row: [Datum]) throws(SQLError) -> [UInt8]? {
    var key = KeyEncoding.prefix(table: plan.table.id, index: index.id)
    for (expression, column) in zip(range.equal, index.keyColumns) {
      let value = try expression.evaluate(row, &state.context)
      if value.isNull { return nil }
      KeyEncoding.append(value, isDescending: column.isDescending, to: &key)
    }
    return key
  }

  /// nil for an empty interval.
  func span(of range: KeyRange, row: [Datum]) throws(SQLError) -> KeySpan? {
    var prefix: [Datum] = []
    for expression in range.equal {
      let value = try expression.evaluate(row, &state.context)
      if value.isNull { return nil }
      prefix.append(value)
    }
    func bound(_ bound: SQLPlanner.KeyBound?) throws(SQLError) -> (isEmpty: Bool, bound: KeyValue.KeyBound?) {
      guard let bound else { return (false, nil) }
      let value = try bound.value.evaluate(row, &state.context)
      return (value.isNull, KeyValue.KeyBound(value, isInclusive: bound.isInclusive))
    }
    let lower = try bound(range.lower)
    let upper = try bound(range.upper)
    if lower.isEmpty || upper.isEmpty { return nil }
    let span = KeySpan.constrained(
      table: plan.table.id, index: index, prefix: prefix, lower: lower.bound, upper: upper.bound)
    return span.isEmpty ? nil : span
  }

  /// The spans of all ranges, ascending, without overlaps.
  func spans(row: [Datum]) throws(SQLError) -> [KeySpan] {
    var spans: [KeySpan] = []
    for range in plan.ranges { if let span = try span(of: range, row: row) { spans.append(span) } }
    if spans.count < 2 { return spans }
    spans.sort { $0.start.lexicographicallyPrecedes($1.start) }
    var merged: [KeySpan] = [spans[0]]
    for span in spans.dropFirst() {
      let last = merged[merged.count - 1]
      if last.end.lexicographicallyPrecedes(span.start) {
        merged.append(span)
      } else if last.end.lexicographicallyPrecedes(span.end) {
        merged[merged.count - 1].end = span.end
      }
    }
    return merged
  }

  // MARK: Rows

  /// The rows of entries named by keys, in the order of the keys; nil where there is none or a filter does not hold.
  nonisolated(nonsending) func rows(keys: [[UInt8]]) async throws(SQLError) -> [[Datum]?] {
    if keys.isEmpty { return [] }
    let values = try await state.access.get(table: plan.table, index: index, keys: keys)
    guard values.count == keys.count else { throw SQLError(.internalError, "a get answered other keys than asked") }
    var entries: [[Datum]?] = []
    entries.reserveCapacity(values.count)
    for value in values { entries.append(try value.map { value throws(SQLError) in try decode(value) } ?? nil) }
    if lookup != nil { return try await lookedUp(entries) }
    return entries.map { entry in entry.map { entry in plan.output.map { entry[$0] } } }
  }

  private func decode(_ value: [UInt8]) throws(SQLError) -> [Datum]? {
    let row: [Datum]
    do {
      row = try layout.decode(value)
    } catch {
      throw corrupted(error, in: plan.table)
    }
    if let filter = plan.filter, !(try filter.holds(row, &state.context)) { return nil }
    return row
  }

  /// Rows of the primary index for decoded entries of this one.
  nonisolated(nonsending) func lookedUp(_ entries: [[Datum]?]) async throws(SQLError) -> [[Datum]?] {
    guard let lookup else { return entries }
    var keys: [[UInt8]] = []
    for case let entry? in entries { keys.append(lookup.keyEncoder.key(of: entry)) }
    if keys.isEmpty { return entries }
    let values = try await state.access.get(table: plan.table, index: plan.table.primaryIndex, keys: keys)
    guard values.count == keys.count else { throw SQLError(.internalError, "a get answered other keys than asked") }
    var result: [[Datum]?] = []
    result.reserveCapacity(entries.count)
    var next = 0
    for entry in entries {
      guard entry != nil else {
        result.append(nil)
        continue
      }
      defer { next += 1 }
      guard let value = values[next] else {
        result.append(nil)
        continue
      }
      let row: [Datum]
      do {
        row = try lookup.layout.decode(value)
      } catch {
        throw corrupted(error, in: plan.table)
      }
      if let filter = lookup.filter, !(try filter.holds(row, &state.context)) {
        result.append(nil)
      } else {
        result.append(lookup.output.map { row[$0] })
      }
    }
    return result
  }

  // MARK: Scans

  /// What the storage nodes do, and what is left to do here.
  struct Pushdown {
    var specification: ScanSpecification
    /// Applies to the decoded entry; outputs are taken afterwards.
    var localFilter: Expression?
    var localOutput: [Int]?
  }

  /// The filter is sent along if it is immutable once parameters and the statement's constants are put in.
  func pushdown() -> Pushdown {
    let bound = plan.filter.map { bind($0) }
    let isLocal = bound.map { $0.volatility != .immutable } ?? false
    let output = lookup == nil ? plan.output : nil
    if isLocal {
      return Pushdown(
        specification: ScanSpecification(layout: layout), localFilter: plan.filter, localOutput: output)
    }
    return Pushdown(specification: ScanSpecification(layout: layout, filter: bound, outputs: output))
  }

  /// Parameters and parts that are constant within the statement become constants. A part that fails stays, so that it
  /// fails only for a row that needs it.
  private func bind(_ expression: Expression) -> Expression {
    if case .constant = expression { return expression }
    if expression.volatility != .volatile, expression.columns.isEmpty,
      let value = try? expression.evaluate([], &state.context)
    {
      return .constant(value, expression.type)
    }
    return expression.mapChildren { bind($0) }
  }

  /// Applies what was not pushed down.
  func finish(_ rows: [[Datum]], _ pushdown: Pushdown) throws(SQLError) -> [[Datum]] {
    guard pushdown.localFilter != nil || pushdown.localOutput != nil else { return rows }
    var result: [[Datum]] = []
    for row in rows {
      if let filter = pushdown.localFilter, !(try filter.holds(row, &state.context)) { continue }
      result.append(pushdown.localOutput.map { $0.map { row[$0] } } ?? row)
    }
    return result
  }

  /// Whether rows reach the caller as the storage nodes count them, so that a limit may be sent along.
  func mayLimit(_ pushdown: Pushdown) -> Bool { pushdown.localFilter == nil && lookup?.filter == nil }

  var hasLookup: Bool { lookup != nil }
}

/// A scan, or gets where every range names one entry.
final class ScanSource: RowSource {
  private let reader: ScanReader
  private let plan: ScanPlan
  private let state: ExecutionState
  private var isStarted = false
  private var keys: [[UInt8]]?
  /// Spans not yet read; the next is the last.
  private var spans: [KeySpan] = []
  private var pushdown: ScanReader.Pushdown?
  /// Entries read from the index whose rows are not looked up yet.
  private var pending: [[Datum]] = []
  private var remaining: Int?

  /// Rows looked up in the primary index at a time, growing from the first.
  private var lookupRows = 64

  init(_ plan: ScanPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    reader = ScanReader(plan, state)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    if !isStarted { try start() }
    if remaining == 0 { return nil }
    guard var batch = try await nextUnlimited() else { return nil }
    if let wanted = remaining {
      if batch.count > wanted { batch.removeLast(batch.count - wanted) }
      remaining = wanted - batch.count
    }
    return batch
  }

  private func start() throws(SQLError) {
    isStarted = true
    remaining = try state.count(plan.limit, clause: "LIMIT")
    if plan.isPointLookup {
      var found: [[UInt8]] = []
      for range in plan.ranges { if let key = try reader.key(of: range, row: []) { found.append(key) } }
      if found.count > 1 {
        found.sort { $0.lexicographicallyPrecedes($1) }
        var last: [UInt8]?
        found.removeAll { key in
          defer { last = key }
          return key == last
        }
        if plan.isReverse { found.reverse() }
      }
      keys = found
    } else {
      spans = try reader.spans(row: [])
      if !plan.isReverse { spans.reverse() }
      pushdown = reader.pushdown()
    }
  }

  private nonisolated(nonsending) func nextUnlimited() async throws(SQLError) -> [[Datum]]? {
    if let keys {
      if keys.isEmpty { return nil }
      let count = min(keys.count, state.limits.batchRows)
      self.keys = count == keys.count ? [] : Array(keys[count...])
      return try await reader.rows(keys: count == keys.count ? keys : Array(keys[..<count])).compactMap { $0 }
    }
    guard let pushdown else { return nil }
    if !pending.isEmpty { return try await lookUpPending() }
    guard let span = spans.last else { return nil }
    let request = ScanRequest(
      table: plan.table, index: reader.index, span: span, specification: pushdown.specification,
      isReverse: plan.isReverse, rowLimit: reader.mayLimit(pushdown) ? remaining : nil)
    let answer = try await state.access.scan(request)
    spans.removeLast()
    if let rest = answer.remainder, !rest.isEmpty { spans.append(rest) }
    let rows: [[Datum]]
    do {
      rows = try answer.rows.rows()
    } catch {
      throw corrupted(error, in: plan.table)
    }
    let finished = try reader.finish(rows, pushdown)
    guard reader.hasLookup else { return finished }
    pending = finished
    return try await lookUpPending()
  }

  private nonisolated(nonsending) func lookUpPending() async throws(SQLError) -> [[Datum]] {
    let count = min(pending.count, lookupRows)
    lookupRows = min(lookupRows * 4, 4_096)
    let entries = Array(pending[..<count])
    pending.removeFirst(count)
    return try await reader.lookedUp(entries).compactMap { $0 }
  }
}
