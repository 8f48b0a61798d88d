import Glibc
import Verification

/// What is told of a seed of the mixed run that failed: the build, the smallest schedule that still fails, how to replay.
struct FailureReport {
  let seconds: Int
  let flags: [String]
  /// Runs that shrinking a schedule may take.
  static let shrinkingAttempts = 24

  func explain(_ seed: UInt64, _ ending: ChildProcess.Ending) {
    let options = MixedRun.Options(seed: seed, seconds: seconds)
    let checkers = Self.checkers(ending)
    var left = Self.shrinkingAttempts
    let schedule = Self.shrink(MixedRun.schedule(options)) { smaller in
      left -= 1
      guard left >= 0, let path = Self.write(smaller, seed) else { return false }
      defer { unlink(path) }
      guard let child = ChildProcess(["--seed", String(seed)] + flags + ["--schedule", path]) else { return false }
      let ending = child.wait()
      return !ending.isGood && !Self.checkers(ending).isDisjoint(with: checkers)
    }
    let name = "seed-\(seed).schedule"
    Console.print("seed \(seed), commit \(Build.commit): the smallest schedule that still fails (\(name)):")
    Console.print(schedule.lines.isEmpty ? "# no fault is needed" : schedule.description)
    Console.print("replay: theseus-simulation --seed \(seed) \(flags.joined(separator: " ")) --schedule \(name)")
  }

  /// Who found something; how a crash ended.
  private static func checkers(_ ending: ChildProcess.Ending) -> Set<String> {
    let found = ending.said("finding").map { String($0.prefix { $0 != ":" }) }
    return found.isEmpty ? [ending.description] : Set(found)
  }

  private static func write(_ schedule: Schedule, _ seed: UInt64) -> String? {
    let path = "/tmp/theseus-\(getpid())-\(seed).schedule"
    guard let file = fopen(path, "w") else { return nil }
    fputs(schedule.description + "\n", file)
    return fclose(file) == 0 ? path : nil
  }

  private static func shrink(_ schedule: Schedule, _ stillFails: (Schedule) -> Bool) -> Schedule {
    schedule.shrunk(attempts: shrinkingAttempts, stillFails)
  }
}

/// Which build this is.
enum Build {
  /// From the environment (`THESEUS_COMMIT`), or what git says of the working directory.
  static let commit: String = {
    if let given = getenv("THESEUS_COMMIT") { return String(cString: given) }
    guard let pipe = popen("git describe --always --dirty 2>/dev/null", "r") else { return "unknown" }
    defer { pclose(pipe) }
    var bytes = [CChar](repeating: 0, count: 128)
    guard fgets(&bytes, 128, pipe) != nil else { return "unknown" }
    return String(decoding: bytes.prefix { $0 > 32 }.map { UInt8($0) }, as: UTF8.self)
  }()

  static func read(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
