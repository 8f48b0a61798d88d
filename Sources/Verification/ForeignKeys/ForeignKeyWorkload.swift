/// Clients that add and remove rows of two tables through all gateways, by themselves and in transactions, while one of them
/// adds, validates and drops a second foreign key, and changes the types of their columns. The first has stood since the tables were made.
public struct ForeignKeyWorkload: Workload {
  public let name: String
  public var limits: TrafficLimits
  /// So few that clients get in each other's way.
  static let parents = 8

  public init(name: String = "families", limits: TrafficLimits = TrafficLimits()) {
    self.name = name
    self.limits = limits
  }

  private var parents: String { "\(name)_parents" }
  private var children: String { "\(name)_children" }

  /// Refused by the foreign key, or by the primary key.
  private static let refusals: Set<String> = ["23503", "23505"]

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    try await session.create("CREATE TABLE \(parents) (id int8 PRIMARY KEY, note int8)")
    let action = ["NO ACTION", "CASCADE", "SET NULL"][Int(session.host.seed / 3 % 3)]
    try await session.create(
      "CREATE TABLE \(children) (id int8 PRIMARY KEY, parent int8 REFERENCES \(parents) ON DELETE \(action), other int8)"
    )
    if session.host.seed % 2 == 0 {
      try await session.create("CREATE INDEX \(children)_parent ON \(children) (parent)")
    }
    try await session.create("INSERT INTO \(parents) SELECT g, 0 FROM generate_series(1, 4) g ON CONFLICT DO NOTHING")
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<ForeignKeyAction> {
    TrafficRecord(
      await limits.run(of: name, host) { context in
        var children = context.number
        return await context.loop(limits) {
          let parent = Int.random(in: 1...Self.parents, using: &context.random)
          switch Int.random(in: 0..<100, using: &context.random) {
          case 0..<12 where context.number == 0: return await change(context)
          case 0..<45:
            children += limits.clients
            return await addChild(children, of: parent, context)
          case 45..<60:
            return await run(
              .addParent(parent), "INSERT INTO \(parents) VALUES (\(parent), 0) ON CONFLICT DO NOTHING", context)
          case 60..<75: return await run(.removeParent(parent), "DELETE FROM \(parents) WHERE id = \(parent)", context)
          case 75..<80:
            let key = Int.random(in: 1...Self.parents, using: &context.random)
            return await run(
              .moveParent(parent, to: key), "UPDATE \(parents) SET id = \(key) WHERE id = \(parent)", context)
          case 80..<90:
            let child = Int.random(in: 0...max(1, children), using: &context.random)
            return await run(.removeChild(child), "DELETE FROM \(self.children) WHERE id = \(child)", context)
          default: return await countOrphans(context)
          }
        }
      })
  }

  private func run(
    _ action: ForeignKeyAction, _ sql: String, _ context: ClientContext
  ) async -> Operation<ForeignKeyAction> {
    let invoked = context.now
    if context.chance(30) {
      let result = await context.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ", allowing: Self.refusals) {
        (client) async throws(WorkloadError) -> Bool? in
        _ = try await client.execute("SELECT count(*) FROM \(parents)")
        _ = try await client.execute(sql)
        return true
      }
      return context.finish(action, invoked: invoked, result.outcome)
    }
    switch await context.execute(sql, allowing: Self.refusals) {
    case .success: return context.finish(action, invoked: invoked, .ok)
    case .failure(let error): return context.finish(action, invoked: invoked, error.outcome)
    }
  }

  private func addChild(
    _ child: Int, of parent: Int, _ context: ClientContext
  ) async -> Operation<ForeignKeyAction> {
    await run(
      .addChild(child, of: parent), "INSERT INTO \(children) VALUES (\(child), \(parent), \(parent))", context)
  }

  private func orphans(_ column: String) -> String {
    "SELECT count(*) FROM \(children) c WHERE c.\(column) IS NOT NULL"
      + " AND NOT EXISTS (SELECT 1 FROM \(parents) p WHERE p.id = c.\(column))"
  }

  private func countOrphans(_ context: ClientContext) async -> Operation<ForeignKeyAction> {
    let invoked = context.now
    switch await context.execute(orphans("parent")) {
    case .success(let rows):
      let count = (rows.first?.first ?? nil).flatMap { Int($0) } ?? -1
      return context.finish(.countOrphans(count), invoked: invoked, .ok)
    case .failure(let error): return context.finish(.countOrphans(0), invoked: invoked, error.outcome)
    }
  }

  private func change(_ context: ClientContext) async -> Operation<ForeignKeyAction> {
    let invoked = context.now
    let key = "FOREIGN KEY (other) REFERENCES \(parents)"
    let statement: String
    switch Int.random(in: 0..<7, using: &context.random) {
    case 0: statement = "ALTER TABLE \(children) ADD CONSTRAINT second \(key)"
    case 1: statement = "ALTER TABLE \(children) ADD CONSTRAINT second \(key) NOT VALID"
    case 2: statement = "ALTER TABLE \(children) VALIDATE CONSTRAINT second"
    // Either side gets another type, and has the same keys.
    case 3: statement = "ALTER TABLE \(parents) ALTER id TYPE \(Bool.random(using: &context.random) ? "int4" : "int8")"
    case 4:
      let types = ["int4", "int8"].shuffled(using: &context.random)
      statement = "ALTER TABLE \(children) ALTER parent TYPE \(types[0]), ALTER other TYPE \(types[1])"
    default: statement = "ALTER TABLE \(children) DROP CONSTRAINT second"
    }
    // There already, not there, or there are rows that keep it from being there.
    switch await context.execute(statement, allowing: ["42710", "42704", "23503"]) {
    case .success: return context.finish(.alter(statement), invoked: invoked, .ok)
    case .failure(let error): return context.finish(.alter(statement), invoked: invoked, error.outcome)
    }
  }

  /// A foreign key that is said to hold holds for every row that is left.
  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<ForeignKeyAction>) async {
    do throws(WorkloadError) {
      let valid = try await session.insist(
        "SELECT c.conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
          + " WHERE t.relname = '\(children)' AND c.contype = 'f' AND c.convalidated")
      let names = Set(valid.compactMap { $0.first.flatMap { $0 } })
      var columns = ["parent"]
      if names.contains("second") { columns.append("other") }
      for column in columns {
        let rows = try await session.insist(orphans(column))
        let count = (rows.first?.first ?? nil).flatMap { Int($0) } ?? -1
        guard count != 0 else { continue }
        record.surprises.append(Finding(name, "in the end \(count) rows refer by \(column) to rows that are not there"))
      }
    } catch {
      record.surprises.append(Finding("\(name) answers", "the rows cannot be read in the end: \(error)"))
    }
  }

  public func report(_ record: TrafficRecord<ForeignKeyAction>) -> WorkloadReport {
    WorkloadReport(
      name: name, findings: ForeignKeyCheck().findings(record.history) + record.surprises, history: record.history)
  }
}
