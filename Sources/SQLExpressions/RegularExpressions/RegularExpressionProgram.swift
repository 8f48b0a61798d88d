import Basics

/// A nondeterministic automaton (K. Thompson, "Regular expression search algorithm", CACM 11(6), 1968): instructions that
/// are simulated all at once, so that a search takes at most characters × instructions steps.
struct RegularExpressionProgram: Sendable {
  enum Instruction: Sendable {
    /// A character of the set leads to the next instruction.
    case characters(CharacterSet)
    case jump(Int)
    case split(Int, Int)
    case assertion(PositionAssertion)
    /// Position in `looks` of the expression.
    case look(Int)
    case accept
  }
  private(set) var instructions: [Instruction] = []

  /// `isReversed`: reads the text from its end to its start.
  init(
    _ node: RegularExpressionNode, looks: inout [RegularExpressionNode], isReversed: Bool
  ) throws(SQLError) {
    try add(node, &looks, isReversed)
    try emit(.accept)
  }

  private mutating func emit(_ instruction: Instruction) throws(SQLError) {
    guard instructions.count < RegularExpressionLimits.maximumInstructions else {
      throw RegularExpressionParser.tooComplex
    }
    instructions.append(instruction)
  }

  private mutating func add(
    _ node: RegularExpressionNode, _ looks: inout [RegularExpressionNode], _ isReversed: Bool
  ) throws(SQLError) {
    switch node {
    case .empty: break
    case .characters(let set): try emit(.characters(set))
    case .sequence(let parts):
      for part in isReversed ? parts.reversed() : parts { try add(part, &looks, isReversed) }
    case .alternatives(let branches):
      var jumps: [Int] = []
      for (index, branch) in branches.enumerated() {
        let isLast = index == branches.count - 1
        let split = instructions.count
        if !isLast { try emit(.split(split + 1, 0)) }
        try add(branch, &looks, isReversed)
        if isLast { break }
        jumps.append(instructions.count)
        try emit(.jump(0))
        instructions[split] = .split(split + 1, instructions.count)
      }
      for jump in jumps { instructions[jump] = .jump(instructions.count) }
    case .repetition(let inner, let minimum, let maximum, _):
      for _ in 0..<minimum { try add(inner, &looks, isReversed) }
      guard let maximum else {
        let split = instructions.count
        try emit(.split(split + 1, 0))
        try add(inner, &looks, isReversed)
        try emit(.jump(split))
        instructions[split] = .split(split + 1, instructions.count)
        break
      }
      var splits: [Int] = []
      for _ in minimum..<max(minimum, maximum) {
        splits.append(instructions.count)
        try emit(.split(instructions.count + 1, 0))
        try add(inner, &looks, isReversed)
      }
      for split in splits { instructions[split] = .split(split + 1, instructions.count) }
    case .group(let inner, _): try add(inner, &looks, isReversed)
    case .assertion(let assertion): try emit(.assertion(assertion))
    case .look:
      if let known = looks.firstIndex(of: node) { return try emit(.look(known)) }
      looks.append(node)
      try emit(.look(looks.count - 1))
    }
  }
}

/// Instructions that are alive at one place of the text, each with where its match began.
private struct LiveInstructions {
  private(set) var list: [Int] = []
  private(set) var start: [Int]
  private var stamp: [Int]
  private var generation = 0

  init(count: Int) {
    start = Array(repeating: 0, count: count)
    stamp = Array(repeating: 0, count: count)
  }

  mutating func clear() {
    list.removeAll(keepingCapacity: true)
    generation += 1
  }

  /// Whether it is new, or began earlier than was known.
  mutating func insert(_ instruction: Int, startingAt begin: Int) -> Bool {
    if stamp[instruction] == generation {
      guard begin < start[instruction] else { return false }
      start[instruction] = begin
      return true
    }
    stamp[instruction] = generation
    start[instruction] = begin
    list.append(instruction)
    return true
  }
}

/// Searches one text. Holds what is computed once for it.
struct RegularExpressionSearch {
  let text: [UInt32]
  var stepsLeft = RegularExpressionLimits.maximumSteps
  private var looks: [RegularExpressionNode]
  /// For each lookaround: the places where its inner expression matches.
  private var lookPlaces: [Int: [Bool]] = [:]
  private var pending: [(instruction: Int, start: Int)] = []

  init(_ text: String, looks: [RegularExpressionNode]) {
    self.text = text.unicodeScalars.map(\.value)
    self.looks = looks
  }

  func part(_ range: Range<Int>) -> String {
    var result = String.UnicodeScalarView()
    for value in text[range] { if let scalar = Unicode.Scalar(value) { result.append(scalar) } }
    return String(result)
  }

  mutating func program(
    _ node: RegularExpressionNode, isReversed: Bool = false
  ) throws(SQLError) -> RegularExpressionProgram {
    try RegularExpressionProgram(node, looks: &looks, isReversed: isReversed)
  }

