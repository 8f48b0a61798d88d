import Basics
import Testing

@testable import Transactions

@Suite struct GarbageCollectionTests {
  /// Every prefix of the deletes leaves every read at or above the safe point as it was, and at the end nothing is left to drop.
  @Test(arguments: 0..<40) func droppingIsNotSeen(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    var harness = RangeHarness()
    for _ in 0..<120 {
      let key = "k\(Int.random(in: 0..<6, using: &random))"
      let commit = ts(UInt64.random(in: 1...60, using: &random))
      let kind: VersionKind = Int.random(in: 0..<3, using: &random) == 0 ? .delete : .put
      try harness.apply(
        RangeCommand(writes: [
          .put(
            .data, key: DataRecord.cellKey(Array(key.utf8), commit: commit),
            value: DataRecord.encode(kind, start: commit.previous, value: Array("\(key)@\(commit)".utf8)))
        ]))
    }
    let point = ts(UInt64.random(in: 1...70, using: &random))
    harness.machine.raiseSafePoints(to: SafePoints(versions: point, records: .zero), applied: .zero)
    harness.pump()
    try harness.applyAll()
    let limit = Int.random(in: 1...9, using: &random)
    var commands = 0
    repeat {
      try harness.sweep(limit: limit)
      guard let proposal = harness.proposals.first else { break }
      #expect(proposal.command.writes.count <= limit + 1)
      try harness.applyAll()
      commands += 1
      for raw in point.rawValue...71 {
        let span = KeySpan(start: [], end: [])
        #expect(
          try harness.state.scan(span, at: ts(raw)) == harness.archive.scan(span, at: ts(raw)), "seed \(seed) at \(raw)"
        )
      }
    } while commands < 1000
    var filter: [[UInt8]: GarbageCollection.Filter] = [:]
    for cell in harness.state.cells[0] {
      let (key, commit) = try DataRecord.splitCellKey(cell.key)
      let header = try DataRecord.decodeHeader(cell.value[...], commit: commit)
      #expect(filter[key, default: GarbageCollection.Filter(safePoint: point)].isDroppable(header) == false)
    }
  }

  /// A range at safe point 100, with `a` = "old" at 50.
  private func raised(records: UInt64 = 0) throws -> RangeHarness {
    var harness = RangeHarness()
    #expect(try harness.run(oneRound(40, 50, put("a", "old", forUpdate: 40))) == .done)
    harness.machine.raiseSafePoints(to: SafePoints(versions: ts(100), records: ts(records)), applied: .zero)
    harness.pump()
    try harness.applyAll()
    #expect(harness.state.safePoints == SafePoints(versions: ts(100), records: ts(records)))
    return harness
  }

  @Test func whatStandsOnThePastIsRefused() throws {
    var harness = try raised()
    let tooOld = RangeAnswer.failed(.timestampTooOld(safePoint: ts(100)))
    guard case .failed(.timestampTooOld(ts(100))) = try harness.get("a", at: 99) else {
      Issue.record("read below the safe point")
      return
    }
    #expect(try harness.text("a", at: 100) == "old")
    let scan = harness.machine.admitScan(
      KeySpan(start: [], end: []), isReverse: false, view: ReadView(timestamp: ts(99)), id: harness.newID(),
      snapshot: harness.state)
    guard case .failed(.timestampTooOld) = scan else {
      Issue.record("scan below the safe point")
      return
    }
    #expect(try harness.run(oneRound(99, 2_000_000_000, put("a", "x", forUpdate: 99))) == tooOld)
    #expect(try harness.run(oneRound(101, 2_000_000_000, put("a", "x", forUpdate: 99))) == tooOld)
    #expect(try harness.run(prewrite(99, primary: "a", put("a", "x", forUpdate: 99))) == tooOld)
    #expect(try harness.run(lockRows(99, forUpdate: 99, "a")) == tooOld)
    let entries = Ingestion(timestamp: ts(99), entries: [], refusesDuplicates: false)
    #expect(try harness.run(.ingest(entries)) == tooOld)
    // The retry of what was done long ago is still known, as long as its version is there.
    #expect(try harness.run(oneRound(40, 50, put("a", "old", forUpdate: 40))) == .done)
    #expect(try harness.run(oneRound(101, 2_000_000_000, put("a", "new", forUpdate: 101))) == .done)
  }

  @Test func oldLocksCanStillBeDecided() throws {
    var harness = RangeHarness()
    guard case .prewritten(let minimum)? = try harness.run(prewrite(60, primary: "a", put("a", "late", forUpdate: 60)))
    else {
      Issue.record("not prewritten")
      return
    }
    harness.machine.raiseSafePoints(
      to: SafePoints(versions: ts(minimum.rawValue + 10), records: .zero), applied: .zero)
    harness.pump()
    try harness.applyAll()
    #expect(try harness.hasOldLock())
    #expect(try harness.run(commit(60, minimum.rawValue, "a")) == .done)
    #expect(try harness.hasOldLock() == false)
    #expect(try harness.text("a", at: minimum.rawValue + 10) == "late")
  }

  @Test func withoutRecordsTheFateOfAnOldTransactionIsNotKnown() throws {
    var harness = try raised(records: 90)
    let unknown = RangeAnswer.failed(.timestampTooOld(safePoint: ts(90)))
    #expect(try harness.run(check(80, primary: "a", rollBack: false)) == unknown)
    #expect(try harness.run(commit(80, 85, "a")) == unknown)
    // Whoever has met a lock may end it; and a transaction of which there may be a record is decided by it.
    #expect(try harness.run(check(80, primary: "a")) == .status(.alive(minimumCommit: .zero)))
    #expect(try harness.run(commit(95, 99, "a")) == .failed(.transactionAborted))
  }

  /// A one-round commit leaves no record: once its version may have been replaced and collected, nobody can say that it did
  /// not take place.
  @Test func aLostCommitIsNotCalledUndoneOnceItsVersionMayBeCollected() throws {
    var harness = RangeHarness()
    #expect(try harness.run(oneRound(11, 20, put("a", "once", forUpdate: 11))) == .done)
    #expect(try harness.run(oneRound(21, 30, put("a", "later", forUpdate: 21))) == .done)
    #expect(try harness.run(settle(12, 22, "b")) == .done)
    harness.machine.raiseSafePoints(to: SafePoints(versions: ts(100), records: .zero), applied: .zero)
    harness.pump()
    try harness.applyAll()
    #expect(try harness.run(settle(11, 20, "a")) == .failed(.alreadyCommitted(ts(20))), "its version is still there")
    try harness.sweep(limit: 10)
    try harness.applyAll()
    #expect(try harness.run(settle(11, 20, "a")) == .failed(.timestampTooOld(safePoint: ts(100))))
    #expect(harness.proposals.isEmpty && harness.state.cells[2].count == 1, "nothing is recorded about it")
    // What was settled before the past was given up stays known, and so does what is newer than the safe point.
    #expect(try harness.run(settle(12, 22, "b")) == .done)
    #expect(try harness.run(settle(90, 120, "c")) == .done)
    // Another key of the same commit may still tell.
    #expect(try harness.run(settle(21, 30, "gone", "a")) == .failed(.alreadyCommitted(ts(30))))
  }

  @Test func recordsGoBelowTheirOwnPoint() throws {
    var harness = RangeHarness()
    #expect(try harness.run(rollback(60, "a")) == .done)
    #expect(try harness.run(rollback(95, "b")) == .done)
    harness.machine.raiseSafePoints(to: SafePoints(versions: ts(100), records: ts(90)), applied: .zero)
    harness.pump()
    try harness.applyAll()
    try harness.sweep(limit: 10)
    try harness.applyAll()
    #expect(try harness.state.transactionRecord(of: Array("a".utf8), start: ts(60)) == nil)
    #expect(try harness.state.transactionRecord(of: Array("b".utf8), start: ts(95)) == .rolledBack)
  }

  @Test func aLostProposalIsMadeAgainAndSuccessorsKeepWhatIsApplied() throws {
    var harness = RangeHarness()
    let points = SafePoints(versions: ts(100), records: ts(50))
    harness.machine.raiseSafePoints(to: points, applied: .zero)
    harness.pump()
    #expect(harness.proposals.count == 1)
    harness.machine.raiseSafePoints(to: points, applied: .zero)
    harness.pump()
    #expect(harness.proposals.count == 1, "one at a time")
    let lost = harness.proposals.removeFirst()
    harness.machine.proposalFinished(lost.id, .refused(.overloaded("full")), now: harness.now)
    #expect(try harness.text("a", at: 99) == "failed", "what was proposed is refused, come what may")
    harness.machine.raiseSafePoints(to: points, applied: harness.state.safePoints)
    harness.pump()
    try harness.applyAll()
    harness.machine.raiseSafePoints(to: points, applied: harness.state.safePoints)
    harness.pump()
    #expect(harness.proposals.isEmpty)
    harness.machine.follow(leader: nil)
    harness.pump()
    harness.machine.lead(appliedReadBound: harness.state.readBound, safePoints: harness.state.safePoints)
    #expect(try harness.text("a", at: 99) == "failed")
  }

  @Test func commandsCarrySafePoints() throws {
    var command = RangeCommand(safePoints: SafePoints(versions: ts(7), records: ts(5)))
    command.readBound = ts(9)
    command.writes = [.put(.lock, key: [1], value: [2])]
    var state = MemoryKeyValue()
    try state.apply(command)
    #expect(state.safePoints == command.safePoints && state.readBound == ts(9) && state.cells[1].count == 1)
    try state.apply(RangeCommand(readBound: ts(10)))
    #expect(state.safePoints == command.safePoints)
    #expect(SafePoints(versions: ts(5), records: ts(7)).records == ts(5))
    let cut = Array(command.encoded().prefix(20))
    #expect(throws: MalformedBytes.self) { try state.apply(encoded: cut) }
  }
}

extension MemoryKeyValue {
  fileprivate mutating func apply(encoded: [UInt8]) throws(MalformedBytes) {
    _ = try RangeCommand.apply(encoded[...], to: &self)
  }
}
