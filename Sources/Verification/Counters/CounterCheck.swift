/// No increment is lost and none counts twice; a row and its indexes tell the same.
public struct CounterCheck: Sendable {
  public var counters: Int

  static let name = "counters"

  public init(counters: Int) { self.counters = counters }

  public func findings(_ history: History<CounterAction>) -> [Finding] {
    var acknowledged: [CounterTable: [Int: Int]] = [:]
    var attempted: [CounterTable: [Int: Int]] = [:]
    for operation in history.operations {
      guard case .increment(let table, let counter) = operation.action, !operation.outcome.isFailed else { continue }
      attempted[table, default: [:]][counter, default: 0] += 1
      if operation.outcome.isOK { acknowledged[table, default: [:]][counter, default: 0] += 1 }
    }
    var findings: [Finding] = []
    for operation in history.operations {
      func add(_ sentence: String) {
        findings.append(Finding(Self.name, sentence, operations: [operation.description]))
      }
      switch operation.action {
      case .increment: break
      case .rows(let table, let rows):
        if rows.map({ $0.first ?? nil }) != (0..<counters).map({ $0 }) {
          add("\(table) has not the counters 0 to \(counters - 1)")
        }
        for row in rows where row.count == table.columns.count + 2 {
          guard let counter = row[0], let value = row[1] else {
            add("a counter of \(table) is null")
            continue
          }
          let least = acknowledged[table]?[counter] ?? 0
          let most = attempted[table]?[counter] ?? 0
          if !(least...max(least, most)).contains(value) {
            add(
              "counter \(counter) of \(table) is \(value), with \(least) increments acknowledged and \(most) attempted")
          }
          if !row[2...].elementsEqual(table.columns.map { table.value($0, at: value) }) {
            add("a row of \(table) was changed in part")
          }
        }
      case .check(let table, let rows):
        for row in rows where row.count != 4 || row[1] != row[2] || row[3] != "t" {
          add("CHECK TABLE says that an index of \(table) does not agree with the rows")
        }
      }
    }
    return findings.sorted()
  }
}
