import Basics
import Testing

@testable import Transactions

/// Each anomaly a transaction store must exclude, played step by step on one range.
@Suite struct TransactionScenarioTests {
  @Test func aReadSeesTheNewestVersionAtItsTimestamp() throws {
    var range = RangeHarness()
    #expect(try range.run(oneRound(1, 10, put("k", "one", forUpdate: 1))) == .done)
    #expect(try range.run(oneRound(11, 20, put("k", "two", forUpdate: 11))) == .done)
    #expect(try range.text("k", at: 9) == nil)
    #expect(try range.text("k", at: 10) == "one")
    #expect(try range.text("k", at: 19) == "one")
    #expect(try range.text("k", at: 20) == "two")
  }

  @Test func lostUpdate() throws {
    var range = RangeHarness()
    #expect(try range.run(oneRound(5, 10, put("k", "a", forUpdate: 5))) == .done)
    let late = try range.run(oneRound(6, 11, put("k", "b", forUpdate: 6)))
    #expect(late == .failed(.writeConflict(key: Array("k".utf8), commit: ts(10))))
  }

  @Test func aCommitBelowAReadIsRefused() throws {
    var range = RangeHarness()
    #expect(try range.text("k", at: 50) == nil)
    #expect(try range.run(oneRound(5, 50, put("k", "a", forUpdate: 5))) == .failed(.commitTooLow(minimum: ts(51))))
    #expect(try range.run(oneRound(5, 51, put("k", "a", forUpdate: 5))) == .done)
  }

  @Test func aCommitBelowAScanIsRefused() throws {
    var range = RangeHarness()
    _ = try range.text("x", at: 60)
    let span = KeySpan(start: Array("a".utf8), end: Array("n".utf8))
    let outcome = range.machine.admitScan(
      span, isReverse: false, view: ReadView(timestamp: ts(60)), id: range.newID(), snapshot: range.state)
    guard case .result(let scan) = outcome else { Issue.record("not admitted"); return }
    #expect(scan.blockedBy == nil)
    range.machine.scanned(scan.span, at: ts(60))
    #expect(try range.run(oneRound(5, 55, put("k", "a", forUpdate: 5))) == .failed(.commitTooLow(minimum: ts(61))))
    #expect(try range.run(oneRound(5, 55, put("z", "a", forUpdate: 5))) == .done)
  }

  @Test func aReadAtOrAboveACommitInFlightWaitsForIt() throws {
    var range = RangeHarness()
    _ = try range.text("other", at: 100)
    range.submit(oneRound(5, 50, put("k", "a", forUpdate: 5)))
    let id = range.newID()
    let above = range.machine.get([Array("k".utf8)], view: ReadView(timestamp: ts(50)), id: id, snapshot: range.state)
    guard case .waiting = above else { Issue.record("did not wait"); return }
    #expect(try range.text("k", at: 49) == nil)
    try range.applyAll()
    #expect(range.readsToRetry.last == id)
    #expect(try range.text("k", at: 50) == "a")
  }

  @Test func aReadAboveTheReadBoundWaitsForItsExtension() throws {
    var range = RangeHarness()
    let id = range.newID()
    let outcome = range.machine.get([[1]], view: ReadView(timestamp: ts(50)), id: id, snapshot: range.state)
    range.pump()
    guard case .waiting = outcome else { Issue.record("did not wait"); return }
    #expect(range.proposals.count == 1)
    try range.applyAll()
    #expect(range.state.readBound > ts(50))
    #expect(range.readsToRetry == [id])
  }

  @Test func aRefusedExtensionFailsTheReadsThatWaitForIt() throws {
    var range = RangeHarness()
    let id = range.newID()
    _ = range.machine.get([[1]], view: ReadView(timestamp: ts(50)), id: id, snapshot: range.state)
    range.pump()
    let proposal = try #require(range.proposals.first)
    range.machine.proposalFinished(proposal.id, .refused(.notLeader(NodeID(3))), now: range.now)
    range.pump()
    #expect(range.answers[id] == .failed(.notLeader(NodeID(3))))
    #expect(range.machine.waitingCount == 0 && range.proposals.count == 1)
  }

