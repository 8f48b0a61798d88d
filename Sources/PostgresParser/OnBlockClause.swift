import Basics
import SQLSyntax

/// `WITH (on_block = wait | abort | cancel)` behind a schema change: PostgreSQL's grammar has such a list for some of them only, so
/// it is cut out before the grammar sees the text.
struct OnBlockClause {
  /// From `WITH` to the closing parenthesis.
  let range: Range<Int>
  let value: OnBlock

  /// Throws 42601 where the clause is repeated or does not stand alone in its list, 22023 for an unknown value. `position`: what
  /// clients call a byte of the statement.
  static func find(in bytes: UnsafeBufferPointer<UInt8>, position: (Int) -> Int) throws(SQLError) -> OnBlockClause? {
    var scanner = StatementScanner(bytes)
    var found: OnBlockClause?
    /// Where a `WITH` begins that may be followed by the list, and whether its parenthesis is open.
    var with: Int?
    var isOpen = false
    func failure(_ state: SQLState, _ message: String) -> SQLError {
      SQLError(state, message, position: position(scanner.tokenStart))
    }
    func text(_ scanner: StatementScanner) -> String {
      String(decoding: bytes[scanner.tokenStart..<scanner.position], as: UTF8.self)
    }
    while let token = scanner.next() {
      switch token {
      case .word(let range):
        let word = String(decoding: bytes[range], as: UTF8.self).lowercased()
        guard word == "on_block", isOpen, let start = with else {
          with = word == "with" ? range.lowerBound : nil
          isOpen = false
          continue
        }
        guard found == nil else { throw failure(.syntaxError, "on_block stands there twice") }
        var next = scanner.next()
        if next == .symbol, text(scanner) == "=" { next = scanner.next() }
        let said = text(scanner)
        switch next {
        case .word?, .quoted?: break
        default: throw failure(.syntaxError, "on_block takes wait, abort or cancel")
        }
        guard let value = OnBlock(name: said.lowercased().replacing("'", with: "")) else {
          throw failure(.invalidParameterValue, "invalid value for \"on_block\": \(said): it is wait, abort or cancel")
        }
        guard scanner.next() == .closeParenthesis else {
          throw failure(.syntaxError, "on_block stands in a list of its own: WITH (on_block = \(value.name))")
        }
        found = OnBlockClause(range: start..<scanner.position, value: value)
        with = nil
        isOpen = false
      case .openParenthesis: isOpen = with != nil && !isOpen
      default:
        with = nil
        isOpen = false
      }
    }
    return found
  }

  /// Puts the clause where it belongs, or refuses it.
  func apply(to parsed: ParsedStatement) throws(SQLError) -> ParsedStatement {
    var parsed = parsed
    if case .unsupported = parsed.statement { return parsed }
    guard parsed.statement.isSchemaChange else {
      throw SQLError(.syntaxError, "WITH (on_block = \(value.name)) goes with schema changes only")
    }
    parsed.onBlock = value
    return parsed
  }
}
