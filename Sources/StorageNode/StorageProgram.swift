import Basics
import EventLoop
import NodeRuntime
import RPC

/// The program `theseus-storage`: its options, and a `StorageNode` set up from them.
public struct StorageProgram: Sendable {
  public var options = ConfigurationOptions()
  private let nodeID: Option<Int>
  private let name: Option<String>
  private let directory: Option<String>
  private let rpcListen: Option<Endpoint>
  private let rpcAdvertise: Option<Endpoint?>
  private let metadata: Option<[Endpoint]>
  private let blockCache: Option<Int>
  private let diskReserve: Option<Int>
  private let readBound: Option<Duration>
  private let readBoundRenewal: Option<Duration>
  private let writeWait: Option<Duration>
  private let logEntries: Option<Int>
  private let buildRows: Option<Int>
  private let garbageRest: Option<Duration>

  public init() {
    nodeID = options.integer(
      "node-id", default: 0, in: 0...Int(UInt32.max), help: "id in the cluster, unique over all roles; required")
    name = options.string("name", default: "storage", help: "name in the list of nodes")
    directory = options.string(
      "data-directory", default: "", form: "DIRECTORY", help: "where the data is kept; required")
    rpcListen = options.endpoint(
      "rpc-listen", default: Endpoint(host: "127.0.0.1", port: 26_557), help: "address to serve RPC on")
    rpcAdvertise = options.optionalEndpoint(
      "rpc-advertise", help: "address under which others reach this process; left out: the one it listens on")
    metadata = options.endpoints("metadata", help: "RPC addresses of the metadata service; required")
    blockCache = options.bytes("block-cache", default: 64 << 20, help: "memory for blocks of data files")
    diskReserve = options.bytes(
      "disk-reserve", default: 64 << 20, help: "new writes are refused while the disk has less than this left")
    readBound = options.duration(
      "read-bound", default: .milliseconds(1000),
      help: "how far ahead a range's leader may serve reads without asking the other replicas")
    readBoundRenewal = options.duration(
      "read-bound-renewal", default: .milliseconds(500), help: "the bound is extended when less than this is left")
    writeWait = options.duration(
      "write-wait", default: .seconds(1), help: "longest wait of a commit for a row lock of another transaction")
    logEntries = options.integer(
      "range-log-entries", default: 8192, in: 16...1_000_000, help: "log of one range, in entries, before it is cut")
    buildRows = options.integer(
      "backfill-rows", default: BackfillRun.rowsPerChunk, in: 1...1_000_000,
      help: "rows that an index build reads at a time, at most")
    garbageRest = options.duration(
      "garbage-rest", default: .seconds(600),
      help: "a range with so little garbage that it is not worth a sweep is swept after this time all the same")
  }

  /// Sets the node up; returns when it serves. Ends the process with exit code 2 when a required option is missing.
  @EventLoopActor public func start(_ runtime: NodeRuntime) async throws {
    let configuration = runtime.configuration
    guard configuration[nodeID] > 0 else { NodeRuntime.fail(runtime.program, "--node-id must be above zero") }
    guard !configuration[directory].isEmpty else {
      NodeRuntime.fail(runtime.program, "--data-directory must name a directory")
    }
    guard !configuration[metadata].isEmpty else {
      NodeRuntime.fail(runtime.program, "--metadata must name at least one address")
    }
    var serverOptions = RPCServerOptions()
    serverOptions.log = { runtime.log.info("rpc", $0) }
    let server = RPCServer(options: serverOptions)
    let listening = configuration[rpcListen]
    // Handlers are registered before the first call can be read: both happen in this turn of the loop.
    let endpoint = try server.listen(host: listening.host, port: listening.port)
    var nodeOptions = StorageNodeOptions(
      nodeID: NodeID(UInt64(configuration[nodeID])), name: configuration[name], directory: configuration[directory],
      rpcAddress: "\(configuration[rpcAdvertise] ?? endpoint)", metadataEndpoints: configuration[metadata])
    nodeOptions.httpAddress = runtime.http.endpoint?.description ?? ""
    nodeOptions.rocks.blockCacheBytes = configuration[blockCache]
    nodeOptions.diskReserveBytes = configuration[diskReserve]
    nodeOptions.ranges.readBoundMilliseconds = milliseconds(configuration[readBound])
    nodeOptions.ranges.readBoundRenewalMilliseconds = milliseconds(configuration[readBoundRenewal])
    nodeOptions.ranges.writeWaitMilliseconds = milliseconds(configuration[writeWait])
    nodeOptions.replication.maximumLogEntries = configuration[logEntries]
    nodeOptions.replication.retainedLogEntries = min(
      nodeOptions.replication.retainedLogEntries, configuration[logEntries] / 4)
    nodeOptions.maximumRowsPerBackfillChunk = configuration[buildRows]
    nodeOptions.garbage.longestRestMilliseconds = milliseconds(configuration[garbageRest])
    nodeOptions.seed = EventLoop.random.next()
    let node: StorageNode
    do {
      node = try StorageNode(nodeOptions, server: server)
    } catch let error as StorageNodeError {
      NodeRuntime.fail(runtime.program, error.description)
    }
    node.onReadyChange = { runtime.setReady($0) }
    // Whoever supervises the process starts it again; it would never serve by itself.
    node.onFailure = { _ in runtime.stop(exitCode: 1) }
    node.start()
    node.observe(runtime.metrics)
    runtime.log.info("storage", "serving", ["rpc": "\(endpoint)", "ranges": "\(node.rangeCount)"])
    runtime.onDrain {
      runtime.setReady(false)
      await node.stop()
      await server.shutdown(graceful: .seconds(1))
    }
  }

  private func milliseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    return UInt64(clamping: seconds) &* 1000 &+ UInt64(clamping: attoseconds / 1_000_000_000_000_000)
  }
}

extension StorageNode {
  /// What `/metrics` says of this node.
  func observe(_ metrics: Metrics) {
    let store = self.store
    let counts = store.metrics
    func add(_ name: String, _ help: String, _ body: @escaping @EventLoopActor @Sendable () -> Double) {
      metrics.computed("theseus_storage_\(name)", help, body)
    }
    add("ranges", "Replicas on this node.") { Double(store.replicas.count) }
    add("leaders", "Ranges led by this node.") { Double(store.leadingCount) }
    add("disk_available_bytes", "Left on the file system of the data directory.") {
      Double(store.space.availableBytes ?? 0)
    }
    add("disk_low", "1 while new writes are refused for want of disk space.") { store.space.refusesWrites ? 1 : 0 }
    add("raft_lag_entries", "Log entries that the slowest follower of a range led here lacks.") {
      Double(store.largestLag)
    }
    add("requests_waiting", "Requests that wait for locks or proposals.") { Double(store.waitingCount) }
    add("row_locks", "Row locks held.") { Double(store.rowLockCount) }
    add("reads_total", "Keys read by Get.") { Double(counts.reads.value) }
    add("scans_total", "Calls of Scan.") { Double(counts.scans.value) }
    add("scanned_rows_total", "Rows returned by Scan.") { Double(counts.rowsScanned.value) }
    add("writes_total", "Keys written by commits and prewrites.") { Double(counts.writes.value) }
    add("ingest_bytes_total", "Bytes of index entries taken.") { Double(counts.ingestBytes.value) }
    add("backfilled_rows_total", "Rows whose index entries were built here.") { Double(counts.backfilledRows.value) }
    add("garbage_cells_total", "Versions and transaction records given up.") { Double(counts.garbageCells.value) }
    add("corrupted_ranges_total", "Replicas taken out of service.") { Double(counts.corruptedRanges.value) }
  }
}
