import CRocksDB

/// A cursor over the keys of one column family between two bounds. One thread at a time.
///
/// `isValid` turns false at the end of the bounds and at an error: `checkStatus` tells which.
public final class RocksIterator {
  private let database: RocksDatabase
  private let snapshot: RocksSnapshot?
  private let raw: OpaquePointer?
  private let readOptions: OpaquePointer?
  /// RocksDB keeps pointers to the bounds.
  private let bounds: UnsafeMutableRawBufferPointer

  init(
    database: RocksDatabase, family: ColumnFamily, lower: [UInt8]?, upper: [UInt8]?, snapshot: RocksSnapshot?,
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

  public var isValid: Bool { rocksdb_iter_valid(raw) != 0 }

  public func seekToFirst() { rocksdb_iter_seek_to_first(raw) }
  public func seekToLast() { rocksdb_iter_seek_to_last(raw) }

  /// To the first key that is not below `key`.
  public func seek(_ key: [UInt8]) {
    key.withUnsafeBytes { rocksdb_iter_seek(raw, charPointer($0), $0.count) }
  }

  /// To the last key that is not above `key`.
  public func seekForPrevious(_ key: [UInt8]) {
    key.withUnsafeBytes { rocksdb_iter_seek_for_prev(raw, charPointer($0), $0.count) }
  }

  /// Only when valid.
  public func next() { rocksdb_iter_next(raw) }
  /// Only when valid.
  public func previous() { rocksdb_iter_prev(raw) }

  /// A copy of the current key; only when valid.
  public var key: [UInt8] { withKey { Array($0) } }
  /// A copy of the current value; only when valid.
  public var value: [UInt8] { withValue { Array($0) } }

  /// The current key in place; valid within `body` and only when the iterator is valid.
  public func withKey<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    var length = 0
    let start = rocksdb_iter_key(raw, &length)
    return try body(UnsafeRawBufferPointer(start: start, count: length))
  }

  /// The current value in place; valid within `body` and only when the iterator is valid.
  public func withValue<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    var length = 0
    let start = rocksdb_iter_value(raw, &length)
    return try body(UnsafeRawBufferPointer(start: start, count: length))
  }

  /// Throws the error that ended the iteration, if one did.
  public func checkStatus() throws(RocksError) {
    try checked { rocksdb_iter_get_error(raw, $0) }
  }
}
