import Basics

/// When the leader of primary keys last heard of each transaction. Lives in memory: a new leader counts from the first time
/// it is asked. Decides only when others may roll a transaction back, never what is committed.
struct TransactionLiveness: Sendable {
  struct Key: Hashable, Sendable {
    var primaryKey: [UInt8]
    var start: Timestamp
  }

  static let maximumCount = 100_000
  private var lastHeard: [Key: MonotonicTime] = [:]

  mutating func heard(_ key: Key, now: MonotonicTime) {
    if lastHeard.count >= Self.maximumCount && lastHeard[key] == nil { dropOldest() }
    lastHeard[key] = now
  }

  /// Milliseconds since the last sign of life; asking about an unknown transaction starts the count.
  mutating func silenceMilliseconds(_ key: Key, now: MonotonicTime) -> UInt64 {
    guard let heardAt = lastHeard[key] else {
      heard(key, now: now)
      return 0
    }
    return now.milliseconds(since: heardAt)
  }

  mutating func forget(_ key: Key) { lastHeard[key] = nil }

  /// Half of the entries, so that a crowd costs its sorting rarely.
  private mutating func dropOldest() {
    let times = lastHeard.values.sorted()
    let middle = times[times.count / 2]
    lastHeard = lastHeard.filter { $0.value > middle }
  }
}
