import Basics

/// What a simulated disk keeps of one database directory: the tables with everything that was written, and, for the
/// batches that no fsync covered yet, how to take them back. Guarded by the disk's lock.
final class StoredDirectory: @unchecked Sendable {
  private(set) var familyNames: [String] = []
  /// One for each family.
  private(set) var tables: [MemoryTable] = []
  /// Written but not durable, oldest first.
  private var unsynced: [UnsyncedBatch] = []
  private var unsyncedBytes = 0
  /// Batches written ever.
  private(set) var logPosition: UInt64 = 0
  /// A log longer than this is cut by flushing, which makes it durable.
  var maximumLogBytes = Int.max
  /// The handle that has the directory open.
  var openHandle: UInt64?
  private var handles: UInt64 = 0
  /// Where bit rot struck, by table.
  private var rotten: [(table: Int, key: [UInt8])] = []

  init() {}

  /// A checkpoint.
  init(copying other: StoredDirectory) {
    familyNames = other.familyNames
    tables = other.tables
  }

  var unsyncedCount: Int { unsynced.count }

  func takeHandle() -> UInt64 {
    handles += 1
    openHandle = handles
    return handles
  }

  /// The table of a family, which is created when it is missing.
  func tableIndex(ofFamily name: String) -> Int {
    if let index = familyNames.firstIndex(of: name) { return index }
    familyNames.append(name)
    tables.append(MemoryTable())
    return tables.count - 1
  }

  func write(_ operations: [MemoryOperation]) {
    let batch = UnsyncedBatch(applying: operations, to: &tables)
    unsynced.append(batch)
    unsyncedBytes += batch.sizeBytes
    logPosition += 1
    if unsyncedBytes > maximumLogBytes { makeDurable(through: logPosition) }
  }

  func makeDurable(through position: UInt64) {
    let first = logPosition - UInt64(unsynced.count)
    guard position > first else { return }
    let durable = unsynced.prefix(Int(clamping: position - first))
    unsyncedBytes -= durable.reduce(0) { $0 + $1.sizeBytes }
    unsynced.removeFirst(durable.count)
  }

  /// Power loss: of the batches that are not durable only the first `kept` stay; those are durable from now on.
  func loseUnsynced(keeping kept: Int) {
    while unsynced.count > kept, let last = unsynced.popLast() {
      last.undo(in: &tables)
      logPosition -= 1
    }
    unsynced.removeAll()
    unsyncedBytes = 0
  }

  /// Damages an entry; answers whether there is one.
  func rot(_ key: [UInt8], inTable index: Int) -> Bool {
    let isThere = tables[index].update(key) { $0.isRotten = true }
    if isThere { rotten.append((index, key)) }
    return isThere
  }

  func repair() {
    for (table, key) in rotten { _ = tables[table].update(key) { $0.isRotten = false } }
    rotten = []
  }
}
