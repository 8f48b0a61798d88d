import Basics

/// A regular expression with PostgreSQL's meaning: the leftmost match; of those the longest, or the shortest where the
/// expression prefers that; within it each part takes as much (or as little) as the parts behind it leave, earlier parts
/// first (PostgreSQL 15, 9.7.3.5). Time and memory are bounded for every pattern and text (`RegularExpressionLimits`).
struct RegularExpression: Sendable {
  private let tree: RegularExpressionNode
  /// Number of capturing groups.
  let groupCount: Int
  private let isGreedy: Bool
  private let program: RegularExpressionProgram
  private let looks: [RegularExpressionNode]

  init(_ pattern: String, _ options: RegularExpressionOptions = RegularExpressionOptions()) throws(SQLError) {
    var parser = try RegularExpressionParser(pattern, options)
    tree = try parser.parse()
    groupCount = parser.groupCount
    isGreedy = tree.isGreedy ?? true
    var looks: [RegularExpressionNode] = []
    program = try RegularExpressionProgram(tree, looks: &looks, isReversed: false)
    self.looks = looks
  }

  func search(_ text: String) -> RegularExpressionSearch { RegularExpressionSearch(text, looks: looks) }

  func matches(_ text: String) throws(SQLError) -> Bool {
    var search = search(text)
    return try search.leftmost(program, from: 0, isLongest: isGreedy, isTest: true) != nil
  }

  /// The ranges, in characters, of the first match from `start` on and of its groups; nil if there is none. `search` is
  /// one of this expression.
  func firstMatch(in search: inout RegularExpressionSearch, from start: Int) throws(SQLError) -> [Range<Int>?]? {
    guard start <= search.text.count else { return nil }
    guard let range = try search.leftmost(program, from: start, isLongest: isGreedy, isTest: false) else { return nil }
    var groups = [Range<Int>?](repeating: nil, count: groupCount + 1)
    groups[0] = range
    if groupCount > 0 { try dissect(tree, range, &groups, &search) }
    return groups
  }

  // MARK: Groups

  /// Finds what the groups within `node`, which matches exactly `range`, have matched.
  private func dissect(
    _ node: RegularExpressionNode, _ range: Range<Int>, _ groups: inout [Range<Int>?],
    _ search: inout RegularExpressionSearch
  ) throws(SQLError) {
    guard node.hasGroups else { return }
    switch node {
    case .empty, .characters, .assertion, .look: break
    case .group(let inner, let number):
      groups[number] = range
      try dissect(inner, range, &groups, &search)
    case .alternatives(let branches):
      for branch in branches {
        let ends = try reachable(branch, range, &search)
        if ends[range.count] { return try dissect(branch, range, &groups, &search) }
      }
    case .sequence(let parts): try dissect(parts, range, &groups, &search)
    case .repetition(let inner, let minimum, let maximum, _):
      try dissect(inner, minimum, maximum, range, &groups, &search)
    }
  }

  private func dissect(
    _ parts: [RegularExpressionNode], _ range: Range<Int>, _ groups: inout [Range<Int>?],
    _ search: inout RegularExpressionSearch
  ) throws(SQLError) {
    var begin = range.lowerBound
    for (index, part) in parts.enumerated() {
      let rest = Array(parts[(index + 1)...])
      if !part.hasGroups, !rest.contains(where: { $0.hasGroups }) { return }
      let here = begin..<range.upperBound
      if rest.isEmpty { return try dissect(part, here, &groups, &search) }
      let ends = try reachable(part, here, &search)
      let starts = try continuations(.sequence(rest), here, &search)
      let order = Self.places(here.count, fromLongest: part.isGreedy ?? true)
      guard let length = order.first(where: { ends[$0] && starts[$0] }) else { return }
      try dissect(part, begin..<begin + length, &groups, &search)
      begin += length
    }
  }

  /// Only the last repetition counts.
  private func dissect(
    _ inner: RegularExpressionNode, _ minimum: Int, _ maximum: Int?, _ range: Range<Int>,
    _ groups: inout [Range<Int>?], _ search: inout RegularExpressionSearch
  ) throws(SQLError) {
    // Of no text at all there is one repetition if it can be empty, else none.
    if range.isEmpty, minimum == 0, !(try reachable(inner, range, &search))[0] { return }
    if maximum == 0 { return }
    var begin = range.lowerBound
    var count = 0
    var last = begin..<begin
    // Behind any repetition of an unbounded one may come any number, so where they may begin is the same each time.
    let isFree = maximum == nil && minimum <= 1
    let freeStarts =
      isFree
      ? try continuations(.repetition(inner, minimum: 0, maximum: nil, isGreedy: true), range, &search) : nil
    while true {
      let here = begin..<range.upperBound
      let ends = try reachable(inner, here, &search)
      count += 1
      let starts: [Bool]
      if let freeStarts {
        starts = Array(freeStarts[(begin - range.lowerBound)...])
      } else {
        let rest = RegularExpressionNode.repetition(
          inner, minimum: max(0, minimum - count), maximum: maximum.map { max(0, $0 - count) }, isGreedy: true)
        starts = try continuations(rest, here, &search)
      }
      let order = Self.places(here.count, fromLongest: inner.isGreedy ?? true)
      let fitting = order.filter { ends[$0] && starts[$0] }
      guard let length = fitting.first(where: { $0 > 0 }) ?? fitting.first else { return }
      last = begin..<begin + length
      begin += length
      if begin == range.upperBound || length == 0 { break }
    }
    try dissect(inner, last, &groups, &search)
  }

  private static func places(_ count: Int, fromLongest: Bool) -> [Int] {
    fromLongest ? Array((0...count).reversed()) : Array(0...count)
  }

  /// Lengths that `node` can match from the start of the range.
  private func reachable(
    _ node: RegularExpressionNode, _ range: Range<Int>, _ search: inout RegularExpressionSearch
  ) throws(SQLError) -> [Bool] {
    let program = try search.program(node)
    return try search.reached(
      program, from: [range.lowerBound], within: range.lowerBound...range.upperBound)
  }

  /// Distances from the start of the range from where `node` can match up to its end.
  private func continuations(
    _ node: RegularExpressionNode, _ range: Range<Int>, _ search: inout RegularExpressionSearch
  ) throws(SQLError) -> [Bool] {
    let program = try search.program(node, isReversed: true)
    return try search.reached(
      program, from: [range.upperBound], within: range.lowerBound...range.upperBound, isReversed: true)
  }
}

/// The expressions that a statement has used last: the same pattern usually meets many texts.
public struct RegularExpressionCache: Sendable {
  private struct Entry: Sendable {
    var pattern: String
    var options: RegularExpressionOptions
    var expression: RegularExpression
  }
  private static let capacity = 8
  private var entries: [Entry] = []

  public init() {}

  mutating func expression(
    _ pattern: String, _ options: RegularExpressionOptions
  ) throws(SQLError) -> RegularExpression {
    if let known = entries.first(where: { $0.options == options && $0.pattern.utf8.elementsEqual(pattern.utf8) }) {
      return known.expression
    }
    let expression = try RegularExpression(pattern, options)
    if entries.count == Self.capacity { entries.removeFirst() }
    entries.append(Entry(pattern: pattern, options: options, expression: expression))
    return expression
  }
}