  /// A leader that was deposed without noticing never gets its read bound extended: it must not say that a key exists, either.
  @Test func thatAKeyExistsIsSaidOnlyByWhoMayRead() throws {
    func insert(_ start: UInt64) -> RangeRequest {
      let mutation = KeyMutation(kind: .insert, key: Array("k".utf8), value: [1], forUpdate: ts(start))
      return oneRound(start, start + 5, mutation)
    }
    var range = RangeHarness()
    #expect(try range.run(oneRound(5, 10, put("k", "a", forUpdate: 5))) == .done)
    let early = range.submit(insert(20))
    #expect(range.answers[early] == nil && range.machine.waitingCount == 1)
    try range.applyAll()
    #expect(try range.run(insert(20)) == .failed(.keyExists(Array("k".utf8))))
    let bound = range.state.readBound
    #expect(bound >= ts(20))
    let late = range.submit(insert(bound.rawValue + 1))
    #expect(range.answers[late] == nil)
    range.machine.follow(leader: NodeID(3))
    range.pump()
    #expect(range.answers[late] == .failed(.notLeader(NodeID(3))))
  }

  /// Not to find a transaction's lock proves nothing on a replica that may lack the end of the log.
  @Test func aPrimaryWithoutItsLockIsDecidedByTheLog() throws {
    var range = RangeHarness()
    let lost = range.submit(commit(5, 10, "k"))
    #expect(range.answers[lost] == nil, "not from what this replica does not know")
    let proposal = try #require(range.proposals.first)
    range.machine.proposalFinished(proposal.id, .unknown, now: range.now)
    range.pump()
    #expect(range.answers[lost] == .failed(.outcomeUnknown))

    var other = RangeHarness()
    #expect(try other.run(commit(5, 10, "k")) == .failed(.transactionAborted))
    // Now it is so for good.
    #expect(try other.state.transactionRecord(of: Array("k".utf8), start: ts(5)) == .rolledBack)
    #expect(try other.run(prewrite(5, primary: "k", put("k", "a", forUpdate: 5))) == .failed(.transactionAborted))
    #expect(try other.run(commit(5, 10, "k")) == .failed(.transactionAborted))
  }

  /// A leader whose disk fails in the middle of a write goes on leading for a moment; the write may yet be applied by the next.
  @Test func whatMayYetBeAppliedIsNotReadPast() throws {
    var range = RangeHarness()
    #expect(try range.run(oneRound(5, 10, put("k", "a", forUpdate: 5))) == .done)
    _ = try range.text("other", at: 100)
    let writer = range.submit(oneRound(15, 101, put("k", "b", forUpdate: 15)))
    let proposal = range.proposals.removeFirst()
    range.machine.proposalFinished(proposal.id, .unknown, now: range.now)
    range.pump()
    #expect(range.answers[writer] == .failed(.outcomeUnknown))
    let reader = range.newID()
    let read = range.machine.get(
      [Array("k".utf8)], view: ReadView(timestamp: ts(200)), id: reader, snapshot: range.state)
    guard case .waiting = read else {
      Issue.record("read past a write whose fate is open")
      return
    }
    let second = range.submit(oneRound(120, 130, put("k", "c", forUpdate: 120)))
    #expect(range.answers[second] == nil)
    range.machine.follow(leader: nil)
    range.pump()
    #expect(range.answers[second] == .failed(.notLeader(nil)))
  }

