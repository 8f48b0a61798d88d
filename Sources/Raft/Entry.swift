import Basics

/// One position of the log.
public struct Entry: Hashable, Sendable {
  public enum Kind: UInt8, Sendable {
    /// A command of the state machine.
    case normal = 0
    /// What a new leader commits first, so that it knows the commit index (Ongaro, section 6.4).
    case noOp = 1
    /// An encoded `Membership`, in force from this position on.
    case configuration = 2
  }

  /// What an entry costs beyond its payload, for limits.
  static let overheadBytes = 24

  public let index: LogIndex
  public let term: Term
  public let kind: Kind
  public let payload: [UInt8]

  public init(index: LogIndex, term: Term, kind: Kind, payload: [UInt8]) {
    self.index = index
    self.term = term
    self.kind = kind
    self.payload = payload
  }

  public var sizeBytes: Int { payload.count + Self.overheadBytes }
}

/// What a replica must never forget: written before any message that depends on it is sent.
public struct HardState: Hashable, Sendable {
  /// Never decreases.
  public var term: Term
  /// Who got this replica's vote in `term`; changes at most once a term.
  public var vote: NodeID?

  public init(term: Term = 0, vote: NodeID? = nil) {
    self.term = term
    self.vote = vote
  }
}

/// Where the log begins: everything up to `index` is in the state machine only.
public struct TruncatedState: Hashable, Sendable {
  public var index: LogIndex
  public var term: Term
  /// The members in force at `index`.
  public var membership: Membership

  public init(index: LogIndex = 0, term: Term = 0, membership: Membership) {
    self.index = index
    self.term = term
    self.membership = membership
  }
}

/// What storage gives back after a restart.
public struct PersistedState: Hashable, Sendable {
  public var hardState: HardState
  public var truncated: TruncatedState
  /// The last index whose effects the state machine contains.
  public var appliedIndex: LogIndex
  /// Contiguous, from `truncated.index + 1` on.
  public var entries: [Entry]

  public init(
    hardState: HardState = HardState(), truncated: TruncatedState, appliedIndex: LogIndex = 0, entries: [Entry] = []
  ) {
    self.hardState = hardState
    self.truncated = truncated
    self.appliedIndex = appliedIndex
    self.entries = entries
  }

  /// What is wrong with it, or nil.
  public var inconsistency: String? {
    var index = truncated.index
    var term = truncated.term
    for entry in entries {
      if entry.index != index + 1 { return "entry \(entry.index) follows \(index)" }
      if entry.term < term { return "entry \(entry.index) has term \(entry.term) after \(term)" }
      (index, term) = (entry.index, entry.term)
    }
    if appliedIndex < truncated.index { return "applied \(appliedIndex) is below truncated \(truncated.index)" }
    if appliedIndex > index { return "applied \(appliedIndex) is beyond the last entry \(index)" }
    if term > hardState.term { return "an entry has term \(term) beyond the current term \(hardState.term)" }
    return nil
  }
}
