import Basics

/// Why a request to a range was not done. `outcomeUnknown` is the only case in which it may have been.
public enum RangeFailure: Error, Hashable, Sendable {
  case notLeader(NodeID?)
  case unknownRange
  case epochMismatch
  /// A lock of another transaction is in the way.
  case keyLocked(LockHolder)
  /// A commit newer than the request's timestamp exists.
  case writeConflict(key: [UInt8], commit: Timestamp)
  case commitTooLow(minimum: Timestamp)
  /// The transaction was rolled back.
  case transactionAborted
  case alreadyCommitted(Timestamp)
  case outcomeUnknown
  case overloaded(String)
  case diskFull
  case malformed(String)
  /// An insert met a row.
  case keyExists([UInt8])
  /// The wait for a row lock was as long as the caller allows.
  case lockTimeout(LockHolder)
  case corrupted(String)
  /// The past that the request stands on is given up below this safe point. A commit that was tried before may have worked.
  case timestampTooOld(safePoint: Timestamp)
  /// An ingested entry's key has another value at the same timestamp.
  case duplicateEntry(key: [UInt8])
}

/// Who holds a key.
public struct LockHolder: Hashable, Sendable {
  public var key: [UInt8]
  public var primaryKey: [UInt8]
  public var primaryRangeID: RangeID
  public var start: Timestamp
  public var gatewayID: NodeID
  public var ageMilliseconds: UInt64

  public init(
    key: [UInt8], primaryKey: [UInt8], primaryRangeID: RangeID, start: Timestamp, gatewayID: NodeID,
    ageMilliseconds: UInt64
  ) {
    self.key = key
    self.primaryKey = primaryKey
    self.primaryRangeID = primaryRangeID
    self.start = start
    self.gatewayID = gatewayID
    self.ageMilliseconds = ageMilliseconds
  }

  public init(key: [UInt8], lock: LockRecord, ageMilliseconds: UInt64 = 0) {
    self.init(
      key: key, primaryKey: lock.primaryKey, primaryRangeID: lock.primaryRangeID, start: lock.start,
      gatewayID: lock.gatewayID, ageMilliseconds: ageMilliseconds)
  }
}
