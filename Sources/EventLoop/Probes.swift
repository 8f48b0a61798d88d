/// Rare situations that tests must have reached: a place in the code that no run ever comes to has not been tested.
public enum Probe: String, Sendable, CaseIterable {
  case sessionEnded = "a session was ended"
}

/// How often each was reached. Counts only in simulations: elsewhere a probe costs the look at a flag.
@EventLoopActor public enum Probes {
  public nonisolated(unsafe) static var isCounting = false
  private static var counts: [Probe: UInt64] = [:]

  public static func reached(_ probe: Probe) {
    if isCounting { counts[probe, default: 0] += 1 }
  }

  public static func count(_ probe: Probe) -> UInt64 { counts[probe] ?? 0 }
}
