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

  private(set) var affectedRows = 0
  private(set) var returned: [[Datum]] = []

  init(_ plan: UpdatePlan, _ state: ExecutionState) throws(SQLError) {
    self.state = state
    source = plan.source
    returning = plan.returning
    let writer = state.cache.writer(for: plan.target.table)
    self.writer = writer
    locker = RowLocker(writer: writer, recheck: plan.target.recheck, wait: .untilGranted)
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
    change = .delete
  }

  nonisolated(nonsending) func run() async throws(SQLError) {
    // Everything is read before the first row is written: a statement does not see its own changes.
    let rows = try await state.source(source).collect(state)
    let locked = try await locker.lock(rows, state)
    var seen: Set<[UInt8]> = []
    var batch = Batch()
    for (key, stored) in locked {
      // A join may name a row several times; it is changed once.
      if locked.count > 1, !seen.insert(key).inserted { continue }
      affectedRows += 1
      var row = stored
      writer.fillExisting(&row, &state.context)
      switch change {
      case .delete:
        try delete(row, into: &batch)
        try await appendReturned(row)
      case .update(let assignments):
        let new = try await updated(row, assignments)
        try update(row, to: new, into: &batch)
        try await appendReturned(new)
      }
    }
    if batch.isEmpty { return }
    try await checkUnique(batch)
    try await state.access.write(table: writer.table, mutations: batch.mutations(writer))
  }

  // MARK: Rows

  private nonisolated(nonsending) func updated(
    _ row: [Datum], _ assignments: [(position: Int, value: Expression)]
  ) async throws(SQLError) -> [Datum] {
    var new = row
    let values = try await state.values(of: assignments.map(\.value), over: row)
    for (assignment, value) in zip(assignments, values) { new[assignment.position] = value }
    try writer.check(&new, &state.context)
    return new
  }

  /// The entries to remove and to write, by key: a key that is removed and written is written.
  private struct Batch {
    struct Write {
      let index: Int
      let entry: IndexEntryEncoder.Entry
      /// The key is new and may exist only once.
      let isConstraining: Bool
      let row: [Datum]
    }
    var removed: [(index: Int, key: [UInt8])] = []
    var removedKeys: Set<[UInt8]> = []
    var writes: [Write] = []

    var isEmpty: Bool { removed.isEmpty && writes.isEmpty }

    func mutations(_ writer: RowWriter) -> [TableMutation] {
      var mutations: [TableMutation] = []
      mutations.reserveCapacity(removed.count + writes.count)
      let writtenKeys = removed.isEmpty ? [] : Set(writes.map(\.entry.key))
      for (index, key) in removed where !writtenKeys.contains(key) {
        mutations.append(writer.mutation(.delete, writer.indexes[index], key: key))
      }
      for write in writes {
        let kind: TableMutation.Kind =
          write.isConstraining && !removedKeys.contains(write.entry.key) ? .insert : .put
        mutations.append(
          writer.mutation(kind, writer.indexes[write.index], key: write.entry.key, value: write.entry.value))
      }
      return mutations
    }
  }

  private func delete(_ row: [Datum], into batch: inout Batch) throws(SQLError) {
    for (number, index) in writer.indexes.enumerated() {
      try remove(index.updateEncoder.key(of: row), number, from: &batch)
    }
  }

  private func remove(_ key: [UInt8], _ index: Int, from batch: inout Batch) throws(SQLError) {
    try state.hold(bytes: key.count * 2 + 128)
    batch.removed.append((index, key))
    batch.removedKeys.insert(key)
  }

  private func update(_ old: [Datum], to new: [Datum], into batch: inout Batch) throws(SQLError) {
    for (number, index) in writer.indexes.enumerated() {
      let oldKey = index.updateEncoder.key(of: old)
      guard index.isWritable else {
        // Delete-only: the old entry goes, and none is written.
        try remove(oldKey, number, from: &batch)
        continue
      }
      let entry = index.updateEncoder.entry(for: new)
      let isMoved = entry.key != oldKey
      if !isMoved, !index.isPrimary, index.updateEncoder.value(of: old) == entry.value { continue }
      if isMoved { try remove(oldKey, number, from: &batch) }
      try state.hold(bytes: entry.key.count + entry.value.count + 128)
      batch.writes.append(
        Batch.Write(
          index: number, entry: entry, isConstraining: isMoved && index.updateEncoder.isConstraining(new), row: new))
    }
  }

  /// Throws 23505 where a moved entry meets another one, of this statement or in the table.
  private nonisolated(nonsending) func checkUnique(_ batch: Batch) async throws(SQLError) {
    let constraining = batch.writes.filter(\.isConstraining)
    if constraining.isEmpty { return }
    var seen: Set<[UInt8]> = []
    for write in constraining where !seen.insert(write.entry.key).inserted {
      throw writer.duplicate(writer.indexes[write.index], write.row)
    }
    // Rows of the batch that stay where they are hold their keys too.
    for write in batch.writes where !write.isConstraining && seen.contains(write.entry.key) {
      throw writer.duplicate(writer.indexes[write.index], write.row)
    }
    if state.access.checksInsertsAtCommit { return }
    for number in writer.indexes.indices {
      let index = writer.indexes[number]
      let mine = constraining.filter { $0.index == number && !batch.removedKeys.contains($0.entry.key) }
      if mine.isEmpty { continue }
      let found = try await state.access.get(
        table: writer.table, index: index.descriptor, keys: mine.map(\.entry.key))
      for (write, value) in zip(mine, found) where value != nil { throw writer.duplicate(index, write.row) }
    }
  }

  private nonisolated(nonsending) func appendReturned(_ row: [Datum]) async throws(SQLError) {
    guard let returning else { return }
    let output = try await state.values(of: returning, over: row)
    try state.hold(output)
    returned.append(output)
  }
}
