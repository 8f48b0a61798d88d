/// A transaction over lists to which elements are only ever appended; every element is unique in its list.
public struct ListTransaction: Hashable, Sendable, CustomStringConvertible {
  public enum Step: Hashable, Sendable {
    case append(key: Int, element: Int)
    case read(key: Int, [Int])
  }

  public var steps: [Step]

  public init(_ steps: [Step]) { self.steps = steps }

  public var description: String {
    steps.map { step in
      switch step {
      case .append(let key, let element): "append \(element) to \(key)"
      case .read(let key, let list): "read \(key) -> [\(list.map(String.init).joined(separator: " "))]"
      }
    }.joined(separator: ", ")
  }
}

/// What a database promises (Adya, "Weak consistency", 1999; Crooks and others, PODC 2017).
public enum ConsistencyLevel: Hashable, Sendable, CaseIterable {
  case readCommitted
  /// Snapshot isolation in which a snapshot has everything acknowledged before its transaction began.
  case snapshotIsolation
  case serializable
}
