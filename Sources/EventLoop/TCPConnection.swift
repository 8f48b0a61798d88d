import CUV
import Glibc

/// Why a connection ended.
public enum CloseReason: Hashable, Sendable, CustomStringConvertible {
  /// This side called `close`; the text says why.
  case local(String)
  /// The other side closed its sending half.
  case endOfStream
  case failed(SystemError)

  public var description: String {
    switch self {
    case .local(let text): text
    case .endOfStream: "closed by the other side"
    case .failed(let error): error.description
    }
  }
}

/// A TCP connection. The writes of one turn of the loop leave in one system call at its end.
///
/// Keeps itself alive until it is closed. After `close` no callback but `onClose` comes, and that once.
@EventLoopActor public final class TCPConnection {
  /// Bytes that arrived; valid during the call only.
  public var onRead: (@EventLoopActor (UnsafeRawBufferPointer) -> Void)? { didSet { updateReading() } }
  /// The connection is gone. Called once, also after a `close` of this side, and also when it was gone before this was
  /// set.
  public var onClose: (@EventLoopActor (CloseReason) -> Void)? { didSet { reportCloseLater() } }
  /// The outgoing buffer fell below half its high-water mark after it had been above the mark.
  public var onDrain: (@EventLoopActor () -> Void)?
  /// Outgoing bytes beyond which `isWritable` is false. Writing on is allowed, but the bytes are kept in memory.
  public var highWaterMarkBytes = 1 << 20

  public private(set) var remoteEndpoint: Endpoint?
  /// Bytes written but not yet taken by the kernel.
  public var pendingBytes: Int { outgoing.count + inFlight.count }
  public var isWritable: Bool { handle != nil && pendingBytes < highWaterMarkBytes }
  public var isOpen: Bool { handle != nil }

  private var handle: UnsafeMutablePointer<uv_tcp_t>?
  private var outgoing = OutgoingBytes()
  /// What libuv is writing since the kernel's buffer was full; not touched until `writeDone`.
  private var inFlight = OutgoingBytes()
  private var isFlushScheduled = false
  private var isReading = false
  private var isPaused = false
  private var isAboveMark = false
  private var closesWhenDrained: CloseReason?
  /// Why the connection is gone, until `onClose` has heard it.
  private var unreportedClose: CloseReason?

  private init(handle: UnsafeMutablePointer<uv_tcp_t>) {
    self.handle = handle
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
  }

  convenience init?(acceptedFrom listener: UnsafeMutablePointer<uv_tcp_t>) {
    let handle = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
    guard uv_tcp_init(EventLoop.shared.raw, handle) == 0 else {
      handle.deallocate()
      return nil
    }
    handle.pointee.data = nil
    guard uv_accept(streamHandle(listener), streamHandle(handle)) == 0 else {
      closeHandle(handle)
      return nil
    }
    self.init(handle: handle)
    becomeEstablished()
  }

  // MARK: - Connecting

