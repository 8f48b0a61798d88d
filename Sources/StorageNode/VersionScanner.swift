import Basics
import Glibc
import RocksEngine
import Transactions

/// Walks the rows of a span as of a timestamp, in either direction. One thread at a time; not only the loop's.
///
/// Row keys are prefix-free, so cells are in the order of their row keys; bounds are compared with row keys, because a
/// bound may be a row key with something appended.
struct VersionScanner {
  /// Cells of one row walked over before seeking past them is cheaper.
  private static let cellsBeforeSeek = 8

  let cursor: RocksIterator
  let span: KeySpan
  let timestamp: Timestamp
  let isReverse: Bool
  /// Cells looked at.
  private(set) var examined = 0
  private var rowKey: [UInt8] = []

  init(_ state: StoreState, _ span: KeySpan, at timestamp: Timestamp, isReverse: Bool, isLong: Bool = false) {
    self.span = span
    self.timestamp = timestamp
    self.isReverse = isReverse
    cursor = state.database.iterator(
      in: state.data, snapshot: state.snapshot, readAheadBytes: isLong ? 512 << 10 : 0, fillsCache: !isLong)
    if !isReverse {
      cursor.seek(span.start)
    } else if span.end.isEmpty {
      cursor.seekToLast()
    } else {
      cursor.seekForPrevious(span.end)
    }
  }

  /// Calls `body` with each live row's key and value, valid within the call, until it returns false or `examinedLimit` cells
  /// are seen. Returns the key where to go on (exclusive end when reverse), nil at the end of the span.
  mutating func forEach(
    examinedLimit: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
  ) throws -> [UInt8]? {
    isReverse
      ? try walkBackward(examinedLimit: examinedLimit, body) : try walkForward(examinedLimit: examinedLimit, body)
  }

  private mutating func walkForward(
    examinedLimit: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
  ) throws -> [UInt8]? {
    var isRowDone = false
    var cellsOfRow = 0
    rowKey.removeAll(keepingCapacity: true)
    var goesOn = true
    while cursor.isValid {
      let step: Step = try cursor.withKey { cell in
        guard cell.count >= DataRecord.suffixLengthBytes else { throw StorageFailure.corrupted("short cell key") }
        let key = UnsafeRawBufferPointer(rebasing: cell[..<(cell.count - DataRecord.suffixLengthBytes)])
        if isRowDone || cellsOfRow > 0, isEqual(key, rowKey) {
          cellsOfRow += 1
        } else {
          if !span.end.isEmpty && !isBelow(key, span.end) { return .end }
          if !goesOn || examined >= examinedLimit { return .stop }
          rowKey.removeAll(keepingCapacity: true)
          rowKey.append(contentsOf: key)
          isRowDone = isBelow(key, span.start)
          cellsOfRow = 1
        }
        examined += 1
        if isRowDone { return cellsOfRow > Self.cellsBeforeSeek ? .nextRow : .next }
        if commitTimestamp(ofCell: cell) > timestamp {
          return cellsOfRow > Self.cellsBeforeSeek ? .visibleVersion : .next
        }
        isRowDone = true
        return try cursor.withValue { record in
          let header = try versionHeader(record, commit: .zero)
          if header.kind == .put {
            goesOn = try body(key, UnsafeRawBufferPointer(rebasing: record[DataRecord.headerLengthBytes...]))
          }
          return .next
        }
      }
      switch step {
      case .next: cursor.next()
      case .nextRow:
        cursor.seek(cellsEnd(rowKey))
      case .visibleVersion: cursor.seek(DataRecord.cellKey(rowKey, commit: timestamp))
      case .end: return nil
      case .stop: return cursor.withKey { Array($0.dropLast(DataRecord.suffixLengthBytes)) }
      }
    }
    try cursor.checkStatus()
    return nil
  }

  private enum Step {
    case next, nextRow, visibleVersion, end, stop
  }

  /// Backward, a row's versions come oldest first: the last one at or below the timestamp is the visible one.
  private mutating func walkBackward(
    examinedLimit: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
  ) throws -> [UInt8]? {
    var visible: [UInt8]?
    var hasRow = false
    var goesOn = true
    func emit(_ rowKey: [UInt8]) throws {
      guard let record = visible, record.first == VersionKind.put.rawValue else { return }
      goesOn = try rowKey.withUnsafeBytes { key in
        try record.withUnsafeBytes { bytes in
          try body(key, UnsafeRawBufferPointer(rebasing: bytes[DataRecord.headerLengthBytes...]))
        }
      }
    }
    while cursor.isValid {
      let cell = cursor.key
      guard cell.count >= DataRecord.suffixLengthBytes else { throw StorageFailure.corrupted("short cell key") }
      let key = cell[..<(cell.count - DataRecord.suffixLengthBytes)]
      if !hasRow || key[...] != rowKey[...] {
        if hasRow { try emit(rowKey) }
        if key.lexicographicallyPrecedes(span.start) {
          hasRow = false
          break
        }
        if hasRow, !goesOn || examined >= examinedLimit { return rowKey }
        visible = nil
        hasRow = span.end.isEmpty || key.lexicographicallyPrecedes(span.end)
        rowKey = Array(key)
      }
      examined += 1
      if hasRow, cell.withUnsafeBytes({ commitTimestamp(ofCell: $0) }) <= timestamp {
        visible = cursor.value
        guard (visible?.count ?? 0) >= DataRecord.headerLengthBytes else {
          throw StorageFailure.corrupted("short record")
        }
      }
      cursor.previous()
    }
    try cursor.checkStatus()
    if hasRow {
      try emit(rowKey)
    }
    return nil
  }
}

private func isEqual(_ left: UnsafeRawBufferPointer, _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  return right.withUnsafeBytes { right in
    guard let first = left.baseAddress, let second = right.baseAddress else { return true }
    return memcmp(first, second, left.count) == 0
  }
}

/// Byte order.
func isBelow(_ left: [UInt8], _ right: [UInt8]) -> Bool { left.withUnsafeBytes { isBelow($0, right) } }

func isBelow(_ left: UnsafeRawBufferPointer, _ right: [UInt8]) -> Bool {
  right.withUnsafeBytes { right in
    let common = min(left.count, right.count)
    if common > 0, let first = left.baseAddress, let second = right.baseAddress {
      let order = memcmp(first, second, common)
      if order != 0 { return order < 0 }
    }
    return left.count < right.count
  }
}
