import Basics
import EventLoop
import PostgresProtocol
import SQLExpressions
import SQLPlanner
import SQLSyntax
import SQLValues

/// A statement that can be executed again and again: its syntax, and the newest plan made of it.
///
/// Shared by all sessions that use the same text with the same parameter types (`PlanCache`).
@EventLoopActor final class PreparedStatement {
  let parsed: ParsedStatement
  /// What the client said about `$1`…; nil leaves it to the planner.
  let declaredTypes: [SQLType?]
  /// Valid for some catalog; checked against the one in use before every execution.
  var plan: StatementPlan?

  init(_ parsed: ParsedStatement, declaredTypes: [SQLType?]) {
    self.parsed = parsed
    self.declaredTypes = declaredTypes
  }

  var statement: Statement { parsed.statement }

  /// Needs the catalog and a transaction.
  var isPlanned: Bool {
    switch statement {
    case .select, .insert, .update, .delete, .createTable, .alterTable, .rename, .createIndex, .drop, .explain,
      .checkTable:
      true
    case .transaction, .session, .prepare, .execute, .deallocate, .closeCursor, .job, .unsupported: false
    }
  }

  /// Made once, so that keeping its plan is of no use.
  var isSchemaChange: Bool {
    switch statement {
    case .createTable, .alterTable, .rename, .createIndex, .drop: true
    default: false
    }
  }

  /// Answered even in a failed transaction block.
  var endsTransaction: Bool {
    guard case .transaction(let statement) = statement else { return false }
    switch statement {
    case .commit, .rollback, .rollbackToSavepoint: return true
    case .begin, .savepoint, .releaseSavepoint: return false
    }
  }
}
