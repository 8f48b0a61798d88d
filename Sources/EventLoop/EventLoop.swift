import Basics
import CPlatform
import CUV
import Glibc
import Synchronization

/// libuv's loop as a Swift executor: one per process.
///
/// A turn of the loop: timers; jobs; poll for I/O; its callbacks; jobs; end-of-turn closures; socket flushes. Jobs that
/// the loop's own thread enqueues run in the same turn and cost no system call. Jobs from other threads go through a
/// locked queue and one wake-up by eventfd, however many they are (`uv_async_send` is ten times slower).
///
/// It is a task executor too: a continuation that is resumed goes to its task's preferred executor before it comes back
/// to its actor. Tasks of hot paths are made by `EventLoop.task`; the others pass through the global pool,
/// which costs two thread switches for every wait.
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
  public static let shared = EventLoop()

  /// The machine of a simulation; nil in production. Set once by `simulate`, before anything else runs.
  public internal(set) nonisolated(unsafe) static var world: (any SimulatedWorld)?

  /// Jobs run between two polls, so that jobs that make jobs cannot starve sockets and timers.
  static let maximumJobsPerTurn = 4096
  /// Rounds of "jobs, then end-of-turn closures" in one turn.
  static let maximumRoundsPerTurn = 64

  enum Work {
    case job(UnownedJob)
    /// A job of Swift's global pool: in a simulation only.
    case globalJob(UnownedJob)
    case closure(@EventLoopActor () -> Void)
  }

  let raw: UnsafeMutablePointer<uv_loop_t>
  private let wakeUp: Int32
  private let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
  private let check = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
  private let prepare = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
  private let idle = UnsafeMutablePointer<uv_idle_t>.allocate(capacity: 1)

  /// The loop's thread; zero until it runs. Written once, before any job runs.
  private let thread = Atomic<UInt>(0)
  private let started = Atomic<Bool>(false)
  private let wakeUpPending = Atomic<Bool>(false)
  private let foreign = Locked<[Work]>([])

  // Touched by the loop's thread only.
  private var local: [Work] = []
  private var localHead = 0
  private var endOfTurnClosures: [@EventLoopActor () -> Void] = []
  private var flushes: [@EventLoopActor () -> Void] = []
  /// An empty array with room, so that a turn allocates none.
  private var spare: [@EventLoopActor () -> Void] = []
  private var isSpinning = false
  private var exitCode: Int32?

  private init() {
    platform_ignore_signals_of_failed_writes()
    raw = .allocate(capacity: 1)
    precondition(uv_loop_init(raw) == 0, "the event loop cannot be created: out of memory or file descriptors")
    wakeUp = platform_eventfd()
    precondition(wakeUp >= 0, "no eventfd: out of file descriptors")
  }

  // MARK: - Time

  /// Nanoseconds of the monotonic clock, read now.
  public static var now: MonotonicTime {
    if let world { return EventLoopActor.assumeIsolated { world.now } }
    return MonotonicTime(nanoseconds: uv_hrtime())
  }

  /// Milliseconds since 1970 by this machine's clock. For logs and for the physical part of timestamps only.
  public static var wallClockMilliseconds: UInt64 {
    if let world { return EventLoopActor.assumeIsolated { world.wallClockMilliseconds } }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(0, time.tv_sec)) * 1000 + UInt64(max(0, time.tv_nsec)) / 1_000_000
  }

  // MARK: - Running

  /// Runs the loop on the calling thread (the main thread of a program) until `main` returns; answers its result, the
  /// exit code. Must come before the first use of `EventLoopActor`.
  public static func run(_ main: @escaping @EventLoopActor @Sendable () async -> Int32) -> Int32 {
    let loop = shared
    precondition(!loop.started.exchange(true, ordering: .sequentiallyConsistent), "the event loop runs already")
    loop.adoptCurrentThread()
    Task { @EventLoopActor in
      loop.exitCode = await main()
      uv_stop(loop.raw)
    }
    while loop.exitCode == nil { uv_run(loop.raw, UV_RUN_DEFAULT) }
    return loop.exitCode ?? 0
  }

  /// A task that never leaves the loop: also the continuations it waits for come back to it directly.
  @discardableResult
  public static func task(_ body: @escaping @EventLoopActor @Sendable () async -> Void) -> Task<Void, Never> {
    Task(executorPreference: shared) { await body() }
  }

  /// True on the loop's thread.
  public var isCurrentThread: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  private func startInBackgroundIfNeeded() {
    if started.load(ordering: .relaxed) { return }
    if started.exchange(true, ordering: .sequentiallyConsistent) { return }
    startThread(name: "event-loop", stackSizeBytes: 16 << 20) { [self] in
      adoptCurrentThread()
      while true { uv_run(raw, UV_RUN_DEFAULT) }
    }
  }

  private func adoptCurrentThread() {
    thread.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
    uv_poll_init(raw, poll, wakeUp)
    uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { _, _, _ in EventLoop.shared.takeForeignWork() }
    uv_check_init(raw, check)
    uv_check_start(check) { _ in EventLoop.shared.finishTurn() }
    uv_prepare_init(raw, prepare)
    uv_prepare_start(prepare) { _ in EventLoop.shared.finishTurn() }
    uv_idle_init(raw, idle)
  }

  func adoptThreadForSimulation() {
    precondition(!started.exchange(true, ordering: .sequentiallyConsistent), "the event loop runs already")
    thread.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
  }

  // MARK: - Work

  public func enqueue(_ job: consuming ExecutorJob) { submit(.job(UnownedJob(job))) }

  /// Runs `body` on the loop, from any thread, in the order of submission; on the loop's own thread in the same turn,
  /// but never before this function returns.
  public static func execute(_ body: @escaping @EventLoopActor @Sendable () -> Void) {
    shared.submit(.closure(world == nil ? body : bound(body)))
  }

  /// Runs `body` once when the current turn has no more jobs: the place to batch what the turn produced (one synced
  /// write, one message, one flush). May schedule jobs and further closures; they still belong to the turn.
  @EventLoopActor public static func endOfTurn(_ body: @escaping @EventLoopActor () -> Void) {
    shared.endOfTurnClosures.append(world == nil ? body : bound(body))
  }

  /// Runs `body` after all end-of-turn closures: socket flushes.
  @EventLoopActor static func flushAfterTurn(_ body: @escaping @EventLoopActor () -> Void) {
    shared.flushes.append(world == nil ? body : bound(body))
  }

  func submitGlobal(_ job: UnownedJob) { submit(.globalJob(job)) }

  private func submit(_ work: Work) {
    if isCurrentThread {
      local.append(work)
      return
    }
    precondition(Self.world == nil, "work of a simulation left its thread")
    foreign.withLock { $0.append(work) }
    if !wakeUpPending.exchange(true, ordering: .sequentiallyConsistent) { platform_eventfd_signal(wakeUp) }
    startInBackgroundIfNeeded()
  }

  private func takeForeignWork() {
    platform_eventfd_clear(wakeUp)
    wakeUpPending.store(false, ordering: .sequentiallyConsistent)
    foreign.withLock {
      local.append(contentsOf: $0)
      $0.removeAll(keepingCapacity: true)
    }
  }

  private func finishTurn() {
    if isLocalEmpty, endOfTurnClosures.isEmpty, flushes.isEmpty { return spin(false) }
    var budget = Self.maximumJobsPerTurn
    var rounds = 0
    repeat {
      runLocalWork(&budget)
      runEndOfTurnClosures()
      rounds += 1
    } while budget > 0 && rounds < Self.maximumRoundsPerTurn && !(isLocalEmpty && endOfTurnClosures.isEmpty)
    runFlushes()
    spin(!(isLocalEmpty && endOfTurnClosures.isEmpty && flushes.isEmpty))
  }

  /// One turn of a simulation. Time stands still meanwhile, so code that waits for it by spinning would never end: that
  /// is found by a bound.
  func runWholeTurn() {
    var rounds = 0
    while !(isLocalEmpty && endOfTurnClosures.isEmpty && flushes.isEmpty) {
      var budget = Self.maximumJobsPerTurn
      runLocalWork(&budget)
      if isLocalEmpty { runEndOfTurnClosures() }
      if isLocalEmpty, endOfTurnClosures.isEmpty { runFlushes() }
      rounds += 1
      precondition(rounds < 1_000_000, "a turn of the simulation does not end")
    }
  }

  private func runEndOfTurnClosures() {
    if endOfTurnClosures.isEmpty { return }
    var running = spare
    spare = []
    swap(&running, &endOfTurnClosures)
    run(&running)
  }

  private func runFlushes() {
    if flushes.isEmpty { return }
    var running = spare
    spare = []
    swap(&running, &flushes)
    run(&running)
  }

  /// What the closures add belongs to the next round.
  private func run(_ closures: inout [@EventLoopActor () -> Void]) {
    for closure in closures { EventLoopActor.assumeIsolated { closure() } }
    closures.removeAll(keepingCapacity: true)
    swap(&spare, &closures)
  }

  private var isLocalEmpty: Bool { localHead == local.count }

  private func runLocalWork(_ budget: inout Int) {
    let executor = asUnownedSerialExecutor()
    while localHead < local.count, budget > 0 {
      let work = local[localHead]
      localHead += 1
      budget -= 1
      switch work {
      case .job(let job): job.runSynchronously(on: executor)
      case .globalJob(let job): job.runSynchronously(on: Self.noActor)
      case .closure(let body): EventLoopActor.assumeIsolated { body() }
      }
    }
    if isLocalEmpty {
      local.removeAll(keepingCapacity: local.count <= Self.maximumJobsPerTurn)
      localHead = 0
    } else if localHead > Self.maximumJobsPerTurn {
      local.removeFirst(localHead)
      localHead = 0
    }
  }

  /// While work is left over, the poll must not block.
  private func spin(_ wanted: Bool) {
    if wanted == isSpinning { return }
    isSpinning = wanted
    if wanted { uv_idle_start(idle) { _ in } } else { uv_idle_stop(idle) }
  }

  /// The executor of code that belongs to no actor.
  private static let noActor = unsafeBitCast((0, 0), to: UnownedSerialExecutor.self)

  // MARK: - SerialExecutor

  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
  public func checkIsolated() { precondition(isCurrentThread, "not on the event loop's thread") }
  public func isIsolatingCurrentContext() -> Bool? { isCurrentThread }
}
