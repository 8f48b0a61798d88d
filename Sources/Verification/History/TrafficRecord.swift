/// What the clients of a workload bring home.
public struct TrafficRecord<Action: Sendable & CustomStringConvertible>: Sendable {
  public var history: History<Action>
  /// Answers that nothing explains.
  public var surprises: [Finding]

  public init(_ parts: [TrafficRecord] = []) {
    history = History(merging: parts.map(\.history))
    surprises = parts.flatMap(\.surprises)
  }

  public init(_ operations: [Operation<Action>], surprises: [Finding]) {
    history = History(operations)
    self.surprises = surprises
  }
}

extension ClientContext {
  /// The loop of a client: `next` does one operation and answers it, until the limits end it.
  public func loop<Action>(
    _ limits: TrafficLimits, _ next: () async -> Operation<Action>
  ) async -> TrafficRecord<Action> {
    var operations: [Operation<Action>] = []
    while operations.count < limits.operationsPerClient, !isOver {
      operations.append(await next())
      await think(limits.thinkMilliseconds)
    }
    return TrafficRecord(operations, surprises: surprises)
  }

  /// An operation that began at `invoked` and ends now.
  public func finish<Action>(_ action: Action, invoked: UInt64, _ outcome: Outcome) -> Operation<Action> {
    Operation(
      client: number, number: nextNumber(), invoked: invoked, completed: now, outcome: outcome, action: action)
  }
}
