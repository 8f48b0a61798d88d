import Testing
import Verification

@Suite struct ReleaseCheckTests {
  private func made(_ release: Int, at time: UInt64, _ outcome: Outcome = .ok) -> Operation<ReleaseAction> {
    Operation(client: 0, invoked: time, completed: time + 1, outcome: outcome, action: .make(release))
  }

  private func seen(_ releases: Set<Int>, of release: Int, rows: Int?, at time: UInt64) -> Operation<ReleaseAction> {
    seen(releases, of: release, ReleaseParts(rows: rows), at: time)
  }

  private func seen(
    _ releases: Set<Int>, of release: Int, _ parts: ReleaseParts, at time: UInt64
  ) -> Operation<ReleaseAction> {
    Operation(client: 1, invoked: time, completed: time + 1, action: .look(releases, of: release, parts))
  }

  private func findings(_ operations: Operation<ReleaseAction>...) -> [String] {
    ReleaseCheck().findings(History(operations)).map(\.sentence)
  }

  @Test func allOrNothingIsFine() {
    #expect(
      findings(
        seen([], of: 1, rows: nil, at: 0), made(1, at: 1), seen([1], of: 1, rows: 5, at: 3),
        made(2, at: 4, .failed("40001")), made(3, at: 4, .unknown("40003")), seen([1, 3], of: 2, rows: nil, at: 6)
      ).isEmpty)
  }

  @Test func aPartIsFound() {
    #expect(findings(seen([1], of: 1, rows: nil, at: 0)) == ["a snapshot shows a part of release 1"])
    #expect(findings(seen([], of: 1, rows: 5, at: 0)) == ["a snapshot shows a part of release 1"])
    #expect(findings(seen([1], of: 1, rows: 4, at: 0)) == ["a snapshot shows a part of release 1"])
    for part in [ReleaseParts(rows: 5), ReleaseParts(rows: 5, columnValue: "nothing"), ReleaseParts(columnValue: "3")] {
      #expect(findings(seen([3], of: 3, part, at: 0)) == ["a snapshot shows a part of release 3"])
    }
    #expect(findings(seen([3], of: 3, .all(of: 3), at: 0)).isEmpty)
    #expect(
      findings(seen([], of: 3, ReleaseParts(columnValue: "nothing"), at: 0)) == ["a snapshot shows a part of release 3"]
    )
  }

  @Test func aReleaseThatGoesOrComesAgainstTheAnswerIsFound() {
    #expect(findings(made(1, at: 0), seen([], of: 9, rows: nil, at: 2)) == ["release 1 is there no longer"])
    #expect(
      findings(made(1, at: 0, .failed("40001")), seen([1], of: 1, rows: 5, at: 2)) == [
        "release 1 was refused and is there"
      ])
  }
}
