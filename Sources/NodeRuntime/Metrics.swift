import EventLoop
import Synchronization

/// A number that only grows.
public final class Counter: Sendable {
  private let value = Atomic<UInt64>(0)
  public func increment(by amount: UInt64 = 1) { value.wrappingAdd(amount, ordering: .relaxed) }
  public var current: UInt64 { value.load(ordering: .relaxed) }
}

/// A number that goes up and down.
public final class Gauge: Sendable {
  private let value = Atomic<Int64>(0)
  public func set(_ new: Int64) { value.store(new, ordering: .relaxed) }
  public func add(_ amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
  public var current: Int64 { value.load(ordering: .relaxed) }
}

/// Durations in buckets of doubling width from 16 µs to 67 s.
public final class Histogram: Sendable {
  static let bucketCount = 23
  /// Upper bound of bucket `index` in microseconds.
  static func bound(_ index: Int) -> UInt64 { 16 << UInt64(index) }

  private let state = Locked<(counts: [UInt64], sum: UInt64)>(
    ([UInt64](repeating: 0, count: bucketCount + 1), 0))

  public func observe(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    observe(microseconds: UInt64(clamping: seconds) &* 1_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000_000))
  }

  public func observe(microseconds: UInt64) {
    var index = 0
    while index < Self.bucketCount, microseconds > Self.bound(index) { index += 1 }
    state.withLock {
      $0.counts[index] += 1
      $0.sum &+= microseconds
    }
  }

  /// Counts per bucket (the last has no bound) and the sum in microseconds.
  var snapshot: (counts: [UInt64], sum: UInt64) { state.withLock { $0 } }
}

/// The metrics of the process, printed in Prometheus' text format (version 0.0.4).
public final class Metrics: Sendable {
  private enum Instrument: Sendable {
    case counter(Counter)
    case gauge(Gauge)
    case histogram(Histogram)
    case computed(@EventLoopActor @Sendable () -> Double)
  }
  private struct Series: Sendable {
    let name: String
    let labels: String
    let help: String
    let kind: String
    let instrument: Instrument
  }

  private let series = Locked<[Series]>([])

  public init() {}

  public func counter(_ name: String, _ help: String, labels: [String: String] = [:]) -> Counter {
    let counter = Counter()
    add(name, labels, help, "counter", .counter(counter))
    return counter
  }

  public func gauge(_ name: String, _ help: String, labels: [String: String] = [:]) -> Gauge {
    let gauge = Gauge()
    add(name, labels, help, "gauge", .gauge(gauge))
    return gauge
  }

  /// Values are durations; the unit of the output is seconds.
  public func histogram(_ name: String, _ help: String, labels: [String: String] = [:]) -> Histogram {
    let histogram = Histogram()
    add(name, labels, help, "histogram", .histogram(histogram))
    return histogram
  }

  /// A gauge that is asked when the metrics are read.
  public func computed(
    _ name: String, _ help: String, labels: [String: String] = [:],
    _ body: @escaping @EventLoopActor @Sendable () -> Double
  ) { add(name, labels, help, "gauge", .computed(body)) }

  private func add(_ name: String, _ labels: [String: String], _ help: String, _ kind: String, _ instrument: Instrument)
  {
    let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(
      separator: ",")
    series.withLock {
      $0.append(Series(name: name, labels: text, help: help, kind: kind, instrument: instrument))
    }
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for character in value {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.append(character)
      }
    }
    return result
  }

  /// What `/metrics` answers.
  @EventLoopActor public func text() -> String {
    var result = ""
    let all = series.withLock { $0 }
    var names: [String] = []
    for item in all where !names.contains(item.name) { names.append(item.name) }
    for name in names {
      let family = all.filter { $0.name == name }
      guard let first = family.first else { continue }
      result += "# HELP \(name) \(first.help)\n# TYPE \(name) \(first.kind)\n"
      for item in family { append(item, &result) }
    }
    return result
  }

  @EventLoopActor private func append(_ item: Series, _ text: inout String) {
    let labels = item.labels.isEmpty ? "" : "{\(item.labels)}"
    switch item.instrument {
    case .counter(let counter): text += "\(item.name)\(labels) \(counter.current)\n"
    case .gauge(let gauge): text += "\(item.name)\(labels) \(gauge.current)\n"
    case .computed(let body): text += "\(item.name)\(labels) \(body())\n"
    case .histogram(let histogram):
      let (counts, sum) = histogram.snapshot
      let prefix = item.labels.isEmpty ? "" : item.labels + ","
      var total: UInt64 = 0
      for (index, count) in counts.enumerated() {
        total += count
        let bound = index < Histogram.bucketCount ? "\(Double(Histogram.bound(index)) / 1_000_000)" : "+Inf"
        text += "\(item.name)_bucket{\(prefix)le=\"\(bound)\"} \(total)\n"
      }
      text += "\(item.name)_sum\(labels) \(Double(sum) / 1_000_000)\n\(item.name)_count\(labels) \(total)\n"
    }
  }
}
