import Basics
import EventLoop
import Wire

/// The server's end of one `theseus.v1.Calls` stream: runs the calls, and sends the answers of one turn in one message.
@EventLoopActor final class BatchServer {
  static let unansweredTrailer = "theseus-unanswered"
  static let notExecuted = "not-executed"
  /// Calls of one stream that are under way at once; more are refused with RESOURCE_EXHAUSTED.
  static let maximumRunningCalls = 4096
  /// Answers in one message.
  static let maximumBatchBytes = 256 << 10
  /// Answers kept for a client that does not read them; beyond it the stream ends.
  static let maximumWaitingBytes = 64 << 20

  private weak var server: RPCServer?
  private let stream: RPCServerStream<CallBatch, ReplyBatch>
  private var running: [UInt64: BatchedServerCall] = [:]
  private var replies: [BatchedReply] = []
  private var replyBytes = 0
  private var isFlushScheduled = false
  private var isStopping = false

  init(_ server: RPCServer, _ stream: RPCServerStream<CallBatch, ReplyBatch>) {
    self.server = server
    self.stream = stream
    stream.onMessage = { [weak self] in self?.receive($0) }
    stream.onWritable = { [weak self] in self?.flush() }
    stream.onClose = { self.closed($0) }
  }

  var runningCount: Int { running.count }

  // MARK: - Calls

  private func receive(_ batch: CallBatch) {
    for call in batch.calls {
      guard stream.isOpen else { return }
      serve(call)
    }
  }

  private func serve(_ request: BatchedCall) {
    guard running[request.number] == nil else {
      return stream.finish(RPCError(.invalidArgument, "call \(request.number) is under way already"))
    }
    var deadline: MonotonicTime?
    if request.timeoutMilliseconds > 0 {
      deadline = EventLoop.now.advanced(by: .milliseconds(Int64(clamping: request.timeoutMilliseconds)))
    }
    let call = BatchedServerCall(self, number: request.number, deadline: deadline)
    guard let start = server?.method(request.method)?.batched else {
      let path = String(decoding: request.method.prefix(200), as: UTF8.self)
      return call.finish(RPCError(.unimplemented, "no method \(path) that can be called in a batch"))
    }
    guard running.count < Self.maximumRunningCalls else {
      return call.finish(RPCError(.resourceExhausted, "\(running.count) calls are under way"))
    }
    start(call, request.request)
    if call.isFinished { return }
    running[request.number] = call
    if let deadline { server?.deadlines.note(deadline) }
  }

  /// Ends what has expired; answers the earliest deadline left.
  func expire(_ now: MonotonicTime) -> MonotonicTime? {
    var earliest: MonotonicTime?
    for (_, call) in running.sorted(by: { $0.key < $1.key }) {
      guard let deadline = call.deadline else { continue }
      if deadline <= now { call.expire() } else { earliest = min(earliest ?? deadline, deadline) }
    }
    return earliest
  }

  // MARK: - Answers

  func answer(_ reply: BatchedReply) {
    running[reply.number] = nil
    replies.append(reply)
    replyBytes += reply.response.count + 16
    if replyBytes > Self.maximumWaitingBytes {
      return stream.finish(RPCError(.resourceExhausted, "the answers are not read"))
    }
    if isFlushScheduled { return }
    isFlushScheduled = true
    EventLoop.endOfTurn { [self] in
      isFlushScheduled = false
      flush()
    }
  }

  private func flush() {
    guard stream.isOpen else {
      replies = []
      replyBytes = 0
      if running.isEmpty { server?.batchEnded(self) }
      return
    }
    var next = 0
    while next < replies.count {
      var end = next
      var bytes = 0
      while end < replies.count, end == next || bytes + replies[end].response.count <= Self.maximumBatchBytes {
        bytes += replies[end].response.count
        end += 1
      }
      guard stream.trySend(ReplyBatch(replies: end - next == replies.count ? replies : Array(replies[next..<end])))
      else { break }
      next = end
    }
    replies.removeFirst(next)
    replyBytes = replies.reduce(0) { $0 + $1.response.count + 16 }
    if isStopping { finishIfIdle() }
  }

  // MARK: - End

  /// Answers what is under way, then ends the stream so that the client knows the rest as not executed.
  func stop() {
    isStopping = true
    finishIfIdle()
  }

  private func finishIfIdle() {
    guard running.isEmpty, replies.isEmpty else { return }
    stream.finish(
      RPCError(.unavailable, "the server stops", trailers: [Self.unansweredTrailer: Self.notExecuted]))
    server?.batchEnded(self)
  }

  private func closed(_ error: RPCError?) {
    // Without an error the client has only said that no more calls come.
    if error == nil, !running.isEmpty || !replies.isEmpty {
      isStopping = true
      return
    }
    stream.finish()
    let calls = running.sorted { $0.key < $1.key }
    running = [:]
    replies = []
    replyBytes = 0
    for (_, call) in calls { call.clientLeft() }
    server?.batchEnded(self)
  }
}

/// One call of a batch, until it is answered.
@EventLoopActor final class BatchedServerCall {
  private var batch: BatchServer?
  private let number: UInt64
  let deadline: MonotonicTime?
  private(set) var isCancelled = false
  var onCancel: (@EventLoopActor () -> Void)?

  init(_ batch: BatchServer, number: UInt64, deadline: MonotonicTime?) {
    self.batch = batch
    self.number = number
    self.deadline = deadline
  }

  var isFinished: Bool { batch == nil }

  func succeed(_ response: [UInt8]) { answer(BatchedReply(number: number, response: response)) }

  func finish(_ error: RPCError) {
    let trailers = error.trailers.sorted { $0.key < $1.key }.map { CallTrailer(name: $0.key, value: $0.value) }
    answer(
      BatchedReply(
        number: number, status: UInt32(truncatingIfNeeded: error.status.rawValue), message: error.message,
        trailers: trailers))
  }

  private func answer(_ reply: BatchedReply) {
    guard let batch else { return }
    self.batch = nil
    onCancel = nil
    batch.answer(reply)
  }

  func expire() {
    let onCancel = onCancel
    finish(RPCError(.deadlineExceeded, "deadline exceeded"))
    isCancelled = true
    onCancel?()
  }

  func clientLeft() {
    let onCancel = onCancel
    batch = nil
    self.onCancel = nil
    isCancelled = true
    onCancel?()
  }
}
