import Basics
import Catalog
import ClusterClient
import EventLoop
import NodeRuntime
import PostgresParser
import PostgresProtocol
import RPC
import SQLValues
import Wire

/// The SQL gateway: accepts PostgreSQL clients and runs their statements on the cluster. Keeps nothing that lasts.
@EventLoopActor public final class Gateway {
  let options: GatewayOptions
  let cluster: Cluster
  let parser: StatementParser
  let planCache = PlanCache()
  let freedMemory = FreedMemory()
  let metrics: GatewayMetrics
  let rowIDs: RowIDSource
  let sequences: SequenceAllocator
  private let runtime: NodeRuntime?
  private let server = RPCServer()
  private var listener: TCPListener?
  private var sessions: [UInt32: Session] = [:]
  private var openConnections = 0
  private var nextProcessID: UInt32 = 1
  private var random = EventLoop.random
  private(set) var isDraining = false
  private var operationCount: UInt64 = 0
  private var drainWaiter: UnsafeContinuation<Void, Never>?

  /// Where SQL clients and other nodes reach it; known after `start`.
  public private(set) var sqlEndpoint: Endpoint?
  public private(set) var rpcEndpoint: Endpoint?

  init(_ options: GatewayOptions, _ cluster: Cluster, metrics: Metrics, runtime: NodeRuntime?) {
    self.options = options
    self.cluster = cluster
    self.runtime = runtime
    self.metrics = GatewayMetrics(metrics)
    parser = StatementParser(limits: ParserLimits(maximumBytes: options.protocolLimits.statementBytes))
    rowIDs = RowIDSource(node: options.nodeID)
    sequences = SequenceAllocator(cluster)
  }

  /// Starts the listeners, then registers with the metadata service; ready when the catalog is there.
  public static func start(_ options: GatewayOptions, _ runtime: NodeRuntime) async throws -> Gateway {
    // The listeners come first, because the addresses are told with the registration.
    let server = RPCServer()
    let rpc = try server.listen(host: options.rpcListen.host, port: options.rpcListen.port)
    var gatewayBox: Gateway?
    let listener = try TCPListener(host: options.sqlListen.host, port: options.sqlListen.port) { connection in
      gatewayBox?.accept(connection) ?? connection.close("not started yet")
    }
    let connection = MetadataConnection(
      ClusterClientOptions(
        nodeID: options.nodeID, name: options.name, role: .gateway,
        rpcAddress: (options.rpcAdvertise ?? rpc).description,
        sqlAddress: listener.endpoint.description, httpAddress: options.httpAddress,
        metadataEndpoints: options.metadata))
    connection.onEvent = { event in
      if event.isWarning { Log.warning("cluster", "\(event)") } else { Log.info("cluster", "\(event)") }
    }
    let gateway = Gateway(options, Cluster(connection), metrics: runtime.metrics, runtime: runtime)
    gatewayBox = gateway
    gateway.listener = listener
    gateway.sqlEndpoint = listener.endpoint
    gateway.rpcEndpoint = rpc
    gateway.serve(on: server)
    runtime.onDrain { [server] in
      await gateway.drain()
      await server.shutdown(graceful: .seconds(1))
    }
    connection.onSessionStarted { gateway.updateReadiness() }
    connection.onSessionLost { gateway.updateReadiness() }
    connection.onCatalogChange { _, isSnapshot in if isSnapshot { gateway.updateReadiness() } }
    connection.start()
    Log.info("gateway", "listening", ["sql": "\(listener.endpoint)", "rpc": "\(rpc)"])
    return gateway
  }

  private func updateReadiness() { runtime?.setReady(cluster.connection.isReady && !isDraining) }

  /// What other nodes ask.
  private func serve(on server: RPCServer) {
    server.handleFast(GatewayService.waitsFor) { [weak self] request, reply in
      guard let blocker = self?.cluster.waits.blocker(of: request.startTimestamp) else {
        return reply.succeed(WaitsForResponse())
      }
      reply.succeed(
        WaitsForResponse(
          isWaiting: true, blockerStartTimestamp: blocker.start, blockerGatewayNodeID: blocker.gateway.rawValue))
    }
    server.handleFast(GatewayService.sessions) { [weak self] _, reply in
      reply.succeed(SessionsResponse(sessions: self?.sessionInfos ?? []))
    }
    server.handleFast(GatewayService.blockers) { [weak self] request, reply in
      reply.succeed(self?.blockers(request) ?? BlockersResponse())
    }
  }

  private var sessionInfos: [SessionInfo] {
    let now = EventLoop.now
    return sessions.values.sorted { $0.processID < $1.processID }.map { session in
      SessionInfo(
        sessionID: UInt64(session.processID), user: session.userName, clientAddress: session.clientAddress,
        statement: session.isInStatement ? String(session.statementText.prefix(1000)) : "",
        ageMilliseconds: session.isInStatement ? now.milliseconds(since: session.statementStart) : 0,
        isInTransaction: session.block.isOpen)
    }
  }

  // MARK: - Connections

  private func accept(_ connection: TCPConnection) {
    // Twice the sessions: cancel requests and clients about to be told that there is no room.
    guard openConnections < options.maximumConnections * 2 + 64, !isDraining else {
      return connection.close("too many connections")
    }
    openConnections += 1
    connection.enableKeepalive(after: options.keepalive)
    let client = ClientConnection(connection, limits: options.protocolLimits)
    EventLoop.task {
      await self.startUp(client)
      self.openConnections -= 1
    }
  }

