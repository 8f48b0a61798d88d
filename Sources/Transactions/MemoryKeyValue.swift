import Basics

/// The port in memory, for tests and simulation: sorted arrays, slow and plain.
public struct MemoryKeyValue: KeyValueSnapshot, KeyValueWriter, Sendable {
  public struct Cell: Hashable, Sendable {
    public var key: [UInt8]
    public var value: [UInt8]
  }

  /// Ascending by key, one list for each space.
  public private(set) var cells: [[Cell]] = Array(repeating: [], count: KeyValueSpace.allCases.count)
  public private(set) var readBound: Timestamp = .zero
  public private(set) var safePoints = SafePoints.zero

  public init() {}

  public mutating func apply(_ command: RangeCommand) throws(MalformedBytes) {
    let marks = try RangeCommand.apply(command.encoded()[...], to: &self)
    readBound = max(readBound, marks.readBound)
    safePoints = safePoints.raised(to: marks.safePoints)
  }

  public mutating func put(_ space: KeyValueSpace, key: [UInt8], value: [UInt8]) {
    let index = lowerBound(space, key)
    if index < cells[Int(space.rawValue)].count, cells[Int(space.rawValue)][index].key == key {
      cells[Int(space.rawValue)][index].value = value
    } else {
      cells[Int(space.rawValue)].insert(Cell(key: key, value: value), at: index)
    }
  }

  public mutating func delete(_ space: KeyValueSpace, key: [UInt8]) {
    let index = lowerBound(space, key)
    guard index < cells[Int(space.rawValue)].count, cells[Int(space.rawValue)][index].key == key else { return }
    cells[Int(space.rawValue)].remove(at: index)
  }

  public func newestVersion(
    of key: [UInt8], atOrBelow timestamp: Timestamp
  ) throws(StorageFailure) -> DataVersion? {
    let index = lowerBound(.data, DataRecord.cellKey(key, commit: timestamp))
    guard index < cells[0].count else { return nil }
    return try decode(cells[0][index], ifOf: key)
  }

  public func newestCommit(of key: [UInt8]) throws(StorageFailure) -> VersionHeader? {
    try newestVersion(of: key, atOrBelow: .max)?.header
  }

  public func version(of key: [UInt8], at timestamp: Timestamp) throws(StorageFailure) -> DataVersion? {
    guard let version = try newestVersion(of: key, atOrBelow: timestamp), version.commit == timestamp else {
      return nil
    }
    return version
  }

  public func lock(of key: [UInt8]) throws(StorageFailure) -> LockRecord? {
    guard let bytes = value(.lock, key) else { return nil }
    return try reading { () throws(MalformedBytes) in try LockRecord(decoding: bytes) }
  }

  public func firstLock(
    in span: KeySpan, isReverse: Bool, where matches: (LockRecord) -> Bool
  ) throws(StorageFailure) -> KeyLock? {
    let locks = cells[1].filter { span.contains($0.key) }
    for cell in isReverse ? locks.reversed() : locks {
      let lock = try reading { () throws(MalformedBytes) in try LockRecord(decoding: cell.value) }
      if matches(lock) { return KeyLock(key: cell.key, lock: lock) }
    }
    return nil
  }

  public func transactionRecord(of key: [UInt8], start: Timestamp) throws(StorageFailure) -> TransactionRecord? {
    guard let bytes = value(.transactions, TransactionRecord.cellKey(key, start: start)) else { return nil }
    return try reading { () throws(MalformedBytes) in try TransactionRecord(decoding: bytes) }
  }

  /// Live rows of a span at a timestamp, ascending.
  public func scan(_ span: KeySpan, at timestamp: Timestamp) throws(StorageFailure) -> [Cell] {
    var rows: [Cell] = []
    var lastKey: [UInt8]?
    for cell in cells[0] {
      guard let (key, commit) = try? DataRecord.splitCellKey(cell.key) else { throw .corrupted("short cell key") }
      if key == lastKey || commit > timestamp || !span.contains(key) { continue }
      lastKey = key
      if let version = try decode(cell, ifOf: key), version.kind == .put {
        rows.append(Cell(key: key, value: version.value))
      }
    }
    return rows
  }

  private func decode(_ cell: Cell, ifOf key: [UInt8]) throws(StorageFailure) -> DataVersion? {
    try reading { () throws(MalformedBytes) in
      let (cellKey, commit) = try DataRecord.splitCellKey(cell.key)
      return cellKey == key ? try DataRecord.decode(cell.value, commit: commit) : nil
    }
  }

  private func reading<Value>(_ body: () throws(MalformedBytes) -> Value) throws(StorageFailure) -> Value {
    do { return try body() } catch { throw .corrupted(error.description) }
  }

  private func value(_ space: KeyValueSpace, _ key: [UInt8]) -> [UInt8]? {
    let index = lowerBound(space, key)
    let list = cells[Int(space.rawValue)]
    return index < list.count && list[index].key == key ? list[index].value : nil
  }

  private func lowerBound(_ space: KeyValueSpace, _ key: [UInt8]) -> Int {
    var low = 0
    var high = cells[Int(space.rawValue)].count
    while low < high {
      let middle = (low + high) / 2
      if cells[Int(space.rawValue)][middle].key.lexicographicallyPrecedes(key) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
