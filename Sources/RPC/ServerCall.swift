import Basics
import CNghttp2
import EventLoop
import Wire

/// A call as the server sees it, from its headers to its status.
@EventLoopActor final class ServerCall: HTTP2Stream {
  private weak var server: RPCServer?
  let remoteEndpoint: Endpoint?

  // Request headers.
  private var path: [UInt8] = []
  private var isPost = false
  private var isGRPC = false
  private var hasMalformedHeader = false
  private var headerBytes = 0
  private(set) var metadata: RPCMetadata = [:]
  private(set) var deadline: MonotonicTime?

  private var method: RPCServer.Method?
  var methodPath: String { method?.path ?? "" }
  private var request: [UInt8]?
  private var port: StreamPort?

  private var hasSentHeaders = false
  private(set) var isFinished = false
  private(set) var isCancelled = false
  private var finalError: RPCError?
  var task: Task<Void, Never>?
  var onCancel: (@EventLoopActor () -> Void)?

  init(server: RPCServer, remoteEndpoint: Endpoint?) {
    self.server = server
    self.remoteEndpoint = remoteEndpoint
    super.init(
      maximumMessageBytes: server.options.maximumMessageBytes,
      outgoingLimitBytes: server.options.streamBufferBytes)
  }

  // MARK: - Request

  override func receivedHeader(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    headerBytes += name.count + value.count + 32
    if headerBytes > 64 << 10 { return hasMalformedHeader = true }
    if name.first == UInt8(ascii: ":") {
      if name.equals(":path") { path = Array(value) } else if name.equals(":method") { isPost = value.equals("POST") }
    } else if name.equals("content-type") {
      isGRPC = value.starts(with: "application/grpc")
    } else if name.equals("grpc-timeout") {
      guard let milliseconds = TimeoutHeader.decode(value) else { return hasMalformedHeader = true }
      deadline = EventLoop.now.advanced(by: .milliseconds(Int64(clamping: milliseconds)))
    } else if name.equals("te") || name.equals("user-agent") || name.starts(with: "grpc-") {
      return
    } else {
      metadata[String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
    }
  }

  override func receivedHeaders() {
    if method != nil || isFinished { return }
    guard let server else { return finish(RPCError(.unavailable, "the server is gone")) }
    guard isPost, isGRPC else { return refuseAsHTTP() }
    if hasMalformedHeader { return finish(RPCError(.internalError, "malformed or too large headers")) }
    guard let method = server.method(path) else {
      return finish(RPCError(.unimplemented, "unknown method \(String(decoding: path.prefix(200), as: UTF8.self))"))
    }
    self.method = method
    if let deadline { server.deadlines.note(deadline) }
    if case .stream(let start) = method.kind {
      let port = makePort()
      start(self, port)
    }
  }

  private func makePort() -> StreamPort {
    let port = StreamPort(self)
    self.port = port
    return port
  }

  override func receivedMessage(_ message: [UInt8]) {
    if isFinished { return }
    guard let method else { return }
    switch method.kind {
    case .stream: port?.received(message)
    case .unary, .serverStream:
      if request != nil { return finish(RPCError(.internalError, "more than one request message")) }
      request = message
    }
  }

  override func receivedEnd() {
    if isFinished { return }
    guard let method else { return }
    if !isBetweenMessages { return finish(RPCError(.internalError, "the request ends within a message")) }
    switch method.kind {
    case .stream: port?.endInbound(.success(()))
    case .unary(let start):
      guard let request else { return finish(RPCError(.internalError, "no request message")) }
      self.request = nil
      start(self, request)
    case .serverStream(let start):
      guard let request else { return finish(RPCError(.internalError, "no request message")) }
      self.request = nil
      start(self, request, makePort())
    }
  }

  override func receivedMalformed(_ error: RPCError) { finish(error) }

  /// Something that speaks HTTP/2 but not gRPC.
  private func refuseAsHTTP() {
    isFinished = true
    hasSentHeaders = true
    var fields = HeaderList()
    fields.add(":status", isPost ? "415" : "405")
    fields.withFields { session?.respond(self, $0, $1, hasBody: false) }
  }

  // MARK: - Response

  /// The only message of a unary call, and status OK.
  func succeed(_ frame: [UInt8]) {
    if isFinished { return }
    sendHeaders()
    enqueue(frame)
    finish(nil)
  }

  private func sendHeaders() {
    if hasSentHeaders { return }
    hasSentHeaders = true
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: 2) { fields in
      fields[0] = nghttp2_nv(":status", "200")
      fields[1] = nghttp2_nv("content-type", "application/grpc")
      session?.respond(self, UnsafePointer(fields.baseAddress), 2, hasBody: true)
    }
  }

  override func enqueue(_ frame: [UInt8]) {
    sendHeaders()
    super.enqueue(frame)
  }

  /// Ends the call; messages enqueued before are sent before the status. The first call counts.
  func finish(_ error: RPCError?) {
    if isFinished { return }
    isFinished = true
    finalError = error
    if hasSentHeaders || error == nil {
      sendHeaders()
      endSending()
    } else {
      var fields = HeaderList()
      fields.add(":status", "200")
      fields.add("content-type", "application/grpc")
      addStatus(&fields)
      fields.withFields { session?.respond(self, $0, $1, hasBody: false) }
    }
    let ended = RPCError(.cancelled, "the call has ended")
    port?.endInbound(.failure(error ?? ended))
    port?.endOutbound(error ?? ended)
  }

  override func endsStreamWithData() -> Bool {
    if finalError == nil {
      var field = nghttp2_nv("grpc-status", "0")
      session?.submitTrailers(self, &field, 1)
    } else {
      var fields = HeaderList()
      addStatus(&fields)
      fields.withFields { session?.submitTrailers(self, $0, $1) }
    }
    return false
  }

  private func addStatus(_ fields: inout HeaderList) {
    guard let error = finalError else { return }
    fields.add("grpc-status", Array("\(error.status.rawValue)".utf8))
    // Long texts do not fit HTTP/2's header limits.
    if !error.message.isEmpty { fields.add("grpc-message", PercentEncoding.encode(error.message).prefix(4096)) }
    fields.add(error.trailers)
  }

  // MARK: - End

  func expire() {
    if isFinished { return }
    finish(RPCError(.deadlineExceeded, "deadline exceeded"))
    cancelHandler()
  }

  override func closed(_ code: UInt32?, _ reason: String) {
    let wasFinished = isFinished
    isFinished = true
    let error =
      code == nil
      ? RPCError(.unavailable, "connection lost: \(reason)") : RPCError(.cancelled, "cancelled by the client")
    port?.endInbound(.failure(error))
    port?.endOutbound(error)
    port = nil
    if !wasFinished { cancelHandler() }
    task = nil
    onCancel = nil
    server?.callEnded()
  }

  private func cancelHandler() {
    isCancelled = true
    task?.cancel()
    let onCancel = self.onCancel
    self.onCancel = nil
    onCancel?()
  }
}

extension UnsafeBufferPointer<UInt8> {
  func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount && starts(with: text)
  }

  func starts(with text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount, let baseAddress else { return false }
    for index in 0..<text.utf8CodeUnitCount where baseAddress[index] != text.utf8Start[index] { return false }
    return true
  }
}
