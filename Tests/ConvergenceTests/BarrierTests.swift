import Basics
import Testing

@testable import Convergence

private func ack(
  _ node: UInt64, epoch: UInt64 = 1, sequence: UInt64 = 1, applied: UInt64, _ held: [UInt64: UInt64] = [:]
) -> Acknowledgement {
  Acknowledgement(
    node: NodeID(node), epoch: SessionEpoch(epoch), sequence: sequence, appliedIndex: SchemaIndex(applied),
    held: held.map { HeldTable(table: TableID($0.key), oldestIndex: SchemaIndex($0.value)) })
}

private func session(_ node: UInt64, epoch: UInt64 = 1) -> LiveSession {
  LiveSession(node: NodeID(node), epoch: SessionEpoch(epoch))
}

struct BarrierTests {
  private let barrier = Barrier(table: TableID(7), index: SchemaIndex(5))

  @Test func namesWhoIsWaitedForAndWhy() {
    let lattice = AckLattice([
      ack(1, applied: 5), ack(2, applied: 4), ack(3, applied: 6, [7: 4]), ack(4, applied: 6, [8: 1]),
      ack(5, epoch: 1, applied: 9),
    ])
    let sessions = [session(5, epoch: 2), session(4), session(3), session(2), session(1), session(6)]
    #expect(
      lattice.laggards(of: barrier, among: sessions) == [
        Laggard(node: NodeID(2), reason: .notApplied(SchemaIndex(4))),
        Laggard(node: NodeID(3), reason: .holds(TableID(7), SchemaIndex(4))),
        Laggard(node: NodeID(5), reason: .notApplied(.zero)),
        Laggard(node: NodeID(6), reason: .notApplied(.zero)),
      ])
  }

  @Test func pinsAtTheBarrierOrOnOtherTablesDoNotHoldItBack() {
    let lattice = AckLattice([ack(1, applied: 5, [7: 5, 8: 1])])
    #expect(lattice.isMet(barrier, among: [session(1)]))
  }

  @Test func endedSessionsAreNotWaitedFor() {
    #expect(AckLattice([ack(1, applied: 1)]).isMet(barrier, among: []))
  }

  @Test func theBoundIsNotTheEndForEveryone() {
    let lattice = AckLattice([ack(1, applied: 5), ack(2, applied: 5)])
    let sessions = [session(1), session(2), session(3)]
    let slow = Laggard(node: NodeID(3), reason: .notApplied(.zero))
    func verdict(_ onBlock: OnBlock, _ milliseconds: UInt64) -> BarrierWait.Verdict {
      BarrierWait(barrier, startedAt: MonotonicTime(milliseconds: 0), boundMilliseconds: 1_000, onBlock: onBlock)
        .verdict(lattice, sessions: sessions, now: MonotonicTime(milliseconds: milliseconds))
    }
    #expect(verdict(.wait, 1_000_000) == .waiting([slow], again: nil))
    #expect(verdict(.cancel, 999) == .waiting([slow], again: MonotonicTime(milliseconds: 1_000)))
    #expect(verdict(.cancel, 1_000) == .giveUp([slow]))
    #expect(verdict(.abort, 1_000) == .proceed(fencing: [slow]))
  }

  @Test func theLastAckBeforeTheBoundDecides() {
    let wait = BarrierWait(barrier, startedAt: MonotonicTime(milliseconds: 1_000), boundMilliseconds: 2_000)
    let sessions = [session(1), session(2), session(3)]
    let justBefore = MonotonicTime(milliseconds: 2_999)
    let atBound = MonotonicTime(milliseconds: 3_000)
    let slow = Laggard(node: NodeID(3), reason: .notApplied(.zero))
    let two = AckLattice([ack(1, applied: 5), ack(2, applied: 5)])
    #expect(wait.verdict(two, sessions: sessions, now: justBefore) == .waiting([slow], again: atBound))
    #expect(wait.verdict(two, sessions: sessions, now: atBound) == .proceed(fencing: [slow]))

    let one = AckLattice([ack(1, applied: 5)])
    let slower = Laggard(node: NodeID(2), reason: .notApplied(.zero))
    #expect(wait.verdict(one, sessions: sessions, now: atBound) == .waiting([slower, slow], again: nil))
    #expect(wait.verdict(one, sessions: [session(1)], now: justBefore) == .met)
  }

  @Test func halfIsNoMajority() {
    let wait = BarrierWait(barrier, startedAt: MonotonicTime(milliseconds: 0), boundMilliseconds: 0)
    let lattice = AckLattice([ack(1, applied: 5)])
    let verdict = wait.verdict(lattice, sessions: [session(1), session(2)], now: MonotonicTime(milliseconds: 9))
    #expect(verdict == .waiting([Laggard(node: NodeID(2), reason: .notApplied(.zero))], again: nil))
  }

  /// A barrier once met stays met while acks only move forward.
  @Test(arguments: 0..<30 as Range<UInt64>)
  func progressIsMonotone(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let sessions = (1...4 as ClosedRange<UInt64>).map { session($0) }
    var lattice = AckLattice()
    var wasMet = false
    for sequence in 1...60 as ClosedRange<UInt64> {
      let applied = sequence / 6
      let held = (0..<2).map { _ in
        (UInt64.random(in: 7...8, using: &random), applied - UInt64.random(in: 0...min(applied, 1), using: &random))
      }
      lattice.merge(
        ack(
          UInt64.random(in: 1...4, using: &random), sequence: sequence, applied: applied,
          Dictionary(held, uniquingKeysWith: { min($0, $1) })))
      let isMet = lattice.isMet(Barrier(table: TableID(7), index: SchemaIndex(3)), among: sessions)
      #expect(isMet || !wasMet)
      wasMet = isMet
    }
    #expect(wasMet)
  }
}
