import Testing
import Verification

@Suite struct ObservationTests {
  func findings(_ entries: [(UInt64, Observation)], isSettled: Bool = true) -> [String] {
    var log = ObservationLog()
    for (milliseconds, observation) in entries { log.record(at: milliseconds * 1_000_000, observation) }
    let end = (entries.last?.0 ?? 0) * 1_000_000
    return ObservationChecks(maximumHealthyJobDuration: 10_000_000_000)
      .findings(log, end: end, isSettled: isSettled).map { "\($0.checker): \($0.sentence)" }
  }

  func entry(
    _ index: UInt64, _ timestamp: UInt64, _ from: UInt64, floor: UInt64,
    _ kind: SchemaEntryKind, to: UInt64? = nil,
    node: String = "a"
  ) -> Observation {
    .schemaEntry(
      node: node, index: index, timestamp: timestamp, table: 1, from: from, to: to ?? from + 1, floor: floor,
      kind: kind,
      job: 1)
  }

  func commit(_ version: UInt64, _ timestamp: UInt64) -> Observation {
    .committed(node: "g", table: 1, version: version, timestamp: timestamp)
  }

  @Test func agreementPassesAndDisagreementIsFound() {
    let first = Observation.applied(node: "a", group: 1, index: 5, term: 2, digest: 77)
    #expect(
      findings([(1, first), (2, .applied(node: "b", group: 1, index: 5, term: 2, digest: 77)), (3, first)]) == [])
    #expect(findings([(1, first), (2, .applied(node: "a", group: 1, index: 5, term: 2, digest: 78))]).count == 1)
    #expect(findings([(1, first), (2, .applied(node: "b", group: 1, index: 5, term: 3, digest: 77))]).count == 1)
    #expect(findings([(1, first), (2, .applied(node: "b", group: 2, index: 5, term: 3, digest: 78))]) == [])
    let state = Observation.stateDigest(node: "a", group: 1, index: 5, digest: 1)
    #expect(findings([(1, state), (2, .stateDigest(node: "b", group: 1, index: 5, digest: 1))]) == [])
    #expect(findings([(1, state), (2, .stateDigest(node: "b", group: 1, index: 5, digest: 2))]).count == 1)
  }

  @Test func twoLeadersInOneTermAreFound() {
    let first = Observation.leader(group: 1, term: 4, node: "a")
    #expect(findings([(1, first), (2, .leader(group: 1, term: 5, node: "b")), (3, first)]) == [])
    #expect(findings([(1, first), (2, .leader(group: 1, term: 4, node: "b"))]).count == 1)
  }

  func grant(_ first: UInt64, _ count: UInt64, asked: UInt64) -> Observation {
    .timestampsGranted(node: "m", first: first, count: count, requestedAt: asked * 1_000_000)
  }

  @Test func timestampsAreGrantedOnceAndGrow() {
    #expect(findings([(2, grant(10, 5, asked: 1)), (4, grant(15, 1, asked: 3)), (6, grant(20, 9, asked: 5))]) == [])
    // Overlapping questions may be answered in any order.
    #expect(findings([(5, grant(20, 1, asked: 1)), (6, grant(10, 1, asked: 2))]) == [])
    #expect(
      findings([(2, grant(10, 5, asked: 1)), (2, grant(14, 1, asked: 1))]) == [
        "timestamps: timestamp 14 was granted twice"
      ])
    #expect(
      findings([(2, grant(20, 1, asked: 1)), (4, grant(10, 1, asked: 3))])
        == ["timestamps: timestamp 10 was asked for after 20 had been answered"])
    #expect(findings([(2, grant(.max, 5, asked: 1))]) == [])
  }

  @Test func schemaLogIsOneChain() {
    let first = entry(1, 100, 0, floor: 1, .compatible)
    #expect(
      findings([
        (1, first), (2, entry(1, 100, 0, floor: 1, .compatible, node: "b")),
        (3, entry(2, 110, 1, floor: 1, .compatible)),
      ]) == [])
    #expect(findings([(1, first), (2, entry(1, 101, 0, floor: 1, .compatible, node: "b"))]).count == 1)
    #expect(findings([(1, first), (2, entry(2, 100, 1, floor: 1, .compatible))]).count == 1)
    #expect(findings([(1, first), (2, entry(2, 110, 2, floor: 1, .compatible))]).count == 1)
    #expect(findings([(1, entry(1, 100, 0, floor: 1, .compatible, to: 2))]).count == 1)
  }

  @Test func onlyNeighboursCommit() {
    let log: [(UInt64, Observation)] = [
      (1, entry(1, 100, 0, floor: 1, .compatible)), (2, entry(2, 200, 1, floor: 1, .transition)),
      (3, entry(3, 300, 2, floor: 2, .transition)), (4, entry(4, 400, 3, floor: 4, .backfillStart)),
      (5, entry(5, 500, 4, floor: 4, .compatible)),
    ]
    let right: [(UInt64, Observation)] = [
      (6, commit(1, 150)), (6, commit(1, 250)), (6, commit(2, 250)), (6, commit(2, 350)), (6, commit(3, 350)),
      (6, commit(4, 450)), (6, commit(4, 550)), (6, commit(5, 550)),
    ]
    #expect(findings(log + right) == [])
    for (version, timestamp) in [(1, 350), (2, 450), (3, 450), (3, 550)] as [(UInt64, UInt64)] {
      #expect(!findings(log + right + [(7, commit(version, timestamp))]).isEmpty, "\(version) at \(timestamp)")
    }
    #expect(findings(log + [(7, commit(2, 150))]).count == 1)
  }

  @Test func floorThatWasNotRaisedIsFound() {
    let log: [(UInt64, Observation)] = [
      (1, entry(1, 100, 0, floor: 1, .compatible)), (2, entry(2, 200, 1, floor: 1, .transition)),
      (3, entry(3, 300, 2, floor: 1, .transition)),
    ]
    #expect(findings(log + [(4, commit(2, 350))]) == [])
    let found = findings(log + [(4, commit(1, 350))])
    #expect(found.count == 1 && found[0].contains("too far from a step"), "\(found)")
    let backfill = log + [(4, entry(4, 400, 3, floor: 1, .backfillStart)), (5, commit(2, 450))]
    #expect(findings(backfill).count == 1)
  }

  @Test func jobsEndOnceAndInTime() {
    func job(_ state: ObservedJobState, id: UInt64 = 1, operation: String? = "x") -> Observation {
      .job(id: id, operation: operation, state: state)
    }
    #expect(findings([(1, job(.queued)), (2, job(.running)), (9000, job(.succeeded))]) == [])
    #expect(findings([(1, job(.running)), (2, job(.reverting)), (3, job(.canceled)), (4, job(.canceled))]) == [])
    #expect(findings([(1, job(.running)), (5, .majorityHealthy(true))]) == ["jobs: job 1 does not end: it is running"])
    #expect(findings([(1, job(.running)), (5, .majorityHealthy(true))], isSettled: false) == [])
    #expect(findings([(1, job(.succeeded)), (2, job(.running)), (3, job(.succeeded))]).count == 1)
    #expect(findings([(1, job(.running)), (10_002, job(.succeeded))]).count == 1)
    // Pauses and times without a majority do not count.
    #expect(
      findings([(1, job(.running)), (9000, job(.paused)), (30_000, job(.running)), (39_000, job(.succeeded))]) == [])
    #expect(
      findings([
        (1, job(.running)), (9000, .majorityHealthy(false)), (40_000, .majorityHealthy(true)),
        (49_000, job(.succeeded)),
      ]) == [])
    #expect(findings([(1, job(.succeeded)), (2, job(.succeeded, id: 2))]).count == 1)
    #expect(findings([(1, job(.succeeded)), (2, job(.succeeded, id: 2, operation: nil))]) == [])
  }
}
