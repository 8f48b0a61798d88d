import Basics

/// Random schema changes, sent by some clients and disturbed by an operator, over random rows written by others.
public struct SchemaChangeWorkload: Workload {
  public let name: String
  /// Tables at a time.
  public var slots: Int
  /// Clients that change schemas; each owns some of the slots.
  public var schemaClients: Int
  /// Those of the clients that write rows.
  public var limits: TrafficLimits
  /// Between two changes of one client.
  public var changePauseMilliseconds: ClosedRange<UInt64>
  public var changesPerClient: Int
  /// Whether somebody pauses, resumes and cancels jobs.
  public var hasOperator: Bool
  /// What changes are made of.
  public var statements: [SchemaStatementKind]

  public typealias Record = TrafficRecord<SchemaAction>

  public init(
    name: String = "schema", slots: Int = 3, schemaClients: Int = 2,
    limits: TrafficLimits = TrafficLimits(operationsPerClient: 200),
    changePauseMilliseconds: ClosedRange<UInt64> = 0...200,
    changesPerClient: Int = 30, hasOperator: Bool = true, statements: [SchemaStatementKind] = SchemaStatementKind.all
  ) {
    self.name = name
    self.slots = slots
    self.schemaClients = schemaClients
    self.limits = limits
    self.changePauseMilliseconds = changePauseMilliseconds
    self.changesPerClient = changesPerClient
    self.hasOperator = hasOperator
    self.statements = statements
  }

  /// Names that tables of a slot may have.
  func tableNames(_ slot: Int) -> [String] { ["x", "y", "z"].map { "\(name)_\(slot)\($0)" } }

  /// Where its tables may be besides `public`.
  var schema: String { "\(name)_aside" }

  /// Begins every operation id of this workload.
  var operationPrefix: String { "\(name):" }

  /// Tables are made by the clients.
  public func setUp(_ session: ClientContext) async throws(WorkloadError) {
    try await session.create("CREATE SCHEMA IF NOT EXISTS \(schema)")
  }

  public func traffic(_ host: any WorkloadHost) async -> Record {
    let board = SchemaBoard()
    var all = limits
    all.clients = limits.clients + schemaClients + (hasOperator ? 1 : 0)
    return Record(
      await all.run(of: name, host) { context in
        if context.number < limits.clients { return await writeRows(context, board) }
        if context.number < limits.clients + schemaClients { return await changeSchemas(context, board) }
        return await controlJobs(context)
      })
  }

  public func report(_ record: Record) -> WorkloadReport {
    WorkloadReport(
      name: name, findings: SchemaModelCheck().findings(record.history) + record.surprises, history: record.history)
  }
}
