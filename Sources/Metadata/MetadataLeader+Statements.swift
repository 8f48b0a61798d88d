import Basics
import Catalog
import SchemaChange

/// A DDL call as it reaches the leader.
public struct DDLCall: Hashable, Sendable {
  public var operationID: OperationID?
  public var database: String
  /// What the session has; nil: only the name is known.
  public var databaseID: DatabaseID?
  public var statement: [UInt8]
  public var statementText: String
  /// Answer with the job's number as soon as the job is stored.
  public var isAsynchronous: Bool
  public var boundedWaitMilliseconds: UInt64
  public var onBlock: OnBlock
  public var gateway: NodeID
  public var isExplainOnly: Bool
  /// The transaction that the statement commits writes rows too.
  public var hold: JobHold?

  public init(
    operationID: OperationID?, database: String, databaseID: DatabaseID? = nil, statement: [UInt8],
    statementText: String,
    isAsynchronous: Bool = false, boundedWaitMilliseconds: UInt64 = 0, onBlock: OnBlock = .abort,
    gateway: NodeID = NodeID(0),
    isExplainOnly: Bool = false, hold: JobHold? = nil
  ) {
    self.operationID = operationID
    self.database = database
    self.databaseID = databaseID
    self.statement = statement
    self.statementText = statementText
    self.isAsynchronous = isAsynchronous
    self.boundedWaitMilliseconds = boundedWaitMilliseconds
    self.onBlock = onBlock
    self.gateway = gateway
    self.isExplainOnly = isExplainOnly
    self.hold = hold
  }
}

/// What a DDL call hears: any number of reports that are not final, then one that is.
public struct DDLProgressReport: Hashable, Sendable {
  public var isFinal: Bool
  public var error: SQLError?
  public var job: JobRecord?
  public var notices: [String]
  public var schemaIndex: SchemaIndex
  public var commandTag: String
  public var explanation: [String]
  /// Of a plan that is only explained.
  public var stages: [StageExplanation] = []
  /// The job waits for the rows of its transaction.
  public var isHolding = false
  /// Of such a job: what it makes, as it is going to be; ascending.
  public var createdTables: [TableDescriptor] = []

  public init(
    isFinal: Bool, error: SQLError? = nil, job: JobRecord? = nil, notices: [String] = [],
    schemaIndex: SchemaIndex = .zero, commandTag: String = "", explanation: [String] = []
  ) {
    self.isFinal = isFinal
    self.error = error
    self.job = job
    self.notices = notices
    self.schemaIndex = schemaIndex
    self.commandTag = commandTag
    self.explanation = explanation
  }
}

struct WaitingCall: Hashable, Sendable {
  let request: RequestID
  let isAsynchronous: Bool
}

extension MetadataLeader {
  /// Plans and proposes, or attaches to the job that the operation id already has.
  public mutating func execute(
    _ request: RequestID, _ call: DDLCall, now: MonotonicTime, wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    guard !isRecovering else { return [.answer(request, .tryAgain("the metadata leader is starting over"))] }
    if let operation = call.operationID, !call.isExplainOnly, let job = speculative.operations[operation.text] {
      return attach(request, to: job, isAsynchronous: call.isAsynchronous)
    }
    let waiting = waitingCalls.values.reduce(0) { $0 + $1.count } + pending.reduce(0) { $0 + $1.findings.count }
    guard waiting < options.maximumWaitingCalls else {
      return [.answer(request, .tryAgain("\(waiting) schema changes are waiting"))]
    }
    do throws(SQLError) {
      return try begin(request, call)
    } catch {
      return tellWhenDecided(request, DDLProgressReport(isFinal: true, error: error))
    }
  }

  /// What stands in the way of a statement, or makes it needless, may itself be under way: it may be lost yet, and no process
  /// has it.
  private mutating func tellWhenDecided(_ request: RequestID, _ report: DDLProgressReport) -> [Effect] {
    if let last = pending.lastIndex(where: { $0.entryTimestamp != nil }) {
      pending[last].findings.append((request, report))
      return []
    }
    var effects: [Effect] = []
    tell(request, report, into: &effects)
    return effects
  }

