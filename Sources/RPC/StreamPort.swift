import EventLoop

/// The end of a stream that code holds: received messages wait here for a reader, and senders wait for room.
@EventLoopActor final class StreamPort {
  let stream: HTTP2Stream
  private var queue: [[UInt8]] = []
  private var head = 0
  private var inboundEnd: Result<Void, RPCError>?
  private var outboundError: RPCError?
  private var receiver: UnsafeContinuation<Void, Never>?
  private var senders: [UnsafeContinuation<Void, Never>] = []

  /// Instead of `receive`: called for each message, in order.
  var onMessage: (@EventLoopActor ([UInt8]) -> Void)? { didSet { deliverLater() } }
  /// Called once, after the last message: nil for a regular end.
  var onEnd: (@EventLoopActor (RPCError?) -> Void)? { didSet { deliverLater() } }
  /// There is room again after `trySend` said no.
  var onWritable: (@EventLoopActor () -> Void)?
  /// What to do when the task that waits here is cancelled.
  var onTaskCancelled: (@EventLoopActor () -> Void)?

  init(_ stream: HTTP2Stream) {
    self.stream = stream
    stream.outgoingHasRoom = { [weak self] in self?.roomCame() }
  }

  // MARK: - From the stream

  func received(_ message: [UInt8]) {
    if inboundEnd != nil { return }
    if let onMessage, head == queue.count {
      onMessage(message)
      return
    }
    stream.hold(message.count)
    queue.append(message)
    wakeReceiver()
  }

  /// No more messages will come. The first call counts.
  func endInbound(_ result: Result<Void, RPCError>) {
    if inboundEnd != nil { return }
    inboundEnd = result
    wakeReceiver()
    deliver()
  }

  /// Nothing can be sent any more.
  func endOutbound(_ error: RPCError) {
    if outboundError != nil { return }
    outboundError = error
    roomCame()
  }

  // MARK: - Receiving

  func receive() async throws(RPCError) -> [UInt8]? {
    while true {
      if let message = pop() { return message }
      if let inboundEnd {
        try inboundEnd.get()
        return nil
      }
      precondition(receiver == nil, "two tasks receive from one stream")
      await withTaskCancellationHandler {
        await withUnsafeContinuation { receiver = $0 }
      } onCancel: {
        EventLoop.execute { self.taskCancelled() }
      }
    }
  }

  private func taskCancelled() {
    onTaskCancelled?()
    endInbound(.failure(RPCError(.cancelled, "cancelled")))
  }

  private func pop() -> [UInt8]? {
    if head == queue.count { return nil }
    let message = queue[head]
    queue[head] = []
    head += 1
    if head == queue.count {
      queue.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 256 {
      queue.removeFirst(head)
      head = 0
    }
    stream.release(message.count)
    return message
  }

  private func wakeReceiver() {
    receiver?.resume()
    receiver = nil
  }

  private func deliverLater() {
    if head < queue.count || inboundEnd != nil { EventLoop.execute { self.deliver() } }
  }

  private func deliver() {
    while let onMessage, let message = pop() { onMessage(message) }
    if head == queue.count, let inboundEnd, let onEnd {
      self.onEnd = nil
      switch inboundEnd {
      case .success: onEnd(nil)
      case .failure(let error): onEnd(error)
      }
    }
  }

  // MARK: - Sending

  /// False when the buffer is full or the stream has ended: the message was not taken.
  func trySend(_ frame: () -> [UInt8]) -> Bool {
    if outboundError != nil || stream.hasEndedSending { return false }
    guard stream.hasRoom else {
      stream.noteRefusal()
      return false
    }
    stream.enqueue(frame())
    return true
  }

  func send(_ frame: () -> [UInt8]) async throws(RPCError) {
    while true {
      if let outboundError { throw outboundError }
      if stream.hasEndedSending { throw RPCError(.cancelled, "the stream has ended") }
      if stream.hasRoom { break }
      if Task.isCancelled { throw RPCError(.cancelled, "cancelled") }
      stream.noteRefusal()
      await withTaskCancellationHandler {
        await withUnsafeContinuation { senders.append($0) }
      } onCancel: {
        EventLoop.execute { self.roomCame() }
      }
    }
    stream.enqueue(frame())
  }

  private func roomCame() {
    let waiting = senders
    senders = []
    for sender in waiting { sender.resume() }
    if outboundError == nil { onWritable?() }
  }
}
