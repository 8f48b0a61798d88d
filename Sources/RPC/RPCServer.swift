import Basics
import EventLoop
import Wire

/// Limits and timing of a server.
public struct RPCServerOptions: Sendable {
  /// A longer request message is refused with RESOURCE_EXHAUSTED.
  public var maximumMessageBytes = 64 << 20
  /// Outgoing bytes of one stream beyond which its senders wait.
  public var streamBufferBytes = 1 << 20
  public var maximumConcurrentStreams: UInt32 = 4096
  /// Whether calls may come in batches; false: as a release that knows none answers.
  public var servesBatches = true
  /// Connections beyond this are closed at once.
  public var maximumConnections = 4096
  /// A silent connection is pinged after `keepaliveInterval` and closed when the answer takes `keepaliveTimeout`.
  public var keepaliveInterval: Duration = .seconds(2)
  public var keepaliveTimeout: Duration = .seconds(4)
  /// The client's preface must be there within this time.
  public var handshakeTimeout: Duration = .seconds(10)
  /// Where reasons for closed connections go; nil drops them.
  public var log: (@EventLoopActor @Sendable (String) -> Void)?
  public init() {}

  var limits: HTTP2Session.Limits {
    var limits = HTTP2Session.Limits()
    limits.maximumConcurrentStreams = maximumConcurrentStreams
    limits.keepaliveInterval = keepaliveInterval
    limits.keepaliveTimeout = keepaliveTimeout
    limits.handshakeTimeout = handshakeTimeout
    return limits
  }
}

/// A gRPC server on any number of listening sockets. Register the handlers, then `listen`.
@EventLoopActor public final class RPCServer {
  struct Method {
    enum Kind {
      case unary(@EventLoopActor (ServerCall, [UInt8]) -> Void)
      case serverStream(@EventLoopActor (ServerCall, [UInt8], StreamPort) -> Void)
      case stream(@EventLoopActor (ServerCall, StreamPort) -> Void)
    }
    let path: String
    let kind: Kind
    /// How it is called in a batch; nil: only alone.
    var batched: (@EventLoopActor (BatchedServerCall, [UInt8]) -> Void)?
  }

  let options: RPCServerOptions
  /// The health service (`grpc.health.v1.Health`) that every server answers.
  public let health = RPCHealth()
  private var methods: [[UInt8]: Method] = [:]
  private var listeners: [TCPListener] = []
  /// By the order of their arrival.
  private var connections: [UInt64: ServerConnection] = [:]
  private var acceptedCount: UInt64 = 0
  private var batches: [BatchServer] = []
  let deadlines = DeadlineSweeper()
  private var drained: UnsafeContinuation<Void, Never>?
  private(set) var isShuttingDown = false

  public init(options: RPCServerOptions = RPCServerOptions()) {
    self.options = options
    deadlines.sweep = { [weak self] now in self?.expireCalls(now) }
    health.register(on: self)
    guard options.servesBatches else { return }
    handleStreamFast(CallsService.exchange) { [weak self] stream in
      guard let self else { return stream.finish(RPCError(.unavailable, "the server is gone")) }
      batches.append(BatchServer(self, stream))
    }
  }

  // MARK: - Handlers

  /// A unary method as a task on the loop. The task is cancelled when the deadline passes or the client is gone.
  /// A thrown `RPCError` is the call's status; any other error is UNKNOWN with its description.
  public func handle<Request, Response>(
    _ method: RPCMethod<Request, Response>,
    _ body: @escaping @EventLoopActor @Sendable (Request, RPCContext) async throws -> Response
  ) {
    register(
      method,
      .unary { call, bytes in
        guard let request: Request = Self.decode(bytes, call) else { return }
        let task = Task.immediate(executorPreference: EventLoop.shared) { @EventLoopActor in
          do {
            call.succeed(try await body(request, RPCContext(call: call)).framed())
          } catch {
            call.finish(Self.status(of: error))
          }
        }
        if !call.isFinished { call.task = task }
      })
  }

  /// A unary method as a plain function on the loop: no task, no suspension. `reply` may be kept and used later.
  public func handleFast<Request, Response>(
    _ method: RPCMethod<Request, Response>,
    _ body: @escaping @EventLoopActor (Request, RPCReply<Response>) -> Void
  ) {
    register(
      method,
      .unary { call, bytes in
        guard let request: Request = Self.decode(bytes, call) else { return }
        body(request, RPCReply(.alone(call)))
      },
      batched: { call, bytes in
        do throws(RPCError) {
          body(try Request.decoded(bytes), RPCReply(.batched(call)))
        } catch {
          call.finish(error)
        }
      })
  }

