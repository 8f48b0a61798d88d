import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

extension LockWait {
  init(_ waiting: LockWaiting) {
    self =
      switch waiting {
      case .block: .untilGranted
      case .skipLocked: .skipLocked
      case .noWait: .refuse
      }
  }
}

/// Locks rows and looks again at those that changed meanwhile.
struct RowLocker {
  let writer: RowWriter
  let recheck: Expression?
  let wait: LockWait

  /// The rows in their newest version, without those that are gone, no longer satisfy the condition, or are skipped; with
  /// their primary keys.
  nonisolated(nonsending) func lock(
    _ rows: [[Datum]], _ state: ExecutionState
  ) async throws(SQLError) -> [(key: [UInt8], row: [Datum])] {
    if rows.isEmpty { return [] }
    let keys = rows.map { writer.primaryKey(of: $0) }
    let locks = try await state.access.lock(table: writer.table, keys: keys, wait: wait)
    guard locks.count == keys.count else { throw SQLError(.internalError, "locks of other rows than asked") }
    var result: [(key: [UInt8], row: [Datum])] = []
    result.reserveCapacity(rows.count)
    for index in rows.indices {
      switch locks[index] {
      case .unchanged: result.append((keys[index], rows[index]))
      case .skipped, .changed(nil): break
      case .changed(let value?):
        let row = try writer.decode(value)
        if let recheck, !(try recheck.holds(row, &state.context)) { continue }
        result.append((keys[index], row))
      }
    }
    return result
  }
}

/// `SELECT … FOR UPDATE`.
final class LockRowsSource: RowSource {
  private let input: any RowSource
  private let locker: RowLocker
  private let state: ExecutionState

  init(_ plan: LockRowsPlan, _ state: ExecutionState) {
    input = state.source(plan.input)
    locker = RowLocker(
      writer: state.cache.writer(for: plan.target.table), recheck: plan.target.recheck, wait: LockWait(plan.waiting))
    self.state = state
  }

  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]? {
    guard let batch = try await input.next() else { return nil }
    return try await locker.lock(batch, state).map(\.row)
  }
}
