import Basics
import EventLoop
import Wire

/// The client's end of `theseus.v1.Calls`: small unary calls of one turn of the loop leave in one message.
///
/// Belongs to one connection: its calls are open on that connection's stream, and end with it. What a call costs alone,
/// a stream of its own with headers and trailers on both sides, is paid once for the life of the connection.
@EventLoopActor final class BatchedCalls {
  typealias Completion = @EventLoopActor (Result<[UInt8], RPCError>) -> Void

  /// Longer requests are better off alone.
  nonisolated static let maximumRequestBytes = 16 << 10
  /// Requests in one message.
  nonisolated static let maximumBatchBytes = 128 << 10
  /// Calls not yet answered on one connection.
  static let maximumOpenCalls = 4096

  private struct OpenCall {
    let deadline: MonotonicTime
    let completion: Completion
    /// For a server that does not know the service: the call is made alone then.
    let path: StaticString
    let request: [UInt8]
    let timeoutMilliseconds: UInt64
  }

  /// Opens the stream on the connection; nil: it takes no new ones.
  private let open: @EventLoopActor () -> RPCClientStream<CallBatch, ReplyBatch>?
  /// Makes a call alone.
  private let callAlone: @EventLoopActor (StaticString, [UInt8], UInt64, @escaping Completion) -> Void
  private var stream: RPCClientStream<CallBatch, ReplyBatch>?
  private var calls: [UInt64: OpenCall] = [:]
  private var nextNumber: UInt64 = 1
  private var queue: [BatchedCall] = []
  private var queuedBytes = 0
  private var isFlushScheduled = false
  /// No new calls: the connection is retired, or the server does not know the service.
  private var isClosed = false

  init(
    open: @escaping @EventLoopActor () -> RPCClientStream<CallBatch, ReplyBatch>?,
    callAlone: @escaping @EventLoopActor (StaticString, [UInt8], UInt64, @escaping Completion) -> Void
  ) {
    self.open = open
    self.callAlone = callAlone
  }

  /// False: the call must be made alone.
  func submit(
    _ path: StaticString, _ request: [UInt8], timeoutMilliseconds: UInt64, deadline: MonotonicTime,
    _ completion: @escaping Completion
  ) -> Bool {
    guard !isClosed, request.count <= Self.maximumRequestBytes, calls.count < Self.maximumOpenCalls else {
      return false
    }
    if stream == nil {
      guard let stream = open() else { return false }
      attach(stream)
    }
    let number = nextNumber
    nextNumber += 1
    calls[number] = OpenCall(
      deadline: deadline, completion: completion, path: path, request: request,
      timeoutMilliseconds: timeoutMilliseconds)
    let method = [UInt8](UnsafeBufferPointer(start: path.utf8Start, count: path.utf8CodeUnitCount))
    queue.append(
      BatchedCall(number: number, method: method, timeoutMilliseconds: timeoutMilliseconds, request: request))
    queuedBytes += request.count
    if queuedBytes >= Self.maximumBatchBytes { flush() } else { scheduleFlush() }
    return true
  }

  private func attach(_ stream: RPCClientStream<CallBatch, ReplyBatch>) {
    self.stream = stream
    stream.onMessage = { [weak self] in self?.receive($0) }
    // The stream keeps this alive until it has ended.
    stream.onClose = { self.ended($0) }
  }

  // MARK: - Sending

  private func scheduleFlush() {
    if isFlushScheduled { return }
    isFlushScheduled = true
    EventLoop.endOfTurn { [self] in
      isFlushScheduled = false
      flush()
    }
  }

  private func flush() {
    if queue.isEmpty { return }
    let batch = CallBatch(calls: queue)
    queue.removeAll(keepingCapacity: true)
    queuedBytes = 0
    guard let stream else { return }
    if stream.trySend(batch) { return }
    // The server is slow to read, or the stream is about to end: each finds its own way.
    for call in batch.calls { if let open = calls.removeValue(forKey: call.number) { alone(open) } }
  }

  private func alone(_ call: OpenCall) {
    callAlone(call.path, call.request, call.timeoutMilliseconds, call.completion)
  }

  // MARK: - Answers

  private func receive(_ batch: ReplyBatch) {
    for reply in batch.replies {
      // One that nobody waits for any more is late.
      guard let call = calls.removeValue(forKey: reply.number) else { continue }
      if reply.status == 0 {
        call.completion(.success(reply.response))
      } else {
        let status = RPCStatus(rawValue: Int(reply.status)) ?? .unknown
        var trailers: RPCMetadata = [:]
        for trailer in reply.trailers { trailers[trailer.name] = trailer.value }
        call.completion(.failure(RPCError(status, reply.message, trailers: trailers)))
      }
    }
    finishIfIdle()
  }

  /// Ends what has expired; answers the earliest deadline left.
  func expire(_ now: MonotonicTime) -> MonotonicTime? {
    var earliest: MonotonicTime?
    var expired: [UInt64] = []
    for (number, call) in calls {
      if call.deadline <= now {
        expired.append(number)
      } else {
        earliest = min(earliest ?? call.deadline, call.deadline)
      }
    }
    for number in expired.sorted() {
      guard let call = calls.removeValue(forKey: number) else { continue }
      call.completion(.failure(RPCError(.deadlineExceeded, "deadline exceeded")))
    }
    return earliest
  }

  // MARK: - End

  /// The connection takes no new calls; those under way are answered.
  func retire() {
    isClosed = true
    finishIfIdle()
  }

  private func finishIfIdle() { if isClosed, calls.isEmpty { stream?.finishSending() } }

  private func ended(_ error: RPCError?) {
    stream = nil
    let unsent = Set(queue.map(\.number))
    queue = []
    queuedBytes = 0
    let open = calls.sorted { $0.key < $1.key }
    calls = [:]
    if error?.status == .unimplemented {
      isClosed = true
      for (_, call) in open { alone(call) }
      return
    }
    let reason = error ?? RPCError(.unavailable, "the stream of calls has ended")
    let wasNotSent = reason.wasNotSent || reason.trailers[BatchServer.unansweredTrailer] == BatchServer.notExecuted
    for (number, call) in open {
      let failure = RPCError(reason.status, reason.message, wasNotSent: wasNotSent || unsent.contains(number))
      call.completion(.failure(failure))
    }
  }
}
