import EventLoop

/// How often the children of a run reached each of the rare situations.
struct ProbeSum {
  private var counts: [String: UInt64] = [:]

  /// A run of fewer seeds need not reach them all.
  static let seedsForAll = 300

  mutating func add(_ ending: ChildProcess.Ending) {
    for line in ending.said("probe") {
      guard let space = line.firstIndex(of: " "), let count = UInt64(line[..<space]) else { continue }
      counts[String(line[line.index(after: space)...]), default: 0] += count
    }
  }

  /// Prints them; answers how many are missing in a run of that many seeds.
  func report(seeds: Int) -> Int {
    if counts.isEmpty { return 0 }
    var missing = 0
    for probe in Probe.allCases {
      let count = counts[probe.rawValue] ?? 0
      Console.print("probe: \(count) \(probe.rawValue)")
      if count == 0, seeds >= Self.seedsForAll {
        missing += 1
        Console.print("FAILED: never reached: \(probe.rawValue)")
      }
    }
    return missing
  }
}
