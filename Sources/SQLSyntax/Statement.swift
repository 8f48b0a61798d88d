import Basics

/// One statement as written.
public indirect enum Statement: Hashable, Sendable {
  case select(SelectStatement)
  case insert(InsertStatement)
  case update(UpdateStatement)
  case delete(DeleteStatement)
  case createTable(CreateTableStatement)
  case createTableAs(CreateTableAsStatement)
  case alterTable(AlterTableStatement)
  case rename(RenameStatement)
  case createIndex(CreateIndexStatement)
  case alterIndex(AlterIndexStatement)
  case drop(DropStatement)
  case truncate([RelationNameSyntax], restartsIdentity: Bool)
  case createSequence(CreateSequenceStatement)
  case alterSequence(AlterSequenceStatement)
  case object(ObjectStatementSyntax)
  case transaction(TransactionStatement)
  case session(SessionStatement)
  case prepare(name: String, parameterTypes: [TypeNameSyntax], Statement)
  case execute(name: String, arguments: [ExpressionSyntax])
  /// nil: all.
  case deallocate(name: String?)
  /// nil: all.
  case closeCursor(name: String?)
  case explain(ExplainOptions, Statement)
  case undrop(UndropStatement)
  /// `REVERT JOB n`
  case revertJob(JobID)
  case job(JobStatement)
  case checkTable(RelationNameSyntax)
  /// Well-formed SQL for something that is not built: the error to answer with when it is executed.
  case unsupported(SQLError)

  /// Whether a job carries it out. Of what is explained: whether that is asked for.
  public var isSchemaChange: Bool {
    switch self {
    case .createTable, .createTableAs, .alterTable, .rename, .createIndex, .alterIndex, .drop, .truncate,
      .createSequence, .alterSequence, .object, .undrop, .revertJob:
      true
    case .explain(let options, _): options.isSchemaChange
    case .select, .insert, .update, .delete, .transaction, .session, .prepare, .execute, .deallocate, .closeCursor,
      .job, .checkTable, .unsupported:
      false
    }
  }
}

/// A statement with its own part of the query string.
public struct ParsedStatement: Hashable, Sendable {
  public var statement: Statement
  /// The statement's own text, without the semicolon and surrounding blanks.
  public var text: String
  /// The highest `$n` in it.
  public var parameterCount: Int
  /// Of a query; that of a transaction is among its modes.
  public var asOf: SystemTimeSyntax?
  /// Of a schema change: what it says instead of `theseus.on_block`.
  public var onBlock: OnBlock?
  /// Where it names databases.
  public var databaseReferences: [DatabaseReferenceSyntax] = []

  public init(statement: Statement, text: String, parameterCount: Int) {
    self.statement = statement
    self.text = text
    self.parameterCount = parameterCount
  }
}

/// A name with that of a database in front: `database.schema.name`. The rest of it stands in the statement as if it were alone.
public struct DatabaseReferenceSyntax: Hashable, Sendable {
  public var database: String
  /// All of it.
  public var text: String
  public var position: Int?

  public init(_ names: [String], at position: Int?) {
    database = names.first ?? ""
    text = names.joined(separator: ".")
    self.position = position
  }
}

public enum IsolationLevel: String, Hashable, Sendable {
  case readUncommitted = "read uncommitted"
  case readCommitted = "read committed"
  case repeatableRead = "repeatable read"
  case serializable = "serializable"
}

/// What `BEGIN` and `SET TRANSACTION` may say; nil is "not said".
public struct TransactionModes: Hashable, Sendable {
  public var isolation: IsolationLevel?
  public var isReadOnly: Bool?
  public var isDeferrable: Bool?
  public var asOf: SystemTimeSyntax?

  public init(isolation: IsolationLevel? = nil, isReadOnly: Bool? = nil, isDeferrable: Bool? = nil) {
    self.isolation = isolation
    self.isReadOnly = isReadOnly
    self.isDeferrable = isDeferrable
  }
}

public enum TransactionStatement: Hashable, Sendable {
  /// `isStart`: written `START TRANSACTION` (the command tag differs).
  case begin(TransactionModes, isStart: Bool)
  case commit(chain: Bool)
  case rollback(chain: Bool)
  case savepoint(String)
  case releaseSavepoint(String)
  case rollbackToSavepoint(String)
}

public enum SessionStatement: Hashable, Sendable {
  /// `SET name TO a, b`: values as their text; `isLocal` for `SET LOCAL`.
  case set(name: String, values: [String], isLocal: Bool)
  /// `RESET name` and `SET name TO DEFAULT`.
  case reset(name: String, isLocal: Bool)
  case resetAll
  case show(name: String)
  case showAll
  case setTransaction(TransactionModes)
  case setSessionCharacteristics(TransactionModes)
  case discard(Discard)
  case listen(channel: String)
  /// nil: all.
  case unlisten(channel: String?)

  public enum Discard: Hashable, Sendable { case all, plans, sequences, temporary }
}

public struct ExplainOptions: Hashable, Sendable {
  public var analyze: Bool
  public var verbose: Bool
  /// `EXPLAIN (DDL)`: the stages of a schema change.
  public var isSchemaChange: Bool
  /// `EXPLAIN (DDL, VALIDATE)`: tried against the rows as well.
  public var validates: Bool

  public init(
    analyze: Bool = false, verbose: Bool = false, isSchemaChange: Bool = false, validates: Bool = false
  ) {
    self.analyze = analyze
    self.verbose = verbose
    self.isSchemaChange = isSchemaChange
    self.validates = validates
  }
}

/// Statements about schema-change jobs and the schema log.
public enum JobStatement: Hashable, Sendable {
  case showAll
  case show(JobID)
  case showSteps(JobID)
  case showBlockers(JobID)
  case pause(JobID)
  case resume(JobID)
  case cancel(JobID)
  case alter(JobID, [JobParameter])
  /// TiDB's `ADMIN SHOW DDL JOBS`; nil: TiDB's ten.
  case adminShow(limit: Int?)
  /// TiDB's: one row a job tells what became of it.
  case adminControl(JobAction, [JobID])
  case showAgreement
  case showLog(table: RelationNameSyntax?, limit: Int?)
  case showDropped
}

/// `UNDROP TABLE name [AS name]`, `UNDROP COLUMN name ON [TABLE] table [AS name]`, `UNDROP INDEX name [ON [TABLE] table] [AS name]`.
public struct UndropStatement: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case table, column, index }
  public var kind: Kind
  public var name: RelationNameSyntax
  public var table: RelationNameSyntax?
  public var newName: String?

  public init(
    kind: Kind, name: RelationNameSyntax, table: RelationNameSyntax? = nil, newName: String? = nil
  ) {
    self.kind = kind
    self.name = name
    self.table = table
    self.newName = newName
  }
}

public enum JobAction: Hashable, Sendable { case pause, resume, cancel }

/// `name = value` as written, the name in lower case.
public struct JobParameter: Hashable, Sendable {
  public var name: String
  public var value: String

  public init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}
