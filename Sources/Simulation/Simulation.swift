import Basics
import EventLoop

/// A world of hosts in one process and on one thread, where one seed decides everything: delays, faults, the order of
/// events that meet.
///
/// Code of the real programs runs on hosts (`addHost`, `SimulatedHost.start`); the driver, which is no host, decides what
/// happens to them. Time moves only from event to event: while code runs, it stands still.
@EventLoopActor public final class Simulation: SimulatedWorld {
  public let options: SimulationOptions
  public private(set) var hosts: [SimulatedHost] = []
  public private(set) lazy var network = SimulatedNetwork(world: self)

  /// Nanoseconds since the beginning.
  public internal(set) var clock: UInt64 = 0
  public private(set) var trace = TraceHash()
  /// Events delivered so far.
  public private(set) var eventCount: UInt64 = 0

  /// How long a worker's body takes on a host, by the name of the worker threads (`log-sync`: what an fsync takes).
  public var workTimeNanoseconds: (@EventLoopActor (SimulatedHost, String) -> UInt64)?

  private var queue = EventQueue()
  private var driverRandom: SeededGenerator
  var networkRandom: SeededGenerator
  private let tieSeed: UInt64
  /// While a worker's body runs: for how long it would have blocked.
  var blockedNanoseconds: UInt64?

  init(options: SimulationOptions) {
    self.options = options
    var seeds = SeededGenerator(seed: options.seed)
    driverRandom = SeededGenerator(seed: seeds.next())
    networkRandom = SeededGenerator(seed: seeds.next())
    tieSeed = seeds.next()
  }

  // MARK: - Hosts

  /// A machine with an address of its own (10.0.0.1, …); `name` works as a host name too and must be new.
  public func addHost(_ name: String) -> SimulatedHost {
    precondition(!hosts.contains { $0.name == name }, "there is a host \(name) already")
    let host = SimulatedHost(world: self, number: hosts.count + 1, name: name)
    hosts.append(host)
    return host
  }

  /// An address of the host with this number (1, 2, … in the order of creation), also before it is made.
  public func endpoint(ofHost number: Int, _ port: UInt16) -> Endpoint {
    Endpoint(host: SimulatedHost.address(number), port: port)
  }

  /// The host of the code that runs now; nil for the driver.
  public var currentHost: SimulatedHost? {
    guard let process = SimulatedProcess.current else { return nil }
    return host(process)
  }

  func host(_ process: SimulatedProcess) -> SimulatedHost { hosts[process.host - 1] }

  public func isAlive(_ process: SimulatedProcess) -> Bool { host(process).process == process }

  // MARK: - Clocks and randomness

  public var now: MonotonicTime {
    guard let host = currentHost else { return MonotonicTime(nanoseconds: clock) }
    return MonotonicTime(nanoseconds: host.clock.local(at: clock))
  }

  public var wallClockMilliseconds: UInt64 {
    let base = options.wallClockMilliseconds
    guard let host = currentHost else { return base + clock / 1_000_000 }
    let shown = Int64(clamping: base + host.clock.local(at: clock) / 1_000_000)
    return UInt64(clamping: shown &+ host.wallClockErrorMilliseconds)
  }

  public func nextRandom() -> UInt64 {
    if let host = currentHost { return host.random.next() }
    return driverRandom.next()
  }

  // MARK: - Events

  /// Adds an event; ties are broken by host, so that events of one host keep their order and those of different hosts
  /// come in an order of the seed's.
  @discardableResult func schedule(
    _ kind: Event.Kind, for process: SimulatedProcess?, after nanoseconds: UInt64, digest: UInt64 = 0,
    _ body: @escaping @EventLoopActor () -> Void
  ) -> UInt64 {
    let time = clock + min(nanoseconds, .max >> 2)
    var tie = SeededGenerator(seed: tieSeed ^ time ^ UInt64(process?.host ?? 0) << 48)
    return queue.add(Event(process: process, kind: kind, digest: digest, body: body), at: time, tie: tie.next())
  }

  /// An event whose time came while its process could not take it.
  func requeue(_ event: Event) {
    schedule(event.kind, for: event.process, after: 0, digest: event.digest, event.body)
  }

  func cancel(_ number: UInt64) { queue.remove(number) }

  public func startTimer(after delay: Duration, _ body: @escaping @EventLoopActor () -> Void) -> SimulatedTimerID {
    let process = SimulatedProcess.current
    var nanoseconds = delay.wholeNanoseconds
    if let process { nanoseconds = host(process).clock.worldDuration(of: nanoseconds) }
    return SimulatedTimerID(number: schedule(.timer, for: process, after: nanoseconds, body))
  }

  public func cancelTimer(_ timer: SimulatedTimerID) { cancel(timer.number) }

  /// Runs an event of a process under that process: never when it is dead, later when it is paused or blocked.
  func deliver(_ event: Event) {
    guard let process = event.process else { return event.body() }
    let host = host(process)
    guard host.process == process, !host.hold(event) else { return }
    fold(event, process)
    SimulatedProcess.$current.withValue(process) { event.body() }
  }

  private func fold(_ event: Event, _ process: SimulatedProcess) {
    eventCount += 1
    trace.fold(clock)
    trace.fold(UInt64(event.kind.rawValue) << 56 ^ UInt64(process.host) << 32 ^ UInt64(process.incarnation))
    trace.fold(event.digest)
  }

  /// Makes `text` part of the trace: what a workload saw, a fault that was injected.
  public func note(_ text: String) {
    trace.fold(clock)
    trace.fold(text)
  }

  // MARK: - Running

  /// Delivers the next event and runs the turn it starts; false when there is none up to `limit`.
  private func step(until limit: UInt64) -> Bool {
    guard let (time, event) = queue.popFirst(until: limit) else { return false }
    clock = time
    deliver(event)
    EventLoop.runSimulatedTurn()
    return true
  }

  /// Runs events until `condition` holds after one; false when the limit has passed or none is left.
  @discardableResult func advance(limit: UInt64, until condition: @EventLoopActor () -> Bool) -> Bool {
    EventLoop.runSimulatedTurn()
    while !condition() {
      if !step(until: limit) { return false }
    }
    return true
  }

  var isIdle: Bool { queue.count == 0 }

  public func log(_ line: String) {
    guard let log = options.log else { return }
    log("\(currentHost?.name ?? "driver"): \(line)")
  }
}

extension Duration {
  /// Zero for negative durations; saturating.
  var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max >> 2 : min(product + UInt64(attoseconds / 1_000_000_000), .max >> 2)
  }
}
