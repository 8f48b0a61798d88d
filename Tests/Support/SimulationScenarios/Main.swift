import EventLoop
import Glibc
import Simulation

/// `simulation-scenarios NAME SEED` runs one scenario in a world of its own and prints what it saw, then the hash of the
/// trace. The tests run it as a child, since a process has one world only.
@main struct Main {
  static func main() {
    Simulation.makeProcessDeterministic()
    let arguments = CommandLine.arguments.dropFirst()
    guard let scenario = arguments.first.flatMap({ scenarios[$0] }), let seed = arguments.last.flatMap({ UInt64($0) })
    else {
      print("usage: simulation-scenarios NAME SEED, where NAME is one of \(scenarios.keys.sorted())")
      exit(2)
    }
    do {
      let hash = try Simulation.run(SimulationOptions(seed: seed), limit: .seconds(3600)) { world in
        try await scenario(world)
        return world.trace
      }
      print("trace \(hash)")
    } catch {
      print("failed: \(error)")
      exit(1)
    }
  }
}

typealias Scenario = @EventLoopActor @Sendable (Simulation) async throws -> Void

let scenarios: [String: Scenario] = [
  "echo": echo, "partition": partition, "one-way-cut": oneWayCut, "kill": kill, "power-loss": powerLoss,
  "pause": pause, "clocks": clocks, "workers": workers, "large-stream": largeStream, "resets": resets,
]

/// A line of what a scenario saw, with the world's time in milliseconds.
@EventLoopActor func report(_ world: Simulation, _ text: String) {
  print("\(world.clock / 1_000_000) ms: \(text)")
}

struct Failure: Error, CustomStringConvertible {
  let description: String
}

func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
  if !condition { throw Failure(description: sentence()) }
}
