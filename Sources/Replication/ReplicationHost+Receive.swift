import Basics
import EventLoop
import Raft

extension ReplicationHost: RaftTransportReceiver {
  public func received(_ packed: [UInt8], from peer: NodeID) throws(MalformedBytes) {
    if failure != nil || isShuttingDown && !isStarted { return }
    do throws(MalformedBytes) {
      var reader = try PacketReader(packed)
      guard reader.from == peer, reader.to == node else {
        throw MalformedBytes("packets from \(reader.from) to \(reader.to) came from \(peer) to \(node)")
      }
      let time = now()
      while let packet = try reader.next() { receive(packet, from: peer, time) }
    } catch {
      counters.malformedPackets += 1
      throw error
    }
  }

  private func receive(_ packet: Packet, from peer: NodeID, _ time: MonotonicTime) {
    counters.messagesReceived += 1
    // A group that is not here yet, or no more: its peers try again.
    guard let group = groupsByID[packet.group], group.restore == nil else { return }
    switch packet.content {
    case .message(let term, let body):
      if case .snapshot = body { return }
      group.core.step(Message(from: peer, to: node, term: term, body: body), now: time)
      keepTicking(group)
      if group.core.hasReady || group.core.isLeader != (group.leaderTermSeen != nil) { markDirty(group) }
    case .snapshotChunk(let chunk): receiveChunk(chunk, of: group, from: peer, time)
    case .snapshotProgress(let transfer, let next, let isRefused):
      snapshots.progressed(transfer, from: peer, next: next, isRefused: isRefused, self, time)
    }
  }

  public func peerConnected(_ peer: NodeID) {
    unreachable.remove(peer)
    noteReachability(of: peer, true)
  }

  public func peerLost(_ peer: NodeID) {
    guard unreachable.insert(peer).inserted else { return }
    snapshots.cancel(target: peer, self)
    noteReachability(of: peer, false)
  }

  private func noteReachability(of peer: NodeID, _ isReachable: Bool) {
    if failure != nil { return }
    let time = now()
    for group in groupsByID.values.sorted(by: { $0.id < $1.id })
    where group.core.membership.contains(peer) && group.restore == nil {
      group.core.setReachable(peer, isReachable, now: time)
      keepTicking(group)
      markDirty(group)
    }
  }
}
