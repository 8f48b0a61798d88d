import Basics
import Raft
import RocksEngine

/// Where a group's Raft state lies in the column family of the host.
///
///     8 bytes   group, big-endian
///     1 byte    kind of the record
///     8 bytes   position, big-endian (log entries and staged snapshot chunks only)
struct GroupStorage {
  enum Record: UInt8 {
    case hardState = 1
    case truncatedState = 2
    case appliedIndex = 3
    /// A snapshot is staged completely and is being restored: its position.
    case restoring = 4
    case entry = 16
    case stagedChunk = 32
  }

  let group: RangeID
  let family: ColumnFamily

  private func key(_ record: Record) -> [UInt8] {
    var key: [UInt8] = []
    key.reserveCapacity(17)
    appendBigEndian(group.rawValue, to: &key)
    key.append(record.rawValue)
    return key
  }

  func key(_ record: Record, _ position: UInt64) -> [UInt8] {
    var key = key(record)
    appendBigEndian(position, to: &key)
    return key
  }

  func put(_ state: HardState, into batch: WriteBatch) { batch.put(key(.hardState), state.encoded(), in: family) }
  func put(_ state: TruncatedState, into batch: WriteBatch) {
    batch.put(key(.truncatedState), state.encoded(), in: family)
  }

  func put(appliedIndex: LogIndex, into batch: WriteBatch) {
    var value: [UInt8] = []
    appendBigEndian(appliedIndex, to: &value)
    batch.put(key(.appliedIndex), value, in: family)
  }

  func put(_ entries: [Entry], into batch: WriteBatch) {
    for entry in entries { batch.put(key(.entry, entry.index), entry.encodedRecord(), in: family) }
  }

  func delete(_ indexes: ClosedRange<LogIndex>, into batch: WriteBatch) {
    for index in indexes { batch.delete(key(.entry, index), in: family) }
  }

  /// Forgets the entries below `first`.
  func compact(from oldFirst: LogIndex, to newFirst: LogIndex, into batch: WriteBatch) {
    batch.deleteRange(from: key(.entry, oldFirst), to: key(.entry, newFirst), in: family)
  }

  func deleteAllEntries(into batch: WriteBatch) {
    batch.deleteRange(from: key(.entry, 0), to: key(.entry, UInt64.max), in: family)
  }

  func stage(_ number: UInt64, _ chunk: [UInt8], into batch: WriteBatch) {
    batch.put(key(.stagedChunk, number), chunk, in: family)
  }

  func stagedChunk(_ number: UInt64, _ database: RocksDatabase) throws(RocksError) -> [UInt8]? {
    try database.get(key(.stagedChunk, number), in: family)
  }

  func deleteStagedChunks(into batch: WriteBatch) {
    batch.deleteRange(from: key(.stagedChunk, 0), to: key(.stagedChunk, UInt64.max), in: family)
  }

  func markRestoring(_ state: TruncatedState, into batch: WriteBatch) {
    batch.put(key(.restoring), state.encoded(), in: family)
  }

  /// The snapshot is the group's state from now on.
  func finishRestore(_ state: TruncatedState, into batch: WriteBatch) {
    deleteAllEntries(into: batch)
    deleteStagedChunks(into: batch)
    batch.delete(key(.restoring), in: family)
    put(state, into: batch)
    put(appliedIndex: state.index, into: batch)
  }

  func deleteEverything(into batch: WriteBatch) {
    var lower: [UInt8] = []
    appendBigEndian(group.rawValue, to: &lower)
    let last = key(.stagedChunk, UInt64.max)
    batch.deleteRange(from: lower, to: last + [0], in: family)
  }

  // MARK: - Restart

  /// What a restart found of one group.
  struct Found {
    var persisted: PersistedState
    var restoring: TruncatedState?
  }

  /// Every group that has state in the family, in the order of their numbers.
  static func load(_ database: RocksDatabase, _ family: ColumnFamily) throws -> [(RangeID, Found)] {
    let iterator = database.iterator(in: family, readAheadBytes: 1 << 20, fillsCache: false)
    var loaders: [GroupLoader] = []
    iterator.seekToFirst()
    while iterator.isValid {
      let key = iterator.key
      guard key.count == 9 || key.count == 17, let record = Record(rawValue: key[8]) else {
        throw RocksError.corruption("a key of the replication log has \(key.count) bytes or an unknown kind")
      }
      let group = RangeID(bigEndian(key[0..<8]))
      if loaders.last?.group != group { loaders.append(GroupLoader(group: group)) }
      do {
        try loaders[loaders.count - 1].take(
          record, position: key.count == 17 ? bigEndian(key[9...]) : 0, iterator.value)
      } catch {
        throw RocksError.corruption("group \(group), record \(record): \(error)")
      }
      iterator.next()
    }
    try iterator.checkStatus()
    var result: [(RangeID, Found)] = []
    for loader in loaders {
      if let found = try loader.finish() { result.append((loader.group, found)) }
    }
    return result
  }
}

/// Collects the records of one group in the order of their keys.
private struct GroupLoader {
  let group: RangeID
  var hardState = HardState()
  var truncated: TruncatedState?
  var appliedIndex: LogIndex = 0
  var restoring: TruncatedState?
  var entries: [Entry] = []

  init(group: RangeID) { self.group = group }

  mutating func take(_ record: GroupStorage.Record, position: UInt64, _ value: [UInt8]) throws(MalformedBytes) {
    switch record {
    case .hardState: hardState = try HardState(encoded: value)
    case .truncatedState: truncated = try TruncatedState(encoded: value)
    case .appliedIndex:
      guard value.count == 8 else { throw MalformedBytes("\(value.count) bytes for an index") }
      appliedIndex = bigEndian(value[...])
    case .restoring: restoring = try TruncatedState(encoded: value)
    case .entry: entries.append(try Entry(index: position, record: value))
    case .stagedChunk: break
    }
  }

  func finish() throws(RocksError) -> GroupStorage.Found? {
    // Without this record the group was being removed.
    guard let truncated else { return nil }
    let state = PersistedState(
      hardState: hardState, truncated: truncated, appliedIndex: max(appliedIndex, truncated.index),
      entries: entries.filter { $0.index > truncated.index })
    if restoring == nil, let problem = state.inconsistency {
      throw .corruption("the log of group \(group) is inconsistent: \(problem)")
    }
    return GroupStorage.Found(persisted: state, restoring: restoring)
  }
}

private func appendBigEndian(_ value: UInt64, to bytes: inout [UInt8]) {
  for shift in stride(from: UInt64(56), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
}

private func bigEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
