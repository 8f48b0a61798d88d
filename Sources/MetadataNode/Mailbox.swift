import EventLoop
import RPC

/// Values on their way from callbacks on the loop to one task that sends them on. Bounded: what exceeds the limit ends it.
@EventLoopActor final class Mailbox<Value> {
  private var values: [Value] = []
  private var end: Result<Void, RPCError>?
  private var reader: UnsafeContinuation<Void, Never>?
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// - Returns: false when the mailbox has ended, or ends now because it is full.
  @discardableResult func put(_ value: Value) -> Bool {
    guard end == nil else { return false }
    guard values.count < limit else {
      finish(RPCError(.resourceExhausted, "the stream is read too slowly"))
      return false
    }
    values.append(value)
    wake()
    return true
  }

  /// No more values; those that are there are still read, unless there is an error.
  func finish(_ error: RPCError? = nil) {
    guard end == nil else { return }
    end = error.map { .failure($0) } ?? .success(())
    if error != nil { values = [] }
    wake()
  }

  /// Everything that has come; nil at the end.
  func next() async throws -> [Value]? {
    while true {
      if !values.isEmpty {
        defer { values = [] }
        return values
      }
      switch end {
      case .success: return nil
      case .failure(let error): throw error
      case nil: break
      }
      await withTaskCancellationHandler {
        await withUnsafeContinuation { reader = $0 }
      } onCancel: {
        EventLoop.execute { self.finish(RPCError(.cancelled, "the caller is gone")) }
      }
    }
  }

  private func wake() {
    guard let waiting = reader else { return }
    reader = nil
    waiting.resume()
  }
}
