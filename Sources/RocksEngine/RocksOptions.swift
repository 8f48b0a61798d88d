import CRocksDB

/// One column family to open; it is created when it is missing.
public struct ColumnFamilyOptions: Sendable {
  public var name: String
  /// Bytes collected in memory before they become a file.
  public var writeBufferBytes: Int
  /// Memtables that may exist at a time before writers are stopped.
  public var maximumWriteBuffers = 4
  /// Bits of a bloom filter for each key; 0 for none. Ten make about 1 % false positives.
  public var bloomBitsPerKey: Int
  public var blockBytes = 16 << 10

  public init(_ name: String, writeBufferBytes: Int = 16 << 20, bloomBitsPerKey: Int = 10) {
    self.name = name
    self.writeBufferBytes = writeBufferBytes
    self.bloomBitsPerKey = bloomBitsPerKey
  }
}

/// Options of a whole database. The defaults suit nine processes on two cores.
public struct RocksOptions: Sendable {
  public var blockCacheBytes = 64 << 20
  public var maximumOpenFiles = 512
  /// Threads for flushes and compactions together.
  public var backgroundThreads = 2
  /// The write-ahead log is cut by flushing the families that hold it up beyond this size.
  public var maximumLogBytes = 256 << 20
  public var createIfMissing = true

  public init() {}
}

/// A column family of an open database; valid as long as the database is.
public struct ColumnFamily: Hashable, @unchecked Sendable {
  enum Handle: Hashable {
    case native(OpaquePointer)
    /// The place of the family's table in its directory.
    case memory(Int)
  }

  public let name: String
  let handle: Handle

  /// The family in RocksDB: of a database that is RocksDB, else a programmer error.
  var raw: OpaquePointer {
    guard case .native(let raw) = handle else { preconditionFailure("family \(name) is of another engine") }
    return raw
  }

  /// The family's table: of a database in memory, else a programmer error.
  var tableIndex: Int {
    guard case .memory(let index) = handle else { preconditionFailure("family \(name) is of another engine") }
    return index
  }
}

/// `InfoLogLevel::FATAL_LEVEL` of RocksDB's `env.h`.
private let fatalLogLevel: Int32 = 4

extension RocksOptions {
  /// Of so many equal parts: RocksDB's default is up to 64, and what is larger than a part is not kept at all.
  private static let cacheShardBits: Int32 = 2

  /// The caller destroys the result.
  func makeCache() -> OpaquePointer? {
    let options = rocksdb_lru_cache_options_create()
    defer { rocksdb_lru_cache_options_destroy(options) }
    rocksdb_lru_cache_options_set_capacity(options, blockCacheBytes)
    rocksdb_lru_cache_options_set_num_shard_bits(options, Self.cacheShardBits)
    return rocksdb_cache_create_lru_opts(options)
  }

  /// The caller destroys the result.
  func makeDatabaseOptions() -> OpaquePointer? {
    let options = rocksdb_options_create()
    rocksdb_options_set_create_if_missing(options, createIfMissing ? 1 : 0)
    rocksdb_options_set_create_missing_column_families(options, 1)
    rocksdb_options_set_max_open_files(options, Int32(clamping: maximumOpenFiles))
    rocksdb_options_set_max_background_jobs(options, Int32(clamping: backgroundThreads))
    rocksdb_options_set_max_total_wal_size(options, UInt64(maximumLogBytes))
    rocksdb_options_set_paranoid_checks(options, 1)
    // RocksDB's own log lies on the disk it tells of. Builds with assertions (Debian's) abort the process at the second line
    // that does not fit, so there is none but the head; errors are the callers' to report.
    rocksdb_options_set_info_log_level(options, fatalLogLevel)
    rocksdb_options_set_keep_log_file_num(options, 4)
    rocksdb_options_set_stats_dump_period_sec(options, 0)
    rocksdb_options_set_bytes_per_sync(options, 1 << 20)
    // Recovery stops at the first gap: a prefix of the writes, never a later write without an earlier one.
    rocksdb_options_set_wal_recovery_mode(options, Int32(rocksdb_point_in_time_recovery))
    return options
  }

  /// The caller destroys the result.
  func makeFamilyOptions(_ family: ColumnFamilyOptions, cache: OpaquePointer?) -> OpaquePointer? {
    let options = rocksdb_options_create()
    let table = rocksdb_block_based_options_create()
    defer { rocksdb_block_based_options_destroy(table) }
    rocksdb_block_based_options_set_block_cache(table, cache)
    rocksdb_block_based_options_set_block_size(table, family.blockBytes)
    rocksdb_block_based_options_set_format_version(table, 5)
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
    // Indexes and filters in parts as small as other blocks: a read takes what it needs, and no part is larger than the cache.
    rocksdb_block_based_options_set_index_type(
      table, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
    rocksdb_block_based_options_set_partition_filters(table, 1)
    rocksdb_block_based_options_set_metadata_block_size(table, UInt64(clamping: family.blockBytes))
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
    if family.bloomBitsPerKey > 0 {
      // The table options own the policy.
      rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(Double(family.bloomBitsPerKey)))
    }
    rocksdb_options_set_block_based_table_factory(options, table)
    rocksdb_options_set_write_buffer_size(options, family.writeBufferBytes)
    rocksdb_options_set_max_write_buffer_number(options, Int32(clamping: family.maximumWriteBuffers))
    rocksdb_options_set_level0_file_num_compaction_trigger(options, 4)
    rocksdb_options_set_level0_slowdown_writes_trigger(options, 32)
    rocksdb_options_set_level0_stop_writes_trigger(options, 64)
    rocksdb_options_set_target_file_size_base(options, 32 << 20)
    rocksdb_options_set_max_bytes_for_level_base(options, 128 << 20)
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
    rocksdb_options_set_compression(options, Int32(rocksdb_lz4_compression))
    return options
  }
}
