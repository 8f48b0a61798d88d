import Basics

/// `LIKE`: `%` is any characters, `_` one, backslash takes the next literally.
enum LikePattern {
  /// Linear for patterns with one `%`, at worst quadratic: after each `%` only the latest start is tried again.
  /// Throws 22025 where a character meets an escape character at the pattern's end.
  static func matches(_ text: String, _ pattern: String) throws(SQLError) -> Bool {
    let subject = Array(text.unicodeScalars)
    let tokens = tokens(of: pattern)
    var position = 0
    var token = 0
    var retryToken: Int?
    var retryPosition = 0
    while position < subject.count {
      if token < tokens.count {
        switch tokens[token] {
        case .any:
          retryToken = token + 1
          retryPosition = position
          token += 1
          continue
        case .one:
          position += 1
          token += 1
          continue
        case .literal(let scalar) where scalar == subject[position]:
          position += 1
          token += 1
          continue
        case .literal: break
        case .danglingEscape:
          throw SQLError(SQLState("22025"), "LIKE pattern must not end with escape character")
        }
      }
      guard let retry = retryToken else { return false }
      retryPosition += 1
      position = retryPosition
      token = retry
    }
    while token < tokens.count, tokens[token] == .any { token += 1 }
    return token == tokens.count
  }

  private enum Token: Equatable {
    case any, one
    /// An escape character with nothing behind it: an error where a character would have to match it.
    case danglingEscape
    case literal(Unicode.Scalar)
  }

  private static func tokens(of pattern: String) -> [Token] {
    var tokens: [Token] = []
    var iterator = pattern.unicodeScalars.makeIterator()
    while let scalar = iterator.next() {
      switch scalar {
      case "%": tokens.append(.any)
      case "_": tokens.append(.one)
      case "\\":
        tokens.append(iterator.next().map { .literal($0) } ?? .danglingEscape)
      default: tokens.append(.literal(scalar))
      }
    }
    return tokens
  }

  /// The pattern written with backslash instead of another escape character (empty: none).
  static func escaped(_ pattern: String, with escape: String) throws(SQLError) -> String {
    let marks = Array(escape.unicodeScalars)
    guard marks.count <= 1 else {
      throw SQLError(
        SQLState("22019"), "invalid escape string", hint: "Escape string must be empty or one character.")
    }
    if marks == ["\\"] { return pattern }
    var result = String.UnicodeScalarView()
    var iterator = pattern.unicodeScalars.makeIterator()
    while let scalar = iterator.next() {
      if scalar == marks.first {
        result.append("\\")
        if let next = iterator.next() { result.append(next) }
      } else {
        if scalar == "\\" { result.append("\\") }
        result.append(scalar)
      }
    }
    return String(result)
  }
}
