import Basics
import CNghttp2
import EventLoop
import Wire

/// Limits and timing of a channel.
public struct RPCChannelOptions: Sendable {
  /// Calls fail with UNAVAILABLE while the peer cannot be reached; false: they wait for it until their deadline.
  public var failFast = true
  public var connectTimeout: Duration = .seconds(2)
  /// Wait before the second attempt to connect; grows by 1.6 with each, ±20 %.
  public var initialBackoff: Duration = .milliseconds(50)
  public var maximumBackoff: Duration = .seconds(2)
  public var keepaliveInterval: Duration = .seconds(2)
  public var keepaliveTimeout: Duration = .seconds(4)
  public var maximumMessageBytes = 64 << 20
  /// Outgoing bytes of one stream beyond which its senders wait.
  public var streamBufferBytes = 1 << 20
  /// Calls that wait for a connection; more fail with RESOURCE_EXHAUSTED.
  public var maximumWaitingCalls = 10_000
  public init() {}

  var limits: HTTP2Session.Limits {
    var limits = HTTP2Session.Limits()
    limits.keepaliveInterval = keepaliveInterval
    limits.keepaliveTimeout = keepaliveTimeout
    limits.handshakeTimeout = connectTimeout
    return limits
  }
}

/// A connection to one server that mends itself. Calls share it.
@EventLoopActor public final class RPCChannel {
  public enum State: Hashable, Sendable {
    /// Never used.
    case idle
    case connecting
    case ready
    /// The last attempt failed; the next is on its way.
    case transientFailure
    case shutdown
  }

  public nonisolated let endpoint: Endpoint
  let options: RPCChannelOptions
  public private(set) var state: State = .idle
  /// Why the channel is not ready.
  public private(set) var lastFailure = ""
  private var observers: [@EventLoopActor (State) -> Void] = []

  private var current: ClientConnection?
  /// Connections that take no new calls but still run old ones.
  private var draining: [ClientConnection] = []
  private var waiting: [ClientCall] = []
  private var backoff: Duration
  private var backoffTimer: Timer?
  private var isConnecting = false
  private let deadlines = DeadlineSweeper()
  let template: RequestTemplate

  public nonisolated init(_ endpoint: Endpoint, options: RPCChannelOptions = RPCChannelOptions()) {
    self.endpoint = endpoint
    self.options = options
    backoff = options.initialBackoff
    template = RequestTemplate(authority: endpoint.description)
  }

  // MARK: - Calls

