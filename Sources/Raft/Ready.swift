import Basics

public enum RaftRole: String, Hashable, Sendable {
  case follower, preCandidate, candidate, leader
}

/// What a core wants done, ordered by durability:
///
/// 1. send `messages`;
/// 2. write `hardState`, delete `obsoleteIndexes`, write `entries` (atomically); when that is durable send
///    `messagesAfterPersistence` and call `persisted(number)`;
/// 3. apply `committed`, in order. Storage must never lose one of these entries while it keeps an effect of applying it:
///    one write-ahead log for both does that;
/// 4. answer `confirmedReads`.
///
/// Writes of several Readys must become durable in their order.
public struct Ready: Hashable, Sendable {
  public var number: UInt64
  public var messages: [Message] = []
  public var hardState: HardState?
  public var entries: [Entry] = []
  /// Stored before, void now, and not overwritten by `entries`.
  public var obsoleteIndexes: ClosedRange<LogIndex>?
  public var messagesAfterPersistence: [Message] = []
  public var committed: [Entry] = []
  /// Reads (by the id given to `readIndex`) for which this replica led after they were asked, and has handed out every
  /// entry committed before.
  public var confirmedReads: [UInt64] = []
  /// Replace the log and the state machine by this snapshot before anything else; then send the messages.
  public var snapshot: TruncatedState?
  /// Followers that need entries which are compacted; answer with `snapshotFinished`.
  public var snapshotsWanted: [NodeID] = []

  /// True when something must become durable before the next step of the protocol.
  public var needsPersistence: Bool {
    hardState != nil || !entries.isEmpty || obsoleteIndexes != nil || !messagesAfterPersistence.isEmpty
  }
}

/// Why a proposal was refused; it will certainly not be applied.
public enum ProposalRefusal: Error, Hashable, Sendable {
  case notLeader(hint: NodeID?)
  case tooLarge
  /// Too much is uncommitted, or leadership or membership is just changing.
  case busy
  /// The change of members changes nothing or leaves no voter.
  case invalidChange
}
