/// Changes of one table by several clients must be as if they came one after another, in the order of the schema log, which
/// is that of their jobs: every answer fits a place in it, the order is no other than the one that clients saw, and names,
/// defaults and indexes are in the end what the last change left.
public struct SharedTableCheck: Sendable {
  let name: String

  public init(name: String = "shared") { self.name = name }

  public func findings(_ history: History<SharedTableAction>) -> [Finding] {
    var run = Run(name, history)
    run.check()
    return Array(Set(run.findings)).sorted()
  }

  private struct Change {
    let operation: Operation<SharedTableAction>
    let change: SharedTableChange
    let error: WorkloadError?
  }

  /// The table between two changes of the log.
  private struct State {
    let table: SharedTableModel
    var possibleFrom: UInt64
    var possibleUntil: UInt64
  }

  private struct Run {
    let name: String
    let history: History<SharedTableAction>
    var changes: [String: Change] = [:]
    var findings: [Finding] = []

    init(_ name: String, _ history: History<SharedTableAction>) {
      self.name = name
      self.history = history
      for operation in history.operations {
        guard case .change(let made, let change) = operation.action else { continue }
        changes[change.operation] = Change(operation: operation, change: made, error: change.error)
      }
    }

    mutating func add(_ sentence: String, _ operations: [Operation<SharedTableAction>] = []) {
      findings.append(Finding(name, sentence, operations: operations.map(\.description)))
    }

    mutating func check() {
      // Without the jobs there is no order to judge by; that the reads did not come to an end is a finding of its own.
      guard
        let jobs = history.operations.lazy.compactMap({ if case .jobs(let jobs) = $0.action { jobs } else { nil } })
          .first
      else { return }
      let log = inOrder(jobs)
      checkRealTime(log)
      guard let states = replay(log) else { return }
      checkRefusals(states)
      if let last = states.last?.table { checkEnd(last) }
    }

    // MARK: - The log

    private mutating func inOrder(_ jobs: [JobRow]) -> [Change] {
      var log: [(id: Int, change: Change)] = []
      var seen: Set<String> = []
      for job in jobs {
        guard let change = changes[job.operation] else { continue }
        if !job.isFinished { add("job \(job.id) does not end: it is \(job.state) (\(job.statement))") }
        guard job.state == "succeeded", let id = Int(job.id) else { continue }
        if !seen.insert(job.operation).inserted {
          add("operation \(job.operation) was applied twice", [change.operation])
        }
        if change.operation.outcome.isFailed {
          add("a schema change was answered as failed and its job succeeded", [change.operation])
        }
        log.append((id, change))
      }
      for (operation, change) in changes.sorted(by: { $0.key < $1.key })
      where change.operation.outcome.isOK && !seen.contains(operation) {
        add("a schema change was answered as done and no job of it succeeded", [change.operation])
      }
      return log.sorted { $0.id < $1.id }.map(\.change)
    }

    /// Whoever was answered before another asked comes first.
    private mutating func checkRealTime(_ log: [Change]) {
      var latest: Change?
      for change in log {
        if let latest, change.operation.deadline < latest.operation.invoked {
          add(
            "a schema change came after one in the log that was asked for when it had been answered",
            [change.operation, latest.operation])
        }
        if change.operation.invoked > latest?.operation.invoked ?? 0 { latest = change }
      }
    }

    /// The table after none, one, two… of the changes, each with the time in which it can have been what clients met.
    private mutating func replay(_ log: [Change]) -> [State]? {
      var states = [State(table: SharedTableModel(), possibleFrom: 0, possibleUntil: .max)]
      for change in log {
        let last = states[states.count - 1]
        guard let table = last.table.after(change.change) else {
          add("in the order of the log a schema change cannot have been done", [change.operation])
          return nil
        }
        states.append(
          State(
            table: table, possibleFrom: max(last.possibleFrom, change.operation.invoked), possibleUntil: .max))
      }
      var until = UInt64.max
      for position in log.indices.reversed() {
        until = min(until, log[position].operation.deadline)
        states[position].possibleUntil = until
      }
      return states
    }

