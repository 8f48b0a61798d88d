import CRocksDB

/// Writes a sorted file that `RocksDatabase.ingest` adds to a column family. One thread at a time.
public final class SSTWriter {
  private enum File {
    case native(NativeSSTFile)
    case memory(MemorySSTFile)
  }

  public let path: String
  private let file: File

  /// Creates the file.
  ///
  /// - Parameter disk: where; nil: on the machine's own.
  public init(path: String, disk: SimulatedDisk? = .current) throws(RocksError) {
    self.path = path
    if let disk {
      file = .memory(try MemorySSTFile(path: path, disk: disk))
    } else {
      file = .native(try NativeSSTFile(path: path))
    }
  }

  /// Appends; every key must be above the one before.
  public func put(_ key: [UInt8], _ value: [UInt8]) throws(RocksError) {
    switch file {
    case .native(let native): try native.put(key, value)
    case .memory(let memory): try memory.put(key, value)
    }
  }

  /// Completes the file (at least one key), makes it durable and answers its size in bytes.
  public func finish() throws(RocksError) -> UInt64 {
    switch file {
    case .native(let native): try native.finish()
    case .memory(let memory): try memory.finish()
    }
  }
}

/// RocksDB's writer of sorted files.
private final class NativeSSTFile {
  private let raw: OpaquePointer?
  private let environment: OpaquePointer?
  private let options: OpaquePointer?

  init(path: String) throws(RocksError) {
    environment = rocksdb_envoptions_create()
    options = RocksOptions().makeFamilyOptions(ColumnFamilyOptions("ingested"), cache: nil)
    let writer: OpaquePointer? = rocksdb_sstfilewriter_create(environment, options)
    raw = writer
    try checked { rocksdb_sstfilewriter_open(writer, path, $0) }
  }

  deinit {
    rocksdb_sstfilewriter_destroy(raw)
    rocksdb_options_destroy(options)
    rocksdb_envoptions_destroy(environment)
  }

  func put(_ key: [UInt8], _ value: [UInt8]) throws(RocksError) {
    var message: UnsafeMutablePointer<CChar>?
    key.withUnsafeBytes { key in
      value.withUnsafeBytes { value in
        rocksdb_sstfilewriter_put(raw, charPointer(key), key.count, charPointer(value), value.count, &message)
      }
    }
    if let message { throw takeError(message) }
  }

  func finish() throws(RocksError) -> UInt64 {
    try checked { rocksdb_sstfilewriter_finish(raw, $0) }
    var size: UInt64 = 0
    rocksdb_sstfilewriter_file_size(raw, &size)
    return size
  }
}
