import Basics

/// The three parts of a range's stored state. Keys of all ranges share them; a range owns one span of keys in each.
public enum KeyValueSpace: UInt8, Hashable, Sendable, CaseIterable {
  /// Committed versions: row key ‖ inverted commit timestamp → `DataRecord`.
  case data = 0
  /// Prewritten, not yet decided: row key → `LockRecord`.
  case lock = 1
  /// Decided transactions: row key ‖ start timestamp → `TransactionRecord`.
  case transactions = 2
}

/// Keys from `start` on, up to and without `end`, in byte order.
public struct KeySpan: Hashable, Sendable {
  public var start: [UInt8]
  /// Exclusive; empty means "no end".
  public var end: [UInt8]

  public init(start: [UInt8], end: [UInt8]) {
    self.start = start
    self.end = end
  }

  public func contains(_ key: [UInt8]) -> Bool { contains(key[...]) }

  public func contains(_ key: ArraySlice<UInt8>) -> Bool {
    !key.lexicographicallyPrecedes(start) && (end.isEmpty || key.lexicographicallyPrecedes(end))
  }

  public func contains(_ other: KeySpan) -> Bool {
    guard !other.start.lexicographicallyPrecedes(start) else { return false }
    if end.isEmpty { return true }
    return !other.end.isEmpty && !end.lexicographicallyPrecedes(other.end)
  }
}

/// Why stored state could not be read. The replica stops serving: a wrong answer is never given.
public enum StorageFailure: Error, Hashable, Sendable {
  case corrupted(String)
  case inputOutput(String)
}

/// What the leader-side logic reads: the applied state of one range.
///
/// Row keys are prefix-free (module KeyValue), so the order of cells is the order of row keys. An implementation may read
/// live state instead of a snapshot if a lock is always looked up before data (Percolator, section 2.2).
public protocol KeyValueSnapshot {
  /// The newest version committed at or below `timestamp`, tombstones included.
  func newestVersion(of key: [UInt8], atOrBelow timestamp: Timestamp) throws(StorageFailure) -> DataVersion?
  /// The newest version of all without its value, tombstones included.
  func newestCommit(of key: [UInt8]) throws(StorageFailure) -> VersionHeader?
  /// The version committed exactly at `timestamp`.
  func version(of key: [UInt8], at timestamp: Timestamp) throws(StorageFailure) -> DataVersion?
  func lock(of key: [UInt8]) throws(StorageFailure) -> LockRecord?
  /// The first lock of the span (the last when `isReverse`) for which `matches` holds.
  func firstLock(
    in span: KeySpan, isReverse: Bool, where matches: (LockRecord) -> Bool
  ) throws(StorageFailure) -> KeyLock?
  func transactionRecord(of key: [UInt8], start: Timestamp) throws(StorageFailure) -> TransactionRecord?
}

/// A lock and the key it stands on.
public struct KeyLock: Hashable, Sendable {
  public var key: [UInt8]
  public var lock: LockRecord

  public init(key: [UInt8], lock: LockRecord) {
    self.key = key
    self.lock = lock
  }
}

/// Receives the low-level writes of an applied command.
public protocol KeyValueWriter {
  mutating func put(_ space: KeyValueSpace, key: [UInt8], value: [UInt8])
  mutating func delete(_ space: KeyValueSpace, key: [UInt8])
  /// Puts a version of a row whose start and commit are the same: the entries of an index build, many at a time.
  mutating func putEntry(_ key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, at timestamp: Timestamp)
}

extension KeyValueWriter {
  public mutating func putEntry(_ key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, at timestamp: Timestamp) {
    put(
      .data, key: DataRecord.cellKey(Array(key), commit: timestamp),
      value: DataRecord.encode(.put, start: timestamp, value: value))
  }
}
