import Basics

/// Row locks of statements (`UPDATE` in a transaction, `SELECT … FOR UPDATE`): in the leader's memory only. Losing them is
/// harmless, because prewrite and one-round commit check for newer commits (Architecture.md, "Transactions").
struct RowLockTable: Sendable {
  struct Lock: Sendable {
    var holder: LockHolder
    var sessionEpoch: SessionEpoch
    var grantedAt: MonotonicTime
    /// In order of arrival.
    var waiters: [RequestID]
  }

  private var locks: [[UInt8]: Lock] = [:]
  /// Keys in the order they were granted.
  private var keysOfTransaction: [Timestamp: [[UInt8]]] = [:]

  var count: Int { locks.count }
  var isEmpty: Bool { locks.isEmpty }

  /// The lock of another transaction on `key`.
  func foreignLock(of key: [UInt8], start: Timestamp) -> Lock? {
    if locks.isEmpty { return nil }
    guard let lock = locks[key], lock.holder.start != start else { return nil }
    return lock
  }

  func isHeld(_ key: [UInt8], by start: Timestamp) -> Bool { locks[key]?.holder.start == start }
  func holdsAny(_ start: Timestamp) -> Bool { keysOfTransaction[start] != nil }

  mutating func grant(_ key: [UInt8], _ holder: LockHolder, sessionEpoch: SessionEpoch, now: MonotonicTime) {
    locks[key] = Lock(holder: holder, sessionEpoch: sessionEpoch, grantedAt: now, waiters: [])
    keysOfTransaction[holder.start, default: []].append(key)
  }

  mutating func wait(_ request: RequestID, for key: [UInt8]) { locks[key]?.waiters.append(request) }

  /// Gives back one key; returns who waited for it, in order of arrival.
  mutating func release(_ key: [UInt8], of start: Timestamp) -> [RequestID] {
    guard let lock = locks[key], lock.holder.start == start else { return [] }
    locks[key] = nil
    keysOfTransaction[start]?.removeAll { $0 == key }
    if keysOfTransaction[start]?.isEmpty == true { keysOfTransaction[start] = nil }
    return lock.waiters
  }

  mutating func releaseAll(of start: Timestamp) -> [RequestID] {
    guard let keys = keysOfTransaction.removeValue(forKey: start) else { return [] }
    return keys.flatMap { locks.removeValue(forKey: $0)?.waiters ?? [] }
  }

  mutating func forget(_ request: RequestID, waitingFor key: [UInt8]) {
    locks[key]?.waiters.removeAll { $0 == request }
  }

  /// Transactions of a gateway whose session is older than `liveEpoch` (nil: the gateway is gone), ascending.
  func transactions(of gateway: NodeID, liveEpoch: SessionEpoch?) -> [Timestamp] {
    keysOfTransaction.compactMap { start, keys in
      guard let key = keys.first, let lock = locks[key], lock.holder.gatewayID == gateway else { return nil }
      if let liveEpoch, lock.sessionEpoch >= liveEpoch { return nil }
      return start
    }.sorted()
  }
}
