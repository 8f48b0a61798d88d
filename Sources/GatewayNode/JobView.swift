import SQLPlanner
import Wire

/// A schema-change job for people: what `SHOW JOB n` prints, one property a row.
enum JobView {
  static func properties(_ job: JobInfo, nodeName: (UInt64) -> String?) -> [(name: String, value: String)] {
    var rows: [(name: String, value: String)] = [
      ("job", "\(job.jobID)"), ("statement", job.statement), ("table", job.tableName), ("state", job.state),
    ]
    func add(_ name: String, _ value: String) { if !value.isEmpty { rows.append((name, value)) } }
    add("stage", stage(job))
    add("work", work(job))
    add("rows", rowCount(job))
    if job.rowsPerSecond > 0 { add("rate", "\(job.rowsPerSecond) rows/s") }
    if job.remainingMilliseconds > 0 { add("time left", "about \(duration(job.remainingMilliseconds))") }
    if !isFinished(job) {
      add("limit", job.maxRowsPerSecond == 0 ? "none" : "\(job.maxRowsPerSecond) rows/s (max_rows_per_second)")
      if job.maxLatencyIncrease > 0 {
        add("latency", "up to \(job.maxLatencyIncrease) % longer for clients (max_latency_increase)")
      }
      add("waits for", waits(job))
    }
    if let error = job.error, !error.state.isEmpty {
      let parts = ["\(error.state): \(error.message)", error.detail, error.hint]
      add("error", parts.filter { !$0.isEmpty }.joined(separator: " "))
    }
    add("operation", job.operationID)
    add("gateway", nodeName(job.gatewayNodeID) ?? (job.gatewayNodeID == 0 ? "" : "node \(job.gatewayNodeID)"))
    for (position, step) in job.history.enumerated() { add("step \(position + 1)", text(step)) }
    return rows
  }

  static func isFinished(_ job: JobInfo) -> Bool { ["succeeded", "failed", "canceled"].contains(job.state) }

  /// `2 of 4: index t_a: absent -> deleteOnly`.
  static func stage(_ job: JobInfo) -> String {
    guard job.steps > 0 else { return "" }
    let entry = job.history.last { $0.schemaIndex != 0 }
    let name = entry?.name ?? ""
    return "\(job.step) of \(job.steps)" + (name.isEmpty || isFinished(job) ? "" : ": \(name)")
  }

  /// One line: what it does just now.
  static func summary(_ job: JobInfo) -> String {
    var parts = [work(job)]
    if parts[0].isEmpty { parts[0] = job.steps > 0 ? "stage \(stage(job))" : job.state }
    let rows = rowCount(job, unit: " rows")
    if !work(job).isEmpty, !rows.isEmpty { parts.append(rows) }
    if job.rowsPerSecond > 0 { parts.append("\(job.rowsPerSecond) rows/s") }
    if job.remainingMilliseconds > 0 { parts.append("about \(duration(job.remainingMilliseconds)) left") }
    let waits = waits(job)
    if !waits.isEmpty { parts.append(job.state == "paused" ? "paused" : waits) }
    return "job \(job.jobID): " + parts.joined(separator: ", ")
  }

  /// The step under way, where it is work on rows.
  private static func work(_ job: JobInfo) -> String {
    guard !isFinished(job), let last = job.history.last, last.finishedMilliseconds == 0, last.schemaIndex == 0 else {
      return ""
    }
    return last.name
  }

  private static func rowCount(_ job: JobInfo, unit: String = "") -> String {
    let (done, total) =
      job.workRowsDone > 0 || job.workRowsTotal > 0
      ? (job.workRowsDone, job.workRowsTotal) : (job.rowsDone, job.rowsTotal)
    guard done > 0 || total > 0 else { return "" }
    guard total > 0 else { return "\(done)\(unit)" }
    let percent = min(100, Double(done) * 100 / Double(max(done, total)))
    return "\(done) of \(isFinished(job) ? "" : "about ")\(max(done, total))\(unit) (\(Int(percent)) %)"
  }

  static func waits(_ job: JobInfo) -> String {
    if job.state == "paused" { return "RESUME JOB \(job.jobID)" }
    if job.state == "queued" || !job.barriers.isEmpty {
      let opening = "waiting for "
      return job.waitReason.hasPrefix(opening) ? String(job.waitReason.dropFirst(opening.count)) : job.waitReason
    }
    return ""
  }

  /// The builds among the unfinished jobs, in the words of PostgreSQL's `pg_stat_progress_create_index`.
  static func indexBuilds(_ jobs: [JobInfo]) -> [IndexBuild] {
    jobs.compactMap { job in
      guard !isFinished(job), let table = job.tableIDs.first,
        job.commandTag == "CREATE INDEX" || job.history.contains(where: { $0.name.hasPrefix("backfill ") })
      else { return nil }
      let work = work(job)
      let hasBuilt = job.history.contains { $0.name.hasPrefix("backfill ") }
      let phase =
        switch true {
        case work.hasPrefix("backfill "): "building index"
        case work.hasPrefix("validate "): "index validation: scanning table"
        case !job.barriers.isEmpty && hasBuilt: "waiting for writers before validation"
        case !job.barriers.isEmpty: "waiting for writers before build"
        default: "initializing"
        }
      return IndexBuild(
        job: Int64(clamping: job.jobID), table: Int64(clamping: table), phase: phase,
        lockersTotal: Int64(job.barriers.reduce(0) { $0 + $1.laggards.count }),
        tuplesTotal: Int64(clamping: work.isEmpty ? 0 : max(job.workRowsTotal, job.workRowsDone)),
        tuplesDone: Int64(clamping: work.isEmpty ? 0 : job.workRowsDone))
    }
  }

  private static func text(_ step: JobStepInfo) -> String {
    let time =
      step.finishedMilliseconds == 0
      ? "under way" : duration(step.finishedMilliseconds &- min(step.startedMilliseconds, step.finishedMilliseconds))
    return "\(step.name)\(step.schemaIndex == 0 ? "" : " (schema index \(step.schemaIndex))"), \(time)"
  }

  /// `350 ms`, `2.5 s`, `3 min 5 s`, `2 h 10 min`.
  static func duration(_ milliseconds: UInt64) -> String {
    switch milliseconds {
    case ..<1000: return "\(milliseconds) ms"
    case ..<10_000: return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
    case ..<60_000: return "\(milliseconds / 1000) s"
    case ..<3_600_000: return "\(milliseconds / 60_000) min \(milliseconds % 60_000 / 1000) s"
    default: return "\(milliseconds / 3_600_000) h \(milliseconds % 3_600_000 / 60_000) min"
    }
  }
}
