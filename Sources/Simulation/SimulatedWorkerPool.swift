import Basics
import EventLoop

/// Worker threads: bodies run on the loop, one after another for each thread, at the end of the time they take; what
/// they block for (`EventLoop.simulateBlocking`) comes between them and their completions.
final class SimulatedWorkerPool: SimulatedWorkers, @unchecked Sendable {
  private struct Item {
    let body: @Sendable () -> Void
    let completion: @Sendable () -> Void
  }

  private unowned let world: Simulation
  private let process: SimulatedProcess?
  private let name: String
  private let threads: Int
  private var running = 0
  private var waiting: [Item] = []

  init(world: Simulation, process: SimulatedProcess?, name: String, threads: Int) {
    self.world = world
    self.process = process
    self.name = name
    self.threads = threads
  }

  @EventLoopActor func perform(_ body: @escaping @Sendable () -> Void, completion: @escaping @Sendable () -> Void) {
    waiting.append(Item(body: body, completion: completion))
    startNext()
  }

  @EventLoopActor private func startNext() {
    guard running < threads, !waiting.isEmpty else { return }
    running += 1
    let item = waiting.removeFirst()
    world.schedule(.work, for: process, after: wakeUp() + world.workTime(process, name)) { [self] in
      world.blockedNanoseconds = 0
      item.body()
      let blocked = world.blockedNanoseconds ?? 0
      world.blockedNanoseconds = nil
      world.schedule(.completion, for: process, after: blocked + wakeUp()) { [self] in
        running -= 1
        item.completion()
        startNext()
      }
    }
  }

  /// What it takes until another thread runs.
  @EventLoopActor private func wakeUp() -> UInt64 {
    UInt64.random(in: 5_000...30_000, using: &world.networkRandom)
  }
}

extension Simulation {
  public func makeWorkers(name: String, threads: Int) -> any SimulatedWorkers {
    SimulatedWorkerPool(world: self, process: SimulatedProcess.current, name: name, threads: threads)
  }

  /// Nanoseconds that a body takes on the named worker threads.
  func workTime(_ process: SimulatedProcess?, _ name: String) -> UInt64 {
    guard let process else { return 0 }
    return workTimeNanoseconds?(host(process), name) ?? 0
  }

  public func block(for duration: Duration) {
    if let blocked = blockedNanoseconds {
      blockedNanoseconds = blocked + duration.wholeNanoseconds
    } else {
      currentHost?.block(for: duration.wholeNanoseconds)
    }
  }
}