  /// Opens a connection; names are resolved by the system's resolver on another thread.
  public static func connect(to endpoint: Endpoint, timeout: Duration = .seconds(5)) async throws -> TCPConnection {
    let attempt = ConnectAttempt(endpoint)
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        attempt.start(timeout: timeout) { continuation.resume(with: $0) }
      }
    } onCancel: {
      EventLoop.execute {
        attempt.finish(.failure(SystemError(code: SystemError.canceledCode, action: attempt.action)))
      }
    }
  }

  /// Callback form of `connect`. `completion` must set the connection's callbacks before it returns.
  public static func connect(
    to endpoint: Endpoint, timeout: Duration = .seconds(5),
    completion: @escaping @EventLoopActor (Result<TCPConnection, SystemError>) -> Void
  ) {
    ConnectAttempt(endpoint).start(timeout: timeout) { result in completion(result) }
  }

  fileprivate static func make(connected handle: UnsafeMutablePointer<uv_tcp_t>) -> TCPConnection {
    let connection = TCPConnection(handle: handle)
    connection.becomeEstablished()
    return connection
  }

  private func becomeEstablished() {
    guard let handle else { return }
    uv_tcp_nodelay(handle, 1)
    var storage = sockaddr_storage()
    var length = Int32(MemoryLayout<sockaddr_storage>.size)
    let code = withUnsafeMutablePointer(to: &storage) {
      uv_tcp_getpeername(handle, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self), &length)
    }
    if code == 0 {
      remoteEndpoint = withUnsafePointer(to: storage) {
        SocketAddress(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length: Int(length)).endpoint
      }
    }
  }

  /// Has the kernel ask a silent other side for a sign of life after `idle` (rounded up to seconds, at least one), and then
  /// every second; ten without an answer end the connection. Without it nobody learns that a machine has gone.
  public func enableKeepalive(after idle: Duration) {
    guard let handle else { return }
    let seconds = max(1, (min(idle.wholeMilliseconds, 86_400_000) + 999) / 1000)
    uv_tcp_keepalive(handle, 1, UInt32(seconds))
  }

  // MARK: - Reading

  /// Stops to take bytes from the kernel: the other side is slowed down by TCP.
  public func pauseReading() {
    isPaused = true
    updateReading()
  }

  public func resumeReading() {
    isPaused = false
    updateReading()
  }

  private func updateReading() {
    // Nothing is read before somebody wants it: neither bytes nor the end are lost.
    let isWanted = !isPaused && (isReading || onRead != nil)
    guard let handle, isReading != isWanted else { return }
    isReading = isWanted
    if isReading {
      uv_read_start(streamHandle(handle), provideReadBuffer, bytesArrived)
    } else {
      uv_read_stop(streamHandle(handle))
    }
  }

  fileprivate func received(_ count: Int, _ base: UnsafeMutableRawPointer?) {
    if count > 0 {
      onRead?(UnsafeRawBufferPointer(start: base, count: count))
    } else if count == Int(UV_EOF.rawValue) {
      finish(.endOfStream)
    } else if count < 0 {
      finish(.failed(SystemError(code: Int32(truncatingIfNeeded: count), action: "read")))
    }
  }

  // MARK: - Writing

  /// Queues bytes; they leave at the end of the turn. Ignored after `close`.
  public func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }
  public func write(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { write($0) } }

  /// Copies the bytes out before it returns.
  public func write(_ bytes: UnsafeRawBufferPointer) {
    guard handle != nil, closesWhenDrained == nil else { return }
    outgoing.append(bytes)
    // Noted here: the kernel may take everything at once, and whoever saw `isWritable` false waits for `onDrain`.
    if pendingBytes >= highWaterMarkBytes { isAboveMark = true }
    scheduleFlush()
  }

  private func scheduleFlush() {
    if isFlushScheduled { return }
    isFlushScheduled = true
    EventLoop.flushAfterTurn {
      self.isFlushScheduled = false
      self.flush()
    }
  }

  /// Hands to the kernel what it takes at once; libuv keeps the rest and reports when it is written.
  private func flush() {
    guard let handle, inFlight.count == 0 else { return }
    while outgoing.count > 0 {
      let code = withBuffers(outgoing) { uv_try_write(streamHandle(handle), $0, $1) }
      if code > 0 {
        outgoing.removeFirst(Int(code))
      } else if code == UV_EAGAIN.rawValue {
        startWrite(handle)
        break
      } else {
        finish(.failed(SystemError(code: code, action: "write")))
        return
      }
    }
    noteProgress()
  }

  private func startWrite(_ handle: UnsafeMutablePointer<uv_tcp_t>) {
    swap(&inFlight, &outgoing)
    let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    let code = withBuffers(inFlight, all: true) { uv_write(request, streamHandle(handle), $0, $1, writeFinished) }
    if code < 0 {
      Unmanaged<TCPConnection>.fromOpaque(request.pointee.data).release()
      request.deallocate()
      finish(.failed(SystemError(code: code, action: "write")))
    }
  }

  fileprivate func writeDone(_ status: Int32) {
    inFlight.deallocate()
    guard handle != nil else { return }
    if status < 0 {
      finish(.failed(SystemError(code: status, action: "write")))
    } else {
      flush()
    }
  }

  private func noteProgress() {
    let pending = pendingBytes
    if pending >= highWaterMarkBytes { isAboveMark = true }
    if isAboveMark, pending <= highWaterMarkBytes / 2 {
      isAboveMark = false
      onDrain?()
    }
    if pendingBytes == 0, let reason = closesWhenDrained { finish(reason) }
  }

  private func withBuffers(
    _ bytes: OutgoingBytes, all: Bool = false, _ body: (UnsafePointer<uv_buf_t>?, UInt32) -> Int32
  ) -> Int32 {
    let count = all ? bytes.blocks.count : min(bytes.blocks.count, 64)
    return withUnsafeTemporaryAllocation(of: uv_buf_t.self, capacity: count) { buffers in
      for index in 0..<count {
        let block = bytes.blocks[index]
        let base = (block.base + block.start).assumingMemoryBound(to: CChar.self)
        buffers[index] = uv_buf_t(base: base, len: block.end - block.start)
      }
      return body(UnsafePointer(buffers.baseAddress), UInt32(count))
    }
  }

  // MARK: - Closing

  /// Closes at once; bytes not yet written are lost.
  public func close(_ reason: String) { finish(.local(reason)) }

  /// Closes when everything written so far is with the kernel.
  public func closeAfterWriting(_ reason: String) {
    guard handle != nil, closesWhenDrained == nil else { return }
    closesWhenDrained = .local(reason)
    scheduleFlush()
  }

  private func finish(_ reason: CloseReason) {
    guard let handle else { return }
    self.handle = nil
    outgoing.deallocate()
    onRead = nil
    onDrain = nil
    closeHandle(handle)
    unreportedClose = reason
    reportClose()
  }

  private func reportClose() {
    guard let reason = unreportedClose, let onClose else { return }
    unreportedClose = nil
    self.onClose = nil
    onClose(reason)
  }

  private func reportCloseLater() {
    if unreportedClose != nil, onClose != nil { EventLoop.execute { self.reportClose() } }
  }
}

