import Basics
import EventLoop
import PostgresClient

/// Runs pending files, statement after statement, each of them once whatever dies meanwhile.
///
/// A schema change is recorded with its operation id before it is sent: whoever comes after a crash looks the operation up, or sends
/// it again, and the metadata service does it once. Data changes with their record in one transaction.
@EventLoopActor final class Migrator {
  private let store: MigrationStore
  private let history: String
  private var session: MigrationSession { store.session }
  /// Files whose heading has been shown.
  private var shown: Set<Int64> = []
  /// Of a schema change that meets others.
  private static let maximumAttempts = 5

  init(_ store: MigrationStore, history: String) {
    self.store = store
    self.history = history
  }

  /// Brings one file to its end, from wherever it is.
  func apply(_ file: MigrationFile) async throws(MigrationFailure) {
    let began = EventLoop.now
    var record = try await begin(file)
    if shown.insert(file.number).inserted {
      let rest = record.doneCount > 0 ? ", \(record.doneCount) of them done before" : ""
      Console.line("\(file.name): \(MigrationHistory.counted(file.statements.count))\(rest)")
    }
    // Settings of an earlier file, or of this one before it was interrupted.
    session.close()
    for statement in file.statements.prefix(record.doneCount) where statement.kind == .session {
      try await session.query(statement.text)
    }
    while record.doneCount < file.statements.count {
      let statement = file.statements[record.doneCount]
      let start = EventLoop.now
      do throws(MigrationFailure) {
        try await run(statement, &record)
      } catch {
        guard case .statement(let refusal) = error else { throw error }
        throw .tool(try await fail(file, statement, record, refusal))
      }
      let milliseconds = EventLoop.now.milliseconds(since: start)
      Console.line("  \(record.doneCount) of \(file.statements.count): \(statement.summary)  (\(milliseconds) ms)")
    }
    let index = try await agree(file)
    let before = record.doneCount
    record.state = .applied
    try await store.write { () async throws(MigrationFailure) in try await store.put(record, after: before) }
    Console.line(
      "\(file.name) is applied, and every process has schema index \(index) (\(EventLoop.now.milliseconds(since: began)) ms)"
    )
  }

  // MARK: - Beginning

  private func begin(_ file: MigrationFile) async throws(MigrationFailure) -> MigrationRecord {
    guard let known = try await store.records().first(where: { $0.number == file.number }) else {
      let record = MigrationRecord(file)
      try await store.write { () async throws(MigrationFailure) in try await store.put(record, after: nil) }
      return record
    }
    var record = known
    if !record.operationID.isEmpty { try await settle(file, &record) }
    record.name = file.name
    record.state = .running
    record.checksum = file.checksum
    record.statementCount = file.statements.count
    let (updated, before) = (record, known.doneCount)
    if updated != known {
      try await store.write { () async throws(MigrationFailure) in try await store.put(updated, after: before) }
    }
    return record
  }

  /// The statement that was under way when the file stopped may have been edited since; what has become of it decides.
  private func settle(_ file: MigrationFile, _ record: inout MigrationRecord) async throws(MigrationFailure) {
    let position = record.doneCount + 1
    let next = file.statements.indices.contains(record.doneCount) ? file.statements[record.doneCount] : nil
    if next.map({ record.operationID(of: $0, history: history) }) == record.operationID { return }
    guard let job = try await MigrationJob.find(record.operationID, session) else {
      record.operationID = ""
      return
    }
    guard job.isFinished else {
      throw .tool(
        .refused(
          "statement \(position) of \(file.name) has been edited, but goes on as job \(job.number): wait for it, or use "
            + "CANCEL JOB \(job.number), then run again"))
    }
    if job.hasSucceeded {
      throw .tool(
        .refused(
          "statement \(position) of \(file.name) has been edited, but was done as job \(job.number): it must stay as it was, "
            + "only what follows may change"))
    }
    record.operationID = ""
    record.attempt += 1
  }

  // MARK: - Statements

  private func run(_ statement: MigrationStatement, _ record: inout MigrationRecord) async throws(MigrationFailure) {
    let before = record.doneCount
    var done = record
    done.doneCount += 1
    done.doneChecksum = statement.checksum
    done.operationID = ""
    done.attempt = 1
    let after = done
    switch statement.kind {
    case .schemaChange:
      try await changeSchema(statement, &record)
      try await store.write { () async throws(MigrationFailure) in try await store.put(after, after: before) }
    case .data, .transaction:
      var opening = "BEGIN"
      if case .transaction(let written) = statement.kind { opening = written }
      try await store.write(opening: opening) { () async throws(MigrationFailure) in
        for part in statement.parts { try await session.query(part) }
        try await store.put(after, after: before)
      }
    case .session, .report:
      try await session.query(statement.text)
      try await store.write { () async throws(MigrationFailure) in try await store.put(after, after: before) }
    }
    record = done
  }

