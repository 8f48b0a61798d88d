import CUV

/// A timer on the loop. Keeps itself alive while it is armed; dropping the reference does not cancel it.
@EventLoopActor public final class Timer {
  private var handle: UnsafeMutablePointer<uv_timer_t>?
  /// In a simulation, in the place of `handle`.
  private var simulated: SimulatedTimerID?
  private var body: (@EventLoopActor () -> Void)?
  private let repeats: Bool

  private init(after delay: Duration, repeating: Bool, _ body: @escaping @EventLoopActor () -> Void) {
    self.body = body
    repeats = repeating
    if let world = EventLoop.world {
      let interval = Duration.milliseconds(delay.wholeMilliseconds)
      startSimulated(world, after: interval, interval: max(interval, .milliseconds(1)))
      return
    }
    let handle = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)
    self.handle = handle
    uv_timer_init(EventLoop.shared.raw, handle)
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    let milliseconds = delay.wholeMilliseconds
    // The loop's clock is read once a turn: without this a timer could fire early by the length of the turn.
    uv_update_time(EventLoop.shared.raw)
    uv_timer_start(handle, timerFired, milliseconds, repeating ? max(1, milliseconds) : 0)
  }

  /// Calls `body` once after `delay` (rounded up to milliseconds).
  @discardableResult
  public static func once(after delay: Duration, _ body: @escaping @EventLoopActor () -> Void) -> Timer {
    Timer(after: delay, repeating: false, body)
  }

  /// Calls `body` every `interval`, first after one interval, until cancelled.
  @discardableResult
  public static func repeating(every interval: Duration, _ body: @escaping @EventLoopActor () -> Void) -> Timer {
    Timer(after: interval, repeating: true, body)
  }

  /// Stops the timer; harmless when it has fired or is cancelled already. The closure is released and never called again.
  public func cancel() {
    if let simulated {
      self.simulated = nil
      body = nil
      EventLoop.world?.cancelTimer(simulated)
    }
    guard let handle else { return }
    self.handle = nil
    body = nil
    closeHandle(handle)
  }

  public var isActive: Bool { handle != nil || simulated != nil }

  fileprivate func fire() {
    let body = self.body
    if !repeats { cancel() }
    body?()
  }

  private func startSimulated(_ world: any SimulatedWorld, after delay: Duration, interval: Duration) {
    simulated = world.startTimer(after: delay) { [self] in
      let body = self.body
      if repeats {
        startSimulated(world, after: interval, interval: interval)
      } else {
        simulated = nil
        self.body = nil
      }
      body?()
    }
  }
}

private func timerFired(_ handle: UnsafeMutablePointer<uv_timer_t>?) {
  guard let data = handle?.pointee.data else { return }
  let timer = Unmanaged<Timer>.fromOpaque(data).takeUnretainedValue()
  EventLoopActor.assumeIsolated { timer.fire() }
}

/// Closes a handle whose `data` holds a retained object; releases the object and frees the handle when libuv is done.
func closeHandle<Handle>(_ handle: UnsafeMutablePointer<Handle>) {
  let base = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
  uv_close(base) { closed in
    guard let closed else { return }
    if let data = closed.pointee.data { Unmanaged<AnyObject>.fromOpaque(data).release() }
    UnsafeMutableRawPointer(closed).deallocate()
  }
}

extension Duration {
  /// Milliseconds, rounded up; zero for negative durations; saturating.
  public var wholeMilliseconds: UInt64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    let fraction = UInt64((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1000)
    return overflow ? UInt64.max / 2 : min(product + fraction, UInt64.max / 2)
  }
}

extension EventLoop {
  /// Suspends for `duration` by a timer of the loop; throws `CancellationError` at once when the task is cancelled.
  @EventLoopActor public static func sleep(for duration: Duration) async throws {
    let sleeper = Sleeper()
    try await withTaskCancellationHandler {
      try Task.checkCancellation()
      await withUnsafeContinuation { sleeper.start(duration, $0) }
      try Task.checkCancellation()
    } onCancel: {
      EventLoop.execute { sleeper.wake() }
    }
  }
}

@EventLoopActor private final class Sleeper {
  private var continuation: UnsafeContinuation<Void, Never>?
  private var timer: Timer?

  nonisolated init() {}

  func start(_ duration: Duration, _ continuation: UnsafeContinuation<Void, Never>) {
    self.continuation = continuation
    timer = Timer.once(after: duration) { self.wake() }
  }

  func wake() {
    timer?.cancel()
    timer = nil
    continuation?.resume()
    continuation = nil
  }
}
