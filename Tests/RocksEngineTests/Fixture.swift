import Glibc
import Testing

@testable import RocksEngine

/// Where a database of a test is.
enum Backend: CaseIterable, Sendable, CustomTestStringConvertible {
  case native, memory

  var testDescription: String {
    switch self {
    case .native: "RocksDB"
    case .memory: "simulated disk"
    }
  }
}

/// An open database in a directory of its own.
final class Fixture {
  let path: String
  let disk: SimulatedDisk?
  var database: RocksDatabase
  static let families = [ColumnFamilyOptions("data"), ColumnFamilyOptions("log", bloomBitsPerKey: 0)]

  init(_ backend: Backend) throws {
    if backend == .memory {
      path = "/simulated"
      disk = SimulatedDisk()
      database = try RocksDatabase.open("\(path)/db", columnFamilies: Self.families, disk: disk)
      return
    }
    disk = nil
    var template = Array("/tmp/theseus-rocks-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw RocksError.other("no temporary directory") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    database = try RocksDatabase.open("\(path)/db", columnFamilies: Self.families, disk: disk)
  }

  deinit {
    database.close()
    if disk == nil { remove(path) }
  }

  var data: ColumnFamily { database.columnFamily("data") }

  func reopen() throws {
    database.close()
    database = try RocksDatabase.open("\(path)/db", columnFamilies: Self.families, disk: disk)
  }

  func fill(_ range: Range<UInt8>) throws {
    let batch = WriteBatch()
    for number in range { batch.put([number], [number, number], in: data) }
    try database.write(batch, sync: false)
  }

  func keys(_ iterator: RocksIterator) throws -> [UInt8] {
    var keys: [UInt8] = []
    while iterator.isValid {
      keys += iterator.key
      iterator.next()
    }
    try iterator.checkStatus()
    return keys
  }

  private func remove(_ path: String) {
    guard let directory = opendir(path) else {
      unlink(path)
      return
    }
    while let item = readdir(directory) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { remove("\(path)/\(name)") }
    }
    closedir(directory)
    rmdir(path)
  }
}
