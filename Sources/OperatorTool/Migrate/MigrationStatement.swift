import SQLSyntax

/// What runs, and is recorded, at once: one statement of a migration file, or all from BEGIN to COMMIT.
struct MigrationStatement: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    /// Runs under an operation id, which makes it happen once: one change, or several from BEGIN to COMMIT.
    case schemaChange
    /// Runs in one transaction with its record.
    case data
    /// `BEGIN` as written; `parts` run behind it, and the record before the COMMIT.
    case transaction(opening: String)
    /// Changes the session only; runs again when a later statement is resumed.
    case session
    /// Changes nothing.
    case report
  }

  var kind: Kind
  /// As written, without the semicolon.
  var text: String
  /// What is sent, one after the other.
  var parts: [String]
  /// Those of the parts that change the schema.
  var changes: [String] = []
  /// Where it begins, behind comments, counted from 1.
  var line: Int
  /// SHA-256 of this statement and all before it in the file.
  var checksum = ""

  private static let summaryCharacters = 72

  /// The beginning of the statement on one line, without comments in front of it.
  var summary: String {
    var source = SQLSource(text)
    source.skipBlanksAndComments()
    var words = source.rest.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    if words.count > Self.summaryCharacters { words = words.prefix(Self.summaryCharacters - 1) + "…" }
    return words
  }
}

/// A position in SQL text, for finding lines.
struct SQLSource {
  private let bytes: [UInt8]
  private(set) var offset = 0
  /// Of `offset`, from 1.
  private(set) var line = 1

  init(_ text: String) { bytes = Array(text.utf8) }

  var rest: String { String(decoding: bytes[offset...], as: UTF8.self) }

  mutating func advance(to end: Int) {
    while offset < min(end, bytes.count) {
      if bytes[offset] == 0x0a { line += 1 }
      offset += 1
    }
  }

  /// Where `text` is found next; nil when it is not there.
  func find(_ text: String) -> Int? {
    let wanted = Array(text.utf8)
    guard let first = wanted.first, bytes.count >= wanted.count else { return nil }
    var at = offset
    while at <= bytes.count - wanted.count {
      if bytes[at] == first, bytes[at..<at + wanted.count].elementsEqual(wanted) { return at }
      at += 1
    }
    return nil
  }

  /// Comments nest.
  mutating func skipBlanksAndComments() {
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte == 0x20 || (0x09...0x0d).contains(byte) || byte == UInt8(ascii: ";") {
        advance(to: offset + 1)
      } else if starts("--") {
        while offset < bytes.count, bytes[offset] != 0x0a { advance(to: offset + 1) }
      } else if starts("/*") {
        var depth = 0
        repeat {
          let isOpening = starts("/*")
          let isClosing = starts("*/")
          depth += isOpening ? 1 : isClosing ? -1 : 0
          advance(to: offset + (isOpening || isClosing ? 2 : 1))
        } while depth > 0 && offset < bytes.count
      } else {
        return
      }
    }
  }

  private func starts(_ text: String) -> Bool { bytes[offset...].starts(with: text.utf8) }
}
