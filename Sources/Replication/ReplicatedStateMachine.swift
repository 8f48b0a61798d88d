import Basics
import EventLoop
import RocksEngine

/// An entry that a majority of the group has stored.
public struct CommittedEntry: Sendable {
  /// Position in the group's log; the first entry is 1.
  public let index: UInt64
  public let term: UInt64
  public let command: [UInt8]
  /// True when this process proposed it and still waits for it.
  public let isLocalProposal: Bool

  public init(index: UInt64, term: UInt64, command: [UInt8], isLocalProposal: Bool) {
    self.index = index
    self.term = term
    self.command = command
    self.isLocalProposal = isLocalProposal
  }
}

/// What a group replicates. Every replica applies the same commands in the same order, so `apply` must depend on the
/// stored state and the command alone.
@EventLoopActor public protocol ReplicatedStateMachine: AnyObject {
  /// Applies one command. Its writes go into `batch`, which also stores the applied index: both or neither survive.
  ///
  /// The batch is shared by everything that is applied in one turn of the loop and written at its end. Reads of the
  /// database do not see earlier writes of the same turn until `batch.makeVisible()` is called.
  ///
  /// - Returns: what the proposer gets, if it is this process.
  /// - Throws: when the replica cannot go on (storage error, corruption); the host stops then.
  func apply(_ entry: CommittedEntry, into batch: WriteBatch) throws -> (any Sendable)?

  /// This replica leads, and everything committed before is applied here.
  func becameLeader(term: UInt64)

  /// This replica led and does so no more.
  func lostLeadership()

  /// The state after the last applied entry. Later entries must not change what the source delivers.
  func makeSnapshot() throws -> any SnapshotSource

  /// A snapshot of another replica replaces this one's state: delete everything of the group.
  func restoreBegan(into batch: WriteBatch) throws

  /// Takes the next chunk. Each chunk is a write of its own; after a crash the restore begins again.
  func restore(_ chunk: [UInt8], into batch: WriteBatch) throws

  /// All chunks are there: load what is kept in memory.
  func restoreFinished() throws

  /// For machines that persist checkpoints instead of writing everything into the batch of `apply`: the last index
  /// their stored state contains. Entries after it are applied again on attach, and kept in the log until then.
  var storedIndex: UInt64? { get }
}

extension ReplicatedStateMachine {
  public var storedIndex: UInt64? { nil }
}

/// A state as a sequence of chunks.
@EventLoopActor public protocol SnapshotSource: AnyObject {
  /// The next chunk, at most `ReplicationOptions.maximumSnapshotChunkBytes`; nil at the end.
  func nextChunk() throws -> [UInt8]?
}
