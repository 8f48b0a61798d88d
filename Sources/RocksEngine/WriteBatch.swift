import CRocksDB

/// Writes that take effect together. One thread at a time.
///
/// All writes of one batch are for families of one database.
public final class WriteBatch {
  let raw: OpaquePointer?
  /// What was collected for families of a database in memory.
  private(set) var operations: [MemoryOperation] = []
  /// Set by whoever lends the batch out: writes what was collected so far and empties the batch.
  public var flushEarlierWrites: ((WriteBatch) throws -> Void)?

  public init() { raw = rocksdb_writebatch_create() }

  deinit { rocksdb_writebatch_destroy(raw) }

  public var count: Int { Int(rocksdb_writebatch_count(raw)) + operations.count }
  public var isEmpty: Bool { rocksdb_writebatch_count(raw) == 0 && operations.isEmpty }

  /// Encoded size.
  public var sizeBytes: Int {
    var size = 0
    _ = rocksdb_writebatch_data(raw, &size)
    return operations.reduce(size) { $0 + $1.sizeBytes }
  }

  public func put(_ key: [UInt8], _ value: [UInt8], in family: ColumnFamily) {
    switch family.handle {
    case .native(let family):
      key.withUnsafeBytes { key in
        value.withUnsafeBytes { value in
          rocksdb_writebatch_put_cf(raw, family, charPointer(key), key.count, charPointer(value), value.count)
        }
      }
    case .memory(let table):
      operations.append(.put(table: table, key: key, value: value))
    }
  }

  /// Puts a value that lies in memory somewhere; it is copied.
  public func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, in family: ColumnFamily) {
    switch family.handle {
    case .native(let family):
      rocksdb_writebatch_put_cf(raw, family, charPointer(key), key.count, charPointer(value), value.count)
    case .memory(let table):
      operations.append(.put(table: table, key: Array(key), value: Array(value)))
    }
  }

  public func delete(_ key: [UInt8], in family: ColumnFamily) {
    switch family.handle {
    case .native(let family):
      key.withUnsafeBytes { rocksdb_writebatch_delete_cf(raw, family, charPointer($0), $0.count) }
    case .memory(let table):
      operations.append(.delete(table: table, key: key))
    }
  }

  /// Deletes `lower ≤ key < upper` by one record.
  public func deleteRange(from lower: [UInt8], to upper: [UInt8], in family: ColumnFamily) {
    switch family.handle {
    case .native(let family):
      lower.withUnsafeBytes { lower in
        upper.withUnsafeBytes { upper in
          rocksdb_writebatch_delete_range_cf(
            raw, family, charPointer(lower), lower.count, charPointer(upper), upper.count)
        }
      }
    case .memory(let table):
      operations.append(.deleteRange(table: table, from: lower, to: upper))
    }
  }

  public func clear() {
    rocksdb_writebatch_clear(raw)
    operations.removeAll(keepingCapacity: true)
  }

  /// Writes out what was collected before, so that reads of the database see it. Does nothing in a batch of one's own.
  public func makeVisible() throws { try flushEarlierWrites?(self) }
}
