import Basics

/// What one process says about itself: how far it has applied the schema log and which older schema it still uses.
///
/// Cumulative: an ack stands alone, so losing, repeating or reordering acks does no harm (Convergence.md).
public struct Acknowledgement: Hashable, Sendable {
  /// More tables held than this are folded into `appliedIndex`; see `init`.
  public static let maximumHeldTables = 4_096

  public var node: NodeID
  /// The session the node had when it spoke; an ack of a later session replaces every earlier one.
  public var epoch: SessionEpoch
  /// Grows with every ack of one session.
  public var sequence: UInt64
  /// Every schema entry up to here is applied.
  public var appliedIndex: SchemaIndex
  /// Tables with a running statement or transaction, ascending by table, each table once.
  public let held: [HeldTable]

  /// - Parameter held: in any order; of several rows for one table the oldest counts. Beyond `maximumHeldTables` the
  ///   list is dropped and `appliedIndex` lowered to the oldest index held: weaker, and never untrue.
  public init(
    node: NodeID, epoch: SessionEpoch, sequence: UInt64, appliedIndex: SchemaIndex, held: [HeldTable] = []
  ) {
    self.node = node
    self.epoch = epoch
    self.sequence = sequence
    let folded = HeldTable.oldestPerTable(held)
    if folded.count > Self.maximumHeldTables {
      self.appliedIndex = folded.reduce(appliedIndex) { min($0, $1.oldestIndex) }
      self.held = []
    } else {
      self.appliedIndex = appliedIndex
      self.held = folded
    }
  }

  /// The oldest schema index in use on `table`; nil when the node does not use the table.
  public func oldestIndexHeld(on table: TableID) -> SchemaIndex? {
    var low = 0
    var high = held.count
    while low < high {
      let middle = low + (high - low) / 2
      if held[middle].table < table { low = middle + 1 } else { high = middle }
    }
    return low < held.count && held[low].table == table ? held[low].oldestIndex : nil
  }

  /// What keeps the node from passing `barrier`; nil when nothing does.
  public func obstacle(to barrier: Barrier) -> Laggard.Reason? {
    if appliedIndex < barrier.index { return .notApplied(appliedIndex) }
    if let oldest = oldestIndexHeld(on: barrier.table), oldest < barrier.index { return .holds(barrier.table, oldest) }
    return nil
  }
}

/// A table in use and the oldest schema index a statement or transaction of the node reads it at.
public struct HeldTable: Hashable, Sendable {
  public var table: TableID
  public var oldestIndex: SchemaIndex

  public init(table: TableID, oldestIndex: SchemaIndex) {
    self.table = table
    self.oldestIndex = oldestIndex
  }

  /// Ascending by table, each table once with its oldest index.
  static func oldestPerTable(_ held: [HeldTable]) -> [HeldTable] {
    var result: [HeldTable] = []
    result.reserveCapacity(held.count)
    for row in held.sorted(by: { ($0.table, $0.oldestIndex) < ($1.table, $1.oldestIndex) })
    where result.last?.table != row.table {
      result.append(row)
    }
    return result
  }
}
