import Basics
import EventLoop
import RPC
import Wire

/// What is measured over RPC alone: calls to a process that does nothing, and timestamps.
@EventLoopActor struct ServiceBench {
  let metadata: [Endpoint]
  let gateway: Endpoint
  let duration: Duration
  private(set) var figures: [BenchFigure] = []

  static let timestampsPerRequest: UInt32 = 16

  init(metadata: [Endpoint], gateway: Endpoint, duration: Duration) {
    self.metadata = metadata
    self.gateway = gateway
    self.duration = duration
  }

  mutating func run() async throws(RPCError) {
    let channel = RPCChannel(gateway)
    defer { channel.close() }
    for inFlight in [1, 64] {
      let outcome = try await BenchLoop.run(lanes: inFlight, for: duration) { _, _ throws(RPCError) in
        _ = try await channel.call(HealthService.check, HealthCheckRequest(), deadline: .seconds(5))
      }
      figures.append(BenchFigure("RPC echo, \(inFlight) in flight", outcome.perSecond, "/s", outcome.latencies))
    }
    try await measureTimestamps()
  }

  private mutating func measureTimestamps() async throws(RPCError) {
    let leader = try await leader()
    let channel = RPCChannel(leader)
    defer { channel.close() }
    // Registered without a role: no barrier waits for this session, and its lease runs out by itself.
    let first = try await channel.call(
      MetadataService.register, RegisterRequest(node: NodeInfo(name: "bench")), deadline: .seconds(5))
    if let error = first.error, !error.state.isEmpty { throw RPCError(.failedPrecondition, error.message) }
    try await measureRaftWrite(channel, node: first.nodeID)
    let session = try await channel.call(
      MetadataService.register, RegisterRequest(node: NodeInfo(nodeID: first.nodeID, name: "bench")),
      deadline: .seconds(5))
    let status = try await channel.call(MetadataService.status, Empty(), deadline: .seconds(5))
    let renewal = RenewRequest(
      nodeID: session.nodeID, sessionEpoch: session.sessionEpoch, appliedSchemaIndex: status.schemaIndex)
    let renewing = Timer.repeating(every: .seconds(1)) {
      _ = channel.call(MetadataService.renew, renewal, deadline: .seconds(1)) { _ in }
    }
    defer { renewing.cancel() }
    for (inFlight, count) in [(1, 1), (64, Self.timestampsPerRequest)] {
      let request = TimestampsRequest(
        nodeID: session.nodeID, sessionEpoch: session.sessionEpoch, appliedSchemaIndex: status.schemaIndex,
        readCount: count)
      let outcome = try await BenchLoop.run(lanes: inFlight, for: duration) { _, _ throws(RPCError) in
        let response = try await channel.call(MetadataService.timestamps, request, deadline: .seconds(5))
        guard response.outcome == .granted else { throw RPCError(.failedPrecondition, "\(response.outcome)") }
      }
      figures.append(
        BenchFigure(
          "timestamps, \(inFlight) requests of \(count) in flight", outcome.perSecond * Double(count), "/s",
          outcome.latencies))
    }
  }

  /// A registration is one small command in the metadata log: synced by a majority, applied, answered.
  private mutating func measureRaftWrite(_ channel: RPCChannel, node: UInt64) async throws(RPCError) {
    let request = RegisterRequest(node: NodeInfo(nodeID: node, name: "bench"))
    let outcome = try await BenchLoop.run(lanes: 1, for: duration) { _, _ throws(RPCError) in
      _ = try await channel.call(MetadataService.register, request, deadline: .seconds(5))
    }
    figures.append(BenchFigure("one synced Raft write over RPC", outcome.perSecond, "/s", outcome.latencies))
  }

  private func leader() async throws(RPCError) -> Endpoint {
    var failure = RPCError(.unavailable, "no metadata address")
    for endpoint in metadata {
      let channel = RPCChannel(endpoint)
      defer { channel.close() }
      do throws(RPCError) {
        let status = try await channel.call(MetadataService.status, Empty(), deadline: .seconds(2))
        if status.leaderNodeID == status.respondingNodeID { return endpoint }
      } catch {
        failure = error
      }
    }
    throw failure
  }
}
