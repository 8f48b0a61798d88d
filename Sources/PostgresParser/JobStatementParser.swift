import Basics
import SQLSyntax

/// What is recognised before PostgreSQL's grammar sees the text.
enum OwnStatement {
  case statement(Statement)
  /// The rest, from the offset on, is a statement of PostgreSQL's grammar.
  case explainSchemaChange(offset: Int, validates: Bool)
  /// The same without these bytes is a statement of that grammar.
  case createDatabaseIfNotExists(clause: Range<Int>)
}

/// The statements that PostgreSQL's grammar does not know: about schema-change jobs, the schema log, checks and databases.
///
///     SHOW JOBS | SHOW JOB n [STEPS | BLOCKERS] | PAUSE JOB n | RESUME JOB n | CANCEL JOB n
///     ALTER JOB n SET (name = value [, …])
///     ADMIN SHOW DDL JOBS [n] | ADMIN CANCEL | PAUSE | RESUME DDL JOBS n [, …]
///     SHOW DROPPED | UNDROP TABLE name [AS name] | UNDROP COLUMN name ON [TABLE] name [AS name]
///     UNDROP INDEX name [ON [TABLE] name] [AS name] | REVERT JOB n
///     SHOW SCHEMA AGREEMENT | SHOW SCHEMA LOG [FOR TABLE [schema.]name] [LIMIT n]
///     CHECK TABLE [schema.]name
///     EXPLAIN (DDL [, VALIDATE]) statement
///     SHOW DATABASES | CREATE DATABASE IF NOT EXISTS name …
struct JobStatementParser {
  private enum Token {
    /// In lower case.
    case word(String)
    case name(String)
    case string(String)
    case number(String)
    case symbol(String)
  }

  /// Tokens of one statement; more than that many job numbers are refused.
  static let maximumTokens = 4_096
  /// Longer ones are not shown whole.
  private static let maximumShownBytes = 64

  private let bytes: UnsafeBufferPointer<UInt8>
  /// Characters before the statement.
  private let positionOffset: Int
  private var scanner: StatementScanner
  private var tokens: [(token: Token, start: Int, end: Int)] = []
  private var index = 0

  /// nil: not one of them, so PostgreSQL's grammar has the word.
  static func parse(_ bytes: UnsafeBufferPointer<UInt8>, positionOffset: Int) throws(SQLError) -> OwnStatement? {
    var parser = JobStatementParser(bytes, positionOffset: positionOffset)
    return try parser.parse()
  }

  private init(_ bytes: UnsafeBufferPointer<UInt8>, positionOffset: Int) {
    self.bytes = bytes
    self.positionOffset = positionOffset
    scanner = StatementScanner(bytes)
  }

  private mutating func parse() throws(SQLError) -> OwnStatement? {
    guard let first = word(0) else { return nil }
    switch (first, word(1)) {
    case ("show", "jobs"): return .statement(.job(try ended(2, .showAll)))
    case ("show", "job"): return .statement(.job(try showJob()))
    case ("show", "dropped"): return .statement(.job(try ended(2, .showDropped)))
    case ("undrop", _): return .statement(.undrop(try undrop()))
    case ("revert", "job"):
      index = 2
      let id = try jobNumber()
      try requireEnd()
      return .statement(.revertJob(id))
    case ("show", "schema"): return .statement(.job(try showSchema()))
    case ("pause", "job"): return .statement(.job(try single { .pause($0) }))
    case ("resume", "job"): return .statement(.job(try single { .resume($0) }))
    case ("cancel", "job"): return .statement(.job(try single { .cancel($0) }))
    case ("alter", "job"): return .statement(.job(try alterJob()))
    case ("admin", "show"): return .statement(.job(try adminShow()))
    case ("admin", "cancel"): return .statement(.job(.adminControl(.cancel, try adminNumbers())))
    case ("admin", "pause"): return .statement(.job(.adminControl(.pause, try adminNumbers())))
    case ("admin", "resume"): return .statement(.job(.adminControl(.resume, try adminNumbers())))
    case ("check", "table"):
      index = 2
      let name = try relationName()
      try requireEnd()
      return .statement(.checkTable(name))
    case ("show", "databases"):
      index = 2
      try requireEnd()
      return .statement(try Self.showDatabases.get())
    case ("create", "database"):
      guard word(2) == "if", word(3) == "not", word(4) == "exists", let first = token(2), let last = token(4) else {
        return nil
      }
      return .createDatabaseIfNotExists(clause: first.start..<last.end)
    case ("explain", nil): return explain()
    default: return nil
    }
  }

