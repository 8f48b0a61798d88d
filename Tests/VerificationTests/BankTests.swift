import Testing
import Verification

@Suite struct BankTests {
  func findings(_ balances: [Int: Int], forbidsOverdraft: Bool = true) -> [String] {
    BankCheck(accounts: 3, initialBalance: 10, forbidsOverdraft: forbidsOverdraft)
      .findings(History([operation(0, 0, 1, BankAction.snapshot(balances))])).map(\.sentence)
  }

  @Test func moneyMovesAndStays() {
    #expect(findings([0: 10, 1: 10, 2: 10]) == [])
    #expect(findings([0: 30, 1: 0, 2: 0]) == [])
    #expect(findings([0: 31, 1: -1, 2: 0], forbidsOverdraft: false) == [])
  }

  @Test func madeLostAndOverdrawnMoneyIsFound() {
    #expect(findings([0: 11, 1: 10, 2: 10]) == ["the sum of all accounts is 31 and must be 30"])
    #expect(findings([0: 31, 1: -1, 2: 0]) == ["account 1 is overdrawn"])
    #expect(findings([0: 20, 1: 10]) == ["a snapshot shows 2 accounts where there are 3"])
  }
}