  @Test func aNewLeaderCommitsAboveTheReadsOfTheOld() throws {
    var range = RangeHarness()
    _ = try range.text("k", at: 50)
    let bound = range.state.readBound
    range.machine.follow(leader: nil)
    range.machine.lead(appliedReadBound: bound)
    #expect(try range.run(oneRound(5, 51, put("k", "a", forUpdate: 5))) == .failed(.commitTooLow(minimum: bound.next)))
    #expect(
      try range.run(prewrite(6, primary: "k", put("k", "a", forUpdate: 5))) == .prewritten(minimumCommit: bound.next))
  }

  @Test func twoPhaseCommitIsSeenAtItsTimestampOnly() throws {
    var range = RangeHarness()
    let prewritten = try range.run(
      prewrite(5, primary: "a", put("a", "1", forUpdate: 5), put("b", "2", forUpdate: 5)))
    #expect(prewritten == .prewritten(minimumCommit: ts(6)))
    #expect(try range.text("a", at: 5) == nil)
    #expect(try range.text("a", at: 9) == "locked")
    #expect(try range.text("a", at: 9, own: 5) == nil)
    #expect(try range.text("a", at: 9, ignored: [5]) == nil)
    #expect(try range.run(commit(5, 10, "a")) == .done)
    #expect(try range.text("a", at: 10) == "1")
    #expect(try range.text("b", at: 10) == "locked")
    #expect(try range.run(commit(5, 10, "b", primary: false)) == .done)
    #expect(try range.text("b", at: 10) == "2")
  }

  @Test func retriesAreIdempotent() throws {
    var range = RangeHarness()
    let write = prewrite(5, primary: "a", put("a", "1", forUpdate: 5))
    #expect(try range.run(write) == .prewritten(minimumCommit: ts(6)))
    #expect(try range.run(write) == .prewritten(minimumCommit: ts(6)))
    #expect(try range.run(commit(5, 10, "a")) == .done)
    #expect(try range.run(commit(5, 10, "a")) == .done)
    #expect(try range.run(write) == .failed(.alreadyCommitted(ts(10))))
    #expect(try range.run(rollback(5, "a")) == .failed(.alreadyCommitted(ts(10))))
    let once = oneRound(11, 20, put("a", "2", forUpdate: 11))
    #expect(try range.run(once) == .done)
    #expect(try range.run(oneRound(21, 30, put("a", "3", forUpdate: 21))) == .done)
    #expect(try range.run(once) == .done)
    #expect(try range.text("a", at: 30) == "3")
  }

  /// The answer is lost; by the time somebody asks, the row has been written again.
  @Test func aLostOneRoundCommitIsFoundUnderNewerVersions() throws {
    var range = RangeHarness()
    #expect(try range.run(oneRound(11, 20, put("a", "1", forUpdate: 11), put("b", "1", forUpdate: 11))) == .done)
    #expect(try range.run(oneRound(21, 30, put("a", "2", forUpdate: 21))) == .done)
    #expect(try range.run(settle(11, 20, "a", "b")) == .failed(.alreadyCommitted(ts(20))))
    #expect(try range.text("a", at: 30) == "2")
  }

  /// The first copy of the request is still on its way when the second is refused because of a lock.
  @Test func aLateCopyOfASettledOneRoundCommitIsRefused() throws {
    var range = RangeHarness()
    let once = oneRound(11, 20, put("a", "1", forUpdate: 11))
    #expect(try range.run(prewrite(5, primary: "a", put("a", "0", forUpdate: 5))) == .prewritten(minimumCommit: ts(6)))
    guard case .failed(.keyLocked) = try range.run(once) else { Issue.record("not refused"); return }
    #expect(try range.run(settle(11, 20, "a")) == .done)
    #expect(try range.run(rollback(5, "a")) == .done)
    #expect(try range.run(once) == .failed(.transactionAborted))
    #expect(try range.text("a", at: 30) == nil)
  }

  @Test func aCommitAfterARollbackIsRefused() throws {
    var range = RangeHarness()
    _ = try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5)))
    #expect(try range.run(rollback(5, "a")) == .done)
    #expect(try range.run(rollback(5, "a")) == .done)
    #expect(try range.run(commit(5, 10, "a")) == .failed(.transactionAborted))
    #expect(try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5))) == .failed(.transactionAborted))
    #expect(try range.run(oneRound(5, 12, put("a", "1", forUpdate: 5))) == .failed(.transactionAborted))
  }

  @Test func aLatePrewriteAfterItsRollbackIsRefused() throws {
    var range = RangeHarness()
    #expect(try range.run(rollback(5, "a")) == .done)
    #expect(try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5))) == .failed(.transactionAborted))
  }

  @Test func aPushedTransactionCommitsAboveTheReader() throws {
    var range = RangeHarness()
    _ = try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5)))
    #expect(
      try range.run(check(5, primary: "a", pushAbove: 40)) == .status(.alive(minimumCommit: ts(41))))
    #expect(try range.text("a", at: 40) == nil)
    #expect(try range.run(commit(5, 30, "a")) == .failed(.commitTooLow(minimum: ts(41))))
    #expect(try range.run(commit(5, 41, "a")) == .done)
  }

  @Test func aSilentTransactionIsRolledBack() throws {
    var range = RangeHarness()
    _ = try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5)))
    range.now = range.now.advanced(byMilliseconds: 9_000)
    #expect(try range.run(check(5, primary: "a")) == .status(.alive(minimumCommit: ts(6))))
    let heartbeat = TransactionHeartbeat(primaryKey: Array("a".utf8), start: ts(5))
    #expect(try range.run(.heartbeat(heartbeat)) == .status(.alive(minimumCommit: ts(6))))
    range.now = range.now.advanced(byMilliseconds: 9_000)
    #expect(try range.run(check(5, primary: "a")) == .status(.alive(minimumCommit: ts(6))))
    range.now = range.now.advanced(byMilliseconds: 10_001)
    #expect(try range.run(check(5, primary: "a")) == .status(.rolledBack))
    #expect(try range.run(commit(5, 10, "a")) == .failed(.transactionAborted))
    #expect(try range.text("a", at: 50) == nil)
  }

  @Test func anUnknownTransactionIsAliveUntilItsTimeHasPassed() throws {
    var range = RangeHarness()
    #expect(try range.run(check(5, primary: "a")) == .status(.alive(minimumCommit: .zero)))
    range.now = range.now.advanced(byMilliseconds: 10_001)
    #expect(try range.run(check(5, primary: "a", rollBack: false)) == .status(.alive(minimumCommit: .zero)))
    #expect(try range.run(check(5, primary: "a")) == .status(.rolledBack))
    #expect(try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5))) == .failed(.transactionAborted))
  }

  @Test func whatAJobDecidesAboutNobodyElseEndsOrPushes() throws {
    var range = RangeHarness()
    _ = try range.run(prewriteForJob(5, primary: "a", put("a", "1", forUpdate: 5)))
    range.now = range.now.advanced(byMilliseconds: 3_600_000)
    range.machine.gatewayChanged(NodeID(7), liveEpoch: nil)
    range.pump()
    #expect(try range.run(check(5, primary: "a", pushAbove: 40)) == .status(.alive(minimumCommit: ts(6))))
    #expect(try range.text("a", at: 40) == "locked")
    #expect(try range.run(commit(5, 30, "a")) == .done)
    #expect(try range.text("a", at: 40) == "1")
    // On the job's way back.
    _ = try range.run(prewriteForJob(50, primary: "b", put("b", "1", forUpdate: 50)))
    #expect(try range.run(rollback(50, "b")) == .done)
    #expect(try range.run(check(50, primary: "b")) == .status(.rolledBack))
    #expect(
      try range.run(prewriteForJob(50, primary: "b", put("b", "1", forUpdate: 50))) == .failed(.transactionAborted))
  }

  @Test func aGatewaysEndLetsItsTransactionsBeRolledBack() throws {
    var range = RangeHarness()
    _ = try range.run(prewrite(5, primary: "a", put("a", "1", forUpdate: 5)))
    range.machine.gatewayChanged(NodeID(7), liveEpoch: nil)
    #expect(try range.run(check(5, primary: "a")) == .status(.rolledBack))
  }

  @Test func insertMeetsARowOrATombstone() throws {
    var range = RangeHarness()
    _ = try range.run(oneRound(1, 10, put("k", "a", forUpdate: 1)))
    let insert = KeyMutation(kind: .insert, key: Array("k".utf8), value: [1], forUpdate: ts(5))
    #expect(
      try range.run(.commitOneRound(OneRoundCommit(start: ts(5), commit: ts(11), mutations: [insert])))
        == .failed(.keyExists(Array("k".utf8))))
    let delete = KeyMutation(kind: .delete, key: Array("k".utf8), forUpdate: ts(12))
    #expect(
      try range.run(.commitOneRound(OneRoundCommit(start: ts(12), commit: ts(13), mutations: [delete]))) == .done)
    var later = insert
    later.forUpdate = ts(14)
    #expect(
      try range.run(.commitOneRound(OneRoundCommit(start: ts(14), commit: ts(15), mutations: [later]))) == .done)
  }

  @Test func rowLocksAreGrantedInOrder() throws {
    var range = RangeHarness()
    #expect(try range.run(lockRows(5, forUpdate: 5, "k")) == .locked([.zero]))
    let second = range.submit(lockRows(6, forUpdate: 6, "k"))
    let third = range.submit(lockRows(7, forUpdate: 7, "k"))
    let writer = range.submit(oneRound(8, 9, put("k", "x", forUpdate: 8)))
    #expect(range.answers[second] == nil && range.answers[third] == nil && range.answers[writer] == nil)
    #expect(try range.run(oneRound(5, 10, put("k", "a", forUpdate: 5))) == .done)
    #expect(range.answers[second] == .locked([ts(10)]))
    #expect(range.answers[third] == nil)
    _ = try range.run(.rollback(RollbackKeys(start: ts(6), keys: [], locksOnly: true)))
    #expect(range.answers[third] == .locked([ts(10)]))
    _ = try range.run(.rollback(RollbackKeys(start: ts(7), keys: [], locksOnly: true)))
    #expect(range.answers[writer] == .failed(.writeConflict(key: Array("k".utf8), commit: ts(10))))
  }

  @Test func aWaitForARowLockEnds() throws {
    var range = RangeHarness()
    _ = try range.run(lockRows(5, forUpdate: 5, "b"))
    let waiter = range.submit(lockRows(6, forUpdate: 6, wait: 500, "a", "b"))
    #expect(range.machine.rowLockCount == 2)
    range.now = range.now.advanced(byMilliseconds: 501)
    range.machine.tick(now: range.now)
    range.pump()
    guard case .failed(.lockTimeout(let holder))? = range.answers[waiter] else { Issue.record("no timeout"); return }
    #expect(holder.start == ts(5) && holder.ageMilliseconds == 501)
    #expect(range.machine.rowLockCount == 1)
  }

  @Test func rowLocksOfAGoneGatewayAreVoid() throws {
    var range = RangeHarness()
    _ = try range.run(lockRows(5, forUpdate: 5, "k"))
    let waiter = range.submit(lockRows(6, forUpdate: 6, gateway: 8, "k"))
    range.machine.gatewayChanged(NodeID(7), liveEpoch: SessionEpoch(2))
    range.pump()
    #expect(range.answers[waiter] == .locked([.zero]))
  }

  @Test func lostLeadershipAnswersEverybody() throws {
    var range = RangeHarness()
    let inFlight = range.submit(oneRound(5, 10, put("k", "a", forUpdate: 5)))
    let behind = range.submit(oneRound(6, 11, put("k", "b", forUpdate: 6)))
    range.machine.follow(leader: NodeID(3))
    range.pump()
    #expect(range.answers[inFlight] == .failed(.outcomeUnknown))
    #expect(range.answers[behind] == .failed(.notLeader(NodeID(3))))
    #expect(range.machine.waitingCount == 0 && range.machine.proposalsInFlight == 0)
  }

  @Test func ingestedEntriesStayBelowForegroundCommits() throws {
    var range = RangeHarness()
    _ = try range.run(oneRound(20, 30, put("k", "new", forUpdate: 20)))
    _ = try range.run(prewrite(31, primary: "l", put("l", "locked", forUpdate: 31)))
    var entries = ByteWriter()
    for key in ["k", "l"] {
      entries.writeString(key)
      entries.writeString("old")
    }
    let ingestion = Ingestion(timestamp: ts(10), entries: entries.bytes, refusesDuplicates: true)
    #expect(try range.run(.ingest(ingestion)) == .done)
    #expect(try range.run(.ingest(ingestion)) == .done)
    #expect(try range.text("k", at: 29) == "old")
    #expect(try range.text("k", at: 30) == "new")
    #expect(try range.text("l", at: 30) == "old")
    var other = ByteWriter()
    other.writeString("k")
    other.writeString("another")
    #expect(
      try range.run(.ingest(Ingestion(timestamp: ts(10), entries: other.bytes, refusesDuplicates: true)))
        == .failed(.duplicateEntry(key: Array("k".utf8))))
  }

  @Test func rowsThatAreFilledKeepTheirFirstValue() throws {
    var range = RangeHarness()
    _ = try range.run(oneRound(5, 8, put("k", "empty", forUpdate: 5)))
    func filled(_ values: String...) -> RangeRequest {
      var entries = ByteWriter()
      for (key, value) in zip(["k", "l"], values) {
        entries.writeString(key)
        entries.writeString(value)
      }
      return .ingest(
        Ingestion(timestamp: ts(10), entries: entries.bytes, refusesDuplicates: false, keepsFirst: true))
    }
    // An older version is none of this timestamp; the second comes while the first is on its way.
    let first = range.submit(filled("first"))
    let second = range.submit(filled("second", "other"))
    #expect(range.proposals.count == 2)
    try range.applyAll()
    #expect(range.answers[first] == .done && range.answers[second] == .done)
    #expect(try range.text("k", at: 9) == "empty")
    #expect(try range.text("k", at: 10) == "first")
    #expect(try range.text("l", at: 10) == "other")
    #expect(try range.run(filled("third", "third")) == .done)
    #expect(try range.text("k", at: 10) == "first")
    #expect(try range.text("l", at: 10) == "other")
  }

  @Test func listedLocksIncludeThoseOnTheirWay() throws {
    var configuration = RangeMachineConfiguration()
    configuration.maximumLocksPerListing = 2
    var range = RangeHarness(configuration: configuration)
    _ = try range.run(prewrite(20, primary: "a", put("a", "", forUpdate: 20)))
    range.submit(prewrite(21, primary: "b", put("b", "", forUpdate: 21), put("c", "", forUpdate: 21)))
    let listing = RangeRequest.listLocks(LockListing(span: KeySpan(start: [], end: [])))
    let first = range.submit(listing)
    #expect(range.answers[first] == nil && range.proposals.count == 2)
    try range.applyAll()
    guard case .locks(let found, let resumeKey)? = range.answers[first] else { Issue.record("no locks"); return }
    #expect(found.map(\.start) == [ts(20), ts(21)] && resumeKey == Array("c".utf8))
    let rest = KeySpan(start: Array("c".utf8), end: [])
    guard case .locks(let last, nil)? = try range.run(.listLocks(LockListing(span: rest))) else {
      Issue.record("no locks")
      return
    }
    #expect(last.map(\.key) == [Array("c".utf8)])
    // A leader that is none any more has nothing to say.
    let refused = range.submit(listing)
    range.machine.follow(leader: NodeID(3))
    range.pump()
    #expect(range.answers[refused] == .failed(.notLeader(NodeID(3))))
    // One that goes away leaves nothing behind.
    range.machine.lead(appliedReadBound: .zero)
    let canceled = range.submit(listing)
    range.machine.cancel(canceled)
    try range.applyAll()
    #expect(range.answers[canceled] == nil && range.machine.waitingCount == 0 && range.machine.confirmed.isEmpty)
  }

  @Test func malformedEntriesAndForeignKeysAreRefused() throws {
    var range = RangeHarness(bounds: KeySpan(start: Array("a".utf8), end: Array("m".utf8)))
    let bad = try range.run(.ingest(Ingestion(timestamp: ts(10), entries: [9, 1], refusesDuplicates: false)))
    guard case .failed(.malformed)? = bad else { Issue.record("accepted"); return }
    let outside = try range.run(oneRound(1, 2, put("z", "", forUpdate: 1)))
    guard case .failed(.malformed)? = outside else { Issue.record("accepted"); return }
  }

  @Test func garbageCollectionKeepsWhatTheSafePointSees() {
    func dropped(_ versions: [(UInt64, VersionKind)], safePoint: UInt64) -> [Bool] {
      var filter = GarbageCollection.Filter(safePoint: ts(safePoint))
      return versions.map { filter.isDroppable(VersionHeader(commit: ts($0.0), start: ts(0), kind: $0.1)) }
    }
    #expect(dropped([(30, .put), (20, .put), (10, .put)], safePoint: 25) == [false, false, true])
    #expect(dropped([(30, .put), (20, .delete), (10, .put)], safePoint: 25) == [false, true, true])
    #expect(dropped([(30, .delete), (20, .put)], safePoint: 15) == [false, false])
  }
}
