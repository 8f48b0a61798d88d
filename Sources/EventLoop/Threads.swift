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
    queue = WorkQueue(threads: 1, stackSizeBytes: stackSizeBytes, name: name)
  }

  deinit { queue.close() }

  /// Runs `body` on the thread and suspends the caller meanwhile.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () -> Result
  ) async -> Result {
    await withUnsafeContinuation { continuation in queue.add(body) { continuation.resume(returning: $0) } }
  }

  /// Runs `body` on the thread and suspends the caller meanwhile; throws what `body` throws.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withUnsafeThrowingContinuation { continuation in
      queue.add({ Swift.Result { try body() } }, completion: { continuation.resume(with: $0) })
    }
  }

  /// Runs `body` on the thread, then `completion` on the loop: the cheap form for hot paths.
  public func run<Result: Sendable>(
    _ body: @escaping @Sendable () -> Result, completion: @escaping @EventLoopActor @Sendable (Result) -> Void
  ) {
    queue.add(body) { result in EventLoop.execute { completion(result) } }
  }

  /// Runs `body` on the thread; nobody waits.
  public func submit(_ body: @escaping @Sendable () -> Void) { queue.add(body) { _ in } }
}

/// Several threads that share one queue, for blocking work without order.
public final class BlockingPool: Sendable {
  private let queue: WorkQueue

  public init(name: String, threads: Int, stackSizeBytes: Int = 8 << 20) {
    queue = WorkQueue(threads: max(1, threads), stackSizeBytes: stackSizeBytes, name: name)
  }

  deinit { queue.close() }

  /// Runs `body` on one of the threads and suspends the caller meanwhile.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () -> Result
  ) async -> Result {
    await withUnsafeContinuation { continuation in queue.add(body) { continuation.resume(returning: $0) } }
  }

  /// Runs `body` on one of the threads and suspends the caller meanwhile; throws what `body` throws.
  public func run<Result: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withUnsafeThrowingContinuation { continuation in
      queue.add({ Swift.Result { try body() } }, completion: { continuation.resume(with: $0) })
    }
  }

  /// Runs `body` on one of the threads, then `completion` on the loop.
  public func run<Result: Sendable>(
    _ body: @escaping @Sendable () -> Result, completion: @escaping @EventLoopActor @Sendable (Result) -> Void
  ) {
    queue.add(body) { result in EventLoop.execute { completion(result) } }
  }
}
