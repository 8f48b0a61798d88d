import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

/// Functions that yield rows, over each input row.
final class SetProjectionSource: RowSource {
  private let plan: SetProjectionPlan
  private let state: ExecutionState
  private let input: any RowSource

  init(_ plan: SetProjectionPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
    input = state.source(plan.input)
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await input.next() else { return nil }
    var output: [[Datum]] = []
    for row in batch {
      try await state.access.checkpoint()
      var columns: [[Datum]] = []
      for call in plan.calls {
        var arguments: [Datum] = []
        for argument in call.arguments { arguments.append(try argument.evaluate(row, &state.context)) }
        columns.append(try call.function.evaluate(arguments, &state.context))
      }
      for index in 0..<(columns.map(\.count).max() ?? 0) {
        var added = row
        for column in columns { added.append(index < column.count ? column[index] : .null) }
        if plan.hasOrdinality { added.append(.integer(Int64(index + 1))) }
        output.append(added)
      }
    }
    return output
  }
}
