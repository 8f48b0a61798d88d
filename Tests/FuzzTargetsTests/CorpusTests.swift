import ChildProgram
import FuzzTargets
import Glibc
import Testing

/// Every input of the corpus (`Tests/Fuzzing/Corpus`) through its target, without instrumentation: what was found once stays
/// fixed. Each target in a process of its own, because a finding ends the process.
struct CorpusTests {
  static let corpus: String = {
    let folders = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return "/\(folders)/Fuzzing/Corpus"
  }()

  @Test(arguments: FuzzTarget.all.map(\.name))
  func holds(_ target: String) throws {
    let run = try #require(Child.run("theseus-fuzz", [target, "\(Self.corpus)/\(target)"]))
    #expect(run.exitCode == 0, "\(run.text.split(separator: "\n").last ?? "")")
    let count = try #require(run.text.split(separator: "\n").last?.split(separator: " ").first.flatMap { Int($0) })
    #expect(count > 0, "\(target) has a corpus")
  }

  /// What a target with a planted mistake trips over ends the process.
  @Test(arguments: FuzzTarget.planted.map(\.name))
  func canFail(_ target: String) throws {
    // A crash that is wanted needs no backtrace, which takes long and holds the pipes of other children meanwhile.
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
    let run = try #require(Child.run("theseus-fuzz", [target, "\(Self.corpus)/\(target)"]))
    #expect(run.exitCode != 0)
  }

  @Test func namesAreUnique() {
    let names = (FuzzTarget.all + FuzzTarget.planted).map(\.name)
    #expect(Set(names).count == names.count)
  }
}
