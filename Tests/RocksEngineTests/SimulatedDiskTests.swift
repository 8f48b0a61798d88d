import Basics
import EventLoop
import Testing

@testable import RocksEngine

/// The faults of a simulated disk.
@Suite struct SimulatedDiskTests {
  let disk: SimulatedDisk
  static let path = "/simulated/db"
  static let families = [ColumnFamilyOptions("data"), ColumnFamilyOptions("log")]

  init() { disk = SimulatedDisk() }
  private init(disk: SimulatedDisk) { self.disk = disk }

  func open() throws(RocksError) -> RocksDatabase {
    try RocksDatabase.open(Self.path, columnFamilies: Self.families, disk: disk)
  }

  /// Each number alternately into both families, and the number of the last into a key of its own.
  func write(_ number: UInt8, _ database: RocksDatabase, sync: Bool = false) throws(RocksError) {
    let batch = WriteBatch()
    batch.put([number], [number], in: database.columnFamily(number % 2 == 0 ? "data" : "log"))
    batch.put([0xff], [number], in: database.columnFamily("log"))
    if number > 3 { batch.delete([number - 3], in: database.columnFamily(number % 2 == 0 ? "log" : "data")) }
    if number % 5 == 0 { batch.deleteRange(from: [0], to: [2], in: database.columnFamily("data")) }
    try database.write(batch, sync: sync)
  }

  func contents() -> [[UInt8]] {
    ["data", "log"].flatMap { disk.entries(in: $0, of: Self.path).flatMap { [$0.key, $0.value] } }
  }

  @Test func powerLossKeepsAPrefixThatContainsWhatWasSynced() throws {
    var generator = SeededGenerator(seed: 1)
    var states = [contents()]
    let reference = try open()
    for number in 0..<UInt8(20) {
      try write(number, reference)
      states.append(contents())
    }
    var lengths: Set<Int> = []
    for _ in 0..<200 {
      let disk = SimulatedDisk()
      let test = SimulatedDiskTests(disk: disk)
      let database = try test.open()
      for number in 0..<UInt8(8) { try test.write(number, database) }
      try database.syncLog()
      for number in 8..<UInt8(20) { try test.write(number, database) }
      #expect(disk.unsyncedBatchCount(of: Self.path) == 12)
      disk.crash(using: &generator)
      let length = try #require(states.firstIndex(of: test.contents()))
      #expect(length >= 8)
      lengths.insert(length)
      #expect(disk.unsyncedBatchCount(of: Self.path) == 0)
      try test.write(30, try test.open())
    }
    #expect(lengths == Set(8...20))
  }

  @Test func aSyncServesWhatWasWrittenBeforeItWasOrdered() throws {
    let database = try open()
    try write(1, database)
    try write(2, database)
    let position = database.logPosition
    try write(3, database)
    try database.syncLog(through: position)
    #expect(disk.unsyncedBatchCount(of: Self.path) == 1)
    try write(4, database, sync: true)
    #expect(disk.unsyncedBatchCount(of: Self.path) == 0)
    #expect(disk.syncCount == 2)
  }

  @Test func deadHandlesChangeNothing() throws {
    let old = try open()
    try write(1, old)
    let snapshot = old.snapshot()
    let iterator = old.iterator(in: old.columnFamily("log"))
    iterator.seekToFirst()
    let file = try SSTWriter(path: "/simulated/late.sst", disk: disk)
    try file.put([1], [1])
    disk.kill()
    let new = try open()
    let before = contents()
    #expect(try new.get([1], in: new.columnFamily("log")) == [1])
    #expect(throws: RocksError.self) { try write(2, old) }
    #expect(throws: RocksError.self) { try write(2, old, sync: true) }
    #expect(throws: RocksError.self) { try old.syncLog() }
    #expect(throws: RocksError.self) { try old.get([1], in: old.columnFamily("log")) }
    #expect(throws: RocksError.self) { try old.get([1], in: old.columnFamily("log"), snapshot: snapshot) }
    #expect(throws: RocksError.self) { try old.checkpoint(to: "/simulated/copy") }
    #expect(throws: RocksError.self) { try file.finish() }
    iterator.next()
    #expect(!iterator.isValid)
    #expect(throws: RocksError.self) { try iterator.checkStatus() }
    old.close()
    #expect(contents() == before)
    #expect(disk.directories == [Self.path])
    try write(2, new)
  }

  @Test func aKilledProcessLosesNothing() throws {
    let database = try open()
    try write(1, database)
    let before = contents()
    disk.kill()
    #expect(disk.unsyncedBatchCount(of: Self.path) == 1)
    #expect(contents() == before)
    _ = try open()
    #expect(disk.unsyncedBatchCount(of: Self.path) == 0)
  }

