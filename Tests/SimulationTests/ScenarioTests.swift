import ChildProgram
import Glibc
import Testing

/// Each scenario (`Tests/Support/SimulationScenarios`) runs in a process of its own: a process has one world only.
struct ScenarioTests {
  @Test(arguments: [
    "echo", "partition", "one-way-cut", "kill", "power-loss", "pause", "clocks", "workers", "large-stream", "resets",
  ])
  func holdsForSeveralSeeds(_ name: String) throws {
    for seed in 1...5 { try run(name, seed) }
  }

  @Test(arguments: ["echo", "partition", "resets", "large-stream"])
  func theSeedDecidesEverything(_ name: String) throws {
    let one = try run(name, 7)
    #expect(try run(name, 7) == one)
    #expect(try run(name, 8) != one)
  }

  /// What the scenario printed, the trace's hash included.
  @discardableResult
  private func run(_ name: String, _ seed: Int) throws -> String {
    let output = try #require(Child.run("simulation-scenarios", [name, String(seed)]))
    #expect(output.exitCode == 0, "\(name), seed \(seed): \(output.text)")
    return output.text
  }
}
