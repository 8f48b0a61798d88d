import Basics
import Catalog
import ClusterClient
import EventLoop
import NodeRuntime
import RPC
import Replication
import RocksEngine
import Transactions
import Wire

/// Who a storage node is, where it keeps its data and whom it talks to.
public struct StorageNodeOptions: Sendable {
  public var nodeID: NodeID
  public var name: String
  public var directory: String
  /// As others reach this process.
  public var rpcAddress: String
  public var httpAddress = ""
  public var metadataEndpoints: [Endpoint]
  public var rocks = RocksOptions()
  /// New writes are refused while the file system has less than this left.
  public var diskReserveBytes = 64 << 20
  public var ranges = RangeMachineConfiguration()
  public var replication = ReplicationOptions()
  /// Rows that an index build reads at a time, at most.
  public var maximumRowsPerBackfillChunk = 2048
  public var garbage = GarbageCollectorOptions()
  /// Decides election timeouts.
  public var seed: UInt64 = 0

  public init(nodeID: NodeID, name: String, directory: String, rpcAddress: String, metadataEndpoints: [Endpoint]) {
    self.nodeID = nodeID
    self.name = name
    self.directory = directory
    self.rpcAddress = rpcAddress
    self.metadataEndpoints = metadataEndpoints
  }
}

/// Why a storage node does not start.
public enum StorageNodeError: Error, Hashable, CustomStringConvertible {
  /// The directory belongs to another node.
  case directoryOfNode(NodeID)

  public var description: String {
    switch self {
    case .directoryOfNode(let node): "the data directory belongs to node \(node)"
    }
  }
}

/// A storage node as a process: RocksDB, the ranges on it as Raft groups, services `Range`, `RaftTransport` and `Backfill`,
/// and the metadata service's catalog that says which ranges there are.
@EventLoopActor public final class StorageNode {
  public let options: StorageNodeOptions
  public let connection: MetadataConnection
  /// Called when the node can serve, and when it no longer can.
  public var onReadyChange: ((Bool) -> Void)?
  /// Called once when the node cannot go on (a full disk, a database that fails): only a new process reads what is durable.
  public var onFailure: ((String) -> Void)?

  let store: RangeStore
  private let database: RocksDatabase
  private let host: ReplicationHost
  private let server: RPCServer
  private let range: RangeHandlers
  private let backfill: BackfillHandlers
  private let collector: GarbageCollector
  private var failure: String?

  /// Opens the directory (created if it is missing) and the ranges on it. Nothing runs before `start`.
  public init(_ options: StorageNodeOptions, server: RPCServer) throws {
    self.options = options
    self.server = server
    try DataDirectory.create(options.directory)
    let families = StoreState.families + [ColumnFamilyOptions("raft", writeBufferBytes: 16 << 20)]
    database = try RocksDatabase.open(options.directory + "/rocksdb", columnFamilies: families, options: options.rocks)
    let clusterID = try Self.claim(database, for: options.nodeID)
    connection = MetadataConnection(
      ClusterClientOptions(
        nodeID: options.nodeID, name: options.name, role: .storage, rpcAddress: options.rpcAddress,
        httpAddress: options.httpAddress, metadataEndpoints: options.metadataEndpoints, clusterID: clusterID))
    let connection = connection
    let transport = StreamTransport(node: options.nodeID, server: server) { node in
      connection.nodes[node].flatMap { Endpoint($0.rpcAddress) }
    }
    host = ReplicationHost(
      node: options.nodeID, database: database, logFamily: database.columnFamily("raft"), transport: transport,
      options: options.replication, seed: options.seed)
    store = RangeStore(
      node: options.nodeID, database: database, host: host,
      space: DiskSpace(path: options.directory, reserveBytes: options.diskReserveBytes),
      configuration: options.ranges)
    store.maximumRowsPerChunk = options.maximumRowsPerBackfillChunk
    range = RangeHandlers(store)
    backfill = BackfillHandlers(store, connection)
    collector = GarbageCollector(store, LockResolver(RangeClient(connection)), options: options.garbage)
    range.register(on: server)
    backfill.register(on: server)
    try store.open()
  }

