/// A sorted file on a simulated disk, while it is written: the disk has it from `finish` on.
final class MemorySSTFile {
  private let path: String
  private let disk: SimulatedDisk
  private let incarnation: UInt64
  private var entries: [MemoryEntry] = []
  private var sizeBytes: UInt64 = 0

  init(path: String, disk: SimulatedDisk) throws(RocksError) {
    self.path = path
    self.disk = disk
    incarnation = try disk.contents.withLock { contents throws(RocksError) in
      try contents.checkSpace(path)
      return contents.incarnation
    }
  }

  func put(_ key: [UInt8], _ value: [UInt8]) throws(RocksError) {
    if let last = entries.last, !isBelow(last.key, key) {
      throw .other("Invalid argument: Keys must be added in strict ascending order.")
    }
    entries.append(MemoryEntry(key: key, value: value))
    sizeBytes += UInt64(key.count + value.count)
  }

  func finish() throws(RocksError) -> UInt64 {
    if entries.isEmpty { throw .other("Invalid argument: Cannot create sst file with no entries") }
    try disk.contents.withLock { contents throws(RocksError) in
      if contents.incarnation != incarnation { throw .inputOutput("IO error: \(path): the host was killed") }
      try contents.checkSpace(path)
      contents.files[path] = entries
    }
    return sizeBytes
  }
}
