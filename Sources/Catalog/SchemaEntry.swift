import Basics

/// One step of the schema log: what changed, from which version to which, in force from `timestamp` on (Architecture.md, "Sessions").
public struct SchemaEntry: Hashable, Sendable {
  public var index: SchemaIndex
  /// Transactions that read at or above it use the catalog after this entry.
  public var timestamp: Timestamp
  public var databaseID: DatabaseID
  public var operationID: OperationID?
  public var jobID: JobID?
  public var changes: [TableChange]
  public var namespaceChanges: [NamespaceChange] = []
  /// Databases as they are from now on, each one version above the one it was planned against.
  public var databaseChanges: [DatabaseDescriptor]
  public var newRanges: [RangeDescriptor]
  public var removedRanges: [RangeID]

  public init(
    index: SchemaIndex, timestamp: Timestamp, databaseID: DatabaseID, operationID: OperationID? = nil,
    jobID: JobID? = nil, changes: [TableChange], databaseChanges: [DatabaseDescriptor] = [],
    newRanges: [RangeDescriptor] = [], removedRanges: [RangeID] = []
  ) {
    self.index = index
    self.timestamp = timestamp
    self.databaseID = databaseID
    self.operationID = operationID
    self.jobID = jobID
    self.changes = changes
    self.databaseChanges = databaseChanges
    self.newRanges = newRanges
    self.removedRanges = removedRanges
  }
}

public struct TableChange: Hashable, Sendable {
  public var tableID: TableID
  /// The version this change was planned against; any other version in force refuses the entry.
  public var from: TableVersion
  public var to: TableVersion
  public var commitFloor: TableVersion
  /// The table after the change; nil when it is gone.
  public var descriptor: TableDescriptor?

  public init(
    tableID: TableID, from: TableVersion, to: TableVersion, commitFloor: TableVersion, descriptor: TableDescriptor?
  ) {
    self.tableID = tableID
    self.from = from
    self.to = to
    self.commitFloor = commitFloor
    self.descriptor = descriptor
  }
}

public struct DatabaseDescriptor: Hashable, Sendable {
  public var id: DatabaseID
  /// Unique within the cluster.
  public var name: String
  public var version: DescriptorVersion
  public var comment: String?
  /// The entry that says so ends it; nothing may be left in it then. No catalog holds such a one.
  public var isDropped = false

  public init(
    id: DatabaseID, name: String, version: DescriptorVersion = DescriptorVersion(1), comment: String? = nil
  ) {
    self.id = id
    self.name = name
    self.version = version
    self.comment = comment
  }

  /// What an entry does that leaves the database like this, in sentences.
  ///
  /// - Parameter before: nil where it is not known.
  public func sentences(from before: DatabaseDescriptor?) -> [String] {
    if isDropped { return ["database \(name) is gone"] }
    if version == DescriptorVersion(1) { return ["database \(name) is created"] }
    guard let before else { return ["database \(name) is changed; what it was is no longer in the log"] }
    var result: [String] = []
    if before.name != name { result.append("database \(before.name) is renamed to \(name)") }
    if before.comment != comment { result.append("database \(name) is commented on") }
    return result
  }
}

/// A part of the key space and where its replicas are.
public struct RangeDescriptor: Hashable, Sendable {
  public var id: RangeID
  /// Grows with every change of bounds or replicas.
  public var epoch: UInt64
  public var startKey: [UInt8]
  /// Exclusive.
  public var endKey: [UInt8]
  /// Storage nodes; the first is preferred as the first leader.
  public var replicas: [NodeID]

  public init(id: RangeID, epoch: UInt64, startKey: [UInt8], endKey: [UInt8], replicas: [NodeID]) {
    self.id = id
    self.epoch = epoch
    self.startKey = startKey
    self.endKey = endKey
    self.replicas = replicas
  }
}
