import Basics
import EventLoop
import Raft

/// Snapshots that this host sends: a few at a time, each with a window of chunks on their way.
@EventLoopActor final class OutgoingSnapshots {
  @EventLoopActor final class Transfer {
    let number: UInt64
    let group: Group
    let target: NodeID
    let term: Term
    let state: TruncatedState
    let source: any SnapshotSource
    /// Sent and not confirmed, in order; the first has number `confirmed`.
    var window: [SnapshotChunk] = []
    var confirmed: UInt64 = 0
    var isExhausted = false
    var lastProgress: MonotonicTime
    var retries = 0

    init(
      number: UInt64, group: Group, target: NodeID, state: TruncatedState, source: any SnapshotSource,
      now: MonotonicTime
    ) {
      self.number = number
      self.group = group
      self.target = target
      self.state = state
      self.source = source
      term = group.core.term
      lastProgress = now
    }

    var isComplete: Bool { isExhausted && window.isEmpty }
  }

  private struct Wish: Equatable {
    let group: RangeID
    let target: NodeID
  }

  private var transfers: [Transfer] = []
  private var wishes: [Wish] = []
  private var nextNumber: UInt64 = 1

  init() {}

  /// The oldest position that a transfer of a group carries: the log after it must stay.
  func oldestIndex(of group: RangeID) -> LogIndex? {
    transfers.filter { $0.group.id == group }.map(\.state.index).min()
  }

  func want(_ group: Group, _ target: NodeID, _ host: ReplicationHost) {
    let wish = Wish(group: group.id, target: target)
    if !wishes.contains(wish) { wishes.append(wish) }
    startNext(host)
  }

  func cancel(group: RangeID) {
    wishes.removeAll { $0.group == group }
    transfers.removeAll { $0.group.id == group }
  }

  func cancel(target: NodeID, _ host: ReplicationHost) {
    wishes.removeAll { $0.target == target }
    transfers.removeAll { $0.target == target }
    startNext(host)
  }

  func cancelAll() {
    wishes.removeAll()
    transfers.removeAll()
  }

  private func startNext(_ host: ReplicationHost) {
    while transfers.count < host.options.maximumOutgoingSnapshots, !wishes.isEmpty {
      let wish = wishes.removeFirst()
      guard let group = host.groupsByID[wish.group], group.core.isLeader else { continue }
      // The state machine's reads must see what was applied in this turn.
      EventLoop.execute { host.startSnapshot(of: group, to: wish.target) }
      return
    }
  }

  func start(_ group: Group, _ target: NodeID, _ host: ReplicationHost) {
    guard group.core.isLeader, group.core.isSendingSnapshot(to: target) else { return }
    let time = host.now()
    transfers.removeAll { $0.group.id == group.id && $0.target == target }
    do {
      let index = group.core.appliedIndex
      guard let state = group.core.truncatedState(at: index) else { return }
      let source = try group.machine.makeSnapshot()
      let transfer = Transfer(
        number: nextNumber, group: group, target: target, state: state, source: source, now: time)
      nextNumber += 1
      transfers.append(transfer)
      fill(transfer, host)
    } catch {
      host.onProblem?("group \(group.id): no snapshot can be made for node \(target): \(error)")
      finish(group, target, host, time)
    }
  }

  private func fill(_ transfer: Transfer, _ host: ReplicationHost) {
    do {
      while !transfer.isExhausted && transfer.window.count < host.options.snapshotWindowChunks {
        let bytes = try transfer.source.nextChunk()
        transfer.isExhausted = bytes == nil
        let chunk = SnapshotChunk(
          transfer: transfer.number, term: transfer.term, state: transfer.state,
          number: transfer.confirmed + UInt64(transfer.window.count), isLast: transfer.isExhausted, bytes: bytes ?? [])
        transfer.window.append(chunk)
        send(chunk, transfer, host)
      }
    } catch {
      host.onProblem?("group \(transfer.group.id): the snapshot for node \(transfer.target) cannot be read: \(error)")
      abandon(transfer, host, host.now())
    }
  }

  private func send(_ chunk: SnapshotChunk, _ transfer: Transfer, _ host: ReplicationHost) {
    var writer = PacketWriter(from: host.node, to: transfer.target, capacity: chunk.bytes.count + 256)
    writer.append(Packet(group: transfer.group.id, content: .snapshotChunk(chunk)))
    host.transport.send(to: transfer.target, writer.bytes)
  }

  func progressed(
    _ number: UInt64, from peer: NodeID, next: UInt64, isRefused: Bool, _ host: ReplicationHost, _ time: MonotonicTime
  ) {
    guard let transfer = transfers.first(where: { $0.number == number && $0.target == peer }) else { return }
    if isRefused { return abandon(transfer, host, time) }
    guard next > transfer.confirmed, next - transfer.confirmed <= UInt64(transfer.window.count) else { return }
    transfer.window.removeFirst(Int(next - transfer.confirmed))
    transfer.confirmed = next
    transfer.lastProgress = time
    transfer.retries = 0
    if transfer.isComplete {
      host.counters.snapshotsSent += 1
      Probes.reached(.snapshotSent)
    }
    fill(transfer, host)
  }

  func tick(_ host: ReplicationHost, _ time: MonotonicTime) {
    for transfer in transfers {
      if !transfer.group.core.isSendingSnapshot(to: transfer.target) {
        // Restored, or leadership is lost.
        transfers.removeAll { $0 === transfer }
        startNext(host)
        continue
      }
      guard time.milliseconds(since: transfer.lastProgress) >= host.options.snapshotRetryMilliseconds else { continue }
      transfer.lastProgress = time
      transfer.retries += 1
      // A complete transfer waits for the restore, which takes longer than a lost chunk.
      let allowed = transfer.isComplete ? host.options.snapshotRetries * 10 : host.options.snapshotRetries
      if transfer.retries > allowed {
        abandon(transfer, host, time)
      } else {
        for chunk in transfer.window { send(chunk, transfer, host) }
      }
    }
  }

  private func abandon(_ transfer: Transfer, _ host: ReplicationHost, _ time: MonotonicTime) {
    transfers.removeAll { $0 === transfer }
    finish(transfer.group, transfer.target, host, time)
    startNext(host)
  }

  private func finish(_ group: Group, _ target: NodeID, _ host: ReplicationHost, _ time: MonotonicTime) {
    group.core.snapshotFinished(to: target, now: time)
    host.markDirty(group)
  }
}

extension ReplicationHost {
  func startSnapshot(of group: Group, to target: NodeID) {
    if !group.isRemoved && failure == nil { snapshots.start(group, target, self) }
  }
}