  /// One request, one answer. `deadline` travels with the request; cancelling the task cancels the call on the server.
  public func call<Request, Response>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: Duration? = .seconds(30),
    metadata: RPCMetadata = [:]
  ) async throws(RPCError) -> Response {
    let call = makeCall(method.staticPath, deadline, metadata)
    if Task.isCancelled { throw RPCError(.cancelled, "cancelled by the caller", wasNotSent: true) }
    let result: Result<[UInt8], RPCError> = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        startUnary(call, request) { continuation.resume(returning: $0) }
      }
    } onCancel: {
      EventLoop.execute { call.fail(RPCError(.cancelled, "cancelled by the caller")) }
    }
    return try Response.decoded(result.get())
  }

  /// The callback form for hot paths: no task, no suspension. `completion` is called exactly once, never before this
  /// returns, unless the call can be refused at once.
  @discardableResult
  public func call<Request, Response>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: Duration? = .seconds(30),
    metadata: RPCMetadata = [:], completion: @escaping @EventLoopActor (Result<Response, RPCError>) -> Void
  ) -> RPCCall {
    let call = makeCall(method.staticPath, deadline, metadata)
    startUnary(call, request) { result in
      completion(result.flatMap { bytes in Result { () throws(RPCError) in try Response.decoded(bytes) } })
    }
    return RPCCall(call: call)
  }

  /// As `call` with a completion, for small requests that the server answers on its loop: those of one turn travel in one
  /// message (`theseus.v1.Calls`), and cost a fraction. It cannot be cancelled before its deadline.
  public func callInBatch<Request, Response>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: Duration,
    completion: @escaping @EventLoopActor (Result<Response, RPCError>) -> Void
  ) {
    let bytes = request.serialized()
    let decoding: BatchedCalls.Completion = { result in
      switch result {
      case .success(let bytes):
        do throws(RPCError) {
          completion(.success(try Response.decoded(bytes)))
        } catch {
          completion(.failure(error))
        }
      case .failure(let error): completion(.failure(error))
      }
    }
    let milliseconds = deadline.wholeMilliseconds
    if let current, current.isReady {
      let end = EventLoop.now.advanced(by: deadline)
      if current.batch.submit(method.staticPath, bytes, timeoutMilliseconds: milliseconds, deadline: end, decoding) {
        armDeadlines()
        deadlines.note(end)
        return
      }
    }
    callAlone(method.staticPath, bytes, milliseconds, decoding)
  }

  func callAlone(
    _ path: StaticString, _ request: [UInt8], _ timeoutMilliseconds: UInt64,
    _ completion: @escaping BatchedCalls.Completion
  ) {
    let call = makeCall(path, .milliseconds(Int64(clamping: timeoutMilliseconds)), [:])
    startUnary(call, RawMessage(bytes: request), completion)
  }

  /// A client or bidirectional stream.
  public func openStream<Request, Response>(
    _ method: RPCMethod<Request, Response>, deadline: Duration? = nil, metadata: RPCMetadata = [:]
  ) -> RPCClientStream<Request, Response> {
    let call = makeCall(method.staticPath, deadline, metadata)
    let port = call.makeStream()
    start(call)
    return RPCClientStream(call, port)
  }

  /// A server stream: the request is sent and complete.
  public func openServerStream<Request, Response>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: Duration? = nil, metadata: RPCMetadata = [:]
  ) -> RPCClientStream<Request, Response> {
    let call = makeCall(method.staticPath, deadline, metadata)
    let port = call.makeStream()
    call.enqueue(request.framed())
    call.endSending()
    start(call)
    return RPCClientStream(call, port)
  }

  func makeCall(_ path: StaticString, _ deadline: Duration?, _ metadata: RPCMetadata) -> ClientCall {
    ClientCall(path: path, timeout: deadline, metadata: metadata, options: options)
  }

  private func startUnary(
    _ call: ClientCall, _ request: some WireMessage,
    _ completion: @escaping @EventLoopActor (Result<[UInt8], RPCError>) -> Void
  ) {
    call.makeUnary(completion)
    call.enqueue(request.framed())
    call.endSending()
    start(call)
  }

  private func start(_ call: ClientCall) {
    armDeadlines()
    if let deadline = call.deadline { deadlines.note(deadline) }
    if let current, current.isReady, current.submit(call, template) { return }
    switch state {
    case .shutdown:
      return call.fail(RPCError(.unavailable, "the channel is closed", wasNotSent: true))
    case .transientFailure where options.failFast:
      return call.fail(RPCError(.unavailable, "\(endpoint): \(lastFailure)", wasNotSent: true))
    case .idle, .connecting, .ready, .transientFailure: break
    }
    if waiting.count >= options.maximumWaitingCalls {
      return call.fail(RPCError(.resourceExhausted, "too many calls wait for \(endpoint)", wasNotSent: true))
    }
    waiting.append(call)
    if let current, current.isReady { retire(current) }
    connect()
  }

  private func armDeadlines() {
    if deadlines.sweep == nil { deadlines.sweep = { [weak self] in self?.expireCalls($0) } }
  }

  private func expireCalls(_ now: MonotonicTime) -> MonotonicTime? {
    var earliest: MonotonicTime?
    waiting.removeAll { $0.isFinished }
    var calls = waiting
    for connection in draining { calls += connection.calls }
    if let current { calls += current.calls }
    for call in calls {
      guard let deadline = call.deadline, !call.isFinished else { continue }
      if deadline <= now {
        let wasWaiting = call.session == nil
        call.fail(RPCError(.deadlineExceeded, "deadline exceeded", wasNotSent: wasWaiting))
      } else {
        earliest = min(earliest ?? deadline, deadline)
      }
    }
    waiting.removeAll { $0.isFinished }
    for connection in draining + (current.map { [$0] } ?? []) {
      if let deadline = connection.batch.expire(now) { earliest = min(earliest ?? deadline, deadline) }
    }
    return earliest
  }

  // MARK: - Connection

  /// Connects now if the channel is not connected; calls do so by themselves.
  public func connect() {
    guard current == nil, !isConnecting, state != .shutdown, backoffTimer == nil else { return }
    isConnecting = true
    if state != .transientFailure { setState(.connecting) }
    TCPConnection.connect(to: endpoint, timeout: options.connectTimeout) { result in
      self.isConnecting = false
      switch result {
      case .failure(let error): self.connectionFailed(error.description)
      case .success(let connection):
        if self.state == .shutdown { return connection.close("the channel is closed") }
        self.current = ClientConnection(channel: self, connection)
      }
    }
  }

  /// Adds an observer of `state`; it is called after each change.
  public func onStateChange(_ observer: @escaping @EventLoopActor (State) -> Void) { observers.append(observer) }

  private func setState(_ new: State) {
    if state == new || state == .shutdown { return }
    state = new
    for observer in observers { observer(new) }
  }

  func becameReady(_ connection: ClientConnection) {
    guard connection === current else { return }
    backoff = options.initialBackoff
    setState(.ready)
    let calls = waiting
    waiting = []
    for call in calls where !call.isFinished { start(call) }
  }

  func connectionClosed(_ connection: ClientConnection, _ reason: String) {
    draining.removeAll { $0 === connection }
    guard connection === current else { return }
    current = nil
    if connection.isReady {
      // It worked until now: try again at once, and only then wait.
      lastFailure = reason
      setState(.transientFailure)
      connect()
    } else {
      connectionFailed(reason)
    }
  }

  /// The peer takes no new calls here.
  func retire(_ connection: ClientConnection) {
    guard connection === current else { return }
    current = nil
    draining.append(connection)
    connection.drain()
    setState(.connecting)
    connect()
  }

  private func connectionFailed(_ reason: String) {
    if state == .shutdown { return }
    lastFailure = reason
    setState(.transientFailure)
    if options.failFast { failWaiting(RPCError(.unavailable, "\(endpoint): \(reason)", wasNotSent: true)) }
    var random = EventLoop.random
    let wait = backoff * Double.random(in: 0.8...1.2, using: &random)
    backoff = min(backoff * 1.6, options.maximumBackoff)
    backoffTimer = Timer.once(after: wait) { [weak self] in
      self?.backoffTimer = nil
      self?.connect()
    }
  }

  private func failWaiting(_ error: RPCError) {
    let calls = waiting
    waiting = []
    for call in calls { call.fail(error) }
  }

  /// Ends every call and the connection. The channel cannot be used again.
  public func close() {
    if state == .shutdown { return }
    setState(.shutdown)
    backoffTimer?.cancel()
    backoffTimer = nil
    failWaiting(RPCError(.unavailable, "the channel is closed", wasNotSent: true))
    let connections = draining + (current.map { [$0] } ?? [])
    draining = []
    current = nil
    for connection in connections { connection.close("channel closed") }
    deadlines.stop()
    observers = []
  }
}