  private func changeSchema(
    _ statement: MigrationStatement, _ record: inout MigrationRecord
  ) async throws(MigrationFailure) {
    for turn in 1... {
      do throws(MigrationFailure) {
        return try await change(statement, &record)
      } catch {
        guard case .statement(let refusal) = error, refusal.state == .serializationFailure, turn < Self.maximumAttempts
        else { throw error }
        record.attempt += 1
      }
    }
  }

  private func change(
    _ statement: MigrationStatement, _ record: inout MigrationRecord
  ) async throws(MigrationFailure) {
    let operation = record.operationID(of: statement, history: history)
    if record.operationID == operation {
      // Sent before; the statement may not even make sense any more, as a RENAME that is done.
      if let job = try await MigrationJob.ended(operation, session) {
        if !job.hasSucceeded { throw .statement(job.refusal) }
        return
      }
    } else {
      record.operationID = operation
      let (begun, before) = (record, record.doneCount)
      try await store.write { () async throws(MigrationFailure) in try await store.put(begun, after: before) }
    }
    do throws(MigrationFailure) {
      session.onNotice = { Console.line("    \($0.message)") }
      defer { session.onNotice = nil }
      try await session.query("SET theseus.operation_id = '\(operation)'")
      for part in statement.parts { try await session.query(part) }
    } catch {
      guard case .statement = error else { throw error }
      if statement.parts.count > 1 { try await session.query("ROLLBACK") }
      // A time limit, for one, ends the statement, not the job.
      guard let job = try await MigrationJob.ended(operation, session), job.hasSucceeded else { throw error }
    }
  }

  /// Records the refusal; answers what to tell.
  private func fail(
    _ file: MigrationFile, _ statement: MigrationStatement, _ record: MigrationRecord, _ refusal: SQLError
  ) async throws(MigrationFailure) -> ToolError {
    let text = MigrationFailure.text(refusal)
    var failed = record
    failed.state = .failed
    failed.attempt += 1
    failed.operationID = ""
    let (row, before) = (failed, record.doneCount)
    try await store.write { () async throws(MigrationFailure) in try await store.put(row, error: text, after: before) }
    let position = before + 1
    let stays =
      before == 0
      ? "" : " Before it \(MigrationHistory.counted(before)) of the file stay\(before == 1 ? "s" : "") done."
    let mayChange =
      before == 0
      ? "correct the file or the data" : "correct this statement, what follows it, or the data, not what is before it"
    return ToolError(
      "\(file.name), line \(statement.line), statement \(position) of \(file.statements.count): \(text)\n"
        + "Nothing of this statement was done.\(stays) To go on, \(mayChange), and run theseus migrate again; "
        + "or do the rest by hand and run it with --mark-applied \(file.number).")
  }

  private func agree(_ file: MigrationFile) async throws(MigrationFailure) -> String {
    do throws(MigrationFailure) {
      return try await session.query("SELECT theseus.wait_for_schema_agreement()").scalar ?? "?"
    } catch {
      guard case .statement(let refusal) = error else { throw error }
      throw .tool(
        ToolError(
          "\(file.name): all statements are done, but not every process has the new schema yet: "
            + "\(MigrationFailure.text(refusal)); run theseus migrate again to go on"))
    }
  }

  // MARK: - By hand

  /// Records a file as applied without running it.
  func markApplied(
    _ file: MigrationFile, _ files: [MigrationFile]
  ) async throws(MigrationFailure) {
    let records = try await store.records()
    for earlier in files.prefix(while: { $0.number < file.number }) {
      guard records.contains(where: { $0.number == earlier.number && $0.state == .applied }) else {
        throw .tool(.refused("\(earlier.name) comes before it and is not applied: run it, or mark it first"))
      }
    }
    let known = records.first { $0.number == file.number }
    if let operation = known?.operationID, !operation.isEmpty,
      let job = try await MigrationJob.find(operation, session), !job.isFinished
    {
      throw .tool(
        .refused(
          "a statement of \(file.name) goes on as job \(job.number): wait for it, or use CANCEL JOB \(job.number)"))
    }
    var record = MigrationRecord(file)
    record.state = .applied
    record.doneCount = file.statements.count
    record.doneChecksum = file.checksum(ofFirst: record.doneCount) ?? MigrationFile.emptyChecksum
    let row = record
    try await store.write { () async throws(MigrationFailure) in try await store.put(row, after: nil) }
    Console.line("\(file.name) is recorded as applied; nothing of it was run")
  }
}
