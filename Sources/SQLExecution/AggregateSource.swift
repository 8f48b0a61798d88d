import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

/// Groups in a hash table; they come in the order in which their first rows came.
final class AggregateSource: RowSource {
  private let plan: AggregatePlan
  private let state: ExecutionState
  private var isDone = false
  private var groups: [(key: [Datum], states: [AggregateState])] = []
  private var nextGroup = 0

  init(_ plan: AggregatePlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    if !isDone {
      try await consume()
      isDone = true
    }
    guard nextGroup < groups.count else { return nil }
    let end = min(nextGroup + state.limits.batchRows, groups.count)
    var output: [[Datum]] = []
    output.reserveCapacity(end - nextGroup)
    for group in groups[nextGroup..<end] {
      var row = group.key
      for aggregate in group.states { row.append(try aggregate.result()) }
      output.append(row)
    }
    nextGroup = end
    return output
  }

  private nonisolated(nonsending) func consume() async throws(SQLError) {
    let input = state.source(plan.input)
    let calls = plan.calls
    let initial = calls.map { AggregateState($0) }
    if plan.groupBy.isEmpty {
      var states = initial
      while let batch = try await input.next() {
        try await state.access.checkpoint()
        var held = 0
        for row in batch {
          for index in calls.indices { try states[index].add(calls[index], row: row, &state.context) }
        }
        for aggregate in states { held += aggregate.heldValueCount * 64 }
        try state.hold(bytes: held)
        state.release(bytes: held)
      }
      groups = [([], states)]
      return
    }
    var positions: [DatumKey: Int] = [:]
    while let batch = try await input.next() {
      try await state.access.checkpoint()
      for row in batch {
        var key: [Datum] = []
        key.reserveCapacity(plan.groupBy.count)
        for expression in plan.groupBy { key.append(try expression.evaluate(row, &state.context)) }
        let position: Int
        if let known = positions[DatumKey(key)] {
          position = known
        } else {
          position = groups.count
          positions[DatumKey(key)] = position
          try state.hold(bytes: ExecutionState.size(of: key) + 64 + calls.count * 96)
          groups.append((key, initial))
        }
        for index in calls.indices {
          let before = groups[position].states[index].heldValueCount
          try groups[position].states[index].add(calls[index], row: row, &state.context)
          let grown = groups[position].states[index].heldValueCount - before
          if grown > 0 { try state.hold(bytes: grown * 64) }
        }
      }
    }
  }
}
