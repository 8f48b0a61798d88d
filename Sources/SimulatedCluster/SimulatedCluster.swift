import EventLoop
import PostgresClient
import RocksEngine
import Simulation

/// A whole cluster in one world: the programs of every role on hosts of their own, and a host for its SQL clients.
@EventLoopActor public final class SimulatedCluster {
  public let world: Simulation
  public private(set) var nodes: [ClusterNode] = []
  /// Where SQL clients run; never killed.
  public let clients: SimulatedHost

  public init(_ world: Simulation, _ shape: ClusterShape = ClusterShape()) {
    self.world = world
    var metadata: [Endpoint] = []
    for role in ClusterRole.allCases {
      for number in 1...max(1, shape.count(role)) where number <= shape.count(role) {
        let host = world.addHost("\(role.rawValue)-\(number)")
        // The metadata service comes first: every host is told the addresses of all of it.
        if role == .metadata, number == 1 {
          metadata = (0..<shape.metadataCount).map { world.endpoint(ofHost: host.number + $0, ClusterNode.rpcPort) }
        }
        nodes.append(
          ClusterNode(role: role, number: number, host: host, metadata: metadata, flags: shape.flags[role] ?? []))
      }
    }
    clients = world.addHost("clients")
    useDisks()
  }

  /// Databases are opened on the disk of the host whose code opens them.
  private func useDisks() {
    var disks: [Int: SimulatedDisk] = [:]
    for node in nodes { disks[node.host.number] = node.disk }
    SimulatedDisk.provider = { [disks] in SimulatedProcess.current.flatMap { disks[$0.host] } }
    world.workTimeNanoseconds = { host, workers in
      workers == "log-sync" ? disks[host.number]?.syncDelayNanoseconds ?? 0 : 0
    }
  }

  public func nodes(_ role: ClusterRole) -> [ClusterNode] { nodes.filter { $0.role == role } }

  public func node(_ name: String) -> ClusterNode? { nodes.first { $0.name == name } }

  // MARK: - Life

  /// Starts every node.
  public func start() {
    clients.start { _ in }
    for node in nodes { node.start() }
  }

  /// Waits until every running node is ready; false when that takes longer than `limit`.
  public func ready(limit: Duration) async -> Bool {
    await world.run(until: { self.nodes.allSatisfy { !$0.host.isRunning || $0.isReady } }, limit: limit)
  }

  // MARK: - Clients

  /// Silence after which clients ask whether the gateway's machine is still there.
  static let clientKeepalive = Duration.seconds(2)

  /// A session of the clients' host with a gateway, counted from 0.
  public func connect(
    gateway: Int, timeout: Duration = .seconds(5)
  ) async throws(PostgresClientError) -> PostgresConnection {
    let gateways = nodes(.gateway)
    let endpoint = gateways[gateway % gateways.count].sqlEndpoint
    let result: Result<PostgresConnection, PostgresClientError>
    result = await SimulatedProcess.$current.withValue(clients.process) {
      do throws(PostgresClientError) {
        return .success(
          try await PostgresConnection.connect(
            to: endpoint, timeout: timeout, keepalive: Self.clientKeepalive))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}
