/// Five characters that name a kind of SQL error (PostgreSQL 15, appendix A).
public struct SQLState: Hashable, Sendable, CustomStringConvertible {
  public let code: String
  public init(_ code: String) { self.code = code }
  public var description: String { code }

  public static let featureNotSupported = SQLState("0A000")
  public static let cardinalityViolation = SQLState("21000")
  public static let stringDataRightTruncation = SQLState("22001")
  public static let numericValueOutOfRange = SQLState("22003")
  public static let invalidDatetimeFormat = SQLState("22007")
  public static let datetimeFieldOverflow = SQLState("22008")
  public static let divisionByZero = SQLState("22012")
  public static let characterNotInRepertoire = SQLState("22021")
  public static let invalidParameterValue = SQLState("22023")
  public static let invalidTextRepresentation = SQLState("22P02")
  public static let invalidBinaryRepresentation = SQLState("22P03")
  public static let sequenceLimitExceeded = SQLState("2200H")
  public static let notNullViolation = SQLState("23502")
  public static let foreignKeyViolation = SQLState("23503")
  public static let uniqueViolation = SQLState("23505")
  public static let checkViolation = SQLState("23514")
  public static let activeTransaction = SQLState("25001")
  public static let readOnlyTransaction = SQLState("25006")
  public static let noActiveTransaction = SQLState("25P01")
  public static let inFailedTransaction = SQLState("25P02")
  public static let idleInTransactionSessionTimeout = SQLState("25P03")
  public static let invalidStatementName = SQLState("26000")
  public static let invalidAuthorization = SQLState("28000")
  public static let dependentObjectsStillExist = SQLState("2BP01")
  public static let invalidCursorName = SQLState("34000")
  public static let invalidCatalogName = SQLState("3D000")
  public static let invalidSchemaName = SQLState("3F000")
  public static let serializationFailure = SQLState("40001")
  public static let statementCompletionUnknown = SQLState("40003")
  public static let deadlockDetected = SQLState("40P01")
  public static let syntaxError = SQLState("42601")
  public static let insufficientPrivilege = SQLState("42501")
  public static let duplicateColumn = SQLState("42701")
  public static let ambiguousColumn = SQLState("42702")
  public static let undefinedColumn = SQLState("42703")
  public static let undefinedObject = SQLState("42704")
  public static let duplicateDatabase = SQLState("42P04")
  public static let duplicateObject = SQLState("42710")
  public static let duplicateAlias = SQLState("42712")
  public static let groupingError = SQLState("42803")
  public static let datatypeMismatch = SQLState("42804")
  public static let cannotCoerce = SQLState("42846")
  public static let undefinedFunction = SQLState("42883")
  public static let undefinedTable = SQLState("42P01")
  public static let undefinedParameter = SQLState("42P02")
  public static let duplicateTable = SQLState("42P07")
  public static let wrongObjectType = SQLState("42809")
  public static let generatedAlways = SQLState("428C9")
  public static let ambiguousParameter = SQLState("42P08")
  public static let invalidColumnReference = SQLState("42P10")
  public static let invalidTableDefinition = SQLState("42P16")
  public static let indeterminateDatatype = SQLState("42P18")
  public static let diskFull = SQLState("53100")
  public static let outOfMemory = SQLState("53200")
  public static let tooManyConnections = SQLState("53300")
  public static let programLimitExceeded = SQLState("54000")
  public static let statementTooComplex = SQLState("54001")
  public static let tooManyColumns = SQLState("54011")
  public static let objectNotInPrerequisiteState = SQLState("55000")
  public static let objectInUse = SQLState("55006")
  public static let lockNotAvailable = SQLState("55P03")
  public static let unsafeNewEnumValueUsage = SQLState("55P04")
  public static let queryCanceled = SQLState("57014")
  public static let adminShutdown = SQLState("57P01")
  public static let cannotConnectNow = SQLState("57P03")
  public static let idleSessionTimeout = SQLState("57P05")
  public static let systemError = SQLState("58000")
  public static let snapshotTooOld = SQLState("72000")
  public static let internalError = SQLState("XX000")
  public static let dataCorrupted = SQLState("XX001")
  public static let protocolViolation = SQLState("08P01")
}

/// An error as a SQL client sees it.
public struct SQLError: Error, Hashable, CustomStringConvertible {
  public var state: SQLState
  public var message: String
  public var detail: String?
  public var hint: String?
  /// Character of the statement, counted from 1.
  public var position: Int?
  /// Names of the objects concerned, for drivers that show them.
  public var tableName: String?
  public var columnName: String?
  public var constraintName: String?

  public init(
    _ state: SQLState, _ message: String, detail: String? = nil, hint: String? = nil, position: Int? = nil,
    tableName: String? = nil, columnName: String? = nil, constraintName: String? = nil
  ) {
    self.state = state
    self.message = message
    self.detail = detail
    self.hint = hint
    self.position = position
    self.tableName = tableName
    self.columnName = columnName
    self.constraintName = constraintName
  }

  /// What is not built yet: SQLSTATE 0A000 and the name of the feature.
  public static func unsupported(_ feature: String, position: Int? = nil) -> SQLError {
    SQLError(.featureNotSupported, "\(feature) is not supported yet", position: position)
  }

  public var description: String { "\(state): \(message)" }
}
