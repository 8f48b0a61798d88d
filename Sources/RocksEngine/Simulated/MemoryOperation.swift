/// One write of a batch, for the table of a family.
enum MemoryOperation: Sendable {
  case put(table: Int, key: [UInt8], value: [UInt8])
  case delete(table: Int, key: [UInt8])
  case deleteRange(table: Int, from: [UInt8], to: [UInt8])

  /// As RocksDB would encode it: a tag, the family, and what it names with lengths.
  var sizeBytes: Int {
    switch self {
    case .put(_, let key, let value): 4 + key.count + value.count
    case .delete(_, let key): 3 + key.count
    case .deleteRange(_, let lower, let upper): 4 + lower.count + upper.count
    }
  }
}

/// A written batch that power loss may still take back: what its keys held before, in the order it changed them.
struct UnsyncedBatch: Sendable {
  private struct Former: Sendable {
    let table: Int
    let key: [UInt8]
    /// Nil: the key was not there.
    let entry: MemoryEntry?
  }

  private var formers: [Former] = []
  private(set) var sizeBytes = 0

  /// Carries the operations out.
  init(applying operations: [MemoryOperation], to tables: inout [MemoryTable]) {
    formers.reserveCapacity(operations.count)
    for operation in operations {
      sizeBytes += operation.sizeBytes
      switch operation {
      case .put(let table, let key, let value):
        let former = tables[table].put(MemoryEntry(key: key, value: value))
        formers.append(Former(table: table, key: key, entry: former))
      case .delete(let table, let key):
        guard let former = tables[table].remove(key) else { continue }
        formers.append(Former(table: table, key: key, entry: former))
      case .deleteRange(let table, let lower, let upper):
        for former in tables[table].removeRange(from: lower, to: upper) {
          formers.append(Former(table: table, key: former.key, entry: former))
        }
      }
    }
  }

  /// Takes the batch back; later ones must have been taken back before.
  func undo(in tables: inout [MemoryTable]) {
    for former in formers.reversed() {
      if let entry = former.entry {
        tables[former.table].put(entry)
      } else {
        tables[former.table].remove(former.key)
      }
    }
  }
}
