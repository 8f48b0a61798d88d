/// An iterator over a table as it was when the iterator was made.
final class MemoryIterator {
  private let database: MemoryDatabase
  private let table: MemoryTable
  private let first: MemoryTable.Position
  private let end: MemoryTable.Position
  /// Nil: not valid.
  private var position: MemoryTable.Position?
  private(set) var failure: RocksError?

  init(_ table: MemoryTable, from lower: [UInt8]?, to upper: [UInt8]?, of database: MemoryDatabase) {
    self.database = database
    self.table = table
    first = lower.map(table.lowerBound) ?? table.start
    end = upper.map(table.lowerBound) ?? table.end
  }

  var isValid: Bool { position != nil }

  /// Only when valid.
  var entry: MemoryEntry {
    guard let position else { preconditionFailure("an iterator that is not valid has no entry") }
    return table[position]
  }

  func seekToFirst() { move(to: first) }
  func seekToLast() { move(before: end) }
  func seek(_ key: [UInt8]) { move(to: max(first, table.lowerBound(key))) }
  func seekForPrevious(_ key: [UInt8]) { move(before: min(end, table.upperBound(key))) }

  func next() {
    if let position { move(to: table.after(position)) }
  }

  func previous() {
    if let position { move(before: position) }
  }

  private func move(before target: MemoryTable.Position) {
    if target > first { move(to: table.before(target)) } else { move(to: end) }
  }

  /// To an entry between the bounds; anywhere else it is no longer valid.
  private func move(to target: MemoryTable.Position) {
    position = nil
    failure = nil
    do throws(RocksError) {
      try database.checkAlive()
      guard target >= first, target < end else { return }
      try database.checkReadable(table[target])
      position = target
    } catch {
      failure = error
    }
  }
}
