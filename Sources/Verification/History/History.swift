/// All operations of a run, ordered by invocation.
public struct History<Action: Sendable & CustomStringConvertible>: Sendable {
  public private(set) var operations: [Operation<Action>]

  public init(_ operations: [Operation<Action>] = []) {
    self.operations = operations.sorted { left, right in
      (left.invoked, left.client, left.number) < (right.invoked, right.client, right.number)
    }
  }

  public init(merging parts: [History]) { self.init(parts.flatMap(\.operations)) }

  public mutating func append(contentsOf more: [Operation<Action>]) { self = History(operations + more) }

  /// One line an operation.
  public var lines: [String] { operations.map(\.description) }

  public func count(where condition: (Outcome) -> Bool) -> Int { operations.count { condition($0.outcome) } }
}
