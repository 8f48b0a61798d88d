import Basics
import Catalog
import ClusterClient
import EventLoop
import PostgresProtocol
import RPC
import SQLPlanner
import SQLValues
import SchemaChange
import Wire

extension Session {
  /// Plans that do not run in the transaction's data: explanations, schema changes, checks.
  func runSpecial(
    _ plan: StatementPlan, _ snapshot: ReadSnapshot, _ transaction: Transaction, _ request: ExecutionRequest,
    _ output: RowOutput
  ) async throws(SQLError) -> ExecutionResult {
    var context = evaluationContext(transactionSchema?.catalog ?? snapshot.catalog, at: snapshot.timestamp)
    switch plan.action {
    case .explain(let lines):
      let columns = plan.resultColumns ?? [ResultColumn(name: "QUERY PLAN", type: .text)]
      send(lines.map { [.text($0)] }, columns, output)
      return .finished(tag: "EXPLAIN")
    case .schemaChange(let planned):
      let statement = try planned.evaluatingStableDefaults(&context)
      if case .database(let change) = statement, change.needsOwnTransaction,
        block.isOpen || isAmongOthers || transactionSchema != nil || self.transaction?.hasWrites == true
      {
        throw SQLError(.activeTransaction, "\(change.commandTag) cannot run inside a transaction block")
      }
      // Behind `CREATE TABLE AS` in one message: part of its transaction.
      if block.state == .open || transactionSchema != nil {
        if request.prepared.parsed.onBlock != nil {
          throw SQLError.unsupported(
            "WITH (on_block = …) in a transaction block (theseus.on_block counts at its COMMIT)")
        }
        let text = request.prepared.parsed.text
        return .finished(tag: try await stage(statement, text: text, snapshot, in: transaction, request.control))
      }
      try requireSchemaChangeAllowed()
      let change = SchemaChangeCall(
        self, statement, text: request.prepared.parsed.text, explainOnly: false,
        onBlock: request.prepared.parsed.onBlock)
      return .finished(tag: try await change.run(request.control))
    case .explainSchemaChange(let planned):
      let statement = try planned.evaluatingStableDefaults(&context)
      let change = SchemaChangeCall(self, statement, text: request.prepared.parsed.text, explainOnly: true)
      _ = try await change.run(request.control)
      let columns = plan.resultColumns ?? [ResultColumn(name: "QUERY PLAN", type: .text)]
      let explanation = SchemaChangeExplanation(self, change, request.control)
      var lines = try await explanation.lines()
      if case .explain(let options, _) = request.prepared.statement, options.validates {
        lines += try await explanation.validation()
      }
      send(lines.map { [.text($0)] }, columns, output)
      return .finished(tag: "EXPLAIN")
    case .checkTable(let table):
      let rows = try await check(table, request.control)
      send(rows, plan.resultColumns ?? UtilityColumns.check, output)
      return .finished(tag: "CHECK TABLE")
    case .query, .insert, .update, .delete, .createTableAs:
      throw SQLError(.internalError, "a data statement came to the wrong place")
    }
  }

  /// Outside of a block a schema change commits by itself, so it must not look as if it were part of something else.
  private func requireSchemaChangeAllowed() throws(SQLError) {
    if block.state == .implicit, transaction?.hasWrites == true {
      throw SQLError.unsupported("a schema change behind writes in one message")
    }
  }

  /// The operation id for the next schema change: the client's, once, or a new one.
  func takeOperationID() -> String {
    let own = settings["theseus.operation_id"]
    if own.isEmpty { return gateway.makeOperationID() }
    settings.setInternally("theseus.operation_id", "")
    return own
  }
}

/// One schema change on its way: the same operation id at every leader until one gives the final answer (Architecture.md).
@EventLoopActor final class SchemaChangeCall {
  private unowned let session: Session
  private let request: DDLRequest
  /// Part of another statement: not told to the client.
  private let isInternal: Bool
  /// What the transaction of the change writes.
  private let rows: BlockRows?
  private(set) var explanation: [String] = []
  /// Of a change that is only explained.
  private(set) var stages: [ExplainedStage] = []
  /// 0: there is none, or it is not known yet.
  private(set) var jobID: UInt64 = 0
  /// The client is told no more of the change's progress.
  private var isOver = false
  private var isTelling = false
  /// The job had turned back already when its rows were refused: it has rolled them back, and says why.
  private var hasJobGivenUp = false
  /// The rows that were sent under the operation id are committed, by whatever gateway.
  private(set) var hasCommittedRows = false

  /// Tries without any answer before the call is given up; the job, if there is one, goes on (milliseconds).
  static let patienceMilliseconds: UInt64 = 60_000
  /// How long the answer to the cancellation of a job is waited for (milliseconds).
  static let cancelMilliseconds: UInt64 = 5_000
  /// Between two notices about a change that is waited for.
  static let noticeMilliseconds: Int64 = 3_000

