import Basics

/// How fast a piece of work goes: rows a second over the last few seconds, from counts that come now and then.
public struct WorkRate: Hashable, Sendable {
  /// What counts as lately.
  public static let windowMilliseconds: UInt64 = 10_000
  /// Before so much time has been seen nothing is said.
  public static let minimumMilliseconds: UInt64 = 200
  /// Counts closer together than this are one.
  static let spacingMilliseconds: UInt64 = 200

  private struct Sample: Hashable, Sendable {
    var time: MonotonicTime
    var rows: UInt64
  }

  /// Ascending; the first is at or before the beginning of the window, so their number is bounded by window and spacing.
  private var samples: [Sample] = []

  public init() {}

  /// - Parameter rows: done since the work began. Fewer than before: it began again.
  public mutating func observe(rows: UInt64, at now: MonotonicTime) {
    if let last = samples.last, rows < last.rows || now < last.time { samples = [] }
    if samples.count > 1, let last = samples.last, now.milliseconds(since: last.time) < Self.spacingMilliseconds {
      return
    }
    samples.append(Sample(time: now, rows: rows))
    while samples.count > 2, now.milliseconds(since: samples[1].time) >= Self.windowMilliseconds {
      samples.removeFirst()
    }
  }

  /// nil: not known yet. Work that stands still gets slower with every second it does.
  public func rowsPerSecond(rows: UInt64, at now: MonotonicTime) -> UInt64? {
    guard let first = samples.first, rows >= first.rows else { return nil }
    let milliseconds = now.milliseconds(since: first.time)
    guard milliseconds >= Self.minimumMilliseconds else { return nil }
    let (product, overflow) = (rows - first.rows).multipliedReportingOverflow(by: 1000)
    return overflow ? nil : product / milliseconds
  }

  /// Until `total` rows are done at this rate; nil: not known, or never.
  public static func remainingMilliseconds(rows: UInt64, of total: UInt64, rowsPerSecond: UInt64?) -> UInt64? {
    guard let rowsPerSecond, rowsPerSecond > 0, total > rows else { return nil }
    let (product, overflow) = (total - rows).multipliedReportingOverflow(by: 1000)
    return overflow ? nil : product / rowsPerSecond
  }
}
