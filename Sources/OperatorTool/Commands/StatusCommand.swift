import EventLoop
import RPC
import Wire

/// `theseus status`: what a running cluster says about itself.
@EventLoopActor enum StatusCommand {
  static let flags = FlagSet("status", "Shows the processes of a running cluster, their schema, leases and lag.")
    .option("metadata", "HOST:PORT,…", "RPC addresses of the metadata service")
    .option("directory", "D", "instead: directory of a local cluster")
    .flag("json", "print JSON instead of a table")

  private static let callTimeout = Duration.seconds(3)

  static func run(_ flags: FlagValues) async throws(ToolError) -> Int32 {
    let endpoints = try endpoints(flags)
    var answers: [ClusterStatus] = []
    var silent: [String] = []
    for endpoint in endpoints {
      let channel = RPCChannel(endpoint)
      do throws(RPCError) {
        answers.append(try await channel.call(MetadataService.status, Empty(), deadline: callTimeout))
      } catch {
        silent.append("\(endpoint): \(error)")
      }
      channel.close()
    }
    // The newest leader knows best; its replicas follow.
    let newest = answers.max { left, right in
      let leftLeads = left.leaderNodeID == left.respondingNodeID && left.leaderNodeID != 0
      let rightLeads = right.leaderNodeID == right.respondingNodeID && right.leaderNodeID != 0
      return (leftLeads ? 1 : 0, left.term, left.schemaIndex) < (rightLeads ? 1 : 0, right.term, right.schemaIndex)
    }
    guard let newest else {
      throw ToolError("no metadata address answered: \(silent.joined(separator: "; "))")
    }
    if try flags.boolean("json") {
      Console.line(json(newest, answers, silent).formatted())
    } else {
      show(newest, answers, silent)
    }
    return newest.leaderNodeID == 0 ? 1 : 0
  }

  private static func endpoints(_ flags: FlagValues) throws(ToolError) -> [Endpoint] {
    if let directory = flags.optional("directory") {
      return try LocalCluster.open(directory: directory).metadataEndpoints
    }
    var endpoints: [Endpoint] = []
    for part in try flags.string("metadata").split(separator: ",") {
      guard let endpoint = Endpoint(part.trimmed) else { throw .usage("\"\(part)\" in --metadata is no HOST:PORT") }
      endpoints.append(endpoint)
    }
    return endpoints
  }

  private static func role(_ role: NodeRole) -> String {
    switch role {
    case .metadata: "meta"
    case .gateway: "gateway"
    case .storage: "storage"
    case .ack: "ack"
    case .unspecified, .unrecognized: "unknown"
    }
  }

  private static func show(_ status: ClusterStatus, _ answers: [ClusterStatus], _ silent: [String]) {
    Console.line(
      "cluster \(status.clusterID): schema index \(status.schemaIndex), \(status.rangeCount) ranges, "
        + (status.leaderNodeID == 0
          ? "no metadata leader" : "metadata leader \(name(status.leaderNodeID, status)) in term \(status.term)"))
    var replicas = [["metadata replica", "applied", "committed", "schema index"]]
    for answer in answers {
      replicas.append([
        name(answer.respondingNodeID, status), "\(answer.raftAppliedIndex)", "\(answer.raftCommittedIndex)",
        "\(answer.schemaIndex)",
      ])
    }
    Console.line()
    Console.line(Console.table(replicas))
    for problem in silent { Console.line("no answer from \(problem)") }
    var rows = [["node", "name", "role", "session", "lease", "renewed ms ago", "schema index", "lag", "rpc", "sql"]]
    for node in status.nodes.sorted(by: { $0.nodeID < $1.nodeID }) where node.role != .metadata {
      let lag = status.schemaIndex - min(status.schemaIndex, node.appliedSchemaIndex)
      let followsSchema = node.role != .ack
      rows.append([
        "\(node.nodeID)", node.name, role(node.role), "\(node.sessionEpoch)", node.isLive ? "live" : "expired",
        "\(node.leaseAgeMilliseconds)", followsSchema ? "\(node.appliedSchemaIndex)" : "",
        followsSchema ? "\(lag)" : "",
        node.rpcAddress, node.sqlAddress,
      ])
    }
    Console.line()
    Console.line(Console.table(rows))
  }

  private static func name(_ id: UInt64, _ status: ClusterStatus) -> String {
    status.nodes.first { $0.nodeID == id }.flatMap { $0.name.isEmpty ? nil : $0.name } ?? "meta-\(id)"
  }

  private static func json(_ status: ClusterStatus, _ answers: [ClusterStatus], _ silent: [String]) -> JSONValue {
    func number(_ value: UInt64) -> JSONValue { .integer(Int(clamping: value)) }
    let nodes = status.nodes.sorted { $0.nodeID < $1.nodeID }.map { node -> JSONValue in
      .object([
        JSONMember("node_id", number(node.nodeID)), JSONMember("name", .string(node.name)),
        JSONMember("role", .string(role(node.role))), JSONMember("session_epoch", number(node.sessionEpoch)),
        JSONMember("is_live", .boolean(node.isLive)), JSONMember("lease_age_ms", number(node.leaseAgeMilliseconds)),
        JSONMember("schema_index", number(node.appliedSchemaIndex)), JSONMember("rpc", .string(node.rpcAddress)),
        JSONMember("sql", .string(node.sqlAddress)), JSONMember("http", .string(node.httpAddress)),
      ])
    }
    let replicas = answers.map { answer -> JSONValue in
      .object([
        JSONMember("name", .string(name(answer.respondingNodeID, status))),
        JSONMember("applied", number(answer.raftAppliedIndex)),
        JSONMember("committed", number(answer.raftCommittedIndex)),
        JSONMember("schema_index", number(answer.schemaIndex)),
      ])
    }
    return .object([
      JSONMember("cluster_id", .string(status.clusterID)),
      JSONMember("leader", status.leaderNodeID == 0 ? .null : .string(name(status.leaderNodeID, status))),
      JSONMember("term", number(status.term)), JSONMember("schema_index", number(status.schemaIndex)),
      JSONMember("ranges", number(status.rangeCount)), JSONMember("replicas", .array(replicas)),
      JSONMember("silent", .array(silent.map { .string($0) })), JSONMember("nodes", .array(nodes)),
    ])
  }
}
