import EventLoop
import RPC
import Wire

/// Methods of a service that exists in tests only; its messages are opaque bytes.
enum EchoService {
  static let unary = RPCMethod<RawMessage, RawMessage>("/test.Echo/Unary", .unary)
  static let fast = RPCMethod<RawMessage, RawMessage>("/test.Echo/Fast", .unary)
  static let later = RPCMethod<RawMessage, RawMessage>("/test.Echo/Later", .unary)
  static let failFast = RPCMethod<RawMessage, RawMessage>("/test.Echo/FailFast", .unary)
  static let never = RPCMethod<RawMessage, RawMessage>("/test.Echo/Never", .unary)
  static let fail = RPCMethod<RawMessage, RawMessage>("/test.Echo/Fail", .unary)
  static let count = RPCMethod<RawMessage, RawMessage>("/test.Echo/Count", .serverStream)
  static let chat = RPCMethod<RawMessage, RawMessage>("/test.Echo/Chat", .bidirectionalStream)
  static let fastChat = RPCMethod<RawMessage, RawMessage>("/test.Echo/FastChat", .bidirectionalStream)
  static let flood = RPCMethod<RawMessage, RawMessage>("/test.Echo/Flood", .serverStream)
  static let sink = RPCMethod<RawMessage, RawMessage>("/test.Echo/Sink", .clientStream)
}

/// An event that a test waits for.
@EventLoopActor final class Event {
  private var isFired = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  nonisolated init() {}

  func fire() {
    isFired = true
    for waiter in waiters { waiter.resume() }
    waiters = []
  }

  func wait() async {
    if isFired { return }
    await withCheckedContinuation { waiters.append($0) }
  }
}

/// A server with `EchoService` and a channel to it.
@EventLoopActor final class EchoFixture {
  let server: RPCServer
  let endpoint: Endpoint
  let channel: RPCChannel
  /// A handler was cancelled.
  let cancelled = Event()
  /// The handler of `never` runs.
  let entered = Event()
  /// `sink` reads on when this fires.
  let mayRead = Event()
  var floodSent = 0
  /// Answers of `later` that a test gives.
  var laterReplies: [@EventLoopActor () -> Void] = []

  init(_ options: RPCServerOptions = RPCServerOptions(), _ channelOptions: RPCChannelOptions = RPCChannelOptions())
    throws
  {
    server = RPCServer(options: options)
    endpoint = try server.listen(port: 0)
    channel = RPCChannel(endpoint, options: channelOptions)
    register()
  }

  private func register() {
    server.handle(EchoService.unary) { request, _ in request }
    server.handleFast(EchoService.fast) { request, reply in reply.succeed(request) }
    server.handleFast(EchoService.later) { [weak self] request, reply in
      guard let self else { return }
      laterReplies.append { reply.succeed(request) }
      entered.fire()
      reply.onCancel { self.cancelled.fire() }
    }
    server.handleFast(EchoService.failFast) { request, reply in
      reply.fail(
        RPCError(
          .failedPrecondition, String(decoding: request.bytes, as: UTF8.self), trailers: ["theseus-leader": "h:1"]))
    }
    server.handle(EchoService.never) { [entered, cancelled] _, context in
      entered.fire()
      do { try await EventLoop.sleep(for: .seconds(600)) } catch {
        if context.isCancelled { cancelled.fire() }
        throw error
      }
      return RawMessage()
    }
    server.handle(EchoService.fail) { request, context in
      throw RPCError(
        .failedPrecondition, String(decoding: request.bytes, as: UTF8.self),
        trailers: ["theseus-leader": "h:1", "seen": context.metadata["question"] ?? ""])
    }
    server.handleServerStream(EchoService.count) { request, _, sink in
      for number in 0..<request.bytes.count {
        try await sink.send(RawMessage(bytes: [UInt8(truncatingIfNeeded: number)]))
      }
    }
    server.handleStream(EchoService.chat) { inbound, _, sink in
      while let message = try await inbound.receive() { try await sink.send(message) }
    }
    server.handleStreamFast(EchoService.fastChat) { stream in
      stream.onMessage = { stream.trySend($0) }
      stream.onClose = { error in if error == nil { stream.finish() } }
    }
    server.handleServerStream(EchoService.flood) { [weak self] _, _, sink in
      let chunk = RawMessage(bytes: [UInt8](repeating: 1, count: 100_000))
      while true {
        try await sink.send(chunk)
        self?.floodSent += 1
      }
    }
    server.handleStream(EchoService.sink) { [mayRead] inbound, _, sink in
      await mayRead.wait()
      var count = 0
      while let message = try await inbound.receive() { count += message.bytes.count }
      try await sink.send(RawMessage(bytes: Array(String(count).utf8)))
    }
  }

  func stop() async {
    channel.close()
    await server.shutdown(graceful: .zero)
  }
}

/// Runs `body` with a fixture and stops the fixture after it.
@EventLoopActor func withEcho(
  _ options: RPCServerOptions = RPCServerOptions(), _ channelOptions: RPCChannelOptions = RPCChannelOptions(),
  _ body: @EventLoopActor (EchoFixture) async throws -> Void
) async throws {
  let fixture = try EchoFixture(options, channelOptions)
  do { try await body(fixture) } catch {
    await fixture.stop()
    throw error
  }
  await fixture.stop()
}
