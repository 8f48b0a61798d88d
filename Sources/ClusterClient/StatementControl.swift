import Basics
import EventLoop
import RPC
import Wire

/// The end of a statement that may come before its result: its deadline, and a cancel request.
///
/// Reads and waits stop at once when it is cancelled; a commit on its way is not stopped, because its outcome would be
/// unknown then.
@EventLoopActor public final class StatementControl {
  /// Then it is cancelled with `statementTimeout`: by whoever looks first, a timer or a wait that ends.
  public let deadline: MonotonicTime
  /// How long one wait for a row of another transaction may be (`lock_timeout`); zero: until the deadline.
  public let lockTimeoutMilliseconds: UInt64
  /// Why the statement has to end; set once.
  public private(set) var reason: SQLError?
  private var waiting: [UInt64: @EventLoopActor () -> Void] = [:]
  private var nextWait: UInt64 = 0
  private var observer: (@EventLoopActor (SQLError) -> Void)?

  public init(deadline: MonotonicTime, lockTimeoutMilliseconds: UInt64 = 0) {
    self.deadline = deadline
    self.lockTimeoutMilliseconds = lockTimeoutMilliseconds
  }

  /// Why a statement ends at its deadline.
  public static let statementTimeout = SQLError(.queryCanceled, "canceling statement due to statement timeout")

  public var isCancelled: Bool { reason != nil }

  /// How long one call may take: a statement may run for hours, but a range that nobody leads is an error before that.
  public var callDeadline: MonotonicTime {
    min(deadline, EventLoop.now.advanced(byMilliseconds: ClientLimits.callMilliseconds))
  }

  public func cancel(_ reason: SQLError) {
    if self.reason != nil { return }
    self.reason = reason
    let waiting = waiting.sorted { $0.key < $1.key }
    self.waiting = [:]
    for (_, wake) in waiting { wake() }
    let observer = observer
    self.observer = nil
    observer?(reason)
  }

  /// `observer` is called once when the statement is cancelled; a second one replaces the first.
  public func whenCancelled(_ observer: @escaping @EventLoopActor (SQLError) -> Void) { self.observer = observer }

  /// When a wait for a row of another transaction that begins now has to end.
  var lockDeadline: MonotonicTime {
    lockTimeoutMilliseconds == 0
      ? deadline : min(deadline, EventLoop.now.advanced(byMilliseconds: lockTimeoutMilliseconds))
  }

  /// Throws the reason once cancelled, or once the deadline has passed.
  public func check() throws(TransactionFault) {
    cancelIfExpired()
    if let reason { throw .failed(reason) }
  }

  /// `error`, unless the statement was cancelled or its deadline has passed: then that is why the wait ended.
  func fault(_ error: SQLError) -> TransactionFault {
    cancelIfExpired()
    return .failed(reason ?? error)
  }

  private func cancelIfExpired() { if EventLoop.now >= deadline { cancel(Self.statementTimeout) } }

  /// Calls a range; ends early, as timed out, when the statement is cancelled. The request is on its way even so: `late` is
  /// called when its answer comes after all, or will not come.
  func call<Request: RoutedRequest, Response: RoutedResponse>(
    _ ranges: RangeClient, _ method: RPCMethod<Request, Response>, range: RangeID, _ request: Request,
    patience: UInt64? = nil, late: @escaping @EventLoopActor () -> Void = {}
  ) async throws(RangeCallFailure) -> Response {
    if let reason { throw RangeCallFailure(.timedOut, reason.message) }
    let result: Result<Response, RangeCallFailure> = await withUnsafeContinuation { continuation in
      let wait = nextWait
      nextWait += 1
      waiting[wait] = { continuation.resume(returning: .failure(RangeCallFailure(.timedOut, "cancelled"))) }
      ranges.call(method, range: range, request, deadline: callDeadline, patience: patience) { [self] result in
        if waiting.removeValue(forKey: wait) != nil { continuation.resume(returning: result) } else { late() }
      }
    }
    return try result.get()
  }

  /// Throws the reason when cancelled meanwhile, or when the deadline has passed.
  public func sleep(milliseconds: UInt64) async throws(TransactionFault) {
    try check()
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      let wait = nextWait
      nextWait += 1
      waiting[wait] = { continuation.resume() }
      Timer.once(after: .milliseconds(Int64(milliseconds))) { [self] in
        if waiting.removeValue(forKey: wait) != nil { continuation.resume() }
      }
    }
    try check()
  }
}
