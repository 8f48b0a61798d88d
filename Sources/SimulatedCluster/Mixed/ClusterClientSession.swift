import EventLoop
import PostgresClient
import Verification

/// A workload's session with the gateways of a simulated cluster: every wait is bounded, and a session that ended is
/// followed by one with the next gateway.
@EventLoopActor final class ClusterClientSession: SQLClient {
  private let cluster: SimulatedCluster
  private var gateway: Int
  private var connection: PostgresConnection?
  private var connectFailure = "not connected"

  static let connectTimeout = Duration.seconds(3)
  /// How long an answer may take; then the session is closed and the outcome unknown.
  static let statementTimeout = Duration.seconds(15)
  /// The same for statements that change a schema: they wait for others.
  static let schemaChangeTimeout = Duration.seconds(60)

  /// Begins a message that is a transaction of its own.
  private static let block = "BEGIN; "

  init(_ cluster: SimulatedCluster, gateway: Int) {
    self.cluster = cluster
    self.gateway = gateway
  }

  func execute(_ sql: String) async throws(WorkloadError) -> [[String?]] {
    if connection == nil { await connect() }
    guard let connection else { throw .unreachable(connectFailure) }
    guard connection.isOpen else {
      self.connection = nil
      connectFailure = "the session ended"
      throw .unreachable("the session ended before the statement")
    }
    let isSchemaChange = ["CREATE", "ALTER", "DROP", "UNDROP", Self.block].contains { sql.hasPrefix($0) }
    let patience = isSchemaChange ? Self.schemaChangeTimeout : Self.statementTimeout
    let timer = Timer.once(after: patience) { connection.close("no answer in \(patience)") }
    defer { timer.cancel() }
    do throws(PostgresClientError) {
      return try await connection.query(sql).rows
    } catch {
      switch error {
      case .server(let error):
        // What is left of a message that opens a block: the session is to be fit for the next.
        if sql.contains(Self.block), connection.isOpen { _ = try? await connection.query("ROLLBACK") }
        throw .failed(state: error.state.code, message: error.message)
      case .connectionLost(let reason): throw .unknown(reason)
      case .notConnected(let reason): throw .unreachable(reason)
      }
    }
  }

  func reconnect() async {
    connection?.close()
    connection = nil
    gateway += 1
    await connect()
  }

  private func connect() async {
    do throws(PostgresClientError) {
      connection = try await cluster.connect(gateway: gateway, timeout: Self.connectTimeout)
    } catch {
      connectFailure = "\(error)"
      gateway += 1
    }
  }
}
