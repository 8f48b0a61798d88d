import Basics
import EventLoop
import PostgresClient

/// One schema change of the demo, and what was seen of it.
struct DemoChange: Sendable {
  var title: String
  var statement: String
  var operationID: String

  var durationMilliseconds: UInt64 = 0
  var job: DemoJob?
  var before = DemoTraffic.Tally()
  var during = DemoTraffic.Tally()
  var error: String?

  static let all = [
    DemoChange("add a column with a default", "ALTER TABLE ships ADD COLUMN condition text NOT NULL DEFAULT 'sound'"),
    DemoChange("build an index", "CREATE INDEX ships_owner ON ships (owner)"),
    DemoChange("build a unique index", "CREATE UNIQUE INDEX ships_name ON ships (name)"),
    DemoChange("drop a column", "ALTER TABLE ships DROP COLUMN remark"),
    DemoChange("rename a column", "ALTER TABLE ships RENAME COLUMN port TO harbour"),
    DemoChange("change the type of an indexed column", "ALTER TABLE ships ALTER COLUMN owner TYPE int8"),
    DemoChange(
      "add a foreign key", "ALTER TABLE ships ADD CONSTRAINT ships_owner_fkey FOREIGN KEY (owner) REFERENCES owners"),
    DemoChange("make a column unique", "ALTER TABLE ships ADD CONSTRAINT ships_id UNIQUE (id)"),
    DemoChange("change the primary key", "ALTER TABLE ships DROP CONSTRAINT ships_pkey, ADD PRIMARY KEY (name)"),
  ]

  /// What clients may count on once it is done.
  enum Promise { case indexOfOwners, indexOfNames }

  var promise: Promise? {
    if statement.hasPrefix("CREATE INDEX ships_owner ") { return .indexOfOwners }
    if statement.hasPrefix("CREATE UNIQUE INDEX ships_name ") { return .indexOfNames }
    return nil
  }

  private init(_ title: String, _ statement: String) {
    self.title = title
    self.statement = statement
    operationID = ""
  }

  /// Runs the change with an operation id of its own; the job is looked up afterwards.
  @EventLoopActor mutating func run(on connection: PostgresConnection, operationID: String) async {
    self.operationID = operationID
    let start = EventLoop.now
    do throws(PostgresClientError) {
      try await connection.query("SET theseus.operation_id = '\(operationID)'")
      try await connection.query(statement)
      durationMilliseconds = max(1, EventLoop.now.milliseconds(since: start))
      job = try await DemoJob.find(operationID, on: connection)
    } catch {
      durationMilliseconds = max(1, EventLoop.now.milliseconds(since: start))
      self.error = "\(error)"
    }
  }

  /// Rows written by the backfill in each second of it; nil when there was none.
  var backfilledRowsPerSecond: Double? {
    guard let job, job.rowsDone > 0 else { return nil }
    return Double(job.rowsDone) * 1_000 / Double(max(1, job.backfillMilliseconds ?? durationMilliseconds))
  }
}

/// A schema-change job as `SHOW JOBS` tells it.
struct DemoJob: Sendable {
  var number: String
  var state: String
  var rowsDone: Int
  var backfillMilliseconds: UInt64?
  /// Names of the steps, in order.
  var steps: [String]

  /// - Returns: nil when the cluster shows no job with this operation id.
  @EventLoopActor static func find(
    _ operationID: String, on connection: PostgresConnection
  ) async throws(PostgresClientError) -> DemoJob? {
    let jobs = try await connection.query("SHOW JOBS")
    guard let row = jobs.rows.first(where: { jobs.value("operation_id", in: $0) == operationID }),
      let number = jobs.value("job_id", in: row)
    else { return nil }
    let history = try await connection.query("SHOW JOB \(number) STEPS")
    let steps = history.rows.compactMap { history.value("name", in: $0) ?? history.value("step", in: $0) }
    return DemoJob(
      number: number, state: jobs.value("state", in: row) ?? "",
      rowsDone: jobs.value("rows_done", in: row).flatMap { Int($0) } ?? 0,
      backfillMilliseconds: jobs.value("backfill_milliseconds", in: row).flatMap { UInt64($0) }, steps: steps)
  }
}
