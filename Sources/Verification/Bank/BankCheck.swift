/// Money is neither made nor lost: every snapshot has all accounts, and their sum.
public struct BankCheck: Sendable {
  public var accounts: Int
  public var initialBalance: Int
  /// Whether transfers that would overdraw were to be refused.
  public var forbidsOverdraft: Bool

  static let name = "bank"

  public init(accounts: Int, initialBalance: Int, forbidsOverdraft: Bool) {
    self.accounts = accounts
    self.initialBalance = initialBalance
    self.forbidsOverdraft = forbidsOverdraft
  }

  public func findings(_ history: History<BankAction>) -> [Finding] {
    let total = accounts * initialBalance
    var findings: [Finding] = []
    for operation in history.operations where operation.outcome.isOK {
      guard case .snapshot(let balances) = operation.action else { continue }
      func add(_ sentence: String) {
        findings.append(Finding(Self.name, sentence, operations: [operation.description]))
      }
      if balances.keys.sorted() != Array(0..<accounts) {
        add("a snapshot shows \(balances.count) accounts where there are \(accounts)")
      }
      let sum = balances.values.reduce(0, &+)
      if sum != total { add("the sum of all accounts is \(sum) and must be \(total)") }
      if forbidsOverdraft, let account = balances.keys.sorted().first(where: { (balances[$0] ?? 0) < 0 }) {
        add("account \(account) is overdrawn")
      }
    }
    return findings.sorted()
  }
}
