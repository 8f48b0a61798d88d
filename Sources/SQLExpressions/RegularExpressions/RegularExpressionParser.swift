import Basics

/// Flags of a regular expression: from the `flags` argument of a function, or at the start of the pattern as `(?flags)`.
struct RegularExpressionOptions: Hashable, Sendable {
  var isIgnoringCase = false
  /// `.` and `[^…]` do not match a newline.
  var newlineStopsAny = false
  /// `^` and `$` match at newlines too.
  var newlineIsBoundary = false
  /// White space and comments in the pattern mean nothing.
  var isExpanded = false
  /// The pattern is a plain text.
  var isLiteral = false

  /// nil for a letter that is no option.
  mutating func apply(_ letter: UInt32) throws(SQLError) -> Bool {
    switch Unicode.Scalar(letter) {
    case "c": isIgnoringCase = false
    case "i": isIgnoringCase = true
    case "m", "n": (newlineStopsAny, newlineIsBoundary) = (true, true)
    case "p": (newlineStopsAny, newlineIsBoundary) = (true, false)
    case "w": (newlineStopsAny, newlineIsBoundary) = (false, true)
    case "s": (newlineStopsAny, newlineIsBoundary) = (false, false)
    case "q": isLiteral = true
    case "x": isExpanded = true
    case "t": isExpanded = false
    case "e": break
    case "b": throw .unsupported("basic regular expressions")
    default: return false
    }
    return true
  }
}

enum RegularExpressionLimits {
  /// Characters of a pattern.
  static let maximumPatternCharacters = 65_536
  /// Parentheses within parentheses.
  static let maximumDepth = 200
  /// The highest count in `{m,n}` (as PostgreSQL).
  static let maximumRepetitions = 255
  /// Instructions of a compiled expression, with repetitions written out.
  static let maximumInstructions = 50_000
  /// Steps of all searches of one call: characters times the instructions that are alive there.
  static let maximumSteps = 300_000_000
}

/// Reads PostgreSQL's advanced regular expressions. Throws 2201B for what is none, 54001 beyond the limits, 0A000 for back
/// references.
struct RegularExpressionParser {
  private let pattern: [UInt32]
  private var position = 0
  private var options: RegularExpressionOptions
  private(set) var groupCount = 0
  private var depth = 0

  init(_ text: String, _ options: RegularExpressionOptions) throws(SQLError) {
    pattern = text.unicodeScalars.map(\.value)
    self.options = options
    guard pattern.count <= RegularExpressionLimits.maximumPatternCharacters else { throw Self.tooComplex }
  }

  static let tooComplex = SQLError(.statementTooComplex, "regular expression is too complex")

  static func invalid(_ reason: String) -> SQLError {
    SQLError(SQLState("2201B"), "invalid regular expression: \(reason)")
  }

  mutating func parse() throws(SQLError) -> RegularExpressionNode {
    try readDirectors()
    if options.isLiteral {
      return .sequence(pattern[position...].map { literal($0) })
    }
    let tree = try alternatives()
    if position < pattern.count { throw Self.invalid("parentheses () not balanced") }
    return tree
  }

  // MARK: The start

  /// `***:`, `***=` and `(?flags)`.
  private mutating func readDirectors() throws(SQLError) {
    if options.isLiteral { return }
    if starts(with: "***") {
      if starts(with: "***=") {
        options.isLiteral = true
        position = 4
        return
      }
      guard starts(with: "***:") else { throw Self.invalid("quantifier operand invalid") }
      position = 4
    }
    guard peek() == "(", peek(1) == "?", let first = peek(2), first.properties.isAlphabetic else { return }
    position += 2
    while let letter = peek(), letter != ")" {
      guard letter.properties.isAlphabetic, try options.apply(letter.value) else {
        throw Self.invalid("invalid embedded option")
      }
      position += 1
    }
    guard peek() == ")" else { throw Self.invalid("invalid embedded option") }
    position += 1
  }

  // MARK: Reading

