import Basics
import EventLoop
import PostgresClient

/// A schema change as `SHOW JOBS` lists it.
struct MigrationJob: Hashable, Sendable {
  var number: String
  var state: String
  var stage: String
  var rowsDone: String
  var rowsTotal: String
  var waitReason: String
  var error: String

  var isFinished: Bool { ["succeeded", "failed", "canceled"].contains(state) }
  var hasSucceeded: Bool { state == "succeeded" }

  private static let pollInterval = Duration.milliseconds(500)
  /// Between two lines about a change that takes long.
  private static let tellMilliseconds: UInt64 = 3_000

  /// nil when the metadata service knows no such operation.
  @EventLoopActor static func find(_ operation: String, _ session: MigrationSession) async throws(MigrationFailure)
    -> Self?
  {
    let result = try await session.query("SHOW JOBS")
    guard let row = result.rows.first(where: { result.value("operation_id", in: $0) == operation }) else { return nil }
    func value(_ name: String) -> String { result.value(name, in: row) ?? "" }
    return MigrationJob(
      number: value("job_id"), state: value("state"), stage: value("stage"), rowsDone: value("rows_done"),
      rowsTotal: value("rows_total"), waitReason: value("wait_reason"), error: value("error"))
  }

  /// The job when it has ended; nil when there is none.
  @EventLoopActor static func ended(_ operation: String, _ session: MigrationSession) async throws(MigrationFailure)
    -> Self?
  {
    var told: MonotonicTime?
    while let job = try await find(operation, session) {
      if job.isFinished { return job }
      if told.map({ EventLoop.now.milliseconds(since: $0) >= tellMilliseconds }) ?? true {
        told = EventLoop.now
        Console.line("    \(job.summary)")
      }
      try? await EventLoop.sleep(for: pollInterval)
    }
    return nil
  }

  private var summary: String {
    "job \(number) is \(state)" + (stage.isEmpty ? "" : ", \(stage)")
      + (rowsTotal.isEmpty || rowsTotal == "0" ? "" : ", \(rowsDone) of about \(rowsTotal) rows")
      + (waitReason.isEmpty ? "" : ", waits for \(waitReason)")
  }

  /// Why it has not succeeded.
  var refusal: SQLError {
    if state == "canceled" { return SQLError(.queryCanceled, "job \(number) was canceled") }
    // As `SHOW JOBS` writes it: "23505: message".
    let parts = error.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, parts[0].utf8.count == 5 else { return SQLError(.internalError, error) }
    return SQLError(SQLState(String(parts[0])), parts[1].trimmed, detail: "job \(number)")
  }
}
