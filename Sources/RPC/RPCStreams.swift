import EventLoop
import Wire

/// What a handler of a stream sends to its client.
public struct RPCSink<Message: WireMessage>: Sendable {
  let port: StreamPort

  /// Waits while the outgoing buffer is full; throws when the call has ended.
  @EventLoopActor public func send(_ message: Message) async throws(RPCError) {
    try await port.send { message.framed() }
  }

  /// False when the buffer is full or the call has ended: the message was not taken.
  @EventLoopActor public func trySend(_ message: Message) -> Bool { port.trySend { message.framed() } }
}

/// What a handler of a stream receives from its client. One task reads at a time.
public struct RPCInbound<Message: WireMessage>: Sendable, AsyncSequence {
  let port: StreamPort

  /// The next message; nil when the client has finished sending. Throws when the call has ended otherwise.
  @EventLoopActor public func receive() async throws(RPCError) -> Message? {
    guard let bytes = try await port.receive() else { return nil }
    return try Message.decoded(bytes)
  }

  public func makeAsyncIterator() -> Iterator { Iterator(inbound: self) }

  public struct Iterator: AsyncIteratorProtocol {
    let inbound: RPCInbound
    public mutating func next() async throws -> Message? { try await inbound.receive() }
  }
}

/// A server's end of a stream, for handlers without a task: set the callbacks before the handler returns.
@EventLoopActor public final class RPCServerStream<Request: WireMessage, Response: WireMessage> {
  public let context: RPCContext
  private let call: ServerCall
  private let port: StreamPort

  init(_ call: ServerCall, _ port: StreamPort) {
    self.call = call
    self.port = port
    context = RPCContext(call: call)
  }

  /// Each message of the client, in order. A malformed one ends the call.
  public var onMessage: (@EventLoopActor (Request) -> Void)? {
    didSet {
      guard let onMessage else { return port.onMessage = nil }
      let call = self.call
      port.onMessage = { bytes in
        do throws(RPCError) { onMessage(try Request.decoded(bytes)) } catch { call.finish(error) }
      }
    }
  }

  /// The client sends nothing more: nil when it said so, an error when the call is over (cancelled, connection lost).
  public var onClose: (@EventLoopActor (RPCError?) -> Void)? {
    get { port.onEnd }
    set { port.onEnd = newValue }
  }

  /// There is room again after `trySend` said no.
  public var onWritable: (@EventLoopActor () -> Void)? {
    get { port.onWritable }
    set { port.onWritable = newValue }
  }

  public var isOpen: Bool { call.isOpen && !call.isFinished }

  /// False when the buffer is full or the call has ended: the message was not taken.
  @discardableResult public func trySend(_ message: Response) -> Bool { port.trySend { message.framed() } }

  /// Waits while the outgoing buffer is full; throws when the call has ended.
  public func send(_ message: Response) async throws(RPCError) { try await port.send { message.framed() } }

  /// Ends the call, with status OK when `error` is nil. Messages sent before arrive before.
  public func finish(_ error: RPCError? = nil) { call.finish(error) }
}

/// A client's end of a stream.
@EventLoopActor public final class RPCClientStream<Request: WireMessage, Response: WireMessage> {
  private let call: ClientCall
  private let port: StreamPort

  init(_ call: ClientCall, _ port: StreamPort) {
    self.call = call
    self.port = port
  }

  /// Waits while the outgoing buffer is full; throws when the call has ended.
  public func send(_ message: Request) async throws(RPCError) { try await port.send { message.framed() } }

  /// False when the buffer is full or the call has ended: the message was not taken.
  @discardableResult public func trySend(_ message: Request) -> Bool { port.trySend { message.framed() } }

  /// There is room again after `trySend` said no.
  public var onWritable: (@EventLoopActor () -> Void)? {
    get { port.onWritable }
    set { port.onWritable = newValue }
  }

  /// The next message; nil when the server ended the call with status OK, else its error is thrown. One task reads at a
  /// time; cancelling that task cancels the call.
  public func receive() async throws(RPCError) -> Response? {
    guard let bytes = try await port.receive() else { return nil }
    return try Response.decoded(bytes)
  }

  /// Instead of `receive`: each message in order. A malformed one cancels the call.
  public var onMessage: (@EventLoopActor (Response) -> Void)? {
    didSet {
      guard let onMessage else { return port.onMessage = nil }
      let call = self.call
      port.onMessage = { bytes in
        do throws(RPCError) { onMessage(try Response.decoded(bytes)) } catch { call.fail(error) }
      }
    }
  }

  /// The call has ended: nil for status OK. Called once, after the last message.
  public var onClose: (@EventLoopActor (RPCError?) -> Void)? {
    get { port.onEnd }
    set { port.onEnd = newValue }
  }

  /// The request is complete; answers may still come.
  public func finishSending() { call.endSending() }

  /// Ends the call at once.
  public func cancel() { call.fail(RPCError(.cancelled, "cancelled by the caller")) }

  public var isOpen: Bool { !call.isFinished }
}

extension RPCClientStream: AsyncSequence {
  public typealias Element = Response

  public nonisolated func makeAsyncIterator() -> Iterator { Iterator(stream: self) }

  public struct Iterator: AsyncIteratorProtocol {
    let stream: RPCClientStream
    public mutating func next() async throws -> Response? { try await stream.receive() }
  }
}

extension WireMessage {
  /// The message behind gRPC's five bytes.
  func framed() -> [UInt8] {
    var frame = serialized(prefixLength: MessageAssembler.prefixLength)
    MessageAssembler.writePrefix(&frame)
    return frame
  }

  static func decoded(_ bytes: [UInt8]) throws(RPCError) -> Self {
    do {
      return try Self(serialized: bytes)
    } catch {
      throw RPCError(.internalError, "cannot decode \(Self.self): \(error)")
    }
  }
}
