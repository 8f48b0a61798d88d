import Basics
import EventLoop
import NodeRuntime
import PostgresProtocol

/// What a gateway is told by flags, environment and configuration file.
public struct GatewayOptions: Sendable {
  public var nodeID: NodeID
  public var name: String
  public var sqlListen: Endpoint
  public var rpcListen: Endpoint
  /// Under which other nodes reach `rpcListen`; nil: the address itself.
  public var rpcAdvertise: Endpoint?
  public var httpAddress: String
  public var metadata: [Endpoint]
  /// Serve clients that are not on this machine; there is no authentication yet.
  public var acceptsRemoteClients: Bool
  public var maximumConnections: Int
  public var transactionLimitBytes: Int
  public var protocolLimits = ProtocolLimits()
  /// A client silent for so long is asked by the kernel whether it is still there.
  public var keepalive = Duration.seconds(60)
  /// A commit on its way is not cancelled; it is tried for so long, and then its outcome is asked for (milliseconds).
  public var commitPatienceMilliseconds: UInt64 = 30_000
  /// From the first byte of a connection to the end of its start-up.
  public var startupTimeoutSeconds = 10
}

/// The flags of `theseus-gateway`.
public struct GatewayFlags: Sendable {
  public private(set) var options = ConfigurationOptions()
  private let nodeID: Option<Int>
  private let name: Option<String>
  private let sqlListen: Option<Endpoint>
  private let rpcListen: Option<Endpoint>
  private let rpcAdvertise: Option<Endpoint?>
  private let metadata: Option<[Endpoint]>
  private let acceptRemote: Option<Bool>
  private let maximumConnections: Option<Int>
  private let statementBytes: Option<Int>
  private let messageBytes: Option<Int>
  private let transactionBytes: Option<Int>
  private let keepalive: Option<Duration>
  private let commitPatience: Option<Duration>

  public init() {
    nodeID = options.integer(
      "node-id", default: 0, in: 0...Int(Int32.max), help: "number of this node in the cluster; 0: get a new one")
    name = options.string("name", default: "gateway", form: "NAME", help: "name shown in lists and logs")
    sqlListen = options.endpoint(
      "sql-listen", default: Endpoint(host: "127.0.0.1", port: 5432), help: "address for PostgreSQL clients")
    rpcListen = options.endpoint(
      "rpc-listen", default: Endpoint(host: "127.0.0.1", port: 0), help: "address for other nodes")
    rpcAdvertise = options.optionalEndpoint(
      "rpc-advertise", help: "address under which others reach this process; left out: the one it listens on")
    metadata = options.endpoints("metadata", help: "addresses of the metadata service, separated by commas")
    acceptRemote = options.boolean(
      "accept-remote", default: false, help: "serve clients of other machines; there is no authentication yet")
    maximumConnections = options.integer(
      "max-connections", default: 1000, in: 1...100_000, help: "SQL sessions at one time")
    statementBytes = options.bytes(
      "max-statement-size", default: 4 << 20, in: 1024...(64 << 20), help: "longest SQL text")
    messageBytes = options.bytes(
      "max-message-size", default: 64 << 20, in: 65_536...(1 << 30), help: "longest message of a client")
    transactionBytes = options.bytes(
      "max-transaction-size", default: 64 << 20, in: 65_536...(1 << 30), help: "writes of one transaction at most")
    keepalive = options.duration(
      "tcp-keepalive", default: .seconds(60),
      help: "silence after which a client's machine is asked whether it is still there")
    commitPatience = options.duration(
      "commit-patience", default: .seconds(30), help: "how long a commit is tried before its outcome is asked for")
  }

  /// Throws a sentence for what cannot be.
  public func read(_ configuration: Configuration) throws(ConfigurationError) -> GatewayOptions {
    guard !configuration[metadata].isEmpty else {
      throw ConfigurationError("--metadata must name at least one address of the metadata service")
    }
    var result = GatewayOptions(
      nodeID: NodeID(UInt64(configuration[nodeID])), name: configuration[name], sqlListen: configuration[sqlListen],
      rpcListen: configuration[rpcListen], rpcAdvertise: configuration[rpcAdvertise], httpAddress: "",
      metadata: configuration[metadata],
      acceptsRemoteClients: configuration[acceptRemote], maximumConnections: configuration[maximumConnections],
      transactionLimitBytes: configuration[transactionBytes])
    result.keepalive = configuration[keepalive]
    result.commitPatienceMilliseconds = max(1, configuration[commitPatience].wholeMilliseconds)
    result.protocolLimits.statementBytes = configuration[statementBytes]
    result.protocolLimits.messageBytes = max(configuration[messageBytes], configuration[statementBytes])
    return result
  }
}
