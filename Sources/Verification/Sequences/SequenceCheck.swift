/// No number of a sequence is handed out twice; and with CACHE 1 numbers come in the order of the calls: whoever asks after
/// somebody has got an answer gets a larger one.
public struct SequenceCheck: Sendable {
  /// Sequences that hand out their numbers in order, whichever gateway is asked.
  public var ordered: Set<String>

  public init(ordered: Set<String>) { self.ordered = ordered }

  public func findings(_ history: History<SequenceAction>) -> [Finding] {
    let known = history.operations.filter { $0.outcome.isOK }
    let sequences = Set(known.map(\.action.sequence)).sorted()
    return sequences.flatMap { sequence in
      let mine = known.filter { $0.action.sequence == sequence }
      return twice(mine, sequence) + (ordered.contains(sequence) ? outOfOrder(mine, sequence) : [])
    }
  }

  private func twice(_ operations: [Operation<SequenceAction>], _ sequence: String) -> [Finding] {
    var seen: [Int: Operation<SequenceAction>] = [:]
    var findings: [Finding] = []
    for operation in operations {
      guard let number = operation.action.number else { continue }
      if let first = seen[number] {
        findings.append(
          Finding(
            "sequences", "\(sequence) handed out \(number) twice",
            operations: [first.description, operation.description])
        )
      }
      seen[number] = operation
    }
    return findings
  }

  /// The largest number known when an operation began bounds it from below.
  private func outOfOrder(_ operations: [Operation<SequenceAction>], _ sequence: String) -> [Finding] {
    let ended = operations.sorted { ($0.completed, $0.client) < ($1.completed, $1.client) }
    let begun = operations.sorted { ($0.invoked, $0.client) < ($1.invoked, $1.client) }
    var findings: [Finding] = []
    var next = 0
    var largest: Operation<SequenceAction>?
    for operation in begun {
      while next < ended.count, ended[next].completed < operation.invoked {
        if let bound = ended[next].action.bound, bound > largest?.action.bound ?? .min { largest = ended[next] }
        next += 1
      }
      guard let number = operation.action.number, let largest, let bound = largest.action.bound, number <= bound else {
        continue
      }
      findings.append(
        Finding(
          "sequences", "\(sequence) went back to \(number) after \(bound)",
          operations: [largest.description, operation.description]))
    }
    return findings
  }
}

extension SequenceAction {
  /// What it got.
  var number: Int? {
    switch kind {
    case .take(let number), .insert(_, let number): number
    case .jump, .alter: nil
    }
  }

  /// What comes after it is larger.
  var bound: Int? {
    switch kind {
    case .take(let number), .insert(_, let number), .jump(let number): number
    case .alter: nil
    }
  }
}
