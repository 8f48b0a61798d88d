import Basics
import SQLValues

/// Everything an expression may see besides its row. Time and randomness are inputs.
public struct EvaluationContext: Sendable {
  public var parameters: [Datum]
  /// Start of the transaction (`now()`): microseconds since 2000-01-01 00:00 UTC.
  public var transactionTime: Int64
  /// Start of the statement; also what `clock_timestamp()` reads.
  public var statementTime: Int64
  /// What the statement reads at.
  public var readTimestamp = Timestamp.zero
  public var random: SeededGenerator
  public var session: SessionInformation
  public var sequences = SequenceJournal()
  public var regularExpressions = RegularExpressionCache()
  /// Names and definitions of the catalog; nil where no function that asks for them is evaluated.
  public var catalog: (any CatalogAnswers)?

  public init(
    parameters: [Datum] = [], transactionTime: Int64 = 0, statementTime: Int64 = 0,
    random: SeededGenerator = SeededGenerator(seed: 0), session: SessionInformation = SessionInformation()
  ) {
    self.parameters = parameters
    self.transactionTime = transactionTime
    self.statementTime = statementTime
    self.random = random
    self.session = session
  }
}

/// What the session functions answer.
public struct SessionInformation: Hashable, Sendable {
  public var databaseName: String
  public var schemaName: String
  public var userName: String
  public var backendPID: Int32
  /// The text of `version()`.
  public var version: String

  public init(
    databaseName: String = "defaultdb", schemaName: String = "public", userName: String = "root", backendPID: Int32 = 0,
    version: String = "PostgreSQL 15.0 (Theseus)"
  ) {
    self.databaseName = databaseName
    self.schemaName = schemaName
    self.userName = userName
    self.backendPID = backendPID
    self.version = version
  }
}
