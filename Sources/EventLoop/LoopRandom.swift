extension EventLoop {
  /// All randomness of nodes: the system's in production, the current process's stream in a simulation.
  /// `var random = EventLoop.random`, then `Int.random(in:using: &random)`.
  public static var random: LoopRandom { LoopRandom() }
}

/// See `EventLoop.random`. Holds no state of its own.
public struct LoopRandom: RandomNumberGenerator, Sendable {
  public func next() -> UInt64 {
    if let world = EventLoop.world { return EventLoopActor.assumeIsolated { world.nextRandom() } }
    var system = SystemRandomNumberGenerator()
    return system.next()
  }
}