// MARK: - libuv's callbacks

private let readBufferSize = 256 << 10
/// One buffer for all connections: it is used up before the callback returns.
private nonisolated(unsafe) let readBuffer = UnsafeMutableRawPointer.allocate(byteCount: readBufferSize, alignment: 16)

private func provideReadBuffer(
  _: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ buffer: UnsafeMutablePointer<uv_buf_t>?
) {
  buffer?.pointee = uv_buf_t(base: readBuffer.assumingMemoryBound(to: CChar.self), len: readBufferSize)
}

private func bytesArrived(
  _ stream: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?
) {
  guard let data = stream?.pointee.data else { return }
  let connection = Unmanaged<TCPConnection>.fromOpaque(data).takeUnretainedValue()
  EventLoopActor.assumeIsolated { connection.received(count, readBuffer) }
}

private func writeFinished(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
  guard let request, let data = request.pointee.data else { return }
  let connection = Unmanaged<TCPConnection>.fromOpaque(data).takeRetainedValue()
  request.deallocate()
  EventLoopActor.assumeIsolated { connection.writeDone(status) }
}

// MARK: - One attempt to connect

@EventLoopActor private final class ConnectAttempt {
  let endpoint: Endpoint
  nonisolated var action: String { "connect to \(endpoint)" }
  private var completion: (@EventLoopActor (Result<TCPConnection, SystemError>) -> Void)?
  private var handle: UnsafeMutablePointer<uv_tcp_t>?
  private var timer: Timer?

  nonisolated init(_ endpoint: Endpoint) { self.endpoint = endpoint }

  func start(
    timeout: Duration, _ completion: @escaping @EventLoopActor (Result<TCPConnection, SystemError>) -> Void
  ) {
    self.completion = completion
    timer = Timer.once(after: timeout) {
      self.finish(.failure(SystemError(code: SystemError.timedOutCode, action: self.action)))
    }
    if let address = SocketAddress(numericHost: endpoint.host, port: endpoint.port) {
      connect(address)
    } else {
      resolve()
    }
  }

  func finish(_ result: Result<TCPConnection, SystemError>) {
    guard let completion else { return }
    self.completion = nil
    timer?.cancel()
    timer = nil
    if let handle { closeHandle(handle) }
    handle = nil
    completion(result)
  }

  private func resolve() {
    let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    let code = uv_getaddrinfo(
      EventLoop.shared.raw, request, hostResolved, endpoint.host, String(endpoint.port), &hints)
    if code < 0 {
      Unmanaged<ConnectAttempt>.fromOpaque(request.pointee.data).release()
      request.deallocate()
      finish(.failure(SystemError(code: code, action: action)))
    }
  }

  fileprivate func resolved(_ address: SocketAddress?, _ status: Int32) {
    guard completion != nil else { return }
    guard let address else { return finish(.failure(SystemError(code: status, action: action))) }
    connect(address)
  }

  private func connect(_ address: SocketAddress) {
    let handle = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
    let created = uv_tcp_init(EventLoop.shared.raw, handle)
    if created < 0 {
      handle.deallocate()
      return finish(.failure(SystemError(code: created, action: action)))
    }
    handle.pointee.data = nil
    self.handle = handle
    let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    let code = address.withAddress { uv_tcp_connect(request, handle, $0, connectFinished) }
    if code < 0 {
      Unmanaged<ConnectAttempt>.fromOpaque(request.pointee.data).release()
      request.deallocate()
      finish(.failure(SystemError(code: code, action: action)))
    }
  }

  fileprivate func connected(_ status: Int32) {
    guard completion != nil, let handle else { return }
    if status < 0 { return finish(.failure(SystemError(code: status, action: action))) }
    self.handle = nil
    let connection = TCPConnection.make(connected: handle)
    finish(.success(connection))
  }
}

private func hostResolved(
  _ request: UnsafeMutablePointer<uv_getaddrinfo_t>?, _ status: Int32, _ list: UnsafeMutablePointer<addrinfo>?
) {
  guard let request, let data = request.pointee.data else { return }
  let attempt = Unmanaged<ConnectAttempt>.fromOpaque(data).takeRetainedValue()
  request.deallocate()
  var address: SocketAddress?
  if status == 0, let list, let first = list.pointee.ai_addr {
    address = SocketAddress(first, length: Int(list.pointee.ai_addrlen))
  }
  uv_freeaddrinfo(list)
  EventLoopActor.assumeIsolated { attempt.resolved(address, status) }
}

private func connectFinished(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
  guard let request, let data = request.pointee.data else { return }
  let attempt = Unmanaged<ConnectAttempt>.fromOpaque(data).takeRetainedValue()
  request.deallocate()
  EventLoopActor.assumeIsolated { attempt.connected(status) }
}
