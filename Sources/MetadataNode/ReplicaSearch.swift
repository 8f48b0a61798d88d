import Basics

/// Which replica of a range to ask next for work that its leader does, and how long to rest before.
///
/// Replicas with a session are asked one after the other, and whoever one of them names as the leader at once. A round of
/// all of them without progress makes the rests longer, a single refusal does not: who was the leader has perhaps just left.
struct ReplicaSearch {
  static let shortestRestMilliseconds: Int64 = 100
  static let longestRestMilliseconds: Int64 = 2_000
  /// Before a replica that another one has named.
  static let hintRestMilliseconds: Int64 = 10

  private let replicas: [NodeID]
  private var hint: NodeID?
  private var position = 0
  /// Since there was progress.
  private var failures = 0

  /// - Parameter replicas: the preferred one first.
  init(_ replicas: [NodeID]) { self.replicas = replicas }

  /// Nil: the range has no replicas.
  mutating func next(isLive: (NodeID) -> Bool) -> NodeID? {
    if let hint { return hint }
    guard !replicas.isEmpty else { return nil }
    let turn = replicas.indices.map { (position + $0) % replicas.count }
    position = turn.first { isLive(replicas[$0]) } ?? turn[0]
    return replicas[position]
  }

  /// The replica answered by `next` did not do the work.
  ///
  /// - Parameter hint: whom it named as the leader.
  /// - Returns: milliseconds to rest before the next attempt.
  mutating func failed(hint: NodeID?, hasProgressed: Bool) -> Int64 {
    failures = hasProgressed ? 1 : failures + 1
    let rounds = (failures - 1) / max(1, replicas.count)
    // Two that name each other would be asked without end.
    if let hint, rounds == 0 || self.hint == nil {
      self.hint = hint
      return Self.hintRestMilliseconds
    }
    self.hint = nil
    position = replicas.isEmpty ? 0 : (position + 1) % replicas.count
    return min(Self.shortestRestMilliseconds << Int64(min(rounds, 16)), Self.longestRestMilliseconds)
  }
}
