import AckNode
import EventLoop
import GatewayNode
import MetadataNode
import NodeRuntime
import RocksEngine
import Simulation
import StorageNode

/// One host of a simulated cluster with the program that runs on it.
@EventLoopActor public final class ClusterNode {
  static let rpcPort: UInt16 = 7000
  static let sqlPort: UInt16 = 5432

  public let role: ClusterRole
  public let host: SimulatedHost
  /// What outlives the process.
  public let disk = SimulatedDisk()
  /// Of the process that runs now or ran last.
  public private(set) var runtime: NodeRuntime?
  /// The exit code of the last process that ended by itself.
  public private(set) var exitCode: Int32?
  let arguments: [String]

  public var name: String { host.name }
  public var isReady: Bool { host.isRunning && runtime?.isReady == true && runtime?.isDraining == false }
  public var rpcEndpoint: Endpoint { Endpoint(host: host.address, port: Self.rpcPort) }
  public var sqlEndpoint: Endpoint { Endpoint(host: host.address, port: Self.sqlPort) }

  init(role: ClusterRole, number: Int, host: SimulatedHost, metadata: [Endpoint], flags: [String]) {
    self.role = role
    self.host = host
    var arguments = [
      "--node-id", "\(role.firstNodeID + number)", "--name", host.name, "--metadata",
      metadata.map(\.description).joined(separator: ","), "--rpc-listen", "\(host.address):\(Self.rpcPort)",
    ]
    switch role {
    case .metadata, .storage: arguments += ["--data-directory", "/data"]
    case .gateway: arguments += ["--sql-listen", "\(host.address):\(Self.sqlPort)", "--accept-remote"]
    case .aggregator: break
    }
    self.arguments = arguments + flags
    var random = EventLoop.random
    host.onDeath { [disk] death in
      switch death {
      case .process: disk.kill()
      case .machine: disk.crash(using: &random)
      }
    }
  }

  /// Starts the program; a process that ends by itself leaves its exit code.
  public func start() {
    host.start { [self] host in
      let process = SimulatedProcess.current
      let code = try await main()
      if host.process != process { return }
      exitCode = code
      host.kill()
    }
  }

  /// SIGTERM: the process drains and ends.
  public func terminate() { host.run { runtime?.stop() } }

  private func main() async throws -> Int32 {
    switch role {
    case .metadata:
      let program = MetadataProgram()
      return try await run("theseus-meta", program.options, program.start)
    case .storage:
      let program = StorageProgram()
      return try await run("theseus-storage", program.options, program.start)
    case .aggregator:
      let program = AckProgram()
      return try await run("theseus-ack", program.options, program.start)
    case .gateway:
      let flags = GatewayFlags()
      return try await run("theseus-gateway", flags.options) { runtime in
        _ = try await Gateway.start(flags.read(runtime.configuration), runtime)
      }
    }
  }

  private func run(
    _ program: String, _ options: ConfigurationOptions,
    _ body: @escaping @EventLoopActor @Sendable (NodeRuntime) async throws -> Void
  ) async throws -> Int32 {
    try await NodeRuntime.simulate(
      program: program, options: options, arguments: arguments, onStart: { runtime = $0 }, body: body)
  }
}
