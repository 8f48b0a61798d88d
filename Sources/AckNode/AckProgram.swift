import Basics
import EventLoop
import NodeRuntime
import RPC
import Wire

/// The program `theseus-ack`: its options, and an `AckNode` set up from them.
public struct AckProgram: Sendable {
  public var options = ConfigurationOptions()
  private let nodeID: Option<Int>
  private let name: Option<String>
  private let rpcListen: Option<Endpoint>
  private let rpcAdvertise: Option<Endpoint?>
  private let metadata: Option<[Endpoint]>

  public init() {
    nodeID = options.integer(
      "node-id", default: 0, in: 0...Int(UInt32.max), help: "id in the cluster; 0 lets the metadata service give one")
    name = options.string("name", default: "ack", help: "name in the list of nodes")
    rpcListen = options.endpoint(
      "rpc-listen", default: Endpoint(host: "127.0.0.1", port: 26_657), help: "address to serve RPC on")
    rpcAdvertise = options.optionalEndpoint(
      "rpc-advertise", help: "address under which others reach this process; left out: the one it listens on")
    metadata = options.endpoints("metadata", help: "RPC addresses of the metadata service")
  }

  /// Sets the node up; returns when it serves. Ends the process with exit code 2 when `--metadata` is missing.
  @EventLoopActor public func start(_ runtime: NodeRuntime) async throws {
    let configuration = runtime.configuration
    guard !configuration[metadata].isEmpty else {
      NodeRuntime.fail(runtime.program, "--metadata must name at least one address")
    }
    var serverOptions = RPCServerOptions()
    serverOptions.log = { runtime.log.info("rpc", $0) }
    let server = RPCServer(options: serverOptions)
    let node = AckNode(server: server) { runtime.log.warning("ack", $0) }
    node.start()
    let listening = configuration[rpcListen]
    let endpoint = try server.listen(host: listening.host, port: listening.port)
    runtime.log.info("ack", "serving", ["rpc": "\(endpoint)"])

    let registration = Registration(
      node: NodeInfo(
        nodeID: UInt64(configuration[nodeID]), name: configuration[name], role: .ack,
        rpcAddress: "\(configuration[rpcAdvertise] ?? endpoint)", httpAddress: runtime.http.endpoint?.description ?? ""),
      metadata: configuration[metadata], log: { runtime.log.warning("ack", $0) },
      onChange: { runtime.setReady($0) })
    registration.start()
    observe(node, runtime)
    runtime.onDrain {
      await registration.leave()
      node.stop()
      await server.shutdown(graceful: .seconds(1))
    }
  }

  @EventLoopActor private func observe(_ node: AckNode, _ runtime: NodeRuntime) {
    let metrics = runtime.metrics
    metrics.computed("theseus_ack_nodes", "Nodes whose acknowledgements are remembered.") {
      Double(node.aggregator.lattice.count)
    }
    metrics.computed("theseus_ack_reporters", "Open streams of nodes.") { Double(node.aggregator.reporterCount) }
    metrics.computed("theseus_ack_watchers", "Open streams of metadata leaders.") {
      Double(node.aggregator.watcherCount)
    }
    metrics.computed("theseus_ack_barriers", "Open barriers.") { Double(node.aggregator.barrierCount) }
  }
}
