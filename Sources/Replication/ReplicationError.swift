import Basics
import RocksEngine

/// Why a proposal or a read barrier failed. Only `outcomeUnknown` and `storageFailed` leave open whether the command is
/// or will be applied; after every other error it never will be.
public enum ReplicationError: Error, Hashable {
  /// Another replica leads, or none does.
  case notLeader(hint: NodeID?)
  /// Lost before it was replicated.
  case proposalDropped
  /// Leadership was lost after the proposal was sent to other replicas.
  case outcomeUnknown
  /// The command is above `ReplicationOptions.maximumCommandBytes`.
  case tooLarge
  /// The group's uncommitted log is full, or another change of members or leader is under way: try again later.
  case busy
  case shuttingDown
  /// No such group, or no state machine attached to it yet.
  case unknownGroup
  /// The database refused a write; the host has stopped.
  case storageFailed(RocksError)
}

/// A proposal that was applied on this replica.
public struct ProposalOutcome: Sendable {
  public let index: UInt64
  public let term: UInt64
  /// What the state machine's `apply` returned here.
  public let result: (any Sendable)?

  public init(index: UInt64, term: UInt64, result: (any Sendable)?) {
    self.index = index
    self.term = term
    self.result = result
  }
}
