import Basics
import Testing

@testable import Raft

@Suite struct CodecTests {
  private static let bodies: [Message.Body] = [
    .preVoteRequest(VoteRequest(lastIndex: 5, lastTerm: 2, isTransfer: false)),
    .preVoteResponse(isGranted: true),
    .voteRequest(VoteRequest(lastIndex: 1 << 40, lastTerm: 7, isTransfer: true)),
    .voteResponse(isGranted: false),
    .append(
      Append(
        previousIndex: 9, previousTerm: 3, commitIndex: 8,
        entries: [
          Entry(index: 10, term: 3, kind: .normal, payload: [1, 2, 3]),
          Entry(index: 11, term: 4, kind: .noOp, payload: []),
          Entry(index: 12, term: 4, kind: .configuration, payload: Membership(voters: [NodeID(1)]).encoded()),
        ])),
    .appendAccepted(matchIndex: 12),
    .appendRejected(AppendRejection(rejectedIndex: 9, hintIndex: 4, hintTerm: 1)),
    .heartbeat(commitIndex: 3, readRound: 99),
    .heartbeatResponse(readRound: 99),
    .snapshot(TruncatedState(index: 7, term: 2, membership: Membership(voters: [NodeID(1), NodeID(2)]))),
    .timeoutNow,
    .quiesce(lastIndex: 12, lastTerm: 4),
  ]

  private static var packets: [Packet] {
    let state = TruncatedState(
      index: 70, term: 6, membership: Membership(voters: [NodeID(3)], learners: [NodeID(4)]))
    return bodies.enumerated().map { Packet(group: RangeID(UInt64($0) * 1000), content: .message(17, $1)) } + [
      Packet(
        group: RangeID(1),
        content: .snapshotChunk(
          SnapshotChunk(transfer: 3, term: 6, state: state, number: 2, isLast: true, bytes: [9, 9]))),
      Packet(group: RangeID(2), content: .snapshotProgress(transfer: 3, next: 2, isRefused: false)),
    ]
  }

  private func pack() -> [UInt8] {
    var writer = PacketWriter(from: NodeID(1), to: NodeID(300))
    for packet in Self.packets { writer.append(packet) }
    return writer.bytes
  }

  private func unpack(_ bytes: [UInt8]) throws(MalformedBytes) -> [Packet] {
    var reader = try PacketReader(bytes)
    var packets: [Packet] = []
    while let packet = try reader.next() { packets.append(packet) }
    return packets
  }

  @Test func packetsComeBack() throws {
    let reader = try PacketReader(pack())
    #expect(reader.from == NodeID(1))
    #expect(reader.to == NodeID(300))
    #expect(try unpack(pack()) == Self.packets)
  }

  @Test func cutPacketsAreMalformedOrShorter() {
    let bytes = pack()
    for length in 0..<bytes.count {
      do throws(MalformedBytes) {
        #expect(try unpack(Array(bytes[..<length])).count < Self.packets.count)
      } catch {
        #expect(error.offset <= length)
      }
    }
  }

  @Test func changedBytesNeverTrap() {
    var random = SeededGenerator(seed: 4)
    let bytes = pack()
    var refused = 0
    for _ in 0..<20_000 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      do { _ = try unpack(changed) } catch { refused += 1 }
    }
    #expect(refused > 1000)
  }

  /// Whatever a peer says, a core lives on and keeps what is committed.
  @Test func wildMessagesNeverTrap() throws {
    var random = SeededGenerator(seed: 11)
    let members = Membership(voters: [NodeID(1), NodeID(2), NodeID(3)])
    for round in 0..<300 {
      var core = RaftCore(
        id: NodeID(1), state: PersistedState(truncated: TruncatedState(membership: members)), seed: 5,
        now: MonotonicTime(milliseconds: 0))
      var now = MonotonicTime(milliseconds: 0)
      var applied: [LogIndex: Entry] = [:]
      for _ in 0..<200 {
        now = now.advanced(byMilliseconds: UInt64.random(in: 0...400, using: &random))
        if Bool.random(using: &random) { core.tick(now) }
        _ = try? core.propose([1], now: now)
        core.step(wildMessage(&random, from: NodeID(UInt64(2 + round % 3))), now: now)
        while core.hasReady {
          let ready = core.takeReady()
          for entry in ready.committed {
            #expect(applied.updateValue(entry, forKey: entry.index) == nil)
          }
          if ready.needsPersistence { core.persisted(ready.number, now: now) }
        }
      }
      #expect(core.appliedIndex <= core.lastIndex)
    }
  }

  private func wildMessage(_ random: inout SeededGenerator, from: NodeID) -> Message {
    func small() -> UInt64 { UInt64.random(in: 0...6, using: &random) }
    let body: Message.Body
    switch Int.random(in: 0..<12, using: &random) {
    case 0: body = .preVoteRequest(VoteRequest(lastIndex: small(), lastTerm: small(), isTransfer: false))
    case 1: body = .preVoteResponse(isGranted: true)
    case 2: body = .voteRequest(VoteRequest(lastIndex: small(), lastTerm: small(), isTransfer: true))
    case 3: body = .voteResponse(isGranted: true)
    case 4...6:
      let previous = small()
      let entries = (0..<small()).map { offset in
        Entry(index: previous + 1 + offset, term: small(), kind: .normal, payload: [])
      }
      body = .append(
        Append(previousIndex: previous, previousTerm: small(), commitIndex: small(), entries: entries))
    case 7: body = .appendAccepted(matchIndex: small())
    case 8: body = .appendRejected(AppendRejection(rejectedIndex: small(), hintIndex: small(), hintTerm: small()))
    case 9: body = .heartbeat(commitIndex: small(), readRound: small())
    case 10: body = .heartbeatResponse(readRound: small())
    default: body = Bool.random(using: &random) ? .timeoutNow : .quiesce(lastIndex: small(), lastTerm: small())
    }
    return Message(from: from, to: NodeID(1), term: small(), body: body)
  }

  @Test func persistedRecordsComeBack() throws {
    let hard = HardState(term: 9, vote: NodeID(4))
    #expect(try HardState(encoded: hard.encoded()) == hard)
    let state = TruncatedState(
      index: 5, term: 3, membership: Membership(voters: [NodeID(1), NodeID(2)], learners: [NodeID(8)]))
    #expect(try TruncatedState(encoded: state.encoded()) == state)
    let entry = Entry(index: 4, term: 300, kind: .configuration, payload: [7, 8])
    #expect(try Entry(index: 4, record: entry.encodedRecord()) == entry)
    #expect(throws: MalformedBytes.self) { try Entry(index: 4, record: [1, 9]) }
    #expect(throws: MalformedBytes.self) { try Membership(encoded: [UInt8]()) }
  }
}
