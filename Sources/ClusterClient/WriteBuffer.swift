import Basics

/// What one key will hold when the transaction commits.
public struct BufferedWrite: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case put
    case delete
    /// The key must not exist.
    case insert
    /// No change: the key must not have been written since it was locked.
    case check
  }
  public var kind: Kind
  public var value: [UInt8]
  public var range: RangeID
  /// A commit of the key above it by somebody else is a conflict.
  public var forUpdateTimestamp: Timestamp
  /// An explicit transaction locks the key when the statement ends (rows, and entries that must be unique).
  public var locksEarly: Bool

  public init(
    kind: Kind, value: [UInt8] = [], range: RangeID, forUpdateTimestamp: Timestamp, locksEarly: Bool = true
  ) {
    self.kind = kind
    self.value = value
    self.range = range
    self.forUpdateTimestamp = forUpdateTimestamp
    self.locksEarly = locksEarly
  }
}

/// The writes of a transaction before it commits, in the order of keys, with marks to go back to.
///
/// Invariant: the newest write of a key wins, the oldest `forUpdateTimestamp` of it stays: what was read first must
/// still hold at the commit.
public struct WriteBuffer: Sendable {
  /// Keys and values held at most, in bytes, with a fixed cost for each write.
  public let limitBytes: Int
  public static let costPerWriteBytes = 96

  public private(set) var writes: [[UInt8]: BufferedWrite] = [:]
  public private(set) var byteCount = 0
  private var undoLog: [(key: [UInt8], before: BufferedWrite?)] = []
  private var marks = 0
  /// All keys ascending; nil when a key has come or gone since it was made.
  private var sortedKeys: [[UInt8]]?

  public init(limitBytes: Int) { self.limitBytes = limitBytes }

  public var isEmpty: Bool { writes.isEmpty }
  public var count: Int { writes.count }

  public func write(for key: [UInt8]) -> BufferedWrite? { writes[key] }

  /// False, and nothing is changed, when an insert meets a row that the transaction itself has written. Throws 54000 when
  /// the transaction grows beyond its limit.
  public mutating func add(_ write: BufferedWrite, for key: [UInt8]) throws(TransactionFault) -> Bool {
    let before = writes[key]
    if write.kind == .insert, let before, before.kind == .insert || before.kind == .put { return false }
    let merged = Self.merge(before, write)
    let growth = key.count * (before == nil ? 1 : 0) + merged.value.count - (before?.value.count ?? 0)
    let size = byteCount + growth + (before == nil ? Self.costPerWriteBytes : 0)
    guard size <= limitBytes else {
      throw .failed(
        SQLError(
          .programLimitExceeded, "the transaction writes more than \(limitBytes) bytes",
          hint: "Split it into smaller transactions."))
    }
    byteCount = size
    if marks > 0 { undoLog.append((key, before)) }
    if before == nil { sortedKeys = nil }
    writes[key] = merged
    return true
  }

  /// Forgets what was written in `start..<end`, as if nothing of it had been: for keys that nobody else can know.
  public mutating func removeAll(from start: [UInt8], to end: [UInt8]) {
    for key in keys(from: start, to: end) {
      guard let before = writes.removeValue(forKey: key) else { continue }
      byteCount -= cost(key, before)
      if marks > 0 { undoLog.append((key, before)) }
      sortedKeys = nil
    }
  }

  static func merge(_ before: BufferedWrite?, _ write: BufferedWrite) -> BufferedWrite {
    guard let before else { return write }
    var merged = write
    merged.forUpdateTimestamp = min(before.forUpdateTimestamp, write.forUpdateTimestamp)
    switch (before.kind, write.kind) {
    case (_, .check): return before
    // Still nothing there for others: the insert's condition stays.
    case (.insert, .put), (.insert, .insert): merged.kind = .insert
    // The row this transaction removed makes room for the new one.
    case (.delete, .insert): merged.kind = .put
    case (.insert, .delete), (.put, _), (.delete, .put), (.delete, .delete), (.check, _): break
    }
    return merged
  }

  // MARK: - Marks

  public struct Mark: Hashable, Sendable {
    let length: Int
  }

  /// From here on changes can be undone, until the mark is released.
  public mutating func mark() -> Mark {
    marks += 1
    return Mark(length: undoLog.count)
  }

  /// Takes back everything since `mark`, which stays set.
  public mutating func undo(to mark: Mark) {
    while undoLog.count > mark.length, let (key, before) = undoLog.popLast() {
      if let current = writes[key] { byteCount -= cost(key, current) }
      if let before { byteCount += cost(key, before) }
      if before == nil || writes[key] == nil { sortedKeys = nil }
      writes[key] = before
    }
  }

  /// What happened since the mark stays.
  public mutating func release(_ mark: Mark) {
    marks -= 1
    if marks == 0 { undoLog.removeAll(keepingCapacity: undoLog.count < 1024) }
  }

  /// Keys written since `mark`, ascending, each once.
  public func keys(since mark: Mark) -> [[UInt8]] {
    var seen = Set<[UInt8]>()
    var keys: [[UInt8]] = []
    for (key, _) in undoLog[min(mark.length, undoLog.count)...] where seen.insert(key).inserted { keys.append(key) }
    return keys.sorted(by: Self.isBefore)
  }

  private func cost(_ key: [UInt8], _ write: BufferedWrite) -> Int {
    key.count + write.value.count + Self.costPerWriteBytes
  }

  // MARK: - Order

  /// Keys in `start..<end`, ascending.
  public mutating func keys(from start: [UInt8], to end: [UInt8]) -> ArraySlice<[UInt8]> {
    let all = sorted()
    let lower = Self.lowerBound(all, start)
    let upper = Self.lowerBound(all, end)
    return lower < upper ? all[lower..<upper] : []
  }

  public mutating func hasKeys(from start: [UInt8], to end: [UInt8]) -> Bool {
    if writes.isEmpty { return false }
    return !keys(from: start, to: end).isEmpty
  }

  /// All writes, ascending by key.
  public mutating func sorted() -> [[UInt8]] {
    if let sortedKeys { return sortedKeys }
    let sorted = writes.keys.sorted(by: Self.isBefore)
    sortedKeys = sorted
    return sorted
  }

  private static func lowerBound(_ keys: [[UInt8]], _ key: [UInt8]) -> Int {
    var low = 0
    var high = keys.count
    while low < high {
      let middle = (low + high) / 2
      if isBefore(keys[middle], key) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  public static func isBefore(_ left: [UInt8], _ right: [UInt8]) -> Bool { left.lexicographicallyPrecedes(right) }
}
