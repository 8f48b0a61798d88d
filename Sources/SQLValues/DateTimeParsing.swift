import Basics

/// Reads dates and timestamps: ISO 8601 and the usual relatives (`2024-02-29 12:30:00.5+02`, `2024/2/9`, `20240229`,
/// `Feb 29, 2024 3 PM`, `infinity`, `epoch`, `now`, `today`, `tomorrow`, `yesterday`). Time zones are offsets, `Z` and
/// `UTC`; month-first order for `1/2/2024` (PostgreSQL 15, B.1, DateStyle ISO, MDY).
enum DateTimeParser {
  private static let words: Set<String> = ["now", "today", "tomorrow", "yesterday"]

  static func containsWord(_ text: String) -> Bool {
    text.lowercased().split(whereSeparator: { !$0.isLetter }).contains { words.contains(String($0)) }
  }

  enum Outcome {
    case infinity
    case minusInfinity
    /// Offset from UTC in seconds east, if one was written.
    case fields(TimestampFields, offsetSeconds: Int?)
  }

  enum Failure: Error {
    case syntax
    case fieldOutOfRange
  }

  /// `now` is microseconds since 2000, for the words that stand for the present.
  static func parse(_ text: String, now: Int64) throws(Failure) -> Outcome {
    let trimmed = String(text.utf8.trimmingBlanks)?.lowercased() ?? ""
    switch trimmed {
    case "infinity", "+infinity": return .infinity
    case "-infinity": return .minusInfinity
    case "epoch":
      return .fields(TimestampFields(microseconds: -CalendarDate.microsecondsFrom1970), offsetSeconds: 0)
    case "now": return .fields(TimestampFields(microseconds: now), offsetSeconds: 0)
    default: break
    }
    var scanner = Scanner(Array(trimmed.utf8))
    return try scanner.parse(now: now)
  }

  private struct Scanner {
    let bytes: [UInt8]
    var position = 0
    var date: CalendarDate?
    var time: (hour: Int, minute: Int, second: Int, microsecond: Int)?
    var offset: Int?
    var isBC = false
    var loose: [Int] = []
    var monthName: Int?

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    static let months = [
      "jan": 1, "january": 1, "feb": 2, "february": 2, "mar": 3, "march": 3, "apr": 4, "april": 4, "may": 5, "jun": 6,
      "june": 6, "jul": 7, "july": 7, "aug": 8, "august": 8, "sep": 9, "sept": 9, "september": 9, "oct": 10,
      "october": 10, "nov": 11, "november": 11, "dec": 12, "december": 12,
    ]
    static let weekdays: Set<String> = [
      "mon", "monday", "tue", "tues", "tuesday", "wed", "wednesday", "thu", "thurs", "thursday", "fri", "friday", "sat",
      "saturday", "sun", "sunday",
    ]

    func byte(_ ahead: Int = 0) -> UInt8? { position + ahead < bytes.count ? bytes[position + ahead] : nil }
    static func isDigit(_ byte: UInt8?) -> Bool { byte.map { $0 >= 48 && $0 <= 57 } ?? false }
    static func isLetter(_ byte: UInt8?) -> Bool { byte.map { $0 >= 97 && $0 <= 122 } ?? false }

    mutating func digits() -> [UInt8] {
      let start = position
      while Self.isDigit(byte()) { position += 1 }
      return Array(bytes[start..<position])
    }

    func value(_ digits: [UInt8]) throws(Failure) -> Int {
      guard !digits.isEmpty, digits.count <= 9 else { throw .fieldOutOfRange }
      return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    }

    mutating func parse(now: Int64) throws(Failure) -> Outcome {
      while let current = byte() {
        switch current {
        case UInt8(ascii: " "), UInt8(ascii: ","), 9...13: position += 1
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
          guard time != nil, offset == nil else { throw .syntax }
          try parseOffset()
        case _ where Self.isDigit(current): try parseNumber()
        case _ where Self.isLetter(current): try parseWord(now: now)
        default: throw .syntax
        }
      }
      try assembleLooseDate()
      guard var day = date else { throw .syntax }
      if isBC {
        guard day.year > 0 else { throw .fieldOutOfRange }
        day.year = 1 - day.year
      }
      guard day.isValid else { throw .fieldOutOfRange }
      var fields = TimestampFields(microseconds: 0)
      fields.date = day
      if let time {
        guard time.hour <= 24, time.minute <= 59, time.second <= 60,
          time.hour < 24 || (time.minute == 0 && time.second == 0 && time.microsecond == 0)
        else { throw .fieldOutOfRange }
        fields.hour = time.hour
        fields.minute = time.minute
        fields.second = time.second
        fields.microsecond = time.microsecond
      }
      return .fields(fields, offsetSeconds: offset)
    }

    private mutating func parseNumber() throws(Failure) {
      let first = digits()
      switch byte() {
      case UInt8(ascii: ":"): try parseTime(hour: try value(first))
      case UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "."):
        guard date == nil, loose.isEmpty, monthName == nil else { throw .syntax }
        try parseDate(first)
      default:
        if first.count == 8, date == nil {
          date = CalendarDate(
            year: try value(Array(first[0..<4])), month: try value(Array(first[4..<6])),
            day: try value(Array(first[6..<8])))
        } else if first.count == 6, date != nil, time == nil {
          time = (
            try value(Array(first[0..<2])), try value(Array(first[2..<4])), try value(Array(first[4..<6])),
            try fraction()
          )
        } else if date != nil, time == nil, Self.isLetter(byte()) || byte() == UInt8(ascii: " ") {
          time = (try value(first), 0, 0, 0)
        } else {
          loose.append(try value(first))
        }
      }
    }

