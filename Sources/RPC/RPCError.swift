/// gRPC's status codes, with gRPC's numbers.
public enum RPCStatus: Int, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  case ok = 0
  case cancelled = 1
  case unknown = 2
  case invalidArgument = 3
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  case permissionDenied = 7
  case resourceExhausted = 8
  case failedPrecondition = 9
  case aborted = 10
  case outOfRange = 11
  case unimplemented = 12
  case internalError = 13
  case unavailable = 14
  case dataLoss = 15
  case unauthenticated = 16

  public var description: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internalError: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    }
  }
}

/// Headers or trailers of a call beyond gRPC's own. Names are lower-case ASCII, values printable ASCII.
public typealias RPCMetadata = [String: String]

/// A call that did not end with status OK.
public struct RPCError: Error, Hashable, CustomStringConvertible {
  public let status: RPCStatus
  public let message: String
  public let trailers: RPCMetadata
  /// The request surely never reached a handler: whatever it asks for may be asked again. False means "not known".
  public let wasNotSent: Bool

  public init(_ status: RPCStatus, _ message: String, trailers: RPCMetadata = [:], wasNotSent: Bool = false) {
    self.status = status
    self.message = message
    self.trailers = trailers
    self.wasNotSent = wasNotSent
  }

  public var description: String { "\(status): \(message)" }
}
