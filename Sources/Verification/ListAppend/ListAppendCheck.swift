/// Finds what a consistency level forbids in a history of list-append transactions, after Elle (Kingsbury and Alvaro,
/// "Elle: inferring isolation anomalies from experimental observations", VLDB 2020).
///
/// Because every element is unique and lists only grow, a read shows the order of all versions before it. From that follow
/// the dependencies of Adya's graph, with real time added, and each forbidden anomaly is a kind of cycle.
public struct ListAppendCheck: Sendable {
  public var level: ConsistencyLevel
  /// Whether what was answered before a transaction began must be visible to it.
  public var respectsRealTime: Bool

  static let name = "list-append"

  public init(level: ConsistencyLevel, respectsRealTime: Bool = true) {
    self.level = level
    self.respectsRealTime = respectsRealTime
  }

  public func findings(_ history: History<ListTransaction>) -> [Finding] {
    let operations = history.operations
    let versions = ListVersions(operations)
    var findings = versions.findings
    for operation in operations where operation.outcome.isOK { findings += internalFindings(operation) }
    let graph = makeGraph(operations, versions)
    findings += cycleFindings(graph, operations)
    return Array(Set(findings)).sorted()
  }

  // MARK: - Inside one transaction

  /// A transaction sees its own appends, and under a snapshot nothing new of others.
  private func internalFindings(_ operation: Operation<ListTransaction>) -> [Finding] {
    var lastRead: [Int: [Int]] = [:]
    var appended: [Int: [Int]] = [:]
    for step in operation.action.steps {
      switch step {
      case .append(let key, let element): appended[key, default: []].append(element)
      case .read(let key, let list):
        let own = appended[key] ?? []
        var isRight = list.suffix(own.count).elementsEqual(own)
        if let before = lastRead[key] {
          if level == .readCommitted {
            isRight = isRight && list.starts(with: before)
          } else {
            let since = own.drop { before.contains($0) }
            isRight = list == before + since
          }
        }
        if !isRight {
          return [
            Finding(
              Self.name,
              "internal inconsistency: a read of list \(key) contradicts the same transaction's earlier steps",
              operations: [operation.description])
          ]
        }
        lastRead[key] = list
      }
    }
    return []
  }

  // MARK: - Between transactions

  private func makeGraph(_ operations: [Operation<ListTransaction>], _ versions: ListVersions) -> DependencyGraph {
    var graph = DependencyGraph(nodeCount: operations.count)
    var observed: Set<Int> = []
    for (key, list) in versions.longest {
      for element in list {
        if let writer = versions.writer[.init(key: key, element: element)] { observed.insert(writer) }
      }
    }
    // After the last version that anybody saw come the appends that were answered and never seen, in unknown order.
    var unseen: [Int: [Int]] = [:]
    for (position, operation) in operations.enumerated() where operation.outcome.isOK {
      for case .append(let key, let element) in operation.action.steps
      where !(versions.longest[key] ?? []).contains(element) {
        if unseen[key]?.last != position { unseen[key, default: []].append(position) }
      }
    }
    for key in versions.longest.keys.sorted() {
      let writers = (versions.longest[key] ?? []).compactMap { versions.writer[.init(key: key, element: $0)] }
      for (before, after) in zip(writers, writers.dropFirst()) {
        graph.add(.writeWrite, from: before, to: after, key: key)
      }
      if let last = writers.last {
        for after in unseen[key] ?? [] { graph.add(.writeWrite, from: last, to: after, key: key) }
      }
    }
    for (position, operation) in operations.enumerated() where operation.outcome.isOK {
      addReads(of: position, operation.action, versions, unseen, &graph)
    }
    if respectsRealTime { addRealTime(operations, observed, &graph) }
    return graph
  }

  private func addReads(
    of reader: Int, _ transaction: ListTransaction, _ versions: ListVersions, _ unseen: [Int: [Int]],
    _ graph: inout DependencyGraph
  ) {
    for case .read(let key, let list) in transaction.steps {
      let longest = versions.longest[key] ?? []
      guard longest.starts(with: list) else { continue }
      // What this transaction appended itself it did not read from another.
      let foreign = list.last { versions.writer[.init(key: key, element: $0)] != reader }
      if let foreign, let writer = versions.writer[.init(key: key, element: foreign)] {
        graph.add(.writeRead, from: writer, to: reader, key: key)
      }
      let next = longest.dropFirst(list.count).first { versions.writer[.init(key: key, element: $0)] != reader }
      if let next {
        if let writer = versions.writer[.init(key: key, element: next)] {
          graph.add(.readWrite, from: reader, to: writer, key: key)
        }
      } else {
        for writer in unseen[key] ?? [] { graph.add(.readWrite, from: reader, to: writer, key: key) }
      }
    }
  }