  // MARK: Statements

  /// As CockroachDB names the columns.
  private static let showDatabases = Result { () throws(SQLError) -> Statement in
    let query = "SELECT datname AS database_name, 'root'::name AS owner FROM pg_catalog.pg_database ORDER BY 1"
    guard let parsed = try StatementParser.parseOnThisThread(query).first else { throw TreeConverter.malformed }
    return parsed.statement
  }

  private mutating func showJob() throws(SQLError) -> JobStatement {
    index = 2
    let id = try jobNumber()
    if take(word: "steps") { return try ended(index, .showSteps(id)) }
    if take(word: "blockers") { return try ended(index, .showBlockers(id)) }
    return try ended(index, .show(id))
  }

  private mutating func showSchema() throws(SQLError) -> JobStatement {
    index = 2
    if take(word: "agreement") { return try ended(index, .showAgreement) }
    guard take(word: "log") else { throw syntaxError() }
    var table: RelationNameSyntax?
    var limit: Int?
    if take(word: "for") {
      guard take(word: "table") else { throw syntaxError() }
      table = try relationName()
    }
    if take(word: "limit") { limit = try count() }
    return try ended(index, .showLog(table: table, limit: limit))
  }

  private mutating func undrop() throws(SQLError) -> UndropStatement {
    index = 1
    var statement: UndropStatement
    if take(word: "table") {
      statement = UndropStatement(kind: .table, name: try relationName())
    } else if take(word: "column") {
      statement = UndropStatement(kind: .column, name: RelationNameSyntax(name: try identifier()))
      guard take(word: "on") else { throw syntaxError() }
      _ = take(word: "table")
      statement.table = try relationName()
    } else if take(word: "index") {
      statement = UndropStatement(kind: .index, name: try relationName())
      if take(word: "on") {
        _ = take(word: "table")
        statement.table = try relationName()
      }
    } else {
      throw syntaxError()
    }
    if take(word: "as") { statement.newName = try identifier() }
    try requireEnd()
    return statement
  }

  private mutating func single(_ make: (JobID) -> JobStatement) throws(SQLError) -> JobStatement {
    index = 2
    let id = try jobNumber()
    return try ended(index, make(id))
  }

  private mutating func alterJob() throws(SQLError) -> JobStatement {
    index = 2
    let id = try jobNumber()
    guard take(word: "set"), take(symbol: "(") else { throw syntaxError() }
    var parameters: [JobParameter] = []
    repeat {
      guard case .word(let name)? = token(index)?.token else { throw syntaxError() }
      index += 1
      guard take(symbol: "=") else { throw syntaxError() }
      parameters.append(JobParameter(name: name, value: try value()))
    } while take(symbol: ",")
    guard take(symbol: ")") else { throw syntaxError() }
    return try ended(index, .alter(id, parameters))
  }

  /// A number, perhaps with a sign, a string or a word, as its text.
  private mutating func value() throws(SQLError) -> String {
    var sign = ""
    if take(symbol: "-") { sign = "-" } else if take(symbol: "+") { sign = "+" }
    switch token(index)?.token {
    case .number(let text)?: return advance(sign + text)
    case .string(let text)? where sign.isEmpty: return advance(text)
    case .word(let text)? where sign.isEmpty: return advance(text)
    default: throw syntaxError()
    }
  }

  private mutating func adminShow() throws(SQLError) -> JobStatement {
    try adminJobs()
    guard token(index) != nil else { return .adminShow(limit: nil) }
    let limit = try count()
    return try ended(index, .adminShow(limit: limit))
  }

  private mutating func adminNumbers() throws(SQLError) -> [JobID] {
    try adminJobs()
    var ids: [JobID] = []
    repeat { ids.append(try jobNumber()) } while take(symbol: ",")
    guard index < Self.maximumTokens else {
      throw SQLError(.programLimitExceeded, "at most \(Self.maximumTokens / 2 - 2) jobs can be named in one statement")
    }
    try requireEnd()
    return ids
  }

