import Basics
import CNghttp2
import EventLoop

/// One call on an HTTP/2 connection: queues and flow control that both sides share. Subclasses know which side they are.
@EventLoopActor class HTTP2Stream {
  /// Complete but unread messages beyond this keep the sender's window closed.
  static let inboundHoldBytes = 256 << 10

  var id: Int32 = 0
  weak var session: HTTP2Session?
  var isOpen: Bool { session != nil }

  // Outbound: framed messages, the first partly sent.
  private var outgoing: [[UInt8]] = []
  private var outgoingHead = 0
  private var firstOffset = 0
  private(set) var outgoingBytes = 0
  private var isDeferred = false
  private(set) var hasEndedSending = false
  private var isAboveLimit = false
  /// Outgoing bytes beyond which `trySend` refuses.
  let outgoingLimitBytes: Int
  /// There is room again after a refusal.
  var outgoingHasRoom: (@EventLoopActor () -> Void)?

  // Inbound.
  private var assembler: MessageAssembler
  private var unacknowledgedBytes = 0
  /// Bytes of complete messages that nobody has read yet.
  private var heldBytes = 0
  /// Bytes of an incomplete message, as the session knows them.
  var accountedBytes = 0
  /// After malformed bytes nothing more is looked at.
  private var isDiscarding = false

  init(maximumMessageBytes: Int, outgoingLimitBytes: Int) {
    assembler = MessageAssembler(maximumMessageBytes: maximumMessageBytes)
    self.outgoingLimitBytes = outgoingLimitBytes
  }

  // MARK: - For subclasses

  func receivedHeader(_: UnsafeBufferPointer<UInt8>, _: UnsafeBufferPointer<UInt8>) {}
  func receivedHeaders() {}
  func receivedMessage(_: [UInt8]) {}
  /// The other side sends nothing more.
  func receivedEnd() {}
  /// Bytes that are no messages; the stream is still open.
  func receivedMalformed(_: RPCError) {}
  /// The last event of a stream. `code` is HTTP/2's; nil when the connection is gone.
  func closed(_: UInt32?, _ reason: String) {}
  /// Everything queued was sent and `endSending` was called: the place to submit trailers. True ends the stream.
  func endsStreamWithData() -> Bool { true }

  // MARK: - Outbound

  var hasRoom: Bool { outgoingBytes < outgoingLimitBytes }

  /// Queues a framed message.
  func enqueue(_ frame: [UInt8]) {
    if hasEndedSending { return }
    outgoing.append(frame)
    outgoingBytes += frame.count
    resume()
  }

  func noteRefusal() { isAboveLimit = true }

  func endSending() {
    if hasEndedSending { return }
    hasEndedSending = true
    resume()
  }

  private func resume() {
    guard isDeferred, let session else { return }
    isDeferred = false
    nghttp2_session_resume_data(session.raw, id)
    session.scheduleFlush()
  }

  /// How much of the queue the next DATA frame takes, and whether it is the last.
  func prepareData(_ limit: Int) -> (count: Int, isLast: Bool)? {
    if outgoingBytes == 0 {
      if hasEndedSending { return (0, true) }
      isDeferred = true
      return nil
    }
    let count = min(limit, outgoingBytes)
    return (count, count == outgoingBytes && hasEndedSending)
  }

  func writeData(_ count: Int, to connection: TCPConnection) {
    var rest = count
    while rest > 0, outgoingHead < outgoing.count {
      let available = outgoing[outgoingHead].count - firstOffset
      let taken = min(rest, available)
      outgoing[outgoingHead].withUnsafeBytes {
        connection.write(UnsafeRawBufferPointer(rebasing: $0[firstOffset..<firstOffset + taken]))
      }
      rest -= taken
      if taken < available {
        firstOffset += taken
      } else {
        outgoing[outgoingHead] = []
        outgoingHead += 1
        firstOffset = 0
      }
    }
    if outgoingHead == outgoing.count {
      outgoing.removeAll(keepingCapacity: true)
      outgoingHead = 0
    } else if outgoingHead > 256 {
      outgoing.removeFirst(outgoingHead)
      outgoingHead = 0
    }
    outgoingBytes -= count
    if isAboveLimit, outgoingBytes <= outgoingLimitBytes / 2 {
      isAboveLimit = false
      // Not from within nghttp2.
      EventLoop.endOfTurn { self.outgoingHasRoom?() }
    }
  }

  // MARK: - Inbound

  func receivedData(_ bytes: UnsafeRawBufferPointer) {
    if isDiscarding { return }
    unacknowledgedBytes += bytes.count
    var rest = bytes[...]
    var failure: RPCError?
    do throws(RPCError) {
      while let message = try assembler.next(&rest) {
        receivedMessage(message)
        if session == nil { return }
      }
    } catch {
      failure = error
    }
    if session?.account(self, assembler.bufferedBytes) == false {
      failure = RPCError(.resourceExhausted, "too many bytes of incomplete messages on one connection")
    }
    if let failure {
      // The window stays closed: a sender that goes on is stopped by flow control.
      isDiscarding = true
      assembler.dropMessage()
      _ = session?.account(self, 0)
      receivedMalformed(failure)
    } else {
      acknowledge()
    }
  }

  var isBetweenMessages: Bool { assembler.isBetweenMessages }

  /// A message went into a queue for a reader.
  func hold(_ bytes: Int) { heldBytes += bytes }

  /// The reader took it.
  func release(_ bytes: Int) {
    heldBytes -= bytes
    if acknowledge() { session?.scheduleFlush() }
  }

  @discardableResult private func acknowledge() -> Bool {
    guard heldBytes < Self.inboundHoldBytes, unacknowledgedBytes > 0, let session else { return false }
    nghttp2_session_consume_stream(session.raw, id, unacknowledgedBytes)
    unacknowledgedBytes = 0
    return true
  }

  /// Ends the call at once in both directions.
  func reset(_ code: nghttp2_error_code) {
    guard let session else { return }
    session.reset(self, code)
  }
}
