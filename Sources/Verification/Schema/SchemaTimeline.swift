/// Which tables the name space can have had, and when: from the schema changes of a history.
///
/// Changes of one slot come one after the other. From the call of a change on its result is possible; until its answer what was before is.
struct SchemaTimeline {
  struct State {
    var table: TableModel?
    var possibleFrom: UInt64
    var possibleUntil: UInt64
  }

  /// The states of every slot, in order.
  private(set) var slots: [Int: [State]] = [:]
  private let slotOfName: [String: Int]

  init(_ history: History<SchemaAction>) {
    var slotOfName: [String: Int] = [:]
    for operation in history.operations {
      guard case .change(let change) = operation.action else { continue }
      if let name = change.after?.name { slotOfName[name] = change.slot }
      if let name = change.after?.view?.name { slotOfName[name] = change.slot }
      var states = slots[change.slot] ?? [State(table: nil, possibleFrom: 0, possibleUntil: .max)]
      let last = states.count - 1
      switch operation.outcome {
      case .ok:
        states[last].possibleUntil = operation.completed
        states.append(State(table: change.after, possibleFrom: operation.invoked, possibleUntil: .max))
      case .unknown:
        states.append(State(table: change.after, possibleFrom: operation.invoked, possibleUntil: .max))
      case .failed:
        // It may have been half-way: a unique index refuses writes before it is known to fail.
        states.insert(
          State(table: change.after, possibleFrom: operation.invoked, possibleUntil: operation.completed), at: last)
      }
      slots[change.slot] = states
    }
    self.slotOfName = slotOfName
  }

  /// What the name can have meant between two moments: every possible table of its slot.
  func tables(of name: String, _ from: UInt64, _ to: UInt64) -> [TableModel?] {
    guard let slot = slotOfName[name] else { return [nil] }
    return (slots[slot] ?? []).filter { $0.possibleFrom <= to && $0.possibleUntil >= from }.map(\.table)
  }

  /// The table of each slot in the end, as far as there is no doubt.
  var last: [(slot: Int, table: TableModel?)] {
    slots.keys.sorted().compactMap { slot in
      let possible = (slots[slot] ?? []).filter { $0.possibleUntil == .max }
      return possible.count == 1 ? (slot, possible[0].table) : nil
    }
  }
}
