import Basics
import SQLExpressions
import SQLValues

/// Regular expressions, as written by anybody, and small ones against a matcher that tries everything.
let regularExpressionTargets: [FuzzTarget] = [
  FuzzTarget("regular-expression", seeds: { regularExpressionSeeds.map { Array($0.utf8) } }) { bytes in
    var input = FuzzInput(bytes)
    let text = String(decoding: input.piece(), as: UTF8.self)
    _ = answer(.regexFirstMatch, text, input.text)
    _ = answer(.regexReplace, text, input.text, "<\\1>")
    _ = answer(.regexSplit, text, input.text)
    _ = answer(.regexMatch, text, answer(.similarPattern, input.text).map { $0.text(as: .text) } ?? "")
  },
  FuzzTarget("regular-expression-naive", seeds: { [[3, 0, 1, 2, 3, 0, 4, 1, 9, 9], [2, 1, 0, 5, 0, 0, 6, 1]] }) {
    bytes in
    var input = FuzzInput(bytes)
    let text = (0..<Int(input.byte() % 7)).map { _ in input.choice(["a", "b", "c"] as [Character]) }
    compare(SmallExpression(&input, depth: 0), text)
  },
]

private let regularExpressionSeeds = [
  "\u{6}foobar(o+)b", "\u{3}a b^(a|b)*$", "\u{4}ab12[[:alpha:]]{1,2}?\\d+", "\u{2}ab(?=b)(?<!a)\\m.\\M",
  "\u{1}a(?i)[^a-c]*?", "\u{3}abc%(b|_)#\"#\"",
]

private func answer(_ function: FunctionID, _ arguments: String...) -> Datum? {
  var context = EvaluationContext()
  return try? Expression.call(function, arguments.map { .constant(.text($0), .text) }, .text).evaluate([], &context)
}

/// A regular expression of a few forms, matched by its definition.
private indirect enum SmallExpression {
  case letter(Character)
  case any
  case sequence(SmallExpression, SmallExpression)
  case alternatives(SmallExpression, SmallExpression)
  case repetition(SmallExpression, Int, Int?)
  case start, end

  init(_ input: inout FuzzInput, depth: Int) {
    let kind = input.byte() % (depth > 4 ? 4 : 12)
    switch kind {
    case 0...2: self = .letter(["a", "b", "c"][Int(kind)])
    case 3: self = .any
    case 4, 5, 6:
      let first = SmallExpression(&input, depth: depth + 1)
      self = .sequence(first, SmallExpression(&input, depth: depth + 1))
    case 7:
      let first = SmallExpression(&input, depth: depth + 1)
      self = .alternatives(first, SmallExpression(&input, depth: depth + 1))
    case 8, 9:
      let least = Int(input.byte() % 3)
      let most = Int(input.byte() % 4)
      self = .repetition(SmallExpression(&input, depth: depth + 1), least, most == 3 ? nil : least + most)
    case 10: self = .start
    default: self = .end
    }
  }

  var pattern: String {
    switch self {
    case .letter(let letter): String(letter)
    case .any: "."
    case .sequence(let first, let second): "(?:\(first.pattern))(?:\(second.pattern))"
    case .alternatives(let first, let second): "(?:\(first.pattern)|\(second.pattern))"
    case .repetition(let inner, let least, let most): "(?:\(inner.pattern)){\(least),\(most.map(String.init) ?? "")}"
    case .start: "^"
    case .end: "$"
    }
  }

  /// Where a match that begins at `place` may end.
  func ends(_ text: [Character], _ place: Int) -> Set<Int> {
    switch self {
    case .letter(let letter): return place < text.count && text[place] == letter ? [place + 1] : []
    case .any: return place < text.count ? [place + 1] : []
    case .sequence(let first, let second):
      return first.ends(text, place).reduce(into: []) { $0.formUnion(second.ends(text, $1)) }
    case .alternatives(let first, let second): return first.ends(text, place).union(second.ends(text, place))
    case .repetition(let inner, let least, let most):
      var current: Set<Int> = [place]
      var all: Set<Int> = least == 0 ? current : []
      for count in 1...max(1, most ?? least + text.count + 1) where count <= most ?? .max {
        current = current.reduce(into: []) { $0.formUnion(inner.ends(text, $1)) }
        if count >= least { all.formUnion(current) }
      }
      return all
    case .start: return place == 0 ? [place] : []
    case .end: return place == text.count ? [place] : []
    }
  }
}

private func compare(_ expression: SmallExpression, _ text: [Character]) {
  let subject = String(text)
  var expected: (start: Int, end: Int)?
  for place in 0...text.count {
    if let end = expression.ends(text, place).max() {
      expected = (place, end)
      break
    }
  }
  var context = EvaluationContext()
  func position(_ option: Int64) -> Datum? {
    let arguments: [Expression] = [
      .constant(.text(subject), .text), .constant(.text(expression.pattern), .text), .constant(.integer(1), .int4),
      .constant(.integer(1), .int4), .constant(.integer(option), .int4),
    ]
    return try? Expression.call(.regexInstr, arguments, .int4).evaluate([], &context)
  }
  let what = "\(expression.pattern) in \(subject)"
  require(position(0) == .integer(expected.map { Int64($0.start + 1) } ?? 0), "\(what) begins where it should")
  require(position(1) == .integer(expected.map { Int64($0.end + 1) } ?? 0), "\(what) ends where it should")
  require(
    answer(.regexMatch, subject, expression.pattern) == .boolean(expected != nil), "\(what) matches if it should")
}