  /// The leftmost match that begins at `from` or later, as long or as short as can be. `isTest`: any match will do.
  mutating func leftmost(
    _ program: RegularExpressionProgram, from: Int, isLongest: Bool, isTest: Bool
  ) throws(SQLError) -> Range<Int>? {
    var live = LiveInstructions(count: program.instructions.count)
    var next = LiveInstructions(count: program.instructions.count)
    var best: Range<Int>?
    live.clear()
    var place = from
    while place <= text.count {
      if best == nil { try follow(program, 0, startingAt: place, at: place, &live) }
      if live.list.isEmpty { return best }
      next.clear()
      try spend(live.list.count)
      for index in live.list {
        let begin = live.start[index]
        if let best, begin > best.lowerBound { continue }
        switch program.instructions[index] {
        case .accept:
          if isTest { return begin..<place }
          if let found = best, begin == found.lowerBound, !isLongest { continue }
          best = begin..<place
        case .characters(let set):
          guard place < text.count, set.contains(text[place]) else { continue }
          try follow(program, index + 1, startingAt: begin, at: place + 1, &next)
        default: break
        }
      }
      swap(&live, &next)
      place += 1
    }
    return best
  }

  /// All places where a match ends that begins at one of `starts` (for a reversed program: where it begins), within `bounds`.
  mutating func reached(
    _ program: RegularExpressionProgram, from starts: [Int], within bounds: ClosedRange<Int>, isReversed: Bool = false
  ) throws(SQLError) -> [Bool] {
    var found = Array(repeating: false, count: bounds.count)
    var begins = Array(repeating: false, count: bounds.count)
    for start in starts { begins[start - bounds.lowerBound] = true }
    var live = LiveInstructions(count: program.instructions.count)
    var next = LiveInstructions(count: program.instructions.count)
    live.clear()
    var place = isReversed ? bounds.upperBound : bounds.lowerBound
    var beginsLeft = starts.count
    while bounds.contains(place) {
      if begins[place - bounds.lowerBound] {
        beginsLeft -= 1
        try follow(program, 0, startingAt: 0, at: place, &live)
      }
      if live.list.isEmpty, beginsLeft <= 0 { break }
      next.clear()
      try spend(live.list.count + 1)
      let character = isReversed ? place - 1 : place
      let step = isReversed ? place - 1 : place + 1
      for index in live.list {
        switch program.instructions[index] {
        case .accept: found[place - bounds.lowerBound] = true
        case .characters(let set):
          guard bounds.contains(step), set.contains(text[character]) else { continue }
          try follow(program, index + 1, startingAt: 0, at: step, &next)
        default: break
        }
      }
      swap(&live, &next)
      place = step
    }
    return found
  }

  private mutating func spend(_ steps: Int) throws(SQLError) {
    stepsLeft -= steps
    if stepsLeft < 0 {
      throw SQLError(.programLimitExceeded, "regular expression takes too many steps to match")
    }
  }

  /// All instructions that wait for a character, reachable without one.
  private mutating func follow(
    _ program: RegularExpressionProgram, _ first: Int, startingAt begin: Int, at place: Int,
    _ live: inout LiveInstructions
  ) throws(SQLError) {
    pending.removeAll(keepingCapacity: true)
    pending.append((first, begin))
    while let (instruction, begin) = pending.popLast() {
      guard live.insert(instruction, startingAt: begin) else { continue }
      switch program.instructions[instruction] {
      case .characters, .accept: break
      case .jump(let target): pending.append((target, begin))
      case .split(let first, let second):
        pending.append((second, begin))
        pending.append((first, begin))
      case .assertion(let assertion):
        if holds(assertion, at: place) { pending.append((instruction + 1, begin)) }
      case .look(let number):
        let saved = pending
        let holds = try look(number, at: place)
        pending = saved
        if holds { pending.append((instruction + 1, begin)) }
      }
    }
  }

  // MARK: Places

  private func isWord(_ position: Int) -> Bool {
    text.indices.contains(position) && CharacterSet.NamedClass.word.contains(text[position])
  }

  private func holds(_ assertion: PositionAssertion, at place: Int) -> Bool {
    switch assertion {
    case .textStart: place == 0
    case .textEnd: place == text.count
    case .lineStart: place == 0 || text[place - 1] == 10
    case .lineEnd: place == text.count || text[place] == 10
    case .wordStart: !isWord(place - 1) && isWord(place)
    case .wordEnd: isWord(place - 1) && !isWord(place)
    case .wordBoundary: isWord(place - 1) != isWord(place)
    case .notWordBoundary: isWord(place - 1) == isWord(place)
    }
  }

  /// Where a lookaround's inner expression matches is found for all places at once.
  private mutating func look(_ number: Int, at place: Int) throws(SQLError) -> Bool {
    guard case .look(let inner, let isBehind, let isNegated) = looks[number] else { return false }
    if let known = lookPlaces[number] { return known[place] != isNegated }
    let program = try program(inner, isReversed: !isBehind)
    let places = try reached(
      program, from: Array(0...text.count), within: 0...text.count, isReversed: !isBehind)
    lookPlaces[number] = places
    return places[place] != isNegated
  }
}
