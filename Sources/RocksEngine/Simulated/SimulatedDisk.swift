import Basics
import EventLoop

/// The disk of one simulated host: it outlives the host's processes and decides what they find after a crash.
///
/// Databases opened on it keep `RocksDatabase`'s promises: a batch is atomic and visible at once; one log orders the
/// writes of all families; `syncLog` and `write(sync: true)` make everything before durable; after power loss a prefix
/// of the log is there that contains everything durable. Opening makes durable what it finds.
///
/// Nothing here reads a clock or rolls dice: faults are ordered by whoever owns the disk, with its generator.
public final class SimulatedDisk: Sendable {
  /// The disk of the host that is running now; set once by a simulation, before anything else. Nil: there is only the
  /// machine's own.
  public nonisolated(unsafe) static var provider: (@Sendable () -> SimulatedDisk?)?

  /// Where databases are opened: nil means on the machine's own disk, in RocksDB.
  public static var current: SimulatedDisk? { provider?() }

  let contents = Locked(DiskContents())

  public init() {}

  // MARK: - Faults that last

  /// No space: what would write throws `diskFull`. Reads go on, and what is written can be synced.
  public var isFull: Bool {
    get { contents.withLock { $0.isFull } }
    set { contents.withLock { $0.isFull = newValue } }
  }

  /// Every fsync fails with `inputOutput`: what it should have made durable is written and stays at risk.
  public var failsSync: Bool {
    get { contents.withLock { $0.failsSync } }
    set { contents.withLock { $0.failsSync = newValue } }
  }

  /// What one fsync takes. Nothing waits here: a simulation reads it when it decides how long a worker thread is busy.
  public var syncDelayNanoseconds: UInt64 {
    get { contents.withLock { $0.syncDelayNanoseconds } }
    set { contents.withLock { $0.syncDelayNanoseconds = newValue } }
  }

  // MARK: - Faults that happen

  /// The process dies and the machine lives: every open handle is dead, and all that was written is there, durable or
  /// not.
  public func kill() {
    contents.withLock { contents in
      contents.incarnation += 1
      for directory in contents.directories.values { directory.openHandle = nil }
    }
  }

  /// Power loss: every open handle is dead, and of the batches no fsync covered each directory keeps a prefix of random
  /// length, from none (the first was torn) to all.
  public func crash(using generator: inout some RandomNumberGenerator) {
    contents.withLock { contents in
      contents.incarnation += 1
      for (_, directory) in contents.directories.sorted(by: { $0.key < $1.key }) {
        directory.openHandle = nil
        directory.loseUnsynced(keeping: Int.random(in: 0...directory.unsyncedCount, using: &generator))
      }
    }
  }

  /// Bit rot: reads of the key, and iterators that come to it, throw `corruption` until it is overwritten or deleted.
  /// Snapshots and iterators made before still read what they have in memory.
  ///
  /// - Returns: false when there is no such key.
  @discardableResult
  public func corrupt(key: [UInt8], in family: String, of path: String) -> Bool {
    contents.withLock { contents in
      guard let directory = contents.directories[path] else { return false }
      guard let table = directory.familyNames.firstIndex(of: family) else { return false }
      return directory.rot(key, inTable: table)
    }
  }

  /// Bit rot of a random key, every stored key equally likely.
  ///
  /// - Parameter families: only keys of these; nil: of all.
  /// - Returns: what was damaged; nil when nothing is stored.
  public func corruptRandomKey(
    in families: Set<String>? = nil, using generator: inout some RandomNumberGenerator
  ) -> (path: String, family: String, key: [UInt8])? {
    contents.withLock { contents in
      let tables = contents.directories.sorted { $0.key < $1.key }.flatMap { path, directory in
        directory.familyNames.indices.map { (path: path, directory: directory, table: $0) }
      }.filter { families?.contains($0.directory.familyNames[$0.table]) ?? true }
      let total = tables.reduce(0) { $0 + $1.directory.tables[$1.table].count }
      if total == 0 { return nil }
      var rank = Int.random(in: 0..<total, using: &generator)
      for (path, directory, table) in tables {
        let count = directory.tables[table].count
        if rank >= count {
          rank -= count
          continue
        }
        let key = directory.tables[table].entry(at: rank).key
        _ = directory.rot(key, inTable: table)
        return (path, directory.familyNames[table], key)
      }
      return nil
    }
  }

  /// What bit rot took can be read again.
  public func repair() {
    contents.withLock { contents in
      for directory in contents.directories.values { directory.repair() }
    }
  }

  // MARK: - Looking from outside

  /// Paths of the databases, sorted.
  public var directories: [String] { contents.withLock { $0.directories.keys.sorted() } }

  /// What a family contains right now, in the order of keys, whether or not a process has the directory open. Empty when
  /// there is no such directory or family.
  public func entries(in family: String, of path: String) -> [(key: [UInt8], value: [UInt8])] {
    contents.withLock { contents in
      guard let directory = contents.directories[path] else { return [] }
      guard let index = directory.familyNames.firstIndex(of: family) else { return [] }
      let table = directory.tables[index]
      return table.entries(from: table.start, to: table.end).map { ($0.key, $0.value) }
    }
  }

  /// Batches that power loss could take now.
  public func unsyncedBatchCount(of path: String) -> Int {
    contents.withLock { $0.directories[path]?.unsyncedCount ?? 0 }
  }

  /// Fsyncs that succeeded.
  public var syncCount: UInt64 { contents.withLock { $0.syncCount } }
}

/// Everything on a disk, and its lasting faults.
struct DiskContents {
  var directories: [String: StoredDirectory] = [:]
  /// Finished SST files that are not ingested, by path.
  var files: [String: [MemoryEntry]] = [:]
  /// Counts the host's deaths.
  var incarnation: UInt64 = 0
  var isFull = false
  var failsSync = false
  var syncDelayNanoseconds: UInt64 = 500_000
  var syncCount: UInt64 = 0

  mutating func directory(_ path: String, createIfMissing: Bool) throws(RocksError) -> StoredDirectory {
    if let existing = directories[path] { return existing }
    if !createIfMissing {
      throw .other("Invalid argument: \(path): does not exist (create_if_missing is false)")
    }
    try checkSpace(path)
    let created = StoredDirectory()
    directories[path] = created
    return created
  }

  func checkSpace(_ path: String) throws(RocksError) {
    if isFull { throw .diskFull("IO error: No space left on device: \(path)") }
  }

  mutating func sync(_ directory: StoredDirectory, through position: UInt64) throws(RocksError) {
    if failsSync { throw .inputOutput("IO error: fsync failed: Input/output error") }
    directory.makeDurable(through: position)
    syncCount += 1
  }
}
