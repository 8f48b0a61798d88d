import CRocksDB

extension NativeDatabase {
  func ingest(_ paths: [String], in family: ColumnFamily, move: Bool) throws(RocksError) {
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

  func checkpoint(to path: String) throws(RocksError) {
    let checkpoint: OpaquePointer? = try checked { rocksdb_checkpoint_object_create(raw, $0) }
    defer { rocksdb_checkpoint_object_destroy(checkpoint) }
    try checked { rocksdb_checkpoint_create(checkpoint, path, 0, $0) }
  }

  func flush(_ family: ColumnFamily) throws(RocksError) {
    let options = rocksdb_flushoptions_create()
    defer { rocksdb_flushoptions_destroy(options) }
    rocksdb_flushoptions_set_wait(options, 1)
    try checked { rocksdb_flush_cf(raw, options, family.raw, $0) }
  }

  func compact(in family: ColumnFamily, from lower: [UInt8]?, to upper: [UInt8]?) {
    withOptionalBytes(lower) { lower in
      withOptionalBytes(upper) { upper in
        rocksdb_compact_range_cf(
          raw, family.raw, lower.flatMap(charPointer), lower?.count ?? 0, upper.flatMap(charPointer), upper?.count ?? 0)
      }
    }
  }

  func property(_ name: String, in family: ColumnFamily) -> String? {
    let text: UnsafeMutablePointer<CChar>? = rocksdb_property_value_cf(raw, family.raw, name)
    guard let text else { return nil }
    defer { rocksdb_free(text) }
    return String(cString: text)
  }

  func integerProperty(_ name: String, in family: ColumnFamily) -> UInt64? {
    var value: UInt64 = 0
    return rocksdb_property_int_cf(raw, family.raw, name, &value) == 0 ? value : nil
  }

  func approximateSizeBytes(
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
