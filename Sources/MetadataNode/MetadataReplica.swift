import Basics
import EventLoop
import Metadata
import Raft
import Replication
import RocksEngine

/// The replicated state in memory: what `Replication` applies committed commands to. The Raft log is the truth; a checkpoint is
/// written now and then by a thread, and the log is kept from there on.
@EventLoopActor final class MetadataReplica: ReplicatedStateMachine {
  /// A checkpoint is due after so many entries, or so many bytes of them, but no less than half the last checkpoint.
  static let checkpointEntries: UInt64 = 4_096
  static let checkpointBytes = 1 << 20

  private(set) var state = MetadataState()
  private(set) var appliedIndex: UInt64 = 0
  private var checkpointIndex: UInt64?
  private var bytesSinceCheckpoint = 0
  private var checkpointSizeBytes = 0
  private var isCheckpointing = false
  private var incoming: [UInt8] = []
  private let checkpoints: Checkpoints
  private let writer = WorkerThread(name: "checkpoint")

  /// After each command, with the state it left; `refusal` when it changed nothing.
  var onApplied: (@EventLoopActor (MetadataCommand, _ wasRefused: Bool, _ isOwn: Bool) -> Void)?
  var onBecameLeader: (@EventLoopActor (UInt64) -> Void)?
  var onLostLeadership: (@EventLoopActor () -> Void)?
  /// Another replica's state replaced this one's.
  var onRestored: (@EventLoopActor () -> Void)?
  var onProblem: (@EventLoopActor (String) -> Void)?

  init(checkpoints: Checkpoints) throws {
    self.checkpoints = checkpoints
    if let (state, index) = try checkpoints.load() {
      self.state = state
      appliedIndex = index
      checkpointIndex = index
    }
  }

  var storedIndex: UInt64? { checkpointIndex ?? 0 }

  func apply(_ entry: CommittedEntry, into batch: WriteBatch) throws -> (any Sendable)? {
    guard entry.index > appliedIndex else { return nil }
    let command: MetadataCommand
    do { command = try MetadataCommand(decoding: entry.command) } catch {
      // To go on would make this replica differ from those that understand the command.
      throw RocksError.corruption("entry \(entry.index) of the metadata log cannot be read: \(error)")
    }
    appliedIndex = entry.index
    bytesSinceCheckpoint += entry.command.count
    var wasRefused = false
    do { try state.apply(command) } catch {
      wasRefused = true
      onProblem?("entry \(entry.index) is refused: \(error)")
    }
    onApplied?(command, wasRefused, entry.isLocalProposal)
    checkpointIfDue()
    return nil
  }

  func becameLeader(term: UInt64) { onBecameLeader?(term) }
  func lostLeadership() { onLostLeadership?() }
  func makeSnapshot() throws -> any SnapshotSource { StateSnapshot(state, index: appliedIndex) }
  func restoreBegan(into batch: WriteBatch) throws { incoming = [] }
  func restore(_ chunk: [UInt8], into batch: WriteBatch) throws { incoming += chunk }

  func restoreFinished() throws {
    var reader = ByteReader(incoming)
    incoming = []
    do {
      let index = try reader.readUInt64()
      state = try MetadataState(decoding: reader.rest)
      appliedIndex = index
    } catch {
      throw RocksError.corruption("a snapshot of the metadata state cannot be read: \(error)")
    }
    checkpointSizeBytes = try checkpoints.store(state, index: appliedIndex)
    checkpointIndex = appliedIndex
    bytesSinceCheckpoint = 0
    onRestored?()
  }

  private func checkpointIfDue() {
    guard !isCheckpointing,
      appliedIndex - (checkpointIndex ?? 0) >= Self.checkpointEntries
        || bytesSinceCheckpoint >= max(Self.checkpointBytes, checkpointSizeBytes / 2)
    else { return }
    isCheckpointing = true
    bytesSinceCheckpoint = 0
    let (state, index, checkpoints) = (state, appliedIndex, checkpoints)
    writer.run({ () -> Result<Int, CheckpointFailure> in
      do { return .success(try checkpoints.store(state, index: index)) } catch {
        return .failure(CheckpointFailure(reason: "\(error)"))
      }
    }) { [weak self] result in
      guard let self else { return }
      isCheckpointing = false
      switch result {
      case .success(let size):
        checkpointSizeBytes = size
        checkpointIndex = max(checkpointIndex ?? 0, index)
      case .failure(let failure): onProblem?("a checkpoint could not be written: \(failure.reason)")
      }
    }
  }

  /// Returns when no checkpoint is being written; the database may be closed then.
  func finishCheckpoint() async { await writer.run {} }
}

private struct CheckpointFailure: Error {
  let reason: String
}
