import Basics
import Raft

/// Raft: what replicas say to each other, what they keep, and what the core makes of any messages.
let raftTargets: [FuzzTarget] = [
  FuzzTarget("raft-packets", seeds: packetSeeds, run: runPackets),
  FuzzTarget("raft-records", seeds: raftRecordSeeds, run: runRaftRecords),
  FuzzTarget("raft-core", seeds: packetSeeds, run: runCore),
]

private func packets(_ bytes: [UInt8]) -> [Packet]? {
  guard var reader = try? PacketReader(bytes) else { return nil }
  var packets: [Packet] = []
  do throws(MalformedBytes) {
    while let packet = try reader.next() { packets.append(packet) }
  } catch {
    return nil
  }
  return packets
}

private func packed(_ packets: [Packet]) -> [UInt8] {
  var writer = PacketWriter(from: NodeID(2), to: NodeID(1))
  for packet in packets { writer.append(packet) }
  return writer.bytes
}

private func runPackets(_ bytes: [UInt8]) {
  guard let found = packets(bytes) else { return }
  require(found.count <= bytes.count, "no more packets than bytes")
  require(packets(packed(found)) == found, "packets are written and read again: \(found)")
}

/// First byte: which record.
private func runRaftRecords(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  switch input.byte() % 4 {
  case 0:
    guard let state = try? HardState(encoded: input.bytes) else { return }
    require((try? HardState(encoded: state.encoded())) == state, "\(state) is written and read again")
  case 1:
    guard let state = try? TruncatedState(encoded: input.bytes) else { return }
    require((try? TruncatedState(encoded: state.encoded())) == state, "\(state) is written and read again")
  case 2:
    guard let membership = try? Membership(encoded: input.bytes) else { return }
    require((try? Membership(encoded: membership.encoded())) == membership, "\(membership) is written and read again")
    require(membership.all.count <= Membership.maximumMembers, "a membership has a limit")
  default:
    guard let entry = try? Entry(index: 7, record: input.bytes) else { return }
    require((try? Entry(index: 7, record: entry.encodedRecord())) == entry, "\(entry) is written and read again")
  }
}

private let members = Membership(voters: [NodeID(1), NodeID(2), NodeID(3)])

private func raftRecordSeeds() -> [[UInt8]] {
  [
    [0] + HardState(term: 5, vote: NodeID(2)).encoded(),
    [1] + TruncatedState(index: 9, term: 4, membership: members).encoded(),
    [2] + Membership(voters: [NodeID(1)], learners: [NodeID(9)]).encoded(),
    [3] + Entry(index: 7, term: 3, kind: .normal, payload: [1, 2, 3]).encodedRecord(),
  ]
}

let raftSeedBodies: [(Term, Message.Body)] = {
  let entries = [
    Entry(index: 11, term: 4, kind: .normal, payload: [1]),
    Entry(index: 12, term: 5, kind: .configuration, payload: members.encoded()),
    Entry(index: 13, term: 5, kind: .noOp, payload: []),
  ]
  let vote = VoteRequest(lastIndex: 12, lastTerm: 5, isTransfer: false)
  return [
    (6, .preVoteRequest(vote)), (6, .preVoteResponse(isGranted: true)), (6, .voteRequest(vote)),
    (6, .voteResponse(isGranted: true)),
    (5, .append(Append(previousIndex: 10, previousTerm: 4, commitIndex: 12, entries: entries))),
    (5, .append(Append(previousIndex: 12, previousTerm: 5, commitIndex: 13, entries: []))),
    (6, .appendAccepted(matchIndex: 13)),
    (6, .appendRejected(AppendRejection(rejectedIndex: 13, hintIndex: 11, hintTerm: 4))),
    (5, .heartbeat(commitIndex: 12, readRound: 1)), (6, .heartbeatResponse(readRound: 1)),
    (5, .snapshot(TruncatedState(index: 20, term: 5, membership: members))), (6, .timeoutNow),
    (5, .quiesce(lastIndex: 13, lastTerm: 5)),
  ]
}()

private func packetSeeds() -> [[UInt8]] {
  let messages = raftSeedBodies.map { Packet(group: RangeID(3), content: .message($0, $1)) }
  let chunk = SnapshotChunk(
    transfer: 1, term: 5, state: TruncatedState(index: 20, term: 5, membership: members), number: 0, isLast: true,
    bytes: [1, 2, 3])
  return messages.map { packed([$0]) } + [
    packed(messages), packed([messages[11], messages[1], messages[3], messages[6], messages[7]]),
    packed([Packet(group: RangeID(1), content: .snapshotChunk(chunk))]),
    packed([Packet(group: RangeID(2), content: .snapshotProgress(transfer: 1, next: 2, isRefused: false))]),
  ]
}

/// The packets, whoever may have sent them, arrive at one replica of three; the packet's group says from which other one, and
/// whether what it wants to store is stored before the next.
private func runCore(_ bytes: [UInt8]) {
  guard let found = packets(bytes) else { return }
  let persisted = PersistedState(
    hardState: HardState(term: 5), truncated: TruncatedState(index: 10, term: 4, membership: members), appliedIndex: 10,
    entries: [Entry(index: 11, term: 4, kind: .normal, payload: [1])])
  var time = MonotonicTime(nanoseconds: 1_000_000_000)
  var core = RaftCore(id: NodeID(1), state: persisted, seed: 7, now: time)
  var committed = core.appliedIndex
  for packet in found.prefix(64) {
    guard case .message(let term, let body) = packet.content else { continue }
    let group = packet.group.rawValue
    core.step(Message(from: NodeID(2 + group & 1), to: NodeID(1), term: term, body: body), now: time)
    time = time.advanced(byMilliseconds: group & 2 == 0 ? 1 : 400)
    core.tick(time)
    if group & 8 != 0 { _ = try? core.propose([1, 2, 3], now: time) }
    require(core.commitIndex >= committed && core.commitIndex <= core.lastIndex, "what is committed is there and stays")
    committed = core.commitIndex
    let ready = core.takeReady()
    if group & 4 == 0, ready.needsPersistence { core.persisted(ready.number, now: time) }
  }
}