  private mutating func adminJobs() throws(SQLError) {
    index = 2
    guard take(word: "ddl"), take(word: "jobs") else { throw syntaxError() }
  }

  private mutating func explain() -> OwnStatement? {
    index = 1
    guard take(symbol: "("), take(word: "ddl") else { return nil }
    let validates = take(symbol: ",")
    if validates, !take(word: "validate") { return nil }
    guard take(symbol: ")"), let last = token(index - 1) else { return nil }
    return .explainSchemaChange(offset: last.end, validates: validates)
  }

  // MARK: Parts

  private mutating func jobNumber() throws(SQLError) -> JobID {
    guard case .number(let text)? = token(index)?.token, let number = UInt64(text) else { throw syntaxError() }
    index += 1
    return JobID(number)
  }

  private mutating func count() throws(SQLError) -> Int {
    guard case .number(let text)? = token(index)?.token, let number = Int(text) else { throw syntaxError() }
    index += 1
    return number
  }

  private mutating func relationName() throws(SQLError) -> RelationNameSyntax {
    let first = try identifier()
    guard take(symbol: ".") else { return RelationNameSyntax(name: first) }
    return RelationNameSyntax(schema: first, name: try identifier())
  }

  private mutating func identifier() throws(SQLError) -> String {
    switch token(index)?.token {
    case .word(let text)?, .name(let text)?: return advance(text)
    default: throw syntaxError()
    }
  }

  private mutating func advance(_ text: String) -> String {
    index += 1
    return text
  }

  private mutating func take(word wanted: String) -> Bool {
    guard word(index) == wanted else { return false }
    index += 1
    return true
  }

  private mutating func take(symbol wanted: String) -> Bool {
    guard case .symbol(wanted)? = token(index)?.token else { return false }
    index += 1
    return true
  }

  private mutating func ended(_ position: Int, _ statement: JobStatement) throws(SQLError) -> JobStatement {
    index = position
    try requireEnd()
    return statement
  }

  private mutating func requireEnd() throws(SQLError) {
    guard token(index) == nil, scanner.isAtEnd else { throw syntaxError() }
  }

  private mutating func syntaxError() -> SQLError {
    guard let found = token(index) else {
      return SQLError(
        .syntaxError, "syntax error at end of input", position: positionOffset + characters(before: bytes.count) + 1)
    }
    let shown = decode(found.start..<min(found.end, found.start + Self.maximumShownBytes))
    return SQLError(
      .syntaxError, "syntax error at or near \"\(shown)\"",
      position: positionOffset + characters(before: found.start) + 1
    )
  }

  // MARK: Tokens

  private mutating func word(_ position: Int) -> String? {
    guard case .word(let text)? = token(position)?.token else { return nil }
    return text
  }

  /// Read as far as is asked for: the statement may be a long one of another grammar.
  private mutating func token(_ position: Int) -> (token: Token, start: Int, end: Int)? {
    while tokens.count <= position, tokens.count < Self.maximumTokens, let next = scanner.next() {
      let range = scanner.tokenStart..<scanner.position
      tokens.append((convert(next, range), range.lowerBound, range.upperBound))
    }
    return tokens.indices.contains(position) ? tokens[position] : nil
  }

  private func convert(_ token: StatementScanner.Token, _ range: Range<Int>) -> Token {
    switch token {
    case .word(let range): return .word(decode(range).lowercased())
    case .number(let range): return .number(decode(range))
    case .openParenthesis: return .symbol("(")
    case .closeParenthesis: return .symbol(")")
    case .comma, .semicolon, .symbol: return .symbol(decode(range))
    case .quoted:
      let text = decode(range)
      let inner = String(text.dropFirst().dropLast())
      if text.utf8.count > 2, text.hasPrefix("\""), text.hasSuffix("\""), !inner.contains("\"") { return .name(inner) }
      if text.utf8.count >= 2, text.hasPrefix("'"), text.hasSuffix("'"), !inner.contains("'") { return .string(inner) }
      return .symbol(text)
    }
  }

  /// Of the statement's bytes: all that do not continue a character.
  private func characters(before end: Int) -> Int { bytes[..<min(end, bytes.count)].count { $0 & 0xc0 != 0x80 } }

  private func decode(_ range: Range<Int>) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self)
  }
}
