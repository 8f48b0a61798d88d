/// Splits SQL text into tokens as PostgreSQL's lexer does, without recursion and without allocating: finds the statements,
/// and how deep a tree the grammar could make of them, before the recursive parser sees the text.
struct StatementScanner {
  enum Token: Equatable {
    /// Keyword or name, unquoted.
    case word(Range<Int>)
    case number(Range<Int>)
    case quoted
    case openParenthesis
    case closeParenthesis
    case comma
    case semicolon
    /// Operators, parameters and other punctuation.
    case symbol
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private(set) var position = 0
  /// Where the token that `next` returned last begins.
  private(set) var tokenStart = 0
  /// A string that follows an escape string on a later line continues it, with its escapes.
  private var lastWasEscapeString = false
  /// Bytes that PostgreSQL's lexer looks at to find where comments begin: at each `/*` it first takes the whole run of operator
  /// characters, then gives it back. Many openings in one run make that quadratic.
  private(set) var commentLexingCost = 0
  private var operatorRunEnd = 0

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  /// Whether nothing but blanks is left. A quote or comment left open is not the end.
  var isAtEnd: Bool {
    var copy = self
    copy.skipBlanks()
    return copy.position >= bytes.count
  }

  /// nil at the end, or where a quote or comment is left open (the parser will say so).
  mutating func next() -> Token? {
    skipBlanks()
    guard position < bytes.count else { return nil }
    tokenStart = position
    let byte = bytes[position]
    let continuesEscapes = lastWasEscapeString
    lastWasEscapeString = false
    switch byte {
    case UInt8(ascii: "'"):
      skipString(escapes: continuesEscapes)
      lastWasEscapeString = continuesEscapes
      return .quoted
    case UInt8(ascii: "\""):
      skipQuoted(by: byte)
      return .quoted
    case UInt8(ascii: "$"):
      if skipDollarString() { return .quoted }
      position += 1
      skip { Self.isDigit($0) }
      return .symbol
    case UInt8(ascii: "("), UInt8(ascii: "["):
      position += 1
      return .openParenthesis
    case UInt8(ascii: ")"), UInt8(ascii: "]"):
      position += 1
      return .closeParenthesis
    case UInt8(ascii: ","):
      position += 1
      return .comma
    case UInt8(ascii: ";"):
      position += 1
      return .semicolon
    case _ where Self.isDigit(byte):
      position += 1
      skip { Self.isDigit($0) || $0 == UInt8(ascii: ".") }
      return .number(tokenStart..<position)
    case _ where Self.startsWord(byte):
      return word()
    default:
      position += 1
      return .symbol
    }
  }

  private mutating func word() -> Token {
    if position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "'") {
      switch bytes[position] | 0x20 {
      case UInt8(ascii: "e"):
        position += 1
        skipString(escapes: true)
        lastWasEscapeString = true
        return .quoted
      case UInt8(ascii: "b"), UInt8(ascii: "x"), UInt8(ascii: "n"):
        position += 1
        skipString(escapes: false)
        return .quoted
      default: break
      }
    }
    skip { Self.startsWord($0) || Self.isDigit($0) || $0 == UInt8(ascii: "$") }
    return .word(tokenStart..<position)
  }

  private mutating func skip(while condition: (UInt8) -> Bool) {
    while position < bytes.count, condition(bytes[position]) { position += 1 }
  }

