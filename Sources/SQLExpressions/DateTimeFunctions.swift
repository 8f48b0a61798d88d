import Basics
import SQLValues

/// Functions of dates, timestamps and intervals. The session's time zone is UTC.
enum DateTimeFunctions {
  static func evaluate(
    _ function: FunctionID, _ arguments: [Datum], _ type: SQLType, _ context: EvaluationContext
  ) throws(SQLError) -> Datum {
    switch function {
    case .now, .localTimestamp: return .timestamp(context.transactionTime)
    case .statementTimestamp, .clockTimestamp: return .timestamp(context.statementTime)
    case .logicalTimestamp:
      return .decimal(Decimal(SystemTime.text(of: context.readTimestamp)) ?? Decimal(0))
    case .currentDate: return .date(DateTimeArithmetic.date(ofTimestamp: context.transactionTime))
    case .addInterval: return try addInterval(arguments, function)
    case .subtractInterval:
      guard case .interval(let interval) = arguments[1] else { throw Builtins.mismatch(function) }
      return try addInterval([arguments[0], .interval(DateTimeArithmetic.negate(interval))], function)
    case .subtractTimestamps:
      return .interval(
        try DateTimeArithmetic.difference(timestamp(arguments, 0, function), timestamp(arguments, 1, function)))
    case .addDays, .subtractDays:
      switch (arguments[0], arguments[1]) {
      case (.date(let date), .integer(let days)), (.integer(let days), .date(let date)):
        return .date(try DateTimeArithmetic.add(days: function == .addDays ? days : 0 &- days, to: date))
      default: throw Builtins.mismatch(function)
      }
    case .subtractDates:
      guard case .date(let left) = arguments[0], case .date(let right) = arguments[1] else {
        throw Builtins.mismatch(function)
      }
      let limits: Set<Int32> = [DateTimeLimits.dateInfinity, DateTimeLimits.dateMinusInfinity]
      if limits.contains(left) || limits.contains(right) {
        throw SQLError(.datetimeFieldOverflow, "cannot subtract infinite dates")
      }
      return .integer(Int64(left) - Int64(right))
    case .scaleInterval, .divideInterval:
      switch (arguments[0], arguments[1]) {
      case (.interval(let interval), .double(let factor)), (.double(let factor), .interval(let interval)):
        if function == .divideInterval, factor == 0 { throw SQLError(.divisionByZero, "division by zero") }
        return .interval(
          try DateTimeArithmetic.scale(interval, by: function == .divideInterval ? 1 / factor : factor))
      default: throw Builtins.mismatch(function)
      }
    case .age:
      return .interval(try DateTimeArithmetic.age(timestamp(arguments, 0, function), timestamp(arguments, 1, function)))
    case .ageToday:
      let today = try DateTimeArithmetic.timestamp(
        ofDate: DateTimeArithmetic.date(ofTimestamp: context.transactionTime))
      return .interval(try DateTimeArithmetic.age(today, timestamp(arguments, 0, function)))
    case .makeDate:
      guard case .integer(let year) = arguments[0], case .integer(let month) = arguments[1],
        case .integer(let day) = arguments[2]
      else { throw Builtins.mismatch(function) }
      return .date(try DateTimeArithmetic.makeDate(year: year, month: month, day: day))
    case .toTimestamp:
      guard case .double(let seconds) = arguments[0] else { throw Builtins.mismatch(function) }
      if seconds.isInfinite { return .timestamp(seconds < 0 ? .min : .max) }
      guard let micro = Int64(exactly: ((seconds - 946_684_800) * 1_000_000).rounded()),
        micro >= DateTimeLimits.minimumTimestamp, micro < DateTimeLimits.endTimestamp
      else { throw SQLError(.datetimeFieldOverflow, "timestamp out of range: \"\(seconds)\"") }
      return .timestamp(micro)
    case .atTimeZone: return try atTimeZone(arguments, type)
    case .dateTruncate: return try truncated(arguments, function)
    case .datePart, .extract:
      let part = try DateTimePart.value(TextFunctions.text(arguments, 0, function), of: arguments[1])
      guard let part else { return .null }
      return function == .extract ? .decimal(part) : .double(part.double)
    default: throw Builtins.mismatch(function)
    }
  }

  static func negated(_ interval: IntervalValue, _ function: FunctionID) throws(SQLError) -> Datum {
    guard function == .negate else { throw Builtins.mismatch(function) }
    return .interval(try DateTimeArithmetic.negate(interval))
  }

  private static func timestamp(
    _ arguments: [Datum], _ index: Int, _ function: FunctionID
  ) throws(SQLError) -> Int64 {
    guard case .timestamp(let value) = arguments[index] else { throw Builtins.mismatch(function) }
    return value
  }