  init(
    _ session: Session, _ statement: SchemaStatement, text: String, explainOnly: Bool, isInternal: Bool = false,
    operation: String? = nil, rows: BlockRows? = nil, onBlock: OnBlock? = nil
  ) {
    self.session = session
    self.isInternal = isInternal
    self.rows = rows
    let isOwn = !explainOnly && !isInternal
    request = DDLRequest(
      operationID: operation ?? (isOwn ? session.takeOperationID() : session.gateway.makeOperationID()),
      database: session.databaseName, statement: statement.encoded(), statementText: text,
      isAsynchronous: !isInternal && rows == nil && session.settings["theseus.ddl_mode"] == "async",
      boundedWaitMilliseconds: session.settings.milliseconds("theseus.ddl_wait"),
      gatewayNodeID: session.gateway.cluster.connection.nodeID.rawValue, explainOnly: explainOnly,
      rowsStartTimestamp: rows?.transaction.startTimestamp.rawValue ?? 0,
      sessionEpoch: session.gateway.cluster.connection.sessionEpoch?.rawValue ?? 0,
      primaryKey: rows?.anchor?.key ?? [], primaryRangeID: rows?.anchor?.range.rawValue ?? 0,
      onBlock: UInt32((onBlock ?? OnBlock(name: session.settings["theseus.on_block"]) ?? .abort).rawValue),
      databaseID: session.databaseID.rawValue)
  }

  private var connection: MetadataConnection { session.gateway.cluster.connection }
  var operationID: String { request.operationID }

  /// Answers the command tag when the change is done and this gateway has applied it.
  func run(_ control: StatementControl) async throws(SQLError) -> String {
    var lastAnswer = EventLoop.now
    var failures = 0
    let notices = Timer.repeating(every: .milliseconds(Self.noticeMilliseconds)) { [weak self] in
      EventLoop.task { await self?.tellProgress(control) }
    }
    defer {
      notices.cancel()
      isOver = true
    }
    while true {
      // Nothing that could be cancelled is left.
      if rows?.isCommitted == true, isGivenUp(control) { return "COMMIT" }
      try await checkCancelled(control)
      let asked = connection.leader
      let stream = connection.channel(to: asked).openServerStream(MetadataService.executeDDL, request, deadline: nil)
      let watch = Timer.repeating(every: .milliseconds(20)) { [self] in
        if isGivenUp(control) { stream.cancel() }
      }
      defer { watch.cancel() }
      do {
        while let progress = try await stream.receive() {
          lastAnswer = EventLoop.now
          failures = 0
          await sendRows(progress, control)
          if let tag = try await take(progress, control) { return tag }
        }
        throw RPCError(.unavailable, "the leader ended the call without a result")
      } catch let error as SQLError {
        throw error
      } catch {
        if rows?.isCommitted == true, isGivenUp(control) { continue }
        try await checkCancelled(control)
        let rpcError = error as? RPCError ?? RPCError(.unknown, "\(error)")
        if rpcError.status == .invalidArgument || rpcError.status == .unimplemented {
          throw SQLError(.internalError, "the metadata service refused the request", detail: rpcError.message)
        }
        let isLeaderKnown = connection.learn(rpcError, asked: asked)
        if EventLoop.now.milliseconds(since: lastAnswer) > Self.patienceMilliseconds { throw lost(rpcError) }
        failures += 1
        if isLeaderKnown, failures < 8 { continue }
        try? await EventLoop.sleep(for: .milliseconds(min(250, 10 * failures)))
      }
    }
  }

  /// One message of the leader; the tag if it was the last.
  private func take(_ progress: DDLProgress, _ control: StatementControl) async throws(SQLError) -> String? {
    if progress.jobID != 0 {
      jobID = progress.jobID
      if !isInternal { session.settings.setInternally("theseus.last_job", String(progress.jobID)) }
    }
    if !progress.notice.isEmpty, !isInternal {
      session.client.writer.notice(progress.notice)
      session.client.flush()
    }
    explanation.append(contentsOf: progress.explanation)
    stages.append(contentsOf: progress.stages)
    guard progress.isFinal else { return nil }
    isOver = true
    hasCommittedRows = progress.rowsCommitTimestamp != 0
    if let error = progress.error, !error.state.isEmpty {
      // Why the rows did not come says more than that their job was canceled for it.
      if let rows, let fault = rows.fault, !rows.isOutcomeUnknown, !hasJobGivenUp {
        throw ErrorTranslation.sqlError(fault, catalog: rows.transaction.snapshot?.catalog)
      }
      // What was in the way is seen by whoever looks for it next.
      if progress.schemaIndex > 0 {
        try? await connection.waitUntilApplied(SchemaIndex(progress.schemaIndex), deadline: control.callDeadline)
      }
      throw SQLError(error)
    }
    if progress.schemaIndex > 0 {
      try await connection.waitUntilApplied(SchemaIndex(progress.schemaIndex), deadline: control.callDeadline)
    }
    if request.isAsynchronous, jobID != 0, !(progress.job.map(JobView.isFinished) ?? true) {
      session.client.writer.noticeResponse(
        SQLError(
          SQLState("00000"), "the schema change goes on as job \(jobID)", hint: Self.watchHint(jobID)))
    }
    // A change that has not been planned yet has no tag.
    return progress.commandTag.isEmpty ? Self.commandTag(request.statementText) : progress.commandTag
  }

