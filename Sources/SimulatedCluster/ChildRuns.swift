import Glibc

/// A run for each of many seeds, each in a child process of this program: a process has one world only, and a crash
/// then costs one seed.
struct ChildRuns {
  private struct Child {
    let seed: UInt64
    /// Where its output goes: a file without a name.
    let output: Int32
    /// The first of two runs of its seed.
    let isFirst: Bool
  }

  let seeds: ClosedRange<UInt64>
  let jobs: Int
  let twice: Bool
  /// Given to every child.
  let flags: [String]

  private static let outputLimitBytes = 64 << 10

  func run() -> Int32 {
    var running: [pid_t: Child] = [:]
    var traces: [UInt64: String] = [:]
    var next: UInt64? = seeds.lowerBound
    var again: [UInt64] = []
    var failed = 0
    let start = seconds()
    while true {
      while running.count < jobs, !again.isEmpty || next != nil {
        let isFirst = again.isEmpty
        guard let seed = again.popLast() ?? next else { break }
        if isFirst { next = seed == seeds.upperBound ? nil : seed + 1 }
        guard let (process, output) = spawn(seed) else {
          Console.print("cannot start a process for seed \(seed)")
          return 1
        }
        running[process] = Child(seed: seed, output: output, isFirst: isFirst)
      }
      if running.isEmpty { break }
      var status: Int32 = 0
      let process = waitpid(-1, &status, 0)
      if process < 0, errno == EINTR { continue }
      guard let child = running.removeValue(forKey: process) else { continue }
      let text = contents(of: child.output)
      close(child.output)
      let trace = String(text.split(separator: "\n").last ?? "")
      if status != 0 {
        failed += 1
        Console.print("seed \(child.seed) FAILED (\(Self.describe(status))):\n\(text)")
      } else if twice, child.isFirst {
        traces[child.seed] = trace
        again.append(child.seed)
      } else if let other = traces.removeValue(forKey: child.seed), other != trace {
        failed += 1
        Console.print("seed \(child.seed) FAILED: two runs differ:\n\(other)\n\(trace)")
      }
    }
    let count = Int(seeds.upperBound - seeds.lowerBound) + 1
    let elapsed = max(0.001, seconds() - start)
    Console.print("\(Int(Double(count) / elapsed * 60)) seeds a minute")
    Console.print("\(count - failed) passed, \(failed) failed")
    return failed == 0 ? 0 : 1
  }

  private func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func describe(_ status: Int32) -> String {
    status & 0x7f == 0 ? "exit code \((status >> 8) & 0xff)" : "signal \(status & 0x7f)"
  }

  private func spawn(_ seed: UInt64) -> (pid_t, Int32)? {
    guard let file = tmpfile() else { return nil }
    // The stream is closed with its descriptor; a copy stays.
    let output = dup(fileno(file))
    fclose(file)
    guard output >= 0 else { return nil }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
    let arguments: [String] = ["theseus-simulation", "--seed", String(seed)] + flags
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    defer { for word in words { free(word) } }
    words.append(nil)
    var process = pid_t()
    guard posix_spawn(&process, "/proc/self/exe", &actions, nil, words, environ) == 0 else {
      close(output)
      return nil
    }
    return (process, output)
  }

  /// The end of what a child printed.
  private func contents(of descriptor: Int32) -> String {
    let size = lseek(descriptor, 0, SEEK_END)
    lseek(descriptor, max(0, size - Self.outputLimitBytes), SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: Self.outputLimitBytes)
    let count = read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }
}
