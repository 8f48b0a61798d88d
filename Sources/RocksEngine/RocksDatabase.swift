import Basics
import EventLoop

/// An open database directory: RocksDB, or in a simulation the same promises on a `SimulatedDisk`. Any thread may call it.
///
/// One write-ahead log serves all column families, and recovery restores a prefix of the writes: when a write survives
/// a crash, so do all writes before it, whatever their family.
public final class RocksDatabase: Sendable {
  enum Engine: Sendable {
    case native(NativeDatabase)
    case memory(MemoryDatabase)
  }

  public let path: String
  let engine: Engine
  private let families: [String: ColumnFamily]
  private let corruptionObserver = Locked<(@Sendable (RocksError) -> Void)?>(nil)

  // MARK: - Opening

  /// Opens or creates the directory (its parent must exist) with exactly these column families.
  ///
  /// - Parameter disk: where the directory is; nil: on the machine's own, in RocksDB.
  /// - Throws: `locked` when another process has it, `corruption` when the stored state cannot be trusted.
  public static func open(
    _ path: String, columnFamilies: [ColumnFamilyOptions], options: RocksOptions = RocksOptions(),
    disk: SimulatedDisk? = .current
  ) throws(RocksError) -> RocksDatabase {
    if let disk {
      let memory = try MemoryDatabase.open(path, columnFamilies: columnFamilies, options: options, on: disk)
      return RocksDatabase(path: path, engine: .memory(memory), families: memory.families)
    }
    let native = try NativeDatabase.open(path, columnFamilies: columnFamilies, options: options)
    return RocksDatabase(path: path, engine: .native(native), families: native.families)
  }

  private init(path: String, engine: Engine, families: [String: ColumnFamily]) {
    self.path = path
    self.engine = engine
    self.families = families
  }

  deinit { close() }

  /// Closes the directory; a second call does nothing. Nothing of this database may be used afterwards: iterators and
  /// snapshots keep it open by their reference, so drop the last reference rather than call this with any of them alive.
  public func close() {
    switch engine {
    case .native(let native): native.close()
    case .memory(let memory): memory.close()
    }
  }

  /// A family named at opening; any other name is a programmer error.
  public func columnFamily(_ name: String) -> ColumnFamily {
    guard let family = families[name] else { preconditionFailure("column family \(name) was not opened") }
    return family
  }

  // MARK: - Damage

  /// Calls `body`, on any thread, when a read meets a checksum that does not fit.
  public func onCorruption(_ body: @escaping @Sendable (RocksError) -> Void) {
    corruptionObserver.withLock { $0 = body }
  }

  func note(_ error: RocksError) {
    guard case .corruption = error else { return }
    corruptionObserver.withLock { $0 }?(error)
  }

  private func noting<Result>(_ read: () throws(RocksError) -> Result) throws(RocksError) -> Result {
    do throws(RocksError) {
      return try read()
    } catch {
      note(error)
      throw error
    }
  }

  // MARK: - Writing

  /// Applies a batch atomically. With `sync` it returns after the fsync: do not do that on the event loop.
  public func write(_ batch: WriteBatch, sync: Bool) throws(RocksError) {
    switch engine {
    case .native(let native): try native.write(batch, sync: sync)
    case .memory(let memory): try memory.write(batch, sync: sync)
    }
  }

  /// Makes every write so far durable (fsync of the write-ahead log). Writes of other threads go on meanwhile.
  public func syncLog() throws(RocksError) { try syncLog(through: logPosition) }

  /// The number of writes so far, where that is counted: taken before an fsync is ordered, it says what the fsync serves.
  var logPosition: UInt64 {
    switch engine {
    case .native: 0
    case .memory(let memory): memory.logPosition
    }
  }

  /// Makes the writes durable that came before `position`, and perhaps later ones.
  func syncLog(through position: UInt64) throws(RocksError) {
    switch engine {
    case .native(let native): try native.syncLog()
    case .memory(let memory): try memory.syncLog(through: position)
    }
  }

