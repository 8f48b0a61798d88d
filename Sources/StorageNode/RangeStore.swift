import Basics
import Catalog
import EventLoop
import NodeRuntime
import Replication
import RocksEngine
import Transactions
import Wire

/// The ranges of this node: opened from disk, created and removed as the catalog says.
///
/// Column family `meta` keeps each range's descriptor with the schema index it was seen at, so that a catalog older than
/// that is never taken as the range's end.
@EventLoopActor final class RangeStore {
  let node: NodeID
  let state: StoreState
  let metrics = StorageMetrics()
  let space: DiskSpace
  /// Rows that an index build reads at a time, at most.
  var maximumRowsPerChunk = BackfillRun.rowsPerChunk
  private let host: ReplicationHost
  private let configuration: RangeMachineConfiguration
  private var replicasByID: [RangeID: RangeReplica] = [:]
  private var seenAt: [RangeID: SchemaIndex] = [:]
  private var ticks: Timer?

  init(
    node: NodeID, database: RocksDatabase, host: ReplicationHost, space: DiskSpace,
    configuration: RangeMachineConfiguration
  ) {
    self.node = node
    self.space = space
    self.host = host
    self.configuration = configuration
    state = StoreState(database)
  }

  var replicas: [RangeReplica] { replicasByID.values.sorted { $0.id < $1.id } }
  var replicaCount: Int { replicasByID.count }
  var waitingCount: Int { replicasByID.values.reduce(0) { $0 + $1.machine.waitingCount } }
  var rowLockCount: Int { replicasByID.values.reduce(0) { $0 + $1.machine.rowLockCount } }
  var leadingCount: Int { replicasByID.values.count { $0.isLeading } }
  func replica(_ id: RangeID) -> RangeReplica? { replicasByID[id] }

  // MARK: - Life

  /// Opens the ranges found on disk. A group without a descriptor is what a crash left of a removed range.
  func open() throws {
    let groups = Set(try host.open())
    for (descriptor, index) in try storedDescriptors() {
      seenAt[descriptor.id] = index
      guard groups.contains(descriptor.id) else { continue }
      let replica = try makeReplica(descriptor)
      try host.attach(descriptor.id, stateMachine: replica)
      replicasByID[descriptor.id] = replica
    }
    for group in groups.sorted() where replicasByID[group] == nil { try host.removeGroup(group) }
    ticks = Timer.repeating(every: .milliseconds(25)) { [weak self] in self?.tick() }
  }

  func close() {
    ticks?.cancel()
    for replica in replicas { replica.close() }
  }

  private func tick() {
    for replica in replicasByID.values { replica.tick() }
  }

  // MARK: - Catalog

  /// The whole catalog as of `index`: creates what is missing, removes what is gone.
  func reconcile(_ ranges: [RangeDescriptor], asOf index: SchemaIndex) throws {
    for range in ranges.sorted(by: { $0.id < $1.id }) { try create(range, at: index) }
    let known = Set(ranges.map(\.id))
    for (id, seen) in seenAt.sorted(by: { $0.key < $1.key }) where !known.contains(id) && seen <= index {
      try remove(id)
    }
  }

  func apply(_ entry: SchemaEntry) throws {
    for range in entry.newRanges { try create(range, at: entry.index) }
    for id in entry.removedRanges { try remove(id) }
  }

  private func create(_ range: RangeDescriptor, at index: SchemaIndex) throws {
    guard range.replicas.contains(node), replicasByID[range.id] == nil else { return }
    // The descriptor first: a group without one is taken for the rest of a removed range.
    let batch = WriteBatch()
    batch.put(
      StoreKeys.key("range", range.id), Self.encode(range, seenAt: index), in: state.meta)
    try state.database.write(batch, sync: false)
    seenAt[range.id] = index
    let replica = try makeReplica(range)
    replicasByID[range.id] = replica
    try host.createGroup(
      range.id, members: range.replicas, stateMachine: replica, preferredLeader: range.replicas.first)
  }

  private func remove(_ id: RangeID) throws {
    seenAt[id] = nil
    let batch = WriteBatch()
    batch.delete(StoreKeys.key("range", id), in: state.meta)
    guard let replica = replicasByID.removeValue(forKey: id) else {
      return try state.database.write(batch, sync: false)
    }
    try host.removeGroup(id)
    replica.close()
    RangeReplica.deleteData(of: replica.descriptor, state, into: batch)
    try state.database.write(batch, sync: false)
    Log.info("store", "range removed", ["range": "\(id)"])
  }

  private func makeReplica(_ range: RangeDescriptor) throws -> RangeReplica {
    try RangeReplica(range, state: state, log: host, metrics: metrics, space: space, configuration: configuration)
  }

  // MARK: - Gateways

  private var gateways: [NodeID: SessionEpoch] = [:]

  /// Row locks and transactions of gateways whose session has ended are given up early.
  func gatewaysChanged(_ live: [NodeID: SessionEpoch]) {
    for (gateway, epoch) in gateways.sorted(by: { $0.key < $1.key }) where live[gateway] != epoch {
      for replica in replicas { replica.gatewayChanged(gateway, liveEpoch: live[gateway]) }
    }
    for (gateway, epoch) in live.sorted(by: { $0.key < $1.key }) where gateways[gateway] == nil {
      for replica in replicas { replica.gatewayChanged(gateway, liveEpoch: epoch) }
    }
    gateways = live
  }

  // MARK: - Status

  func status(of replica: RangeReplica) -> RangeStatusInfo {
    let status = host.status(of: replica.id)
    return RangeStatusInfo(
      rangeID: replica.id.rawValue, epoch: replica.descriptor.epoch,
      leaderNodeID: status?.leadership.leader?.rawValue ?? 0, term: status?.leadership.term ?? 0,
      appliedIndex: status?.appliedIndex ?? 0, committedIndex: status?.commitIndex ?? 0,
      isQuiesced: status?.isQuiesced ?? false)
  }

  /// No lock of a transaction that started below this is on any replica of this node.
  var resolvedBelow: Timestamp { replicasByID.values.reduce(.max) { min($0, $1.garbage.resolvedBelow) } }

  /// Entries that the slowest member of a range led here lacks.
  var largestLag: UInt64 {
    replicasByID.values.reduce(0) { largest, replica in
      guard replica.isLeading, let status = host.status(of: replica.id) else { return largest }
      return max(largest, status.lag.values.max() ?? 0)
    }
  }

  // MARK: - Stored descriptors

  private static func encode(_ range: RangeDescriptor, seenAt index: SchemaIndex) -> [UInt8] {
    var writer = ByteWriter(capacity: 64)
    writer.writeVarint(index.rawValue)
    range.encode(into: &writer)
    return writer.bytes
  }

  private func storedDescriptors() throws -> [(RangeDescriptor, SchemaIndex)] {
    var result: [(RangeDescriptor, SchemaIndex)] = []
    let prefix = Array("range".utf8)
    let cursor = state.database.iterator(in: state.meta, from: prefix + [0], to: prefix + [1])
    cursor.seekToFirst()
    while cursor.isValid {
      var reader = ByteReader(cursor.value)
      let index = SchemaIndex(try reader.readVarint())
      result.append((try RangeDescriptor(decoding: reader.rest), index))
      cursor.next()
    }
    try cursor.checkStatus()
    return result
  }
}

extension ReplicationHost: RangeLog {
  func knownLeader(of group: RangeID) -> NodeID? {
    // Somebody looks for a leader: a silent group without one must elect.
    wake(group)
    return leadership(of: group)?.leader
  }
}
