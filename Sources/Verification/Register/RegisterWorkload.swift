/// Rows with one value each, read and written by single statements: every row must behave as one copy (linearizable).
public struct RegisterWorkload: Workload {
  public let name: String
  public var keys: Int
  public var limits: TrafficLimits
  /// Clients beyond those of the limits that only read: no write of theirs waits for a leader that leads no more.
  public var readers: Int

  /// Every row starts with it.
  static let initialValue = 0

  public init(
    name: String = "register", keys: Int = 8, readers: Int = 0,
    limits: TrafficLimits = TrafficLimits(operationsPerClient: 300)
  ) {
    self.readers = readers
    self.name = name
    self.keys = keys
    self.limits = limits
  }

  private var table: String { "\(name)_rows" }

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    try await session.create("CREATE TABLE \(table) (id int8 PRIMARY KEY, value int8 NOT NULL)")
    let rows = (0..<keys).map { "(\($0), \(Self.initialValue))" }.joined(separator: ", ")
    _ = try await session.insist("INSERT INTO \(table) VALUES \(rows) ON CONFLICT DO NOTHING")
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<RegisterAction> {
    var all = limits
    all.clients += readers
    return TrafficRecord(
      await all.run(of: name, host) { context in
        // Every written value is unique, so that a read names its write.
        var value = (context.number + 1) * 1_000_000
        var lastSeen: [Int: Int] = [:]
        return await context.loop(limits) {
          value += 1
          let key = Int.random(in: 0..<keys, using: &context.random)
          let operation = await perform(choose(context, key, value, lastSeen[key]), context)
          if operation.outcome.isOK {
            switch operation.action.kind {
            case .read(let seen): lastSeen[key] = seen
            case .update(let new), .insert(let new), .compareAndSet(_, let new):
              if operation.action.isApplied { lastSeen[key] = new }
            case .delete: lastSeen[key] = nil
            }
          }
          return operation
        }
      })
  }

  private func choose(_ context: ClientContext, _ key: Int, _ value: Int, _ lastSeen: Int?) -> RegisterAction {
    if context.number >= limits.clients { return RegisterAction(key: key, .read(nil)) }
    switch Int.random(in: 0..<100, using: &context.random) {
    case ..<45: return RegisterAction(key: key, .read(nil))
    case ..<70: return RegisterAction(key: key, .update(value))
    case ..<88:
      guard let lastSeen else { return RegisterAction(key: key, .insert(value)) }
      return RegisterAction(key: key, .compareAndSet(expected: lastSeen, new: value))
    case ..<95: return RegisterAction(key: key, .insert(value))
    default: return RegisterAction(key: key, .delete)
    }
  }

  private func perform(_ action: RegisterAction, _ context: ClientContext) async -> Operation<RegisterAction> {
    var action = action
    let invoked = context.now
    let isInsert = if case .insert = action.kind { true } else { false }
    let answer = await context.execute(sql(action), allowing: isInsert ? ["23505"] : [])
    switch answer {
    case .success(let rows):
      let value = (rows.first?.first ?? nil).flatMap { Int($0) }
      if case .read = action.kind {
        if rows.count > 1 { context.note("a primary key has \(rows.count) rows", ["\(action)"]) }
        action.kind = .read(value)
      } else if !isInsert {
        action.isApplied = !rows.isEmpty
      }
      return context.finish(action, invoked: invoked, .ok)
    case .failure(let error):
      // A refused insert is an answer: the row is there.
      if isInsert, error.state == "23505" {
        action.isApplied = false
        return context.finish(action, invoked: invoked, .ok)
      }
      return context.finish(action, invoked: invoked, error.outcome)
    }
  }

  private func sql(_ action: RegisterAction) -> String {
    let key = action.key
    return switch action.kind {
    case .read: "SELECT value FROM \(table) WHERE id = \(key)"
    case .update(let value): "UPDATE \(table) SET value = \(value) WHERE id = \(key) RETURNING value"
    case .compareAndSet(let expected, let new):
      "UPDATE \(table) SET value = \(new) WHERE id = \(key) AND value = \(expected) RETURNING value"
    case .insert(let value): "INSERT INTO \(table) VALUES (\(key), \(value))"
    case .delete: "DELETE FROM \(table) WHERE id = \(key) RETURNING value"
    }
  }

  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<RegisterAction>) async {
    for key in 0..<keys {
      let invoked = session.now
      var action = RegisterAction(key: key, .read(nil))
      do throws(WorkloadError) {
        let rows = try await session.insist(sql(action))
        action.kind = .read((rows.first?.first ?? nil).flatMap { Int($0) })
        record.history.append(contentsOf: [
          Operation(
            client: limits.clients + readers, number: key, invoked: invoked, completed: session.now, action: action)
        ])
      } catch {
        record.surprises.append(Finding("\(name) answers", "key \(key) cannot be read in the end: \(error)"))
      }
    }
  }

  public func report(_ record: TrafficRecord<RegisterAction>) -> WorkloadReport {
    let check = LinearizabilityCheck(initialValue: Self.initialValue)
    return WorkloadReport(
      name: name, findings: check.findings(record.history) + record.surprises, history: record.history)
  }
}
