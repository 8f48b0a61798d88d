import Basics
import RocksEngine
import Transactions

/// The column families of a store, and the reads that transactions make of them.
///
/// Lives on live state, not on a snapshot: everything here runs on the loop, where commands are applied too.
struct StoreState: KeyValueSnapshot {
  static let families = [
    ColumnFamilyOptions("data", writeBufferBytes: 32 << 20),
    ColumnFamilyOptions("lock", writeBufferBytes: 4 << 20),
    ColumnFamilyOptions("transactions", writeBufferBytes: 4 << 20),
    ColumnFamilyOptions("meta", writeBufferBytes: 1 << 20),
  ]

  let database: RocksDatabase
  let data: ColumnFamily
  let lock: ColumnFamily
  let transactions: ColumnFamily
  let meta: ColumnFamily
  /// Nil: the state as it is.
  var snapshot: RocksSnapshot?

  init(_ database: RocksDatabase) {
    self.database = database
    data = database.columnFamily("data")
    lock = database.columnFamily("lock")
    transactions = database.columnFamily("transactions")
    meta = database.columnFamily("meta")
  }

  func family(_ space: KeyValueSpace) -> ColumnFamily {
    switch space {
    case .data: data
    case .lock: lock
    case .transactions: transactions
    }
  }

  /// The same state for another thread, which stays as it is now.
  func frozen() -> StoreState {
    var copy = self
    copy.snapshot = database.snapshot()
    return copy
  }

  func newestVersion(
    of key: [UInt8], atOrBelow timestamp: Timestamp
  ) throws(StorageFailure) -> DataVersion? {
    try reading { () throws in
      let cell = DataRecord.cellKey(key, commit: timestamp)
      let cursor = database.iterator(in: data, from: cell, to: cellsEnd(key), snapshot: snapshot)
      cursor.seekToFirst()
      guard cursor.isValid else {
        try cursor.checkStatus()
        return nil
      }
      guard let commit = cursor.withKey({ commitTimestamp(of: $0, key: key) }) else { return nil }
      return try cursor.withValue { bytes in
        DataVersion(header: try versionHeader(bytes, commit: commit), value: Array(bytes.dropFirst(9)))
      }
    }
  }

  func newestCommit(of key: [UInt8]) throws(StorageFailure) -> VersionHeader? {
    try reading { () throws in
      let cursor = database.iterator(in: data, from: key, to: cellsEnd(key), snapshot: snapshot)
      cursor.seekToFirst()
      guard cursor.isValid else {
        try cursor.checkStatus()
        return nil
      }
      guard let commit = cursor.withKey({ commitTimestamp(of: $0, key: key) }) else { return nil }
      return try cursor.withValue { try versionHeader($0, commit: commit) }
    }
  }

  func version(of key: [UInt8], at timestamp: Timestamp) throws(StorageFailure) -> DataVersion? {
    try reading { () throws in
      try database.withValue(of: DataRecord.cellKey(key, commit: timestamp), in: data, snapshot: snapshot) { bytes in
        DataVersion(header: try versionHeader(bytes, commit: timestamp), value: Array(bytes.dropFirst(9)))
      }
    }
  }

  func lock(of key: [UInt8]) throws(StorageFailure) -> LockRecord? {
    try reading { () throws in
      guard let bytes = try database.get(key, in: lock, snapshot: snapshot) else { return nil }
      return try LockRecord(decoding: bytes)
    }
  }

  func firstLock(
    in span: KeySpan, isReverse: Bool, where matches: (LockRecord) -> Bool
  ) throws(StorageFailure) -> KeyLock? {
    try reading { () throws in
      let cursor = database.iterator(
        in: lock, from: span.start, to: span.end.isEmpty ? nil : span.end, snapshot: snapshot)
      if isReverse { cursor.seekToLast() } else { cursor.seekToFirst() }
      while cursor.isValid {
        let record = try LockRecord(decoding: cursor.value)
        if matches(record) { return KeyLock(key: cursor.key, lock: record) }
        if isReverse { cursor.previous() } else { cursor.next() }
      }
      try cursor.checkStatus()
      return nil
    }
  }

  func transactionRecord(of key: [UInt8], start: Timestamp) throws(StorageFailure) -> TransactionRecord? {
    try reading { () throws in
      let cell = TransactionRecord.cellKey(key, start: start)
      guard let bytes = try database.get(cell, in: transactions, snapshot: snapshot) else { return nil }
      return try TransactionRecord(decoding: bytes)
    }
  }

  private func reading<Value>(_ body: () throws -> Value) throws(StorageFailure) -> Value {
    do {
      return try body()
    } catch let error as RocksError {
      throw .inputOutput(error.description)
    } catch {
      throw .corrupted("\(error)")
    }
  }
}

/// Above every cell of a row key.
func cellsEnd(_ key: [UInt8]) -> [UInt8] { key + [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0] }

/// The commit timestamp of a cell's key, or nil when it is another row's cell.
func commitTimestamp(of cell: UnsafeRawBufferPointer, key: [UInt8]) -> Timestamp? {
  guard cell.count == key.count + DataRecord.suffixLengthBytes else { return nil }
  let isSame = key.withUnsafeBytes { $0.elementsEqual(UnsafeRawBufferPointer(rebasing: cell[..<key.count])) }
  return isSame ? commitTimestamp(ofCell: cell) : nil
}

/// The commit timestamp in the last eight bytes of a cell's key, which has at least that many.
func commitTimestamp(ofCell cell: UnsafeRawBufferPointer) -> Timestamp {
  let suffix = cell.loadUnaligned(fromByteOffset: cell.count - DataRecord.suffixLengthBytes, as: UInt64.self)
  return Timestamp(rawValue: ~UInt64(bigEndian: suffix))
}

func versionHeader(_ bytes: UnsafeRawBufferPointer, commit: Timestamp) throws -> VersionHeader {
  guard bytes.count >= DataRecord.headerLengthBytes, let kind = VersionKind(rawValue: bytes[0]) else {
    throw StorageFailure.corrupted("a version of \(bytes.count) bytes")
  }
  let start = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
  return VersionHeader(commit: commit, start: Timestamp(rawValue: start), kind: kind)
}
