import Basics
import CRocksDB

/// An open RocksDB directory. Any thread may call it.
///
/// One write-ahead log serves all column families, and recovery restores a prefix of the writes: when a write survives
/// a crash, so do all writes before it, whatever their family.
public final class RocksDatabase: @unchecked Sendable {
  public let path: String
  let raw: OpaquePointer
  private let families: [String: ColumnFamily]
  private let options: OpaquePointer?
  private let cache: OpaquePointer?
  private let readOptions: OpaquePointer?
  private let unsyncedWrites: OpaquePointer?
  private let syncedWrites: OpaquePointer?
  private var isOpen = true

  // MARK: - Opening

  /// Opens or creates the directory (its parent must exist) with exactly these column families.
  ///
  /// - Throws: `locked` when another process has it, `corruption` when the stored state cannot be trusted.
  public static func open(
    _ path: String, columnFamilies: [ColumnFamilyOptions], options: RocksOptions = RocksOptions()
  ) throws(RocksError) -> RocksDatabase {
    let databaseOptions = options.makeDatabaseOptions()
    let cache = rocksdb_cache_create_lru(options.blockCacheBytes)
    let all = [ColumnFamilyOptions("default", writeBufferBytes: 1 << 20)] + columnFamilies
    let familyOptions = all.map { options.makeFamilyOptions($0, cache: cache) }
    defer { for each in familyOptions { rocksdb_options_destroy(each) } }
    var handles = [OpaquePointer?](repeating: nil, count: all.count)
    let opened: Result<OpaquePointer?, RocksError> = withCStrings(all.map(\.name)) { names in
      Result { () throws(RocksError) in
        try checked { error in
          rocksdb_open_column_families(
            databaseOptions, path, Int32(all.count), names.baseAddress, familyOptions, &handles, error)
        }
      }
    }
    do throws(RocksError) {
      guard let raw = try opened.get() else { throw .other("RocksDB gave neither a database nor an error") }
      var families: [String: ColumnFamily] = [:]
      for (option, handle) in zip(all, handles) {
        guard let handle else { throw .other("column family \(option.name) was not opened") }
        families[option.name] = ColumnFamily(name: option.name, raw: handle)
      }
      return RocksDatabase(path: path, raw: raw, families: families, options: databaseOptions, cache: cache)
    } catch {
      rocksdb_options_destroy(databaseOptions)
      rocksdb_cache_destroy(cache)
      throw error
    }
  }

  private init(
    path: String, raw: OpaquePointer, families: [String: ColumnFamily], options: OpaquePointer?, cache: OpaquePointer?
  ) {
    self.path = path
    self.raw = raw
    self.families = families
    self.options = options
    self.cache = cache
    readOptions = rocksdb_readoptions_create()
    rocksdb_readoptions_set_verify_checksums(readOptions, 1)
    unsyncedWrites = rocksdb_writeoptions_create()
    syncedWrites = rocksdb_writeoptions_create()
    rocksdb_writeoptions_set_sync(syncedWrites, 1)
  }

  deinit { close() }

  /// Closes the directory; a second call does nothing. Nothing of this database may be used afterwards: iterators and
  /// snapshots keep it open by their reference, so drop the last reference rather than call this with any of them alive.
  public func close() {
    guard isOpen else { return }
    isOpen = false
    for family in families.values { rocksdb_column_family_handle_destroy(family.raw) }
    rocksdb_close(raw)
    rocksdb_readoptions_destroy(readOptions)
    rocksdb_writeoptions_destroy(unsyncedWrites)
    rocksdb_writeoptions_destroy(syncedWrites)
    rocksdb_options_destroy(options)
    rocksdb_cache_destroy(cache)
  }

  /// A family named at opening; any other name is a programmer error.
  public func columnFamily(_ name: String) -> ColumnFamily {
    guard let family = families[name] else { preconditionFailure("column family \(name) was not opened") }
    return family
  }

  // MARK: - Writing

  /// Applies a batch atomically. With `sync` it returns after the fsync: do not do that on the event loop.
  public func write(_ batch: WriteBatch, sync: Bool) throws(RocksError) {
    if batch.isEmpty && !sync { return }
    try checked { rocksdb_write(raw, sync ? syncedWrites : unsyncedWrites, batch.raw, $0) }
  }

  /// Makes every write so far durable (fsync of the write-ahead log). Writes of other threads go on meanwhile.
  public func syncLog() throws(RocksError) {
    try checked { rocksdb_flush_wal(raw, 1, $0) }
  }

  // MARK: - Reading

