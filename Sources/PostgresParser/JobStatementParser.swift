import Basics
import SQLSyntax

/// What is recognised before PostgreSQL's grammar sees the text.
enum OwnStatement {
  case statement(Statement)
  /// The rest, from the offset on, is a statement of PostgreSQL's grammar.
  case explainSchemaChange(offset: Int)
}

/// The statements that PostgreSQL's grammar does not know: about schema-change jobs and checks.
///
///     SHOW JOBS | SHOW JOB n | PAUSE JOB n | RESUME JOB n | CANCEL JOB n
///     ADMIN SHOW DDL JOBS | ADMIN CANCEL DDL JOBS n [, …]
///     CHECK TABLE [schema.]name
///     EXPLAIN (DDL) statement
enum JobStatementParser {
  private static let firstWords: Set<String> = ["show", "pause", "resume", "cancel", "admin", "check", "explain"]

  /// nil: not one of them, so PostgreSQL's grammar has the word.
  static func parse(_ bytes: UnsafeBufferPointer<UInt8>, positionOffset: Int) throws(SQLError) -> OwnStatement? {
    var scanner = StatementScanner(bytes)
    var words: [String] = []
    while words.count < 64, let token = scanner.next() {
      switch token {
      case .word(let range): words.append(decode(bytes, range).lowercased())
      case .number(let range): words.append(decode(bytes, range))
      case .quoted:
        let quoted = decode(bytes, scanner.tokenStart..<scanner.position)
        guard quoted.hasPrefix("\""), quoted.hasSuffix("\""), quoted.utf8.count > 2 else { return nil }
        words.append(String(quoted.dropFirst().dropLast()))
      case .comma: words.append(",")
      case .symbol: words.append(decode(bytes, scanner.tokenStart..<scanner.position))
      case .openParenthesis: words.append("(")
      case .closeParenthesis: words.append(")")
      case .semicolon: words.append(";")
      }
      if words.count == 1, !firstWords.contains(words[0]) { return nil }
      if words == ["explain", "(", "ddl", ")"] { return .explainSchemaChange(offset: scanner.position) }
    }
    func syntaxError(near index: Int) -> SQLError {
      index < words.count
        ? SQLError(.syntaxError, "syntax error at or near \"\(words[index])\"", position: positionOffset + 1)
        : SQLError(.syntaxError, "syntax error at end of input", position: positionOffset + bytes.count + 1)
    }
    func job(_ index: Int) throws(SQLError) -> JobID {
      guard index < words.count, let number = UInt64(words[index]) else { throw syntaxError(near: index) }
      return JobID(number)
    }
    func single(_ make: (JobID) -> JobStatement) throws(SQLError) -> OwnStatement {
      let id = try job(2)
      guard words.count == 3 else { throw syntaxError(near: 3) }
      return .statement(.job(make(id)))
    }
    switch (words.first, words.count > 1 ? words[1] : nil) {
    case ("show", "jobs") where words.count == 2: return .statement(.job(.showAll))
    case ("show", "job"): return try single { .show($0) }
    case ("pause", "job"): return try single { .pause($0) }
    case ("resume", "job"): return try single { .resume($0) }
    case ("cancel", "job"): return try single { .cancel([$0]) }
    case ("admin", "show") where Array(words.dropFirst(2)) == ["ddl", "jobs"]: return .statement(.job(.showAll))
    case ("admin", "cancel") where words.count > 3 && words[2] == "ddl" && words[3] == "jobs":
      var ids = [try job(4)]
      var index = 5
      while index < words.count {
        guard words[index] == "," else { throw syntaxError(near: index) }
        ids.append(try job(index + 1))
        index += 2
      }
      return .statement(.job(.cancel(ids)))
    case ("check", "table"):
      switch words.count {
      case 3: return .statement(.checkTable(RelationNameSyntax(name: words[2])))
      case 5 where words[3] == ".": return .statement(.checkTable(RelationNameSyntax(schema: words[2], name: words[4])))
      default: throw syntaxError(near: 3)
      }
    default: return nil
    }
  }

  private static func decode(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self)
  }
}
