import SQLPlanner
import SQLSyntax
import SQLValues

/// The columns of statements that the gateway answers without a plan.
enum UtilityColumns {
  /// nil: no rows.
  static func columns(of statement: Statement) -> [ResultColumn]? {
    switch statement {
    case .session(.show(let name)): [ResultColumn(name: SessionSettings.displayName(name), type: .text)]
    case .session(.showAll): ["name", "setting", "description"].map { ResultColumn(name: $0, type: .text) }
    case .job(let statement): columns(of: statement)
    default: nil
    }
  }

  private static func columns(of statement: JobStatement) -> [ResultColumn]? {
    switch statement {
    case .showAll: jobs
    case .show: jobProperties
    case .showSteps: jobSteps
    case .showBlockers: blockers
    case .adminShow: adminJobs
    case .adminControl: adminResults
    case .showAgreement: agreement
    case .showLog: log
    case .showDropped: dropped
    case .pause, .resume, .cancel, .alter: nil
    }
  }

  static let jobs = [
    ResultColumn(name: "job_id", type: .int8), ResultColumn(name: "operation_id", type: .text),
    ResultColumn(name: "statement", type: .text), ResultColumn(name: "table_name", type: .text),
    ResultColumn(name: "state", type: .text), ResultColumn(name: "stage", type: .text),
    ResultColumn(name: "step", type: .int8), ResultColumn(name: "steps", type: .int8),
    ResultColumn(name: "rows_done", type: .int8), ResultColumn(name: "rows_total", type: .int8),
    ResultColumn(name: "created", type: .timestampWithTimeZone),
    ResultColumn(name: "finished", type: .timestampWithTimeZone), ResultColumn(name: "wait_reason", type: .text),
    ResultColumn(name: "error", type: .text), ResultColumn(name: "backfill_milliseconds", type: .int8),
    ResultColumn(name: "rows_per_second", type: .int8), ResultColumn(name: "remaining_milliseconds", type: .int8),
    ResultColumn(name: "max_rows_per_second", type: .int8), ResultColumn(name: "max_latency_increase", type: .int8),
  ]

  static let jobProperties = [
    ResultColumn(name: "property", type: .text), ResultColumn(name: "value", type: .text),
  ]

  static let blockers = [
    ResultColumn(name: "node", type: .text), ResultColumn(name: "session", type: .int8),
    ResultColumn(name: "application_name", type: .text), ResultColumn(name: "user_name", type: .text),
    ResultColumn(name: "client_address", type: .text), ResultColumn(name: "state", type: .text),
    ResultColumn(name: "statement", type: .text), ResultColumn(name: "transaction_age_milliseconds", type: .int8),
    ResultColumn(name: "table_name", type: .text), ResultColumn(name: "held_schema_index", type: .int8),
    ResultColumn(name: "needed_schema_index", type: .int8), ResultColumn(name: "reason", type: .text),
  ]

  /// TiDB's names.
  static let adminJobs = [
    ResultColumn(name: "job_id", type: .int8), ResultColumn(name: "db_name", type: .text),
    ResultColumn(name: "table_name", type: .text), ResultColumn(name: "job_type", type: .text),
    ResultColumn(name: "schema_state", type: .text), ResultColumn(name: "schema_id", type: .int8),
    ResultColumn(name: "table_id", type: .int8), ResultColumn(name: "row_count", type: .int8),
    ResultColumn(name: "create_time", type: .timestampWithTimeZone),
    ResultColumn(name: "start_time", type: .timestampWithTimeZone),
    ResultColumn(name: "end_time", type: .timestampWithTimeZone), ResultColumn(name: "state", type: .text),
    ResultColumn(name: "comments", type: .text),
  ]

  static let adminResults = [
    ResultColumn(name: "job_id", type: .int8), ResultColumn(name: "result", type: .text),
  ]

  static let agreement = [
    ResultColumn(name: "node", type: .text), ResultColumn(name: "role", type: .text),
    ResultColumn(name: "applied_index", type: .int8), ResultColumn(name: "lag_entries", type: .int8),
    ResultColumn(name: "lag_milliseconds", type: .int8), ResultColumn(name: "session", type: .text),
    ResultColumn(name: "lease_age_milliseconds", type: .int8),
    ResultColumn(name: "oldest_held_index", type: .int8), ResultColumn(name: "oldest_held_table", type: .text),
    ResultColumn(name: "agrees", type: .boolean),
  ]

  static let log = [
    ResultColumn(name: "schema_index", type: .int8), ResultColumn(name: "time", type: .timestampWithTimeZone),
    ResultColumn(name: "timestamp", type: .int8), ResultColumn(name: "table_name", type: .text),
    ResultColumn(name: "from_version", type: .int8), ResultColumn(name: "to_version", type: .int8),
    ResultColumn(name: "commit_floor", type: .int8), ResultColumn(name: "changes", type: .text),
    ResultColumn(name: "job_id", type: .int8),
  ]

  static let dropped = [
    ResultColumn(name: "kind", type: .text), ResultColumn(name: "schema_name", type: .text),
    ResultColumn(name: "table_name", type: .text), ResultColumn(name: "name", type: .text),
    ResultColumn(name: "dropped", type: .timestampWithTimeZone),
    ResultColumn(name: "kept_until", type: .timestampWithTimeZone), ResultColumn(name: "job_id", type: .int8),
    ResultColumn(name: "table_id", type: .int8),
  ]

  static let jobSteps = [
    ResultColumn(name: "step", type: .int8), ResultColumn(name: "name", type: .text),
    ResultColumn(name: "schema_index", type: .int8), ResultColumn(name: "started", type: .timestampWithTimeZone),
    ResultColumn(name: "finished", type: .timestampWithTimeZone),
    ResultColumn(name: "milliseconds", type: .int8),
  ]

  static let check = [
    ResultColumn(name: "index_name", type: .text), ResultColumn(name: "rows", type: .int8),
    ResultColumn(name: "entries", type: .int8), ResultColumn(name: "ok", type: .boolean),
  ]
}
