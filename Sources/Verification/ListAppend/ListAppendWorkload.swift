/// Lists as text in rows of two tables; transactions append to some and read others.
public struct ListAppendWorkload: Workload {
  public let name: String
  public var keys: Int
  public var maximumSteps: Int
  public var level: ConsistencyLevel
  public var limits: TrafficLimits

  private static let tableCount = 2

  public init(
    name: String = "lists", keys: Int = 6, maximumSteps: Int = 5, level: ConsistencyLevel = .snapshotIsolation,
    limits: TrafficLimits = TrafficLimits()
  ) {
    self.name = name
    self.keys = keys
    self.maximumSteps = maximumSteps
    self.level = level
    self.limits = limits
  }

  private func table(_ key: Int) -> String { "\(name)_lists_\(key % Self.tableCount)" }

  private var begin: String {
    switch level {
    case .readCommitted: "BEGIN ISOLATION LEVEL READ COMMITTED"
    case .snapshotIsolation: "BEGIN ISOLATION LEVEL REPEATABLE READ"
    case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE"
    }
  }

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    for number in 0..<Self.tableCount {
      try await session.create("CREATE TABLE \(name)_lists_\(number) (id int8 PRIMARY KEY, elements text NOT NULL)")
    }
    for key in 0..<keys {
      _ = try await session.insist("INSERT INTO \(table(key)) VALUES (\(key), '') ON CONFLICT DO NOTHING")
    }
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<ListTransaction> {
    TrafficRecord(
      await limits.run(of: name, host) { context in
        var element = context.number + 1
        return await context.loop(limits) {
          var steps: [ListTransaction.Step] = []
          for _ in 0..<Int.random(in: 1...max(1, maximumSteps), using: &context.random) {
            let key = Int.random(in: 0..<keys, using: &context.random)
            if context.chance(50) {
              steps.append(.read(key: key, []))
            } else {
              // Elements of different clients never meet.
              element += limits.clients
              steps.append(.append(key: key, element: element))
            }
          }
          return await perform(steps, context)
        }
      })
  }

  private func perform(_ steps: [ListTransaction.Step], _ context: ClientContext) async -> Operation<ListTransaction> {
    let invoked = context.now
    let result = await context.transaction(begin) {
      (client) async throws(WorkloadError) -> [ListTransaction.Step]? in
      var done: [ListTransaction.Step] = []
      for step in steps {
        switch step {
        case .append(let key, let element):
          _ = try await client.execute(
            "UPDATE \(table(key)) SET elements = elements || ',\(element)' WHERE id = \(key)")
          done.append(step)
        case .read(let key, _): done.append(.read(key: key, try await read(client, key)))
        }
      }
      return done
    }
    return context.finish(ListTransaction(result.value ?? steps), invoked: invoked, result.outcome)
  }

  private func read(_ client: any SQLClient, _ key: Int) async throws(WorkloadError) -> [Int] {
    Self.elements(try await client.execute("SELECT elements FROM \(table(key)) WHERE id = \(key)"))
  }

  /// ",3,5,8"; what is no number counts as element -1, which nobody appends.
  private static func elements(_ rows: [[String?]]) -> [Int] {
    guard let text = rows.first?.first ?? nil else { return rows.isEmpty ? [-1] : [-1, -1] }
    return text.split(separator: ",").map { Int($0) ?? -1 }
  }

  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<ListTransaction>) async {
    for key in 0..<keys {
      let invoked = session.now
      do throws(WorkloadError) {
        let rows = try await session.insist("SELECT elements FROM \(table(key)) WHERE id = \(key)")
        record.history.append(contentsOf: [
          Operation(
            client: limits.clients, number: key, invoked: invoked, completed: session.now,
            action: ListTransaction([.read(key: key, Self.elements(rows))]))
        ])
      } catch {
        record.surprises.append(Finding("\(name) answers", "list \(key) cannot be read in the end: \(error)"))
      }
    }
  }

  public func report(_ record: TrafficRecord<ListTransaction>) -> WorkloadReport {
    let findings = ListAppendCheck(level: level).findings(record.history)
    return WorkloadReport(name: name, findings: findings + record.surprises, history: record.history)
  }
}
