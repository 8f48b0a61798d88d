import Testing
import Verification

@Suite struct CounterCheckTests {
  private func sentences(_ operations: [Operation<CounterAction>]) -> [String] {
    CounterCheck(counters: 1).findings(History(operations)).map(\.sentence)
  }

  private func increment(_ outcome: Outcome = .ok) -> Operation<CounterAction> {
    Operation(
      client: 0, invoked: 1, completed: 2, outcome: outcome, action: .increment(table: .narrow, counter: 0))
  }

  private var wide: Operation<CounterAction> {
    Operation(client: 0, invoked: 1, completed: 2, action: .increment(table: .wide, counter: 0))
  }

  private func end(_ action: CounterAction) -> Operation<CounterAction> {
    Operation(client: 1, invoked: 10, completed: 11, action: action)
  }

  @Test(arguments: [1, 2]) func whatIsNotKnownMayHaveCounted(_ value: Int) {
    let operations = [increment(), increment(.unknown("lost")), increment(.failed("refused"))]
    #expect(sentences(operations + [end(.rows(table: .narrow, [[0, value]]))]) == [])
  }

  @Test(arguments: [0, 3]) func anIncrementThatIsLostOrCountsTwiceIsFound(_ value: Int) {
    let operations = [increment(), increment(.unknown("lost")), increment(.failed("refused"))]
    #expect(
      sentences(operations + [end(.rows(table: .narrow, [[0, value]]))]) == [
        "counter 0 of narrow is \(value), with 1 increments acknowledged and 2 attempted"
      ])
  }

  @Test func aRowThatIsGoneAndARowChangedInPartAreFound() {
    #expect(sentences([end(.rows(table: .narrow, []))]) == ["narrow has not the counters 0 to 0"])
    let (increments, whole) = ([wide, wide, wide], [0, 3, 2, 2, 2, 2, 2, 3])
    #expect(sentences(increments + [end(.rows(table: .wide, [whole]))]) == [])
    var torn = whole
    torn[4] = 1
    #expect(
      sentences(increments + [end(.rows(table: .wide, [torn]))]) == ["a row of wide was changed in part"])
  }

  @Test func anIndexThatDoesNotAgreeIsFound() {
    #expect(sentences([end(.check(table: .wide, [["i", "2", "2", "t"]]))]) == [])
    #expect(
      sentences([end(.check(table: .wide, [["i", "2", "1", "f"]]))]) == [
        "CHECK TABLE says that an index of wide does not agree with the rows"
      ])
  }
}
