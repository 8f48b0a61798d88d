import Basics

/// Why a request to a PostgreSQL server did not succeed.
public enum PostgresClientError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No session came to be.
  case notConnected(String)
  /// The server refused the statement; the session lives on.
  case server(SQLError)
  /// The connection ended while the request was under way: its outcome is unknown.
  case connectionLost(String)

  public var description: String {
    switch self {
    case .notConnected(let reason): "cannot connect: \(reason)"
    case .server(let error): "\(error.state) \(error.message)" + (error.detail.map { " (\($0))" } ?? "")
    case .connectionLost(let reason): "connection lost: \(reason)"
    }
  }

  /// The SQLSTATE of a refusal.
  public var state: SQLState? {
    if case .server(let error) = self { return error.state }
    return nil
  }
}
