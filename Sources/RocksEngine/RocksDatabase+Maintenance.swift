import CRocksDB

extension RocksDatabase {
  /// Adds finished SST files; their keys win over what is there. With `move` the files are linked, not copied.
  public func ingest(_ paths: [String], in family: ColumnFamily, move: Bool = true) throws(RocksError) {
    if paths.isEmpty { return }
    let options = rocksdb_ingestexternalfileoptions_create()
    defer { rocksdb_ingestexternalfileoptions_destroy(options) }
    rocksdb_ingestexternalfileoptions_set_move_files(options, move ? 1 : 0)
    let result: Result<Void, RocksError> = withCStrings(paths) { names in
      Result { () throws(RocksError) in
        try checked { error in
          rocksdb_ingest_external_file_cf(raw, family.raw, names.baseAddress, names.count, options, error)
        }
      }
    }
    try result.get()
  }

  /// Makes a consistent copy in a new directory, by hard links where it can. Blocks.
  public func checkpoint(to path: String) throws(RocksError) {
    let checkpoint: OpaquePointer? = try checked { rocksdb_checkpoint_object_create(raw, $0) }
    defer { rocksdb_checkpoint_object_destroy(checkpoint) }
    try checked { rocksdb_checkpoint_create(checkpoint, path, 0, $0) }
  }

  /// Writes the memtable of a family to a file. Blocks.
  public func flush(_ family: ColumnFamily) throws(RocksError) {
    let options = rocksdb_flushoptions_create()
    defer { rocksdb_flushoptions_destroy(options) }
    rocksdb_flushoptions_set_wait(options, 1)
    try checked { rocksdb_flush_cf(raw, options, family.raw, $0) }
  }

  /// Compacts the keys between two bounds (nil: open). Blocks.
  public func compact(in family: ColumnFamily, from lower: [UInt8]? = nil, to upper: [UInt8]? = nil) {
    withOptionalBytes(lower) { lower in
      withOptionalBytes(upper) { upper in
        rocksdb_compact_range_cf(
          raw, family.raw, lower.flatMap(charPointer), lower?.count ?? 0, upper.flatMap(charPointer), upper?.count ?? 0)
      }
    }
  }

  /// A RocksDB property such as `rocksdb.stats`, or nil when there is none of that name.
  public func property(_ name: String, in family: ColumnFamily) -> String? {
    let text: UnsafeMutablePointer<CChar>? = rocksdb_property_value_cf(raw, family.raw, name)
    guard let text else { return nil }
    defer { rocksdb_free(text) }
    return String(cString: text)
  }

  /// A RocksDB property that is a number, such as `rocksdb.estimate-num-keys`.
  public func integerProperty(_ name: String, in family: ColumnFamily) -> UInt64? {
    var value: UInt64 = 0
    return rocksdb_property_int_cf(raw, family.raw, name, &value) == 0 ? value : nil
  }

  /// Bytes in files between two keys, without the memtables.
  public func approximateSizeBytes(
    in family: ColumnFamily, from lower: [UInt8], to upper: [UInt8]
  ) throws(RocksError) -> UInt64 {
    var size: UInt64 = 0
    var message: UnsafeMutablePointer<CChar>?
    withPointers([lower]) { starts, startCounts in
      withPointers([upper]) { limits, limitCounts in
        rocksdb_approximate_sizes_cf(raw, family.raw, 1, starts, startCounts, limits, limitCounts, &size, &message)
      }
    }
    if let message { throw takeError(message) }
    return size
  }
}

private func withOptionalBytes(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Void) {
  guard let bytes else { return body(nil) }
  bytes.withUnsafeBytes { body($0) }
}