  @Test func fullDisksRefuseWritesAndServeReads() throws {
    let database = try open()
    try write(1, database)
    disk.isFull = true
    #expect(throws: RocksError.diskFull("IO error: No space left on device: \(Self.path)")) { try write(2, database) }
    #expect(throws: RocksError.self) { try SSTWriter(path: "/simulated/1.sst", disk: disk) }
    #expect(throws: RocksError.self) {
      try RocksDatabase.open("/simulated/other", columnFamilies: [], disk: disk)
    }
    #expect(try database.get([1], in: database.columnFamily("log")) == [1])
    #expect(try database.get([2], in: database.columnFamily("data")) == nil)
    try database.syncLog()
    disk.isFull = false
    try write(2, database)
  }

  @Test func failedSyncsLeaveWritesAtRisk() throws {
    let database = try open()
    disk.failsSync = true
    #expect(throws: RocksError.self) { try write(1, database, sync: true) }
    #expect(disk.unsyncedBatchCount(of: Self.path) == 1)
    disk.failsSync = false
    try database.syncLog()
    #expect(disk.unsyncedBatchCount(of: Self.path) == 0)
  }

  @Test func bitRotIsReportedUntilTheKeyIsWrittenAgain() throws {
    let database = try open()
    let data = database.columnFamily("data")
    for number in stride(from: UInt8(2), to: 10, by: 2) { try write(number, database, sync: true) }
    #expect(disk.corrupt(key: [6], in: "data", of: Self.path))
    #expect(disk.corrupt(key: [7], in: "data", of: Self.path) == false)
    #expect(disk.corrupt(key: [6], in: "none", of: Self.path) == false)
    func isCorruption(_ body: () throws -> Void) -> Bool {
      do {
        try body()
      } catch let error as RocksError {
        if case .corruption = error { return true }
      } catch {}
      return false
    }
    #expect(isCorruption { _ = try database.get([6], in: data) })
    #expect(isCorruption { _ = try database.multiGet([[4], [6]], in: data) })
    #expect(isCorruption { _ = try database.withValue(of: [6], in: data) { _ in } })
    let iterator = database.iterator(in: data)
    iterator.seek([4])
    #expect(iterator.isValid)
    iterator.next()
    #expect(!iterator.isValid)
    #expect(isCorruption { try iterator.checkStatus() })
    iterator.seek([8])
    #expect(iterator.isValid)
    try iterator.checkStatus()

    // What power loss takes back was never repaired.
    let repair = WriteBatch()
    repair.put([6], [9], in: data)
    try database.write(repair, sync: false)
    #expect(try database.get([6], in: data) == [9])
    var torn = LowestNumbers()
    disk.crash(using: &torn)
    let reopened = try open()
    #expect(isCorruption { _ = try reopened.get([6], in: data) })
    try reopened.write(repair, sync: true)
    #expect(try reopened.get([6], in: data) == [9])
  }

  /// Always the lowest of what is asked for.
  private struct LowestNumbers: RandomNumberGenerator {
    mutating func next() -> UInt64 { 0 }
  }

  @Test func bitRotHitsAnyKey() throws {
    #expect(disk.directories.isEmpty)
    var generator = SeededGenerator(seed: 3)
    #expect(disk.corruptRandomKey(using: &generator) == nil)
    let database = try open()
    for number in 0..<UInt8(9) { try write(number, database) }
    let keys = disk.entries(in: "data", of: Self.path).map(\.key)
    var hit: Set<[UInt8]> = []
    for _ in 0..<200 {
      let rotten = try #require(disk.corruptRandomKey(in: ["data"], using: &generator))
      #expect(rotten.family == "data" && rotten.path == Self.path)
      hit.insert(rotten.key)
    }
    #expect(hit == Set(keys))
  }

  @Test func longLogsAreCutByFlushing() throws {
    var options = RocksOptions()
    options.maximumLogBytes = 100
    let database = try RocksDatabase.open(Self.path, columnFamilies: Self.families, options: options, disk: disk)
    var most = 0
    for number in 0..<UInt8(100) {
      try write(number, database)
      most = max(most, disk.unsyncedBatchCount(of: Self.path))
    }
    #expect((2..<20).contains(most))
  }

  @Test func familiesAreOpenedAllOrNot() throws {
    try open().close()
    #expect(throws: RocksError.self) {
      try RocksDatabase.open(Self.path, columnFamilies: [ColumnFamilyOptions("data")], disk: disk)
    }
    var options = RocksOptions()
    options.createIfMissing = false
    #expect(throws: RocksError.self) {
      try RocksDatabase.open("/simulated/missing", columnFamilies: [], options: options, disk: disk)
    }
  }

  @TaskLocal private static var diskOfTheHost: SimulatedDisk?

  @Test func theProviderDecidesWhereDatabasesOpen() throws {
    SimulatedDisk.provider = { Self.diskOfTheHost }
    defer { SimulatedDisk.provider = nil }
    try Self.$diskOfTheHost.withValue(disk) {
      try DataDirectory.create("/simulated/deep")
      try RocksDatabase.open("/simulated/deep/db", columnFamilies: []).close()
    }
    #expect(disk.directories == ["/simulated/deep/db"])
  }

  @Test @EventLoopActor func groupCommitStopsWhenTheHostIsKilled() async throws {
    let database = try open()
    let writer = GroupCommitWriter(database: database)
    let data = database.columnFamily("data")
    let results = await withUnsafeContinuation { (continuation: UnsafeContinuation<[Bool], Never>) in
      var results: [Bool] = []
      for number in 0..<UInt8(3) {
        if number == 2 { disk.kill() }
        let batch = WriteBatch()
        batch.put([number], [number], in: data)
        writer.write(batch) { result in
          results.append((try? result.get()) != nil)
          if results.count == 3 { continuation.resume(returning: results) }
        }
      }
    }
    #expect(results.contains(false))
    #expect(writer.failure != nil)
    #expect(disk.entries(in: "data", of: Self.path).map(\.key) == [[0], [1]])
  }
}