  // MARK: - Reading

  /// The value of a key, or nil.
  public func get(
    _ key: [UInt8], in family: ColumnFamily, snapshot: RocksSnapshot? = nil
  ) throws(RocksError) -> [UInt8]? {
    try noting { () throws(RocksError) in
      switch engine {
      case .native(let native): try native.get(key, in: family, snapshot: snapshot?.native)
      case .memory(let memory): try memory.get(key, in: family, snapshot: snapshot?.tables)
      }
    }
  }

  /// Calls `body` with the value in place, without a copy; nil when there is no such key. The bytes are valid only
  /// within `body`.
  public func withValue<Result>(
    of key: [UInt8], in family: ColumnFamily, snapshot: RocksSnapshot? = nil,
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result? {
    do {
      switch engine {
      case .native(let native):
        return try native.withValue(of: key, in: family, snapshot: snapshot?.native, body)
      case .memory(let memory):
        return try memory.get(key, in: family, snapshot: snapshot?.tables).map { try $0.withUnsafeBytes(body) }
      }
    } catch {
      if let error = error as? RocksError { note(error) }
      throw error
    }
  }

  /// True when the key exists.
  public func contains(
    _ key: [UInt8], in family: ColumnFamily, snapshot: RocksSnapshot? = nil
  ) throws(RocksError) -> Bool {
    try noting { () throws(RocksError) in
      switch engine {
      case .native(let native): try native.contains(key, in: family, snapshot: snapshot?.native)
      case .memory(let memory): try memory.get(key, in: family, snapshot: snapshot?.tables) != nil
      }
    }
  }

  /// The values of many keys in their order, nil where there is none: cheaper than single gets.
  public func multiGet(
    _ keys: [[UInt8]], in family: ColumnFamily, snapshot: RocksSnapshot? = nil
  ) throws(RocksError) -> [[UInt8]?] {
    try noting { () throws(RocksError) in
      switch engine {
      case .native(let native):
        return try native.multiGet(keys, in: family, snapshot: snapshot?.native)
      case .memory(let memory):
        var values: [[UInt8]?] = []
        for key in keys { values.append(try memory.get(key, in: family, snapshot: snapshot?.tables)) }
        return values
      }
    }
  }

  /// An iterator over `lower ≤ key < upper`, not yet positioned. It sees the database as of the snapshot, or as of now.
  ///
  /// - Parameter readAheadBytes: read that much from files at once; use some hundred KiB for long scans.
  /// - Parameter fillsCache: false keeps long scans from displacing what others read.
  public func iterator(
    in family: ColumnFamily, from lower: [UInt8]? = nil, to upper: [UInt8]? = nil, snapshot: RocksSnapshot? = nil,
    readAheadBytes: Int = 0, fillsCache: Bool = true
  ) -> RocksIterator {
    switch engine {
    case .native(let native):
      RocksIterator(
        NativeIterator(
          database: native, family: family, lower: lower, upper: upper, snapshot: snapshot?.native,
          readAheadBytes: readAheadBytes, fillsCache: fillsCache), of: self)
    case .memory(let memory):
      RocksIterator(memory.iterator(in: family, from: lower, to: upper, snapshot: snapshot?.tables), of: self)
    }
  }

  /// The database as it is now, until the last reference to the snapshot is gone. Long-lived ones hold up compaction.
  public func snapshot() -> RocksSnapshot {
    switch engine {
    case .native(let native): RocksSnapshot(of: self, native: NativeSnapshot(database: native), tables: nil)
    case .memory(let memory): RocksSnapshot(of: self, native: nil, tables: memory.snapshot())
    }
  }
}

/// A fixed view of a database.
public final class RocksSnapshot: Sendable {
  private let database: RocksDatabase
  /// The view of whichever engine the database has.
  let native: NativeSnapshot?
  let tables: [MemoryTable]?

  init(of database: RocksDatabase, native: NativeSnapshot?, tables: [MemoryTable]?) {
    self.database = database
    self.native = native
    self.tables = tables
  }
}
