import Basics
import RocksEngine
import Transactions

/// How much a range holds, roughly: exact as long as it is little, else from its first rows and the sizes of files and memtables.
struct RangeEstimate: Hashable, Sendable {
  var rows: UInt64
  /// Of the newest versions, keys included.
  var bytes: UInt64

  /// Cells that are counted, at most: some tens of milliseconds. Not for the loop.
  static let maximumCountedCells = 50_000

  static func measure(_ state: StoreState, _ span: KeySpan) throws -> RangeEstimate {
    var counted = RangeEstimate(rows: 0, bytes: 0)
    var scanner = VersionScanner(state, span, at: .max, isReverse: false, isLong: true)
    let rest = try scanner.forEach(examinedLimit: maximumCountedCells) { key, value in
      counted.rows += 1
      counted.bytes += UInt64(key.count + value.count)
      return true
    }
    guard rest != nil, counted.rows > 0 else { return counted }
    let cellBytes =
      max(1, counted.bytes / counted.rows) + UInt64(DataRecord.headerLengthBytes + DataRecord.suffixLengthBytes)
    let rows = max(counted.rows, storedBytes(state, span) / cellBytes)
    return RangeEstimate(
      rows: rows, bytes: rows.multipliedReportingOverflow(by: max(1, counted.bytes / counted.rows)).0)
  }

  /// Files of the range, and a share of the memtables as large as the range's share of the files.
  private static func storedBytes(_ state: StoreState, _ span: KeySpan) -> UInt64 {
    let database = state.database
    let files = (try? database.approximateSizeBytes(in: state.data, from: span.start, to: span.end)) ?? 0
    let memory = database.integerProperty("rocksdb.cur-size-all-mem-tables", in: state.data) ?? 0
    let allFiles = database.integerProperty("rocksdb.live-sst-files-size", in: state.data) ?? 0
    let share = allFiles == 0 ? 1 : min(1, Double(files) / Double(allFiles))
    return files &+ UInt64(min(Double(memory) * share, 9e18))
  }
}
