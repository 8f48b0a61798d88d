import Basics
import EventLoop
import PostgresClient

/// What `theseus migrate` keeps in the database:
///
///     theseus_migrations       one row a file: how far it is, with checksums
///     theseus_migration_lock   one row: who runs migrations now (`MigrationLock`)
///
/// Every write is made in a transaction that first takes the lock's row and sees that it is still held (`fence`).
@EventLoopActor final class MigrationStore {
  static let table = "public.theseus_migrations"
  static let lockTable = "public.theseus_migration_lock"

  let session: MigrationSession
  /// Who this run is in the lock's row.
  let holder: String

  init(_ session: MigrationSession, holder: String) {
    self.session = session
    self.holder = holder
  }

  func createTables() async throws(MigrationFailure) {
    try await session.query(
      """
      CREATE TABLE IF NOT EXISTS \(Self.table) (
        number int8 PRIMARY KEY, name text NOT NULL, state text NOT NULL, checksum text NOT NULL, statements int8 NOT NULL,
        done int8 NOT NULL, done_checksum text NOT NULL, attempt int8 NOT NULL, operation_id text NOT NULL,
        error text NOT NULL, started timestamptz NOT NULL, finished timestamptz)
      """)
    try await session.query(
      """
      CREATE TABLE IF NOT EXISTS \(Self.lockTable) (
        id int8 PRIMARY KEY, history text NOT NULL, holder text NOT NULL, description text NOT NULL, beat int8 NOT NULL,
        lease_seconds int8 NOT NULL)
      """)
  }

  /// In the order of their numbers; none where there is no table yet.
  func records() async throws(MigrationFailure) -> [MigrationRecord] {
    let result: PostgresResult
    do throws(MigrationFailure) {
      result = try await session.query(
        """
        SELECT number, name, state, checksum, statements, done, done_checksum, attempt, operation_id FROM \(Self.table)
        ORDER BY number
        """)
    } catch {
      if case .statement(let refusal) = error, refusal.state == .undefinedTable { return [] }
      throw error
    }
    var records: [MigrationRecord] = []
    for row in result.rows {
      guard row.count == 9, let number = row[0].flatMap({ Int64($0) }), let name = row[1],
        let state = row[2].flatMap(MigrationRecord.State.init(rawValue:)), let checksum = row[3],
        let statements = row[4].flatMap({ Int($0) }), let done = row[5].flatMap({ Int($0) }), done >= 0,
        let doneChecksum = row[6], let attempt = row[7].flatMap({ Int($0) }), let operation = row[8]
      else {
        throw .tool(
          ToolError("\(Self.table) has a row that theseus migrate did not write: \(row.map { $0 ?? "NULL" })"))
      }
      records.append(
        MigrationRecord(
          number: number, name: name, state: state, checksum: checksum, statementCount: statements, doneCount: done,
          doneChecksum: doneChecksum, attempt: attempt, operationID: operation))
    }
    return records
  }

  // MARK: - Writing

  /// Runs `body` and what it records, or neither.
  func write(
    opening: String = "BEGIN", _ body: @EventLoopActor () async throws(MigrationFailure) -> Void
  ) async throws(MigrationFailure) {
    try await session.transaction(opening: opening) { () async throws(MigrationFailure) in
      try await fence()
      try await body()
    }
  }

  /// The lock's row stays locked to the end of the transaction, so nobody takes over in its middle; and who has lost it
  /// writes nothing any more, however long it was away.
  private func fence() async throws(MigrationFailure) {
    let fenced = try await session.query(
      "UPDATE \(Self.lockTable) SET beat = beat + 1 WHERE id = 1 AND holder = \(MigrationSession.quoted(holder))")
    guard fenced.affectedRows == 1 else { throw .lockLost }
  }

  /// Makes the row as `record` has it, as part of a transaction.
  /// - Parameter doneCount: what the row must have said before; nil: it need not be there.
  func put(_ record: MigrationRecord, error: String = "", after doneCount: Int?) async throws(MigrationFailure) {
    func quoted(_ text: String) -> String { MigrationSession.quoted(text) }
    let finished = record.state == .applied ? "now()" : "NULL"
    let condition = doneCount.map { " AND done = \($0)" } ?? ""
    let updated = try await session.query(
      """
      UPDATE \(Self.table) SET name = \(quoted(record.name)), state = '\(record.state.rawValue)',
        checksum = \(quoted(record.checksum)), statements = \(record.statementCount), done = \(record.doneCount),
        done_checksum = \(quoted(record.doneChecksum)), attempt = \(record.attempt),
        operation_id = \(quoted(record.operationID)), error = \(quoted(error)), finished = \(finished)
      WHERE number = \(record.number)\(condition)
      """)
    if updated.affectedRows == 1 { return }
    // An earlier try of this transaction, whose answer was lost, may have come through after all.
    guard doneCount == nil else { throw .connection("the row of \(record.name) in \(Self.table) has changed") }
    try await session.query(
      """
      INSERT INTO \(Self.table) (number, name, state, checksum, statements, done, done_checksum, attempt, operation_id,
        error, started, finished)
      VALUES (\(record.number), \(quoted(record.name)), '\(record.state.rawValue)', \(quoted(record.checksum)),
        \(record.statementCount), \(record.doneCount), \(quoted(record.doneChecksum)), \(record.attempt),
        \(quoted(record.operationID)), \(quoted(error)), now(), \(finished))
      """)
  }
}
