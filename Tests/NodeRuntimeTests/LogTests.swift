import EventLoop
import Glibc
import Testing

@testable import NodeRuntime

@Suite(.serialized) struct LogTests {
  @Test func timestampsAreISO8601() {
    #expect(Log.timestamp(0) == "1970-01-01T00:00:00.000Z")
    #expect(Log.timestamp(1_582_979_696_007) == "2020-02-29T12:34:56.007Z")
  }

  @Test(arguments: [
    ("plain", "plain"), ("", "\"\""), ("two words", "\"two words\""), ("a=b", "\"a=b\""), ("q\"q", "\"q\\\"q\""),
    ("line\nline", "\"line\\nline\""),
  ])
  func valuesReadAsOneWord(value: String, printed: String) { #expect(Log.quoted(value) == printed) }
}

@Suite struct MetricsTests {
  @Test func textIsPrometheus() async {
    let metrics = Metrics()
    metrics.counter("calls_total", "Calls.", labels: ["method": "a\"b"]).increment(by: 3)
    metrics.counter("calls_total", "Calls.", labels: ["method": "c"]).increment()
    metrics.gauge("sessions", "Sessions.").set(-2)
    metrics.computed("ratio", "A ratio.") { 0.5 }
    let histogram = metrics.histogram("latency_seconds", "Latency.")
    histogram.observe(.microseconds(20))
    histogram.observe(.seconds(1000))
    let text = await metrics.text()
    #expect(text.hasPrefix("# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{method=\"a\\\"b\"} 3\n"))
    #expect(text.contains("calls_total{method=\"c\"} 1\n# HELP sessions"))
    #expect(text.contains("sessions -2\n"))
    #expect(text.contains("ratio 0.5\n"))
    #expect(text.contains("latency_seconds_bucket{le=\"1.6e-05\"} 0\n"))
    #expect(text.contains("latency_seconds_bucket{le=\"3.2e-05\"} 1\n"))
    #expect(text.contains("latency_seconds_bucket{le=\"+Inf\"} 2\n"))
    #expect(text.contains("latency_seconds_count 2\n"))
    #expect(text.components(of: "# TYPE calls_total").count == 2)
  }
}

extension String {
  /// The parts between occurrences of `separator`.
  func components(of separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}
