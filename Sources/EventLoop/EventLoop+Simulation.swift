import CPlatform

/// The loop of a simulation: the same turns, but the world decides what happens next, and everything that the process
/// does, also jobs of Swift's global pool, runs on one thread.
extension EventLoop {
  /// Makes the calling thread the loop's and `world` its machine. Comes before anything else that uses the loop or makes
  /// a task; cannot be undone.
  public static func simulate(_ world: any SimulatedWorld) {
    precondition(self.world == nil, "the process has a world already")
    shared.adoptThreadForSimulation()
    self.world = world
    platform_capture_global_jobs { job in
      guard let job else { return }
      EventLoop.shared.submitGlobal(unsafeBitCast(job, to: UnownedJob.self))
    }
  }

  /// Runs the turn that the delivery of an event began, to its end: jobs and closures, end-of-turn closures, socket
  /// flushes, until nothing is left.
  @EventLoopActor public static func runSimulatedTurn() { shared.runWholeTurn() }

  /// `body`, bound to the process that asks now: it runs under that process, and not when that process is dead.
  static func bound(_ body: @escaping @EventLoopActor () -> Void) -> @EventLoopActor () -> Void {
    // The driver is nobody, as is whatever runs between events.
    guard let process = SimulatedProcess.current else { return body }
    return {
      if EventLoop.world?.isAlive(process) == false { return }
      SimulatedProcess.$current.withValue(process) { body() }
    }
  }
}

extension EventLoop {
  /// In a simulation: what runs now would have blocked its thread for `duration`. Nothing in production.
  public static func simulateBlocking(for duration: Duration) {
    guard let world else { return }
    EventLoopActor.assumeIsolated { world.block(for: duration) }
  }
}