  /// The first was answered before the second began: through a chain of moments, so that edges stay few.
  private func addRealTime(
    _ operations: [Operation<ListTransaction>], _ observed: Set<Int>, _ graph: inout DependencyGraph
  ) {
    let answered = operations.indices.filter { operations[$0].outcome.isOK }
      .sorted { (operations[$0].completed, $0) < (operations[$1].completed, $1) }
    let begun = operations.indices.filter { operations[$0].outcome.isOK || observed.contains($0) }
      .sorted { (operations[$0].invoked, $0) < (operations[$1].invoked, $1) }
    var moment: Int?
    var next = 0
    for position in begun {
      while next < answered.count, operations[answered[next]].completed < operations[position].invoked {
        let new = graph.addNode()
        graph.add(.realTime, from: answered[next], to: new)
        if let moment { graph.add(.realTime, from: moment, to: new) }
        moment = new
        next += 1
      }
      if let moment { graph.add(.realTime, from: moment, to: position) }
    }
  }

  // MARK: - Cycles

  private struct Search {
    var name: String
    var kinds: Set<DependencyGraph.Kind>
    var restriction: DependencyGraph.Restriction
  }

  private var searches: [Search] {
    var searches = [
      Search(name: "G0 (write cycle)", kinds: [.writeWrite], restriction: .none),
      Search(name: "G1c (circular information flow)", kinds: [.writeWrite, .writeRead], restriction: .none),
      Search(
        name: "G1c (circular information flow) with real time", kinds: [.writeWrite, .writeRead, .realTime],
        restriction: .none),
    ]
    if level == .readCommitted { return searches }
    searches.append(
      Search(
        name: "G-single", kinds: [.writeWrite, .writeRead, .readWrite], restriction: .noAdjacentReadWrites))
    searches.append(
      Search(name: "G-single", kinds: Set(DependencyGraph.Kind.allCases), restriction: .noAdjacentReadWrites))
    if level == .snapshotIsolation { return searches }
    searches.append(Search(name: "G2", kinds: [.writeWrite, .writeRead, .readWrite], restriction: .none))
    searches.append(Search(name: "G2", kinds: Set(DependencyGraph.Kind.allCases), restriction: .none))
    return searches
  }

  /// From the strongest anomaly to the weakest; a cycle through transactions that are in a stronger one is not reported again.
  private func cycleFindings(_ graph: DependencyGraph, _ operations: [Operation<ListTransaction>]) -> [Finding] {
    var explained: Set<Int> = []
    var findings: [Finding] = []
    for search in searches {
      for cycle in graph.cycles(of: search.kinds, search.restriction) {
        let members = cycle.map(\.source).filter { $0 < operations.count }
        guard explained.isDisjoint(with: members) else { continue }
        explained.formUnion(members)
        findings.append(describe(cycle, search, operations))
      }
    }
    return findings
  }

  private func describe(
    _ cycle: [DependencyGraph.Step], _ search: Search, _ operations: [Operation<ListTransaction>]
  ) -> Finding {
    // Begin at the earliest transaction, for the same text whatever the search began with.
    let start =
      cycle.indices.filter { cycle[$0].source < operations.count }.min { cycle[$0].source < cycle[$1].source } ?? 0
    let turned = Array(cycle[start...] + cycle[..<start])
    var lines: [String] = []
    for step in turned where step.source < operations.count {
      let why =
        switch step.edge.kind {
        case .writeWrite: "the next appended to \(step.edge.key) after it"
        case .writeRead: "the next read its append to \(step.edge.key)"
        case .readWrite: "the next appended to \(step.edge.key) what it did not see"
        case .realTime: "the next began after its end"
        }
      lines.append("\(operations[step.source]) -- \(why)")
    }
    return Finding(Self.name, "\(name(of: turned, search)): these transactions have no order", operations: lines)
  }

  private func name(of cycle: [DependencyGraph.Step], _ search: Search) -> String {
    guard search.kinds.contains(.readWrite) else { return search.name }
    let kinds = cycle.map(\.edge.kind)
    let readWrites = kinds.count { $0 == .readWrite }
    let suffix = kinds.contains(.realTime) ? " with real time" : ""
    if search.name == "G2" { return "G2 (anti-dependency cycle)" + suffix }
    if readWrites > 1 { return "G-nonadjacent" + suffix }
    let keys = Set(cycle.filter { $0.edge.kind != .realTime }.map(\.edge.key))
    if kinds.sorted() == [.writeWrite, .readWrite], keys.count == 1 { return "lost update (G-single)" }
    return "G-single (read skew)" + suffix
  }
}
