import Basics

/// Arithmetic of dates, timestamps and intervals (PostgreSQL 15, 9.9). Infinite values stay infinite.
public enum DateTimeArithmetic {
  static func isFinite(_ timestamp: Int64) -> Bool { timestamp != .min && timestamp != .max }

  private static var timestampOutOfRange: SQLError { SQLError(.datetimeFieldOverflow, "timestamp out of range") }
  private static var intervalOutOfRange: SQLError { SQLError(.datetimeFieldOverflow, "interval out of range") }

  /// Months first (the day clipped to the month's length), then days, then time.
  public static func add(_ interval: IntervalValue, to timestamp: Int64) throws(SQLError) -> Int64 {
    guard isFinite(timestamp) else { return timestamp }
    var value = timestamp
    if interval.months != 0 {
      var fields = TimestampFields(microseconds: value)
      let months = fields.date.year * 12 + fields.date.month - 1 + Int(interval.months)
      let year = months >= 0 ? months / 12 : -((-months + 11) / 12)
      fields.date.year = year
      fields.date.month = months - year * 12 + 1
      fields.date.day = min(fields.date.day, CalendarDate.days(inMonth: fields.date.month, of: year))
      guard let moved = fields.microseconds else { throw timestampOutOfRange }
      value = moved
    }
    let (days, overflow1) = Int64(interval.days).multipliedReportingOverflow(by: DateTimeLimits.microsecondsPerDay)
    let (sum, overflow2) = value.addingReportingOverflow(days)
    let (result, overflow3) = sum.addingReportingOverflow(interval.microseconds)
    guard !overflow1, !overflow2, !overflow3, isFinite(result), DateTimeLimits.isValid(timestamp: result) else {
      throw timestampOutOfRange
    }
    return result
  }

  public static func negate(_ interval: IntervalValue) throws(SQLError) -> IntervalValue {
    let (months, o1) = (0 as Int32).subtractingReportingOverflow(interval.months)
    let (days, o2) = (0 as Int32).subtractingReportingOverflow(interval.days)
    let (time, o3) = (0 as Int64).subtractingReportingOverflow(interval.microseconds)
    guard !o1, !o2, !o3 else { throw intervalOutOfRange }
    return IntervalValue(months: months, days: days, microseconds: time)
  }

  public static func add(_ left: IntervalValue, _ right: IntervalValue) throws(SQLError) -> IntervalValue {
    let (months, o1) = left.months.addingReportingOverflow(right.months)
    let (days, o2) = left.days.addingReportingOverflow(right.days)
    let (time, o3) = left.microseconds.addingReportingOverflow(right.microseconds)
    guard !o1, !o2, !o3 else { throw intervalOutOfRange }
    return IntervalValue(months: months, days: days, microseconds: time)
  }

  /// Fractions of months become days (of 30 to a month), fractions of days time.
  public static func scale(_ interval: IntervalValue, by factor: Double) throws(SQLError) -> IntervalValue {
    let months = Double(interval.months) * factor
    let days = Double(interval.days) * factor
    let wholeMonths = months.rounded(.towardZero)
    let wholeDays = days.rounded(.towardZero)
    let monthDays = roundedToMicroseconds((months - wholeMonths) * 30)
    let monthWholeDays = monthDays.rounded(.towardZero)
    var seconds = roundedToMicroseconds((days - wholeDays + monthDays - monthWholeDays) * 86_400)
    var extraDays = 0.0
    if abs(seconds) >= 86_400 {
      extraDays = (seconds / 86_400).rounded(.towardZero)
      seconds -= extraDays * 86_400
    }
    guard let resultMonths = Int32(exactly: wholeMonths),
      let resultDays = Int32(exactly: wholeDays + monthWholeDays + extraDays),
      let time = Int64(
        exactly: (Double(interval.microseconds) * factor + seconds * 1_000_000).rounded(.toNearestOrEven))
    else { throw intervalOutOfRange }
    return IntervalValue(months: resultMonths, days: resultDays, microseconds: time)
  }

  private static func roundedToMicroseconds(_ value: Double) -> Double {
    (value * 1_000_000).rounded(.toNearestOrEven) / 1_000_000
  }

  /// `left - right` in days and time.
  public static func difference(_ left: Int64, _ right: Int64) throws(SQLError) -> IntervalValue {
    guard isFinite(left), isFinite(right) else {
      throw SQLError(.datetimeFieldOverflow, "cannot subtract infinite timestamps")
    }
    let (span, overflow) = left.subtractingReportingOverflow(right)
    guard !overflow else { throw intervalOutOfRange }
    let perDay = DateTimeLimits.microsecondsPerDay
    return IntervalValue(
      months: 0, days: Int32(truncatingIfNeeded: span / perDay), microseconds: span % perDay)
  }

  /// `age(left, right)`: years, months and days by the calendar.
  public static func age(_ left: Int64, _ right: Int64) throws(SQLError) -> IntervalValue {
    guard isFinite(left), isFinite(right) else {
      throw SQLError(.datetimeFieldOverflow, "timestamp out of range")
    }
    if left < right { return try negate(age(right, left)) }
    let a = TimestampFields(microseconds: left)
    let b = TimestampFields(microseconds: right)
    func time(_ fields: TimestampFields) -> Int64 {
      Int64((fields.hour * 60 + fields.minute) * 60 + fields.second) * 1_000_000 + Int64(fields.microsecond)
    }
    var micro = time(a) - time(b)
    var days = a.date.day - b.date.day
    var months = (a.date.year - b.date.year) * 12 + a.date.month - b.date.month
    if micro < 0 {
      micro += DateTimeLimits.microsecondsPerDay
      days -= 1
    }
    if days < 0 {
      days += CalendarDate.days(inMonth: b.date.month, of: b.date.year)
      months -= 1
    }
    return IntervalValue(
      months: Int32(truncatingIfNeeded: months), days: Int32(truncatingIfNeeded: days), microseconds: micro)
  }

  public static func add(days: Int64, to date: Int32) throws(SQLError) -> Int32 {
    if date == DateTimeLimits.dateInfinity || date == DateTimeLimits.dateMinusInfinity { return date }
    let (sum, overflow) = Int64(date).addingReportingOverflow(days)
    guard !overflow, DateTimeLimits.isValid(date: sum) else {
      throw SQLError(.datetimeFieldOverflow, "date out of range")
    }
    return Int32(truncatingIfNeeded: sum)
  }

  /// 22008 for a day that does not exist.
  public static func makeDate(year: Int64, month: Int64, day: Int64) throws(SQLError) -> Int32 {
    func padded(_ number: Int64) -> String { number >= 0 && number < 10 ? "0\(number)" : String(number) }
    let wording = "date field value out of range: \(year)-\(padded(month))-\(padded(day))"
    guard year != 0, abs(year) < 5_900_000, month >= 1, month <= 12, day >= 1, day <= 31 else {
      throw SQLError(.datetimeFieldOverflow, wording)
    }
    let date = CalendarDate(year: Int(year < 0 ? year + 1 : year), month: Int(month), day: Int(day))
    let days = Int64(date.daysSince2000)
    guard date.isValid, DateTimeLimits.isValid(date: days) else { throw SQLError(.datetimeFieldOverflow, wording) }
    return Int32(truncatingIfNeeded: days)
  }

  public static func timestamp(ofDate days: Int32) throws(SQLError) -> Int64 { try Datum.timestamp(ofDate: days) }
  public static func date(ofTimestamp value: Int64) -> Int32 { Datum.date(ofTimestamp: value) }
}
