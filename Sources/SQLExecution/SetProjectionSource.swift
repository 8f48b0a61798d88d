import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

/// Functions that yield rows, over each input row.
final class SetProjectionSource: RowSource {
  /// An input row on its way, with what the functions have yielded for it.
  private struct Current {
    let row: [Datum]
    let columns: [[Datum]]
    let count: Int
    let heldBytes: Int
    var next = 0
  }

  private let plan: SetProjectionPlan
  private let state: ExecutionState
  private let input: any RowSource
  private var batch: [[Datum]] = []
  private var nextRow = 0
  private var isDone = false
  private var current: Current?

  init(_ plan: SetProjectionPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    input = state.source(plan.input)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    var output: [[Datum]] = []
    while output.count < state.limits.batchRows {
      guard var present = current else {
        guard try await advance() else { break }
        continue
      }
      let end = min(present.count, present.next + state.limits.batchRows - output.count)
      for index in present.next..<end {
        var added = present.row
        for column in present.columns { added.append(index < column.count ? column[index] : .null) }
        if plan.hasOrdinality { added.append(.integer(Int64(index + 1))) }
        output.append(added)
      }
      present.next = end
      if end == present.count { state.release(bytes: present.heldBytes) }
      current = end == present.count ? nil : present
    }
    return output.isEmpty ? nil : output
  }

  /// Calls the functions for the next input row; false if there is none.
  private nonisolated(nonsending) func advance() async throws(SQLError) -> Bool {
    while nextRow == batch.count {
      guard !isDone, let more = try await input.next() else {
        isDone = true
        return false
      }
      batch = more
      nextRow = 0
    }
    try await state.access.checkpoint()
    let row = batch[nextRow]
    nextRow += 1
    var columns: [[Datum]] = []
    var heldBytes = 0
    for call in plan.calls {
      var arguments: [Datum] = []
      for argument in call.arguments { arguments.append(try argument.evaluate(row, &state.context)) }
      let values = try call.function.evaluate(arguments, &state.context)
      let bytes = ExecutionState.size(of: values)
      try state.hold(bytes: bytes)
      heldBytes += bytes
      columns.append(values)
    }
    current = Current(row: row, columns: columns, count: columns.map(\.count).max() ?? 0, heldBytes: heldBytes)
    return true
  }
}
