import Verification

/// Histories in short: times in milliseconds.
func operation<Action>(
  _ client: Int, _ from: UInt64, _ to: UInt64, _ action: Action, _ outcome: Outcome = .ok
) -> Operation<Action> {
  Operation(
    client: client, number: Int(from), invoked: from * 1_000_000, completed: to * 1_000_000, outcome: outcome,
    action: action)
}

func list(_ client: Int, _ from: UInt64, _ to: UInt64, _ steps: ListTransaction.Step..., outcome: Outcome = .ok)
  -> Operation<ListTransaction>
{
  operation(client, from, to, ListTransaction(steps), outcome)
}
