import Basics

/// Distinguishes the requests one range is working on; given by the shell, never reused.
public struct RequestID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Distinguishes the proposals of one leadership.
public struct ProposalID: Identifier {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Whose locks a read passes over.
public struct ReadView: Hashable, Sendable {
  public var timestamp: Timestamp
  /// The reader's own transaction (zero: none).
  public var ownStart: Timestamp
  /// Transactions known to commit above `timestamp`, or not at all.
  public var ignoredStarts: [Timestamp]

  public init(timestamp: Timestamp, ownStart: Timestamp = .zero, ignoredStarts: [Timestamp] = []) {
    self.timestamp = timestamp
    self.ownStart = ownStart
    self.ignoredStarts = ignoredStarts
  }
}

/// One change of one key.
public struct KeyMutation: Hashable, Sendable {
  public enum Kind: UInt8, Hashable, Sendable {
    case put = 0
    case delete = 1
    /// The key must not have a live version.
    case insert = 2
    /// No change; the key must not have changed since `forUpdate`.
    case check = 3
  }

  public var kind: Kind
  public var key: [UInt8]
  public var value: [UInt8]
  /// A commit of the key above this is a write conflict.
  public var forUpdate: Timestamp

  public init(kind: Kind, key: [UInt8], value: [UInt8] = [], forUpdate: Timestamp) {
    self.kind = kind
    self.key = key
    self.value = value
    self.forUpdate = forUpdate
  }
}

public struct LockAcquisition: Hashable, Sendable {
  public var start: Timestamp
  public var forUpdate: Timestamp
  public var keys: [[UInt8]]
  public var primaryKey: [UInt8]
  public var primaryRangeID: RangeID
  public var gatewayID: NodeID
  public var sessionEpoch: SessionEpoch
  public var waitMilliseconds: UInt64

  public init(
    start: Timestamp, forUpdate: Timestamp, keys: [[UInt8]], primaryKey: [UInt8], primaryRangeID: RangeID,
    gatewayID: NodeID, sessionEpoch: SessionEpoch, waitMilliseconds: UInt64
  ) {
    self.start = start
    self.forUpdate = forUpdate
    self.keys = keys
    self.primaryKey = primaryKey
    self.primaryRangeID = primaryRangeID
    self.gatewayID = gatewayID
    self.sessionEpoch = sessionEpoch
    self.waitMilliseconds = waitMilliseconds
  }
}

public struct OneRoundCommit: Hashable, Sendable {
  public var start: Timestamp
  public var commit: Timestamp
  public var mutations: [KeyMutation]

  public init(start: Timestamp, commit: Timestamp, mutations: [KeyMutation]) {
    self.start = start
    self.commit = commit
    self.mutations = mutations
  }
}

public struct Prewrite: Hashable, Sendable {
  public var start: Timestamp
  public var primaryKey: [UInt8]
  public var primaryRangeID: RangeID
  public var gatewayID: NodeID
  public var timeToLiveMilliseconds: UInt32
  public var mutations: [KeyMutation]

  public init(
    start: Timestamp, primaryKey: [UInt8], primaryRangeID: RangeID, gatewayID: NodeID, timeToLiveMilliseconds: UInt32,
    mutations: [KeyMutation]
  ) {
    self.start = start
    self.primaryKey = primaryKey
    self.primaryRangeID = primaryRangeID
    self.gatewayID = gatewayID
    self.timeToLiveMilliseconds = timeToLiveMilliseconds
    self.mutations = mutations
  }
}

public struct CommitKeys: Hashable, Sendable {
  public var start: Timestamp
  public var commit: Timestamp
  public var keys: [[UInt8]]
  public var includesPrimary: Bool

  public init(start: Timestamp, commit: Timestamp, keys: [[UInt8]], includesPrimary: Bool) {
    self.start = start
    self.commit = commit
    self.keys = keys
    self.includesPrimary = includesPrimary
  }
}

public struct RollbackKeys: Hashable, Sendable {
  public var start: Timestamp
  /// With `locksOnly`, empty means every key of the range.
  public var keys: [[UInt8]]
  /// Give back row locks, leave prewritten keys alone.
  public var locksOnly: Bool
  /// A one-round commit whose outcome is to be settled (zero: none). Its versions may be covered by newer ones already.
  public var oneRoundCommit: Timestamp

