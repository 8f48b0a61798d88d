import Basics
import EventLoop
import Raft
import Replication
import RocksEngine

/// A replica as a whole, on a disk in memory: what it finds at a start, and what its peers send it.
let replicationTargets: [FuzzTarget] = [
  FuzzTarget("raft-log", seeds: logSeeds) { bytes in FuzzWorld.run { runLog(bytes, $0) } },
  FuzzTarget("replication", seeds: hostSeeds) { bytes in FuzzWorld.run { runHost(bytes, $0) } },
]

/// Remembers how far it is.
@EventLoopActor private final class CountingMachine: ReplicatedStateMachine {
  private(set) var applied: UInt64 = 0
  private(set) var restored = 0

  func apply(_ entry: CommittedEntry, into _: WriteBatch) throws -> (any Sendable)? {
    require(entry.index > applied, "entries are applied in their order")
    applied = entry.index
    return nil
  }
  func becameLeader(term _: UInt64) {}
  func lostLeadership() {}
  func makeSnapshot() throws -> any SnapshotSource { EmptySnapshot() }
  func restoreBegan(into _: WriteBatch) throws { applied = 0 }
  func restore(_: [UInt8], into _: WriteBatch) throws { restored += 1 }
  func restoreFinished() throws {}
}

private final class EmptySnapshot: SnapshotSource {
  func nextChunk() throws -> [UInt8]? { nil }
}

@EventLoopActor private final class SilentTransport: RaftTransport {
  weak var receiver: (any RaftTransportReceiver)?
  var sentBytes = 0
  func connect(to _: NodeID) {}
  func send(to _: NodeID, _ packed: [UInt8]) { sentBytes += packed.count }
  func start() {}
  func stop() {}
}

@EventLoopActor private struct Replica {
  let disk = SimulatedDisk()
  let database: RocksDatabase
  let transport = SilentTransport()
  let machine = CountingMachine()

  init() throws {
    database = try RocksDatabase.open("/raft", columnFamilies: [ColumnFamilyOptions("raft")], disk: disk)
  }

  func host(_ node: NodeID) -> ReplicationHost {
    ReplicationHost(
      node: node, database: database, logFamily: database.columnFamily("raft"), transport: transport, seed: 1)
  }
}

// MARK: - The log on disk

/// Records of group 1: kind, position (one byte each), then a piece; the kind 255 takes the piece as a whole key.
@EventLoopActor private func runLog(_ bytes: [UInt8], _ world: FuzzWorld) {
  guard let replica = try? Replica() else { return require(false, "a disk in memory opens") }
  let batch = WriteBatch()
  var input = FuzzInput(bytes)
  while !input.isEmpty {
    let (kind, position) = (input.byte(), input.byte())
    let value = input.piece()
    let isPositioned = kind >= 16
    let key = [0, 0, 0, 0, 0, 0, 0, 1, kind] + (isPositioned ? [0, 0, 0, 0, 0, 0, 0, position] : [])
    batch.put(kind == 255 ? value : key, value, in: replica.database.columnFamily("raft"))
  }
  guard (try? replica.database.write(batch, sync: true)) != nil else { return require(false, "a record is written") }
  let host = replica.host(NodeID(1))
  let groups: [RangeID]
  do {
    groups = try host.open()
  } catch {
    guard case .corruption? = error as? RocksError else { return require(false, "damage is told as such: \(error)") }
    return
  }
  for group in groups {
    do {
      try host.attach(group, stateMachine: CountingMachine())
    } catch {
      require(error is RocksError || error is MalformedBytes, "damage is told as such: \(error)")
    }
  }
  world.turn { host.start() }
  world.advance(by: .seconds(3))
  stop(host, world)
}

