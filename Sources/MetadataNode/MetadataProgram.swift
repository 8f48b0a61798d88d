import Basics
import EventLoop
import Metadata
import NodeRuntime
import RPC
import RocksEngine
import Wire

/// The program `theseus-meta`: its options, and a `MetadataNode` set up from them.
public struct MetadataProgram: Sendable {
  public var options = ConfigurationOptions()
  private let nodeID: Option<Int>
  private let name: Option<String>
  private let rpcListen: Option<Endpoint>
  private let metadata: Option<[Endpoint]>
  private let peers: Option<String>
  private let directory: Option<String>
  private let lease: Option<Duration>
  private let boundedWait: Option<Duration>
  private let rangeRetention: Option<Duration>
  private let garbageRetention: Option<Duration>
  private let replicationFactor: Option<Int>
  private let backfillRate: Option<Int>

  public init() {
    nodeID = options.integer("node-id", default: 1, in: 1...10_000, help: "id of this replica, from 1")
    name = options.string("name", default: "", help: "name in the list of nodes; left out: meta-ID")
    rpcListen = options.endpoint(
      "rpc-listen", default: Endpoint(host: "127.0.0.1", port: 26_357), help: "address to serve RPC on")
    metadata = options.endpoints(
      "metadata", help: "RPC addresses of all replicas of the metadata service, in the order of their ids 1, 2, 3…")
    peers = options.string(
      "peers", default: "", form: "ID=HOST:PORT,…", help: "the same with ids, where they are not 1, 2, 3…")
    directory = options.string(
      "data-directory", default: "theseus-meta-data", form: "DIRECTORY", help: "where data is kept")
    lease = options.duration(
      "session-lease", default: .seconds(5), help: "how long a process that does not renew its session counts as live")
    boundedWait = options.duration(
      "ddl-bounded-wait", default: .seconds(2), help: "how long a step of a schema change waits for a slow process")
    rangeRetention = options.duration(
      "range-retention", default: .seconds(3600), help: "how long the data of dropped tables and indexes is kept")
    garbageRetention = options.duration(
      "garbage-retention", default: .seconds(300),
      help: "how long versions of rows are kept that newer ones have replaced; 0s: for ever")
    replicationFactor = options.integer(
      "replication-factor", default: 3, in: 1...7, help: "replicas of each range of a new table")
    backfillRate = options.integer(
      "backfill-rows-per-second", default: 0, help: "limit of one index build; 0: none")
  }

  /// Sets the node up; returns when it serves. Ends the process with exit code 2 when the flags contradict each other.
  @EventLoopActor public func start(_ runtime: NodeRuntime) async throws {
    let configuration = runtime.configuration
    let id = NodeID(UInt64(configuration[nodeID]))
    let members = members(runtime, id)
    let given = configuration[name]
    var settings = MetadataNode.Settings(
      nodeID: id, name: given.isEmpty ? "meta-\(id)" : given, members: members,
      directory: configuration[directory], seed: EventLoop.random.next())
    settings.httpAddress = runtime.http.endpoint?.description ?? ""
    settings.leader.leaseMilliseconds = max(100, configuration[lease].wholeMilliseconds)
    settings.leader.boundedWaitMilliseconds = max(1, configuration[boundedWait].wholeMilliseconds)
    settings.leader.rangeRetentionMilliseconds = configuration[rangeRetention].wholeMilliseconds
    settings.leader.garbageRetentionMilliseconds = configuration[garbageRetention].wholeMilliseconds
    settings.leader.replicationFactor = configuration[replicationFactor]
    settings.maximumBackfillRowsPerSecond = UInt64(configuration[backfillRate])
    try DataDirectory.create(settings.directory)

    var serverOptions = RPCServerOptions()
    serverOptions.log = { runtime.log.info("rpc", $0) }
    let server = RPCServer(options: serverOptions)
    let node = try MetadataNode(settings: settings, server: server) { runtime.log.info("metadata", $0) }
    node.onReadinessChange = { if $0 != runtime.isReady { runtime.setReady($0) } }
    node.onFailure = { reason in
      runtime.log.error("metadata", "the database failed; this replica stops", ["reason": reason])
      runtime.stop(exitCode: 1)
    }
    let listening = configuration[rpcListen]
    let endpoint = try server.listen(host: listening.host, port: listening.port)
    try node.start()
    runtime.log.info("metadata", "serving", ["rpc": "\(endpoint)", "node": "\(id)", "members": "\(members.count)"])
    observe(node, runtime)
    runtime.onDrain { await node.shutdown() }
  }

  @EventLoopActor private func members(_ runtime: NodeRuntime, _ id: NodeID) -> [NodeID: Endpoint] {
    let configuration = runtime.configuration
    var members: [NodeID: Endpoint] = [:]
    for (position, endpoint) in configuration[metadata].enumerated() {
      members[NodeID(UInt64(position + 1))] = endpoint
    }
    if !configuration[peers].isEmpty {
      members = [:]
      for part in configuration[peers].split(separator: ",") {
        let pair = part.split(separator: "=", maxSplits: 1)
        guard pair.count == 2, let number = UInt64(pair[0]), number > 0, let endpoint = Endpoint(String(pair[1])) else {
          NodeRuntime.fail(runtime.program, "--peers must be a list of ID=HOST:PORT, \"\(part)\" is not")
        }
        members[NodeID(number)] = endpoint
      }
    }
    if members.isEmpty { members[id] = configuration[rpcListen] }
    guard members[id] != nil else {
      NodeRuntime.fail(runtime.program, "--node-id \(id) is not among the replicas of --metadata or --peers")
    }
    return members
  }

  @EventLoopActor private func observe(_ node: MetadataNode, _ runtime: NodeRuntime) {
    let metrics = runtime.metrics
    metrics.computed("theseus_metadata_leader", "1 while this replica leads.") { node.isLeader ? 1 : 0 }
    metrics.computed("theseus_metadata_schema_index", "Newest schema entry applied.") {
      Double(node.schemaIndex.rawValue)
    }
    metrics.computed("theseus_metadata_watchers", "Open watch streams.") { Double(node.watcherCount) }
    metrics.computed("theseus_metadata_raft_syncs", "Synced writes of the log.") {
      Double(node.replicationMetrics.syncs)
    }
    metrics.computed("theseus_metadata_raft_applied", "Log entries applied.") {
      Double(node.replicationMetrics.appliedEntries)
    }
  }
}
