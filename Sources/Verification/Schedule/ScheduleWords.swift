/// Why a schedule cannot be read.
public struct ScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Counted from 1.
  public var line: Int
  public var message: String

  public var description: String { "line \(line): \(message)" }
}

/// The words of one line, taken one by one.
struct ScheduleWords {
  let line: Int
  private var rest: ArraySlice<Substring>

  init(_ text: Substring, line: Int) {
    self.line = line
    rest = text.split { $0 == " " || $0 == "\t" }[...]
  }

  func error(_ message: String) -> ScheduleError { ScheduleError(line: line, message: message) }

  mutating func next(_ what: String) throws(ScheduleError) -> String {
    guard let word = rest.popFirst() else { throw error("\(what) is missing") }
    return String(word)
  }

  mutating func skip(_ word: String) -> Bool {
    guard rest.first.map({ $0 == word }) ?? false else { return false }
    rest.removeFirst()
    return true
  }

  mutating func expect(_ word: String) throws(ScheduleError) {
    guard skip(word) else { throw error("\(word) is missing") }
  }

  mutating func arrow(_ known: [String]) throws(ScheduleError) -> String {
    let word = try next("an arrow")
    guard known.contains(word) else { throw error("\(known.joined(separator: " or ")) instead of \(word)") }
    return word
  }

  func end() throws(ScheduleError) {
    if let word = rest.first { throw error("nothing may follow: \(word)") }
  }

  /// A whole number before `suffix`.
  mutating func number(suffix: String) throws(ScheduleError) -> Int64 {
    let word = try next("a number")
    guard word.hasSuffix(suffix), let number = Int64(word.dropLast(suffix.count)) else {
      throw error("\(word) is not a number of \(suffix)")
    }
    return number
  }

  /// Milliseconds, of either sign.
  mutating func signedMilliseconds() throws(ScheduleError) -> Int64 {
    let word = try next("a time")
    let isNegative = word.hasPrefix("-")
    let magnitude = Int64(clamping: try nanoseconds(isNegative ? String(word.dropFirst()) : word) / 1_000_000)
    return isNegative ? -magnitude : magnitude
  }

  /// Nanoseconds: `3200ms`, `3.5s`, `40us`, `7ns`; a day at most.
  mutating func time() throws(ScheduleError) -> UInt64 { try nanoseconds(try next("a time")) }

  private static let units: [(suffix: String, nanoseconds: UInt64)] = [
    ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
  ]
  private static let longest: UInt64 = 86_400_000_000_000

  private func nanoseconds(_ word: String) throws(ScheduleError) -> UInt64 {
    guard let unit = Self.units.first(where: { word.hasSuffix($0.suffix) }) else {
      throw error("\(word) is not a time: ns, us, ms or s is missing")
    }
    let digits = word.dropLast(unit.suffix.count).split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(digits.count), let whole = UInt64(digits[0]), whole <= Self.longest / unit.nanoseconds else {
      throw error("\(word) is not a time")
    }
    var value = whole * unit.nanoseconds
    var place = unit.nanoseconds
    for digit in digits.count == 2 ? digits[1] : "" {
      guard let number = digit.wholeNumberValue, (0...9).contains(number) else { throw error("\(word) is not a time") }
      place /= 10
      value += UInt64(number) * place
    }
    return min(value, Self.longest)
  }
}
