import CRocksDB

/// A cursor over the keys of one column family between two bounds. One thread at a time.
///
/// `isValid` turns false at the end of the bounds and at an error: `checkStatus` tells which.
public final class RocksIterator {
  private enum Cursor {
    case native(OpaquePointer?)
    case memory(MemoryIterator)
  }

  private let database: RocksDatabase
  private let cursor: Cursor
  /// Owns what a native cursor points to.
  private let native: NativeIterator?

  init(_ native: NativeIterator, of database: RocksDatabase) {
    self.database = database
    self.native = native
    cursor = .native(native.raw)
  }

  init(_ memory: MemoryIterator, of database: RocksDatabase) {
    self.database = database
    native = nil
    cursor = .memory(memory)
  }

  public var isValid: Bool {
    switch cursor {
    case .native(let raw): rocksdb_iter_valid(raw) != 0
    case .memory(let memory): memory.isValid
    }
  }

  public func seekToFirst() {
    switch cursor {
    case .native(let raw): rocksdb_iter_seek_to_first(raw)
    case .memory(let memory): memory.seekToFirst()
    }
  }

  public func seekToLast() {
    switch cursor {
    case .native(let raw): rocksdb_iter_seek_to_last(raw)
    case .memory(let memory): memory.seekToLast()
    }
  }

  /// To the first key that is not below `key`.
  public func seek(_ key: [UInt8]) {
    switch cursor {
    case .native(let raw): key.withUnsafeBytes { rocksdb_iter_seek(raw, charPointer($0), $0.count) }
    case .memory(let memory): memory.seek(key)
    }
  }

  /// To the last key that is not above `key`.
  public func seekForPrevious(_ key: [UInt8]) {
    switch cursor {
    case .native(let raw): key.withUnsafeBytes { rocksdb_iter_seek_for_prev(raw, charPointer($0), $0.count) }
    case .memory(let memory): memory.seekForPrevious(key)
    }
  }

  /// Only when valid.
  public func next() {
    switch cursor {
    case .native(let raw): rocksdb_iter_next(raw)
    case .memory(let memory): memory.next()
    }
  }

  /// Only when valid.
  public func previous() {
    switch cursor {
    case .native(let raw): rocksdb_iter_prev(raw)
    case .memory(let memory): memory.previous()
    }
  }

  /// A copy of the current key; only when valid.
  public var key: [UInt8] { withKey { Array($0) } }
  /// A copy of the current value; only when valid.
  public var value: [UInt8] { withValue { Array($0) } }

  /// The current key in place; valid within `body` and only when the iterator is valid.
  public func withKey<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch cursor {
    case .native(let raw):
      var length = 0
      let start = rocksdb_iter_key(raw, &length)
      return try body(UnsafeRawBufferPointer(start: start, count: length))
    case .memory(let memory):
      return try memory.entry.key.withUnsafeBytes(body)
    }
  }

  /// The current value in place; valid within `body` and only when the iterator is valid.
  public func withValue<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch cursor {
    case .native(let raw):
      var length = 0
      let start = rocksdb_iter_value(raw, &length)
      return try body(UnsafeRawBufferPointer(start: start, count: length))
    case .memory(let memory):
      return try memory.entry.value.withUnsafeBytes(body)
    }
  }

  /// Throws the error that ended the iteration, if one did.
  public func checkStatus() throws(RocksError) {
    do throws(RocksError) {
      switch cursor {
      case .native(let raw): try checked { rocksdb_iter_get_error(raw, $0) }
      case .memory(let memory): if let failure = memory.failure { throw failure }
      }
    } catch {
      database.note(error)
      throw error
    }
  }
}
