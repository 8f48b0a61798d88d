import Basics
import Catalog
import ClusterClient
import EventLoop
import SQLExecution
import SQLExpressions
import SQLPlanner
import SQLSyntax
import SQLValues

/// How far an execution came.
enum ExecutionResult {
  case finished(tag: String)
  /// The row limit was reached and more rows may follow.
  case suspended(StatementRun)
}

extension Session {
  /// Tries of a statement that the gateway runs again by itself, and from which one on it takes locks.
  static let maximumAttempts = 20
  static let lockingAttempt = 2
  /// Tries of a block of one statement.
  static let maximumBlockAttempts = 3

  /// Runs a statement in the session's transaction, or in one of its own.
  ///
  /// `describedColumns`: what the client was told about the columns (nil: nothing yet).
  func execute(
    _ prepared: PreparedStatement, parameters: [Datum], _ output: RowOutput, rowLimit: Int,
    describedColumns: [ResultColumn]??, _ control: StatementControl
  ) async throws(SQLError) -> ExecutionResult {
    if !prepared.endsTransaction { try block.requireRunnable() }
    guard prepared.isPlanned else {
      return .finished(tag: try await runUtility(prepared, output, control))
    }
    let request = ExecutionRequest(
      prepared: prepared, parameters: parameters, rowLimit: rowLimit, describedColumns: describedColumns,
      control: control)
    if block.state == .idle {
      return prepared.isCreateTableAs
        ? try await runAsBlock(request, output) : try await runAlone(request, output)
    }
    return try await runInBlock(request, output)
  }

  /// A block of one statement, done again where its commit is refused, unless it is known by an operation id of the client's.
  private func runAsBlock(_ request: ExecutionRequest, _ output: RowOutput) async throws(SQLError) -> ExecutionResult {
    let isNamed = !settings["theseus.operation_id"].isEmpty
    var attempt = 1
    while true {
      block.enterImplicit()
      let result = try await runInBlock(request, output)
      do throws(SQLError) {
        try await endImplicitTransaction(request.control)
        return result
      } catch {
        guard error.state == .serializationFailure, !isNamed, attempt < Self.maximumBlockAttempts,
          !request.control.isCancelled
        else { throw error }
      }
      gateway.metrics.retried()
      attempt += 1
    }
  }

  struct ExecutionRequest {
    let prepared: PreparedStatement
    let parameters: [Datum]
    let rowLimit: Int
    let describedColumns: [ResultColumn]??
    let control: StatementControl
  }

  // MARK: - A transaction of its own

  private func runAlone(_ request: ExecutionRequest, _ output: RowOutput) async throws(SQLError) -> ExecutionResult {
    transactionTime = gateway.currentTime
    let asOf = request.prepared.parsed.asOf
    let isReadOnly = asOf != nil || settings.isReadOnlyByDefault
    let transaction = Transaction(
      gateway.cluster, isolation: .readCommitted, isReadOnly: isReadOnly, locksEarly: false,
      bufferLimitBytes: gateway.options.transactionLimitBytes)
    transaction.readsAt = SystemTime.resolver(asOf)
    ownTransaction = transaction
    defer { ownTransaction = nil }
    var attempt = 0
    while true {
      do throws(TransactionFault) {
        let result = try await attemptAlone(request, transaction, output)
        return result
      } catch {
        attempt += 1
        // Who skips rows whose key is there sees, at the next try, the one that was added meanwhile.
        let isSkippable = if case .keyExists = error { attempt <= request.prepared.triesAfterDuplicate } else { false }
        let mayRepeat = if case .retry = error { true } else { isSkippable }
        guard mayRepeat, attempt < Self.maximumAttempts, !output.hasFlushed, !request.control.isCancelled else {
          let catalog = transaction.snapshot?.catalog
          transaction.rollback()
          throw ErrorTranslation.sqlError(Self.final(error, request.control), catalog: catalog)
        }
      }
      gateway.metrics.retried()
      output.reset()
      // The first tries come at once; who keeps losing takes locks, in the order of arrival.
      transaction.locksEarly = attempt >= Self.lockingAttempt
      transaction.restart()
      if attempt > Self.lockingAttempt {
        let most = UInt64(1) << UInt64(min(attempt, 6))
        try await pause(milliseconds: gateway.randomSeed() % most, request.control)
      }
    }
  }

