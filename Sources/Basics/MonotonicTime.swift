/// Nanoseconds of a clock that never goes back; the zero is arbitrary. Cores get it as an argument.
public struct MonotonicTime: Hashable, Comparable, Sendable {
  public let nanoseconds: UInt64

  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  public init(milliseconds: UInt64) { nanoseconds = milliseconds * 1_000_000 }

  public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }

  public func advanced(byMilliseconds milliseconds: UInt64) -> MonotonicTime {
    MonotonicTime(nanoseconds: nanoseconds &+ milliseconds &* 1_000_000)
  }

  /// Zero when `earlier` is not earlier.
  public func milliseconds(since earlier: MonotonicTime) -> UInt64 {
    nanoseconds > earlier.nanoseconds ? (nanoseconds - earlier.nanoseconds) / 1_000_000 : 0
  }
}