  public func start() {
    // Once only: were all disks full, leaderships would wander for ever.
    store.space.onLow = { [weak self] in self?.host.transferLeaderships() }
    // A simulated disk is no directory of the machine.
    if SimulatedDisk.current == nil { store.space.start() }
    host.onProblem = { Log.warning("replication", $0) }
    host.onFailure = { [weak self] in self?.failed("\($0)") }
    connection.onEvent = { event in
      if event.isWarning { Log.warning("metadata", "\(event)") } else { Log.info("metadata", "\(event)") }
    }
    connection.onCatalogChange { [weak self] entries, isSnapshot in self?.catalogChanged(entries, isSnapshot) }
    connection.onNodesChange { [weak self] in self?.nodesChanged() }
    connection.onSessionStarted { [weak self] in self?.readinessChanged() }
    connection.onSessionLost { [weak self] in self?.readinessChanged() }
    connection.resolvedTimestamp = { [weak self] in self?.store.resolvedBelow ?? .zero }
    connection.onSafePoints = { [weak self] in self?.collector.advice = $0 }
    collector.start()
    host.start()
    connection.start()
    server.health.set(RangeService.name, .serving)
    server.health.set(BackfillService.name, .serving)
  }

  /// Hands leaderships over, then stops. The server is the caller's.
  public func stop() async {
    server.health.set(RangeService.name, .notServing)
    store.space.stop()
    await connection.leave()
    collector.stop()
    await host.shutdown()
    store.close()
    // After a failed write the log is not touched any more.
    if failure != nil { return }
    do { try database.syncLog() } catch { Log.warning("storage", "the last sync failed", ["reason": "\(error)"]) }
  }

  public var isReady: Bool { connection.isReady && failure == nil }
  public var rangeCount: Int { store.replicas.count }
  public var leadingCount: Int { store.leadingCount }

  // MARK: - Metadata

  private func catalogChanged(_ entries: [SchemaEntry], _ isSnapshot: Bool) {
    if failure != nil { return }
    do {
      if isSnapshot, let catalog = connection.history?.latest {
        try store.reconcile(catalog.ranges, asOf: catalog.schemaIndex)
      } else {
        for entry in entries { try store.apply(entry) }
      }
      try rememberCluster()
    } catch {
      failed("\(error)")
    }
    readinessChanged()
  }

  private func nodesChanged() {
    var live: [NodeID: SessionEpoch] = [:]
    for (id, node) in connection.nodes where node.role == .gateway && node.isLive {
      live[id] = SessionEpoch(node.sessionEpoch)
    }
    store.gatewaysChanged(live)
  }

  private func readinessChanged() { onReadyChange?(isReady) }

  private func failed(_ reason: String) {
    let isFirst = failure == nil
    if isFirst { Log.error("storage", "this node stops serving", ["reason": reason]) }
    failure = failure ?? reason
    server.health.set(RangeService.name, .notServing)
    readinessChanged()
    if isFirst { onFailure?(reason) }
  }

  // MARK: - Identity

  private static let nodeKey = Array("node".utf8)
  private static let clusterKey = Array("cluster".utf8)

  /// The first start writes the node's id into the directory, later ones compare. Returns the cluster's id, if known.
  private static func claim(_ database: RocksDatabase, for node: NodeID) throws -> String {
    let meta = database.columnFamily("meta")
    if let stored = try database.get(nodeKey, in: meta) {
      var reader = ByteReader(stored)
      let owner = NodeID(try reader.readUInt64())
      guard owner == node else { throw StorageNodeError.directoryOfNode(owner) }
    } else {
      var writer = ByteWriter()
      writer.write(node.rawValue)
      let batch = WriteBatch()
      batch.put(nodeKey, writer.bytes, in: meta)
      try database.write(batch, sync: true)
    }
    return String(decoding: try database.get(clusterKey, in: meta) ?? [], as: UTF8.self)
  }

  private func rememberCluster() throws {
    let cluster = Array(connection.clusterID.utf8)
    let meta = database.columnFamily("meta")
    if cluster.isEmpty { return }
    if try database.get(Self.clusterKey, in: meta) == cluster { return }
    let batch = WriteBatch()
    batch.put(Self.clusterKey, cluster, in: meta)
    try database.write(batch, sync: false)
  }
}
