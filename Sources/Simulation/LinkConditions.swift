/// How the way from one host to another behaves.
public struct LinkConditions: Hashable, Sendable {
  public var latency: ClosedRange<Duration> = .microseconds(50)...(.microseconds(500))
  public var bytesPerSecond: UInt64 = 125_000_000
  /// Of a million bursts of bytes, how many meet a lost segment: they and what follows on the connection come when it
  /// was sent again, after a time out of `stall`.
  public var stallsPerMillion = 500
  public var stall: ClosedRange<Duration> = .milliseconds(5)...(.milliseconds(250))
  /// Of a million bursts, how many end in a reset of the connection: they and what is in flight are lost.
  public var resetsPerMillion = 0

  public init() {}

  /// Within one host.
  static let loopback: LinkConditions = {
    var conditions = LinkConditions()
    conditions.latency = .microseconds(10)...(.microseconds(40))
    conditions.bytesPerSecond = 2_000_000_000
    conditions.stallsPerMillion = 0
    return conditions
  }()
}
