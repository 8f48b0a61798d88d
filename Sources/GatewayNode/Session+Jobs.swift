import Basics
import ClusterClient
import EventLoop
import RPC
import SQLPlanner
import SQLSyntax
import SQLValues
import Wire

extension Session {
  /// Jobs that `ADMIN SHOW DDL JOBS` lists unless it says otherwise, as in TiDB.
  static let adminShownJobs = 10

  func run(
    _ statement: JobStatement, _ output: RowOutput, _ control: StatementControl
  ) async throws(SQLError) -> String {
    switch statement {
    case .showAll:
      let jobs = try await listJobs(JobID(0), control)
      send(jobs.map(Self.row), UtilityColumns.jobs, output)
      return "SHOW JOBS"
    case .show(let id):
      let job = try await self.job(id, control)
      let properties = JobView.properties(job) { [nodes = gateway.cluster.connection.nodes] in nodes[NodeID($0)]?.name }
      send(properties.map { [.text($0.name), .text($0.value)] }, UtilityColumns.jobProperties, output)
      return "SHOW JOB"
    case .showSteps(let id):
      let job = try await self.job(id, control)
      send(Self.steps(job), UtilityColumns.jobSteps, output)
      return "SHOW JOB"
    case .showBlockers(let id):
      let job = try await self.job(id, control)
      send(await blockers(of: job), UtilityColumns.blockers, output)
      return "SHOW JOB"
    case .pause(let id):
      try await controlJob(id, .pause, control)
      return "PAUSE JOB"
    case .resume(let id):
      try await controlJob(id, .resume, control)
      return "RESUME JOB"
    case .cancel(let id):
      try await controlJob(id, .cancel, control)
      return "CANCEL JOB"
    case .alter(let id, let parameters):
      let limits = try JobParameters(parameters)
      if let rows = limits.maximumRowsPerSecond {
        try await controlJob(ControlJobRequest(jobID: id.rawValue, control: .limit, maxRowsPerSecond: rows), control)
      }
      if let percent = limits.maximumLatencyIncrease {
        try await controlJob(
          ControlJobRequest(jobID: id.rawValue, control: .limitLatencyIncrease, maxLatencyIncrease: percent), control)
      }
      return "ALTER JOB"
    case .adminShow(let limit):
      let jobs = try await listJobs(JobID(0), limit: limit ?? Self.adminShownJobs, control)
      send(jobs.map(adminRow), UtilityColumns.adminJobs, output)
      return "ADMIN SHOW DDL JOBS"
    case .adminControl(let action, let ids):
      var rows: [[Datum]] = []
      for id in ids { rows.append([Self.integer(id.rawValue), .text(await result(of: action, id, control))]) }
      send(rows, UtilityColumns.adminResults, output)
      return "ADMIN \(action == .cancel ? "CANCEL" : action == .pause ? "PAUSE" : "RESUME") DDL JOBS"
    case .showAgreement:
      send(try await agreement(control), UtilityColumns.agreement, output)
      return "SHOW SCHEMA AGREEMENT"
    case .showLog(let table, let limit):
      send(try await schemaLog(table, limit: limit, control), UtilityColumns.log, output)
      return "SHOW SCHEMA LOG"
    case .showDropped:
      let objects = try await metadata(MetadataService.listDropped, Empty(), control).objects
      // UNDROP of what is listed is to work; a leader of an older release does not say which database it was in.
      let own = objects.filter { [0, databaseID.rawValue].contains($0.databaseID) }
      send(own.map(Self.row), UtilityColumns.dropped, output)
      return "SHOW DROPPED"
    }
  }

  // MARK: - Asking and steering

  func listJobs(
    _ id: JobID, limit: Int = 0, _ control: StatementControl
  ) async throws(SQLError) -> [JobInfo] {
    try await metadata(
      MetadataService.listJobs, ListJobsRequest(jobID: id.rawValue, limit: UInt32(clamping: limit)), control
    ).jobs
  }

