import Testing
import Verification

@Suite struct ForeignKeyCheckTests {
  @Test func anOrphanInAnySnapshotIsFound() {
    func see(_ count: Int, _ outcome: Outcome = .ok) -> Operation<ForeignKeyAction> {
      Operation(client: 0, invoked: 0, completed: 1, outcome: outcome, action: .countOrphans(count))
    }
    let check = ForeignKeyCheck()
    #expect(check.findings(History([see(0), see(3, .failed("40001"))])).isEmpty)
    #expect(
      check.findings(History([see(0), see(2)])).map(\.sentence) == ["2 rows refer to rows that are not there"])
  }
}
