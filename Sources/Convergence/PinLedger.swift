import Basics

/// Counts the schema versions in use on one node, by table, and makes the node's acks.
///
/// A statement or transaction pins the schema index it reads a table at and releases it when it ends. What is held on a
/// table is its oldest pin.
public struct PinLedger: Sendable {
  /// Pins of one table, ascending by index; few at a time, because all new statements use the newest one.
  private var pins: [TableID: [Count]] = [:]
  /// Read timestamps asked for and not yet in use, by the schema index applied when they were asked for; ascending.
  private var expectations: [Count] = []
  private var sequence: UInt64 = 0

  private struct Count: Hashable, Sendable {
    var index: SchemaIndex
    var users: UInt64
  }

  public init() {}

  public mutating func pin(_ table: TableID, at index: SchemaIndex) { Self.count(index, in: &pins[table, default: []]) }

  /// In place: this runs for every statement, nearly always at the newest index.
  private static func count(_ index: SchemaIndex, in counts: inout [Count]) {
    if let newest = counts.indices.last, counts[newest].index == index {
      counts[newest].users += 1
      return
    }
    let position = counts.lastIndex { $0.index <= index } ?? -1
    if position >= 0, counts[position].index == index {
      counts[position].users += 1
    } else {
      counts.insert(Count(index: index, users: 1), at: position + 1)
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

  // MARK: - Timestamps under way

  /// Read timestamps are asked for while `index` is applied. The answer may name that index, and arrive after the next entry
  /// has come by another way: until `endExpectation` the node must not be taken for one that uses nothing older.
  public mutating func expectTimestamps(at index: SchemaIndex) { Self.count(index, in: &expectations) }

  /// Those who asked have pinned what they use, or got no timestamp; the pair must have been expected.
  ///
  /// - Returns: true when more may be acknowledged than before.
  @discardableResult
  public mutating func endExpectation(at index: SchemaIndex) -> Bool {
    guard let position = expectations.firstIndex(where: { $0.index == index }) else {
      preconditionFailure("no timestamp is expected at schema index \(index)")
    }
    expectations[position].users -= 1
    guard expectations[position].users == 0 else { return false }
    expectations.remove(at: position)
    return position == 0
  }

  /// How far a node that has applied `applied` may say that it has.
  public func acknowledgeable(_ applied: SchemaIndex) -> SchemaIndex {
    expectations.first.map { min($0.index, applied) } ?? applied
  }

  // MARK: - Acks

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
    return Acknowledgement(
      node: node, epoch: epoch, sequence: sequence, appliedIndex: acknowledgeable(appliedIndex), held: held)
  }
}
