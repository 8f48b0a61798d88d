/// One session with a database, as a workload uses it: the whole of what workloads know about the thing they test.
public protocol SQLClient: AnyObject, Sendable {
  /// Simple query protocol: rows as text (nil is NULL) of the last statement in `sql`.
  ///
  /// Answers or throws in bounded time; an answer that does not come is `.unknown` and the end of the session.
  func execute(_ sql: String) async throws(WorkloadError) -> [[String?]]

  /// Ends the session, if there is one, and opens another. If nobody answers, the next `execute` throws `.unreachable`.
  func reconnect() async
}

/// Why a statement brought no rows.
public enum WorkloadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The server's answer. Surely not done, except for the states of `Outcome(of:)`; the session lives on.
  case failed(state: String, message: String)
  /// The connection ended, or patience did, after the statement was sent.
  case unknown(String)
  /// There is no session: the statement was never sent.
  case unreachable(String)

  /// The SQLSTATE of a server's answer.
  public var state: String? { if case .failed(let state, _) = self { state } else { nil } }

  public var description: String {
    switch self {
    case .failed(let state, let message): "\(state) \(message)"
    case .unknown(let reason): "no answer: \(reason)"
    case .unreachable(let reason): "unreachable: \(reason)"
    }
  }

  /// What the sender of one statement, or of a COMMIT, knows afterwards.
  public var outcome: Outcome {
    switch self {
    case .failed(let state, _): Self.isUnknown(state) ? .unknown("\(self)") : .failed("\(self)")
    case .unknown: .unknown("\(self)")
    case .unreachable: .failed("\(self)")
    }
  }

  /// Statement completion unknown, shutdown in the middle, connection exceptions (PostgreSQL 15, appendix A).
  private static func isUnknown(_ state: String) -> Bool {
    state == "40003" || state == "57P01" || state == "57P02" || state.hasPrefix("08")
  }

  /// Errors that faults and concurrency explain, whatever the statement was.
  public var isExcusable: Bool {
    switch self {
    case .unknown, .unreachable: true
    case .failed(let state, _): Self.isUnknown(state) || Self.excusable.contains(state)
    }
  }

  /// Serialization failure, deadlock, lock not available, cannot connect now, too many connections, out of memory,
  /// disk full, query canceled.
  private static let excusable: Set<String> = [
    "40001", "40P01", "55P03", "57P03", "53300", "53200", "53100", "57014",
  ]
}
