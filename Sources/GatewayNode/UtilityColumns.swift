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
    case .job(.showAll): jobs
    case .job(.show): jobSteps
    case .job(.pause), .job(.resume), .job(.cancel): nil
    default: nil
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
  ]

  static let jobSteps = [
    ResultColumn(name: "step", type: .int8), ResultColumn(name: "name", type: .text),
    ResultColumn(name: "schema_index", type: .int8), ResultColumn(name: "started", type: .timestampWithTimeZone),
    ResultColumn(name: "finished", type: .timestampWithTimeZone),
  ]

  static let check = [
    ResultColumn(name: "index_name", type: .text), ResultColumn(name: "rows", type: .int8),
    ResultColumn(name: "entries", type: .int8), ResultColumn(name: "ok", type: .boolean),
  ]
}
