import Basics
import Catalog
import EventLoop
import RPC
import Wire

/// A request to one range: the client fills in the header.
public protocol RoutedRequest: WireMessage {
  var header: RangeHeader? { get set }
  /// Small requests with small answers, of which many run at once, travel together.
  static var travelsInBatches: Bool { get }
  /// An attempt whose answer was lost may have its effect though a later one is refused: what the refusal says of the rows is then no
  /// answer to whether the request was carried out.
  static var mayLandAfterRefusal: Bool { get }
}

extension RoutedRequest {
  public static var travelsInBatches: Bool { false }
  public static var mayLandAfterRefusal: Bool { false }
}

/// An answer of one range: what the range refused is in `error`.
public protocol RoutedResponse: WireMessage {
  var error: RangeError? { get }
}

extension GetRequest: RoutedRequest {
  public static var travelsInBatches: Bool { true }
}
extension GetResponse: RoutedResponse {}
extension ScanRequest: RoutedRequest {}
extension ScanResponse: RoutedResponse {}
extension AcquireLocksRequest: RoutedRequest {}
extension AcquireLocksResponse: RoutedResponse {}
extension CommitOneRoundRequest: RoutedRequest {
  public static var travelsInBatches: Bool { true }
  public static var mayLandAfterRefusal: Bool { true }
}
extension CommitOneRoundResponse: RoutedResponse {}
extension PrewriteRequest: RoutedRequest {
  public static var travelsInBatches: Bool { true }
}
extension PrewriteResponse: RoutedResponse {}
extension CommitRequest: RoutedRequest {
  public static var travelsInBatches: Bool { true }
}
extension CommitResponse: RoutedResponse {}
extension RollbackRequest: RoutedRequest {
  public static var travelsInBatches: Bool { true }
}
extension RollbackResponse: RoutedResponse {}
extension CheckTransactionRequest: RoutedRequest {
  public static var travelsInBatches: Bool { true }
}
extension CheckTransactionResponse: RoutedResponse {}
extension TransactionHeartbeatRequest: RoutedRequest {}
extension TransactionHeartbeatResponse: RoutedResponse {}
extension IngestRequest: RoutedRequest {}
extension IngestResponse: RoutedResponse {}
extension ListLocksRequest: RoutedRequest {}
extension ListLocksResponse: RoutedResponse {}

/// Why a range gave no answer at all.
public struct RangeCallFailure: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// No replica answered in time, and the request surely had no effect.
    case timedOut
    /// No answer in time, and the request may have had its effect.
    case outcomeUnknown
    /// The range is not in the catalog (any more).
    case rangeGone
    /// The replica refuses for good (a malformed request, an unknown method).
    case refused
  }
  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The failure as a client of SQL sees it; what a lost write means is for the caller to say.
  public var sqlError: SQLError {
    switch kind {
    case .timedOut: SQLError(.cannotConnectNow, "a range of the table is not available", detail: message)
    case .outcomeUnknown:
      SQLError(.statementCompletionUnknown, "the outcome of the statement is not known", detail: message)
    case .rangeGone: SQLError(.serializationFailure, "the table has been dropped or moved", detail: message)
    case .refused: SQLError(.internalError, "a range refused the request", detail: message)
    }
  }
}

/// Finds the leader of a range and calls it.
///
/// A range that is led elsewhere, unknown to a replica, at another epoch or overloaded, and a replica that does not
/// answer, are dealt with here until the deadline; every other range error is the caller's.
@EventLoopActor public final class RangeClient {
  public let connection: MetadataConnection
  private var leaders: [RangeID: NodeID] = [:]
  /// Where the next attempt goes, as long as neither the catalog nor the nodes nor the range's leader change.
  private var routes: [RangeID: Route] = [:]

  private struct Route {
    let descriptor: RangeDescriptor
    let asked: NodeID
    let channel: RPCChannel
  }

  public init(_ connection: MetadataConnection) {
    self.connection = connection
    connection.onCatalogChange { [weak self] entries, _ in
      self?.routes = [:]
      for entry in entries { for range in entry.removedRanges { self?.leaders[range] = nil } }
    }
    connection.onNodesChange { [weak self] in self?.routes = [:] }
  }

  /// `patience`: how long one replica may think before the next is asked (milliseconds).
  public func call<Request: RoutedRequest, Response: RoutedResponse>(
    _ method: RPCMethod<Request, Response>, range: RangeID, _ request: Request, deadline: MonotonicTime,
    patience: UInt64? = nil, completion: @escaping @EventLoopActor (Result<Response, RangeCallFailure>) -> Void
  ) {
    attempt(
      Attempt(
        method: method, range: range, request: request, deadline: deadline,
        patience: patience ?? ClientLimits.rangeAttemptMilliseconds, completion: completion))
  }

