import Basics
import EventLoop
import PostgresProtocol

/// The socket of one client: bytes in, protocol events out; messages in, bytes out.
///
/// Memory is bounded on both sides: nothing more is read while unhandled input piles up, and whoever writes waits in
/// `flushed` while the client does not read.
@EventLoopActor final class ClientConnection {
  /// Unhandled input beyond which the socket is not read (bytes).
  static let inputHighWaterBytes = 256 << 10
  /// Output handed to the socket in one piece (bytes).
  static let outputChunkBytes = 32 << 10

  let connection: TCPConnection
  var writer = BackendWriter()
  private var decoder: FrontendDecoder
  private var lookahead: FrontendDecoder.Event?
  private var isReadingPaused = false
  private(set) var isClosed = false
  private var inputWaiter: UnsafeContinuation<Void, Never>?
  private var drainWaiter: UnsafeContinuation<Void, Never>?
  /// What became of input that came while a reader waits in `nextEvent`.
  enum InputOutcome: Hashable {
    /// Handled as far as it is complete.
    case needsMore
    /// Something is under way that goes on with the rest when it is done.
    case busy
    /// The reader must wake up.
    case needsReader
  }

  /// Looks at new input before the reader that waits for it does.
  var onInput: (@EventLoopActor () -> InputOutcome)?
  /// Called once, when the connection has gone.
  var onClose: (@EventLoopActor () -> Void)?

  init(_ connection: TCPConnection, limits: ProtocolLimits) {
    self.connection = connection
    decoder = FrontendDecoder(limits: limits)
    connection.onRead = { [weak self] bytes in self?.receive(bytes) }
    connection.onClose = { [weak self] _ in self?.closed() }
    connection.onDrain = { [weak self] in self?.drained() }
  }

  // MARK: - Input

  private func receive(_ bytes: UnsafeRawBufferPointer) {
    decoder.receive(bytes)
    if inputWaiter != nil {
      switch onInput?() ?? .needsReader {
      case .needsReader: return wakeReader()
      case .needsMore: return
      case .busy: break
      }
    }
    if decoder.bufferedBytes > Self.inputHighWaterBytes, !isReadingPaused {
      isReadingPaused = true
      connection.pauseReading()
    }
  }

  /// The next event; nil when the client has gone.
  func nextEvent() async -> FrontendDecoder.Event? {
    while true {
      if let event = peekEvent() {
        lookahead = nil
        return event
      }
      if isClosed { return nil }
      resumeInput()
      await withUnsafeContinuation { inputWaiter = $0 }
    }
  }

  /// The next event if it is there already.
  func peekEvent() -> FrontendDecoder.Event? {
    if lookahead == nil { lookahead = decoder.next() }
    return lookahead
  }

  /// The event that `peekEvent` showed has been handled.
  func dropEvent() { lookahead = nil }

  /// The event dropped last is to be handled after all; none has been shown since.
  func putBack(_ event: FrontendDecoder.Event) {
    precondition(lookahead == nil, "an event was shown after the one that is put back")
    lookahead = event
  }

  /// Whether the message after the one shown is here and is a Sync.
  var isSyncNext: Bool { lookahead != nil && decoder.isSyncNext }

  /// A reader that waits looks for events again.
  func wakeReader() {
    let waiter = inputWaiter
    inputWaiter = nil
    waiter?.resume()
  }

  /// The input is used up: more may come.
  func resumeInput() {
    guard isReadingPaused else { return }
    isReadingPaused = false
    connection.resumeReading()
  }

  // MARK: - Output

  /// Hands everything written so far to the socket.
  func flush() {
    guard !writer.isEmpty else { return }
    if isClosed {
      _ = writer.take()
      return
    }
    connection.write(writer.take())
  }

  /// True when enough has been written that it should be handed over.
  var isChunkFull: Bool { writer.count >= Self.outputChunkBytes }

  /// Flushes, and waits while the client is slow.
  func flushed() async {
    flush()
    while !isClosed, !connection.isWritable {
      await withUnsafeContinuation { drainWaiter = $0 }
    }
  }

  private func drained() {
    let waiter = drainWaiter
    drainWaiter = nil
    waiter?.resume()
  }

  // MARK: - End

  private func closed() {
    if isClosed { return }
    isClosed = true
    wakeReader()
    drained()
    onClose?()
    onClose = nil
  }

  /// Sends what was written and closes.
  func close(_ reason: String) {
    if isClosed { return }
    flush()
    connection.closeAfterWriting(reason)
  }

  /// A last word (`FATAL`), then the end.
  func close(_ error: SQLError) {
    if isClosed { return }
    writer.errorResponse(error, severity: .fatal)
    close(error.message)
  }
}
