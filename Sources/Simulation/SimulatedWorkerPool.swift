import Basics
import EventLoop

/// Worker threads: bodies run on the loop, one after another for each thread, and their completions come as much later
/// as they would have blocked.
final class SimulatedWorkerPool: SimulatedWorkers, @unchecked Sendable {
  private struct Item {
    let body: @Sendable () -> Void
    let completion: @Sendable () -> Void
  }

  private unowned let world: Simulation
  private let process: SimulatedProcess?
  private let threads: Int
  private var running = 0
  private var waiting: [Item] = []

  init(world: Simulation, process: SimulatedProcess?, threads: Int) {
    self.world = world
    self.process = process
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
    let wakeUp = UInt64.random(in: 5_000...30_000, using: &world.networkRandom)
    world.schedule(.work, for: process, after: wakeUp) { [self] in
      world.blockedNanoseconds = 0
      item.body()
      let blocked = world.blockedNanoseconds ?? 0
      world.blockedNanoseconds = nil
      let wakeUp = UInt64.random(in: 5_000...30_000, using: &world.networkRandom)
      world.schedule(.completion, for: process, after: blocked + wakeUp) { [self] in
        running -= 1
        item.completion()
        startNext()
      }
    }
  }
}

extension Simulation {
  public func makeWorkers(threads: Int) -> any SimulatedWorkers {
    SimulatedWorkerPool(world: self, process: SimulatedProcess.current, threads: threads)
  }

  public func block(for duration: Duration) {
    if let blocked = blockedNanoseconds {
      blockedNanoseconds = blocked + duration.wholeNanoseconds
    } else {
      currentHost?.block(for: duration.wholeNanoseconds)
    }
  }
}
