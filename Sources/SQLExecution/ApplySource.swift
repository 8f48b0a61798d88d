import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

/// A subquery for each input row.
final class ApplySource: RowSource {
  private let plan: ApplyPlan
  private let state: ExecutionState
  private let input: any RowSource
  /// The subquery's rows, kept if they are the same for every input row.
  private var sharedRows: [[Datum]]?

  init(_ plan: ApplyPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    input = state.source(plan.input)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await input.next() else { return nil }
    var output: [[Datum]] = []
    output.reserveCapacity(batch.count)
    for row in batch {
      try await state.access.checkpoint()
      let rows = try await rows(for: row)
      output.append(row + [try result(rows, row)])
    }
    return output
  }

  private nonisolated(nonsending) func rows(for row: [Datum]) async throws(SQLError) -> [[Datum]] {
    if let sharedRows { return sharedRows }
    for outer in plan.outerValues {
      let value = try outer.value.evaluate(row, &state.context)
      guard outer.slot >= 0, outer.slot < state.context.parameters.count else {
        throw SQLError(.internalError, "no parameter slot \(outer.slot)")
      }
      state.context.parameters[outer.slot] = value
    }
    let rows = try await Subquery.rows(plan.subquery, wanted: plan.result.rowsWanted, state)
    if plan.outerValues.isEmpty {
      for row in rows { try state.hold(row) }
      sharedRows = rows
    }
    return rows
  }

  private func result(_ rows: [[Datum]], _ row: [Datum]) throws(SQLError) -> Datum {
    switch plan.result {
    case .scalar: return try Subquery.scalar(rows)
    case .exists: return .boolean(!rows.isEmpty)
    case .any(let comparison, let operand):
      return try quantified(rows, operand.evaluate(row, &state.context), comparison, decides: true)
    case .all(let comparison, let operand):
      return try quantified(rows, operand.evaluate(row, &state.context), comparison, decides: false)
    }
  }

  /// ANY is decided by the first true, ALL by the first false; NULL if none decides but one is unknown.
  private func quantified(
    _ rows: [[Datum]], _ operand: Datum, _ comparison: ComparisonOperator, decides: Bool
  ) throws(SQLError) -> Datum {
    var sawNull = false
    for row in rows {
      guard let value = row.first else { continue }
      if operand.isNull || value.isNull {
        sawNull = true
      } else if comparison.holds(Datum.compare(operand, value)) == decides {
        return .boolean(decides)
      }
    }
    return sawNull ? .null : .boolean(!decides)
  }
}

extension ApplyPlan.Result {
  /// How many rows decide; nil for all.
  fileprivate var rowsWanted: Int? {
    switch self {
    case .scalar: 2
    case .exists: 1
    case .any, .all: nil
    }
  }
}

enum Subquery {
  /// Reads no further than `wanted` rows.
  static nonisolated(nonsending) func rows(
    _ plan: QueryPlan, wanted: Int?, _ state: ExecutionState
  ) async throws(SQLError) -> [[Datum]] {
    let source = state.source(plan)
    var rows: [[Datum]] = []
    var held = 0
    while wanted.map({ rows.count < $0 }) ?? true, let batch = try await source.next() {
      for row in batch { held += ExecutionState.size(of: row) }
      rows.append(contentsOf: batch)
      try state.hold(bytes: held)
      state.release(bytes: held)
    }
    return rows
  }

  static func scalar(_ rows: [[Datum]]) throws(SQLError) -> Datum {
    guard rows.count <= 1 else {
      throw SQLError(.cardinalityViolation, "more than one row returned by a subquery used as an expression")
    }
    return rows.first?.first ?? .null
  }
}
