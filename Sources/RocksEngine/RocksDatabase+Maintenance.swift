extension RocksDatabase {
  /// Adds finished SST files; their keys win over what is there. With `move` the files are linked, not copied.
  /// What they contain is durable on return.
  public func ingest(_ paths: [String], in family: ColumnFamily, move: Bool = true) throws(RocksError) {
    switch engine {
    case .native(let native): try native.ingest(paths, in: family, move: move)
    case .memory(let memory): try memory.ingest(paths, in: family, move: move)
    }
  }

  /// Makes a consistent copy in a new directory, by hard links where it can. Blocks.
  public func checkpoint(to path: String) throws(RocksError) {
    switch engine {
    case .native(let native): try native.checkpoint(to: path)
    case .memory(let memory): try memory.checkpoint(to: path)
    }
  }

  /// Writes the memtable of a family to a file. Blocks.
  public func flush(_ family: ColumnFamily) throws(RocksError) {
    switch engine {
    case .native(let native): try native.flush(family)
    case .memory(let memory): try memory.flush()
    }
  }

  /// Compacts the keys between two bounds (nil: open). Blocks.
  public func compact(in family: ColumnFamily, from lower: [UInt8]? = nil, to upper: [UInt8]? = nil) {
    switch engine {
    case .native(let native): native.compact(in: family, from: lower, to: upper)
    case .memory(let memory): try? memory.flush()
    }
  }

  /// A RocksDB property such as `rocksdb.stats`, or nil when there is none of that name.
  public func property(_ name: String, in family: ColumnFamily) -> String? {
    switch engine {
    case .native(let native): native.property(name, in: family)
    case .memory(let memory): memory.property(name, in: family)
    }
  }

  /// A RocksDB property that is a number, such as `rocksdb.estimate-num-keys`.
  public func integerProperty(_ name: String, in family: ColumnFamily) -> UInt64? {
    switch engine {
    case .native(let native): native.integerProperty(name, in: family)
    case .memory(let memory): memory.integerProperty(name, in: family)
    }
  }

  /// Bytes in files between two keys, without the memtables.
  public func approximateSizeBytes(
    in family: ColumnFamily, from lower: [UInt8], to upper: [UInt8]
  ) throws(RocksError) -> UInt64 {
    switch engine {
    case .native(let native): try native.approximateSizeBytes(in: family, from: lower, to: upper)
    case .memory(let memory): try memory.sizeBytes(in: family, from: lower, to: upper)
    }
  }
}
