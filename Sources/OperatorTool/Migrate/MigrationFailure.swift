import Basics
import PostgresClient

/// Why a step of a migration did not come to its end; a case for each reaction.
enum MigrationFailure: Error, Hashable, Sendable {
  /// No answer, or none that tells what happened: connect again and look.
  case connection(String)
  /// The database refused the statement.
  case statement(SQLError)
  /// Somebody else has taken the lock.
  case lockLost
  /// For the person at the terminal as it is.
  case tool(ToolError)

  init(_ error: PostgresClientError) {
    switch error {
    case .notConnected(let reason), .connectionLost(let reason): self = .connection(reason)
    case .server(let refusal):
      self = Self.isOutcomeUnknown(refusal.state) ? .connection("\(error)") : .statement(refusal)
    }
  }

  /// The session ends, the gateway goes or has lost the cluster, or nobody knows whether the statement worked.
  private static func isOutcomeUnknown(_ state: SQLState) -> Bool {
    switch state {
    case .statementCompletionUnknown, .adminShutdown, .cannotConnectNow, .idleInTransactionSessionTimeout,
      .idleSessionTimeout, .tooManyConnections:
      true
    default: false
    }
  }

  var toolError: ToolError {
    switch self {
    case .connection(let reason): ToolError("the database does not answer: \(reason)")
    case .statement(let error): ToolError(Self.text(error))
    case .lockLost:
      ToolError("another theseus migrate has taken over, as this one was not heard of for longer than its lease")
    case .tool(let error): error
    }
  }

  /// State, message, detail and hint.
  static func text(_ error: SQLError) -> String {
    "\(error.state) \(error.message)" + (error.detail.map { " (\($0))" } ?? "") + (error.hint.map { "; \($0)" } ?? "")
  }
}