  private func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
    position + ahead < pattern.count ? Unicode.Scalar(pattern[position + ahead]) : nil
  }

  private func starts(with text: String) -> Bool {
    pattern[position...].starts(with: text.unicodeScalars.map(\.value))
  }

  private mutating func skip(_ text: String) -> Bool {
    guard starts(with: text) else { return false }
    position += text.unicodeScalars.count
    return true
  }

  private func literal(_ character: UInt32) -> RegularExpressionNode {
    .characters(.one(character, isIgnoringCase: options.isIgnoringCase))
  }

  private func named(_ name: CharacterSet.NamedClass, isNegated: Bool = false) -> RegularExpressionNode {
    var set = CharacterSet(classes: [name])
    set.isNegated = isNegated
    return .characters(set)
  }

  /// White space and comments of the expanded syntax, and `(?#…)`.
  private mutating func skipComments() throws(SQLError) {
    while true {
      if options.isExpanded, let next = peek() {
        if next.properties.isWhitespace {
          position += 1
          continue
        }
        if next == "#" {
          while let skipped = peek(), skipped != "\n" {
            _ = skipped
            position += 1
          }
          continue
        }
      }
      guard starts(with: "(?#") else { return }
      while let skipped = peek(), skipped != ")" {
        _ = skipped
        position += 1
      }
      if position >= pattern.count { throw Self.invalid("parentheses () not balanced") }
      position += 1
    }
  }

  // MARK: Structure

  private mutating func alternatives() throws(SQLError) -> RegularExpressionNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= RegularExpressionLimits.maximumDepth else { throw Self.tooComplex }
    var branches = [try branch()]
    while skip("|") { branches.append(try branch()) }
    return branches.count == 1 ? branches[0] : .alternatives(branches)
  }

  private mutating func branch() throws(SQLError) -> RegularExpressionNode {
    var parts: [RegularExpressionNode] = []
    while true {
      try skipComments()
      guard let next = peek(), next != "|", next != ")" else { break }
      let atom = try self.atom(next)
      parts.append(try quantified(atom))
    }
    return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func quantified(_ atom: RegularExpressionNode) throws(SQLError) -> RegularExpressionNode {
    try skipComments()
    guard let next = peek() else { return atom }
    var minimum = 0
    var maximum: Int?
    var isFixed = false
    switch next {
    case "*": position += 1
    case "+":
      minimum = 1
      position += 1
    case "?":
      maximum = 1
      position += 1
    case "{" where peek(1).map { ("0"..."9").contains($0) } ?? false:
      position += 1
      (minimum, maximum, isFixed) = try bound()
    default: return atom
    }
    switch atom {
    case .assertion, .look: throw Self.invalid("quantifier operand invalid")
    default: break
    }
    let isGreedy = !skip("?")
    let preference = isFixed ? nil : isGreedy
    try skipComments()
    if let again = peek(), ["*", "+", "?"].contains(again) || (again == "{" && isDigit(1)) {
      throw Self.invalid("quantifier operand invalid")
    }
    return .repetition(atom, minimum: minimum, maximum: maximum, isGreedy: preference)
  }

  private func isDigit(_ ahead: Int) -> Bool { peek(ahead).map { ("0"..."9").contains($0) } ?? false }

  private mutating func bound() throws(SQLError) -> (minimum: Int, maximum: Int?, isFixed: Bool) {
    let minimum = try number()
    var maximum: Int? = minimum
    let isFixed = !skip(",")
    if !isFixed { maximum = isDigit(0) ? try number() : nil }
    guard skip("}") else {
      throw Self.invalid(position >= pattern.count ? "braces {} not balanced" : "invalid repetition count(s)")
    }
    if let maximum, maximum < minimum { throw Self.invalid("invalid repetition count(s)") }
    return (minimum, maximum, isFixed)
  }

  private mutating func number() throws(SQLError) -> Int {
    var value = 0
    while isDigit(0) {
      value = value * 10 + Int(pattern[position] - 48)
      guard value <= RegularExpressionLimits.maximumRepetitions else {
        throw Self.invalid("invalid repetition count(s)")
      }
      position += 1
    }
    return value
  }

  private mutating func atom(_ next: Unicode.Scalar) throws(SQLError) -> RegularExpressionNode {
    position += 1
    switch next {
    case "(": return try parenthesized()
    case "[": return try bracket()
    case ".":
      var set = CharacterSet.any
      if options.newlineStopsAny { set.ranges = [10...10] }
      return .characters(set)
    case "^": return .assertion(options.newlineIsBoundary ? .lineStart : .textStart)
    case "$": return .assertion(options.newlineIsBoundary ? .lineEnd : .textEnd)
    case "*", "+", "?": throw Self.invalid("quantifier operand invalid")
    case "{" where isDigit(0): throw Self.invalid("quantifier operand invalid")
    case "\\": return try escape()
    default: return literal(next.value)
    }
  }

  private mutating func parenthesized() throws(SQLError) -> RegularExpressionNode {
    if skip("?:") {
      let inner = try closed(try alternatives())
      // Within parentheses an assertion may be repeated.
      switch inner {
      case .assertion, .look: return .sequence([inner])
      default: return inner
      }
    }
    for (mark, isBehind, isNegated) in [
      ("?=", false, false), ("?!", false, true), ("?<=", true, false), ("?<!", true, true),
    ] where skip(mark) {
      let outside = groupCount
      let inner = try closed(try alternatives())
      guard groupCount == outside else { throw .unsupported("groups within a lookaround of a regular expression") }
      return .look(inner, isBehind: isBehind, isNegated: isNegated)
    }
    if peek() == "?" { throw Self.invalid("quantifier operand invalid") }
    groupCount += 1
    let number = groupCount
    return .group(try closed(try alternatives()), number: number)
  }

  private mutating func closed(_ inner: RegularExpressionNode) throws(SQLError) -> RegularExpressionNode {
    guard skip(")") else { throw Self.invalid("parentheses () not balanced") }
    return inner
  }

  // MARK: Escapes

  private mutating func escape() throws(SQLError) -> RegularExpressionNode {
    guard let next = peek() else { throw Self.invalid("invalid escape \\ sequence") }
    position += 1
    switch next {
    case "d": return named(.digit)
    case "D": return named(.digit, isNegated: true)
    case "s": return named(.space)
    case "S": return named(.space, isNegated: true)
    case "w": return named(.word)
    case "W": return named(.word, isNegated: true)
    case "A": return .assertion(.textStart)
    case "Z": return .assertion(.textEnd)
    case "m", "<": return .assertion(.wordStart)
    case "M", ">": return .assertion(.wordEnd)
    case "y": return .assertion(.wordBoundary)
    case "Y": return .assertion(.notWordBoundary)
    case "1"..."9": throw .unsupported("back references in regular expressions")
    default: return literal(try character(ofEscape: next))
    }
  }

  /// An escape that stands for one character; its letter has been read.
  private mutating func character(ofEscape letter: Unicode.Scalar) throws(SQLError) -> UInt32 {
    switch letter {
    case "a": return 7
    case "b": return 8
    case "B": return 92
    case "e": return 27
    case "f": return 12
    case "n": return 10
    case "r": return 13
    case "t": return 9
    case "v": return 11
    case "0": return try octal()
    case "x": return try hexadecimal(digits: 1...255)
    case "u": return try hexadecimal(digits: 4...4)
    case "U": return try hexadecimal(digits: 8...8)
    case "c":
      guard let next = peek() else { throw Self.invalid("invalid escape \\ sequence") }
      position += 1
      return next.value & 31
    default:
      if letter.value < 128, CharacterSet.NamedClass.alnum.contains(letter.value) {
        throw Self.invalid("invalid escape \\ sequence")
      }
      return letter.value
    }
  }

  private mutating func octal() throws(SQLError) -> UInt32 {
    var value: UInt32 = 0
    var count = 0
    while count < 2, let digit = peek(), ("0"..."7").contains(digit) {
      value = value * 8 + digit.value - 48
      position += 1
      count += 1
    }
    return try valid(value)
  }

  private mutating func hexadecimal(digits: ClosedRange<Int>) throws(SQLError) -> UInt32 {
    var value: UInt32 = 0
    var count = 0
    while count < digits.upperBound, let digit = peek(), let number = digit.properties.numericHexadecimal {
      value = value &* 16 &+ number
      if value > 0x10_ffff { throw Self.invalid("invalid escape \\ sequence") }
      position += 1
      count += 1
    }
    guard digits.contains(count) else { throw Self.invalid("invalid escape \\ sequence") }
    return try valid(value)
  }

  /// Text cannot hold the character 0.
  private func valid(_ value: UInt32) throws(SQLError) -> UInt32 {
    guard Unicode.Scalar(value) != nil else { throw Self.invalid("invalid escape \\ sequence") }
    return value
  }

  // MARK: Bracket expressions

  private mutating func bracket() throws(SQLError) -> RegularExpressionNode {
    if skip("[:<:]]") { return .assertion(.wordStart) }
    if skip("[:>:]]") { return .assertion(.wordEnd) }
    var set = CharacterSet()
    set.isIgnoringCase = options.isIgnoringCase
    set.isNegated = skip("^")
    if set.isNegated, options.newlineStopsAny { set.ranges.append(10...10) }
    var isFirst = true
    while true {
      guard let next = peek() else { throw Self.invalid("brackets [] not balanced") }
      if next == "]", !isFirst {
        position += 1
        return .characters(set)
      }
      isFirst = false
      guard let low = try element(into: &set) else { continue }
      // A hyphen before the closing bracket is itself.
      guard peek() == "-", peek(1) != "]", peek(1) != nil else {
        set.ranges.append(low...low)
        continue
      }
      position += 1
      guard let high = try element(into: &set), high >= low else { throw Self.invalid("invalid character range") }
      set.ranges.append(low...high)
    }
  }

  /// One character, or nil if a class was read into the set.
  private mutating func element(into set: inout CharacterSet) throws(SQLError) -> UInt32? {
    if skip("[:") {
      let name = try name(upTo: ":]")
      guard let found = CharacterSet.NamedClass(rawValue: name) else { throw Self.invalid("invalid character class") }
      // Without regard to case, `[[:upper:]]` and `[[:lower:]]` are all letters.
      set.classes.append(options.isIgnoringCase && (found == .upper || found == .lower) ? .alpha : found)
      return nil
    }
    for (open, close) in [("[.", ".]"), ("[=", "=]")] where skip(open) {
      let name = try name(upTo: close).unicodeScalars
      guard name.count == 1, let only = name.first else { throw Self.invalid("invalid collating element") }
      return only.value
    }
    guard let next = peek() else { throw Self.invalid("brackets [] not balanced") }
    position += 1
    guard next == "\\" else { return next.value }
    guard let letter = peek() else { throw Self.invalid("invalid escape \\ sequence") }
    position += 1
    switch letter {
    case "d": set.classes.append(.digit)
    case "s": set.classes.append(.space)
    case "w": set.classes.append(.word)
    case "D": set.negatedClasses.append(.digit)
    case "S": set.negatedClasses.append(.space)
    case "W": set.negatedClasses.append(.word)
    default: return try character(ofEscape: letter)
    }
    return nil
  }

  private mutating func name(upTo end: String) throws(SQLError) -> String {
    var name = String.UnicodeScalarView()
    while !starts(with: end) {
      guard let next = peek() else { throw Self.invalid("brackets [] not balanced") }
      name.append(next)
      position += 1
    }
    position += end.unicodeScalars.count
    return String(name)
  }
}

extension Unicode.Scalar.Properties {
  /// The value of an ASCII hexadecimal digit.
  fileprivate var numericHexadecimal: UInt32? {
    guard isASCIIHexDigit, let value = numericType == .decimal ? numericValue : nil else {
      return isASCIIHexDigit ? UInt32(lowercaseMapping.unicodeScalars.first?.value ?? 97) - 87 : nil
    }
    return UInt32(value)
  }
}
