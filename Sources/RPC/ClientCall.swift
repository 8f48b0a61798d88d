import Basics
import CNghttp2
import EventLoop

/// A call as the client sees it, from submission to its status.
@EventLoopActor final class ClientCall: HTTP2Stream {
  let path: StaticString
  let deadline: MonotonicTime?
  let metadata: RPCMetadata
  /// Asked for as a duration: the header repeats from call to call and compresses well.
  let timeoutMilliseconds: UInt64?
  private(set) var isFinished = false

  // Response.
  private var httpStatus = 0
  private var status: RPCStatus?
  private var statusText: String?
  private var trailers: RPCMetadata = [:]
  private var headerBytes = 0

  /// Unary calls keep their message here until the status is known.
  private var response: [UInt8]?
  private var completion: (@EventLoopActor (Result<[UInt8], RPCError>) -> Void)?
  private var port: StreamPort?

  init(path: StaticString, timeout: Duration?, metadata: RPCMetadata, options: RPCChannelOptions) {
    self.path = path
    self.metadata = metadata
    timeoutMilliseconds = timeout.map(\.wholeMilliseconds)
    deadline = timeout.map { EventLoop.now.advanced(by: $0) }
    super.init(maximumMessageBytes: options.maximumMessageBytes, outgoingLimitBytes: options.streamBufferBytes)
  }

  func makeUnary(_ completion: @escaping @EventLoopActor (Result<[UInt8], RPCError>) -> Void) {
    self.completion = completion
  }

  func makeStream() -> StreamPort {
    let port = StreamPort(self)
    port.onTaskCancelled = { [weak self] in self?.fail(RPCError(.cancelled, "cancelled by the caller")) }
    self.port = port
    return port
  }

  // MARK: - Response

  override func receivedHeader(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    if name.equals("grpc-status") {
      status = (Int(String(decoding: value, as: UTF8.self)).flatMap(RPCStatus.init(rawValue:))) ?? .unknown
    } else if name.equals(":status") {
      httpStatus = Int(String(decoding: value, as: UTF8.self)) ?? 0
    } else if name.equals("grpc-message") {
      statusText = PercentEncoding.decode(value)
    } else if !name.equals("content-type"), !name.starts(with: "grpc-") {
      headerBytes += name.count + value.count + 32
      if headerBytes > 64 << 10 { return }
      trailers[String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
    }
  }

  override func receivedMessage(_ message: [UInt8]) {
    if isFinished { return }
    if let port { return port.received(message) }
    if response != nil { return fail(RPCError(.internalError, "more than one response message")) }
    response = message
  }

  override func receivedEnd() {
    if isFinished { return }
    let stillSending = !hasEndedSending
    if let status {
      if status == .ok {
        finish(isBetweenMessages ? nil : RPCError(.internalError, "the response ends within a message"))
      } else {
        finish(RPCError(status, statusText ?? "", trailers: trailers, wasNotSent: false))
      }
    } else {
      finish(Self.error(httpStatus: httpStatus))
    }
    // The server has said all: what is left of the request is of no use.
    if stillSending || outgoingBytes > 0 { reset(NGHTTP2_CANCEL) }
  }

  override func receivedMalformed(_ error: RPCError) { fail(error) }

  override func closed(_ code: UInt32?, _ reason: String) {
    switch code {
    case nil: finish(RPCError(.unavailable, "connection lost: \(reason)"))
    case NGHTTP2_REFUSED_STREAM.rawValue:
      finish(RPCError(.unavailable, "refused by the server", wasNotSent: true))
    case NGHTTP2_CANCEL.rawValue: finish(RPCError(.cancelled, "cancelled by the server"))
    case NGHTTP2_ENHANCE_YOUR_CALM.rawValue: finish(RPCError(.resourceExhausted, "the server is overloaded"))
    case NGHTTP2_NO_ERROR.rawValue?: finish(RPCError(.internalError, "the response has no status"))
    case let code?: finish(RPCError(.internalError, "stream reset: \(String(cString: nghttp2_http2_strerror(code)))"))
    }
  }

  /// Ends the call from this side.
  func fail(_ error: RPCError) {
    if isFinished { return }
    reset(NGHTTP2_CANCEL)
    finish(error)
  }

  private func finish(_ error: RPCError?) {
    if isFinished { return }
    isFinished = true
    let ended = RPCError(.cancelled, "the call has ended")
    if let port {
      self.port = nil
      port.endInbound(error.map { .failure($0) } ?? .success(()))
      port.endOutbound(error ?? ended)
    }
    if let completion {
      self.completion = nil
      if let error {
        completion(.failure(error))
      } else if let response {
        completion(.success(response))
      } else {
        completion(.failure(RPCError(.internalError, "no response message")))
      }
    }
  }

  /// gRPC's mapping for answers of something that is no gRPC server ("http-grpc-status-mapping").
  private static func error(httpStatus: Int) -> RPCError {
    let status: RPCStatus =
      switch httpStatus {
      case 400: .internalError
      case 401: .unauthenticated
      case 403: .permissionDenied
      case 404: .unimplemented
      case 429, 502, 503, 504: .unavailable
      default: .unknown
      }
    return RPCError(status, "no gRPC status; HTTP status \(httpStatus)")
  }
}
