import CPlatform
import Glibc

/// Starts a detached thread. Traps when the system refuses one: the process cannot do its work then.
func startThread(name: String, stackSizeBytes: Int, _ body: @escaping @Sendable () -> Void) {
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  defer { pthread_attr_destroy(&attributes) }
  pthread_attr_setstacksize(&attributes, max(stackSizeBytes, 64 << 10))
  pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  let box = Unmanaged.passRetained(ThreadBody(name: name, body: body))
  var thread = pthread_t()
  let code = pthread_create(
    &thread, &attributes,
    { argument in
      guard let argument else { return nil }
      let box = Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue()
      platform_name_thread(box.name)
      box.body()
      return nil
    }, box.toOpaque())
  precondition(code == 0, "no thread for \(name): error \(code)")
}

private final class ThreadBody: Sendable {
  let name: String
  let body: @Sendable () -> Void
  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}

/// A thread of its own for work that blocks (synced writes, parsing, compaction): the loop never waits for it.
/// Work runs in the order of submission. The thread ends when the last reference is gone and its queue is empty.
public final class WorkerThread: Sendable {
  private let queue: WorkQueue

  public init(name: String, stackSizeBytes: Int = 8 << 20) {
    let queue = WorkQueue()
    self.queue = queue
    startThread(name: name, stackSizeBytes: stackSizeBytes) { queue.work() }
  }

  deinit { queue.close() }

  /// Runs `body` on the thread and suspends the caller meanwhile.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () -> Result
  ) async -> Result {
    await withUnsafeContinuation { continuation in queue.add { continuation.resume(returning: body()) } }
  }

  /// Runs `body` on the thread and suspends the caller meanwhile; throws what `body` throws.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withUnsafeThrowingContinuation { continuation in
      queue.add { continuation.resume(with: Swift.Result { try body() }) }
    }
  }

  /// Runs `body` on the thread, then `completion` on the loop: the cheap form for hot paths.
  public func run<Result: Sendable>(
    _ body: @escaping @Sendable () -> Result, completion: @escaping @EventLoopActor @Sendable (Result) -> Void
  ) {
    queue.add {
      let result = body()
      EventLoop.execute { completion(result) }
    }
  }

  /// Runs `body` on the thread; nobody waits.
  public func submit(_ body: @escaping @Sendable () -> Void) { queue.add(body) }
}

/// Several threads that share one queue, for blocking work without order.
public final class BlockingPool: Sendable {
  private let queue: WorkQueue

  public init(name: String, threads: Int, stackSizeBytes: Int = 8 << 20) {
    let queue = WorkQueue()
    self.queue = queue
    for index in 0..<max(1, threads) {
      startThread(name: "\(name)-\(index)", stackSizeBytes: stackSizeBytes) { queue.work() }
    }
  }

  deinit { queue.close() }

  /// Runs `body` on one of the threads and suspends the caller meanwhile.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () -> Result
  ) async -> Result {
    await withUnsafeContinuation { continuation in queue.add { continuation.resume(returning: body()) } }
  }

  /// Runs `body` on one of the threads and suspends the caller meanwhile; throws what `body` throws.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withUnsafeThrowingContinuation { continuation in
      queue.add { continuation.resume(with: Swift.Result { try body() }) }
    }
  }

  /// Runs `body` on one of the threads, then `completion` on the loop.
  public func run<Result: Sendable>(
    _ body: @escaping @Sendable () -> Result, completion: @escaping @EventLoopActor @Sendable (Result) -> Void
  ) {
    queue.add {
      let result = body()
      EventLoop.execute { completion(result) }
    }
  }
}

/// Closures that threads wait for. Unbounded on purpose: its producers are bounded by their own limits.
private final class WorkQueue: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var items: [@Sendable () -> Void] = []
  private var head = 0
  private var waiting = 0
  private var isClosed = false

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(filled, nil)
  }

  deinit {
    pthread_cond_destroy(filled)
    pthread_mutex_destroy(mutex)
    filled.deallocate()
    mutex.deallocate()
  }

  func add(_ item: @escaping @Sendable () -> Void) {
    pthread_mutex_lock(mutex)
    items.append(item)
    let wake = waiting > 0
    pthread_mutex_unlock(mutex)
    if wake { pthread_cond_signal(filled) }
  }

  func close() {
    pthread_mutex_lock(mutex)
    isClosed = true
    pthread_mutex_unlock(mutex)
    pthread_cond_broadcast(filled)
  }

  func work() {
    while let item = next() { item() }
  }

  private func next() -> (@Sendable () -> Void)? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while head == items.count {
      if isClosed { return nil }
      waiting += 1
      pthread_cond_wait(filled, mutex)
      waiting -= 1
    }
    let item = items[head]
    head += 1
    if head == items.count {
      items.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 1024 {
      items.removeFirst(head)
      head = 0
    }
    return item
  }
}
