import Basics

/// Counts the schema versions in use on one node, by table, and makes the node's acks.
///
/// A statement or transaction pins the schema index it reads a table at and releases it when it ends. What is held on a
/// table is its oldest pin.
public struct PinLedger: Sendable {
  /// Pins of one table, ascending by index; few at a time, because all new statements use the newest one.
  private var pins: [TableID: [Count]] = [:]
  private var sequence: UInt64 = 0

  private struct Count: Hashable, Sendable {
    var index: SchemaIndex
    var users: UInt64
  }

  public init() {}

  public mutating func pin(_ table: TableID, at index: SchemaIndex) {
    // In place: this runs for every statement, nearly always at the newest index.
    if let newest = pins[table]?.indices.last, pins[table]?[newest].index == index {
      pins[table]?[newest].users += 1
      return
    }
    let position = pins[table]?.lastIndex { $0.index <= index } ?? -1
    if position >= 0, pins[table]?[position].index == index {
      pins[table]?[position].users += 1
    } else {
      pins[table, default: []].insert(Count(index: index, users: 1), at: position + 1)
    }
  }

  /// Ends one use; the pair must have been pinned.
  ///
  /// - Returns: true when nothing older than before is held on the table now, so that an ack is due at once.
  @discardableResult
  public mutating func release(_ table: TableID, at index: SchemaIndex) -> Bool {
    guard let position = pins[table]?.firstIndex(where: { $0.index == index }) else {
      preconditionFailure("table \(table) is not pinned at schema index \(index)")
    }
    pins[table]?[position].users -= 1
    guard pins[table]?[position].users == 0 else { return false }
    if pins[table]?.count == 1 { pins[table] = nil } else { pins[table]?.remove(at: position) }
    return position == 0
  }

  /// Ascending by table.
  public var held: [HeldTable] {
    pins.compactMap { table, counts in counts.first.map { HeldTable(table: table, oldestIndex: $0.index) } }
      .sorted { $0.table < $1.table }
  }

  /// Whether some table is held at an index older than `index`: only then can a barrier be waiting for a release.
  public func holdsAnythingOlder(than index: SchemaIndex) -> Bool {
    pins.values.contains { counts in counts.first.map { $0.index < index } ?? false }
  }

  /// The next ack of a session. Its number grows over the life of the ledger, whatever the session.
  public mutating func acknowledgement(
    node: NodeID, epoch: SessionEpoch, appliedIndex: SchemaIndex
  ) -> Acknowledgement {
    sequence += 1
    return Acknowledgement(node: node, epoch: epoch, sequence: sequence, appliedIndex: appliedIndex, held: held)
  }
}
