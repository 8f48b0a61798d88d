import Basics

/// The newest acknowledgement of every node: a join-semilattice.
///
/// `merge` is commutative, associative and idempotent, so any number of aggregators may fold acks in any order, twice or
/// not at all for a while, and the metadata leader ends with the same state. Of two acks of one node the one with the larger
/// (epoch, sequence) stands; should two different acks claim the same number, the weaker statement of both is kept.
public struct AckLattice: Hashable, Sendable {
  private var newest: [NodeID: Acknowledgement] = [:]

  public init() {}

  public init(_ acknowledgements: some Sequence<Acknowledgement>) {
    for acknowledgement in acknowledgements { merge(acknowledgement) }
  }

  public var count: Int { newest.count }

  /// Ascending by node.
  public var acknowledgements: [Acknowledgement] { newest.values.sorted { $0.node < $1.node } }

  public subscript(node: NodeID) -> Acknowledgement? { newest[node] }

  /// - Returns: true when the lattice grew, false when the ack said nothing new.
  @discardableResult
  public mutating func merge(_ acknowledgement: Acknowledgement) -> Bool {
    guard let known = newest[acknowledgement.node] else {
      newest[acknowledgement.node] = acknowledgement
      return true
    }
    let joined = Self.join(known, acknowledgement)
    guard joined != known else { return false }
    newest[acknowledgement.node] = joined
    return true
  }

  public mutating func merge(_ other: AckLattice) {
    for acknowledgement in other.acknowledgements { merge(acknowledgement) }
  }

  /// Forgets a node whose session has ended. Forgetting is always safe: a node not known counts as not applied.
  public mutating func forget(_ node: NodeID) { newest[node] = nil }

  /// Forgets every ack that belongs to none of `sessions`.
  public mutating func keepOnly(_ sessions: [LiveSession]) {
    let epochs = Dictionary(sessions.map { ($0.node, $0.epoch) }, uniquingKeysWith: { max($0, $1) })
    newest = newest.filter { node, acknowledgement in epochs[node].map { $0 <= acknowledgement.epoch } ?? false }
  }

  /// The least statement that says no more than both arguments, among those that are newest.
  static func join(_ left: Acknowledgement, _ right: Acknowledgement) -> Acknowledgement {
    let leftOrder = (left.epoch, left.sequence)
    let rightOrder = (right.epoch, right.sequence)
    if leftOrder > rightOrder { return left }
    if leftOrder < rightOrder { return right }
    if left == right { return left }
    return Acknowledgement(
      node: left.node, epoch: left.epoch, sequence: left.sequence,
      appliedIndex: min(left.appliedIndex, right.appliedIndex), held: left.held + right.held)
  }
}