  private static func addInterval(_ arguments: [Datum], _ function: FunctionID) throws(SQLError) -> Datum {
    switch (arguments[0], arguments[1]) {
    case (.interval(let left), .interval(let right)): return .interval(try DateTimeArithmetic.add(left, right))
    case (.timestamp(let value), .interval(let interval)), (.interval(let interval), .timestamp(let value)):
      return .timestamp(try DateTimeArithmetic.add(interval, to: value))
    case (.date(let date), .interval(let interval)), (.interval(let interval), .date(let date)):
      return .timestamp(try DateTimeArithmetic.add(interval, to: DateTimeArithmetic.timestamp(ofDate: date)))
    default: throw Builtins.mismatch(function)
    }
  }

  /// Offsets and UTC only: other time zones are not built yet.
  private static func atTimeZone(_ arguments: [Datum], _ type: SQLType) throws(SQLError) -> Datum {
    let name = try TextFunctions.text(arguments, 0, .atTimeZone)
    let value = try timestamp(arguments, 1, .atTimeZone)
    guard ["utc", "gmt", "z", "zulu", "etc/utc", "+00", "+00:00"].contains(name.lowercased()) else {
      throw .unsupported("time zone \"\(name)\"")
    }
    return .timestamp(value)
  }

  private static func truncated(_ arguments: [Datum], _ function: FunctionID) throws(SQLError) -> Datum {
    let unit = try TextFunctions.text(arguments, 0, function).lowercased()
    if case .interval(let interval) = arguments[1] { return .interval(try truncated(interval, to: unit)) }
    let value = try timestamp(arguments, 1, function)
    if value == .min || value == .max { return .timestamp(value) }
    var fields = TimestampFields(microseconds: value)
    switch unit {
    case "microsecond", "microseconds": return .timestamp(value)
    case "millisecond", "milliseconds": fields.microsecond = fields.microsecond / 1_000 * 1_000
    case "second", "seconds": fields.microsecond = 0
    case "minute", "minutes":
      fields.microsecond = 0
      fields.second = 0
    case "hour", "hours":
      fields.microsecond = 0
      fields.second = 0
      fields.minute = 0
    default:
      fields.microsecond = 0
      fields.second = 0
      fields.minute = 0
      fields.hour = 0
      var date = fields.date
      switch unit {
      case "day", "days": break
      case "week", "weeks": date = CalendarDate(daysSince2000: date.daysSince2000 - (date.weekday + 6) % 7)
      case "month", "months": date.day = 1
      case "quarter": date = CalendarDate(year: date.year, month: (date.month - 1) / 3 * 3 + 1, day: 1)
      case "year", "years": date = CalendarDate(year: date.year, month: 1, day: 1)
      case "decade", "decades":
        let year = date.year >= 0 ? date.year / 10 * 10 : -((-date.year + 9) / 10) * 10
        date = CalendarDate(year: year, month: 1, day: 1)
      case "century", "centuries": date = CalendarDate(year: firstYear(date.year, of: 100), month: 1, day: 1)
      case "millennium", "millennia": date = CalendarDate(year: firstYear(date.year, of: 1_000), month: 1, day: 1)
      default:
        let name = "timestamp without time zone"
        throw SQLError(.invalidParameterValue, "unit \"\(unit)\" not recognized for type \(name)")
      }
      fields.date = date
    }
    guard let result = fields.microseconds else {
      throw SQLError(.datetimeFieldOverflow, "timestamp out of range")
    }
    return .timestamp(result)
  }

  /// Centuries begin with year 1.
  private static func firstYear(_ year: Int, of span: Int) -> Int {
    year > 0 ? (year - 1) / span * span + 1 : -((span - 1 - (year - 1)) / span) * span + 1
  }

  private static func truncated(_ interval: IntervalValue, to unit: String) throws(SQLError) -> IntervalValue {
    func months(_ span: Int32) -> IntervalValue {
      IntervalValue(months: interval.months / span * span, days: 0, microseconds: 0)
    }
    func time(_ span: Int64) -> IntervalValue {
      IntervalValue(
        months: interval.months, days: interval.days, microseconds: interval.microseconds / span * span)
    }
    switch unit {
    case "microsecond", "microseconds": return interval
    case "millisecond", "milliseconds": return time(1_000)
    case "second", "seconds": return time(1_000_000)
    case "minute", "minutes": return time(60_000_000)
    case "hour", "hours": return time(3_600_000_000)
    case "day", "days": return IntervalValue(months: interval.months, days: interval.days, microseconds: 0)
    case "month", "months": return months(1)
    case "quarter": return months(3)
    case "year", "years": return months(12)
    case "decade", "decades": return months(120)
    case "century", "centuries": return months(1_200)
    case "millennium", "millennia": return months(12_000)
    default: throw SQLError(.invalidParameterValue, "unit \"\(unit)\" not recognized for type interval")
    }
  }
}