  /// One request, many answers. The call ends with status OK when `body` returns.
  public func handleServerStream<Request, Response>(
    _ method: RPCMethod<Request, Response>,
    _ body: @escaping @EventLoopActor @Sendable (Request, RPCContext, RPCSink<Response>) async throws -> Void
  ) {
    register(
      method,
      .serverStream { call, bytes, port in
        guard let request: Request = Self.decode(bytes, call) else { return }
        Self.run(call) { try await body(request, RPCContext(call: call), RPCSink(port: port)) }
      })
  }

  /// Many requests; one or many answers. The call ends with status OK when `body` returns.
  public func handleStream<Request, Response>(
    _ method: RPCMethod<Request, Response>,
    _ body:
      @escaping @EventLoopActor @Sendable (RPCInbound<Request>, RPCContext, RPCSink<Response>) async throws -> Void
  ) {
    register(
      method,
      .stream { call, port in
        Self.run(call) { try await body(RPCInbound(port: port), RPCContext(call: call), RPCSink(port: port)) }
      })
  }

  /// A stream without a task: `body` sets callbacks on the stream, which lives until `finish` or the client's end.
  public func handleStreamFast<Request, Response>(
    _ method: RPCMethod<Request, Response>,
    _ body: @escaping @EventLoopActor (RPCServerStream<Request, Response>) -> Void
  ) {
    register(method, .stream { call, port in body(RPCServerStream(call, port)) })
  }

  private func register<Request, Response>(
    _ method: RPCMethod<Request, Response>, _ kind: Method.Kind,
    batched: (@EventLoopActor (BatchedServerCall, [UInt8]) -> Void)? = nil
  ) {
    methods[Array(method.path.utf8)] = Method(path: method.path, kind: kind, batched: batched)
  }

  func method(_ path: [UInt8]) -> Method? { methods[path] }

  private static func run(
    _ call: ServerCall, _ body: @escaping @EventLoopActor @Sendable () async throws -> Void
  ) {
    let task = Task.immediate(executorPreference: EventLoop.shared) { @EventLoopActor in
      do {
        try await body()
        call.finish(nil)
      } catch {
        call.finish(status(of: error))
      }
    }
    if !call.isFinished { call.task = task }
  }

  private static func decode<Request: WireMessage>(_ bytes: [UInt8], _ call: ServerCall) -> Request? {
    do throws(RPCError) {
      return try Request.decoded(bytes)
    } catch {
      call.finish(error)
      return nil
    }
  }

  private static func status(of error: any Error) -> RPCError {
    switch error {
    case let error as RPCError: error
    case is CancellationError: RPCError(.cancelled, "cancelled")
    default: RPCError(.unknown, "\(error)")
    }
  }

  // MARK: - Connections

  /// Starts to accept; port 0 takes a free one. Answers the real address.
  @discardableResult
  public func listen(host: String = "127.0.0.1", port: UInt16) throws(SystemError) -> Endpoint {
    let listener = try TCPListener(host: host, port: port) { [weak self] in
      if let self { self.accept($0) } else { $0.close("the server is gone") }
    }
    listeners.append(listener)
    return listener.endpoint
  }

  private func accept(_ connection: TCPConnection) {
    if isShuttingDown || connections.count >= options.maximumConnections {
      options.log?("connection refused: \(isShuttingDown ? "shutting down" : "too many connections")")
      return connection.close("refused")
    }
    acceptedCount += 1
    connections[acceptedCount] = ServerConnection(server: self, number: acceptedCount, connection)
  }

  func connectionClosed(_ connection: ServerConnection, _ reason: String) {
    connections[connection.number] = nil
    if !connection.endedRegularly(reason) {
      options.log?("connection from \(connection.remoteEndpoint?.description ?? "unknown") closed: \(reason)")
    }
    callEnded()
  }

  private func expireCalls(_ now: MonotonicTime) -> MonotonicTime? {
    var earliest: MonotonicTime?
    for call in connections.values.flatMap(\.calls) {
      guard let deadline = call.deadline, !call.isFinished else { continue }
      if deadline <= now {
        call.expire()
      } else {
        earliest = min(earliest ?? deadline, deadline)
      }
    }
    for batch in batches {
      if let deadline = batch.expire(now) { earliest = min(earliest ?? deadline, deadline) }
    }
    return earliest
  }

