import Basics
import EventLoop

/// The machine under code that needs the event loop: no threads, no sockets, time that moves when it is told to. One for the
/// process, made when the first target needs it, on the thread that runs the targets.
@EventLoopActor final class FuzzWorld: SimulatedWorld {
  private var clock: UInt64 = 1_000_000_000
  private var random = SeededGenerator(seed: 1)
  private var timers: [UInt64: (at: UInt64, body: @EventLoopActor () -> Void)] = [:]
  private var timerCount: UInt64 = 0
  private var acceptors: [UInt16: @EventLoopActor (any SimulatedSocket) -> Void] = [:]
  /// What the next connection attempts of this process get.
  var outgoing: [FuzzSocket] = []

  private nonisolated init() {}

  private nonisolated static let shared: FuzzWorld = {
    let world = FuzzWorld()
    EventLoop.simulate(world)
    return world
  }()

  nonisolated static func run<Result: Sendable>(_ body: @EventLoopActor (FuzzWorld) -> Result) -> Result {
    let world = shared
    return EventLoopActor.assumeIsolated { body(world) }
  }

  // MARK: - For targets

  /// One turn of the loop, and the turns that follow from it.
  func turn(_ body: () -> Void) {
    body()
    EventLoop.runSimulatedTurn()
  }

  /// A connection to a port of this process.
  func accept(_ socket: FuzzSocket, on port: UInt16) { turn { acceptors[port]?(socket) } }

  /// Lets time pass; timers that fall due run.
  func advance(by duration: Duration) {
    let end = clock + duration.wholeMilliseconds * 1_000_000
    while let next = timers.filter({ $0.value.at <= end }).min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) }) {
      timers[next.key] = nil
      clock = max(clock, next.value.at)
      turn { next.value.body() }
    }
    clock = end
  }

  var timersUnderWay: Int { timers.count }

  // MARK: - SimulatedWorld

  var now: MonotonicTime { MonotonicTime(nanoseconds: clock) }
  var wallClockMilliseconds: UInt64 { 1_700_000_000_000 + clock / 1_000_000 }
  func nextRandom() -> UInt64 { random.next() }
  func isAlive(_: SimulatedProcess) -> Bool { true }

  func startTimer(after delay: Duration, _ body: @escaping @EventLoopActor () -> Void) -> SimulatedTimerID {
    timerCount += 1
    timers[timerCount] = (clock + min(delay.wholeMilliseconds, 1 << 40) * 1_000_000, body)
    return SimulatedTimerID(number: timerCount)
  }

  func cancelTimer(_ timer: SimulatedTimerID) { timers[timer.number] = nil }

  func makeWorkers(name: String, threads: Int) -> any SimulatedWorkers { FuzzWorkers() }
  func block(for _: Duration) {}
  func log(_: String) {}

  func listen(
    host: String, port: UInt16, accept: @escaping @EventLoopActor (any SimulatedSocket) -> Void
  ) throws(SystemError) -> any SimulatedListener {
    acceptors[port] = accept
    return FuzzListener(endpoint: Endpoint(host: host, port: port))
  }

  func connect(
    to endpoint: Endpoint, completion: @escaping @EventLoopActor (Result<any SimulatedSocket, SystemError>) -> Void
  ) -> any SimulatedConnectAttempt {
    if outgoing.isEmpty {
      completion(.failure(SystemError(code: SystemError.timedOutCode, action: "connect to \(endpoint)")))
    } else {
      completion(.success(outgoing.removeFirst()))
    }
    return FuzzAttempt()
  }
}

/// One end of a connection whose other end is the fuzzer.
@EventLoopActor final class FuzzSocket: SimulatedSocket {
  let remoteEndpoint: Endpoint? = nil
  var owner: (any SimulatedSocketOwner)?
  var isReading = false
  private(set) var isClosed = false
  /// What the code under test said.
  private(set) var written: [UInt8] = []

  nonisolated init() {}

  func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    written.append(contentsOf: bytes)
    return bytes.count
  }

  func enableKeepalive(afterSeconds _: UInt64) {}

  func close() {
    isClosed = true
    owner = nil
  }

  func takeWritten() -> [UInt8] {
    defer { written = [] }
    return written
  }

  /// Bytes arrive, `step` at a time (0: at once), each in a turn of its own, as long as anybody reads.
  func deliver(_ bytes: [UInt8], step: Int, in world: FuzzWorld) {
    var rest = bytes[...]
    while !rest.isEmpty, isReading, !isClosed {
      let piece = Array(rest.prefix(step == 0 ? rest.count : step))
      rest = rest.dropFirst(piece.count)
      world.turn { piece.withUnsafeBytes { owner?.socketReceived($0) } }
    }
  }

  /// The other side goes away.
  func end(in world: FuzzWorld) { world.turn { owner?.socketClosed(.endOfStream) } }
}

private final class FuzzListener: SimulatedListener {
  let endpoint: Endpoint
  init(endpoint: Endpoint) { self.endpoint = endpoint }
  func close() {}
}

private final class FuzzAttempt: SimulatedConnectAttempt {
  func cancel() {}
}

private final class FuzzWorkers: SimulatedWorkers {
  @EventLoopActor func perform(_ body: @escaping @Sendable () -> Void, completion: @escaping @Sendable () -> Void) {
    body()
    EventLoop.execute { completion() }
  }
}
