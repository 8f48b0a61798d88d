import Basics
import EventLoop
import Glibc
import PostgresClient

/// Who runs migrations: one row of `theseus_migration_lock`. The holder counts `beat` up as long as it lives; whoever waits takes
/// over when it has seen no new beat for the holder's lease by its own monotonic clock, so no two clocks are compared. A holder
/// that was stopped for longer finds out before its next write (`MigrationStore.write`); a schema change that it has sent is the
/// same operation that its successor sends.
@EventLoopActor final class MigrationLock {
  static let pollInterval = Duration.milliseconds(250)

  private struct Row: Hashable {
    var history: String
    var holder: String
    var description: String
    var beat: Int64
    var leaseSeconds: Int
  }

  private let session: MigrationSession
  private let holder: String
  private let leaseSeconds: Int
  private var beating: Timer?
  private var isBeating = false

  /// - Parameter session: its own, as it must answer while a statement runs.
  init(_ session: MigrationSession, holder: String, leaseSeconds: Int) {
    self.session = session
    self.holder = holder
    self.leaseSeconds = leaseSeconds
  }

  /// Nobody else's name.
  static func newHolder() -> String { randomName(bytes: 16) }

  static func randomName(bytes: Int) -> String {
    (0..<bytes).map { _ in
      let digits = String(UInt8.random(in: .min ... .max), radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }

  // MARK: - Taking

  /// Waits until the lock is free, takes it and keeps it.
  /// - Returns: the name of this history of migrations, part of every operation id: a new one when nothing is recorded, so that
  ///   a database that was emptied by hand is not taken for one in which all has been done.
  func acquire(within timeout: Duration, hasRecords: @EventLoopActor () async throws(MigrationFailure) -> Bool)
    async throws(MigrationFailure) -> String
  {
    try await session.query("SET lock_timeout = '2s'")
    let deadline = EventLoop.now.advanced(byMilliseconds: timeout.wholeMilliseconds)
    var watched: Row?
    var seen = EventLoop.now
    var isTold = false
    while true {
      if let row = try await read() {
        if row != watched {
          watched = row
          seen = EventLoop.now
        }
        let isExpired = EventLoop.now.milliseconds(since: seen) >= UInt64(clamping: row.leaseSeconds) &* 1_000
        if row.holder.isEmpty || row.holder == holder || isExpired, try await take(from: row) {
          keep()
          return try await history(row, hasRecords: hasRecords)
        }
        if !row.holder.isEmpty, !isTold {
          isTold = true
          Console.line("waiting for another theseus migrate (\(row.description)) to finish")
        }
        guard EventLoop.now < deadline else {
          throw .tool(ToolError("another theseus migrate (\(row.description)) still holds the lock; see --wait"))
        }
      } else {
        try await session.query(
          "INSERT INTO \(MigrationStore.lockTable) VALUES (1, '', '', '', 0, 0) ON CONFLICT DO NOTHING")
        continue
      }
      try? await EventLoop.sleep(for: Self.pollInterval)
    }
  }

  private func read() async throws(MigrationFailure) -> Row? {
    let result = try await session.query(
      "SELECT history, holder, description, beat, lease_seconds FROM \(MigrationStore.lockTable) WHERE id = 1")
    guard let row = result.rows.first, row.count == 5 else { return nil }
    return Row(
      history: row[0] ?? "", holder: row[1] ?? "", description: row[2] ?? "", beat: row[3].flatMap { Int64($0) } ?? 0,
      leaseSeconds: row[4].flatMap { Int($0) } ?? 0)
  }

  /// Only if nothing has happened to the row since it was read.
  private func take(from row: Row) async throws(MigrationFailure) -> Bool {
    do throws(MigrationFailure) {
      let taken = try await session.query(
        """
        UPDATE \(MigrationStore.lockTable) SET holder = \(MigrationSession.quoted(holder)), beat = beat + 1,
          description = \(MigrationSession.quoted(Self.ownDescription)), lease_seconds = \(leaseSeconds)
        WHERE id = 1 AND holder = \(MigrationSession.quoted(row.holder)) AND beat = \(row.beat)
        """)
      return taken.affectedRows == 1
    } catch {
      guard case .statement(let refusal) = error,
        [.serializationFailure, .deadlockDetected, .lockNotAvailable].contains(refusal.state)
      else { throw error }
      return false
    }
  }

  private func history(
    _ row: Row, hasRecords: @EventLoopActor () async throws(MigrationFailure) -> Bool
  ) async throws(MigrationFailure) -> String {
    if !row.history.isEmpty, try await hasRecords() { return row.history }
    let name = Self.randomName(bytes: 8)
    let named = try await session.query(
      "UPDATE \(MigrationStore.lockTable) SET history = '\(name)' "
        + "WHERE id = 1 AND holder = \(MigrationSession.quoted(holder))")
    guard named.affectedRows == 1 else { throw .lockLost }
    return name
  }

  private static var ownDescription: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return "process \(getpid()) on \(host)"
  }

  // MARK: - Keeping

  private func keep() {
    if beating != nil { return }
    let interval = Duration.milliseconds(max(100, min(1_000, leaseSeconds * 200)))
    beating = Timer.repeating(every: interval) { [weak self] in
      EventLoop.task { await self?.beat() }
    }
  }

  private func beat() async {
    guard !isBeating, beating != nil else { return }
    isBeating = true
    defer { isBeating = false }
    // A beat that fails is made up by the next; whether the lock is still held is seen by every write.
    _ = try? await session.query(
      "UPDATE \(MigrationStore.lockTable) SET beat = beat + 1 "
        + "WHERE id = 1 AND holder = \(MigrationSession.quoted(holder))")
  }

  /// Best effort: a lock that is not let go is free when its lease has run out.
  func release() async {
    guard beating != nil else { return }
    beating?.cancel()
    beating = nil
    _ = try? await session.query(
      "UPDATE \(MigrationStore.lockTable) SET holder = '', description = '', beat = beat + 1 "
        + "WHERE id = 1 AND holder = \(MigrationSession.quoted(holder))")
  }
}
