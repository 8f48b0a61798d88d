/// Is there one order of all operations, each at a moment between its call and its answer, that explains every answer?
///
/// Wing and Gong's search ("Testing and verifying concurrent objects", 1993) in Lowe's just-in-time form ("Testing for
/// linearizability", 2017) with memoisation: operations are put in order only when one of them returns. Keys are
/// independent (Herlihy and Wing, locality). An operation with unknown outcome stays pending for ever; it is put in order
/// only where the next operation needs it, because an order that can do without it remains one without it.
public struct LinearizabilityCheck: Sendable {
  /// The value of every key before the first operation; nil: no row.
  public var initialValue: Int?
  /// Configurations looked at for one key before the check gives up and says so.
  public var maximumConfigurations: Int

  static let name = "register"

  public init(initialValue: Int?, maximumConfigurations: Int = 500_000) {
    self.initialValue = initialValue
    self.maximumConfigurations = maximumConfigurations
  }

  public func findings(_ history: History<RegisterAction>) -> [Finding] {
    var byKey: [Int: [Operation<RegisterAction>]] = [:]
    for operation in history.operations where isRelevant(operation) {
      byKey[operation.action.key, default: []].append(operation)
    }
    return byKey.keys.sorted().compactMap { finding(key: $0, byKey[$0] ?? []) }.sorted()
  }

  private func isRelevant(_ operation: Operation<RegisterAction>) -> Bool {
    if case .read = operation.action.kind { return operation.outcome.isOK }
    return !operation.outcome.isFailed
  }

  // MARK: - One key

  private struct Configuration: Hashable {
    var value: Int?
    /// Operations already in order that have not returned, ascending.
    var ordered: [Int]
  }

  /// A configuration in the middle of a search.
  private struct Attempt: Hashable {
    var configuration: Configuration
    /// The value without the last operation of unknown outcome, until something needs that operation.
    var valueWithoutUnknown: RegisterAction.Transition?
  }

  private func finding(key: Int, _ operations: [Operation<RegisterAction>]) -> Finding? {
    var configurations: Set<Configuration> = [Configuration(value: initialValue, ordered: [])]
    var pending = PendingOperations(operations)
    var budget = maximumConfigurations
    for event in Self.events(operations) {
      guard event.isReturn else {
        pending.add(event.operation)
        continue
      }
      var next: Set<Configuration> = []
      var seen: Set<Attempt> = []
      for configuration in configurations {
        expand(configuration, until: event.operation, pending, &seen, &next, &budget)
      }
      if budget <= 0 {
        return Finding(
          Self.name, "no decision for key \(key) within \(maximumConfigurations) configurations",
          operations: [operations[event.operation].description])
      }
      if next.isEmpty {
        return explain(key: key, event.operation, configurations, pending)
      }
      pending.remove(event.operation)
      configurations = Self.forget(&pending, next)
    }
    return nil
  }

  private struct Event {
    var time: UInt64
    var isReturn: Bool
    var operation: Int
  }

  /// Calls before returns where times are equal: they may overlap.
  private static func events(_ operations: [Operation<RegisterAction>]) -> [Event] {
    var events: [Event] = []
    for (position, operation) in operations.enumerated() {
      events.append(Event(time: operation.invoked, isReturn: false, operation: position))
      if operation.outcome.isOK {
        events.append(Event(time: operation.completed, isReturn: true, operation: position))
      }
    }
    return events.sorted {
      ($0.time, $0.isReturn ? 1 : 0, $0.operation) < ($1.time, $1.isReturn ? 1 : 0, $1.operation)
    }
  }

  /// All configurations in which `target` is in order, without it.
  private func expand(
    _ start: Configuration, until target: Int, _ pending: PendingOperations, _ seen: inout Set<Attempt>,
    _ found: inout Set<Configuration>, _ budget: inout Int
  ) {
    if start.ordered.contains(target) {
      found.insert(Configuration(value: start.value, ordered: start.ordered.filter { $0 != target }))
      return
    }
    guard seen.insert(Attempt(configuration: start)).inserted else { return }
    var stack = [Attempt(configuration: start)]
    while let attempt = stack.popLast(), budget > 0 {
      budget -= 1
      for candidate in pending.candidates(besides: attempt.configuration.ordered) {
        guard let next = step(attempt, candidate, isTarget: candidate == target, pending) else { continue }
        if candidate == target {
          found.insert(next.configuration)
        } else if seen.insert(next).inserted {
          stack.append(next)
        }
      }
    }
  }

  /// `candidate` comes next; nil: it cannot, or nothing is gained by it.
  private func step(
    _ attempt: Attempt, _ candidate: Int, isTarget: Bool, _ pending: PendingOperations
  ) -> Attempt? {
    let operation = pending.operations[candidate]
    let isKnown = operation.outcome.isOK
    let value = attempt.configuration.value
    guard let after = operation.action.apply(to: value, isKnown: isKnown) else { return nil }
    var without: RegisterAction.Transition?
    if let before = attempt.valueWithoutUnknown {
      without = operation.action.apply(to: before.value, isKnown: isKnown)
      // The same comes out without it, or it can as well come later.
      if let without, without == after || isTarget { return nil }
    }
    if !isKnown {
      if after.value == value { return nil }
      without = RegisterAction.Transition(value: value)
    }
    var ordered = attempt.configuration.ordered
    if !isTarget { ordered.insert(candidate, at: ordered.firstIndex { $0 > candidate } ?? ordered.endIndex) }
    return Attempt(
      configuration: Configuration(value: after.value, ordered: ordered), valueWithoutUnknown: without)
  }

  /// An operation of unknown outcome that is in order in every configuration has happened: it need not be remembered.
  private static func forget(
    _ pending: inout PendingOperations, _ configurations: Set<Configuration>
  ) -> Set<Configuration> {
    guard let some = configurations.first else { return configurations }
    let settled = Set(
      some.ordered.filter { candidate in
        !pending.operations[candidate].outcome.isOK && configurations.allSatisfy { $0.ordered.contains(candidate) }
      })
    if settled.isEmpty { return configurations }
    for operation in settled.sorted() { pending.remove(operation) }
    return Set(
      configurations.map { Configuration(value: $0.value, ordered: $0.ordered.filter { !settled.contains($0) }) })
  }

  private func explain(
    key: Int, _ target: Int, _ configurations: Set<Configuration>, _ pending: PendingOperations
  ) -> Finding {
    let operations = pending.operations
    let operation = operations[target]
    let values = Set(configurations.map { $0.value.map(String.init) ?? "absent" }).sorted()
    let before = operations.enumerated()
      .filter { $0.offset != target && $0.element.outcome.isOK && $0.element.completed <= operation.completed }
      .map(\.element).sorted { $0.completed < $1.completed }.suffix(6)
    let beside = pending.all.filter { $0 != target }.prefix(20).map { operations[$0].description }
    return Finding(
      Self.name,
      "no order of the operations on key \(key) explains the answer \"\(operation.action)\": "
        + "the value can only have been \(values.joined(separator: " or "))",
      operations: before.map(\.description) + [operation.description] + beside)
  }
}