  func batchEnded(_ batch: BatchServer) { batches.removeAll { $0 === batch } }

  // MARK: - Shutdown

  /// Accepts nothing new (GOAWAY), lets running calls finish for at most `graceful`, then closes every connection.
  public func shutdown(graceful: Duration = .seconds(5)) async {
    isShuttingDown = true
    for listener in listeners { listener.close() }
    listeners = []
    health.shutDown()
    for connection in connections.values { connection.goAway() }
    for batch in batches { batch.stop() }
    if !connections.isEmpty {
      let timer = Timer.once(after: graceful) { self.finishShutdown() }
      await withUnsafeContinuation { drained = $0 }
      timer.cancel()
    }
    for connection in connections.values { connection.close("shut down") }
    connections = [:]
  }

  private func finishShutdown() {
    drained?.resume()
    drained = nil
  }

  func callEnded() {
    if drained != nil, connections.values.allSatisfy({ $0.calls.isEmpty }) { finishShutdown() }
  }

  /// Calls that are running, for tests and metrics.
  public var runningCallCount: Int {
    connections.values.reduce(0) { $0 + $1.calls.count } + batches.reduce(0) { $0 + $1.runningCount }
  }
  public var connectionCount: Int { connections.count }
}

/// One client's connection.
@EventLoopActor final class ServerConnection: HTTP2SessionOwner {
  private weak var server: RPCServer?
  private var session: HTTP2Session?
  let number: UInt64
  let remoteEndpoint: Endpoint?

  init(server: RPCServer, number: UInt64, _ connection: TCPConnection) {
    self.server = server
    self.number = number
    remoteEndpoint = connection.remoteEndpoint
    session = HTTP2Session(server: true, connection, limits: server.options.limits, owner: self)
  }

  var calls: [ServerCall] { session?.streams.values.compactMap { $0 as? ServerCall } ?? [] }
  func goAway() { session?.goAway() }
  func close(_ reason: String) { session?.close(reason) }
  func endedRegularly(_ reason: String) -> Bool {
    reason == CloseReason.endOfStream.description || reason == "drained" || reason == "shut down"
      || reason == "HTTP/2 session ended"
  }

  func openedStream() -> HTTP2Stream? {
    guard let server else { return nil }
    return ServerCall(server: server, remoteEndpoint: remoteEndpoint)
  }

  func becameReady() {}
  func receivedGoAway(_: UInt32) {}

  func closed(_ reason: String) {
    server?.connectionClosed(self, reason)
    session = nil
  }
}

/// What a handler may want to know of its call.
public struct RPCContext: Sendable {
  let call: ServerCall

  /// `/package.Service/Method`
  @EventLoopActor public var methodPath: String { call.methodPath }
  /// Nil when the client set none.
  @EventLoopActor public var deadline: MonotonicTime? { call.deadline }
  @EventLoopActor public var metadata: RPCMetadata { call.metadata }
  @EventLoopActor public var remoteEndpoint: Endpoint? { call.remoteEndpoint }
  /// The deadline has passed or the client is gone: nobody waits for the answer.
  @EventLoopActor public var isCancelled: Bool { call.isCancelled }
}

/// The answer to a unary call, due once; later ones are ignored.
public struct RPCReply<Response: WireMessage>: Sendable {
  enum Call: Sendable {
    case alone(ServerCall)
    case batched(BatchedServerCall)
  }
  private let call: Call

  init(_ call: Call) { self.call = call }

  @EventLoopActor public func succeed(_ response: Response) {
    switch call {
    case .alone(let call): if !call.isFinished { call.succeed(response.framed()) }
    case .batched(let call): if !call.isFinished { call.succeed(response.serialized()) }
    }
  }
  @EventLoopActor public func fail(_ error: RPCError) {
    switch call {
    case .alone(let call): call.finish(error)
    case .batched(let call): call.finish(error)
    }
  }
  @EventLoopActor public func complete(_ result: Result<Response, RPCError>) {
    switch result {
    case .success(let response): succeed(response)
    case .failure(let error): fail(error)
    }
  }
  /// Calls `body` once if the deadline passes or the client goes away before the answer.
  @EventLoopActor public func onCancel(_ body: @escaping @EventLoopActor () -> Void) {
    switch call {
    case .alone(let call): if call.isCancelled { body() } else if !call.isFinished { call.onCancel = body }
    case .batched(let call): if call.isCancelled { body() } else if !call.isFinished { call.onCancel = body }
    }
  }
}
