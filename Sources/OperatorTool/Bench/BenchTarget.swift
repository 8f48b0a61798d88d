import EventLoop
import PostgresClient

/// A server under measurement: Theseus, or PostgreSQL for comparison.
struct BenchTarget: Sendable {
  var endpoints: [Endpoint]
  var database = "defaultdb"
  /// Statements that only Theseus understands are left out.
  var isPostgres = false

  @EventLoopActor func connect(_ number: Int = 0) async throws(PostgresClientError) -> PostgresConnection {
    try await PostgresConnection.connect(to: endpoints[number % endpoints.count], database: database)
  }

  /// PostgreSQL's way of building an index while writes go on.
  var createIndex: String { isPostgres ? "CREATE INDEX CONCURRENTLY" : "CREATE INDEX" }
}

/// The figures of one system.
struct BenchColumn: Hashable, Sendable {
  var system: String
  var figures: [BenchFigure]
}

/// One measured figure.
struct BenchFigure: Hashable, Sendable {
  var name: String
  var unit: String
  var value: Double
  /// Median and 99th percentile of the single operations, in microseconds, where they were taken.
  var p50: UInt64?
  var p99: UInt64?

  init(_ name: String, _ value: Double, _ unit: String, _ latencies: LatencyHistogram? = nil) {
    self.name = name
    self.unit = unit
    self.value = value
    p50 = latencies?.quantile(0.5)
    p99 = latencies?.quantile(0.99)
  }
}

/// Runs one operation over and over for a while.
@EventLoopActor enum BenchLoop {
  struct Outcome: Sendable {
    var count = 0
    var seconds = 0.0
    var latencies = LatencyHistogram()
    var perSecond: Double { Double(count) / max(seconds, 1e-9) }
  }

  /// `lanes` tasks call `body(lane, turn)` until `duration` has passed; the first error ends the measurement.
  static func run<Failure: Error>(
    lanes: Int, for duration: Duration,
    _ body: @escaping @EventLoopActor @Sendable (Int, Int) async throws(Failure) -> Void
  ) async throws(Failure) -> Outcome {
    let start = EventLoop.now
    let end = start.advanced(byMilliseconds: duration.wholeMilliseconds)
    var tasks: [Task<(LatencyHistogram, Failure?), Never>] = []
    for lane in 0..<lanes {
      tasks.append(
        Task { @EventLoopActor in
          var latencies = LatencyHistogram()
          var turn = 0
          do throws(Failure) {
            var now = EventLoop.now
            while now < end {
              try await body(lane, turn)
              let after = EventLoop.now
              latencies.record(microseconds: (after.nanoseconds - now.nanoseconds) / 1_000)
              now = after
              turn += 1
            }
            return (latencies, nil)
          } catch {
            return (latencies, error)
          }
        })
    }
    var outcome = Outcome()
    var failure: Failure?
    for task in tasks {
      let (latencies, error) = await task.value
      outcome.latencies.merge(latencies)
      if let error { failure = error }
    }
    if let failure { throw failure }
    outcome.count = Int(clamping: outcome.latencies.count)
    outcome.seconds = Double(EventLoop.now.nanoseconds - start.nanoseconds) / 1e9
    return outcome
  }
}
