import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

extension ExecutionState {
  /// The operator tree of a plan. Nothing is read before `next`.
  func source(_ plan: QueryPlan) -> any RowSource {
    switch plan {
    case .scan(let scan): ScanSource(scan, self)
    case .values(let values): ValuesSource(values, self)
    case .series(let series): SeriesSource(series, self)
    case .filter(let input, let condition): FilterSource(source(input), condition, self)
    case .project(let input, let expressions): ProjectSource(source(input), expressions, self)
    case .hashJoin(let join): HashJoinSource(join, self)
    case .nestedLoopJoin(let join): NestedLoopJoinSource(join, self)
    case .lookupJoin(let join): LookupJoinSource(join, self)
    case .apply(let apply): ApplySource(apply, self)
    case .setProjection(let sets): SetProjectionSource(sets, self)
    case .aggregate(let aggregate): AggregateSource(aggregate, self)
    case .sort(let sort): SortSource(sort, self)
    case .limit(let input, let count, let offset): LimitSource(source(input), count, offset, self)
    case .distinct(let input): DistinctSource(source(input), self)
    case .append(let inputs): AppendSource(inputs, self)
    case .lockRows(let lock): LockRowsSource(lock, self)
    }
  }
}

/// Rows of expressions.
final class ValuesSource: RowSource {
  private let plan: ValuesPlan
  private let state: ExecutionState
  private var position = 0

  init(_ plan: ValuesPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard position < plan.rows.count else { return nil }
    try await state.access.checkpoint()
    let end = min(position + state.limits.batchRows, plan.rows.count)
    var batch: [[Datum]] = []
    batch.reserveCapacity(end - position)
    for expressions in plan.rows[position..<end] { batch.append(try await state.values(of: expressions, over: [])) }
    position = end
    return batch
  }
}

/// `generate_series`.
final class SeriesSource: RowSource {
  private let plan: SeriesPlan
  private let state: ExecutionState
  private var current: Datum?
  private var last = Datum.null
  private var step = Datum.null
  private var isAscending = true
  private var isStarted = false

  init(_ plan: SeriesPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    if !isStarted { try start() }
    guard current != nil else { return nil }
    try await state.access.checkpoint()
    var batch: [[Datum]] = []
    while let value = current, batch.count < state.limits.batchRows {
      let order = Datum.compare(value, last)
      if isAscending ? order > 0 : order < 0 {
        current = nil
        break
      }
      batch.append([value])
      current = try successor(of: value)
    }
    return batch
  }

  private func start() throws(SQLError) {
    isStarted = true
    let first = try plan.first.evaluate([], &state.context)
    last = try plan.last.evaluate([], &state.context)
    step = try plan.step.evaluate([], &state.context)
    if first.isNull || last.isNull || step.isNull { return }
    let sign: Int
    switch step {
    case .integer(let value): sign = value.signum() == 0 ? 0 : value > 0 ? 1 : -1
    case .decimal(let value):
      guard value.isFinite else {
        throw SQLError(.invalidParameterValue, "step size cannot be \(value.isNaN ? "NaN" : "infinity")")
      }
      sign = value.signum
    case .interval(let value): sign = value.totalMicroseconds == 0 ? 0 : value.totalMicroseconds > 0 ? 1 : -1
    default: throw SQLError(.internalError, "generate_series over values without steps")
    }
    if sign == 0 { throw SQLError(.invalidParameterValue, "step size cannot equal zero") }
    isAscending = sign > 0
    current = first
  }

  /// nil where the type ends.
  private func successor(of value: Datum) throws(SQLError) -> Datum? {
    switch (value, step) {
    case (.integer(let number), .integer(let step)):
      let (sum, overflow) = number.addingReportingOverflow(step)
      return overflow ? nil : .integer(sum)
    case (.decimal(let number), .decimal(let step)): return .decimal(try Decimal.add(number, step))
    case (.timestamp(let time), .interval(let step)):
      return .timestamp(try DateTimeArithmetic.add(step, to: time))
    default: throw SQLError(.internalError, "generate_series over values without steps")
    }
  }
}

final class FilterSource: RowSource {
  private let input: any RowSource
  private let condition: Expression
  private let callsSequences: Bool
  private let state: ExecutionState

  init(_ input: any RowSource, _ condition: Expression, _ state: ExecutionState) {
    self.input = input
    self.condition = condition
    callsSequences = condition.callsSequences
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await input.next() else { return nil }
    var kept: [[Datum]] = []
    if callsSequences {
      for row in batch where try await state.holds(condition, over: row) { kept.append(row) }
      return kept
    }
    for row in batch where try condition.holds(row, &state.context) { kept.append(row) }
    return kept
  }
}

final class ProjectSource: RowSource {
  private let input: any RowSource
  private let expressions: [Expression]
  private let callsSequences: Bool
  private let state: ExecutionState

  init(_ input: any RowSource, _ expressions: [Expression], _ state: ExecutionState) {
    self.input = input
    self.expressions = expressions
    callsSequences = expressions.contains { $0.callsSequences }
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await input.next() else { return nil }
    var result: [[Datum]] = []
    result.reserveCapacity(batch.count)
    if callsSequences {
      for row in batch { result.append(try await state.values(of: expressions, over: row)) }
      return result
    }
    for row in batch {
      var output: [Datum] = []
      output.reserveCapacity(expressions.count)
      for expression in expressions { output.append(try expression.evaluate(row, &state.context)) }
      result.append(output)
    }
    return result
  }
}

final class LimitSource: RowSource {
  private let input: any RowSource
  private let count: Expression?
  private let offset: Expression?
  private let state: ExecutionState
  private var remaining: Int?
  private var toSkip = 0
  private var isStarted = false

  init(_ input: any RowSource, _ count: Expression?, _ offset: Expression?, _ state: ExecutionState) {
    self.input = input
    self.count = count
    self.offset = offset
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    if !isStarted {
      isStarted = true
      remaining = try state.count(count, clause: "LIMIT")
      toSkip = try state.count(offset, clause: "OFFSET") ?? 0
    }
    if remaining == 0 { return nil }
    guard var batch = try await input.next() else { return nil }
    if toSkip > 0 {
      let skipped = min(toSkip, batch.count)
      batch.removeFirst(skipped)
      toSkip -= skipped
    }
    if let wanted = remaining {
      if batch.count > wanted { batch.removeLast(batch.count - wanted) }
      remaining = wanted - batch.count
    }
    return batch
  }
}

final class DistinctSource: RowSource {
  private let input: any RowSource
  private let state: ExecutionState
  private var seen: Set<DatumKey> = []

  init(_ input: any RowSource, _ state: ExecutionState) {
    self.input = input
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await input.next() else { return nil }
    var kept: [[Datum]] = []
    for row in batch where seen.insert(DatumKey(row)).inserted {
      try state.hold(row)
      kept.append(row)
    }
    return kept
  }
}

final class AppendSource: RowSource {
  private var inputs: [any RowSource]

  init(_ plans: [QueryPlan], _ state: ExecutionState) {
    inputs = plans.reversed().map { state.source($0) }
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    while let input = inputs.last {
      if let batch = try await input.next() { return batch }
      inputs.removeLast()
    }
    return nil
  }
}