  private func attemptAlone(
    _ request: ExecutionRequest, _ transaction: Transaction, _ output: RowOutput
  ) async throws(TransactionFault) -> ExecutionResult {
    let mark = transaction.locksEarly ? transaction.mark() : nil
    let result = try await perform(request, transaction, output, isOwnTransaction: true)
    if transaction.hasWrites {
      if let mark { try await transaction.lockWrites(since: mark, request.control) }
      try request.control.check()
      try await transaction.commit(deadline: commitDeadline)
      if transaction.wasEarlyCommitTooLow { request.prepared.earlyCommitWasTooLow() }
      gateway.metrics.committed()
    } else {
      transaction.rollback()
    }
    return result
  }

  private func pause(milliseconds: UInt64, _ control: StatementControl) async throws(SQLError) {
    do throws(TransactionFault) {
      try await control.sleep(milliseconds: milliseconds)
    } catch {
      throw error.sqlError
    }
  }

  // MARK: - Part of a block

  private func runInBlock(_ request: ExecutionRequest, _ output: RowOutput) async throws(SQLError) -> ExecutionResult {
    let transaction = try blockTransaction()
    if let asOf = request.prepared.parsed.asOf, asOf != transactionModes.asOf {
      throw SQLError.unsupported(
        "AS OF SYSTEM TIME of one statement of a transaction (BEGIN AS OF SYSTEM TIME says it of all)")
    }
    var attempt = 0
    while true {
      let mark = transaction.mark()
      let schema = transactionSchema
      let fault: TransactionFault
      do throws(TransactionFault) {
        let result = try await perform(request, transaction, output, isOwnTransaction: false)
        try await transaction.lockWrites(since: mark, request.control)
        transaction.release(mark)
        var isSuspended = false
        if case .suspended = result { isSuspended = true }
        transaction.endStatement(keepsPins: isSuspended)
        statementsInTransaction += 1
        return result
      } catch {
        fault = error
      }
      // A failed statement leaves no trace.
      transaction.undo(to: mark)
      transaction.release(mark)
      if schema != nil || transactionSchema?.isRepetition != true { transactionSchema = schema }
      attempt += 1
      let mayRepeat = transaction.isolation == .readCommitted || statementsInTransaction == 0
      guard case .retry = fault, mayRepeat, attempt < Self.maximumAttempts, !output.hasFlushed,
        !request.control.isCancelled
      else {
        let catalog = transaction.snapshot?.catalog
        transaction.endStatement()
        throw ErrorTranslation.sqlError(Self.final(fault, request.control), catalog: catalog)
      }
      gateway.metrics.retried()
      output.reset()
      if transaction.isolation == .readCommitted { transaction.endStatement() } else { transaction.restart() }
      if attempt > 2 { try await pause(milliseconds: gateway.randomSeed() % 16, request.control) }
    }
  }

  /// What the client is told. A statement that would have been tried again, had it not been canceled meanwhile, was canceled.
  private static func final(_ fault: TransactionFault, _ control: StatementControl) -> TransactionFault {
    if case .retry = fault, let reason = control.reason { return .failed(reason) }
    return fault
  }

  // MARK: - One try

