/// What the schema log did to the tables, put together from every node that applied it.
struct SchemaLog {
  struct Change: Hashable {
    var index: UInt64
    var timestamp: UInt64
    var table: UInt64
    var from: UInt64
    var to: UInt64
    var floor: UInt64
    var kind: SchemaEntryKind
    var job: UInt64
  }

  struct Place: Hashable {
    var index: UInt64
    var table: UInt64
  }

  /// First sight of every change, in the order of the log.
  private(set) var changes: [(change: Change, entry: ObservationLog.Entry)] = []
  /// Sights of a change that differ from the first.
  private(set) var contradictions: [(first: ObservationLog.Entry, second: ObservationLog.Entry)] = []

  init(_ log: ObservationLog) {
    var seen: [Place: (change: Change, entry: ObservationLog.Entry)] = [:]
    for entry in log.entries {
      guard
        case .schemaEntry(_, let index, let timestamp, let table, let from, let to, let floor, let kind, let job) =
          entry.observation
      else { continue }
      let change = Change(
        index: index, timestamp: timestamp, table: table, from: from, to: to, floor: floor, kind: kind, job: job)
      let place = Place(index: index, table: table)
      if let first = seen[place] {
        if first.change != change { contradictions.append((first.entry, entry)) }
      } else {
        seen[place] = (change, entry)
      }
    }
    changes = seen.values.sorted { ($0.change.index, $0.change.table) < ($1.change.index, $1.change.table) }
  }
}

/// The schema log is the same everywhere, its timestamps grow, and every table's versions follow one on another.
struct SchemaLogCheck {
  static let name = "schema log"

  func findings(_ log: ObservationLog) -> [Finding] {
    let schema = SchemaLog(log)
    var findings = schema.contradictions.map { pair in
      Finding(
        Self.name, "two nodes applied different schema entries",
        operations: [pair.first.description, pair.second.description])
    }
    var newest: (change: SchemaLog.Change, entry: ObservationLog.Entry)?
    var versions: [UInt64: (change: SchemaLog.Change, entry: ObservationLog.Entry)] = [:]
    for (change, entry) in schema.changes {
      if let newest, newest.change.index < change.index, newest.change.timestamp >= change.timestamp {
        findings.append(
          Finding(
            Self.name, "entry \(change.index) does not come into force after entry \(newest.change.index)",
            operations: [newest.entry.description, entry.description]))
      }
      if change.to != change.from &+ 1 {
        findings.append(
          Finding(
            Self.name, "entry \(change.index) takes table \(change.table) from version \(change.from) to \(change.to)",
            operations: [entry.description]))
      }
      if let before = versions[change.table], before.change.to != change.from {
        findings.append(
          Finding(
            Self.name,
            "entry \(change.index) was planned against version \(change.from) of table \(change.table), "
              + "which had version \(before.change.to)", operations: [before.entry.description, entry.description]))
      }
      versions[change.table] = (change, entry)
      newest = (change, entry)
    }
    return findings
  }
}