  private mutating func skipBlanks() {
    while position < bytes.count {
      let byte = bytes[position]
      if byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) {
        position += 1
      } else if byte == UInt8(ascii: "-"), follows(UInt8(ascii: "-")) {
        skip { $0 != 0x0a && $0 != 0x0d }
      } else if byte == UInt8(ascii: "/"), follows(UInt8(ascii: "*")) {
        skipComment()
      } else {
        return
      }
    }
  }

  private func follows(_ byte: UInt8) -> Bool { position + 1 < bytes.count && bytes[position + 1] == byte }

  /// Comments nest.
  private mutating func skipComment() {
    var depth = 0
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "/"), follows(UInt8(ascii: "*")) {
        depth += 1
        countOperatorRun()
        position += 2
      } else if bytes[position] == UInt8(ascii: "*"), follows(UInt8(ascii: "/")) {
        depth -= 1
        position += 2
        if depth == 0 { return }
      } else {
        position += 1
      }
    }
  }

  private mutating func countOperatorRun() {
    operatorRunEnd = max(operatorRunEnd, position)
    while operatorRunEnd < bytes.count, Self.isOperator(bytes[operatorRunEnd]) { operatorRunEnd += 1 }
    commentLexingCost += operatorRunEnd - position
  }

  private mutating func skipQuoted(by quote: UInt8) {
    position += 1
    while position < bytes.count {
      if bytes[position] == quote {
        if !follows(quote) {
          position += 1
          return
        }
        position += 1
      }
      position += 1
    }
  }

  private mutating func skipString(escapes: Bool) {
    let quote = UInt8(ascii: "'")
    position += 1
    while position < bytes.count {
      let byte = bytes[position]
      if byte == quote {
        if !follows(quote) {
          position += 1
          return
        }
        position += 1
      } else if escapes, byte == UInt8(ascii: "\\") {
        position += 1
      }
      position += 1
    }
    position = bytes.count
  }

  /// `$tag$ … $tag$`. False if no such string begins here.
  private mutating func skipDollarString() -> Bool {
    var end = position + 1
    while end < bytes.count, Self.startsWord(bytes[end]) || (end > position + 1 && Self.isDigit(bytes[end])) {
      end += 1
    }
    guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else { return false }
    let tagLength = end - position + 1
    let tag = position
    position = end + 1
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "$"), position + tagLength <= bytes.count,
        (0..<tagLength).allSatisfy({ bytes[position + $0] == bytes[tag + $0] })
      {
        position += tagLength
        return true
      }
      position += 1
    }
    return true
  }

  private static func isOperator(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "@"), UInt8(ascii: "#"), UInt8(ascii: "^"),
      UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: "`"), UInt8(ascii: "?"), UInt8(ascii: "+"),
      UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "%"), UInt8(ascii: "<"),
      UInt8(ascii: ">"), UInt8(ascii: "="):
      true
    default: false
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  private static func startsWord(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_") || byte >= 0x80
  }
}

/// What the scanner finds in a whole query string.
struct ScannedText {
  /// Byte ranges of the statements, without semicolons; blank ones are left out.
  var statements: [Range<Int>] = []
  var tokenCount = 0
  /// No branch of the syntax tree can be longer: tokens since the last comma, summed over the open parentheses.
  var depthBound = 0
  /// See `StatementScanner.commentLexingCost`.
  var commentLexingCost = 0
  /// A statement may say `AS OF SYSTEM TIME`.
  var mentionsSystem = false
  /// A statement may say `WITH (on_block = …)`.
  var mentionsOnBlock = false

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    var scanner = StatementScanner(bytes)
    var chains = [0]
    var depth = 0
    var start: Int?
    var end = 0
    while let token = scanner.next() {
      tokenCount += 1
      if case .semicolon = token, chains.count == 1 {
        if let start { statements.append(start..<end) }
        start = nil
        depth = 0
        chains[0] = 0
        continue
      }
      if start == nil { start = scanner.tokenStart }
      end = scanner.position
      if case .word(let range) = token {
        switch range.count {
        case 6: mentionsSystem = mentionsSystem || bytes[range].elementsEqual("system".utf8) { $0 | 0x20 == $1 }
        case 8:
          mentionsOnBlock =
            mentionsOnBlock || bytes[range].elementsEqual("on_block".utf8) { $0 == $1 || $0 | 0x20 == $1 }
        default: break
        }
      }
      switch token {
      case .comma:
        depth -= chains[chains.count - 1]
        chains[chains.count - 1] = 0
      case .closeParenthesis where chains.count > 1:
        depth -= chains.removeLast()
        chains[chains.count - 1] += 1
        depth += 1
      case .openParenthesis:
        chains[chains.count - 1] += 1
        depth += 1
        chains.append(0)
      default:
        chains[chains.count - 1] += 1
        depth += 1
      }
      depthBound = max(depthBound, depth)
    }
    if let start { statements.append(start..<end) }
    commentLexingCost = scanner.commentLexingCost
  }
}
