import Basics
import SQLExpressions
import SQLPlanner
import SQLValues

/// Sorts in memory, stable; with a limit keeps only the first rows.
final class SortSource: RowSource {
  private struct Item {
    let keys: [Datum]
    let row: [Datum]
    /// Position in the input: decides between equal keys.
    let sequence: Int
    let bytes: Int
  }

  private let plan: SortPlan
  private let state: ExecutionState
  private var items: [Item]?
  private var position = 0

  init(_ plan: SortPlan, _ state: ExecutionState) {
    self.plan = plan
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    let sorted: [Item]
    if let items {
      sorted = items
    } else {
      sorted = try await sort()
      items = sorted
    }
    guard position < sorted.count else { return nil }
    let end = min(position + state.limits.batchRows, sorted.count)
    defer { position = end }
    return sorted[position..<end].map(\.row)
  }

  private nonisolated(nonsending) func sort() async throws(SQLError) -> [Item] {
    let limit = try state.count(plan.limit, clause: "LIMIT")
    let input = state.source(plan.input)
    var items: [Item] = []
    var sequence = 0
    while let batch = try await input.next() {
      for row in batch {
        var keys: [Datum] = []
        keys.reserveCapacity(plan.keys.count)
        for key in plan.keys { keys.append(try key.expression.evaluate(row, &state.context)) }
        let bytes = ExecutionState.size(of: row) + ExecutionState.size(of: keys)
        try state.hold(bytes: bytes)
        items.append(Item(keys: keys, row: row, sequence: sequence, bytes: bytes))
        sequence += 1
      }
      // Twice the limit before cutting: each row is sorted a bounded number of times.
      if let limit, items.count > limit &* 2 &+ 1_024, limit < 1 << 30 { cut(&items, to: limit) }
    }
    items.sort(by: isBefore)
    if let limit, items.count > limit { items.removeLast(items.count - limit) }
    return items
  }

  private func cut(_ items: inout [Item], to limit: Int) {
    items.sort(by: isBefore)
    for item in items[limit...] { state.release(bytes: item.bytes) }
    items.removeLast(items.count - limit)
  }

  private func isBefore(_ left: Item, _ right: Item) -> Bool {
    for (index, key) in plan.keys.enumerated() {
      let a = left.keys[index]
      let b = right.keys[index]
      if a.isNull || b.isNull {
        if a.isNull && b.isNull { continue }
        return a.isNull == key.nullsFirst
      }
      let order = Datum.compare(a, b)
      if order != 0 { return key.isDescending ? order > 0 : order < 0 }
    }
    return left.sequence < right.sequence
  }
}
