import Basics
import EventLoop
import PostgresClient

/// A session at whichever gateway of the URL answers. One that has ended is noticed by whoever uses it next, as its transaction, its
/// settings and the operation id it had set are gone; only behind that failure a new one takes its place.
@EventLoopActor final class MigrationSession {
  /// Without an answer for so long, or after so many lost connections, the command gives up; what it has done stays recorded.
  static let patienceMilliseconds: UInt64 = 60_000
  /// As long as nobody has answered at all.
  static let firstPatienceMilliseconds: UInt64 = 5_000
  static let maximumReconnections = 200
  /// A transaction that meets others.
  static let maximumAttempts = 20
  private static let connectTimeout = Duration.seconds(5)

  private let url: PostgresURL
  private let idleSeconds: Int
  private var connection: PostgresConnection?
  private var nextEndpoint = 0
  /// nil as long as there are answers.
  private var silentSince: MonotonicTime?
  private var hasAnswered = false
  /// Hears the notices of the statement under way.
  var onNotice: (@EventLoopActor (SQLError) -> Void)?

  /// - Parameter idleSeconds: were this process stopped in the middle of a transaction, the locks of that would be free so long after.
  init(_ url: PostgresURL, idleSeconds: Int) {
    self.url = url
    self.idleSeconds = idleSeconds
  }

  func close() {
    connection?.close()
    connection = nil
  }

  private func opened() async throws(MigrationFailure) -> PostgresConnection {
    if let connection {
      if connection.isOpen { return connection }
      close()
      throw .connection("the session has ended")
    }
    var failure = MigrationFailure.connection("no host")
    for _ in url.endpoints {
      let endpoint = url.endpoints[nextEndpoint % url.endpoints.count]
      do throws(PostgresClientError) {
        let opened = try await PostgresConnection.connect(
          to: endpoint, user: url.user, database: url.database, applicationName: "theseus migrate",
          timeout: Self.connectTimeout)
        try await opened.query("SET idle_in_transaction_session_timeout = '\(idleSeconds)s'")
        opened.onNotice = { [weak self] notice in self?.onNotice?(notice) }
        connection = opened
        hasAnswered = true
        return opened
      } catch {
        nextEndpoint += 1
        failure = MigrationFailure(error)
        if case .connection(let reason) = failure { failure = .connection("\(endpoint): \(reason)") }
      }
    }
    throw failure
  }

  @discardableResult
  func query(_ text: String) async throws(MigrationFailure) -> PostgresResult {
    let connection = try await opened()
    do throws(PostgresClientError) {
      let result = try await connection.query(text)
      silentSince = nil
      return result
    } catch {
      let failure = MigrationFailure(error)
      if case .connection = failure { close() } else { silentSince = nil }
      throw failure
    }
  }

  /// Runs `body` between `opening` and COMMIT, again when it meets other transactions. Whether a transaction that ends in
  /// `connection` was committed must be looked up.
  func transaction(
    opening: String = "BEGIN", _ body: @EventLoopActor () async throws(MigrationFailure) -> Void
  ) async throws(MigrationFailure) {
    for attempt in 1... {
      do throws(MigrationFailure) {
        try await query(opening)
        try await body()
        try await query("COMMIT")
        return
      } catch {
        if case .connection = error { throw error }
        try await query("ROLLBACK")
        guard case .statement(let refusal) = error, attempt < Self.maximumAttempts,
          [.serializationFailure, .deadlockDetected].contains(refusal.state)
        else { throw error }
        try? await EventLoop.sleep(for: .milliseconds(Int.random(in: 1...10 * attempt)))
      }
    }
  }

  /// Runs `body` until it comes to an end other than `connection`, as long as there is patience.
  func patiently<Value: Sendable>(
    _ body: @EventLoopActor () async throws(MigrationFailure) -> Value
  ) async throws(ToolError) -> Value {
    var reconnections = 0
    while true {
      do throws(MigrationFailure) {
        return try await body()
      } catch {
        guard case .connection = error, reconnections < Self.maximumReconnections else { throw error.toolError }
        reconnections += 1
        close()
        let since = silentSince ?? EventLoop.now
        silentSince = since
        let patience = hasAnswered ? Self.patienceMilliseconds : Self.firstPatienceMilliseconds
        if EventLoop.now.milliseconds(since: since) >= patience { throw error.toolError }
        try? await EventLoop.sleep(for: .milliseconds(250))
      }
    }
  }

  /// As a literal.
  static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }
}
