import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// `UPDATE` and `DELETE`: rows are read, locked, looked at again if they changed, and their entries replaced in every
/// index that is maintained.
final class ModifyExecution {
  private enum Change {
    case update([(position: Int, value: Expression)])
    case delete
  }

  private let source: QueryPlan
  private let change: Change
  private let returning: [Expression]?
  private let writer: RowWriter
  private let locker: RowLocker
  private let state: ExecutionState
  private let foreignKeys: ForeignKeyKeeper?

  private(set) var affectedRows = 0
  private(set) var returned: [[Datum]] = []

  init(_ plan: UpdatePlan, _ state: ExecutionState) throws(SQLError) {
    self.state = state
    source = plan.source
    returning = plan.returning
    let writer = state.cache.writer(for: plan.target.table)
    self.writer = writer
    locker = RowLocker(writer: writer, recheck: plan.target.recheck, wait: .untilGranted)
    foreignKeys = ForeignKeyKeeper(plan.foreignKeyTables, of: plan.target.table, state)
    var assignments: [(position: Int, value: Expression)] = []
    for assignment in plan.assignments {
      guard let position = writer.position(of: assignment.column) else {
        throw SQLError(.internalError, "the plan assigns a column that the table lacks")
      }
      assignments.append((position, assignment.value))
    }
    change = .update(assignments)
  }

  init(_ plan: DeletePlan, _ state: ExecutionState) {
    self.state = state
    source = plan.source
    returning = plan.returning
    writer = state.cache.writer(for: plan.target.table)
    locker = RowLocker(writer: writer, recheck: plan.target.recheck, wait: .untilGranted)
    foreignKeys = ForeignKeyKeeper(plan.foreignKeyTables, of: plan.target.table, state)
    change = .delete
  }

  nonisolated(nonsending) func run() async throws(SQLError) {
    // Everything is read before the first row is written: a statement does not see its own changes.
    let rows = try await state.source(source).collect(state)
    let locked = try await locker.lock(rows, state)
    var seen: Set<[UInt8]> = []
    let changes = RowChanges(writer, state)
    for (key, stored) in locked {
      // A join may name a row several times; it is changed once.
      if locked.count > 1, !seen.insert(key).inserted { continue }
      affectedRows += 1
      var row = stored
      writer.fillExisting(&row, &state.context)
      switch change {
      case .delete:
        try changes.delete(row)
        try foreignKeys?.deleted(row, of: writer)
        try await appendReturned(row)
      case .update(let assignments):
        let new = try await updated(row, assignments)
        try changes.update(row, to: new)
        try foreignKeys?.updated(row, to: new, of: writer)
        try await appendReturned(new)
      }
    }
    try await changes.write()
    try await foreignKeys?.keep()
  }

  // MARK: Rows

  private nonisolated(nonsending) func updated(
    _ row: [Datum], _ assignments: [(position: Int, value: Expression)]
  ) async throws(SQLError) -> [Datum] {
    var new = row
    let values = try await state.values(of: assignments.map(\.value), over: row)
    for (assignment, value) in zip(assignments, values) { new[assignment.position] = value }
    try await writer.fill(&new, state)
    try writer.check(&new, &state.context)
    return new
  }

  private nonisolated(nonsending) func appendReturned(_ row: [Datum]) async throws(SQLError) {
    guard let returning else { return }
    let output = try await state.values(of: returning, over: row)
    try state.hold(output)
    returned.append(output)
  }
}
