import Basics
import EventLoop
import PostgresClient

/// `theseus migrate --plan`: what each pending statement would do. Changes nothing.
@EventLoopActor struct MigrationPlan {
  let session: MigrationSession
  /// A schema change further up has not been done, so this one may be about what is not there yet.
  private var isBehindChanges = false
  private(set) var refusedStatements = 0

  init(_ session: MigrationSession) { self.session = session }

  mutating func show(_ file: MigrationFile, doneCount: Int) async throws(MigrationFailure) {
    let rest = doneCount > 0 ? ", \(doneCount) of them done" : ""
    Console.line("\(file.name): \(MigrationHistory.counted(file.statements.count))\(rest)")
    for (index, statement) in file.statements.enumerated().dropFirst(doneCount) {
      Console.line("  \(index + 1) of \(file.statements.count), line \(statement.line): \(statement.summary)")
      for line in try await lines(statement) { Console.line("    \(line)") }
    }
  }

  private mutating func lines(_ statement: MigrationStatement) async throws(MigrationFailure) -> [String] {
    switch statement.kind {
    case .data: return ["one transaction with its record"]
    case .transaction:
      return ["one transaction of \(MigrationHistory.counted(statement.parts.count)) with its record"]
    case .session: return ["a setting of the session that runs the file"]
    case .report: return ["changes nothing"]
    case .schemaChange: break
    }
    var lines: [String] = []
    for change in statement.changes { lines += try await explanation(change) }
    return lines
  }

  private mutating func explanation(_ change: String) async throws(MigrationFailure) -> [String] {
    defer { isBehindChanges = true }
    do throws(MigrationFailure) {
      let result = try await session.query("EXPLAIN (DDL) \(change)")
      return result.rows.map { $0.first.flatMap { $0 } ?? "" }
    } catch {
      guard case .statement(let refusal) = error else { throw error }
      let reason = "\(refusal.state) \(refusal.message)"
      if isBehindChanges {
        return ["cannot be explained before the statements above are done: as the schema is now, \(reason)"]
      }
      refusedStatements += 1
      return ["would be refused: \(reason)"]
    }
  }
}