  public func call<Request: RoutedRequest, Response: RoutedResponse>(
    _ method: RPCMethod<Request, Response>, range: RangeID, _ request: Request, deadline: MonotonicTime,
    patience: UInt64? = nil
  ) async throws(RangeCallFailure) -> Response {
    let result: Result<Response, RangeCallFailure> = await withUnsafeContinuation { continuation in
      call(method, range: range, request, deadline: deadline, patience: patience) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  private struct Attempt<Request: RoutedRequest, Response: RoutedResponse> {
    let method: RPCMethod<Request, Response>
    let range: RangeID
    var request: Request
    let deadline: MonotonicTime
    let patience: UInt64
    let completion: @EventLoopActor (Result<Response, RangeCallFailure>) -> Void
    var number = 0
    /// An earlier attempt may have had its effect.
    var isOutcomeUnknown = false
    var lastMessage = "no replica answered"
  }

  private func attempt<Request, Response>(_ attempt: Attempt<Request, Response>) {
    var attempt = attempt
    let now = EventLoop.now
    let left = attempt.deadline.millisecondsLeft(at: now)
    guard left > 0 else {
      return attempt.completion(
        .failure(RangeCallFailure(attempt.isOutcomeUnknown ? .outcomeUnknown : .timedOut, attempt.lastMessage)))
    }
    let route: Route
    if let known = routes[attempt.range] {
      route = known
    } else {
      guard let descriptor = connection.range(attempt.range), !descriptor.replicas.isEmpty else {
        let kind: RangeCallFailure.Kind = attempt.isOutcomeUnknown ? .outcomeUnknown : .rangeGone
        return attempt.completion(.failure(RangeCallFailure(kind, "range \(attempt.range) is not in the catalog")))
      }
      let asked = target(descriptor)
      guard let channel = connection.channel(to: asked) else {
        attempt.lastMessage = "storage node \(asked) is not known"
        rotate(descriptor, from: asked)
        return again(attempt, isHinted: false)
      }
      route = Route(descriptor: descriptor, asked: asked, channel: channel)
      routes[attempt.range] = route
    }
    attempt.request.header = RangeHeader(rangeID: attempt.range.rawValue, epoch: route.descriptor.epoch)
    let patience = Duration.milliseconds(Int64(min(left, attempt.patience)))
    let current = attempt
    let answered: @EventLoopActor (Result<Response, RPCError>) -> Void = { [self] result in
      self.receive(result, current, route.descriptor, route.asked)
    }
    if Request.travelsInBatches {
      route.channel.callInBatch(attempt.method, attempt.request, deadline: patience, completion: answered)
    } else {
      route.channel.call(attempt.method, attempt.request, deadline: patience, completion: answered)
    }
  }

  private func receive<Request, Response>(
    _ result: Result<Response, RPCError>, _ attempt: Attempt<Request, Response>, _ descriptor: RangeDescriptor,
    _ asked: NodeID
  ) {
    var attempt = attempt
    switch result {
    case .success(let response):
      guard let error = response.error, error.kind != .ok else { return attempt.completion(.success(response)) }
      switch error.kind {
      case .notLeader:
        let hint = NodeID(error.leaderNodeID)
        attempt.lastMessage = "range \(attempt.range): no leader found"
        if hint.rawValue != 0, hint != asked {
          leaders[attempt.range] = hint
          routes[attempt.range] = nil
          again(attempt, isHinted: true)
        } else {
          rotate(descriptor, from: asked)
          again(attempt, isHinted: false)
        }
      case .unknown, .epochMismatch:
        attempt.lastMessage = "range \(attempt.range): \(error.message)"
        rotate(descriptor, from: asked)
        again(attempt, isHinted: false)
      case .overloaded:
        attempt.lastMessage = "range \(attempt.range) is overloaded"
        again(attempt, isHinted: false)
      case .corrupted:
        // Said before the request was carried out; the replica's node ends, and another takes over.
        attempt.lastMessage = "range \(attempt.range): \(error.message)"
        rotate(descriptor, from: asked)
        again(attempt, isHinted: false)
      case .timestampTooOld where attempt.isOutcomeUnknown:
        attempt.completion(
          .failure(RangeCallFailure(.outcomeUnknown, "the range no longer knows what became of an earlier attempt")))
      case .outcomeUnknown:
        attempt.lastMessage = "range \(attempt.range): \(error.message)"
        attempt.isOutcomeUnknown = true
        again(attempt, isHinted: false)
      case .diskFull where attempt.isOutcomeUnknown:
        // Said before the request was looked at: an earlier attempt may have had its effect all the same.
        attempt.lastMessage = "range \(attempt.range): \(error.message)"
        again(attempt, isHinted: false)
      case .alreadyCommitted: attempt.completion(.success(response))
      default:
        guard attempt.isOutcomeUnknown, Request.mayLandAfterRefusal else {
          return attempt.completion(.success(response))
        }
        attempt.completion(.failure(RangeCallFailure(.outcomeUnknown, attempt.lastMessage)))
      }
    case .failure(let error):
      switch error.status {
      case .invalidArgument, .unimplemented, .permissionDenied, .unauthenticated, .internalError, .outOfRange:
        attempt.completion(.failure(RangeCallFailure(.refused, error.message)))
      default:
        if !error.wasNotSent { attempt.isOutcomeUnknown = true }
        attempt.lastMessage = "storage node \(asked): \(error.message)"
        rotate(descriptor, from: asked)
        again(attempt, isHinted: false)
      }
    }
  }

  private func again<Request, Response>(_ attempt: Attempt<Request, Response>, isHinted: Bool) {
    var next = attempt
    next.number += 1
    if isHinted, next.number < 8 { return self.attempt(next) }
    let delay = next.number < 3 ? 1 : ClientLimits.backoff(attempt: next.number / 3)
    let later = next
    Timer.once(after: .milliseconds(Int64(delay))) { [self] in self.attempt(later) }
  }

  private func target(_ descriptor: RangeDescriptor) -> NodeID {
    if let leader = leaders[descriptor.id], descriptor.replicas.contains(leader) { return leader }
    return descriptor.replicas[0]
  }

  private func rotate(_ descriptor: RangeDescriptor, from asked: NodeID) {
    guard target(descriptor) == asked, let position = descriptor.replicas.firstIndex(of: asked) else { return }
    leaders[descriptor.id] = descriptor.replicas[(position + 1) % descriptor.replicas.count]
    routes[descriptor.id] = nil
  }
}
