import Glibc

/// Closures that threads wait for. Unbounded on purpose: its producers are bounded by their own limits.
final class WorkQueue: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var items: [@Sendable () -> Void] = []
  private var head = 0
  private var waiting = 0
  private var isClosed = false
  /// In a simulation, in the place of the threads.
  private let simulated: (any SimulatedWorkers)?

  init(threads: Int, stackSizeBytes: Int, name: String) {
    simulated =
      EventLoop.world == nil
      ? nil : EventLoopActor.assumeIsolated { EventLoop.world?.makeWorkers(name: name, threads: threads) }
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(filled, nil)
    if simulated != nil { return }
    for index in 0..<threads {
      startThread(name: threads == 1 ? name : "\(name)-\(index)", stackSizeBytes: stackSizeBytes) { [self] in work() }
    }
  }

  deinit {
    pthread_cond_destroy(filled)
    pthread_mutex_destroy(mutex)
    filled.deallocate()
    mutex.deallocate()
  }

  /// `body` on one of the threads, then, on the same, `completion`.
  func add<Result>(
    _ body: @escaping @Sendable () -> Result, completion: @escaping @Sendable (Result) -> Void
  ) {
    guard let simulated else { return add { completion(body()) } }
    let result = Locked<Result?>(nil)
    EventLoopActor.assumeIsolated {
      simulated.perform {
        let value = body()
        result.withLock { $0 = value }
      } completion: {
        if let value = result.withLock({ $0.take() }) { completion(value) }
      }
    }
  }

  private func add(_ item: @escaping @Sendable () -> Void) {
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

  private func work() {
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
