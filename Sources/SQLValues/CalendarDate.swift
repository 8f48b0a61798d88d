/// The proleptic Gregorian calendar: days since 2000-01-01 to year, month and day and back.
public struct CalendarDate: Hashable, Sendable {
  /// Astronomical: 0 is 1 BC.
  public var year: Int
  /// 1…12.
  public var month: Int
  /// 1…31.
  public var day: Int

  public init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  /// Days from 1970-01-01 to 2000-01-01.
  static let daysToEpoch = 10_957
  /// From 1970-01-01, where clocks begin to count, to 2000-01-01, where timestamps do.
  public static let microsecondsFrom1970: Int64 = 946_684_800_000_000

  /// Counts by eras of 400 years, which all have 146,097 days, with years that begin in March.
  public init(daysSince2000 days: Int) {
    let shifted = days + Self.daysToEpoch + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  public var daysSince2000: Int {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468 - Self.daysToEpoch
  }

  static func isLeap(_ year: Int) -> Bool { (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 }

  static func days(inMonth month: Int, of year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  var isValid: Bool {
    month >= 1 && month <= 12 && day >= 1 && day <= Self.days(inMonth: month, of: year)
  }

  /// 0 is Sunday.
  public var weekday: Int {
    let offset = (daysSince2000 + 6) % 7
    return offset < 0 ? offset + 7 : offset
  }

  public var dayOfYear: Int { daysSince2000 - CalendarDate(year: year, month: 1, day: 1).daysSince2000 + 1 }

  /// Week and year of ISO 8601: weeks begin on Monday, the first holds January 4th.
  public var isoWeek: (year: Int, week: Int) {
    let monday = daysSince2000 - (weekday + 6) % 7
    let thursday = CalendarDate(daysSince2000: monday + 3)
    return (thursday.year, (thursday.dayOfYear - 1) / 7 + 1)
  }
}

/// Limits and parts of dates and timestamps as PostgreSQL keeps them (15, table 8.9).
public enum DateTimeLimits {
  public static let microsecondsPerDay: Int64 = 86_400_000_000
  public static let dateMinusInfinity = Int32.min
  public static let dateInfinity = Int32.max
  public static let timestampMinusInfinity = Int64.min
  public static let timestampInfinity = Int64.max
  /// 4714-11-24 BC.
  public static let minimumDate: Int32 = -2_451_545
  /// 5874897-12-31.
  public static let maximumDate: Int32 = 2_145_031_948
  /// 4714-11-24 00:00:00 BC.
  public static let minimumTimestamp: Int64 = -211_813_488_000_000_000
  /// Exclusive: 294277-01-01 00:00:00.
  public static let endTimestamp: Int64 = 9_223_371_331_200_000_000

  static func isValid(timestamp: Int64) -> Bool {
    (timestamp >= minimumTimestamp && timestamp < endTimestamp) || timestamp == .min || timestamp == .max
  }

  static func isValid(date: Int64) -> Bool {
    date >= Int64(minimumDate) && date <= Int64(maximumDate)
  }
}

/// A timestamp as calendar fields.
public struct TimestampFields: Hashable, Sendable {
  public var date: CalendarDate
  public var hour: Int
  public var minute: Int
  public var second: Int
  public var microsecond: Int

  /// Microseconds since 2000-01-01, finite.
  public init(microseconds: Int64) {
    let perDay = DateTimeLimits.microsecondsPerDay
    var days = microseconds / perDay
    var rest = microseconds % perDay
    if rest < 0 {
      rest += perDay
      days -= 1
    }
    date = CalendarDate(daysSince2000: Int(days))
    microsecond = Int(rest % 1_000_000)
    let seconds = Int(rest / 1_000_000)
    second = seconds % 60
    minute = seconds / 60 % 60
    hour = seconds / 3_600
  }

  /// nil beyond the range of timestamps.
  public var microseconds: Int64? {
    let perDay = DateTimeLimits.microsecondsPerDay
    let (days, overflow) = Int64(date.daysSince2000).multipliedReportingOverflow(by: perDay)
    if overflow { return nil }
    let time = Int64((hour * 60 + minute) * 60 + second) * 1_000_000 + Int64(microsecond)
    let (sum, overflow2) = days.addingReportingOverflow(time)
    return overflow2 || !DateTimeLimits.isValid(timestamp: sum) ? nil : sum
  }
}
