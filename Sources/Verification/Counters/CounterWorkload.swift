/// Many clients count in a few rows, each statement by itself, so that most meet another one on its way: tries that fail are
/// taken back while the next is under way, and timestamps that were taken early are overtaken.
public struct CounterWorkload: Workload {
  public let name: String
  public var counters: Int
  public var limits: TrafficLimits

  public init(
    name: String = "counters", counters: Int = 2,
    limits: TrafficLimits = TrafficLimits(clients: 4, operationsPerClient: 60)
  ) {
    self.name = name
    self.counters = counters
    self.limits = limits
  }

  private func name(of table: CounterTable) -> String { "\(name)_\(table)" }

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    for table in CounterTable.allCases {
      let columns = (["n"] + table.columns).map { "\($0) int8 NOT NULL" }.joined(separator: ", ")
      try await session.create("CREATE TABLE \(name(of: table)) (id int8 PRIMARY KEY, \(columns))")
      for column in table.columns {
        try await session.create("CREATE INDEX \(name)_\(column) ON \(name(of: table)) (\(column))")
      }
      let zeros = (["n"] + table.columns).map { _ in "0" }.joined(separator: ", ")
      for counter in 0..<counters {
        _ = try await session.insist(
          "INSERT INTO \(name(of: table)) VALUES (\(counter), \(zeros)) ON CONFLICT DO NOTHING")
      }
    }
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<CounterAction> {
    TrafficRecord(
      await limits.run(of: name, host) { context in
        await context.loop(limits) { await increment(context) }
      })
  }

  private func increment(_ context: ClientContext) async -> Operation<CounterAction> {
    let table: CounterTable = context.chance(50) ? .narrow : .wide
    let counter = Int.random(in: 0..<counters, using: &context.random)
    let changes = (["n = n + 1"] + table.columns.map { "\($0) = \($0) + \(table.step($0))" }).joined(separator: ", ")
    let invoked = context.now
    let answer = await context.execute("UPDATE \(name(of: table)) SET \(changes) WHERE id = \(counter)")
    let outcome: Outcome =
      switch answer {
      case .success: .ok
      case .failure(let error): error.outcome
      }
    return context.finish(.increment(table: table, counter: counter), invoked: invoked, outcome)
  }

  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<CounterAction>) async {
    var operations: [Operation<CounterAction>] = []
    do throws(WorkloadError) {
      for table in CounterTable.allCases {
        var invoked = session.now
        let columns = (["id", "n"] + table.columns).joined(separator: ", ")
        let rows = try await session.insist("SELECT \(columns) FROM \(name(of: table)) ORDER BY id")
        let numbers = rows.map { row in row.map { $0.flatMap { Int($0) } } }
        operations.append(session.finish(.rows(table: table, numbers), invoked: invoked, .ok))
        invoked = session.now
        let check = try await session.insist("CHECK TABLE \(name(of: table))")
        operations.append(session.finish(.check(table: table, check), invoked: invoked, .ok))
      }
    } catch {
      record.surprises.append(Finding("\(name) answers", "the counters cannot be read in the end: \(error)"))
    }
    for position in operations.indices { operations[position].client = limits.clients }
    record.history.append(contentsOf: operations)
  }

  public func report(_ record: TrafficRecord<CounterAction>) -> WorkloadReport {
    WorkloadReport(
      name: name, findings: CounterCheck(counters: counters).findings(record.history) + record.surprises,
      history: record.history)
  }
}
