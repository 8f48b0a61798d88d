import EventLoop
import Glibc

extension Simulation {
  /// Makes the world of this process (there can be one only) and runs `driver` in it until it returns. Called on the
  /// main thread before any task exists.
  ///
  /// `driver` is no host: its clock is the world's, and what it starts outside of hosts does not die. Throws what it
  /// throws, and `SimulationError` when it does not end within `limit` of simulated time.
  public nonisolated static func run<Result: Sendable>(
    _ options: SimulationOptions, limit: Duration = .seconds(24 * 3600),
    _ driver: @escaping @EventLoopActor @Sendable (Simulation) async throws -> Result
  ) throws -> Result {
    let world = makeWorld(options)
    return try EventLoopActor.assumeIsolated {
      let outcome = Outcome<Result>()
      EventLoop.task { outcome.result = await Self.result(of: driver, world) }
      let isDone = world.advance(limit: limit.wholeNanoseconds) { outcome.isThere }
      checkNothingLeftTheThread()
      guard isDone, let result = outcome.result else {
        throw world.isIdle ? SimulationError.stuck : SimulationError.timeLimit
      }
      return try result.get()
    }
  }

  private nonisolated static func makeWorld(_ options: SimulationOptions) -> Simulation {
    // Nothing is isolated yet: the thread becomes the loop's with the world.
    let make: @EventLoopActor (SimulationOptions) -> Simulation = { Simulation(options: $0) }
    let world = unsafeBitCast(make, to: ((SimulationOptions) -> Simulation).self)(options)
    EventLoop.simulate(world)
    return world
  }

  private static func result<Result: Sendable>(
    of driver: @EventLoopActor @Sendable (Simulation) async throws -> Result, _ world: Simulation
  ) async -> Swift.Result<Result, any Error> {
    do {
      return .success(try await driver(world))
    } catch {
      return .failure(error)
    }
  }

  /// For the driver: lets the world run for `duration`.
  public func run(for duration: Duration) async { try? await EventLoop.sleep(for: duration) }

  /// For the driver: lets the world run until `condition` holds, looking every `interval`; false when it did not within
  /// `limit`.
  public func run(
    until condition: @EventLoopActor () -> Bool, every interval: Duration = .milliseconds(5), limit: Duration
  ) async -> Bool {
    let end = clock + limit.wholeNanoseconds
    while !condition() {
      if clock >= end { return false }
      await run(for: interval)
    }
    return true
  }

  /// Traps when the process has more than one thread: whatever runs there is not determined by the seed.
  public nonisolated static func checkNothingLeftTheThread() {
    guard let directory = opendir("/proc/self/task") else { return }
    defer { closedir(directory) }
    var names = 0
    while readdir(directory) != nil { names += 1 }
    // Two of them are "." and "..".
    precondition(names == 3, "the simulation has \(names - 2) threads")
  }
}

@EventLoopActor private final class Outcome<Value: Sendable> {
  /// Asked after every event.
  private(set) var isThere = false
  var result: Result<Value, any Error>? { didSet { isThere = result != nil } }
}
