/// Several clients that change one table at the same time, by names that they take from each other, while others add rows.
public struct SharedTableWorkload: Workload {
  public let name: String
  public var schemaClients: Int
  public var changesPerClient: Int
  /// Between two changes of one client.
  public var changePauseMilliseconds: ClosedRange<UInt64>
  /// Those of the clients that add rows.
  public var limits: TrafficLimits

  public typealias Record = TrafficRecord<SharedTableAction>

  /// How its changes are sent, waited for and asked after.
  private let changes: SchemaChangeWorkload

  public init(
    name: String = "shared", schemaClients: Int = 3, changesPerClient: Int = 12,
    changePauseMilliseconds: ClosedRange<UInt64> = 0...400,
    limits: TrafficLimits = TrafficLimits(clients: 2, operationsPerClient: 100)
  ) {
    self.name = name
    self.schemaClients = schemaClients
    self.changesPerClient = changesPerClient
    self.changePauseMilliseconds = changePauseMilliseconds
    self.limits = limits
    changes = SchemaChangeWorkload(name: name, slots: 1)
  }

  private var table: String { "\(name)_table" }
  static let columns = ["a", "b", "c", "d"]
  static let indexes = 1...4
  /// Values of the column `k`.
  static let keys = 7

  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    try await session.create("CREATE TABLE \(table) (id int8 PRIMARY KEY, k int8)")
  }

  public func traffic(_ host: any WorkloadHost) async -> Record {
    var all = limits
    all.clients += schemaClients
    return Record(
      await all.run(of: name, host) { context in
        context.number < limits.clients ? await addRows(context) : await changeTable(context)
      })
  }

  private func addRows(_ context: ClientContext) async -> Record {
    var id = context.number
    return await context.loop(limits) {
      id += limits.clients
      let invoked = context.now
      let answer = await context.execute("INSERT INTO \(table) (id, k) VALUES (\(id), \(id % Self.keys))")
      switch answer {
      case .success: return context.finish(.insert(id: id), invoked: invoked, .ok)
      case .failure(let error): return context.finish(.insert(id: id), invoked: invoked, error.outcome)
      }
    }
  }

  private func changeTable(_ context: ClientContext) async -> Record {
    var operations: [Operation<SharedTableAction>] = []
    while operations.count < changesPerClient, !context.isOver {
      let number = operations.count
      let made = choose(context, number)
      let change = SchemaChange(
        slot: 0, sql: made.sql, operation: "\(changes.operationPrefix)\(context.number):\(number)", after: nil)
      let sent = await changes.send(change, context)
      guard case .change(let change) = sent.action else { continue }
      operations.append(
        Operation(
          client: sent.client, number: sent.number, invoked: sent.invoked, completed: sent.completed,
          outcome: sent.outcome, action: .change(made.change, change)))
      await context.think(changePauseMilliseconds)
    }
    return Record(operations, surprises: context.surprises)
  }

  /// Names are drawn without looking: what others did to them decides what becomes of the statement.
  private func choose(_ context: ClientContext, _ number: Int) -> (change: SharedTableChange, sql: String) {
    func index() -> String { "\(name)_index_\(Int.random(in: Self.indexes, using: &context.random))" }
    func column() -> String { context.pick(Self.columns) ?? "a" }
    switch Int.random(in: 0..<100, using: &context.random) {
    case ..<35:
      let (name, value) = (column(), (context.number + 1) * 1000 + number)
      return (
        .addColumn(name, defaultValue: value), "ALTER TABLE \(table) ADD COLUMN \(name) int8 DEFAULT \(value)"
      )
    case ..<50:
      let name = column()
      return (.dropColumn(name), "ALTER TABLE \(table) DROP COLUMN \(name)")
    case ..<60:
      let (old, new) = (column(), column())
      return (.renameColumn(old, to: new), "ALTER TABLE \(table) RENAME COLUMN \(old) TO \(new)")
    case ..<80:
      let (name, over) = (index(), context.chance(50) ? "k" : column())
      return (.addIndex(name, column: over), "CREATE INDEX \(name) ON \(table) (\(over))")
    case ..<92:
      let name = index()
      return (.dropIndex(name), "DROP INDEX \(name)")
    default:
      let (old, new) = (index(), index())
      return (.renameIndex(old, to: new), "ALTER INDEX \(old) RENAME TO \(new)")
    }
  }

  // MARK: - The end

  public func finalReads(_ session: ClientContext, _ record: inout Record) async {
    var operations: [Operation<SharedTableAction>] = []
    do throws(WorkloadError) {
      let jobs = try await changes.waitForJobs(session)
      record.history = try await resolved(record.history, session)
      operations.append(session.finish(.jobs(jobs), invoked: session.now, .ok))
      try await look(session, &operations)
    } catch {
      record.surprises.append(Finding("\(name) answers", "the final reads do not come to an end: \(error)"))
    }
    for position in operations.indices { operations[position].client = limits.clients + schemaClients }
    record.history.append(contentsOf: operations)
  }

  private func resolved(
    _ history: History<SharedTableAction>, _ session: ClientContext
  ) async throws(WorkloadError) -> History<SharedTableAction> {
    var operations = history.operations
    for position in operations.indices where operations[position].outcome.isUnknown {
      guard case .change(let made, let change) = operations[position].action else { continue }
      let (answered, outcome) = try await changes.askAgain(change, session)
      operations[position].action = .change(made, answered)
      operations[position].outcome = outcome
      operations[position].completed = session.now
    }
    return History(operations)
  }

  private func look(
    _ session: ClientContext, _ operations: inout [Operation<SharedTableAction>]
  ) async throws(WorkloadError) {
    func texts(_ rows: [[String?]]) -> [String] { rows.compactMap { $0.first ?? nil } }
    var invoked = session.now
    let columns = texts(
      try await session.insist(
        "SELECT column_name FROM information_schema.columns WHERE table_name = '\(table)' ORDER BY ordinal_position"))
    let indexes = texts(try await session.insist("SELECT indexname FROM pg_indexes WHERE tablename = '\(table)'"))
      .filter { !$0.hasSuffix("_pkey") }
    operations.append(session.finish(.names(columns: columns, indexes: indexes), invoked: invoked, .ok))

    invoked = session.now
    let rows = try await session.insist("SELECT \(columns.joined(separator: ", ")) FROM \(table)")
    operations.append(session.finish(.rows(columns: columns, rows), invoked: invoked, .ok))
    for key in 0..<Self.keys {
      invoked = session.now
      let ids = texts(try await session.insist("SELECT id FROM \(table) WHERE k = \(key)")).compactMap { Int($0) }
      operations.append(session.finish(.lookup(k: key, ids: ids.sorted()), invoked: invoked, .ok))
    }
    invoked = session.now
    let check = try await session.insist("CHECK TABLE \(table)")
    operations.append(session.finish(.check(check), invoked: invoked, .ok))
  }

  public func report(_ record: Record) -> WorkloadReport {
    WorkloadReport(
      name: name, findings: SharedTableCheck(name: name).findings(record.history) + record.surprises,
      history: record.history)
  }
}
