import Basics
import Catalog
import KeyValue
import SQLValues

/// Rows of one table that a statement removes or gives other values, collected, then written at once.
final class RowChanges {
  let writer: RowWriter
  private let state: ExecutionState
  private var batch = Batch()

  init(_ writer: RowWriter, _ state: ExecutionState) {
    self.writer = writer
    self.state = state
  }

  /// Throws 23505 for a key that is there already.
  nonisolated(nonsending) func write() async throws(SQLError) {
    if batch.isEmpty { return }
    try await checkUnique()
    try await state.access.write(table: writer.table, mutations: batch.mutations(writer))
    batch = Batch()
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

  func delete(_ row: [Datum]) throws(SQLError) {
    for (number, index) in writer.indexes.enumerated() {
      // Under the key that it would have, a row without entry could meet another's.
      guard index.updateEncoder.mayInclude(row, &state.context) else { continue }
      try remove(index.updateEncoder.key(of: row), number)
    }
  }

  private func remove(_ key: [UInt8], _ index: Int) throws(SQLError) {
    try state.hold(bytes: key.count * 2 + 128)
    batch.removed.append((index, key))
    batch.removedKeys.insert(key)
  }

  func update(_ old: [Datum], to new: [Datum]) throws(SQLError) {
    for (number, index) in writer.indexes.enumerated() {
      let oldKey = index.updateEncoder.mayInclude(old, &state.context) ? index.updateEncoder.key(of: old) : nil
      guard index.isWritable, let entry = try index.updateEncoder.entry(ifIncluded: new, &state.context) else {
        // Delete-only, or the row leaves a partial index: the old entry goes, and none is written.
        if let oldKey { try remove(oldKey, number) }
        continue
      }
      let isMoved = entry.key != oldKey
      if !isMoved, !index.isPrimary, index.updateEncoder.value(of: old) == entry.value { continue }
      if isMoved, let oldKey { try remove(oldKey, number) }
      try state.hold(bytes: entry.key.count + entry.value.count + 128)
      batch.writes.append(
        Batch.Write(
          index: number, entry: entry, isConstraining: isMoved && index.updateEncoder.isConstraining(new), row: new))
    }
  }

  /// Throws 23505 where a moved entry meets another one, of this statement or in the table.
  private nonisolated(nonsending) func checkUnique() async throws(SQLError) {
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
}
