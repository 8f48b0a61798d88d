import Testing
import Verification

@Suite struct ListAppendTests {
  func findings(_ level: ConsistencyLevel, _ operations: Operation<ListTransaction>...) -> [String] {
    ListAppendCheck(level: level).findings(History(operations)).map(\.sentence)
  }

  func expect(
    _ level: ConsistencyLevel, _ name: String, _ operations: Operation<ListTransaction>...,
    at location: SourceLocation = #_sourceLocation
  ) {
    let found = ListAppendCheck(level: level).findings(History(operations))
    #expect(found.contains { $0.sentence.contains(name) }, "\(found)", sourceLocation: location)
  }

  @Test func serialTransactionsPass() {
    #expect(
      findings(
        .serializable, list(0, 0, 1, .append(key: 1, element: 1), .append(key: 2, element: 2)),
        list(1, 2, 3, .read(key: 1, [1]), .append(key: 1, element: 3), .read(key: 1, [1, 3])),
        list(0, 4, 5, .read(key: 1, [1, 3]), .read(key: 2, [2]), .read(key: 3, []))) == [])
  }

  @Test func writeSkewIsAllowedUnderSnapshotsOnly() {
    let history = [
      list(0, 0, 5, .read(key: 1, []), .append(key: 2, element: 2)),
      list(1, 0, 5, .read(key: 2, []), .append(key: 1, element: 1)),
      list(2, 6, 7, .read(key: 1, [1]), .read(key: 2, [2])),
    ]
    #expect(ListAppendCheck(level: .snapshotIsolation).findings(History(history)) == [])
    let found = ListAppendCheck(level: .serializable).findings(History(history))
    #expect(found.count == 1 && found[0].sentence.hasPrefix("G2"), "\(found)")
  }

  @Test func writeCycleIsFound() {
    expect(
      .readCommitted, "G0",
      list(0, 0, 9, .append(key: 1, element: 1), .append(key: 2, element: 1)),
      list(1, 0, 9, .append(key: 1, element: 2), .append(key: 2, element: 2)),
      list(2, 10, 11, .read(key: 1, [1, 2]), .read(key: 2, [2, 1])))
  }

  @Test func abortedReadIsFound() {
    expect(
      .readCommitted, "G1a", list(0, 0, 1, .append(key: 1, element: 1), outcome: .failed("40001")),
      list(1, 2, 3, .read(key: 1, [1])))
  }

  @Test func intermediateReadIsFound() {
    expect(
      .readCommitted, "G1b", list(0, 0, 5, .append(key: 1, element: 1), .append(key: 1, element: 2)),
      list(1, 2, 3, .read(key: 1, [1])), list(2, 6, 7, .read(key: 1, [1, 2])))
  }

  @Test func circularInformationIsFound() {
    expect(
      .readCommitted, "G1c", list(0, 0, 9, .append(key: 1, element: 1), .read(key: 2, [2])),
      list(1, 0, 9, .append(key: 2, element: 2), .read(key: 1, [1])))
  }

  @Test func writeOrderAgainstRealTimeIsFound() {
    expect(
      .readCommitted, "G1c", list(0, 0, 1, .append(key: 1, element: 1)), list(1, 2, 3, .append(key: 1, element: 2)),
      list(2, 4, 5, .read(key: 1, [2, 1])))
  }

  @Test func readSkewIsForbiddenUnderSnapshotsOnly() {
    let history = [
      list(0, 0, 9, .read(key: 1, []), .read(key: 2, [2])),
      list(1, 0, 9, .append(key: 1, element: 1), .append(key: 2, element: 2)),
      list(2, 10, 11, .read(key: 1, [1])),
    ]
    #expect(ListAppendCheck(level: .readCommitted).findings(History(history)) == [])
    let found = ListAppendCheck(level: .snapshotIsolation).findings(History(history))
    #expect(found.count == 1 && found[0].sentence.hasPrefix("G-single (read skew)"), "\(found)")
  }

  @Test func lostUpdateIsFound() {
    expect(
      .snapshotIsolation, "lost update", list(0, 0, 5, .read(key: 1, []), .append(key: 1, element: 1)),
      list(1, 0, 5, .read(key: 1, []), .append(key: 1, element: 2)), list(2, 6, 7, .read(key: 1, [1, 2])))
  }

  @Test func staleSnapshotIsFound() {
    expect(
      .snapshotIsolation, "with real time", list(0, 0, 1, .append(key: 1, element: 1)),
      list(1, 2, 3, .read(key: 1, [])),
      list(2, 4, 5, .read(key: 1, [1])))
    // Side by side it is right.
    #expect(
      findings(
        .snapshotIsolation, list(0, 0, 3, .append(key: 1, element: 1)), list(1, 2, 3, .read(key: 1, [])),
        list(2, 4, 5, .read(key: 1, [1]))) == [])
  }

  @Test func lostAppendIsFound() {
    expect(
      .snapshotIsolation, "with real time", list(0, 0, 1, .append(key: 1, element: 1)),
      list(1, 2, 3, .append(key: 1, element: 2)), list(2, 4, 5, .read(key: 1, [2])))
    // Whose outcome is unknown may be missing.
    #expect(
      findings(
        .snapshotIsolation, list(0, 0, 1, .append(key: 1, element: 1), outcome: .unknown("lost")),
        list(2, 4, 5, .read(key: 1, []))) == [])
  }

  @Test func longForkIsFound() {
    expect(
      .snapshotIsolation, "G-nonadjacent", list(0, 0, 9, .append(key: 1, element: 1)),
      list(1, 0, 9, .append(key: 2, element: 2)), list(2, 0, 9, .read(key: 1, [1]), .read(key: 2, [])),
      list(3, 0, 9, .read(key: 1, []), .read(key: 2, [2])),
      list(4, 20, 21, .read(key: 1, [1]), .read(key: 2, [2])))
  }

  @Test func duplicatesPhantomsAndForksOfOneListAreFound() {
    expect(
      .readCommitted, "twice", list(0, 0, 1, .append(key: 1, element: 1)), list(1, 2, 3, .read(key: 1, [1, 1])))
    expect(.readCommitted, "never appended", list(1, 2, 3, .read(key: 1, [7])))
    expect(
      .readCommitted, "do not agree", list(0, 0, 1, .append(key: 1, element: 1)),
      list(0, 0, 1, .append(key: 1, element: 2)), list(1, 2, 3, .read(key: 1, [1, 2])),
      list(1, 4, 5, .read(key: 1, [2])))
  }

  @Test func transactionMustSeeItsOwnAppendsAndItsOwnSnapshot() {
    expect(.readCommitted, "internal", list(0, 0, 1, .append(key: 1, element: 1), .read(key: 1, [])))
    expect(
      .snapshotIsolation, "internal", list(0, 0, 9, .read(key: 1, []), .read(key: 1, [1])),
      list(1, 0, 9, .append(key: 1, element: 1)))
    #expect(
      findings(
        .readCommitted, list(0, 0, 9, .read(key: 1, []), .read(key: 1, [1])),
        list(1, 0, 9, .append(key: 1, element: 1))) == [])
  }
}
