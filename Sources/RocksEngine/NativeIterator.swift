import CRocksDB

/// An iterator of RocksDB and what it points to.
final class NativeIterator {
  private let database: NativeDatabase
  private let snapshot: NativeSnapshot?
  let raw: OpaquePointer?
  private let readOptions: OpaquePointer?
  /// RocksDB keeps pointers to the bounds.
  private let bounds: UnsafeMutableRawBufferPointer

  init(
    database: NativeDatabase, family: ColumnFamily, lower: [UInt8]?, upper: [UInt8]?, snapshot: NativeSnapshot?,
    readAheadBytes: Int, fillsCache: Bool
  ) {
    self.database = database
    self.snapshot = snapshot
    readOptions = rocksdb_readoptions_create()
    rocksdb_readoptions_set_verify_checksums(readOptions, 1)
    rocksdb_readoptions_set_fill_cache(readOptions, fillsCache ? 1 : 0)
    if let snapshot { rocksdb_readoptions_set_snapshot(readOptions, snapshot.raw) }
    if readAheadBytes > 0 { rocksdb_readoptions_set_readahead_size(readOptions, readAheadBytes) }
    let lowerCount = lower?.count ?? 0
    let upperCount = upper?.count ?? 0
    bounds = .allocate(byteCount: lowerCount + upperCount + 1, alignment: 1)
    if let lower {
      UnsafeMutableRawBufferPointer(rebasing: bounds[..<lowerCount]).copyBytes(from: lower)
      rocksdb_readoptions_set_iterate_lower_bound(readOptions, charPointer(UnsafeRawBufferPointer(bounds)), lowerCount)
    }
    if let upper {
      let place = UnsafeMutableRawBufferPointer(rebasing: bounds[lowerCount..<lowerCount + upperCount])
      place.copyBytes(from: upper)
      let start = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bounds)[lowerCount...])
      rocksdb_readoptions_set_iterate_upper_bound(readOptions, charPointer(start), upperCount)
    }
    raw = rocksdb_create_iterator_cf(database.raw, readOptions, family.raw)
  }

  deinit {
    rocksdb_iter_destroy(raw)
    rocksdb_readoptions_destroy(readOptions)
    bounds.deallocate()
  }
}
