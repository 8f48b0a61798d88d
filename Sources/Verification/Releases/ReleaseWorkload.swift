/// Clients whose transactions change the schema and write rows, through all gateways, while others look whether they ever see one
/// without the other.
public struct ReleaseWorkload: Workload {
  public let name: String
  public var limits: TrafficLimits

  public init(name: String = "releases", limits: TrafficLimits = TrafficLimits()) {
    self.name = name
    self.limits = limits
  }

  /// What a transaction sent again may meet, when its first try commits in the middle of it: row, table, column are there.
  private static let duplicates: Set<String> = ["23505", "42P07", "42701"]
  /// How often a transaction whose outcome is not known is sent again under its operation id.
  private static let repetitions = 3

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    try await session.create("CREATE TABLE \(name) (id int8 PRIMARY KEY, note text)")
  }

  public func traffic(_ host: any WorkloadHost) async -> TrafficRecord<ReleaseAction> {
    TrafficRecord(
      await limits.run(of: name, host) { context in
        var made = context.number
        return await context.loop(limits) {
          if context.chance(40) {
            made += limits.clients
            return await make(made, context)
          }
          return await look(at: Int.random(in: 0...max(1, made + limits.clients), using: &context.random), context)
        }
      })
  }

  // MARK: - Releases

  private func table(of release: Int) -> String { "\(name)_\(release)" }
  private func column(of release: Int) -> String { "of_\(release)" }

  /// In the order in which they are sent.
  private func statements(of release: Int, isRecordedFirst: Bool) -> [String] {
    let table = table(of: release)
    let rows = (1...ReleaseCheck.rows).map { "(\($0), \(release))" }.joined(separator: ", ")
    let record = "INSERT INTO \(name) VALUES (\(release), 'made')"
    let fill = "INSERT INTO \(table) VALUES \(rows)"
    switch ReleaseKind(of: release) {
    case .table:
      let make = ["CREATE TABLE \(table) (id int8 PRIMARY KEY, v int8)", fill]
      return isRecordedFirst ? [record] + make : make + [record]
    case .copiedTable:
      let source = "generate_series(1, \(ReleaseCheck.rows)) g"
      let copy = "CREATE TABLE \(table) AS SELECT g AS id, \(release) AS v FROM \(source)"
      return isRecordedFirst ? [record, copy] : [copy, record]
    case .indexedTable:
      let make = ["CREATE TABLE \(table) (id int8 PRIMARY KEY, v int8)", "CREATE INDEX ON \(table) (v)", fill]
      return isRecordedFirst ? [record] + make : make + [record]
    case .changedTable:
      return [
        record, "CREATE TABLE \(table) (id int4 NOT NULL, v int8)", fill,
        "ALTER TABLE \(table) ADD PRIMARY KEY (id)", "SAVEPOINT before",
        "ALTER TABLE \(table) ADD COLUMN w int8 GENERATED ALWAYS AS (v + id) STORED",
        "INSERT INTO \(table) VALUES (99, \(release))", "CREATE UNIQUE INDEX \(table)_w ON \(table) (w)",
        "ROLLBACK TO SAVEPOINT before", "ALTER TABLE \(table) ADD COLUMN w serial",
        "CREATE UNIQUE INDEX \(table)_w ON \(table) (w)", "ALTER TABLE \(table) ALTER id TYPE int8",
        "ALTER TABLE \(table) ADD CHECK (w > 0), ADD FOREIGN KEY (v) REFERENCES \(name)",
      ]
    case .referringTable:
      return [record, "CREATE TABLE \(table) (id int8 PRIMARY KEY, v int8 REFERENCES \(name))", fill]
    case .column:
      let column = column(of: release)
      let make = [
        "ALTER TABLE \(name) ADD COLUMN \(column) int8", "CREATE TABLE \(table) (id int8 PRIMARY KEY, v int8)", fill,
      ]
      return isRecordedFirst
        ? [record] + make + ["UPDATE \(name) SET \(column) = \(release) WHERE id = \(release)"]
        : make + ["INSERT INTO \(name) (id, note, \(column)) VALUES (\(release), 'made', \(release))"]
    }
  }

  private func make(_ release: Int, _ context: ClientContext) async -> Operation<ReleaseAction> {
    let invoked = context.now
    let statements = statements(of: release, isRecordedFirst: context.chance(50))
    var outcome = await send(statements, of: release, allowing: [], context)
    // Under the same operation id it is done once, and the answer is the same.
    for _ in 0..<Self.repetitions where outcome.isUnknown && !context.isOver {
      if await send(statements, of: release, allowing: Self.duplicates, context).isOK { outcome = .ok }
    }
    return context.finish(.make(release), invoked: invoked, outcome)
  }

  private func send(
    _ statements: [String], of release: Int, allowing states: Set<String>, _ context: ClientContext
  ) async -> Outcome {
    let begin = "SET theseus.operation_id = '\(name)-\(release)'; BEGIN"
    return await context.transaction(begin, allowing: states) { (client) async throws(WorkloadError) -> Bool? in
      for statement in statements { _ = try await client.execute(statement) }
      return true
    }.outcome
  }

  // MARK: - Looks

  private func look(at release: Int, _ context: ClientContext) async -> Operation<ReleaseAction> {
    let invoked = context.now
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    let result = await context.transaction(begin) {
      (client) async throws(WorkloadError) -> (Set<Int>, ReleaseParts)? in
      let recorded = Self.numbers(try await client.execute("SELECT id FROM \(name)"))
      let parts = try await parts(of: release) { (sql) async throws(WorkloadError) in try await client.execute(sql) }
      return (recorded, parts)
    }
    let seen = result.value ?? ([], .nothing)
    return context.finish(.look(seen.0, of: release, seen.1), invoked: invoked, result.outcome)
  }

  private func parts(
    of release: Int, _ execute: (String) async throws(WorkloadError) -> [[String?]]
  ) async throws(WorkloadError) -> ReleaseParts {
    var parts = ReleaseParts()
    let table = table(of: release)
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = '\(table)'"
    if Self.numbers(try await execute(tables)) == [1] {
      parts.rows = Self.numbers(try await execute("SELECT count(*) FROM \(table) WHERE v = \(release)")).first ?? -1
    }
    guard ReleaseKind(of: release) == .column else { return parts }
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = '\(name)' AND column_name = "
    if Self.numbers(try await execute(columns + "'\(column(of: release))'")) == [1] {
      let values = try await execute("SELECT \(column(of: release)) FROM \(name) WHERE id = \(release)")
      parts.columnValue = (values.first?.first ?? nil) ?? "nothing"
    }
    return parts
  }

  private static func numbers(_ rows: [[String?]]) -> Set<Int> {
    Set(rows.compactMap { row in (row.first ?? nil).flatMap { Int($0) } })
  }

  // MARK: - End

  /// Every release in the end, whoever made it and whatever became of the client.
  public func finalReads(_ session: ClientContext, _ record: inout TrafficRecord<ReleaseAction>) async {
    func found(_ sentence: String) { record.surprises.append(Finding(name, sentence)) }
    do throws(WorkloadError) {
      // In this order: one whose client heard nothing may come about meanwhile.
      let tables = try await session.insist(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE '\(name)\\_%'")
      let recorded = Self.numbers(try await session.insist("SELECT id FROM \(name)"))
      let made = Set(tables.compactMap { row in (row.first ?? nil).flatMap { Int($0.dropFirst(name.count + 1)) } })
      for release in recorded.union(made).sorted() {
        let parts = try await parts(of: release) { (sql) async throws(WorkloadError) in try await session.insist(sql) }
        let expected = recorded.contains(release) ? ReleaseParts.all(of: release) : .nothing
        if parts != expected { found("in the end there is of release \(release): \(parts)") }
      }
      for table in [name] + made.sorted().map(table(of:)) {
        let disagreements = try await session.insist("CHECK TABLE \(table)")
        if disagreements.contains(where: { $0.last != "t" }) { found("CHECK TABLE \(table): \(disagreements)") }
      }
      for operation in record.history.operations where operation.outcome.isOK {
        guard case .make(let release) = operation.action, !recorded.contains(release) else { continue }
        found("release \(release) was acknowledged and is not there")
      }
    } catch {
      record.surprises.append(Finding("\(name) answers", "the releases cannot be read in the end: \(error)"))
    }
  }

  public func report(_ record: TrafficRecord<ReleaseAction>) -> WorkloadReport {
    WorkloadReport(
      name: name, findings: ReleaseCheck().findings(record.history) + record.surprises, history: record.history)
  }
}