  /// The job waits for the rows of its transaction.
  private func sendRows(_ progress: DDLProgress, _ control: StatementControl) async {
    guard let rows, !rows.isSent, progress.awaitedRowsStartTimestamp != 0,
      progress.awaitedRowsStartTimestamp == rows.transaction.startTimestamp.rawValue
    else { return }
    jobID = progress.jobID
    do throws(SQLError) {
      try await connection.waitUntilApplied(SchemaIndex(progress.schemaIndex), deadline: control.callDeadline)
    } catch {
      // The job gives up by itself.
      return
    }
    await rows.commit(with: JobID(progress.jobID), creating: progress.createdTables)
    guard let fault = rows.fault, !rows.isOutcomeUnknown else { return }
    // The answer comes with the end of the job.
    let response = try? await connection.call(
      MetadataService.controlJob, ControlJobRequest(jobID: progress.jobID, control: .cancel),
      deadline: EventLoop.now.advanced(byMilliseconds: Self.cancelMilliseconds))
    let isRefused = response?.error.map { !$0.state.isEmpty } ?? false
    hasJobGivenUp = isRefused && fault.sqlError.state == .serializationFailure
  }

  private static func watchHint(_ job: UInt64) -> String {
    "SHOW JOB \(job) shows how it gets on, CANCEL JOB \(job) takes it back."
  }

  /// From the first words of the statement, e.g. `CREATE INDEX`.
  nonisolated static func commandTag(_ text: String) -> String {
    text.prefix(200).split(whereSeparator: \.isWhitespace).map { $0.uppercased() }.filter { $0 != "UNIQUE" }.prefix(2)
      .joined(separator: " ")
  }

  /// Now and then, to a client that waits: what the job does, and for whom it waits.
  private func tellProgress(_ control: StatementControl) async {
    guard jobID != 0, !isOver, !isTelling, !isInternal, !request.explainOnly else { return }
    isTelling = true
    defer { isTelling = false }
    guard let job = try? await session.listJobs(JobID(jobID), control).first, !isOver, !control.isCancelled,
      !session.client.isClosed, !JobView.isFinished(job)
    else { return }
    session.client.writer.notice(JobView.summary(job))
    session.client.flush()
  }

  /// Rows that are to be committed are committed without their client too.
  private func isGivenUp(_ control: StatementControl) -> Bool {
    control.isCancelled && !(rows != nil && session.client.isClosed)
  }

  /// The statement ends early. Its job goes on, unless the session wants it to end with the statement
  /// (`theseus.ddl_on_cancel`); then it goes on only where the client has just gone away, or the gateway stops. Where it goes
  /// on, the error says so.
  private func checkCancelled(_ control: StatementControl) async throws(SQLError) {
    guard isGivenUp(control), var reason = control.reason else { return }
    if request.explainOnly || session.client.isClosed { throw reason }
    guard jobID != 0 else {
      reason.detail =
        "Whether the schema change has begun is not known yet; its operation id is \(request.operationID)."
      reason.hint = "SHOW JOBS lists it, if it has."
      throw reason
    }
    // Without its rows the change cannot go on.
    guard rows != nil || reason.state == .queryCanceled && session.settings["theseus.ddl_on_cancel"] == "cancel" else {
      reason.detail = "The schema change goes on as job \(jobID)."
      reason.hint = Self.watchHint(jobID)
      throw reason
    }
    let refusal: String
    do throws(RPCError) {
      let response = try await connection.call(
        MetadataService.controlJob, ControlJobRequest(jobID: jobID, control: .cancel),
        deadline: EventLoop.now.advanced(byMilliseconds: Self.cancelMilliseconds))
      refusal = response.error.map(\.message) ?? ""
    } catch {
      refusal = error.message
    }
    if !refusal.isEmpty {
      // The rows may be decided about.
      if rows?.isSent == true { reason.state = .statementCompletionUnknown }
      reason.detail = "The schema change goes on as job \(jobID): \(refusal)"
    }
    throw reason
  }

  private func lost(_ error: RPCError) -> SQLError {
    SQLError(
      .statementCompletionUnknown, "the metadata service does not answer; the schema change may still be done",
      detail: error.message,
      hint: "Send the statement again after SET theseus.operation_id = '\(request.operationID)': it is applied once.")
  }
}