/// A call started with a completion.
public struct RPCCall: Sendable {
  let call: ClientCall

  /// Ends the call with CANCELLED, on the server too. Harmless when it has ended.
  @EventLoopActor public func cancel() { call.fail(RPCError(.cancelled, "cancelled by the caller")) }
}

/// One TCP connection of a channel.
@EventLoopActor final class ClientConnection: HTTP2SessionOwner {
  /// Strong while the connection lives: a channel in use is not dropped by accident, `close` ends it.
  private var channel: RPCChannel?
  private var session: HTTP2Session?
  private(set) var isReady = false
  private(set) lazy var batch = BatchedCalls(
    open: { [weak self] in self?.openBatch() },
    callAlone: { [weak self] path, request, timeout, completion in
      guard let channel = self?.channel else {
        return completion(.failure(RPCError(.unavailable, "the connection is gone", wasNotSent: true)))
      }
      channel.callAlone(path, request, timeout, completion)
    })

  init(channel: RPCChannel, _ connection: TCPConnection) {
    self.channel = channel
    session = HTTP2Session(server: false, connection, limits: channel.options.limits, owner: self)
  }

  var calls: [ClientCall] { session?.streams.values.compactMap { $0 as? ClientCall } ?? [] }

  func submit(_ call: ClientCall, _ template: RequestTemplate) -> Bool {
    guard let session else { return false }
    return template.withFields(call) { session.submit(call, $0, $1) }
  }

