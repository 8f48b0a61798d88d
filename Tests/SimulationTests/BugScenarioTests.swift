import ChildProgram
import Foundation
import Testing

/// Bugs that the mixed run has found: each is a seed and a schedule that showed it once.
struct BugScenarioTests {
  static let files: [String] = {
    let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.filter { $0.hasSuffix(".schedule") }.sorted().map { "\(directory)/\($0)" }
  }()

  @Test func thereAreScenarios() { #expect(!Self.files.isEmpty) }

  @Test(arguments: files) func staysFixed(_ file: String) throws {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let words = try #require(text.split(separator: "\n").first { $0.hasPrefix("# seed ") }).split(separator: " ")
    try #require(words.count == 5 && words[3] == "seconds")
    let run = try #require(
      Child.run(
        "theseus-simulation", ["--seed", String(words[2]), "--seconds", String(words[4]), "--schedule", file]))
    #expect(run.exitCode == 0, "\(run.text)")
  }
}
