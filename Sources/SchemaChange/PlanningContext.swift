import Basics
import Catalog

/// What the planner knows besides the statement: the catalog in force, the next free ids, and where ranges can be put.
public struct PlanningContext: Sendable {
  public var catalog: CatalogState
  public var databaseID: DatabaseID
  public var nextTableID: TableID
  public var nextRangeID: RangeID
  /// Storage nodes that may hold replicas, ascending.
  public var storageNodes: [NodeID]
  /// Those of them without a session: they do not come first in a new range, because its first replica is to lead at once.
  public var absentNodes: Set<NodeID>
  public var replicationFactor: Int
  /// Dropped columns stay for a while, so that they can be brought back.
  public var retainsDropped = false
  /// The ways back that there are, by job.
  public var waysBack = PersistentMap<JobID, WayBack>()

  public init(
    catalog: CatalogState, databaseID: DatabaseID = .defaultDatabase, nextTableID: TableID, nextRangeID: RangeID,
    storageNodes: [NodeID], absentNodes: Set<NodeID> = [], replicationFactor: Int
  ) {
    self.catalog = catalog
    self.databaseID = databaseID
    self.nextTableID = nextTableID
    self.nextRangeID = nextRangeID
    self.storageNodes = storageNodes
    self.absentNodes = absentNodes
    self.replicationFactor = replicationFactor
  }

  mutating func allocateTable() -> TableID {
    defer { nextTableID = TableID(nextTableID.rawValue + 1) }
    return nextTableID
  }

  /// A new range for one index, its replicas rotated over the storage nodes so that leaders spread.
  mutating func allocateRange(table: TableID, index: IndexID) throws(SQLError) -> RangeDescriptor {
    guard storageNodes.count >= replicationFactor, replicationFactor > 0 else {
      throw SQLError(
        .cannotConnectNow,
        "not enough storage nodes: \(replicationFactor) replicas are wanted, \(storageNodes.count) storage nodes are live",
        hint: "Start more storage nodes, or wait until those that were started have registered.")
    }
    let id = nextRangeID
    nextRangeID = RangeID(id.rawValue + 1)
    let start = Int(id.rawValue % UInt64(storageNodes.count))
    let chosen = (0..<replicationFactor).map { storageNodes[(start + $0) % storageNodes.count] }
    let replicas = chosen.filter { !absentNodes.contains($0) } + chosen.filter { absentNodes.contains($0) }
    return RangeDescriptor(table: table, index: index, id: id, replicas: replicas)
  }
}

extension RangeDescriptor {
  /// The range that holds a whole index: keys from table id ‖ index id (big-endian, 8 and 4 bytes) up to those of the next
  /// index id.
  public init(table: TableID, index: IndexID, id: RangeID, replicas: [NodeID]) {
    func key(_ indexID: UInt64) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: table.rawValue >> UInt64(56 - 8 * $0)) }
        + (0..<4).map { UInt8(truncatingIfNeeded: indexID >> UInt64(24 - 8 * $0)) }
    }
    self.init(
      id: id, epoch: 1, startKey: key(index.rawValue), endKey: key(index.rawValue + 1), replicas: replicas)
  }
}