private func logSeeds() -> [[UInt8]] {
  func record(_ kind: UInt8, _ position: UInt8, _ value: [UInt8]) -> [UInt8] {
    [kind, position, UInt8(value.count)] + value
  }
  let members = Membership(voters: [NodeID(1), NodeID(2), NodeID(3)])
  let state = TruncatedState(index: 10, term: 4, membership: members).encoded()
  let log =
    record(1, 0, HardState(term: 5, vote: NodeID(2)).encoded()) + record(2, 0, state)
    + record(3, 0, [0, 0, 0, 0, 0, 0, 0, 11])
    + record(16, 11, Entry(index: 11, term: 4, kind: .normal, payload: [1]).encodedRecord())
    + record(16, 12, Entry(index: 12, term: 5, kind: .configuration, payload: members.encoded()).encodedRecord())
  let alone = Membership(voters: [NodeID(1)])
  let single =
    record(1, 0, HardState(term: 1).encoded()) + record(2, 0, TruncatedState(membership: alone).encoded())
    + record(16, 1, Entry(index: 1, term: 1, kind: .normal, payload: [1]).encodedRecord())
  let restoring = TruncatedState(index: 20, term: 5, membership: members).encoded()
  return [log, single, log + record(4, 0, restoring) + record(32, 0, [7, 7]) + record(32, 1, [8])]
}

// MARK: - Messages of peers

/// Messages, each: from which peer (0 or 1), two bytes length, packets as `PacketWriter` packs them, without their head.
@EventLoopActor private func runHost(_ bytes: [UInt8], _ world: FuzzWorld) {
  guard let replica = try? Replica() else { return require(false, "a disk in memory opens") }
  let host = replica.host(NodeID(1))
  do {
    _ = try host.open()
    try host.createGroup(
      RangeID(1), members: [NodeID(1), NodeID(2), NodeID(3)], stateMachine: replica.machine, preferredLeader: NodeID(1))
  } catch { return require(false, "a group is created: \(error)") }
  world.turn { host.start() }
  for peer in [NodeID(2), NodeID(3)] { world.turn { host.peerConnected(peer) } }
  var input = FuzzInput(bytes)
  var count = 0
  while !input.isEmpty, count < 40 {
    let head = input.byte()
    let peer = NodeID(2 + UInt64(head & 1))
    let packed = PacketWriter(from: peer, to: NodeID(1)).bytes + input.piece()
    world.turn { try? host.received(packed, from: peer) }
    if head & 2 != 0 { world.turn { host.propose(RangeID(1), [1, 2, 3]) { _ in } } }
    if head & 4 != 0 { world.advance(by: .milliseconds(Int64(head & 8 != 0 ? 2_000 : 200))) }
    count += 1
  }
  world.advance(by: .seconds(1))
  require(replica.transport.sentBytes <= 4 << 20, "\(replica.transport.sentBytes) bytes for \(bytes.count)")
  stop(host, world)
}

@EventLoopActor private func stop(_ host: ReplicationHost, _ world: FuzzWorld) {
  world.turn { EventLoop.task { await host.shutdown() } }
  world.advance(by: .seconds(1))
}

private func hostSeeds() -> [[UInt8]] {
  let head = PacketWriter(from: NodeID(2), to: NodeID(1)).bytes.count
  func message(_ control: UInt8, _ packets: [Packet]) -> [UInt8] {
    var writer = PacketWriter(from: NodeID(2), to: NodeID(1))
    for packet in packets { writer.append(packet) }
    let bytes = writer.bytes.dropFirst(head)
    return [control, UInt8(bytes.count)] + bytes
  }
  let messages = raftSeedBodies.map { Packet(group: RangeID(1), content: .message($0, $1)) }
  let members = Membership(voters: [NodeID(1), NodeID(2), NodeID(3)])
  let chunk = SnapshotChunk(
    transfer: 1, term: 5, state: TruncatedState(index: 20, term: 5, membership: members), number: 0, isLast: true,
    bytes: [1, 2, 3])
  let elected =
    message(4, [Packet(group: RangeID(1), content: .message(1, .preVoteResponse(isGranted: true)))])
    + message(6, [Packet(group: RangeID(1), content: .message(1, .voteResponse(isGranted: true)))])
    + message(6, [Packet(group: RangeID(1), content: .message(1, .appendAccepted(matchIndex: 1)))])
    + message(5, [Packet(group: RangeID(1), content: .message(1, .appendAccepted(matchIndex: 2)))])
  return messages.map { message(4, [$0]) } + [
    elected, messages.flatMap { message(0, [$0]) },
    message(12, [Packet(group: RangeID(1), content: .snapshotChunk(chunk))]) + message(4, [messages[8]]),
  ]
}
