import Basics
import SQLSyntax

/// `AS OF SYSTEM TIME value` in a statement, which PostgreSQL's grammar does not know: it is cut out before the grammar sees the text.
struct SystemTimeClause {
  /// From `AS` to the end of the value.
  let range: Range<Int>
  let value: SystemTimeSyntax
  /// `BEGIN`, `START TRANSACTION` or `SET TRANSACTION`: what the clause stands for is a mode of the transaction.
  let isTransactionMode: Bool

  private static let words = ["as", "of", "system", "time"]

  /// Throws 42601 where the clause is incomplete, repeated or in a subquery. `position`: what clients call a byte of the statement.
  static func find(
    in bytes: UnsafeBufferPointer<UInt8>, position: (Int) -> Int
  ) throws(SQLError) -> SystemTimeClause? {
    var scanner = StatementScanner(bytes)
    var first: String?
    var depth = 0
    var matched = 0
    var start = 0
    var found: SystemTimeClause?
    func failure(_ message: String) -> SQLError {
      SQLError(.syntaxError, message, position: position(scanner.tokenStart))
    }
    while let token = scanner.next() {
      if matched == words.count {
        let value = try value(of: token, bytes[scanner.tokenStart..<scanner.position], failure)
        guard found == nil else { throw failure("AS OF SYSTEM TIME stands there twice") }
        guard depth == 0 else {
          throw failure("AS OF SYSTEM TIME must stand in the statement itself, not in a part of it")
        }
        found = SystemTimeClause(
          range: start..<scanner.position, value: value,
          isTransactionMode: ["begin", "start", "set"].contains(first ?? ""))
        matched = 0
        continue
      }
      switch token {
      case .word(let range):
        let word = String(decoding: bytes[range], as: UTF8.self).lowercased()
        if first == nil { first = word }
        if word == words[matched] {
          if matched == 0 { start = range.lowerBound }
          matched += 1
        } else {
          matched = word == words[0] ? 1 : 0
          start = range.lowerBound
        }
      case .openParenthesis:
        depth += 1
        matched = 0
      case .closeParenthesis:
        depth -= 1
        matched = 0
      default: matched = 0
      }
    }
    if matched == words.count { throw failure("AS OF SYSTEM TIME lacks its value") }
    return found
  }

  private static func value(
    of token: StatementScanner.Token, _ bytes: Slice<UnsafeBufferPointer<UInt8>>, _ failure: (String) -> SQLError
  ) throws(SQLError) -> SystemTimeSyntax {
    switch token {
    case .number: return SystemTimeSyntax(String(decoding: bytes, as: UTF8.self))
    case .quoted where bytes.first == UInt8(ascii: "'"):
      let inside = bytes.dropFirst().dropLast()
      return SystemTimeSyntax(String(decoding: inside, as: UTF8.self).replacing("''", with: "'"))
    default: throw failure("AS OF SYSTEM TIME takes a time, an interval or a number, as a literal")
    }
  }

  /// The statement without the clause, every other byte in its place. The transaction it begins is one that only reads.
  func cut(from bytes: [UInt8]) -> [UInt8] {
    var rest = bytes
    for position in range { rest[position] = UInt8(ascii: " ") }
    if isTransactionMode {
      rest.replaceSubrange(range.lowerBound..<(range.lowerBound + 9), with: Array("READ ONLY".utf8))
    }
    return rest
  }

  /// Puts the clause where it belongs, or refuses it.
  func apply(to parsed: ParsedStatement, text: String) throws(SQLError) -> ParsedStatement {
    var parsed = parsed
    parsed.text = text
    switch parsed.statement {
    case .select, .explain(_, .select): parsed.asOf = value
    case .transaction(.begin(var modes, let isStart)):
      modes.asOf = value
      parsed.statement = .transaction(.begin(modes, isStart: isStart))
    case .session(.setTransaction(var modes)):
      modes.asOf = value
      parsed.statement = .session(.setTransaction(modes))
    case .unsupported: break
    default:
      throw SQLError(.syntaxError, "AS OF SYSTEM TIME goes with SELECT, EXPLAIN of it, BEGIN and SET TRANSACTION only")
    }
    return parsed
  }
}
