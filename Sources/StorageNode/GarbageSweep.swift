import Basics
import RocksEngine
import Transactions

/// One walk over a range that finds what its applied safe points allow to drop, a bounded step at a time.
///
/// Nothing at or below a safe point changes between the steps but by what the walk itself has dropped, so it needs no
/// snapshot; every step looks at the state as it is.
struct GarbageSweep {
  private enum Phase {
    case versions, records, done
  }

  /// What one step found.
  struct Step {
    var data: [[UInt8]] = []
    var transactions: [[UInt8]] = []
  }

  let points: SafePoints
  private let state: StoreState
  private let span: KeySpan
  private let options: GarbageCollectorOptions
  private var phase = Phase.versions
  /// Where the next step begins: a row key, or a key of a record.
  private var position: [UInt8]
  /// Cells met that stay.
  private(set) var cellsKept: UInt64 = 0
  /// Of those, the ones that a later safe point may allow to drop.
  private(set) var cellsToCome: UInt64 = 0

  init(_ state: StoreState, span: KeySpan, points: SafePoints, options: GarbageCollectorOptions) {
    self.state = state
    self.span = span
    self.points = points
    self.options = options
    position = span.start
  }

  var isDone: Bool { phase == .done }

  mutating func step() throws -> Step {
    switch phase {
    case .versions: try stepOverVersions()
    case .records: try stepOverRecords()
    case .done: Step()
    }
  }

  private mutating func stepOverVersions() throws -> Step {
    var collector = GarbageCollection.Collector(safePoint: points.versions, limit: options.maximumCellsPerCommand)
    let cursor = state.database.iterator(in: state.data, from: position, to: spanEnd, fillsCache: false)
    cursor.seekToFirst()
    var examined = 0
    var row: [UInt8] = []
    var cellsOfRow = 0
    while cursor.isValid {
      let cell = cursor.key
      guard cell.count >= DataRecord.suffixLengthBytes else { throw StorageFailure.corrupted("short cell key") }
      let rowKey = cell[..<(cell.count - DataRecord.suffixLengthBytes)]
      if cellsOfRow == 0 || rowKey != row[...] {
        collector.endRow()
        row = Array(rowKey)
        cellsOfRow = 0
        if collector.isFull || examined >= options.maximumCellsPerStep {
          position = row
          return Step(data: collector.cells)
        }
      } else if collector.isFull {
        collector.abandonRow()
        position = row
        return Step(data: collector.cells)
      }
      examined += 1
      cellsOfRow += 1
      let commit = cell.withUnsafeBytes { commitTimestamp(ofCell: $0) }
      let header = try cursor.withValue { try versionHeader($0, commit: commit) }
      let found = collector.foundCount
      collector.visit(header, cell: cell)
      if collector.foundCount == found {
        cellsKept += 1
        // The newest put is no garbage to come; whatever it replaced is, and so is a tombstone.
        if cellsOfRow > 1 || header.kind == .delete { cellsToCome += 1 }
      }
      if commit > points.versions && cellsOfRow > Self.cellsBeforeSeek {
        cursor.seek(DataRecord.cellKey(row, commit: points.versions))
      } else {
        cursor.next()
      }
    }
    try cursor.checkStatus()
    collector.endRow()
    phase = .records
    position = span.start
    return Step(data: collector.cells)
  }

  private mutating func stepOverRecords() throws -> Step {
    var step = Step()
    let cursor = state.database.iterator(in: state.transactions, from: position, to: spanEnd, fillsCache: false)
    cursor.seekToFirst()
    var examined = 0
    while cursor.isValid {
      let cell = cursor.key
      if step.transactions.count >= options.maximumCellsPerCommand || examined >= options.maximumCellsPerStep {
        position = cell
        return step
      }
      examined += 1
      if GarbageCollection.isDroppable(
        recordOfTransactionStarted: try TransactionRecord.start(ofCell: cell), safePoint: points.records)
      {
        step.transactions.append(cell)
      } else {
        cellsKept += 1
        cellsToCome += 1
      }
      cursor.next()
    }
    try cursor.checkStatus()
    phase = .done
    return step
  }

  /// Cells of one row walked over before seeking past them is cheaper.
  private static let cellsBeforeSeek = 8

  private var spanEnd: [UInt8]? { span.end.isEmpty ? nil : span.end }
}
