import EventLoop

/// A handle on a directory of a simulated disk: what stands behind `RocksDatabase` in a simulation. Its methods are described
/// there. When the host is killed the handle is dead: every call throws `inputOutput` and changes nothing.
final class MemoryDatabase: Sendable {
  let path: String
  let families: [String: ColumnFamily]
  private let disk: SimulatedDisk
  private let directory: StoredDirectory
  /// Names this handle: the directory knows which one has it open.
  private let handle: UInt64

  static func open(
    _ path: String, columnFamilies: [ColumnFamilyOptions], options: RocksOptions, on disk: SimulatedDisk
  ) throws(RocksError) -> MemoryDatabase {
    try disk.contents.withLock { contents throws(RocksError) in
      let directory = try contents.directory(path, createIfMissing: options.createIfMissing)
      if directory.openHandle != nil {
        throw .locked("IO error: while locking \(path)/LOCK: the lock is held")
      }
      let names = ["default"] + columnFamilies.map(\.name)
      if let missing = directory.familyNames.first(where: { !names.contains($0) }) {
        throw .other("Invalid argument: Column families not opened: \(missing)")
      }
      var families: [String: ColumnFamily] = [:]
      for name in names {
        families[name] = ColumnFamily(name: name, handle: .memory(directory.tableIndex(ofFamily: name)))
      }
      directory.maximumLogBytes = options.maximumLogBytes
      directory.makeDurable(through: directory.logPosition)
      let handle = directory.takeHandle()
      return MemoryDatabase(path: path, families: families, disk: disk, directory: directory, handle: handle)
    }
  }

  private init(
    path: String, families: [String: ColumnFamily], disk: SimulatedDisk, directory: StoredDirectory, handle: UInt64
  ) {
    self.path = path
    self.families = families
    self.disk = disk
    self.directory = directory
    self.handle = handle
  }

  func close() {
    disk.contents.withLock { _ in
      if directory.openHandle == handle { directory.openHandle = nil }
    }
  }

  func checkAlive() throws(RocksError) {
    try disk.contents.withLock { _ throws(RocksError) in try checkIsOpen() }
  }

  func checkReadable(_ entry: MemoryEntry) throws(RocksError) {
    if entry.isRotten { throw .corruption("Corruption: block checksum mismatch in \(path)") }
  }

  /// Runs `body` on the directory; only while this handle has it open.
  private func use<Result>(
    _ body: (inout DiskContents) throws(RocksError) -> Result
  ) throws(RocksError) -> Result {
    try disk.contents.withLock { contents throws(RocksError) in
      try checkIsOpen()
      return try body(&contents)
    }
  }

  /// Under the lock.
  private func checkIsOpen() throws(RocksError) {
    if directory.openHandle != handle {
      throw .inputOutput("IO error: \(path) was closed, or its host was killed")
    }
  }

  // MARK: - Writing

  func write(_ batch: WriteBatch, sync: Bool) throws(RocksError) {
    if batch.isEmpty && !sync { return }
    try use { contents throws(RocksError) in
      if !batch.isEmpty {
        try contents.checkSpace(path)
        directory.write(batch.operations)
      }
      if sync { try contents.sync(directory, through: directory.logPosition) }
    }
  }

  /// Batches written so far.
  var logPosition: UInt64 { disk.contents.withLock { _ in directory.logPosition } }

  func syncLog(through position: UInt64) throws(RocksError) {
    try use { contents throws(RocksError) in try contents.sync(directory, through: position) }
  }

  // MARK: - Reading

  func get(
    _ key: [UInt8], in family: ColumnFamily, snapshot: [MemoryTable]?
  ) throws(RocksError) -> [UInt8]? {
    let index = family.tableIndex
    let found = try use { _ throws(RocksError) in (snapshot?[index] ?? directory.tables[index]).entry(key) }
    guard let found else { return nil }
    try checkReadable(found)
    return found.value
  }

  func iterator(
    in family: ColumnFamily, from lower: [UInt8]?, to upper: [UInt8]?, snapshot: [MemoryTable]?
  ) -> MemoryIterator {
    let index = family.tableIndex
    let table = snapshot?[index] ?? disk.contents.withLock { _ in directory.tables[index] }
    return MemoryIterator(table, from: lower, to: upper, of: self)
  }

  func snapshot() -> [MemoryTable] { disk.contents.withLock { _ in directory.tables } }

  // MARK: - Maintenance

  func ingest(_ paths: [String], in family: ColumnFamily, move: Bool) throws(RocksError) {
    if paths.isEmpty { return }
    try use { contents throws(RocksError) in
      try contents.checkSpace(path)
      var operations: [MemoryOperation] = []
      for path in paths {
        guard let file = contents.files[path] else {
          throw .inputOutput("IO error: No such file or directory: \(path)")
        }
        operations += file.map { .put(table: family.tableIndex, key: $0.key, value: $0.value) }
      }
      directory.write(operations)
      try contents.sync(directory, through: directory.logPosition)
      if move { for path in paths { contents.files[path] = nil } }
    }
  }

  func checkpoint(to path: String) throws(RocksError) {
    try use { contents throws(RocksError) in
      if contents.directories[path] != nil { throw .other("Invalid argument: Directory exists") }
      try contents.checkSpace(path)
      try contents.sync(directory, through: directory.logPosition)
      contents.directories[path] = StoredDirectory(copying: directory)
    }
  }

  /// Everything written so far becomes durable, of every family: recovery must not find one ahead of another.
  func flush() throws(RocksError) {
    try use { contents throws(RocksError) in try contents.sync(directory, through: directory.logPosition) }
  }

  func property(_ name: String, in family: ColumnFamily) -> String? {
    switch name {
    case "rocksdb.stats": "\(integerProperty("rocksdb.estimate-num-keys", in: family) ?? 0) keys in memory"
    default: integerProperty(name, in: family).map(String.init)
    }
  }

  func integerProperty(_ name: String, in family: ColumnFamily) -> UInt64? {
    guard name == "rocksdb.estimate-num-keys" else { return nil }
    return disk.contents.withLock { _ in UInt64(directory.tables[family.tableIndex].count) }
  }

  func sizeBytes(in family: ColumnFamily, from lower: [UInt8], to upper: [UInt8]) throws(RocksError) -> UInt64 {
    let table = try use { _ throws(RocksError) in directory.tables[family.tableIndex] }
    let entries = table.entries(from: table.lowerBound(lower), to: table.lowerBound(upper))
    return entries.reduce(0) { $0 + UInt64($1.key.count + $1.value.count) }
  }
}
