import Basics
import Catalog
import EventLoop
import PostgresProtocol
import SQLExpressions
import SQLPlanner
import SQLSyntax
import SQLValues
import Wire

/// A statement that can be executed again and again: its syntax, and the newest plan made of it.
///
/// Shared by all sessions that use the same text with the same parameter types (`PlanCache`).
@EventLoopActor final class PreparedStatement {
  let parsed: ParsedStatement
  /// What the client said about `$1`…; nil leaves it to the planner.
  let declaredTypes: [SQLType?]
  /// Valid for some catalog; checked against the one in use before every execution.
  var plan: StatementPlan? {
    didSet {
      planNumber += 1
      pointRead = plan.flatMap { PointRead($0) }
      commitPins = plan.map { Self.commitPins($0) } ?? []
      validIndex = nil
    }
  }
  /// By the sessions of the gateway, once it is in their cache.
  var isShared = false
  /// Grows with every new plan.
  private(set) var planNumber: UInt64 = 0
  /// The plan as a point read, if it is one.
  private(set) var pointRead: PointRead?
  /// The tables it writes, if it changes rows: what its commit timestamp is asked for with.
  private var commitPins: [TablePin] = []
  /// Executions that ask for their commit timestamp late, because an early one was of no use lately.
  private var lateCommits = 0
  static let lateCommitsAfterFailure = 64

  /// A schema index at which the plan was found valid.
  private var validIndex: SchemaIndex?

  init(_ parsed: ParsedStatement, declaredTypes: [SQLType?]) {
    self.parsed = parsed
    self.declaredTypes = declaredTypes
  }

  var statement: Statement { parsed.statement }

  private static func commitPins(_ plan: StatementPlan) -> [TablePin] {
    switch plan.action {
    case .insert, .update, .delete: break
    case .query, .schemaChange, .createTableAs, .explain, .explainSchemaChange, .checkTable: return []
    }
    return plan.tables.filter(\.isWritten).sorted { $0.tableID < $1.tableID }
      .map { TablePin(tableID: $0.tableID.rawValue, version: $0.version.rawValue) }
  }

  /// What to ask for a commit timestamp with at the beginning of an execution that is its own transaction; empty: do not.
  func earlyCommitPins() -> [TablePin] {
    if lateCommits > 0 {
      lateCommits -= 1
      return []
    }
    return commitPins
  }

  func earlyCommitWasTooLow() { lateCommits = Self.lateCommitsAfterFailure }

  /// Whether the plan may be used with the catalog of this schema index; looked up once for each index.
  func holds(at index: SchemaIndex, _ catalog: () -> CatalogView?) -> Bool {
    if validIndex == index { return true }
    guard let plan, let catalog = catalog(), catalog.schemaIndex == index, plan.isValid(in: catalog) else {
      return false
    }
    validIndex = index
    return true
  }

  /// Needs the catalog and a transaction.
  var isPlanned: Bool {
    switch statement {
    case .select, .insert, .update, .delete, .createTable, .createTableAs, .alterTable, .rename, .createIndex,
      .alterIndex, .drop, .truncate, .createSequence, .alterSequence, .object, .undrop, .revertJob, .explain,
      .checkTable:
      true
    case .transaction, .session, .prepare, .execute, .deallocate, .closeCursor, .job, .unsupported: false
    }
  }

  /// BEGIN, COMMIT and the like: always the same few texts, which need no plan.
  var isTransactionControl: Bool {
    if case .transaction = statement { true } else { false }
  }

  /// `INSERT 0 0` and the like; nil: not a statement that writes rows.
  var tagOfNothing: String? {
    switch statement {
    case .insert: "INSERT 0 0"
    case .update: "UPDATE 0"
    case .delete: "DELETE 0"
    default: nil
    }
  }

  /// Made once, so that keeping its plan is of no use.
  var isSchemaChange: Bool {
    if case .explain = statement { return false }
    return statement.isSchemaChange
  }

  /// Alone it is a transaction block of its own.
  var isCreateTableAs: Bool {
    if case .createTableAs = statement { true } else { false }
  }

  /// How often a statement that is its own transaction is tried again when its commit finds a key that is there: with
  /// `ON CONFLICT DO NOTHING` the next try passes over it, unless it is one of another index than those named.
  var triesAfterDuplicate: Int {
    guard case .insert(let insert) = statement, let conflict = insert.conflict else { return 0 }
    return conflict.target == .anyUnique ? .max : 3
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