  private func startUp(_ client: ClientConnection) async {
    let timer = Timer.once(after: .seconds(options.startupTimeoutSeconds)) { client.close("no start-up in time") }
    var encryptionRequests = 0
    while let event = await client.nextEvent() {
      switch event {
      case .startup(.encryptionRequest):
        encryptionRequests += 1
        // One for TLS, one for GSSAPI.
        guard encryptionRequests <= 2 else {
          timer.cancel()
          return client.close(SQLError(.protocolViolation, "too many encryption requests"))
        }
        client.writer.refuseEncryption()
        client.flush()
      case .startup(.cancel(let processID, let secretKey)):
        timer.cancel()
        if let session = sessions[processID], session.secretKey == secretKey { session.cancelRequested() }
        return client.close("cancel request done")
      case .startup(.startup(let parameters)):
        timer.cancel()
        return await serve(client, parameters)
      case .fatal(let error):
        timer.cancel()
        return client.close(error)
      case .message, .statementError:
        timer.cancel()
        return client.close(SQLError(.protocolViolation, "message before the start-up"))
      }
    }
    timer.cancel()
  }

  private func serve(_ client: ClientConnection, _ parameters: StartupParameters) async {
    if let refusal = refusal(client) { return client.close(refusal) }
    repeat { nextProcessID = nextProcessID % 0x7fff_ffff + 1 } while sessions[nextProcessID] != nil
    let session = Session(
      self, client, processID: nextProcessID, secretKey: UInt32.random(in: 1...UInt32.max, using: &random))
    guard await session.start(parameters) else { return }
    // Much may have happened while the newest catalog was waited for.
    if isDraining { return client.close(Self.shutdownError) }
    sessions[session.processID] = session
    metrics.connections.set(Int64(sessions.count))
    client.onClose = { [weak session] in session?.clientLeft() }
    await session.serve()
  }

  private func refusal(_ client: ClientConnection) -> SQLError? {
    if !options.acceptsRemoteClients, !Self.isLoopback(client.connection.remoteEndpoint) {
      return SQLError(
        .invalidAuthorization, "only clients on the gateway's own machine are served",
        hint: "There is no authentication yet; --accept-remote serves everybody.")
    }
    if isDraining { return Self.shutdownError }
    if !cluster.connection.isReady {
      return SQLError(.cannotConnectNow, "the gateway has no session with the metadata service yet")
    }
    if sessions.count >= options.maximumConnections {
      return SQLError(.tooManyConnections, "sorry, too many clients already")
    }
    return nil
  }

  static func isLoopback(_ endpoint: Endpoint?) -> Bool {
    guard let host = endpoint?.host else { return false }
    return host.hasPrefix("127.") || host == "::1" || host.hasPrefix("::ffff:127.")
  }

  func ended(_ session: Session) {
    sessions[session.processID] = nil
    metrics.connections.set(Int64(sessions.count))
    if sessions.isEmpty {
      drainWaiter?.resume()
      drainWaiter = nil
    }
  }

  // MARK: - For sessions

  /// How long a client waits at most to learn whether its database is there (milliseconds).
  static let databaseMilliseconds: UInt64 = 10_000

  /// In the newest catalog that there is: another gateway may have just made it, or another one of that name. 3D000: there is
  /// none.
  func database(named name: String) async throws(SQLError) -> DatabaseID {
    // It always has this name and nobody else does: whoever connects to it asks nobody.
    if name == "defaultdb" { return .defaultDatabase }
    _ = try await cluster.timestamps.read(deadline: EventLoop.now.advanced(byMilliseconds: Self.databaseMilliseconds))
    guard let found = cluster.connection.history?.latest.database(named: name) else {
      throw SQLError(.invalidCatalogName, "database \"\(name)\" does not exist")
    }
    return found.id
  }

  /// Microseconds since 2000-01-01 UTC.
  var currentTime: Int64 { Int64(EventLoop.wallClockMilliseconds) * 1000 - CalendarDate.microsecondsFrom1970 }

  /// Names a DDL statement for ever: node, session epoch, a counter and the time of its start.
  func makeOperationID() -> String {
    operationCount += 1
    let epoch = cluster.connection.sessionEpoch?.rawValue ?? 0
    return "gateway-\(cluster.connection.nodeID)-\(epoch)-\(EventLoop.wallClockMilliseconds)-\(operationCount)"
  }

  func randomSeed() -> UInt64 { random.next() }

  // MARK: - Shutdown

  static var shutdownError: SQLError {
    SQLError(.adminShutdown, "terminating connection due to administrator command")
  }

  /// How long running statements may take after the request to stop (milliseconds).
  static let drainMilliseconds: Int64 = 5_000

  /// No new clients; idle ones leave; running statements finish within a bound; then everybody leaves.
  func drain() async {
    isDraining = true
    updateReadiness()
    listener?.close()
    for session in orderedSessions { session.requestEnd(Self.shutdownError, isImmediate: false) }
    if !sessions.isEmpty {
      let timer = Timer.once(after: .milliseconds(Self.drainMilliseconds)) { [self] in
        for session in orderedSessions { session.requestEnd(Self.shutdownError, isImmediate: true) }
        Timer.once(after: .milliseconds(500)) { [self] in
          for session in orderedSessions { session.client.close(Self.shutdownError) }
          drainWaiter?.resume()
          drainWaiter = nil
        }
      }
      if !sessions.isEmpty { await withUnsafeContinuation { drainWaiter = $0 } }
      timer.cancel()
    }
    await cluster.connection.leave()
  }

  var orderedSessions: [Session] { sessions.values.sorted { $0.processID < $1.processID } }
}