  func tell(_ request: RequestID, _ report: DDLProgressReport, into effects: inout [Effect]) {
    guard !isRecovering else {
      effects.append(.answer(request, .tryAgain("a schema change before it was dropped")))
      return
    }
    var report = report
    report.schemaIndex = applied.catalog.schemaIndex
    effects.append(.answer(request, .progress(report)))
  }

  /// The caller is gone; its job goes on.
  public mutating func forget(_ request: RequestID) {
    for position in pending.indices { pending[position].findings.removeAll { $0.request == request } }
    for job in waitingCalls.keys.sorted() {
      waitingCalls[job]?.removeAll { $0.request == request }
      if waitingCalls[job]?.isEmpty == true { waitingCalls[job] = nil }
    }
  }

  private mutating func attach(_ request: RequestID, to job: JobID, isAsynchronous: Bool) -> [Effect] {
    if let record = applied.jobs[job], record.state.isFinished || record.turnsBackAtBarrier || isAsynchronous {
      return [.answer(request, .progress(finalReport(record)))]
    }
    waitingCalls[job, default: []].append(WaitingCall(request: request, isAsynchronous: isAsynchronous))
    let holding = coordinator.holding.first { $0.id == job }
    return holding.map { [.answer(request, .progress(holdReport($0)))] } ?? []
  }

  private mutating func begin(_ request: RequestID, _ call: DDLCall) throws(SQLError) -> [Effect] {
    // A session goes on working in a database that is renamed, and does not come into another one under the old name.
    let catalog = speculative.catalog
    let found = if let id = call.databaseID { catalog.database(id: id) } else { catalog.database(named: call.database) }
    guard let database = found else { throw Planner.missingDatabase(call.database) }
    let statement: SchemaStatement
    do { statement = try SchemaStatement(decoding: call.statement) } catch {
      throw SQLError(.protocolViolation, "the statement cannot be read: \(error.reason)")
    }
    let tables = Planner.tables(
      of: statement, in: speculative.catalog, database.id, waysBack: speculative.waysBack)
    var job = JobRecord(
      id: speculative.nextJobID, operationID: call.operationID, databaseID: database.id,
      statementText: call.statementText.prefixOfBytes(JobRecord.maximumStatementTextBytes),
      tableName: statement.objectName, state: .running)
    job.sequence = 1
    job.tables = tables
    job.createdMilliseconds = wallMilliseconds
    job.gatewayNodeID = call.gateway
    job.boundedWaitMilliseconds = call.boundedWaitMilliseconds
    job.onBlock = call.onBlock
    job.hold = call.isExplainOnly ? nil : call.hold
    var effects: [Effect] = []

    let used = Planner.usedNamespaces(
      by: statement, in: speculative.catalog, database.id, waysBack: speculative.waysBack)
    if coordinator.isBlocked(tables + used) && !call.isExplainOnly {
      guard speculative.unfinishedJobCount < options.maximumUnfinishedJobs else {
        throw SQLError(.programLimitExceeded, "\(options.maximumUnfinishedJobs) schema changes are unfinished")
      }
      job.state = .queued
      job.statement = call.statement
      job.tables = Set(tables + used).sorted()
      waitingCalls[job.id, default: []].append(WaitingCall(request: request, isAsynchronous: call.isAsynchronous))
      store(job, into: &effects)
      return effects
    }
    let (plan, planner, wayBack) = try makePlan(statement, database.id, job.id, isHeld: job.hold != nil)
    if call.isExplainOnly || plan.stages.isEmpty {
      var report = DDLProgressReport(isFinal: true, notices: plan.notices, commandTag: plan.commandTag)
      if call.isExplainOnly {
        report.explanation = plan.explanation
        report.stages = plan.explained(in: speculative.catalog)
      }
      return tellWhenDecided(request, report)
    }
    guard plan.isInstant || speculative.unfinishedJobCount < options.maximumUnfinishedJobs else {
      throw SQLError(.programLimitExceeded, "\(options.maximumUnfinishedJobs) schema changes are unfinished")
    }
    job.plan = plan
    // What becomes visible later must find its schema.
    job.tables = plan.isInstant ? plan.tables : (plan.tables + used).sorted()
    let stage = plan.stages[0]
    job.advance(over: stage, at: wallMilliseconds)
    waitingCalls[job.id, default: []].append(WaitingCall(request: request, isAsynchronous: call.isAsynchronous))
    guard propose(job, stage, planner.context, wayBack: wayBack, into: &effects) else {
      waitingCalls[job.id] = nil
      throw SQLError(.internalError, "the planned change does not fit the catalog")
    }
    return effects
  }