  /// The value of a key, or nil.
  public func get(
    _ key: [UInt8], in family: ColumnFamily, snapshot: RocksSnapshot? = nil
  ) throws(RocksError) -> [UInt8]? {
    guard let pinned = try pinned(key, family, snapshot) else { return nil }
    defer { rocksdb_pinnableslice_destroy(pinned) }
    return Array(pinnedBytes(pinned))
  }

  /// Calls `body` with the value in place, without a copy; nil when there is no such key. The bytes are valid only
  /// within `body`.
  public func withValue<Result>(
    of key: [UInt8], in family: ColumnFamily, snapshot: RocksSnapshot? = nil,
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result? {
    guard let pinned = try pinned(key, family, snapshot) else { return nil }
    defer { rocksdb_pinnableslice_destroy(pinned) }
    return try body(pinnedBytes(pinned))
  }

  /// True when the key exists.
  public func contains(
    _ key: [UInt8], in family: ColumnFamily, snapshot: RocksSnapshot? = nil
  ) throws(RocksError) -> Bool {
    guard let pinned = try pinned(key, family, snapshot) else { return false }
    rocksdb_pinnableslice_destroy(pinned)
    return true
  }

  /// The values of many keys in their order, nil where there is none: cheaper than single gets.
  public func multiGet(
    _ keys: [[UInt8]], in family: ColumnFamily, snapshot: RocksSnapshot? = nil
  ) throws(RocksError) -> [[UInt8]?] {
    if keys.isEmpty { return [] }
    var values = [OpaquePointer?](repeating: nil, count: keys.count)
    var errors = [UnsafeMutablePointer<CChar>?](repeating: nil, count: keys.count)
    withPointers(keys) { pointers, sizes in
      withReadOptions(snapshot) { options in
        rocksdb_batched_multi_get_cf(raw, options, family.raw, keys.count, pointers, sizes, &values, &errors, false)
      }
    }
    defer { for value in values where value != nil { rocksdb_pinnableslice_destroy(value) } }
    var failure: RocksError?
    for case let message? in errors { failure = takeError(message) }
    if let failure { throw failure }
    return values.map { value in value.map { Array(pinnedBytes($0)) } }
  }

  /// An iterator over `lower ≤ key < upper`, not yet positioned. It sees the database as of the snapshot, or as of now.
  ///
  /// - Parameter readAheadBytes: read that much from files at once; use some hundred KiB for long scans.
  /// - Parameter fillsCache: false keeps long scans from displacing what others read.
  public func iterator(
    in family: ColumnFamily, from lower: [UInt8]? = nil, to upper: [UInt8]? = nil, snapshot: RocksSnapshot? = nil,
    readAheadBytes: Int = 0, fillsCache: Bool = true
  ) -> RocksIterator {
    RocksIterator(
      database: self, family: family, lower: lower, upper: upper, snapshot: snapshot, readAheadBytes: readAheadBytes,
      fillsCache: fillsCache)
  }

  /// The database as it is now, until the last reference to the snapshot is gone. Long-lived ones hold up compaction.
  public func snapshot() -> RocksSnapshot { RocksSnapshot(database: self) }

  private func pinned(
    _ key: [UInt8], _ family: ColumnFamily, _ snapshot: RocksSnapshot?
  ) throws(RocksError) -> OpaquePointer? {
    var message: UnsafeMutablePointer<CChar>?
    let result: OpaquePointer? = key.withUnsafeBytes { bytes in
      withReadOptions(snapshot) { options in
        rocksdb_get_pinned_cf(raw, options, family.raw, charPointer(bytes), bytes.count, &message)
      }
    }
    if let message { throw takeError(message) }
    return result
  }

  private func withReadOptions<Result>(_ snapshot: RocksSnapshot?, _ body: (OpaquePointer?) -> Result) -> Result {
    body(snapshot?.readOptions ?? readOptions)
  }
}

/// A fixed view of a database.
public final class RocksSnapshot: @unchecked Sendable {
  private let database: RocksDatabase
  let raw: OpaquePointer?
  let readOptions: OpaquePointer?

  init(database: RocksDatabase) {
    self.database = database
    raw = rocksdb_create_snapshot(database.raw)
    readOptions = rocksdb_readoptions_create()
    rocksdb_readoptions_set_verify_checksums(readOptions, 1)
    rocksdb_readoptions_set_snapshot(readOptions, raw)
  }

  deinit {
    rocksdb_readoptions_destroy(readOptions)
    rocksdb_release_snapshot(database.raw, raw)
  }
}
