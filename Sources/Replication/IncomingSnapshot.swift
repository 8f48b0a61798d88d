import Basics
import EventLoop
import Raft
import RocksEngine

/// A snapshot that arrives: chunks are staged on disk until all are there.
struct IncomingSnapshot {
  let from: NodeID
  let transfer: UInt64
  let state: TruncatedState
  /// The next chunk wanted.
  var next: UInt64 = 0
}

/// A staged snapshot on its way into the state machine.
struct SnapshotRestore {
  let state: TruncatedState
  let readyNumber: UInt64
  let messages: [Message]
  var next: UInt64 = 0
}

extension ReplicationHost {
  func receiveChunk(_ chunk: SnapshotChunk, of group: Group, from peer: NodeID, _ time: MonotonicTime) {
    if chunk.term < group.core.term || chunk.state.index <= group.core.commitIndex {
      return answer(chunk, of: group, to: peer, next: 0, isRefused: true)
    }
    let staging = WriteBatch()
    if group.incoming?.transfer != chunk.transfer || group.incoming?.from != peer
      || group.incoming?.state != chunk.state
    {
      guard chunk.number == 0 else { return answer(chunk, of: group, to: peer, next: 0, isRefused: false) }
      group.incoming = IncomingSnapshot(from: peer, transfer: chunk.transfer, state: chunk.state)
      group.storage.deleteStagedChunks(into: staging)
    }
    let next = group.incoming?.next ?? 0
    guard chunk.number == next else { return answer(chunk, of: group, to: peer, next: next, isRefused: false) }
    group.storage.stage(chunk.number, chunk.bytes, into: staging)
    do throws(RocksError) { try database.write(staging, sync: false) } catch { return fail(error) }
    group.incoming?.next = next + 1
    answer(chunk, of: group, to: peer, next: next + 1, isRefused: false)
    guard chunk.isLast else { return }
    group.incoming = nil
    group.core.step(Message(from: peer, to: node, term: chunk.term, body: .snapshot(chunk.state)), now: time)
    keepTicking(group)
    markDirty(group)
  }

  private func answer(_ chunk: SnapshotChunk, of group: Group, to peer: NodeID, next: UInt64, isRefused: Bool) {
    let content = Packet.Content.snapshotProgress(transfer: chunk.transfer, next: next, isRefused: isRefused)
    outgoing[peer, default: PacketWriter(from: node, to: peer)].append(Packet(group: group.id, content: content))
    scheduleTurn()
  }

  // MARK: - Restore

  /// The core has accepted a staged snapshot. From here on a crash leads to the same restore at the next start.
  func beginRestore(_ group: Group, _ state: TruncatedState, _ ready: Ready) {
    group.storage.markRestoring(state, into: batch)
    group.restore = SnapshotRestore(
      state: state, readyNumber: ready.number, messages: ready.messagesAfterPersistence)
    for completion in group.takeUndecided(throughIndex: state.index) { completion(.failure(.outcomeUnknown)) }
    EventLoop.execute { [self] in
      guarded { try clear(group) }
      continueRestore(group)
    }
  }

  private func clear(_ group: Group) throws {
    let own = WriteBatch()
    try group.machine.restoreBegan(into: own)
    try database.write(own, sync: false)
  }

  /// One chunk for each turn, so that other groups keep their heartbeats.
  private func continueRestore(_ group: Group) {
    guard let restore = group.restore, failure == nil, !group.isRemoved else { return }
    var isDone = false
    guarded { isDone = try !restoreChunk(restore.next, group.storage, group.machine) }
    if failure != nil { return }
    group.restore?.next += 1
    if isDone {
      guarded { try finishRestore(group, restore) }
    } else {
      Timer.once(after: .zero) { [self] in continueRestore(group) }
    }
  }

  private func finishRestore(_ group: Group, _ restore: SnapshotRestore) throws {
    let last = WriteBatch()
    group.storage.finishRestore(restore.state, into: last)
    try group.machine.restoreFinished()
    committer.write(last) { [self] result in
      if case .failure(let error) = result { return fail(error) }
      for message in restore.messages { queue(message, of: group) }
      group.restore = nil
      counters.snapshotsRestored += 1
      group.core.persisted(restore.readyNumber, now: now())
      keepTicking(group)
      markDirty(group)
    }
  }

  /// False: there is no such chunk.
  private func restoreChunk(
    _ number: UInt64, _ storage: GroupStorage, _ machine: any ReplicatedStateMachine
  ) throws -> Bool {
    guard let chunk = try storage.stagedChunk(number, database) else { return false }
    let own = WriteBatch()
    // The last chunk may be empty: it only says that there are no more.
    if !chunk.isEmpty { try machine.restore(chunk, into: own) }
    try database.write(own, sync: false)
    return true
  }

  /// After a crash during a restore: all of it at once.
  func restoreNow(
    _ state: TruncatedState, _ storage: GroupStorage, _ machine: any ReplicatedStateMachine
  ) throws {
    let first = WriteBatch()
    try machine.restoreBegan(into: first)
    try database.write(first, sync: false)
    var number: UInt64 = 0
    while try restoreChunk(number, storage, machine) { number += 1 }
    try machine.restoreFinished()
    let last = WriteBatch()
    storage.finishRestore(state, into: last)
    try database.write(last, sync: true)
  }

  private func guarded(_ body: () throws -> Void) {
    if failure != nil { return }
    do {
      try body()
    } catch {
      fail(error as? RocksError ?? .other("\(error)"))
    }
  }
}