  private func job(_ id: JobID, _ control: StatementControl) async throws(SQLError) -> JobInfo {
    // 0 asks for all of them.
    guard id.rawValue != 0, let job = try await listJobs(id, control).first(where: { $0.jobID == id.rawValue }) else {
      throw SQLError(.undefinedObject, "job \(id) does not exist")
    }
    return job
  }

  func controlJob(_ id: JobID, _ action: JobControl, _ control: StatementControl) async throws(SQLError) {
    try await controlJob(ControlJobRequest(jobID: id.rawValue, control: action), control)
  }

  private func controlJob(_ request: ControlJobRequest, _ control: StatementControl) async throws(SQLError) {
    var isRepeated = false
    while true {
      let response: ControlJobResponse?
      do throws(RPCError) {
        response = try await gateway.cluster.connection.call(
          MetadataService.controlJob, request, deadline: control.callDeadline, isIdempotent: false)
      } catch {
        // The answer was lost: asked a second time for what it has done already, a job would refuse.
        guard EventLoop.now < control.callDeadline else {
          throw SQLError(.cannotConnectNow, "the metadata service does not answer", detail: error.message)
        }
        response = nil
      }
      let refusal = response?.error.flatMap { $0.state.isEmpty ? nil : SQLError($0) }
      if response != nil, refusal == nil { return }
      // Also behind a refusal: what was asked before the first answer was lost may have come into force since.
      if isRepeated || response == nil, Self.isInForce(request, try await job(JobID(request.jobID), control)) { return }
      if let refusal { throw refusal }
      isRepeated = true
    }
  }

  private static func isInForce(_ request: ControlJobRequest, _ job: JobInfo) -> Bool {
    switch request.control {
    case .pause: job.state == "paused"
    case .resume: job.state == "running"
    case .cancel: job.error?.state == SQLState.queryCanceled.code
    case .limit: job.maxRowsPerSecond == request.maxRowsPerSecond
    case .limitLatencyIncrease: job.maxLatencyIncrease == request.maxLatencyIncrease
    case .decide, .unspecified, .unrecognized: false
    }
  }

  /// As TiDB tells it: `successful`, or why not. One job's refusal does not keep the others from being steered.
  private func result(of action: JobAction, _ id: JobID, _ control: StatementControl) async -> String {
    do throws(SQLError) {
      switch action {
      case .pause: try await controlJob(id, .pause, control)
      case .resume: try await controlJob(id, .resume, control)
      case .cancel: try await controlJob(id, .cancel, control)
      }
      return "successful"
    } catch {
      return "error: \(error.message)"
    }
  }

  /// Asks the metadata leader.
  func metadata<Request: WireMessage, Response: WireMessage>(
    _ method: RPCMethod<Request, Response>, _ request: Request, _ control: StatementControl
  ) async throws(SQLError) -> Response {
    do throws(RPCError) {
      return try await gateway.cluster.connection.call(method, request, deadline: control.callDeadline)
    } catch {
      throw SQLError(.cannotConnectNow, "the metadata service does not answer", detail: error.message)
    }
  }

  // MARK: - Rows

  private static func row(_ job: JobInfo) -> [Datum] {
    [
      integer(job.jobID), .text(job.operationID), .text(job.statement), .text(job.tableName),
      .text(job.state), .text(job.stage), .integer(Int64(job.step)), .integer(Int64(job.steps)),
      integer(job.rowsDone), integer(job.rowsTotal), time(job.createdMilliseconds), time(job.finishedMilliseconds),
      .text(job.waitReason), .text(job.error.map { $0.state.isEmpty ? "" : "\($0.state): \($0.message)" } ?? ""),
      integer(job.backfillMilliseconds), known(job.rowsPerSecond), known(job.remainingMilliseconds),
      integer(job.maxRowsPerSecond), known(UInt64(job.maxLatencyIncrease)),
    ]
  }

