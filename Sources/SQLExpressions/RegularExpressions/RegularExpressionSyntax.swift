/// A regular expression as a tree (PostgreSQL 15, 9.7.3: "advanced regular expressions").
indirect enum RegularExpressionNode: Hashable, Sendable {
  /// Matches the empty text.
  case empty
  /// One character.
  case characters(CharacterSet)
  case sequence([RegularExpressionNode])
  case alternatives([RegularExpressionNode])
  /// `maximum` nil: no bound. `isGreedy` nil, for `{n}`: as what is repeated.
  case repetition(RegularExpressionNode, minimum: Int, maximum: Int?, isGreedy: Bool?)
  /// Numbered from 1, by its opening parenthesis.
  case group(RegularExpressionNode, number: Int)
  case assertion(PositionAssertion)
  /// `(?=…)`, `(?!…)`, `(?<=…)`, `(?<!…)`.
  case look(RegularExpressionNode, isBehind: Bool, isNegated: Bool)
}

/// What a place between two characters has to be.
enum PositionAssertion: Hashable, Sendable {
  case textStart, textEnd
  /// `^` and `$` where newlines end lines.
  case lineStart, lineEnd
  case wordStart, wordEnd, wordBoundary, notWordBoundary
}

/// A set of characters: ranges and classes, perhaps all others instead.
struct CharacterSet: Hashable, Sendable {
  var ranges: [ClosedRange<UInt32>] = []
  var classes: [NamedClass] = []
  /// Within a bracket expression: all that is not in one of these (`\D`, `\W`, `\S`).
  var negatedClasses: [NamedClass] = []
  var isNegated = false
  var isIgnoringCase = false

  enum NamedClass: String, Hashable, Sendable {
    case alnum, alpha, ascii, blank, cntrl, digit, graph, lower, print, punct, space, upper, word, xdigit
  }

  static func one(_ character: UInt32, isIgnoringCase: Bool) -> CharacterSet {
    CharacterSet(ranges: [character...character], isIgnoringCase: isIgnoringCase)
  }

  static let any = CharacterSet(isNegated: true)

  func contains(_ character: UInt32) -> Bool {
    if !isIgnoringCase { return holds(character) != isNegated }
    if holds(character) { return !isNegated }
    let (lower, upper) = CharacterCase.both(of: character)
    return ((lower != character && holds(lower)) || (upper != character && holds(upper))) != isNegated
  }

  private func holds(_ character: UInt32) -> Bool {
    for range in ranges where range.contains(character) { return true }
    for name in classes where name.contains(character) { return true }
    for name in negatedClasses where !name.contains(character) { return true }
    return false
  }
}

/// The other case of a character, where that is one character.
enum CharacterCase {
  static func both(of character: UInt32) -> (lower: UInt32, upper: UInt32) {
    if character < 128 {
      switch character {
      case 65...90: return (character + 32, character)
      case 97...122: return (character, character - 32)
      default: return (character, character)
      }
    }
    guard let scalar = Unicode.Scalar(character) else { return (character, character) }
    func single(_ mapping: String) -> UInt32 {
      let scalars = mapping.unicodeScalars
      return scalars.count == 1 ? scalars.first?.value ?? character : character
    }
    return (single(scalar.properties.lowercaseMapping), single(scalar.properties.uppercaseMapping))
  }
}

extension CharacterSet.NamedClass {
  func contains(_ character: UInt32) -> Bool {
    if character < 128 { return containsASCII(UInt8(truncatingIfNeeded: character)) }
    guard let properties = Unicode.Scalar(character)?.properties else { return false }
    switch self {
    case .alpha: return properties.isAlphabetic
    case .alnum, .word: return properties.isAlphabetic || properties.generalCategory == .decimalNumber
    case .digit, .xdigit, .ascii: return false
    case .lower: return properties.isLowercase
    case .upper: return properties.isUppercase
    case .space: return properties.isWhitespace
    case .blank: return properties.generalCategory == .spaceSeparator
    case .cntrl: return properties.generalCategory == .control
    case .graph: return !properties.isWhitespace && properties.generalCategory != .control
    case .print: return properties.generalCategory != .control
    case .punct:
      switch properties.generalCategory {
      case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
        .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
        return true
      default: return false
      }
    }
  }

  private func containsASCII(_ character: UInt8) -> Bool {
    let isLower = character >= 97 && character <= 122
    let isUpper = character >= 65 && character <= 90
    let isDigit = character >= 48 && character <= 57
    switch self {
    case .alpha: return isLower || isUpper
    case .alnum: return isLower || isUpper || isDigit
    case .word: return isLower || isUpper || isDigit || character == 95
    case .ascii: return true
    case .digit: return isDigit
    case .xdigit: return isDigit || (character >= 97 && character <= 102) || (character >= 65 && character <= 70)
    case .lower: return isLower
    case .upper: return isUpper
    case .space: return character == 32 || (character >= 9 && character <= 13)
    case .blank: return character == 32 || character == 9
    case .cntrl: return character < 32 || character == 127
    case .graph: return character > 32 && character < 127
    case .print: return character >= 32 && character < 127
    case .punct: return character > 32 && character < 127 && !(isLower || isUpper || isDigit)
    }
  }
}

extension RegularExpressionNode {
  /// Whether a match prefers to be long or short (PostgreSQL 15, 9.7.3.5); nil: it has no choice.
  var isGreedy: Bool? {
    switch self {
    case .empty, .characters, .assertion, .look: nil
    case .group(let inner, _): inner.isGreedy
    case .alternatives: true
    case .sequence(let parts): parts.lazy.compactMap(\.isGreedy).first
    case .repetition(let inner, _, _, let isGreedy): isGreedy ?? inner.isGreedy
    }
  }

  var hasGroups: Bool {
    switch self {
    case .empty, .characters, .assertion, .look: false
    case .group: true
    case .alternatives(let parts), .sequence(let parts): parts.contains { $0.hasGroups }
    case .repetition(let inner, _, _, _): inner.hasGroups
    }
  }
}
