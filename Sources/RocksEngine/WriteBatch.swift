import CRocksDB

/// Writes that take effect together. One thread at a time.
public final class WriteBatch {
  let raw: OpaquePointer?
  /// Set by whoever lends the batch out: writes what was collected so far and empties the batch.
  public var flushEarlierWrites: ((WriteBatch) throws -> Void)?

  public init() { raw = rocksdb_writebatch_create() }

  deinit { rocksdb_writebatch_destroy(raw) }

  public var count: Int { Int(rocksdb_writebatch_count(raw)) }
  public var isEmpty: Bool { rocksdb_writebatch_count(raw) == 0 }

  /// Encoded size.
  public var sizeBytes: Int {
    var size = 0
    _ = rocksdb_writebatch_data(raw, &size)
    return size
  }

  public func put(_ key: [UInt8], _ value: [UInt8], in family: ColumnFamily) {
    key.withUnsafeBytes { key in
      value.withUnsafeBytes { value in
        rocksdb_writebatch_put_cf(raw, family.raw, charPointer(key), key.count, charPointer(value), value.count)
      }
    }
  }

  /// Puts a value that lies in memory somewhere; it is copied.
  public func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, in family: ColumnFamily) {
    rocksdb_writebatch_put_cf(raw, family.raw, charPointer(key), key.count, charPointer(value), value.count)
  }

  public func delete(_ key: [UInt8], in family: ColumnFamily) {
    key.withUnsafeBytes { rocksdb_writebatch_delete_cf(raw, family.raw, charPointer($0), $0.count) }
  }

  /// Deletes `lower ≤ key < upper` by one record.
  public func deleteRange(from lower: [UInt8], to upper: [UInt8], in family: ColumnFamily) {
    lower.withUnsafeBytes { lower in
      upper.withUnsafeBytes { upper in
        rocksdb_writebatch_delete_range_cf(
          raw, family.raw, charPointer(lower), lower.count, charPointer(upper), upper.count)
      }
    }
  }

  public func clear() { rocksdb_writebatch_clear(raw) }

  /// Writes out what was collected before, so that reads of the database see it. Does nothing in a batch of one's own.
  public func makeVisible() throws { try flushEarlierWrites?(self) }
}
