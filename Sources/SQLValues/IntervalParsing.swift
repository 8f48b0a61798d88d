/// Reads intervals: `1 year 2 mons -3 days 04:05:06.7`, `1.5 hours ago`, `P1Y2M3DT4H5M6S` (PostgreSQL 15, 8.5.4).
enum IntervalParser {
  /// nil if the text is no interval or a field overflows.
  static func parse(_ text: String) -> IntervalValue? {
    guard let trimmed = String(text.utf8.trimmingBlanks)?.lowercased(), !trimmed.isEmpty else { return nil }
    var sum = Sum()
    if trimmed.hasPrefix("p") {
      guard parseISO(trimmed.dropFirst(), into: &sum) else { return nil }
      return sum.value(negated: false)
    }
    var words = split(trimmed)
    if words.first == "@" { words.removeFirst() }
    var isNegated = false
    if words.last == "ago" {
      isNegated = true
      words.removeLast()
    }
    guard !words.isEmpty else { return nil }
    var index = 0
    while index < words.count {
      let word = words[index]
      if word.contains(":") {
        guard let time = clock(word) else { return nil }
        sum.add(microseconds: time)
        index += 1
        continue
      }
      guard let number = Decimal(word) else { return nil }
      index += 1
      // A number without a unit is seconds.
      let unit = index < words.count && words[index].first?.isLetter == true ? words[index] : "second"
      if index < words.count, words[index].first?.isLetter == true { index += 1 }
      guard sum.add(number, unit: unit) else { return nil }
    }
    return sum.value(negated: isNegated)
  }

  /// Splits at blanks and between digits and letters (`1h30m`).
  private static func split(_ text: String) -> [String] {
    var words: [String] = []
    var current = ""
    var previous: Character?
    for character in text {
      if character == " " || character == "\t" || character == "\n" {
        if !current.isEmpty { words.append(current) }
        current = ""
      } else {
        if let last = previous, !current.isEmpty, last.isLetter != character.isLetter {
          words.append(current)
          current = ""
        }
        current.append(character)
      }
      previous = character
    }
    if !current.isEmpty { words.append(current) }
    return words
  }

  private static func clock(_ text: String) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let parts = text.drop { $0 == "-" || $0 == "+" }.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 || parts.count == 3, let hours = Int64(parts[0]), let minutes = Int64(parts[1]),
      hours >= 0, minutes >= 0, minutes < 60
    else { return nil }
    var micro: Int64 = 0
    if parts.count == 3 {
      guard let seconds = Decimal(String(parts[2])), seconds.signum >= 0,
        let exact = (try? Decimal.multiply(seconds, Decimal(1_000_000)))?.int64, exact <= 60_000_000
      else { return nil }
      micro = exact
    }
    let total = (Int128(hours) * 60 + Int128(minutes)) * 60_000_000 + Int128(micro)
    return Int64(exactly: isNegative ? -total : total)
  }

  private static func parseISO(_ text: Substring, into sum: inout Sum) -> Bool {
    var number = ""
    var inTime = false
    var sawField = false
    for character in text {
      if character == "t" {
        inTime = true
      } else if character.isLetter {
        guard let value = Decimal(number) else { return false }
        number = ""
        sawField = true
        let unit: String
        switch character {
        case "y": unit = "year"
        case "m": unit = inTime ? "minute" : "month"
        case "w": unit = "week"
        case "d": unit = "day"
        case "h": unit = "hour"
        case "s": unit = "second"
        default: return false
        }
        guard sum.add(value, unit: unit) else { return false }
      } else {
        number.append(character)
      }
    }
    return number.isEmpty && sawField
  }

  struct Sum {
    var months: Int64 = 0
    var days: Int64 = 0
    var microseconds: Int64 = 0
    var overflowed = false

    mutating func add(microseconds more: Int64) {
      let (sum, overflow) = microseconds.addingReportingOverflow(more)
      microseconds = sum
      overflowed = overflowed || overflow
    }

    private mutating func add(_ amount: Decimal, to field: WritableKeyPath<Sum, Int64>) -> Decimal? {
      let whole = amount.rounded(to: 0, .towardsZero)
      guard let integer = whole.int64, integer.magnitude <= UInt64(Int32.max) + 1 else { return nil }
      self[keyPath: field] += integer
      return try? Decimal.subtract(amount, whole)
    }

    /// A fraction of a unit flows into the next smaller one: months have 30 days.
    mutating func add(_ amount: Decimal, unit: String) -> Bool {
      func scaled(_ factor: Int64) -> Decimal? { try? Decimal.multiply(amount, Decimal(factor)) }
      func time(_ perUnit: Int64) -> Bool {
        guard let exact = scaled(perUnit)?.int64 else { return false }
        add(microseconds: exact)
        return true
      }
      func monthsOf(_ factor: Int64) -> Bool {
        guard let all = scaled(factor), let fraction = add(all, to: \.months) else { return false }
        // Fractions of years give whole months only.
        if factor > 1 { return true }
        guard !fraction.isZero else { return true }
        return (try? Decimal.multiply(fraction, Decimal(30))).map { add($0, unit: "day") } ?? false
      }
      switch unit {
      case "microsecond", "microseconds", "us", "usec", "usecs": return time(1)
      case "millisecond", "milliseconds", "ms", "msec", "msecs": return time(1_000)
      case "second", "seconds", "sec", "secs", "s": return time(1_000_000)
      case "minute", "minutes", "min", "mins", "m": return time(60_000_000)
      case "hour", "hours", "hr", "hrs", "h": return time(3_600_000_000)
      case "day", "days", "d":
        guard let fraction = add(amount, to: \.days) else { return false }
        guard !fraction.isZero else { return true }
        guard let exact = (try? Decimal.multiply(fraction, Decimal(86_400_000_000)))?.int64 else { return false }
        add(microseconds: exact)
        return true
      case "week", "weeks", "w":
        guard let all = scaled(7) else { return false }
        return add(all, unit: "day")
      case "month", "months", "mon", "mons": return monthsOf(1)
      case "year", "years", "yr", "yrs", "y": return monthsOf(12)
      case "decade", "decades": return monthsOf(120)
      case "century", "centuries", "c": return monthsOf(1_200)
      case "millennium", "millennia", "mil", "mils": return monthsOf(12_000)
      default: return false
      }
    }

    func value(negated: Bool) -> IntervalValue? {
      let sign: Int64 = negated ? -1 : 1
      guard !overflowed, let months = Int32(exactly: months * sign), let days = Int32(exactly: days * sign) else {
        return nil
      }
      let (time, overflow) = microseconds.multipliedReportingOverflow(by: sign)
      return overflow ? nil : IntervalValue(months: months, days: days, microseconds: time)
    }
  }
}
