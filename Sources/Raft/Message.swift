import Basics

/// What replicas of one group say to each other.
public struct Message: Hashable, Sendable {
  public var from: NodeID
  public var to: NodeID
  /// The sender's term; in pre-vote requests and granted pre-votes the term that the election would have.
  public var term: Term
  public var body: Body

  public init(from: NodeID, to: NodeID, term: Term, body: Body) {
    self.from = from
    self.to = to
    self.term = term
    self.body = body
  }

  public enum Body: Hashable, Sendable {
    /// "Would you elect me?": changes nothing at the receiver (Ongaro, section 9.6).
    case preVoteRequest(VoteRequest)
    case preVoteResponse(isGranted: Bool)
    case voteRequest(VoteRequest)
    case voteResponse(isGranted: Bool)
    case append(Append)
    /// Everything up to `matchIndex` is stored durably and equals the leader's log.
    case appendAccepted(matchIndex: LogIndex)
    case appendRejected(AppendRejection)
    /// `commitIndex` is at most what the receiver is known to have. `readRound` numbers the confirmations of leadership.
    case heartbeat(commitIndex: LogIndex, readRound: UInt64)
    case heartbeatResponse(readRound: UInt64)
    /// A snapshot that lies complete at the receiver; its host says it in the leader's name.
    case snapshot(TruncatedState)
    /// "Campaign now": leadership is handed over (Ongaro, section 3.10).
    case timeoutNow
    /// The leader falls silent until there is work; so shall the follower, if its log ends like the leader's.
    case quiesce(lastIndex: LogIndex, lastTerm: Term)
  }
}

public struct VoteRequest: Hashable, Sendable {
  public var lastIndex: LogIndex
  public var lastTerm: Term
  /// The leader asked for this election, so its liveness is no reason to refuse.
  public var isTransfer: Bool

  public init(lastIndex: LogIndex, lastTerm: Term, isTransfer: Bool) {
    self.lastIndex = lastIndex
    self.lastTerm = lastTerm
    self.isTransfer = isTransfer
  }
}

public struct Append: Hashable, Sendable {
  public var previousIndex: LogIndex
  public var previousTerm: Term
  public var commitIndex: LogIndex
  /// Contiguous, from `previousIndex + 1` on.
  public var entries: [Entry]

  public init(previousIndex: LogIndex, previousTerm: Term, commitIndex: LogIndex, entries: [Entry]) {
    self.previousIndex = previousIndex
    self.previousTerm = previousTerm
    self.commitIndex = commitIndex
    self.entries = entries
  }
}

public struct AppendRejection: Hashable, Sendable {
  /// The `previousIndex` that did not match.
  public var rejectedIndex: LogIndex
  /// The last position where the follower's log may agree, and its term there.
  public var hintIndex: LogIndex
  public var hintTerm: Term

  public init(rejectedIndex: LogIndex, hintIndex: LogIndex, hintTerm: Term) {
    self.rejectedIndex = rejectedIndex
    self.hintIndex = hintIndex
    self.hintTerm = hintTerm
  }
}
