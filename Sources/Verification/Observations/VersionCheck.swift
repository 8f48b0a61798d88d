/// Who may commit (DESIGN 2.3): nobody below a floor in force; after an element's step, or the start of a backfill, nobody
/// older than the version before it; and nobody with a version that is not in force yet.
///
/// The second and third follow from what entries do, whatever floor they claim, so a floor that was not raised is found too.
struct VersionCheck {
  static let name = "versions"

  private struct Commit {
    var version: UInt64
    var timestamp: UInt64
    var entry: ObservationLog.Entry
  }

  func findings(_ log: ObservationLog) -> [Finding] {
    var commits: [UInt64: [Commit]] = [:]
    for entry in log.entries {
      guard case .committed(_, let table, let version, let timestamp) = entry.observation else { continue }
      commits[table, default: []].append(Commit(version: version, timestamp: timestamp, entry: entry))
    }
    var changes: [UInt64: [(change: SchemaLog.Change, entry: ObservationLog.Entry)]] = [:]
    for pair in SchemaLog(log).changes { changes[pair.change.table, default: []].append(pair) }
    return commits.keys.sorted().flatMap { table in
      findings(table, commits[table] ?? [], changes[table] ?? [])
    }
  }

  private func findings(
    _ table: UInt64, _ commits: [Commit], _ changes: [(change: SchemaLog.Change, entry: ObservationLog.Entry)]
  ) -> [Finding] {
    var findings: [Finding] = []
    var inForce = 0
    /// The oldest version that may commit, as floors say and as the kinds of the entries say, with the entry to blame.
    var floor: (version: UInt64, entry: ObservationLog.Entry)?
    var needed: (version: UInt64, entry: ObservationLog.Entry)?
    for commit in commits.sorted(by: { ($0.timestamp, $0.version) < ($1.timestamp, $1.version) }) {
      while inForce < changes.count, changes[inForce].change.timestamp < commit.timestamp {
        let (change, entry) = changes[inForce]
        if change.floor > (floor?.version ?? 0) { floor = (change.floor, entry) }
        let oldest: UInt64 =
          switch change.kind {
          case .compatible: 0
          case .transition, .backfillStart: change.from
          }
        if oldest > (needed?.version ?? 0) { needed = (oldest, entry) }
        inForce += 1
      }
      func add(_ sentence: String, _ entry: ObservationLog.Entry?) {
        findings.append(
          Finding(Self.name, sentence, operations: (entry.map { [$0.description] } ?? []) + [commit.entry.description]))
      }
      if let floor, commit.version < floor.version {
        add("table \(table): a commit with version \(commit.version) below the floor \(floor.version)", floor.entry)
      }
      if let needed, commit.version < needed.version {
        add(
          "table \(table): a commit with version \(commit.version) is too far from a step after which only "
            + "\(needed.version) and newer may commit", needed.entry)
      }
      if inForce > 0, commit.version > changes[inForce - 1].change.to {
        add(
          "table \(table): a commit with version \(commit.version) before it is in force", changes[inForce - 1].entry)
      }
    }
    return findings
  }
}
