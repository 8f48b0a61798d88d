import CRocksDB

/// Writes a sorted file that `RocksDatabase.ingest` adds to a column family. One thread at a time.
public final class SSTWriter {
  public let path: String
  private let raw: OpaquePointer?
  private let environment: OpaquePointer?
  private let options: OpaquePointer?

  /// Creates the file.
  public init(path: String) throws(RocksError) {
    self.path = path
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

  /// Appends; every key must be above the one before.
  public func put(_ key: [UInt8], _ value: [UInt8]) throws(RocksError) {
    var message: UnsafeMutablePointer<CChar>?
    key.withUnsafeBytes { key in
      value.withUnsafeBytes { value in
        rocksdb_sstfilewriter_put(raw, charPointer(key), key.count, charPointer(value), value.count, &message)
      }
    }
    if let message { throw takeError(message) }
  }

  /// Completes the file (at least one key) and answers its size in bytes.
  public func finish() throws(RocksError) -> UInt64 {
    try checked { rocksdb_sstfilewriter_finish(raw, $0) }
    var size: UInt64 = 0
    rocksdb_sstfilewriter_file_size(raw, &size)
    return size
  }
}