  private static func row(_ object: DroppedObjectInfo) -> [Datum] {
    [
      .text(object.kind), .text(object.schemaName), .text(object.tableName), .text(object.name),
      time(object.droppedMilliseconds), time(object.untilMilliseconds), integer(object.jobID), integer(object.tableID),
    ]
  }

  private static func steps(_ job: JobInfo) -> [[Datum]] {
    job.history.enumerated().map { position, step in
      let end = step.finishedMilliseconds
      return [
        .integer(Int64(position + 1)), .text(step.name), integer(step.schemaIndex), time(step.startedMilliseconds),
        time(end), end == 0 ? .null : integer(end > step.startedMilliseconds ? end - step.startedMilliseconds : 0),
      ]
    }
  }

  private func adminRow(_ job: JobInfo) -> [Datum] {
    return [
      Self.integer(job.jobID), .text(job.database), .text(job.tableName), .text(job.commandTag.lowercased()),
      .text(job.stage), Self.known(job.databaseID),
      job.tableIDs.first.map { Self.integer($0) } ?? .null, Self.integer(job.rowsDone),
      Self.time(job.createdMilliseconds), Self.time(job.history.first?.startedMilliseconds ?? 0),
      Self.time(job.finishedMilliseconds), .text(Self.adminState(job.state)), .text(job.waitReason),
    ]
  }

  /// TiDB's words.
  private static func adminState(_ state: String) -> String {
    switch state {
    case "queued": "queueing"
    case "succeeded": "synced"
    case "reverting": "rollingback"
    case "failed", "canceled": "cancelled"
    default: state
    }
  }

  nonisolated static func integer(_ value: UInt64) -> Datum { .integer(Int64(clamping: value)) }

  /// 0 is "not known".
  nonisolated static func known(_ value: UInt64) -> Datum { value == 0 ? .null : integer(value) }

  /// Milliseconds since 1970; 0 is "not yet".
  nonisolated static func time(_ milliseconds: UInt64) -> Datum {
    if milliseconds == 0 { return .null }
    let (product, overflow) = Int64(clamping: milliseconds).multipliedReportingOverflow(by: 1000)
    return overflow ? .null : .timestamp(product - CalendarDate.microsecondsFrom1970)
  }
}

/// What `ALTER JOB n SET (…)` may set; nil stays as it is.
struct JobParameters: Equatable {
  var maximumRowsPerSecond: UInt64?
  /// Percent.
  var maximumLatencyIncrease: UInt32?

  static let largestLatencyIncrease: UInt32 = 10_000

  /// Throws 22023 for what is malformed, unknown or given twice.
  init(_ parameters: [JobParameter]) throws(SQLError) {
    for parameter in parameters {
      func wrong(_ hint: String) -> SQLError {
        SQLError(
          .invalidParameterValue, "invalid value for job parameter \"\(parameter.name)\": \"\(parameter.value)\"",
          hint: hint)
      }
      let isRepeated: Bool
      switch parameter.name {
      case "max_rows_per_second":
        guard let rows = UInt64(parameter.value), rows <= UInt64(Int64.max) else {
          throw wrong("It is a number of rows, 0 for no limit.")
        }
        isRepeated = maximumRowsPerSecond != nil
        maximumRowsPerSecond = rows
      case "max_latency_increase":
        let digits = parameter.value.hasSuffix("%") ? String(parameter.value.dropLast()) : parameter.value
        guard let percent = UInt32(digits), percent <= Self.largestLatencyIncrease else {
          throw wrong("It is a number of percent up to \(Self.largestLatencyIncrease), 0 for none.")
        }
        isRepeated = maximumLatencyIncrease != nil
        maximumLatencyIncrease = percent
      case let name:
        throw SQLError(
          .invalidParameterValue, "unrecognized job parameter \"\(name)\"",
          hint: "There are max_rows_per_second and max_latency_increase.")
      }
      if isRepeated {
        throw SQLError(.invalidParameterValue, "job parameter \"\(parameter.name)\" is given twice")
      }
    }
  }
}
