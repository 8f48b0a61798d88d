import Glibc
import Simulation
import SimulatedCluster

@main struct Main {
  static func main() {
    Simulation.makeProcessDeterministic()
    var options = SimulationOptions(seed: CommandLine.arguments.last.flatMap { UInt64($0) } ?? 1)
    if CommandLine.arguments.contains("--log") { options.log = { print($0) } }
    do {
      let trace = try Simulation.run(options, limit: .seconds(600)) { world in
        try await SmokeRun.run(world) { print("\(world.clock / 1_000_000) ms: \($0)") }
        print("\(world.eventCount) events")
        return world.trace
      }
      print("trace \(trace)")
    } catch {
      print("failed: \(error)")
      exit(1)
    }
  }
}
