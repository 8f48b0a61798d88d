import Basics
import EventLoop
import RPC
import Wire

extension MetadataConnection {
  /// The address believed to be the leader's.
  var leaderAddress: Endpoint { addresses[currentAddress] }

  /// Where the metadata leader is believed to be: for streams, whose retries are their caller's.
  public var leader: Endpoint { leaderAddress }

  /// As told by a failed stream; true when the leader is known now.
  public func learn(_ error: RPCError, asked: Endpoint) -> Bool { learnLeader(from: error, asked: asked) }

  /// Takes what a failed call tells about the leader. Answers whether the leader is known now, so that the next attempt
  /// need not wait.
  @discardableResult
  func learnLeader(from error: RPCError, asked: Endpoint) -> Bool {
    if let hint = Self.leaderHint(error), let endpoint = Endpoint(hint) {
      if let position = addresses.firstIndex(of: endpoint) {
        currentAddress = position
      } else if addresses.count < 64 {
        addresses.append(endpoint)
        currentAddress = addresses.count - 1
      }
      return endpoint != asked
    }
    if asked == leaderAddress { currentAddress = (currentAddress + 1) % addresses.count }
    return false
  }

  /// `theseus-leader` trailer, or the text "not leader; leader is host:port".
  static func leaderHint(_ error: RPCError) -> String? {
    guard error.status == .failedPrecondition else { return nil }
    if let trailer = error.trailers["theseus-leader"], !trailer.isEmpty { return trailer }
    let marker = "leader is "
    let bytes = Array(error.message.utf8)
    let wanted = Array(marker.utf8)
    guard bytes.count > wanted.count else { return nil }
    for start in 0...(bytes.count - wanted.count) where Array(bytes[start..<start + wanted.count]) == wanted {
      return String(decoding: bytes[(start + wanted.count)...], as: UTF8.self)
    }
    return nil
  }

  static func isWorthAnotherAttempt(_ error: RPCError, isIdempotent: Bool) -> Bool {
    if error.wasNotSent { return true }
    switch error.status {
    case .failedPrecondition: return true
    case .unavailable, .deadlineExceeded, .cancelled, .aborted, .unknown: return isIdempotent
    default: return false
    }
  }

  /// Calls the metadata leader, wherever it is: failed attempts that did no harm are repeated until the deadline.
  ///
  /// With `isIdempotent` false, an attempt that may have reached the leader is not repeated. `inBatch`: the method is
  /// answered on the leader's loop, so the call may travel with others.
  public func call<Request: WireMessage, Response: WireMessage>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: MonotonicTime, isIdempotent: Bool = true,
    inBatch: Bool = false, completion: @escaping @EventLoopActor (Result<Response, RPCError>) -> Void
  ) {
    attempt(method, request, deadline: deadline, isIdempotent: isIdempotent, inBatch: inBatch, number: 0, completion)
  }

  public func call<Request: WireMessage, Response: WireMessage>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: MonotonicTime, isIdempotent: Bool = true
  ) async throws(RPCError) -> Response {
    let result: Result<Response, RPCError> = await withUnsafeContinuation { continuation in
      call(method, request, deadline: deadline, isIdempotent: isIdempotent) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  private func attempt<Request: WireMessage, Response: WireMessage>(
    _ method: RPCMethod<Request, Response>, _ request: Request, deadline: MonotonicTime, isIdempotent: Bool,
    inBatch: Bool, number: Int, _ completion: @escaping @EventLoopActor (Result<Response, RPCError>) -> Void
  ) {
    let now = EventLoop.now
    let left = deadline.millisecondsLeft(at: now)
    if left == 0 || isStopped {
      return completion(.failure(RPCError(.deadlineExceeded, "the metadata leader did not answer in time")))
    }
    let asked = leaderAddress
    let patience = min(left, ClientLimits.metadataAttemptMilliseconds)
    let answered: @EventLoopActor (Result<Response, RPCError>) -> Void = { [weak self] result in
      guard let self else { return completion(result) }
      guard case .failure(let error) = result, Self.isWorthAnotherAttempt(error, isIdempotent: isIdempotent) else {
        return completion(result)
      }
      let isLeaderKnown = self.learnLeader(from: error, asked: asked)
      // All addresses are asked once before the first wait.
      let rounds = number / max(1, self.addresses.count)
      let delay = isLeaderKnown && number < 8 ? 0 : rounds == 0 ? 1 : ClientLimits.backoff(attempt: rounds)
      Timer.once(after: .milliseconds(Int64(delay))) { [weak self] in
        guard let self else { return completion(result) }
        self.attempt(
          method, request, deadline: deadline, isIdempotent: isIdempotent, inBatch: inBatch, number: number + 1,
          completion)
      }
    }
    let channel = channel(to: asked)
    if inBatch {
      channel.callInBatch(method, request, deadline: .milliseconds(Int64(patience)), completion: answered)
    } else {
      channel.call(method, request, deadline: .milliseconds(Int64(patience)), completion: answered)
    }
  }
}
