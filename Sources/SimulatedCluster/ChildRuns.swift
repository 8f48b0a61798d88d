import Glibc

/// A run for each of many seeds, each in a child process of this program: a process has one world only, and a crash
/// then costs one seed.
struct ChildRuns {
  let seeds: ClosedRange<UInt64>
  let jobs: Int
  let twice: Bool
  /// Given to every child.
  let flags: [String]
  /// What is done about a seed that failed, beyond printing it.
  var onFailure: (UInt64, ChildProcess.Ending) -> Void = { _, _ in }

  private struct Pending {
    let seed: UInt64
    /// The first of two runs of its seed.
    let isFirst: Bool
  }

  func run() -> Int32 {
    var running: [pid_t: ChildProcess] = [:]
    var pending: [pid_t: Pending] = [:]
    var traces: [UInt64: String] = [:]
    var next: UInt64? = seeds.lowerBound
    var again: [UInt64] = []
    var failed: [(UInt64, ChildProcess.Ending)] = []
    var failedCount = 0
    var probes = ProbeSum()
    let start = Self.seconds()
    while true {
      while running.count < jobs, !again.isEmpty || next != nil {
        let isFirst = again.isEmpty
        guard let seed = again.popLast() ?? next else { break }
        if isFirst { next = seed == seeds.upperBound ? nil : seed + 1 }
        guard let child = ChildProcess(["--seed", String(seed)] + flags) else {
          Console.print("cannot start a process for seed \(seed)")
          return 1
        }
        running[child.process] = child
        pending[child.process] = Pending(seed: seed, isFirst: isFirst)
      }
      guard let (child, ending) = ChildProcess.next(of: &running) else { break }
      guard let run = pending.removeValue(forKey: child.process) else { continue }
      let trace = String(ending.lines.last ?? "")
      probes.add(ending)
      if !ending.isGood {
        failedCount += 1
        Console.print("seed \(run.seed) FAILED (\(ending.description))")
        for finding in ending.said("finding") { Console.print("  \(finding)") }
        failed.append((run.seed, ending))
      } else if twice, run.isFirst {
        traces[run.seed] = trace
        again.append(run.seed)
      } else if let other = traces.removeValue(forKey: run.seed), other != trace {
        failedCount += 1
        Console.print("seed \(run.seed) FAILED: two runs differ:\n\(other)\n\(trace)")
      }
    }
    let count = Int(seeds.upperBound - seeds.lowerBound) + 1
    let elapsed = max(0.001, Self.seconds() - start)
    for (seed, ending) in failed.prefix(Self.explainedFailures) {
      Console.print("seed \(seed):\n\(ending.text)")
      onFailure(seed, ending)
    }
    let missing = probes.report(seeds: count)
    Console.print("\(Int(Double(count) / elapsed * 60)) seeds a minute")
    Console.print("\(count - failedCount) passed, \(failedCount + missing) failed")
    return failedCount + missing == 0 ? 0 : 1
  }

  /// How many failed seeds are printed whole and shrunk.
  private static let explainedFailures = 5

  static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
