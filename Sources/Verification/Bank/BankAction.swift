/// One transaction on accounts.
public enum BankAction: Hashable, Sendable, CustomStringConvertible {
  case transfer(from: Int, to: Int, amount: Int)
  /// All accounts as one transaction saw them.
  case snapshot([Int: Int])

  public var description: String {
    switch self {
    case .transfer(let from, let to, let amount): "transfer \(amount) from \(from) to \(to)"
    case .snapshot(let balances):
      "snapshot "
        + balances.keys.sorted().map { "\($0):\(balances[$0] ?? 0)" }.joined(separator: " ")
        + " = \(balances.values.reduce(0, &+))"
    }
  }
}
