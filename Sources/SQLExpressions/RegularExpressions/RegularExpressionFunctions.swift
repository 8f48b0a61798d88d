import Basics
import SQLValues

/// The functions and operators of regular expressions (PostgreSQL 15, 9.7.3).
enum RegularExpressionFunctions {
  static func evaluate(
    _ function: FunctionID, _ arguments: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    func text(_ index: Int) throws(SQLError) -> String { try TextFunctions.text(arguments, index, function) }
    if function == .similarPattern {
      return .text(try SimilarPattern.regularExpression(try text(0), escape: arguments.count > 1 ? text(1) : "\\"))
    }
    let subject = try text(0)
    let pattern = try text(1)
    switch function {
    case .regexMatch, .regexMatchIgnoringCase:
      var options = RegularExpressionOptions()
      options.isIgnoringCase = function == .regexMatchIgnoringCase
      return .boolean(try context.regularExpressions.expression(pattern, options).matches(subject))
    case .regexSubstring: return try substring(subject, pattern, arguments, &context)
    default: break
    }
    let layout = Layout(function, arguments)
    let flags = try Flags(layout.flags.map { (index) throws(SQLError) in try text(index) } ?? "")
    if flags.isGlobal, function != .regexReplace {
      let hint = function == .regexFirstMatch ? "Use the regexp_matches function instead." : nil
      throw SQLError(
        .invalidParameterValue, "\(layout.name)() does not support the \"global\" option", hint: hint)
    }
    let expression = try context.regularExpressions.expression(pattern, flags.options)
    if function == .regexLike { return .boolean(try expression.matches(subject)) }
    if function == .regexSplit { return .text(ArrayText.format(try split(subject, expression))) }
    let start = try positive(arguments, layout.start, "start", default: 1)
    let which = try positive(arguments, layout.which, "n", default: 1)
    switch function {
    case .regexReplace:
      let isEvery = layout.which == nil ? flags.isGlobal : which == 0
      return .text(
        try replaced(subject, expression, with: text(2), from: start - 1, which: isEvery ? nil : max(which, 1)))
    case .regexFirstMatch:
      var search = expression.search(subject)
      guard let groups = try expression.firstMatch(in: &search, from: 0) else { return .null }
      return .text(ArrayText.format(shown(groups, search)))
    case .regexCount: return .integer(Int64(try matches(subject, expression, from: start - 1).found.count))
    case .regexInstr, .regexSubstr:
      if which == 0 { throw invalid("n", 0) }
      let group = try positive(arguments, layout.group, "subexpr", default: 0, isZeroAllowed: true)
      var wantsEnd = false
      if let index = layout.endOption {
        guard case .integer(let value) = arguments[index] else { throw Builtins.mismatch(function) }
        guard value == 0 || value == 1 else { throw invalid("endoption", value) }
        wantsEnd = value == 1
      }
      let (found, search) = try matches(subject, expression, from: start - 1, atMost: which)
      let nothing: Datum = function == .regexInstr ? .integer(0) : .null
      guard found.count >= which, group < found[which - 1].count, let range = found[which - 1][group] else {
        return nothing
      }
      if function == .regexSubstr { return .text(search.part(range)) }
      return .integer(Int64((wantsEnd ? range.upperBound : range.lowerBound) + 1))
    default: throw Builtins.mismatch(function)
    }
  }

  /// `regexp_matches`: the groups of the first match, or of all of them.
  static func allMatches(
    _ subject: String, _ pattern: String, _ flags: String, _ context: inout EvaluationContext
  ) throws(SQLError) -> [Datum] {
    let flags = try Flags(flags)
    let expression = try context.regularExpressions.expression(pattern, flags.options)
    let (found, search) = try matches(subject, expression, from: 0, atMost: flags.isGlobal ? .max : 1)
    return found.map { .text(ArrayText.format(shown($0, search))) }
  }

  static func allParts(
    _ subject: String, _ pattern: String, _ flags: String, _ context: inout EvaluationContext
  ) throws(SQLError) -> [Datum] {
    let flags = try Flags(flags)
    if flags.isGlobal {
      throw SQLError(.invalidParameterValue, "regexp_split_to_table() does not support the \"global\" option")
    }
    let expression = try context.regularExpressions.expression(pattern, flags.options)
    return try split(subject, expression).map { $0.map { .text($0) } ?? .null }
  }

  // MARK: Arguments

  /// Where the optional arguments of a function stand.
  private struct Layout {
    var name: String
    var flags: Int?
    var start: Int?
    var which: Int?
    var endOption: Int?
    var group: Int?

    init(_ function: FunctionID, _ arguments: [Datum]) {
      func at(_ index: Int) -> Int? { index < arguments.count ? index : nil }
      switch function {
      case .regexReplace:
        name = "regexp_replace"
        if arguments.count == 4, case .text = arguments[3] {
          flags = 3
        } else {
          (start, which, flags) = (at(3), at(4), at(5))
        }
      case .regexCount: (name, start, flags) = ("regexp_count", at(2), at(3))
      case .regexInstr:
        (name, start, which, endOption, flags, group) = ("regexp_instr", at(2), at(3), at(4), at(5), at(6))
      case .regexSubstr: (name, start, which, flags, group) = ("regexp_substr", at(2), at(3), at(4), at(5))
      case .regexLike: (name, flags) = ("regexp_like", at(2))
      case .regexSplit: (name, flags) = ("regexp_split_to_array", at(2))
      default: (name, flags) = ("regexp_match", at(2))
      }
    }
  }