  private func openBatch() -> RPCClientStream<CallBatch, ReplyBatch>? {
    guard let channel else { return nil }
    let call = channel.makeCall(CallsService.exchange.staticPath, nil, [:])
    let port = call.makeStream()
    guard submit(call, channel.template) else { return nil }
    return RPCClientStream(call, port)
  }

  func drain() {
    batch.retire()
    session?.drain()
  }
  func close(_ reason: String) { session?.close(reason) }

  func openedStream() -> HTTP2Stream? { nil }

  func becameReady() {
    isReady = true
    channel?.becameReady(self)
  }

  func receivedGoAway(_: UInt32) { channel?.retire(self) }

  func closed(_ reason: String) {
    let channel = self.channel
    self.channel = nil
    session = nil
    channel?.connectionClosed(self, reason)
  }
}

/// The header fields of a channel's requests. The usual ones are written into one array that is used again and again.
final class RequestTemplate: @unchecked Sendable {
  private let authority: UnsafeMutableBufferPointer<UInt8>
  private let fields: UnsafeMutablePointer<nghttp2_nv>

  init(authority text: String) {
    authority = .allocate(capacity: text.utf8.count)
    _ = authority.initialize(from: text.utf8)
    fields = .allocate(capacity: 7)
    fields.initialize(repeating: nghttp2_nv("te", "trailers"), count: 7)
    fields[0] = nghttp2_nv(":method", "POST")
    fields[1] = nghttp2_nv(":scheme", "http")
    fields[2] = nghttp2_nv(":path", "/")
    fields[3] = nghttp2_nv(":authority", "")
    fields[3].value = authority.baseAddress
    fields[3].valuelen = authority.count
    fields[3].flags = UInt8(truncatingIfNeeded: NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
    fields[5] = nghttp2_nv("content-type", "application/grpc")
    fields[6] = nghttp2_nv("grpc-timeout", "")
    fields[6].flags = UInt8(truncatingIfNeeded: NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
  }

  deinit {
    authority.deallocate()
    fields.deallocate()
  }

  @EventLoopActor func withFields(
    _ call: ClientCall, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Bool
  ) -> Bool {
    if !call.metadata.isEmpty { return withMetadata(call, body) }
    fields[2] = nghttp2_nv(":path", call.path)
    guard let milliseconds = call.timeoutMilliseconds else { return body(fields, 6) }
    return TimeoutHeader.encode(milliseconds: milliseconds).withUnsafeBufferPointer { timeout in
      fields[6].value = timeout.baseAddress.map { UnsafeMutablePointer(mutating: $0) }
      fields[6].valuelen = timeout.count
      return body(fields, 7)
    }
  }

  @EventLoopActor private func withMetadata(
    _ call: ClientCall, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Bool
  ) -> Bool {
    var list = HeaderList()
    list.add(":method", "POST")
    list.add(":scheme", "http")
    list.add(":path", call.path)
    list.add(":authority", authority)
    list.add("te", "trailers")
    list.add("content-type", "application/grpc")
    if let milliseconds = call.timeoutMilliseconds {
      list.add("grpc-timeout", TimeoutHeader.encode(milliseconds: milliseconds))
    }
    list.add(call.metadata)
    return list.withFields(body)
  }
}
