import Basics
import EventLoop

/// A simulated machine with one process of ours on it.
@EventLoopActor public final class SimulatedHost {
  public typealias Main = @EventLoopActor @Sendable (SimulatedHost) async throws -> Void

  /// How a process ends.
  public enum Death: Hashable, Sendable {
    /// SIGKILL: the kernel lives on and closes its connections, so the others hear of it at once.
    case process
    /// Loss of power: the others hear nothing; their connections go silent.
    case machine
  }

  public nonisolated let number: Int
  public nonisolated let name: String
  public nonisolated let address: String
  unowned let world: Simulation

  /// The process that runs now.
  public private(set) var process: SimulatedProcess?
  public private(set) var incarnation = 0
  /// False after `kill(.machine)` until the next start.
  public private(set) var isMachineUp = true
  public private(set) var isPaused = false
  /// What ended the last `main` that threw.
  public private(set) var failure: (any Error)?
  public var isRunning: Bool { process != nil }

  var clock: HostClock
  public var wallClockErrorMilliseconds: Int64 = 0
  var random: SeededGenerator
  var listeners: [UInt16: Listener] = [:]
  private var nextPort: UInt16 = 32_768
  private var main: Main?
  private var deathObservers: [@EventLoopActor (Death) -> Void] = []

  /// Events that wait for `resume` or for the end of a blocking call, in their order.
  private var held: [Event] = []
  private var blockedUntil: UInt64 = 0

  init(world: Simulation, number: Int, name: String) {
    self.world = world
    self.number = number
    self.name = name
    address = Self.address(number)
    clock = HostClock(origin: 1_000_000_000, now: world.clock)
    random = SeededGenerator(seed: 0)
  }

  static func address(_ number: Int) -> String { "10.0.\(number / 250).\(number % 250 + 1)" }

  // MARK: - Life

  /// Starts a process that runs `main`. When `main` returns, the process lives on (callbacks, timers); when it throws,
  /// the process ends as by SIGKILL and `failure` tells why.
  public func start(_ main: @escaping Main) {
    precondition(process == nil, "\(name) runs already")
    self.main = main
    incarnation += 1
    isMachineUp = true
    failure = nil
    blockedUntil = 0
    let process = SimulatedProcess(host: number, incarnation: incarnation)
    self.process = process
    var seeds = SeededGenerator(seed: world.options.seed ^ UInt64(number) << 40 ^ UInt64(incarnation))
    random = SeededGenerator(seed: seeds.next())
    world.note("start \(name)")
    run {
      EventLoop.task {
        do {
          try await main(self)
        } catch {
          if self.process != process { return }
          self.failure = error
          self.kill()
        }
      }
    }
  }

  /// Starts the last `main` again, after a kill where the process still runs.
  public func restart() {
    guard let main else { return }
    if isRunning { kill() }
    start(main)
  }

  /// Ends the process: its timers, callbacks and worker results never come, its connections end. Unsynced writes are
  /// the business of the disk (`onDeath`).
  public func kill(_ death: Death = .process) {
    guard let process else { return }
    world.note("kill \(name)")
    self.process = nil
    isMachineUp = death == .process
    isPaused = false
    held = []
    listeners = [:]
    world.network.closeAll(of: process, death)
    for observer in deathObservers { observer(death) }
  }

  /// Calls `body` after each death of a process of this host.
  public func onDeath(_ body: @escaping @EventLoopActor (Death) -> Void) { deathObservers.append(body) }

  /// Runs `body` as code of the process that runs now: what it starts belongs to the process. Nil when none runs.
  @discardableResult public func run<Result>(_ body: @EventLoopActor () throws -> Result) rethrows -> Result? {
    guard let process else { return nil }
    return try SimulatedProcess.$current.withValue(process) { try body() }
  }

  // MARK: - Pauses

  /// SIGSTOP: nothing is delivered to the process; its machine still takes bytes and connections.
  public func pause() {
    guard process != nil else { return }
    world.note("pause \(name)")
    isPaused = true
  }

  /// SIGCONT: everything that was held comes now, in its order.
  public func resume() {
    guard isPaused else { return }
    world.note("resume \(name)")
    isPaused = false
    release()
  }

  /// Keeps the event when the process cannot take it now.
  func hold(_ event: Event) -> Bool {
    guard isPaused || blockedUntil > world.clock || !held.isEmpty else { return false }
    held.append(event)
    return true
  }

  /// The process's loop hears nothing for this long.
  func block(for nanoseconds: UInt64) {
    let start = max(blockedUntil, world.clock)
    blockedUntil = start + nanoseconds
    world.schedule(.resumed, for: nil, after: blockedUntil - world.clock) { self.release() }
  }

  private func release() {
    guard !isPaused, blockedUntil <= world.clock else { return }
    let events = held
    held = []
    for event in events { world.requeue(event) }
  }

  // MARK: - Clock

  /// The monotonic clock of this host now, in nanoseconds.
  public var clockNanoseconds: UInt64 { clock.local(at: world.clock) }

  /// How much faster (or slower, down to -900,000) the host's clock runs than the world's. Timers that are armed keep
  /// the moment they were given.
  public func setClockDrift(partsPerMillion: Int64) { clock.setDrift(partsPerMillion, now: world.clock) }

  // MARK: - Ports

  func freePort() -> UInt16 {
    repeat {
      nextPort = nextPort == .max ? 32_768 : nextPort + 1
    } while listeners[nextPort] != nil
    return nextPort
  }
}