    /// Missing and double names, as PostgreSQL says them: an index that is to be renamed is a relation.
    private static func isNameError(_ error: WorkloadError, of change: SharedTableChange) -> Bool {
      let states: Set<String> =
        switch change {
        case .addColumn: ["42701"]
        case .dropColumn: ["42703"]
        case .renameColumn: ["42703", "42701"]
        case .addIndex: ["42703", "42P07"]
        case .dropIndex: ["42704"]
        case .renameIndex: ["42P01", "42704", "42P07"]
        }
      return states.contains(error.state ?? "")
    }

    private mutating func checkRefusals(_ states: [State]) {
      for change in changes.values.sorted(by: { $0.operation.invoked < $1.operation.invoked })
      where change.operation.outcome.isFailed {
        guard let error = change.error, !error.isExcusable else { continue }
        let isExplained =
          Self.isNameError(error, of: change.change)
          && states.contains { state in
            state.possibleFrom <= change.operation.completed && state.possibleUntil >= change.operation.invoked
              && state.table.after(change.change) == nil
          }
        if !isExplained { add("nothing explains why a schema change was refused", [change.operation]) }
      }
    }

    // MARK: - The end

    private mutating func checkEnd(_ table: SharedTableModel) {
      var scanned: [Int: Int] = [:]
      for operation in history.operations {
        switch operation.action {
        case .names(let columns, let indexes):
          let (expected, expectedIndexes) = (table.columns.map(\.name), table.indexes.map(\.name).sorted())
          if columns != expected { add("the table has the columns \(columns) and must have \(expected)") }
          if indexes.sorted() != expectedIndexes {
            add("the table has the indexes \(indexes.sorted()) and must have \(expectedIndexes)")
          }
        case .rows(let columns, let rows): scanned = checkRows(table, columns, rows)
        case .lookup(let key, let ids):
          let expected = scanned.filter { $0.value == key }.keys.sorted()
          if ids != expected { add("the rows with k = \(key) are \(expected), found by that value are \(ids)") }
        case .check(let rows):
          for row in rows where row.count != 4 || row[1] != row[2] || row[3] != "t" {
            add("CHECK TABLE says that an index does not agree with the rows", [operation])
          }
        case .change, .insert, .jobs: break
        }
      }
    }

    /// Every row that was acknowledged, none that nobody wrote, and the defaults of columns that are there now. Answers `k`
    /// of each row.
    private mutating func checkRows(
      _ table: SharedTableModel, _ columns: [String], _ rows: [[String?]]
    ) -> [Int: Int] {
      var found: [Int: Int] = [:]
      for row in rows {
        guard row.count == columns.count, row.count >= 2, let id = row[0].flatMap({ Int($0) }) else {
          add("a row is malformed: \(row)")
          continue
        }
        if found.updateValue(row[1].flatMap { Int($0) } ?? -1, forKey: id) != nil { add("row \(id) is there twice") }
        if row[1] != String(id % SharedTableWorkload.keys) { add("row \(id) has \(row[1] ?? "NULL") as k") }
        for column in table.columns {
          guard let value = column.defaultValue, let place = columns.firstIndex(of: column.name) else { continue }
          if row[place] != String(value) {
            add("row \(id) has \(row[place] ?? "NULL") in column \(column.name), whose default is \(value)")
          }
        }
      }
      var written: Set<Int> = []
      for operation in history.operations {
        guard case .insert(let id) = operation.action else { continue }
        if !operation.outcome.isFailed { written.insert(id) }
        if operation.outcome.isOK, found[id] == nil { add("row \(id) was acknowledged and is not there", [operation]) }
      }
      for id in found.keys.sorted() where !written.contains(id) { add("row \(id) is there, and nobody wrote it") }
      return found
    }
  }
}
