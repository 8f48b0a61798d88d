import Testing
import Verification

@Suite struct WorkloadTests {
  static let limits = TrafficLimits(clients: 4, operationsPerClient: 60, thinkMilliseconds: 0...3)

  static func mix() -> Mix {
    Mix([
      RegisterWorkload(keys: 3, limits: limits), BankWorkload(accounts: 4, limits: limits),
      ListAppendWorkload(keys: 3, limits: limits),
      SchemaChangeWorkload(limits: TrafficLimits(clients: 4, operationsPerClient: 120, thinkMilliseconds: 0...10)),
    ])
  }

  @Test(arguments: UInt64(1)...6) func correctDatabasePasses(seed: UInt64) {
    let report = FakeHost.run(Self.mix(), seed: seed)
    #expect(report.findings == [], "\(report)")
    #expect(report.reports.map(\.name) == ["register", "bank", "lists", "schema"])
    for workload in report.reports { #expect(workload.succeeded > 100, "\(workload)") }
  }

  @Test func lostAnswersAreNoFault() {
    let reports = (UInt64(1)...6).map { FakeHost.run(Self.mix(), seed: $0, lostAnswers: 3) }
    for report in reports { #expect(report.findings == [], "\(report)") }
    // One seed alone need not lose answers of every workload.
    for name in ["register", "bank", "lists", "schema"] {
      let unknown = reports.flatMap(\.reports).filter { $0.name == name }.map(\.unknown)
      #expect(unknown.count { $0 > 0 } > 3, "\(name): \(unknown)")
    }
  }

  @Test func oneSeedIsOneRun() {
    let runs = (0..<2).map { _ in FakeHost.run(Self.mix(), seed: 5, lostAnswers: 3).reports.map(\.history) }
    #expect(runs[0] == runs[1])
  }

  /// Every bug is found within a few seeds, by a checker whose business it is.
  @Test(arguments: Bug.allCases) func bugIsFound(bug: Bug) {
    let checkers: Set<String> =
      switch bug {
      case .staleRead: ["register", "list-append", "schema"]
      case .lostUpdate: ["bank", "list-append", "register"]
      case .dirtyRead: ["register", "list-append"]
      case .readSkew: ["bank", "list-append"]
      case .lostCommit, .appliedThoughFailed: ["register", "list-append", "schema"]
      case .wrongDefault, .drawnAgain, .ghostValues, .missingEntry, .orphanEntry, .uniqueNotEnforced,
        .constraintNotEnforced, .jobNeverEnds, .commentLost, .rowsLost:
        ["schema"]
      case .operationAppliedTwice: ["schema", "schema answers"]
      case .renameLost, .droppedTableAnswers: ["schema", "schema answers", "schema final reads answers"]
      }
    var findings: [Finding] = []
    for seed in UInt64(1)...10 where findings.isEmpty {
      findings = FakeHost.run(Self.mix(), seed: seed, bugs: [bug]).findings.filter { checkers.contains($0.checker) }
    }
    #expect(!findings.isEmpty)
  }
}
