import ChildProgram
import Testing

/// Whole clusters in one process, by the program `theseus-simulation`.
struct ClusterTests {
  @Test func aClusterBootsAndAnswersAndTheSeedDecidesEverything() throws {
    let run = try #require(
      Child.run("theseus-simulation", ["--seeds", "1..3", "--twice", "--jobs", "2", "--seconds", "5"]))
    #expect(run.exitCode == 0, "\(run.text)")
    #expect(run.text.hasSuffix("3 passed, 0 failed\n"), "\(run.text)")
  }

  @Test func wrongFlagsAreRefused() throws {
    #expect(try #require(Child.run("theseus-simulation", ["--seeds", "3..1"])).exitCode == 2)
    #expect(try #require(Child.run("theseus-simulation", ["--jobs"])).exitCode == 2)
    #expect(try #require(Child.run("theseus-simulation", [])).exitCode == 2)
  }
}
