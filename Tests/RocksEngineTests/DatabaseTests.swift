import Basics
import EventLoop
import Glibc
import Testing

@testable import RocksEngine

@Suite struct DatabaseTests {
  @Test(arguments: Backend.allCases) func batchesAreAtomicAndSurviveReopening(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<5)
    let batch = WriteBatch()
    #expect(batch.isEmpty)
    batch.put([9], [], in: fixture.data)
    batch.delete([1], in: fixture.data)
    batch.deleteRange(from: [3], to: [5], in: fixture.data)
    batch.put([1], [7], in: fixture.database.columnFamily("log"))
    #expect(batch.count == 4)
    try fixture.database.write(batch, sync: true)
    try fixture.reopen()
    let values = try fixture.database.multiGet([[0], [1], [2], [3], [4], [9]], in: fixture.data)
    #expect(values == [[0, 0], nil, [2, 2], nil, nil, []])
    #expect(try fixture.database.get([1], in: fixture.database.columnFamily("log")) == [7])
    #expect(try fixture.database.contains([9], in: fixture.data))
    #expect(try fixture.database.contains([1], in: fixture.data) == false)
  }

  @Test(arguments: Backend.allCases) func valuesCanBeReadInPlace(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<3)
    #expect(try fixture.database.withValue(of: [2], in: fixture.data) { Array($0) } == [2, 2])
    #expect(try fixture.database.withValue(of: [3], in: fixture.data) { $0.count } == nil)
  }

  @Test(arguments: Backend.allCases) func iteratorsKeepTheirBounds(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<10)
    let iterator = fixture.database.iterator(in: fixture.data, from: [2], to: [6], readAheadBytes: 1 << 16)
    iterator.seekToFirst()
    #expect(try fixture.keys(iterator) == [2, 3, 4, 5])
    iterator.seekToLast()
    #expect(iterator.value == [5, 5])
    iterator.previous()
    #expect(iterator.withKey { Array($0) } == [4])
    iterator.seek([3, 0])
    #expect(iterator.key == [4])
    iterator.seekForPrevious([3, 0])
    #expect(iterator.key == [3])
    iterator.seek([8])
    #expect(!iterator.isValid)
  }

  @Test(arguments: Backend.allCases) func snapshotsDoNotChange(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<3)
    let snapshot = fixture.database.snapshot()
    try fixture.fill(3..<6)
    #expect(try fixture.database.get([4], in: fixture.data, snapshot: snapshot) == nil)
    #expect(try fixture.database.multiGet([[1], [4]], in: fixture.data, snapshot: snapshot) == [[1, 1], nil])
    let iterator = fixture.database.iterator(in: fixture.data, snapshot: snapshot)
    iterator.seekToFirst()
    #expect(try fixture.keys(iterator) == [0, 1, 2])
  }

  @Test(arguments: Backend.allCases) func sortedFilesAreIngested(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<3)
    let file = "\(fixture.path)/new.sst"
    let writer = try SSTWriter(path: file, disk: fixture.disk)
    for number in UInt8(2)..<200 { try writer.put([number], [1]) }
    #expect(throws: RocksError.self) { try writer.put([1], [1]) }
    #expect(try writer.finish() > 0)
    try fixture.database.ingest([file], in: fixture.data)
    #expect(try fixture.database.multiGet([[1], [2], [199]], in: fixture.data) == [[1, 1], [1], [1]])
  }

  @Test(arguments: Backend.allCases) func checkpointsOpenAsDatabases(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<3)
    try fixture.database.checkpoint(to: "\(fixture.path)/copy")
    let copy = try RocksDatabase.open("\(fixture.path)/copy", columnFamilies: Fixture.families, disk: fixture.disk)
    #expect(try copy.get([2], in: copy.columnFamily("data")) == [2, 2])
    copy.close()
  }

  @Test(arguments: Backend.allCases) func propertiesCountKeys(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    try fixture.fill(0..<100)
    try fixture.database.flush(fixture.data)
    fixture.database.compact(in: fixture.data)
    #expect(fixture.database.integerProperty("rocksdb.estimate-num-keys", in: fixture.data) == 100)
    #expect(fixture.database.property("rocksdb.stats", in: fixture.data)?.isEmpty == false)
    #expect(fixture.database.property("no such property", in: fixture.data) == nil)
    #expect(try fixture.database.approximateSizeBytes(in: fixture.data, from: [0], to: [200]) > 0)
  }

  @Test(arguments: Backend.allCases) func aSecondOpenerIsRefused(_ backend: Backend) throws {
    let fixture = try Fixture(backend)
    do throws(RocksError) {
      _ = try RocksDatabase.open("\(fixture.path)/db", columnFamilies: Fixture.families, disk: fixture.disk)
      Issue.record("opened twice")
    } catch {
      guard case .locked = error else {
        Issue.record("\(error)")
        return
      }
    }
  }

  @Test func damagedFilesAreReported() throws {
    let fixture = try Fixture(.native)
    try fixture.fill(0..<200)
    try fixture.database.flush(fixture.data)
    fixture.database.close()
    for name in try names("\(fixture.path)/db") where name.hasSuffix(".sst") {
      try damage("\(fixture.path)/db/\(name)")
    }
    do throws(RocksError) {
      let database = try RocksDatabase.open("\(fixture.path)/db", columnFamilies: Fixture.families, disk: fixture.disk)
      defer { database.close() }
      _ = try database.get([100], in: database.columnFamily("data"))
      Issue.record("damage was not noticed")
    } catch {
      guard case .corruption = error else {
        Issue.record("\(error)")
        return
      }
      #expect(error.sqlError.state == .dataCorrupted)
    }
  }

  private func names(_ path: String) throws -> [String] {
    let directory = try #require(opendir(path))
    defer { closedir(directory) }
    var names: [String] = []
    while let item = readdir(directory) {
      names.append(
        withUnsafePointer(to: &item.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }

  /// Flips every byte of the first block.
  private func damage(_ path: String) throws {
    let file = try #require(fopen(path, "r+"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 64)
    fread(&bytes, 1, bytes.count, file)
    rewind(file)
    fwrite(bytes.map { ~$0 }, 1, bytes.count, file)
  }

  @Test func statusTextsAreClassified() {
    #expect(
      RocksError(text: "IO error: No space left on device: While appending to file")
        == .diskFull("IO error: No space left on device: While appending to file"))
    #expect(RocksError(text: "Corruption: block checksum mismatch").sqlError.state == .dataCorrupted)
    #expect(RocksError(text: "IO error: x").sqlError.state == .systemError)
    #expect(RocksError(text: "Invalid argument: y") == .other("Invalid argument: y"))
  }
}

@Suite(.timeLimit(.minutes(1))) @EventLoopActor struct GroupCommitWriterTests {
  @Test(arguments: Backend.allCases) func writesThatWaitShareAnFsync(_ backend: Backend) async throws {
    let fixture = try Fixture(backend)
    let writer = GroupCommitWriter(database: fixture.database)
    var finished: [Int] = []
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      for number in 0..<100 {
        let batch = WriteBatch()
        batch.put([UInt8(number)], [1], in: fixture.data)
        writer.write(batch) { result in
          if case .failure(let error) = result { Issue.record("\(error)") }
          finished.append(number)
          if number == 99 { continuation.resume() }
        }
        #expect((try? fixture.database.get([UInt8(number)], in: fixture.data)) == [1])
      }
    }
    #expect(finished == Array(0..<100))
    #expect(writer.writeCount == 100)
    #expect(writer.syncCount == 2)
  }
}
