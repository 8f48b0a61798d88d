import Basics

/// The proof that the checks can fail: mistakes are built in, one after another, and each must be found.
struct PlantedRuns {
  let faults: [PlantedFault]
  let firstSeed: UInt64
  let seedsPerFault: Int
  let jobs: Int
  let flags: [String]

  /// Found by nothing, as it breaks nothing: writers that read before they write need no delete-only state (SchemaChange's
  /// page "Model").
  static let harmless: Set<PlantedFault> = [.deleteOnlyIgnored]

  private struct Row {
    let fault: PlantedFault
    var seeds = 0
    var checkers: Set<String> = []
  }

  func run() -> Int32 {
    var failed = 0
    var rows: [Row] = []
    for fault in faults {
      let row = search(fault)
      let isHarmless = Self.harmless.contains(fault)
      if row.checkers.isEmpty != isHarmless { failed += 1 }
      rows.append(row)
      Console.print(describe(row))
    }
    Console.print("\(faults.count - failed) passed, \(failed) failed")
    return failed == 0 ? 0 : 1
  }

  private func describe(_ row: Row) -> String {
    let name = row.fault.rawValue
    let padding = String(repeating: " ", count: max(1, 32 - name.count))
    let isHarmless = Self.harmless.contains(row.fault)
    if row.checkers.isEmpty {
      return "\(name)\(padding)\(isHarmless ? "harmless, as it should be" : "NOT FOUND") in \(row.seeds) seeds"
    }
    let found = row.checkers.sorted().joined(separator: ", ")
    return "\(name)\(padding)\(isHarmless ? "NOT HARMLESS: " : "")\(row.seeds) seeds: \(found)"
  }

  /// Seeds in order until one fails.
  private func search(_ fault: PlantedFault) -> Row {
    var row = Row(fault: fault)
    var next = firstSeed
    let end = firstSeed + UInt64(seedsPerFault)
    while next < end {
      let count = min(UInt64(jobs), end - next)
      let children = (next..<next + count).compactMap { seed in
        ChildProcess(["--seed", String(seed), "--plant", fault.rawValue] + flags)
      }
      next += count
      for child in children {
        let ending = child.wait()
        if !row.checkers.isEmpty { continue }
        row.seeds += 1
        guard !ending.isGood else { continue }
        let found = ending.said("finding").map { String($0.prefix { $0 != ":" }) }
        row.checkers = found.isEmpty ? [ending.description] : Set(found)
      }
      if !row.checkers.isEmpty { break }
    }
    return row
  }
}
