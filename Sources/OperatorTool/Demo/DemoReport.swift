import EventLoop

/// What the demo prints.
@EventLoopActor enum DemoReport {
  static func announce(_ change: DemoChange) {
    Console.line("\n\(change.title): \(change.statement)")
    if let error = change.error { Console.line("  FAILED: \(error)") }
    if let job = change.job {
      Console.line("  job \(job.number) \(job.state): \(job.steps.joined(separator: " → "))")
    }
    Console.line(
      "  \(change.durationMilliseconds) ms, \(change.during.statements) statements served meanwhile, "
        + "\(change.during.failed) failed")
  }

  static func show(_ changes: [DemoChange], _ traffic: DemoTraffic) {
    var rows = [
      [
        "change", "steps", "duration ms", "backfilled rows", "rows/s", "statements", "failed", "repeated",
        "p50 before", "p50 during", "p99 before", "p99 during",
      ]
    ]
    for change in changes {
      rows.append([
        change.title, change.job.map { "\($0.steps.count)" } ?? "–", "\(change.durationMilliseconds)",
        change.job.map { "\($0.rowsDone)" } ?? "–",
        change.backfilledRowsPerSecond.map { LatencyHistogram.decimals($0, 0) } ?? "–", "\(change.during.statements)",
        "\(change.during.failed)", "\(change.during.repeated)",
        LatencyHistogram.text(change.before.latencies.quantile(0.5)),
        LatencyHistogram.text(change.during.latencies.quantile(0.5)),
        LatencyHistogram.text(change.before.latencies.quantile(0.99)),
        LatencyHistogram.text(change.during.latencies.quantile(0.99)),
      ])
    }
    Console.line()
    Console.line(Console.table(rows))
    let total = traffic.total
    Console.line(
      "\n\(total.statements) statements in all, \(total.failed) failed, \(total.repeated) transactions begun again (40001); "
        + "p50 \(LatencyHistogram.text(total.latencies.quantile(0.5))), p99 "
        + LatencyHistogram.text(total.latencies.quantile(0.99)))
    for failure in traffic.failures { Console.line("  failed: \(failure)") }
  }
}
