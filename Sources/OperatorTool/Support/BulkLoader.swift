import EventLoop
import PostgresClient

/// Fills a table with multi-row INSERT statements over several connections.
@EventLoopActor struct BulkLoader {
  var endpoints: [Endpoint]
  var connections: Int
  var rowsPerStatement: Int
  var user = "root"
  var database = "defaultdb"
  /// An INSERT refused with 40001 or 40P01 is tried again this often.
  static let maximumAttempts = 20

  /// - Parameter row: the parenthesised values of one id.
  func load(
    into target: String, ids: ClosedRange<Int>, row: @escaping @Sendable (Int) -> String
  ) async throws(PostgresClientError) {
    let starts = Array(stride(from: ids.lowerBound, through: ids.upperBound, by: rowsPerStatement))
    var tasks: [Task<PostgresClientError?, Never>] = []
    for part in 0..<connections {
      tasks.append(
        Task { @EventLoopActor in
          do throws(PostgresClientError) {
            let connection = try await PostgresConnection.connect(
              to: endpoints[part % endpoints.count], user: user, database: database)
            defer { connection.close() }
            for index in stride(from: part, to: starts.count, by: connections) {
              let end = min(starts[index] + rowsPerStatement - 1, ids.upperBound)
              let values = (starts[index]...end).map(row).joined(separator: ", ")
              try await insert("INSERT INTO \(target) VALUES \(values)", on: connection)
            }
            return nil
          } catch {
            return error
          }
        })
    }
    var failure: PostgresClientError?
    for task in tasks { if let error = await task.value { failure = error } }
    if let failure { throw failure }
  }

  private func insert(_ statement: String, on connection: PostgresConnection) async throws(PostgresClientError) {
    for attempt in 1...Self.maximumAttempts {
      do throws(PostgresClientError) {
        try await connection.query(statement)
        return
      } catch {
        let isRetryable = error.state == .serializationFailure || error.state == .deadlockDetected
        guard isRetryable, attempt < Self.maximumAttempts else { throw error }
      }
    }
  }
}
