import Basics

/// "Every live session has applied the schema log up to `index` and holds nothing older on `table`" (Convergence.md).
///
/// A long transaction on one table never holds back a barrier on another.
public struct Barrier: Hashable, Sendable {
  public var table: TableID
  public var index: SchemaIndex

  public init(table: TableID, index: SchemaIndex) {
    self.table = table
    self.index = index
  }
}

/// A registration with the metadata service whose lease has not run out.
public struct LiveSession: Hashable, Sendable {
  public var node: NodeID
  public var epoch: SessionEpoch

  public init(node: NodeID, epoch: SessionEpoch) {
    self.node = node
    self.epoch = epoch
  }
}

/// A live session that does not satisfy a barrier, and why.
public struct Laggard: Hashable, Sendable, CustomStringConvertible {
  public enum Reason: Hashable, Sendable {
    /// Has acknowledged the schema log up to here only (zero: this session has acknowledged nothing yet).
    case notApplied(SchemaIndex)
    /// A statement or transaction still uses the table at this older index.
    case holds(TableID, SchemaIndex)
  }

  public var node: NodeID
  public var reason: Reason

  public init(node: NodeID, reason: Reason) {
    self.node = node
    self.reason = reason
  }

  public var description: String {
    switch reason {
    case .notApplied(let index): "node \(node) has applied the schema up to \(index)"
    case .holds(let table, let index): "node \(node) uses table \(table) at schema index \(index)"
    }
  }
}

extension AckLattice {
  /// The live sessions that keep `barrier` from being met, ascending by node; empty: met.
  ///
  /// An ack of another session of the node counts for nothing: the process that gave it is gone.
  public func laggards(of barrier: Barrier, among sessions: [LiveSession]) -> [Laggard] {
    sessions.sorted { ($0.node, $0.epoch) < ($1.node, $1.epoch) }.compactMap { session in
      guard let acknowledgement = self[session.node], acknowledgement.epoch == session.epoch else {
        return Laggard(node: session.node, reason: .notApplied(.zero))
      }
      return acknowledgement.obstacle(to: barrier).map { Laggard(node: session.node, reason: $0) }
    }
  }

  public func isMet(_ barrier: Barrier, among sessions: [LiveSession]) -> Bool {
    laggards(of: barrier, among: sessions).isEmpty
  }
}
