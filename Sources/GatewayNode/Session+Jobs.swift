import Basics
import ClusterClient
import EventLoop
import RPC
import SQLPlanner
import SQLSyntax
import SQLValues
import Wire

extension Session {
  func run(
    _ statement: JobStatement, _ output: RowOutput, _ control: StatementControl
  ) async throws(SQLError) -> String {
    switch statement {
    case .showAll:
      let jobs = try await listJobs(JobID(0), control)
      send(jobs.map(Self.row), UtilityColumns.jobs, output)
      return "SHOW JOBS"
    case .show(let id):
      guard let job = try await listJobs(id, control).first(where: { $0.jobID == id.rawValue }) else {
        throw SQLError(.undefinedObject, "job \(id) does not exist")
      }
      let rows = job.history.enumerated().map { position, step -> [Datum] in
        [
          .integer(Int64(position + 1)), .text(step.name), .integer(Int64(clamping: step.schemaIndex)),
          Self.time(step.startedMilliseconds), Self.time(step.finishedMilliseconds),
        ]
      }
      send(rows, UtilityColumns.jobSteps, output)
      return "SHOW JOB"
    case .pause(let id):
      try await controlJob(id, .pause, control)
      return "PAUSE JOB"
    case .resume(let id):
      try await controlJob(id, .resume, control)
      return "RESUME JOB"
    case .cancel(let ids):
      for id in ids { try await controlJob(id, .cancel, control) }
      return "CANCEL JOB"
    }
  }

  private func listJobs(_ id: JobID, _ control: StatementControl) async throws(SQLError) -> [JobInfo] {
    do throws(RPCError) {
      return try await gateway.cluster.connection.call(
        MetadataService.listJobs, ListJobsRequest(jobID: id.rawValue), deadline: control.callDeadline
      ).jobs
    } catch {
      throw SQLError(.cannotConnectNow, "the metadata service does not answer", detail: error.message)
    }
  }

  func controlJob(_ id: JobID, _ action: JobControl, _ control: StatementControl) async throws(SQLError) {
    let response: ControlJobResponse
    do throws(RPCError) {
      response = try await gateway.cluster.connection.call(
        MetadataService.controlJob, ControlJobRequest(jobID: id.rawValue, control: action),
        deadline: control.callDeadline)
    } catch {
      throw SQLError(.cannotConnectNow, "the metadata service does not answer", detail: error.message)
    }
    if let error = response.error, !error.state.isEmpty { throw SQLError(error) }
  }

  private static func row(_ job: JobInfo) -> [Datum] {
    [
      .integer(Int64(clamping: job.jobID)), .text(job.operationID), .text(job.statement), .text(job.tableName),
      .text(job.state), .text(job.stage), .integer(Int64(job.step)), .integer(Int64(job.steps)),
      .integer(Int64(clamping: job.rowsDone)), .integer(Int64(clamping: job.rowsTotal)),
      time(job.createdMilliseconds), time(job.finishedMilliseconds), .text(job.waitReason),
      .text(job.error.map { $0.state.isEmpty ? "" : "\($0.state): \($0.message)" } ?? ""),
      .integer(Int64(clamping: job.backfillMilliseconds)),
    ]
  }

  /// Milliseconds since 1970; 0 is "not yet".
  private static func time(_ milliseconds: UInt64) -> Datum {
    if milliseconds == 0 { return .null }
    let (product, overflow) = Int64(clamping: milliseconds).multipliedReportingOverflow(by: 1000)
    return overflow ? .null : .timestamp(product - 946_684_800_000_000)
  }
}