  /// With the way back, as long as there is room for more of them.
  func makePlan(
    _ statement: SchemaStatement, _ database: DatabaseID, _ job: JobID, isHeld: Bool
  ) throws(SQLError) -> (Plan, Planner, WayBack?) {
    if options.rangeRetentionMilliseconds > 0, speculative.waysBack.count < MetadataState.maximumWaysBack {
      let (plan, planner) = try makePlan(statement, database, isHeld: isHeld, retainsDropped: true)
      guard WayBack.isNeeded(for: plan, in: speculative.catalog) else { return (plan, planner, nil) }
      if let way = WayBack(job: job, plan: plan, of: statement, in: speculative.catalog, database) {
        return (plan, planner, way)
      }
    }
    let (plan, planner) = try makePlan(statement, database, isHeld: isHeld, retainsDropped: false)
    return (plan, planner, nil)
  }

  private func makePlan(
    _ statement: SchemaStatement, _ database: DatabaseID, isHeld: Bool, retainsDropped: Bool
  ) throws(SQLError) -> (Plan, Planner) {
    // It may have been dropped while the statement was queued.
    guard speculative.catalog.database(id: database) != nil else {
      throw SQLError(.invalidCatalogName, "the statement's database was dropped")
    }
    var planner = Planner(
      PlanningContext(
        catalog: speculative.catalog, databaseID: database, nextTableID: speculative.nextTableID,
        nextRangeID: speculative.nextRangeID, storageNodes: placeableStorageNodes,
        absentNodes: Set(placeableStorageNodes.filter { sessions[$0] == nil }),
        replicationFactor: options.replicationFactor))
    planner.context.retainsDropped = retainsDropped
    planner.context.waysBack = speculative.waysBack
    let plan = try planner.plan(statement)
    return (isHeld ? plan.held() : plan, planner)
  }

  /// Where replicas may be put: live storage nodes if there are enough; else, as long as the live ones are a majority of a range's
  /// replicas, registered ones that are away too: they catch up when they come back.
  private var placeableStorageNodes: [NodeID] {
    let live = sessions.keys.sorted().filter { sessions[$0]?.role == .storage }
    let wanted = options.replicationFactor
    guard live.count < wanted, live.count > wanted / 2 else { return live }
    let away = speculative.nodes.values.filter { $0.role == .storage && sessions[$0.id] == nil }
    let newest = away.sorted { $0.epoch > $1.epoch }.prefix(wanted - live.count).map(\.id)
    return (live + newest).sorted()
  }

  /// Makes the stage's entry, and proposes it with the job.
  mutating func propose(
    _ job: JobRecord, _ stage: PlanStage, _ context: PlanningContext?, wayBack: WayBack? = nil,
    control: (RequestID, JobID)? = nil, into effects: inout [Effect]
  ) -> Bool {
    var record = job
    var entry: SchemaEntry
    do {
      entry = try stage.entry(
        in: speculative.catalog,
        timestamp: oracle.entryTimestamp(after: pendingTimestamp, wallMilliseconds: wallMilliseconds),
        databaseID: job.databaseID)
    } catch { return false }
    entry.operationID = job.operationID
    entry.jobID = job.id
    record.schemaIndex = entry.index
    record.timestamp = entry.timestamp
    if record.isDeciding { record.hold?.commit = entry.timestamp }
    if let last = record.history.indices.last { record.history[last].schemaIndex = entry.index }
    var step = SchemaStep(
      entry: entry, job: record, retiredRanges: stage.retiredRanges,
      nextTableID: context?.nextTableID ?? speculative.nextTableID,
      nextRangeID: context?.nextRangeID ?? speculative.nextRangeID, wallMilliseconds: wallMilliseconds)
    step.restoredRanges = stage.restoredRanges
    step.wayBack = wayBack
    return propose(.change(step), control: control, into: &effects)
  }

