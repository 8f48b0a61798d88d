import Basics
import CRocksDB
import Synchronization

/// An open RocksDB directory: what stands behind `RocksDatabase` in production. Its methods are described there.
final class NativeDatabase: @unchecked Sendable {
  let raw: OpaquePointer
  let families: [String: ColumnFamily]
  private let options: OpaquePointer?
  private let cache: OpaquePointer?
  private let readOptions: OpaquePointer?
  private let unsyncedWrites: OpaquePointer?
  private let syncedWrites: OpaquePointer?
  /// A write has failed: what is in the log from there on is not known, and a sync of it means nothing.
  private let hasFailedWrite = Atomic<Bool>(false)
  private var isOpen = true

  // MARK: - Opening

  static func open(
    _ path: String, columnFamilies: [ColumnFamilyOptions], options: RocksOptions
  ) throws(RocksError) -> NativeDatabase {
    let databaseOptions = options.makeDatabaseOptions()
    let cache = options.makeCache()
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
        families[option.name] = ColumnFamily(name: option.name, handle: .native(handle))
      }
      return NativeDatabase(raw: raw, families: families, options: databaseOptions, cache: cache)
    } catch {
      rocksdb_options_destroy(databaseOptions)
      rocksdb_cache_destroy(cache)
      throw error
    }
  }

  private init(
    raw: OpaquePointer, families: [String: ColumnFamily], options: OpaquePointer?, cache: OpaquePointer?
  ) {
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

  func close() {
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

  // MARK: - Writing

  func write(_ batch: WriteBatch, sync: Bool) throws(RocksError) {
    if batch.isEmpty && !sync { return }
    try checked {
      rocksdb_write(raw, sync ? syncedWrites : unsyncedWrites, batch.raw, $0)
      if $0.pointee != nil { hasFailedWrite.store(true, ordering: .releasing) }
    }
  }

  /// Not after a failed write: Debian's RocksDB, built with its assertions, aborts when the first sync of a log file follows one.
  func syncLog() throws(RocksError) {
    if hasFailedWrite.load(ordering: .acquiring) { throw .inputOutput("an earlier write of the log failed") }
    try checked { rocksdb_flush_wal(raw, 1, $0) }
  }

  // MARK: - Reading

  func get(
    _ key: [UInt8], in family: ColumnFamily, snapshot: NativeSnapshot?
  ) throws(RocksError) -> [UInt8]? {
    guard let pinned = try pinned(key, family, snapshot) else { return nil }
    defer { rocksdb_pinnableslice_destroy(pinned) }
    return Array(pinnedBytes(pinned))
  }

  func withValue<Result>(
    of key: [UInt8], in family: ColumnFamily, snapshot: NativeSnapshot?,
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result? {
    guard let pinned = try pinned(key, family, snapshot) else { return nil }
    defer { rocksdb_pinnableslice_destroy(pinned) }
    return try body(pinnedBytes(pinned))
  }

  func contains(
    _ key: [UInt8], in family: ColumnFamily, snapshot: NativeSnapshot?
  ) throws(RocksError) -> Bool {
    guard let pinned = try pinned(key, family, snapshot) else { return false }
    rocksdb_pinnableslice_destroy(pinned)
    return true
  }

  func multiGet(
    _ keys: [[UInt8]], in family: ColumnFamily, snapshot: NativeSnapshot?
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

  private func pinned(
    _ key: [UInt8], _ family: ColumnFamily, _ snapshot: NativeSnapshot?
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

  private func withReadOptions<Result>(_ snapshot: NativeSnapshot?, _ body: (OpaquePointer?) -> Result) -> Result {
    body(snapshot?.readOptions ?? readOptions)
  }
}

/// A snapshot of RocksDB and the options of reads that use it.
final class NativeSnapshot: @unchecked Sendable {
  private let database: NativeDatabase
  let raw: OpaquePointer?
  let readOptions: OpaquePointer?

  init(database: NativeDatabase) {
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