  private struct Flags {
    var options = RegularExpressionOptions()
    var isGlobal = false

    init(_ text: String) throws(SQLError) {
      for letter in text.unicodeScalars {
        if letter == "g" {
          isGlobal = true
        } else if !(try options.apply(letter.value)) {
          throw SQLError(.invalidParameterValue, "invalid regular expression option: \"\(letter)\"")
        }
      }
    }
  }

  private static func invalid(_ name: String, _ value: Int64) -> SQLError {
    SQLError(.invalidParameterValue, "invalid value for parameter \"\(name)\": \(value)")
  }

  private static func positive(
    _ arguments: [Datum], _ index: Int?, _ name: String, default fallback: Int, isZeroAllowed: Bool = false
  ) throws(SQLError) -> Int {
    guard let index, case .integer(let value) = arguments[index] else { return fallback }
    guard value > 0 || ((name == "n" || isZeroAllowed) && value == 0) else { throw invalid(name, value) }
    return Int(value)
  }

  // MARK: Matches

  private static func shown(_ groups: [Range<Int>?], _ search: RegularExpressionSearch) -> [String?] {
    (groups.count == 1 ? groups[...] : groups.dropFirst()).map { $0.map { search.part($0) } }
  }

  /// One after another; behind an empty match the search goes on one character further.
  private static func matches(
    _ subject: String, _ expression: RegularExpression, from start: Int, atMost limit: Int = .max
  ) throws(SQLError) -> (found: [[Range<Int>?]], search: RegularExpressionSearch) {
    var search = expression.search(subject)
    var found: [[Range<Int>?]] = []
    var place = start
    while found.count < limit, let groups = try expression.firstMatch(in: &search, from: place), let whole = groups[0] {
      found.append(groups)
      place = whole.isEmpty ? whole.upperBound + 1 : whole.upperBound
    }
    return (found, search)
  }

  private static func substring(
    _ subject: String, _ pattern: String, _ arguments: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    var pattern = pattern
    if arguments.count == 3 {
      pattern = try SimilarPattern.regularExpression(
        pattern, escape: try TextFunctions.text(arguments, 2, .regexSubstring))
    }
    let expression = try context.regularExpressions.expression(pattern, RegularExpressionOptions())
    var search = expression.search(subject)
    guard let groups = try expression.firstMatch(in: &search, from: 0),
      let range = groups.count > 1 ? groups[1] : groups[0]
    else { return .null }
    return .text(search.part(range))
  }

  private static func split(_ subject: String, _ expression: RegularExpression) throws(SQLError) -> [String?] {
    let (found, search) = try matches(subject, expression, from: 0)
    var parts: [String?] = []
    var begin = 0
    // An empty match splits only between two characters, and not right behind another match.
    for groups in found {
      guard let range = groups[0], range.lowerBound < search.text.count, range.upperBound > begin else { continue }
      parts.append(search.part(begin..<range.lowerBound))
      begin = range.upperBound
    }
    parts.append(search.part(begin..<search.text.count))
    return parts
  }

  private static func replaced(
    _ subject: String, _ expression: RegularExpression, with replacement: String, from start: Int, which: Int?
  ) throws(SQLError) -> String {
    let (found, search) = try matches(subject, expression, from: start, atMost: which ?? .max)
    let chosen = which.map { number in number <= found.count ? [found[number - 1]] : [] } ?? found
    var result = ""
    var place = 0
    for groups in chosen {
      guard let range = groups[0] else { continue }
      result += search.part(place..<range.lowerBound)
      result += expand(replacement, groups, search)
      place = range.upperBound
      guard result.utf8.count <= TextFunctions.maximumResultBytes else {
        throw SQLError(.programLimitExceeded, "requested length too large")
      }
    }
    return result + search.part(place..<search.text.count)
  }

  /// `\1` … `\9` are groups, `\&` is the whole match, `\\` a backslash.
  private static func expand(
    _ replacement: String, _ groups: [Range<Int>?], _ search: RegularExpressionSearch
  ) -> String {
    var result = String.UnicodeScalarView()
    var iterator = replacement.unicodeScalars.makeIterator()
    while let scalar = iterator.next() {
      guard scalar == "\\" else {
        result.append(scalar)
        continue
      }
      guard let next = iterator.next() else {
        result.append(scalar)
        break
      }
      switch next {
      case "1"..."9":
        let number = Int(next.value) - 48
        if number < groups.count, let range = groups[number] {
          result.append(contentsOf: search.part(range).unicodeScalars)
        }
      case "&": if let range = groups[0] { result.append(contentsOf: search.part(range).unicodeScalars) }
      case "\\": result.append(next)
      default:
        result.append(scalar)
        result.append(next)
      }
    }
    return String(result)
  }
}
