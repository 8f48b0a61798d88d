/// A host's monotonic clock: it runs at its own rate from its own origin. All in nanoseconds.
struct HostClock {
  private var worldAnchor: UInt64
  private var localAnchor: UInt64
  private(set) var driftPartsPerMillion: Int64 = 0

  /// A clock that shows `origin` at the world's `now`.
  init(origin: UInt64, now: UInt64) {
    localAnchor = origin
    worldAnchor = now
  }

  /// What the clock shows at a moment not before its last change.
  func local(at world: UInt64) -> UInt64 {
    let elapsed = world - worldAnchor
    return localAnchor + Self.scaled(elapsed, by: 1_000_000 + driftPartsPerMillion, over: 1_000_000)
  }

  /// How long the world waits while this clock moves on by `nanoseconds` (rounded up).
  func worldDuration(of nanoseconds: UInt64) -> UInt64 {
    if driftPartsPerMillion == 0 { return nanoseconds }
    return Self.scaled(nanoseconds, by: 1_000_000, over: 1_000_000 + driftPartsPerMillion) + 1
  }

  mutating func setDrift(_ partsPerMillion: Int64, now: UInt64) {
    localAnchor = local(at: now)
    worldAnchor = now
    driftPartsPerMillion = max(-900_000, min(9_000_000, partsPerMillion))
  }

  private static func scaled(_ value: UInt64, by factor: Int64, over divisor: Int64) -> UInt64 {
    let product = value.multipliedFullWidth(by: UInt64(max(0, factor)))
    let denominator = UInt64(max(1, divisor))
    return product.high >= denominator ? .max >> 2 : min(.max >> 2, denominator.dividingFullWidth(product).quotient)
  }
}
