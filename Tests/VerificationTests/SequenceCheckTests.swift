import Testing
import Verification

@Suite struct SequenceCheckTests {
  private func sentences(_ operations: [Operation<SequenceAction>]) -> [String] {
    SequenceCheck(ordered: ["s"]).findings(History(operations)).map(\.sentence)
  }

  private func take(
    _ sequence: String, _ number: Int, client: Int, at invoked: UInt64, _ completed: UInt64
  ) -> Operation<SequenceAction> {
    Operation(
      client: client, invoked: invoked, completed: completed, action: SequenceAction(sequence, .take(number)))
  }

  @Test func numbersOfCallsAtTheSameTimeMayComeInAnyOrder() {
    #expect(
      sentences([
        take("s", 2, client: 0, at: 0, 10), take("s", 1, client: 1, at: 5, 12), take("s", 3, client: 0, at: 11, 20),
      ]) == [])
    // Another sequence counts for itself, and one with blocks in no order.
    #expect(
      sentences([
        take("t", 9, client: 0, at: 0, 1), take("t", 3, client: 1, at: 2, 3), take("s", 3, client: 1, at: 4, 5),
      ]) == [])
  }

  @Test func aNumberThatComesTwiceIsFound() {
    #expect(
      sentences([take("t", 7, client: 0, at: 0, 10), take("t", 7, client: 1, at: 5, 12)]) == ["t handed out 7 twice"])
    let insert = SequenceAction("t", .insert(row: 1, number: 7))
    #expect(
      sentences([
        take("t", 7, client: 0, at: 0, 10), Operation(client: 1, invoked: 20, completed: 30, action: insert),
      ]) == ["t handed out 7 twice"])
  }

  @Test func aSequenceThatGoesBackIsFound() {
    #expect(
      sentences([take("s", 5, client: 0, at: 0, 10), take("s", 4, client: 1, at: 11, 12)]) == [
        "s went back to 4 after 5"
      ])
    let jump = Operation(client: 0, invoked: 0, completed: 10, action: SequenceAction("s", .jump(to: 100)))
    #expect(sentences([jump, take("s", 4, client: 1, at: 11, 12)]) == ["s went back to 4 after 100"])
    // Nobody knows when it took effect.
    var lost = jump
    lost.outcome = .unknown("lost")
    #expect(sentences([lost, take("s", 4, client: 1, at: 11, 12)]) == [])
  }
}