  private var pendingTimestamp: Timestamp? { pending.compactMap(\.entryTimestamp).last }

  /// Stores a job without an entry.
  mutating func store(_ job: JobRecord, control: (RequestID, JobID)? = nil, into effects: inout [Effect]) {
    let step = SchemaStep(
      job: job, nextTableID: speculative.nextTableID, nextRangeID: speculative.nextRangeID,
      wallMilliseconds: wallMilliseconds)
    propose(.change(step), control: control, into: &effects)
  }

  mutating func didApply(_ step: SchemaStep, _ proposal: Pending?, into effects: inout [Effect]) {
    if let control = proposal?.control { effects.append(.answer(control.request, .control(control.job, nil))) }
    guard let job = step.job else { return }
    drive(.applied(job), into: &effects)
    guard let calls = waitingCalls[job.id] else { return }
    // It ends when others let it; what became of it is known.
    if job.state.isFinished || job.turnsBackAtBarrier {
      waitingCalls[job.id] = nil
      for call in calls { effects.append(.answer(call.request, .progress(finalReport(job)))) }
      return
    }
    for call in calls {
      let report =
        call.isAsynchronous
        ? finalReport(job) : DDLProgressReport(isFinal: false, job: job)
      effects.append(.answer(call.request, .progress(report)))
    }
    waitingCalls[job.id] = calls.contains { !$0.isAsynchronous } ? calls.filter { !$0.isAsynchronous } : nil
  }

  func holdReport(_ job: JobRecord) -> DDLProgressReport {
    var report = DDLProgressReport(isFinal: false, job: job, schemaIndex: job.schemaIndex)
    report.isHolding = true
    report.createdTables = job.plan?.createdTables ?? []
    return report
  }

  private func finalReport(_ job: JobRecord) -> DDLProgressReport {
    DDLProgressReport(
      isFinal: true, error: job.error, job: job, notices: job.plan?.notices ?? [], schemaIndex: job.schemaIndex,
      commandTag: job.plan?.commandTag ?? "")
  }
}

extension MetadataState {
  /// Rows a second over the newest finished backfills of some size; nil: there was none.
  public var measuredRowsPerSecond: UInt64? {
    var rows: UInt64 = 0
    var milliseconds: UInt64 = 0
    var count = 0
    for job in jobs.values.reversed().prefix(1_000)
    where job.state == .succeeded && job.rowsDone >= 1_000 && job.backfillMilliseconds > 0 && count < 5 {
      rows &+= job.rowsDone
      milliseconds &+= job.backfillMilliseconds
      count += 1
    }
    let (product, overflow) = rows.multipliedReportingOverflow(by: 1000)
    return milliseconds == 0 || overflow ? nil : product / milliseconds
  }

  var unfinishedJobCount: Int { unfinishedJobs.count }
}

extension SchemaStatement {
  /// The first object concerned, for people.
  var objectName: String {
    switch self {
    case .createTable(let create): create.name.description
    case .dropTables(let names, _, _), .dropIndexes(let names, _, _), .dropSequences(let names, _, _),
      .truncateTables(let names, _):
      names.first?.description ?? ""
    case .renameTable(let name, _, _), .alterTable(let name, _, _), .renameIndex(let name, _, _),
      .setIndexVisibility(let name, _, _),
      .createSequence(let name, _, _), .alterSequence(let name, _, _), .renameSequence(let name, _, _):
      name.description
    case .createIndex(let create): create.table.description
    case .undrop(let undrop): (undrop.table ?? undrop.name).description
    case .revertJob: ""
    case .comment, .namespace, .database, .setSchema, .view, .type: objectTitle ?? ""
    case .transaction(let transaction): transaction.statements.first?.objectName ?? ""
    }
  }
}

extension String {
  /// At most `count` bytes of UTF-8, cut between characters.
  func prefixOfBytes(_ count: Int) -> String {
    guard utf8.count > count else { return self }
    var result = ""
    var bytes = 0
    for character in self {
      bytes += String(character).utf8.count
      if bytes > count { break }
      result.append(character)
    }
    return result
  }
}
