import CUV

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
  /// What carries the bytes: `TCPConnection+LibUV.swift`, `TCPConnection+Simulation.swift`.
  enum Transport {
    case libuv(LibUVSocket)
    case simulated(any SimulatedSocket)
  }

  /// Bytes that arrived; valid during the call only.
  public var onRead: (@EventLoopActor (UnsafeRawBufferPointer) -> Void)? { didSet { updateReading() } }
  /// The connection is gone. Called once, also after a `close` of this side, and also when it was gone before this was
  /// set.
  public var onClose: (@EventLoopActor (CloseReason) -> Void)? { didSet { reportCloseLater() } }
  /// The outgoing buffer fell below half its high-water mark after it had been above the mark.
  public var onDrain: (@EventLoopActor () -> Void)?
  /// Outgoing bytes beyond which `isWritable` is false. Writing on is allowed, but the bytes are kept in memory.
  public var highWaterMarkBytes = 1 << 20

  public let remoteEndpoint: Endpoint?
  /// Bytes written but not yet taken by the kernel.
  public var pendingBytes: Int { outgoing.count + inFlight.count }
  public var isWritable: Bool { transport != nil && pendingBytes < highWaterMarkBytes }
  public var isOpen: Bool { transport != nil }

  /// Nil when the connection is closed.
  private(set) var transport: Transport?
  var outgoing = OutgoingBytes()
  /// What libuv is writing since the kernel's buffer was full; not touched until it is written.
  var inFlight = OutgoingBytes()
  private var isFlushScheduled = false
  private var isReading = false
  private var isPaused = false
  private var isAboveMark = false
  private var closesWhenDrained: CloseReason?
  /// Why the connection is gone, until `onClose` has heard it.
  private var unreportedClose: CloseReason?

  init(_ transport: Transport, remoteEndpoint: Endpoint?) {
    self.transport = transport
    self.remoteEndpoint = remoteEndpoint
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

  /// Has the kernel ask a silent other side for a sign of life after `idle` (rounded up to seconds, at least one), and then
  /// every second; ten without an answer end the connection. Without it nobody learns that a machine has gone.
  public func enableKeepalive(after idle: Duration) {
    let seconds = max(1, (min(idle.wholeMilliseconds, 86_400_000) + 999) / 1000)
    switch transport {
    case .libuv(let socket): uv_tcp_keepalive(socket, 1, UInt32(seconds))
    case .simulated(let socket): socket.enableKeepalive(afterSeconds: seconds)
    case nil: break
    }
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
    guard let transport, isReading != isWanted else { return }
    isReading = isWanted
    switch transport {
    case .libuv(let socket): setReading(socket, isWanted)
    case .simulated(let socket): socket.isReading = isWanted
    }
  }

  // MARK: - Writing

  /// Queues bytes; they leave at the end of the turn. Ignored after `close`.
  public func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }
  public func write(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { write($0) } }

  /// Copies the bytes out before it returns.
  public func write(_ bytes: UnsafeRawBufferPointer) {
    guard transport != nil, closesWhenDrained == nil else { return }
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

  /// Hands over what the other side of the transport takes at once.
  func flush() {
    switch transport {
    case .libuv(let socket): flush(socket)
    case .simulated(let socket): flush(socket)
    case nil: break
    }
  }

  /// Called when outgoing bytes became fewer.
  func noteProgress() {
    let pending = pendingBytes
    if pending >= highWaterMarkBytes { isAboveMark = true }
    if isAboveMark, pending <= highWaterMarkBytes / 2 {
      isAboveMark = false
      onDrain?()
    }
    if pendingBytes == 0, let reason = closesWhenDrained { finish(reason) }
  }

  // MARK: - Closing

  /// Closes at once; bytes not yet written are lost.
  public func close(_ reason: String) { finish(.local(reason)) }

  /// Closes when everything written so far is with the kernel.
  public func closeAfterWriting(_ reason: String) {
    guard transport != nil, closesWhenDrained == nil else { return }
    closesWhenDrained = .local(reason)
    scheduleFlush()
  }

  func finish(_ reason: CloseReason) {
    guard let transport else { return }
    self.transport = nil
    outgoing.deallocate()
    onRead = nil
    onDrain = nil
    switch transport {
    case .libuv(let socket): closeHandle(socket)
    case .simulated(let socket): socket.close()
    }
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