    private mutating func parseDate(_ first: [UInt8]) throws(Failure) {
      let separator = byte()
      position += 1
      if Self.isLetter(byte()) {
        // 29-Feb-2024
        guard let month = Self.months[word()] else { throw .syntax }
        guard byte() == separator else { throw .syntax }
        position += 1
        let last = digits()
        date =
          first.count > 2
          ? CalendarDate(year: try value(first), month: month, day: try value(last))
          : CalendarDate(year: try year(last), month: month, day: try value(first))
        return
      }
      let second = digits()
      guard !second.isEmpty else { throw .syntax }
      guard byte() == separator else {
        // 2024.060 and the like: day of the year.
        guard first.count >= 4, second.count == 3 else { throw .syntax }
        let start = CalendarDate(year: try value(first), month: 1, day: 1).daysSince2000
        date = CalendarDate(daysSince2000: start + (try value(second)) - 1)
        return
      }
      position += 1
      let third = digits()
      guard !third.isEmpty else { throw .syntax }
      if first.count > 2 {
        date = CalendarDate(year: try value(first), month: try value(second), day: try value(third))
      } else {
        date = CalendarDate(year: try year(third), month: try value(first), day: try value(second))
      }
      if separator != UInt8(ascii: "."), byte() == UInt8(ascii: "t"), Self.isDigit(byte(1)) { position += 1 }
    }

    /// Two digits stand for 1970 to 2069.
    private func year(_ digits: [UInt8]) throws(Failure) -> Int {
      let number = try value(digits)
      return digits.count <= 2 ? (number < 70 ? number + 2_000 : number + 1_900) : number
    }

    private mutating func parseTime(hour: Int) throws(Failure) {
      guard time == nil else { throw .syntax }
      position += 1
      let minute = try value(digits())
      var second = 0
      var micro = 0
      if byte() == UInt8(ascii: ":") {
        position += 1
        second = try value(digits())
        micro = try fraction()
      }
      time = (hour, minute, second, micro)
    }

    /// `.5` as microseconds, rounded.
    private mutating func fraction() throws(Failure) -> Int {
      guard byte() == UInt8(ascii: ".") else { return 0 }
      position += 1
      let all = digits()
      var micro = 0
      for index in 0..<6 { micro = micro * 10 + (index < all.count ? Int(all[index] - 48) : 0) }
      if all.count > 6, all[6] >= 53 { micro += 1 }
      return micro
    }

    private mutating func parseOffset() throws(Failure) {
      let sign = byte() == UInt8(ascii: "-") ? -1 : 1
      position += 1
      let first = digits()
      guard !first.isEmpty else { throw .syntax }
      var hours = 0
      var minutes = 0
      var seconds = 0
      if first.count == 4 {
        hours = try value(Array(first[0..<2]))
        minutes = try value(Array(first[2..<4]))
      } else {
        guard first.count <= 2 else { throw .syntax }
        hours = try value(first)
        if byte() == UInt8(ascii: ":") {
          position += 1
          minutes = try value(digits())
          if byte() == UInt8(ascii: ":") {
            position += 1
            seconds = try value(digits())
          }
        }
      }
      guard hours <= 15, minutes <= 59, seconds <= 59 else { throw .fieldOutOfRange }
      offset = sign * (hours * 3_600 + minutes * 60 + seconds)
    }

    private mutating func word() -> String {
      let start = position
      while Self.isLetter(byte()) { position += 1 }
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func parseWord(now: Int64) throws(Failure) {
      let name = word()
      switch name {
      case "z", "utc", "gmt", "zulu":
        guard offset == nil else { throw .syntax }
        offset = 0
      case "t": guard date != nil, time == nil, Self.isDigit(byte()) else { throw .syntax }
      case "bc": isBC = true
      case "ad": break
      case "am", "pm":
        guard var clock = time, clock.hour >= 1, clock.hour <= 12 else { throw .fieldOutOfRange }
        clock.hour = clock.hour % 12 + (name == "pm" ? 12 : 0)
        time = clock
      case "today", "tomorrow", "yesterday", "now":
        guard date == nil else { throw .syntax }
        let today = TimestampFields(microseconds: now)
        let shift = name == "tomorrow" ? 1 : name == "yesterday" ? -1 : 0
        date = CalendarDate(daysSince2000: today.date.daysSince2000 + shift)
      case _ where Self.weekdays.contains(name): break
      default:
        guard let month = Self.months[name], monthName == nil, date == nil else { throw .syntax }
        monthName = month
      }
    }

    /// `Feb 29, 2024`, `29 Feb 2024`.
    private mutating func assembleLooseDate() throws(Failure) {
      if let month = monthName {
        guard loose.count == 2 else { throw .syntax }
        date =
          loose[0] > 31
          ? CalendarDate(year: loose[0], month: month, day: loose[1])
          : CalendarDate(year: loose[1], month: month, day: loose[0])
      } else if !loose.isEmpty {
        throw .syntax
      }
    }
  }
}
