import Basics

/// The machine that a simulation puts in the place of the real one: clocks, randomness, timers, worker threads and TCP
/// of many simulated processes, all on one thread.
///
/// Whatever the world calls back runs under the `SimulatedProcess` that asked for it, and not at all once that process
/// is dead.
@EventLoopActor public protocol SimulatedWorld: AnyObject {
  /// The monotonic clock of the current process.
  var now: MonotonicTime { get }
  /// The wall clock of the current process: milliseconds since 1970.
  var wallClockMilliseconds: UInt64 { get }
  /// The next number of the current process's random stream.
  func nextRandom() -> UInt64
  /// False once the process was killed: its closures are dropped.
  func isAlive(_ process: SimulatedProcess) -> Bool

  /// Calls `body` once when `delay` has passed on the clock of the current process.
  func startTimer(after delay: Duration, _ body: @escaping @EventLoopActor () -> Void) -> SimulatedTimerID
  func cancelTimer(_ timer: SimulatedTimerID)

  /// A queue that stands for `threads` worker threads of the current process.
  func makeWorkers(name: String, threads: Int) -> any SimulatedWorkers
  /// The code that runs now would have blocked its thread for `duration` (a synced write): a worker's completion comes
  /// that much later; on the loop itself the process hears of nothing meanwhile.
  func block(for duration: Duration)

  /// Port 0 takes a free one. `accept` gets each new connection's end.
  func listen(
    host: String, port: UInt16, accept: @escaping @EventLoopActor (any SimulatedSocket) -> Void
  ) throws(SystemError) -> any SimulatedListener
  /// Answers by libuv's error numbers; never when the other side cannot be reached (the caller has a timeout of its own).
  func connect(
    to endpoint: Endpoint, completion: @escaping @EventLoopActor (Result<any SimulatedSocket, SystemError>) -> Void
  ) -> any SimulatedConnectAttempt

  /// One line of the current process's log, without line end.
  func log(_ line: String)
}

public struct SimulatedTimerID: Hashable, Sendable {
  public let number: UInt64
  public init(number: UInt64) { self.number = number }
}

/// Worker threads of a simulated process that share one queue.
public protocol SimulatedWorkers: AnyObject, Sendable {
  /// Runs `body` as a worker thread would, and `completion` when it is done. Neither runs once the process is dead.
  @EventLoopActor func perform(_ body: @escaping @Sendable () -> Void, completion: @escaping @Sendable () -> Void)
}

/// A listening port of a simulated host.
@EventLoopActor public protocol SimulatedListener: AnyObject {
  var endpoint: Endpoint { get }
  func close()
}

/// A connection on its way.
@EventLoopActor public protocol SimulatedConnectAttempt: AnyObject {
  /// The completion is not called any more.
  func cancel()
}

/// One end of a simulated connection: what libuv's handle is in production.
@EventLoopActor public protocol SimulatedSocket: AnyObject {
  var remoteEndpoint: Endpoint? { get }
  /// Who hears of this end; held until the end is closed.
  var owner: (any SimulatedSocketOwner)? { get set }
  /// Bytes are delivered while it is true; at first it is false.
  var isReading: Bool { get set }
  /// Takes as many bytes as the send buffer has room for and answers their number; when that is less than all,
  /// `socketBecameWritable` follows.
  func write(_ bytes: UnsafeRawBufferPointer) -> Int
  /// Silence of `seconds`, and of ten probes one second apart, fails the connection.
  func enableKeepalive(afterSeconds seconds: UInt64)
  /// Ends this side; what was taken before still arrives.
  func close()
}

/// What a simulated socket tells its connection.
@EventLoopActor public protocol SimulatedSocketOwner: AnyObject {
  /// The bytes are valid during the call only.
  func socketReceived(_ bytes: UnsafeRawBufferPointer)
  func socketBecameWritable()
  /// The other side ended the connection or it failed. Nothing follows.
  func socketClosed(_ reason: CloseReason)
}
