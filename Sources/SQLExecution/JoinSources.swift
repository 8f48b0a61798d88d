import Basics
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// What all joins share: partners found for a left row become output rows by the kind of join.
struct JoinEmitter {
  let kind: JoinKind
  let condition: Expression?
  let nullRow: [Datum]

  init(kind: JoinKind, condition: Expression?, rightColumns: Int) {
    self.kind = kind
    self.condition = condition
    nullRow = Array(repeating: .null, count: rightColumns)
  }

  func emit(
    _ left: [Datum], candidates: some Sequence<[Datum]>, into output: inout [[Datum]], _ state: ExecutionState
  ) throws(SQLError) {
    var hasPartner = false
    for right in candidates {
      let row = left + right
      if let condition, !(try condition.holds(row, &state.context)) { continue }
      hasPartner = true
      switch kind {
      case .inner, .left: output.append(row)
      case .semi:
        output.append(left)
        return
      case .anti: return
      }
    }
    guard !hasPartner else { return }
    switch kind {
    case .left: output.append(left + nullRow)
    case .anti: output.append(left)
    case .inner, .semi: break
    }
  }
}

final class HashJoinSource: RowSource {
  private let plan: HashJoinPlan
  private let state: ExecutionState
  private let left: any RowSource
  private let emitter: JoinEmitter
  private var table: [DatumKey: [Int]]?
  private var rows: [[Datum]] = []
  private var rightHasNullKey = false

  init(_ plan: HashJoinPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    left = state.source(plan.left)
    emitter = JoinEmitter(
      kind: plan.kind, condition: plan.condition, rightColumns: plan.right.columnTypes.count)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    if table == nil { table = try await build() }
    guard let table, let batch = try await left.next() else { return nil }
    try await state.access.checkpoint()
    if plan.isNullAware, rightHasNullKey { return [] }
    var output: [[Datum]] = []
    for row in batch {
      guard let key = try key(plan.leftKeys, row) else {
        if plan.isNullAware, !rows.isEmpty { continue }
        try emitter.emit(row, candidates: [], into: &output, state)
        continue
      }
      try emitter.emit(row, candidates: (table[key] ?? []).lazy.map { self.rows[$0] }, into: &output, state)
    }
    return output
  }

  private nonisolated(nonsending) func build() async throws(SQLError) -> [DatumKey: [Int]] {
    rows = try await state.source(plan.right).collect(state)
    var table: [DatumKey: [Int]] = [:]
    for (position, row) in rows.enumerated() {
      guard let key = try key(plan.rightKeys, row) else {
        rightHasNullKey = true
        continue
      }
      table[key, default: []].append(position)
    }
    try state.hold(bytes: rows.count * 64)
    return table
  }

  /// nil if any part is NULL.
  private func key(_ expressions: [Expression], _ row: [Datum]) throws(SQLError) -> DatumKey? {
    var values: [Datum] = []
    values.reserveCapacity(expressions.count)
    for expression in expressions {
      let value = try expression.evaluate(row, &state.context)
      if value.isNull { return nil }
      values.append(value)
    }
    return DatumKey(values)
  }
}

final class NestedLoopJoinSource: RowSource {
  private let plan: NestedLoopJoinPlan
  private let state: ExecutionState
  private let left: any RowSource
  private let emitter: JoinEmitter
  private var rightRows: [[Datum]]?
  /// Left rows not yet joined; the next is the last.
  private var waiting: [[Datum]] = []

  init(_ plan: NestedLoopJoinPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    left = state.source(plan.left)
    emitter = JoinEmitter(
      kind: plan.kind, condition: plan.condition, rightColumns: plan.right.columnTypes.count)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    if rightRows == nil { rightRows = try await state.source(plan.right).collect(state) }
    if waiting.isEmpty {
      guard let batch = try await left.next() else { return nil }
      waiting = batch.reversed()
    }
    var output: [[Datum]] = []
    // One left row makes as many rows as there are right ones: stop when a batch is full.
    while output.count < state.limits.batchRows, let row = waiting.popLast() {
      try await state.access.checkpoint()
      try emitter.emit(row, candidates: rightRows ?? [], into: &output, state)
    }
    return output
  }
}

final class LookupJoinSource: RowSource {
  private let plan: LookupJoinPlan
  private let state: ExecutionState
  private let left: any RowSource
  private let reader: ScanReader
  private let emitter: JoinEmitter

  init(_ plan: LookupJoinPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    left = state.source(plan.left)
    reader = ScanReader(plan.right, state)
    emitter = JoinEmitter(
      kind: plan.kind, condition: plan.condition, rightColumns: plan.right.columnTypes.count)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await left.next() else { return nil }
    return plan.right.isPointLookup ? try await joinByKeys(batch) : try await joinByScans(batch)
  }

  /// One get for the keys of all left rows.
  private nonisolated(nonsending) func joinByKeys(_ batch: [[Datum]]) async throws(SQLError) -> [[Datum]] {
    var positions: [[UInt8]: Int] = [:]
    var keys: [[UInt8]] = []
    var wanted: [[Int]] = []
    for row in batch {
      var mine: [Int] = []
      for range in plan.right.ranges {
        guard let key = try reader.key(of: range, row: row) else { continue }
        let position = positions[key] ?? keys.count
        if position == keys.count {
          positions[key] = position
          keys.append(key)
        }
        if !mine.contains(position) { mine.append(position) }
      }
      wanted.append(mine)
    }
    let found = try await reader.rows(keys: keys)
    var output: [[Datum]] = []
    for (row, positions) in zip(batch, wanted) {
      try emitter.emit(row, candidates: positions.compactMap { found[$0] }, into: &output, state)
    }
    return output
  }

  private nonisolated(nonsending) func joinByScans(_ batch: [[Datum]]) async throws(SQLError) -> [[Datum]] {
    let pushdown = reader.pushdown()
    var output: [[Datum]] = []
    for row in batch {
      var candidates: [[Datum]] = []
      for span in try reader.spans(row: row) {
        var rest: KeySpan? = span
        while let span = rest {
          let answer = try await state.access.scan(
            ScanRequest(
              table: plan.right.table, index: reader.index, span: span, specification: pushdown.specification))
          let rows: [[Datum]]
          do {
            rows = try answer.rows.rows()
          } catch {
            throw corrupted(error, in: plan.right.table)
          }
          let entries = try reader.finish(rows, pushdown)
          candidates += reader.hasLookup ? try await reader.lookedUp(entries).compactMap { $0 } : entries
          rest = answer.remainder.flatMap { $0.isEmpty ? nil : $0 }
        }
      }
      try emitter.emit(row, candidates: candidates, into: &output, state)
    }
    return output
  }
}