  /// Gets a snapshot, the plan for it, and runs that.
  private func perform(
    _ request: ExecutionRequest, _ transaction: Transaction, _ output: RowOutput, isOwnTransaction: Bool
  ) async throws(TransactionFault) -> ExecutionResult {
    let snapshot: ReadSnapshot
    let plan: StatementPlan
    do throws(SQLError) {
      let commitPins = isOwnTransaction && !transaction.locksEarly ? request.prepared.earlyCommitPins() : []
      snapshot = try await transaction.beginStatement(
        deadline: request.control.callDeadline, commitPins: commitPins)
      if let tag = try await repeatedWrite(request.prepared, snapshot, request.control) { return .finished(tag: tag) }
      do throws(SQLError) {
        plan = try await livePlan(request, try catalog(asSeenFrom: snapshot.catalog))
      } catch {
        guard let tag = try await repeated(request.prepared, snapshot, request.control) else { throw error }
        return .finished(tag: tag)
      }
      try requirePossible(plan)
      if transaction.isReadOnly { try Self.requireReading(plan) }
      if case .some(let described) = request.describedColumns, !Self.isSameShape(described, plan.resultColumns) {
        throw SQLError(.featureNotSupported, "cached plan must not change result type")
      }
    } catch {
      throw .failed(error)
    }
    try request.control.check()
    switch plan.action {
    case .query, .insert, .update, .delete:
      pin(plan, in: transaction)
      // `SELECT … FOR UPDATE` alone: there is no commit that would wait for the rows.
      if case .query(let query) = plan.action, query.locksRows { transaction.locksEarly = true }
      let access = TransactionAccess(
        transaction, snapshot, request.control, session: self, isOwnTransaction: isOwnTransaction)
      let run = StatementRun(
        plan, request.parameters, access,
        evaluationContext(transactionSchema?.catalog ?? snapshot.catalog, at: snapshot.timestamp))
      if plan.liveInput == .settingChange || plan.liveInput == .setting {
        return try await runSetting(run, output, isChange: plan.liveInput == .settingChange)
      }
      if plan.liveInput == .schemaAgreement { return try await awaitAgreement(run, output, request.control) }
      if let columns = plan.resultColumns { output.begin(columns) }
      return try await pull(run, output, rowLimit: request.rowLimit, request.control)
    case .createTableAs(let create): return try await run(create, of: plan, request, snapshot, transaction)
    case .explain, .schemaChange, .explainSchemaChange, .checkTable:
      do throws(SQLError) {
        return try await runSpecial(plan, snapshot, transaction, request, output)
      } catch {
        throw .failed(error)
      }
    }
  }

  func pin(_ plan: StatementPlan, in transaction: Transaction) {
    for use in plan.tables {
      let version = transactionSchema.map { $0.pinnedVersion(of: use.tableID) } ?? use.version
      if let version { transaction.pin(use.tableID, version: version, isWritten: use.isWritten) }
    }
  }

  /// Throws 25006 for what changes or locks rows.
  private static func requireReading(_ plan: StatementPlan) throws(SQLError) {
    let command: String
    switch plan.action {
    case .insert: command = "INSERT"
    case .update: command = "UPDATE"
    case .delete: command = "DELETE"
    case .query(let query):
      guard query.locksRows else { return }
      command = "SELECT FOR UPDATE"
    case .explain, .schemaChange, .createTableAs, .explainSchemaChange, .checkTable: return
    }
    throw SQLError(.readOnlyTransaction, "cannot execute \(command) in a read-only transaction")
  }

  /// Moves rows to the client until the end or the limit.
  private func pull(
    _ run: StatementRun, _ output: RowOutput, rowLimit: Int, _ control: StatementControl
  ) async throws(TransactionFault) -> ExecutionResult {
    let sentBefore = output.rowCount
    while true {
      let left = rowLimit > 0 ? rowLimit - (output.rowCount - sentBefore) : Int.max
      if left == 0 { return .suspended(run) }
      let rows = try await run.next(limit: left)
      if rows.isEmpty { break }
      do throws(SQLError) {
        output.append(rows)
        if !run.plan.isReadOnly { try output.hold() }
      } catch {
        throw .failed(error)
      }
      if run.plan.isReadOnly { await output.stream() }
      if client.isClosed { throw .failed(SQLError(.queryCanceled, "the client has gone")) }
      try control.check()
    }
    return .finished(tag: run.tag(rowsSent: output.rowCount - sentBefore))
  }

