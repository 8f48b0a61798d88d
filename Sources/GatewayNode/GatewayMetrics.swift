import Basics
import EventLoop
import NodeRuntime

/// What a gateway counts.
@EventLoopActor final class GatewayMetrics {
  private let registry: Metrics
  let connections: Gauge
  private let statements: Counter
  private let retries: Counter
  private let commits: Counter
  private let duration: Histogram
  private var failures: [String: Counter] = [:]

  init(_ registry: Metrics) {
    self.registry = registry
    connections = registry.gauge("theseus_sql_connections", "SQL sessions")
    statements = registry.counter("theseus_sql_statements_total", "SQL statements executed")
    retries = registry.counter("theseus_sql_retries_total", "statements run again by the gateway after a conflict")
    commits = registry.counter("theseus_sql_commits_total", "transactions committed")
    duration = registry.histogram("theseus_sql_statement_seconds", "time from the statement's message to its result")
  }

  func executed(since start: MonotonicTime) {
    statements.increment()
    duration.observe(microseconds: (EventLoop.now.nanoseconds &- start.nanoseconds) / 1000)
  }

  func retried() { retries.increment() }
  func committed() { commits.increment() }

  func failed(_ error: SQLError) {
    // The classes of SQLSTATE are few; whole states could come from anywhere.
    let kind = String(error.state.code.prefix(2))
    if let counter = failures[kind] { return counter.increment() }
    guard failures.count < 64 else { return }
    let counter = registry.counter(
      "theseus_sql_errors_total", "statements that failed, by class of SQLSTATE", labels: ["class": kind])
    failures[kind] = counter
    counter.increment()
  }
}
