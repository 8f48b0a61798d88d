/// Runs tasks on one thread in simulated time: jobs in the order they come, then the earliest sleeper.
///
/// Used by one thread at a time, the one that calls `run`.
final class VirtualTime: TaskExecutor, @unchecked Sendable {
  private(set) var now: UInt64 = 1_000_000_000
  private var jobs: [UnownedJob] = []
  private var head = 0
  private var sleepers: [(due: UInt64, number: UInt64, continuation: UnsafeContinuation<Void, Never>)] = []
  private var counter: UInt64 = 0

  func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

  func sleep(nanoseconds: UInt64) async {
    await withUnsafeContinuation { continuation in
      counter += 1
      sleepers.append((now + nanoseconds, counter, continuation))
    }
  }

  /// Runs `body` to its end; traps when everybody waits for something that never comes.
  func run<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) -> Result {
    let box = Box<Result>()
    Task(executorPreference: self) { box.value = await body() }
    while true {
      while head < jobs.count {
        let job = jobs[head]
        head += 1
        job.runSynchronously(on: asUnownedTaskExecutor())
      }
      jobs.removeAll(keepingCapacity: true)
      head = 0
      if let value = box.value { return value }
      guard let next = sleepers.indices.min(by: { due($0) < due($1) }) else {
        fatalError("everybody waits, nobody sleeps")
      }
      let sleeper = sleepers.remove(at: next)
      now = max(now, sleeper.due)
      sleeper.continuation.resume()
    }
  }

  private func due(_ position: Int) -> (UInt64, UInt64) { (sleepers[position].due, sleepers[position].number) }

  private final class Box<Value>: @unchecked Sendable {
    var value: Value?
  }
}