  /// Goes on with a suspended portal.
  func resume(
    _ run: StatementRun, _ output: RowOutput, rowLimit: Int, _ control: StatementControl
  ) async throws(SQLError) -> ExecutionResult {
    run.adopt(control)
    do throws(TransactionFault) {
      return try await pull(run, output, rowLimit: rowLimit, control)
    } catch {
      throw ErrorTranslation.sqlError(error, catalog: nil)
    }
  }

  // MARK: - Plans

  /// The statement's plan for `catalog`: the one it has, if that still holds, else a new one.
  func currentPlan(_ prepared: PreparedStatement, _ catalog: CatalogView) throws(SQLError) -> StatementPlan {
    guard catalog.database(id: databaseID) != nil else {
      throw SQLError(.invalidCatalogName, "database \"\(databaseName)\" does not exist")
    }
    let isOwnSchema = transactionSchema != nil
    if !isOwnSchema, let plan = prepared.plan, plan.isValid(in: catalog) { return plan }
    // Once told to the client, the parameters' types stay.
    let types = prepared.plan?.parameterTypes ?? prepared.declaredTypes.map { $0 ?? .unknown }
    let planner = StatementPlanner(catalog: catalog, session: plannerSession(catalog))
    var plan = try planner.plan(prepared.parsed, parameterTypes: types)
    // Made for a catalog that only this session has: good for this execution, and to tell the client what it will get.
    if isOwnSchema { plan.catalogIndex = SchemaIndex(rawValue: .max) }
    if !isOwnSchema || !prepared.isShared { prepared.plan = plan }
    return plan
  }

  /// As `currentPlan`, with what the statement wants to know of the present.
  private func livePlan(
    _ request: ExecutionRequest, _ catalog: CatalogView
  ) async throws(SQLError) -> StatementPlan {
    let plan = try currentPlan(request.prepared, catalog)
    guard plan.liveInput == .indexBuilds else { return plan }
    var session = plannerSession(catalog)
    session.indexBuilds = JobView.indexBuilds(try await listJobs(JobID(0), request.control))
    return try StatementPlanner(catalog: catalog, session: session)
      .plan(request.prepared.parsed, parameterTypes: plan.parameterTypes)
  }

  func plannerSession(_ catalog: CatalogView) -> PlannerSession {
    if !searchPath.isOf(settings.searchPath) { searchPath = SearchPath(settings.searchPath) }
    return PlannerSession(
      databaseID: databaseID, databaseName: catalog.database(id: databaseID)?.name ?? databaseNameAtStart,
      userName: userName, searchPath: searchPath.schemas(in: catalog, databaseID, user: userName))
  }

  private func sessionInformation(_ session: PlannerSession) -> SessionInformation {
    SessionInformation(
      databaseName: session.databaseName, schemaName: session.searchPath.first ?? "", userName: userName,
      backendPID: Int32(truncatingIfNeeded: processID))
  }

  func evaluationContext(_ catalog: CatalogView, at timestamp: Timestamp) -> EvaluationContext {
    let session = plannerSession(catalog)
    var context = EvaluationContext(
      transactionTime: transactionTime, statementTime: gateway.currentTime,
      random: SeededGenerator(seed: gateway.randomSeed()), session: sessionInformation(session))
    context.catalog = CatalogNames(catalog, session)
    context.readTimestamp = timestamp
    return context
  }

  private static func isSameShape(_ described: [ResultColumn]?, _ planned: [ResultColumn]?) -> Bool {
    guard let described, let planned else { return described == nil && planned == nil }
    guard described.count == planned.count else { return false }
    return zip(described, planned).allSatisfy { $0.name == $1.name && $0.type == $1.type }
  }
}