  public init(start: Timestamp, keys: [[UInt8]], locksOnly: Bool, oneRoundCommit: Timestamp = .zero) {
    self.start = start
    self.keys = keys
    self.locksOnly = locksOnly
    self.oneRoundCommit = oneRoundCommit
  }
}

public struct TransactionCheck: Hashable, Sendable {
  public var primaryKey: [UInt8]
  public var start: Timestamp
  /// A live transaction is made to commit above this (zero: left alone).
  public var pushAbove: Timestamp
  public var rollBackIfExpired: Bool

  public init(primaryKey: [UInt8], start: Timestamp, pushAbove: Timestamp, rollBackIfExpired: Bool) {
    self.primaryKey = primaryKey
    self.start = start
    self.pushAbove = pushAbove
    self.rollBackIfExpired = rollBackIfExpired
  }
}

public struct TransactionHeartbeat: Hashable, Sendable {
  public var primaryKey: [UInt8]
  public var start: Timestamp

  public init(primaryKey: [UInt8], start: Timestamp) {
    self.primaryKey = primaryKey
    self.start = start
  }
}

public struct Ingestion: Hashable, Sendable {
  public var timestamp: Timestamp
  /// (key length varint, key, value length varint, value)*, ascending by key.
  public var entries: [UInt8]
  /// Refuse a key that has another value at `timestamp`.
  public var refusesDuplicates: Bool
  /// Pass over a key that has a version at `timestamp`: a value that was given once stays, however often it is sent.
  public var keepsFirst: Bool

  public init(timestamp: Timestamp, entries: [UInt8], refusesDuplicates: Bool, keepsFirst: Bool = false) {
    self.timestamp = timestamp
    self.entries = entries
    self.refusesDuplicates = refusesDuplicates
    self.keepsFirst = keepsFirst
  }
}

/// Asks for the locks of a span, those of every prewrite included that was evaluated before.
public struct LockListing: Hashable, Sendable {
  public var span: KeySpan

  public init(span: KeySpan) { self.span = span }
}

/// Everything a range does beside plain reads.
public enum RangeRequest: Hashable, Sendable {
  case acquireLocks(LockAcquisition)
  case commitOneRound(OneRoundCommit)
  case prewrite(Prewrite)
  case commit(CommitKeys)
  case rollback(RollbackKeys)
  case check(TransactionCheck)
  case heartbeat(TransactionHeartbeat)
  case ingest(Ingestion)
  case listLocks(LockListing)

  /// Whether it brings new data, unlike what ends transactions.
  public var addsData: Bool {
    switch self {
    case .commitOneRound, .prewrite, .ingest: true
    case .acquireLocks, .commit, .rollback, .check, .heartbeat, .listLocks: false
    }
  }
}

/// The fate of a transaction as its primary key's range knows it.
public enum TransactionStatus: Hashable, Sendable {
  /// It can commit at or above `minimumCommit` only (zero: its primary key is not prewritten yet).
  case alive(minimumCommit: Timestamp)
  case committed(Timestamp)
  case rolledBack
}

public enum RangeAnswer: Hashable, Sendable {
  case done
  case prewritten(minimumCommit: Timestamp)
  /// The newest commit of each key asked for, in order (zero: none).
  case locked([Timestamp])
  case status(TransactionStatus)
  /// Ascending by key; `resumeKey` is nil when the span is through.
  case locks([LockHolder], resumeKey: [UInt8]?)
  case failed(RangeFailure)
}

/// What the shell must do, in order.
public enum RangeEffect: Hashable, Sendable {
  /// Replicate; tell the outcome by `proposalFinished`.
  case propose(ProposalID, RangeCommand)
  case answer(RequestID, RangeAnswer)
  /// What the request was waiting for has happened: hand it in again under the same id.
  case retry(RequestID)
}

/// How a proposal ended.
public enum ProposalOutcome: Hashable, Sendable {
  /// Applied to the state the next snapshot shows.
  case applied
  /// Certainly never applied.
  case refused(RangeFailure)
  /// Leadership was lost while it was on its way.
  case unknown
}
