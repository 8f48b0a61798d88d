/// The order of versions of every list, as reads show it (Kingsbury and Alvaro, "Elle", VLDB 2020, section 4.3).
struct ListVersions {
  /// The longest list read, by key: every other must be a prefix of it.
  private(set) var longest: [Int: [Int]] = [:]
  /// Position of the transaction that appends an element.
  private(set) var writer: [Element: Int] = [:]
  /// What is wrong already with single reads and pairs of reads.
  private(set) var findings: [Finding] = []

  struct Element: Hashable {
    var key: Int
    var element: Int
  }

  private let operations: [Operation<ListTransaction>]

  init(_ operations: [Operation<ListTransaction>]) {
    self.operations = operations
    collectWriters()
    collectReads()
  }

  private mutating func collectWriters() {
    for (position, operation) in operations.enumerated() {
      for case .append(let key, let element) in operation.action.steps {
        if let other = writer.updateValue(position, forKey: Element(key: key, element: element)), other != position {
          findings.append(
            Finding(
              ListAppendCheck.name, "the history is no list-append history: \(element) is appended to \(key) twice",
              operations: [operations[other].description, operation.description]))
        }
      }
    }
  }

  private mutating func collectReads() {
    var longestReader: [Int: Int] = [:]
    for (position, operation) in operations.enumerated() where operation.outcome.isOK {
      for case .read(let key, let list) in operation.action.steps {
        checkElements(key, list, position)
        if list.count > longest[key, default: []].count {
          longest[key] = list
          longestReader[key] = position
        }
      }
    }
    var reported: Set<Int> = []
    for operation in operations where operation.outcome.isOK {
      for case .read(let key, let list) in operation.action.steps {
        guard let all = longest[key], !all.starts(with: list), reported.insert(key).inserted else { continue }
        let other = longestReader[key].map { [operations[$0].description] } ?? []
        findings.append(
          Finding(
            ListAppendCheck.name, "two reads of list \(key) do not agree on the order of its elements",
            operations: [operation.description] + other))
      }
    }
  }

  private mutating func checkElements(_ key: Int, _ list: [Int], _ position: Int) {
    let operation = operations[position]
    var seen: Set<Int> = []
    for element in list {
      if !seen.insert(element).inserted {
        findings.append(
          Finding(
            ListAppendCheck.name, "element \(element) is twice in list \(key)", operations: [operation.description]))
      }
      guard let source = writer[Element(key: key, element: element)] else {
        findings.append(
          Finding(
            ListAppendCheck.name, "element \(element) of list \(key) was never appended",
            operations: [operation.description]))
        continue
      }
      if operations[source].outcome.isFailed {
        findings.append(
          Finding(
            ListAppendCheck.name, "G1a (aborted read): \(element) in list \(key) is from a failed transaction",
            operations: [operations[source].description, operation.description]))
      }
    }
    // Only the last append of a transaction to a list may be the end of what another reads.
    guard let last = list.last, let source = writer[Element(key: key, element: last)], source != position else {
      return
    }
    let own = operations[source].action.steps.compactMap { step -> Int? in
      if case .append(key, let element) = step { element } else { nil }
    }
    if own.last != last {
      findings.append(
        Finding(
          ListAppendCheck.name,
          "G1b (intermediate read): list \(key) was seen in the middle of a transaction that appends more",
          operations: [operations[source].description, operation.description]))
    }
  }
}