/// `extract(part from value)`.
enum DateTimePart {
  /// nil where an infinite value has no such part.
  static func value(_ name: String, of value: Datum) throws(SQLError) -> Decimal? {
    let part = name.lowercased()
    switch value {
    case .timestamp(let micro): return try timestamp(part, micro)
    case .date(let days):
      switch part {
      case "hour", "minute", "second", "milliseconds", "microseconds", "millisecond", "microsecond", "timezone":
        throw SQLError(.featureNotSupported, "unit \"\(part)\" not supported for type date")
      case "epoch":
        if days == .min || days == .max { return days == .min ? .negativeInfinity : .positiveInfinity }
        return Decimal((Int64(days) + 10_957) * 86_400)
      default: return try timestamp(part, DateTimeArithmetic.timestamp(ofDate: days), typeName: "date")
      }
    case .interval(let interval): return try self.interval(part, interval)
    default: throw Builtins.mismatch(.extract)
    }
  }

  /// `units` over 10^scale, printed with that scale.
  private static func scaled(_ units: Int64, _ scale: Int) -> Decimal {
    (try? Decimal.multiply(Decimal(units), Decimal(limbs: [1], scale: scale))) ?? .zero
  }

  private static func timestamp(
    _ part: String, _ micro: Int64, typeName: String = "timestamp without time zone"
  ) throws(SQLError) -> Decimal? {
    if micro == .min || micro == .max {
      switch part {
      case "epoch", "year", "decade", "century", "millennium", "julian", "isoyear":
        return micro == .min ? .negativeInfinity : .positiveInfinity
      default: return nil
      }
    }
    let fields = TimestampFields(microseconds: micro)
    let date = fields.date
    func whole(_ value: Int) -> Decimal { Decimal(Int64(value)) }
    let secondMicros = Int64(fields.second) * 1_000_000 + Int64(fields.microsecond)
    switch part {
    case "year", "years": return whole(date.year > 0 ? date.year : date.year - 1)
    case "month", "months": return whole(date.month)
    case "day", "days": return whole(date.day)
    case "hour", "hours": return whole(fields.hour)
    case "minute", "minutes": return whole(fields.minute)
    case "second", "seconds": return scaled(secondMicros, 6)
    case "millisecond", "milliseconds": return scaled(secondMicros, 3)
    case "microsecond", "microseconds": return Decimal(secondMicros)
    case "dow": return whole(date.weekday)
    case "isodow": return whole(date.weekday == 0 ? 7 : date.weekday)
    case "doy": return whole(date.dayOfYear)
    case "week": return whole(date.isoWeek.week)
    case "isoyear": return whole(date.isoWeek.year > 0 ? date.isoWeek.year : date.isoWeek.year - 1)
    case "quarter": return whole((date.month - 1) / 3 + 1)
    case "decade": return whole(date.year >= 0 ? date.year / 10 : -((8 - (date.year - 1)) / 10))
    case "century": return whole(date.year > 0 ? (date.year + 99) / 100 : -((99 - (date.year - 1)) / 100))
    case "millennium": return whole(date.year > 0 ? (date.year + 999) / 1_000 : -((999 - (date.year - 1)) / 1_000))
    case "timezone", "timezone_hour", "timezone_minute": return .zero
    case "epoch":
      let (sum, overflow) = micro.addingReportingOverflow(CalendarDate.microsecondsFrom1970)
      return overflow ? try Decimal.add(scaled(micro, 6), Decimal(946_684_800)) : scaled(sum, 6)
    default:
      throw SQLError(.invalidParameterValue, "unit \"\(part)\" not recognized for type \(typeName)")
    }
  }

  private static func interval(_ part: String, _ value: IntervalValue) throws(SQLError) -> Decimal? {
    func whole(_ number: Int32) -> Decimal { Decimal(Int64(number)) }
    let time = value.microseconds
    switch part {
    case "year", "years": return whole(value.months / 12)
    case "month", "months": return whole(value.months % 12)
    case "day", "days": return whole(value.days)
    case "hour", "hours": return Decimal(time / 3_600_000_000)
    case "minute", "minutes": return Decimal(time / 60_000_000 % 60)
    case "second", "seconds": return scaled(time % 60_000_000, 6)
    case "millisecond", "milliseconds": return scaled(time % 60_000_000, 3)
    case "microsecond", "microseconds": return Decimal(time % 60_000_000)
    case "quarter": return whole(value.months % 12 / 3 + 1)
    case "decade": return whole(value.months / 120)
    case "century": return whole(value.months / 1_200)
    case "millennium": return whole(value.months / 12_000)
    case "epoch":
      // Years of 365.25 days, months of 30.
      let years = Int64(value.months / 12)
      let months = Int64(value.months % 12)
      let seconds = years * 31_557_600 + (months * 30 + Int64(value.days)) * 86_400
      return try Decimal.add(scaled(time, 6), Decimal(seconds))
    default: throw SQLError(.invalidParameterValue, "unit \"\(part)\" not recognized for type interval")
    }
  }
}
