import Basics
import Testing

@testable import Convergence

/// Acks drawn from a small space, so that equal numbers with different content come up too.
func randomAcknowledgement(_ random: inout SeededGenerator) -> Acknowledgement {
  let held = (0..<Int.random(in: 0...3, using: &random)).map { _ in
    HeldTable(
      table: TableID(UInt64.random(in: 1...3, using: &random)),
      oldestIndex: SchemaIndex(UInt64.random(in: 0...5, using: &random)))
  }
  return Acknowledgement(
    node: NodeID(UInt64.random(in: 1...3, using: &random)),
    epoch: SessionEpoch(UInt64.random(in: 1...2, using: &random)),
    sequence: UInt64.random(in: 1...3, using: &random),
    appliedIndex: SchemaIndex(UInt64.random(in: 0...5, using: &random)), held: held)
}

func randomLattice(_ random: inout SeededGenerator) -> AckLattice {
  AckLattice((0..<Int.random(in: 0...6, using: &random)).map { _ in randomAcknowledgement(&random) })
}

struct AckLatticeTests {
  @Test(arguments: 0..<50 as Range<UInt64>)
  func mergingIsASemilattice(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<40 {
      let (a, b, c) = (randomLattice(&random), randomLattice(&random), randomLattice(&random))
      func merged(_ lattices: AckLattice...) -> AckLattice {
        var result = AckLattice()
        for lattice in lattices { result.merge(lattice) }
        return result
      }
      #expect(merged(a, b) == merged(b, a))
      #expect(merged(a, merged(b, c)) == merged(merged(a, b), c))
      #expect(merged(a, a) == a)
      #expect(merged(merged(a, b), a) == merged(a, b))
    }
  }

  /// Lost, repeated and reordered acks end in the same state once the newest of every node has arrived.
  @Test(arguments: 0..<30 as Range<UInt64>)
  func deliveryOrderDoesNotMatter(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let acks = (0..<30).map { sequence in
      Acknowledgement(
        node: NodeID(UInt64.random(in: 1...4, using: &random)), epoch: SessionEpoch(1), sequence: UInt64(sequence + 1),
        appliedIndex: SchemaIndex(UInt64.random(in: 1...9, using: &random)))
    }
    let expected = AckLattice(acks)
    var noisy = acks.shuffled(using: &random)
    noisy += acks.filter { _ in Bool.random(using: &random) }
    noisy += expected.acknowledgements
    #expect(AckLattice(noisy.shuffled(using: &random)) == expected)
  }

  @Test func mergingReportsWhetherSomethingIsNew() {
    var lattice = AckLattice()
    let first = Acknowledgement(node: NodeID(1), epoch: SessionEpoch(1), sequence: 2, appliedIndex: SchemaIndex(4))
    let isNew1 = lattice.merge(first)
    #expect(isNew1)
    let isNew2 = lattice.merge(first)
    #expect(!isNew2)
    var older = first
    older.sequence = 1
    older.appliedIndex = SchemaIndex(9)
    let isNew3 = lattice.merge(older)
    #expect(!isNew3)
    #expect(lattice[NodeID(1)] == first)
    var restarted = older
    restarted.epoch = SessionEpoch(2)
    let isNew4 = lattice.merge(restarted)
    #expect(isNew4)
    #expect(lattice[NodeID(1)] == restarted)
  }

  @Test func keepOnlyForgetsEndedSessions() {
    var lattice = AckLattice()
    for node in 1...3 as ClosedRange<UInt64> {
      lattice.merge(
        Acknowledgement(node: NodeID(node), epoch: SessionEpoch(node), sequence: 1, appliedIndex: SchemaIndex(1)))
    }
    lattice.keepOnly([
      LiveSession(node: NodeID(1), epoch: SessionEpoch(1)), LiveSession(node: NodeID(2), epoch: SessionEpoch(5)),
    ])
    #expect(lattice.acknowledgements.map(\.node) == [NodeID(1)])
  }

  @Test func tooManyTablesHeldAreFoldedIntoTheAppliedIndex() {
    let limit = Acknowledgement.maximumHeldTables
    func held(_ count: Int) -> [HeldTable] {
      (0..<count).map { HeldTable(table: TableID(UInt64($0 + 1)), oldestIndex: SchemaIndex(UInt64(7 + $0 % 2))) }
    }
    func ack(_ held: [HeldTable]) -> Acknowledgement {
      Acknowledgement(
        node: NodeID(1), epoch: SessionEpoch(1), sequence: 1, appliedIndex: SchemaIndex(20), held: held)
    }
    #expect(ack(held(limit)).held.count == limit)
    #expect(ack(held(limit)).appliedIndex == SchemaIndex(20))
    #expect(ack(held(limit + 1)).held.isEmpty)
    #expect(ack(held(limit + 1)).appliedIndex == SchemaIndex(7))
  }
}
