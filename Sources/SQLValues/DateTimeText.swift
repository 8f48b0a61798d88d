/// Dates, timestamps and intervals as PostgreSQL prints them with `DateStyle = ISO` and `IntervalStyle = postgres`.
enum DateTimeText {
  static func write(date days: Int32, into text: inout [UInt8]) {
    if days == DateTimeLimits.dateInfinity { return text.append(contentsOf: "infinity".utf8) }
    if days == DateTimeLimits.dateMinusInfinity { return text.append(contentsOf: "-infinity".utf8) }
    let date = CalendarDate(daysSince2000: Int(days))
    write(date, into: &text)
    if date.year <= 0 { text.append(contentsOf: " BC".utf8) }
  }

  static func write(timestamp microseconds: Int64, withTimeZone: Bool, into text: inout [UInt8]) {
    if microseconds == .max { return text.append(contentsOf: "infinity".utf8) }
    if microseconds == .min { return text.append(contentsOf: "-infinity".utf8) }
    let fields = TimestampFields(microseconds: microseconds)
    write(fields.date, into: &text)
    text.append(UInt8(ascii: " "))
    writeTime(hour: fields.hour, minute: fields.minute, second: fields.second, fields.microsecond, into: &text)
    if withTimeZone { text.append(contentsOf: "+00".utf8) }
    if fields.date.year <= 0 { text.append(contentsOf: " BC".utf8) }
  }

  static func write(_ interval: IntervalValue, into text: inout [UInt8]) {
    var parts: [String] = []
    // A sign is written from the first negative field on, so that later positive ones are told apart.
    var needsPlus = false
    func add(_ count: Int32, _ unit: String) {
      guard count != 0 else { return }
      parts.append("\(needsPlus && count > 0 ? "+" : "")\(count) \(unit)\(count == 1 ? "" : "s")")
      needsPlus = count < 0
    }
    add(interval.months / 12, "year")
    add(interval.months % 12, "mon")
    add(interval.days, "day")
    text.append(contentsOf: parts.joined(separator: " ").utf8)
    guard interval.microseconds != 0 || parts.isEmpty else { return }
    if !parts.isEmpty { text.append(UInt8(ascii: " ")) }
    if interval.microseconds < 0 {
      text.append(UInt8(ascii: "-"))
    } else if needsPlus {
      text.append(UInt8(ascii: "+"))
    }
    let magnitude = interval.microseconds.magnitude
    let seconds = magnitude / 1_000_000
    writeTime(
      hour: Int(seconds / 3_600), minute: Int(seconds / 60 % 60), second: Int(seconds % 60),
      Int(magnitude % 1_000_000), into: &text)
  }

  private static func write(_ date: CalendarDate, into text: inout [UInt8]) {
    writePadded(date.year > 0 ? date.year : 1 - date.year, width: 4, into: &text)
    text.append(UInt8(ascii: "-"))
    writePadded(date.month, width: 2, into: &text)
    text.append(UInt8(ascii: "-"))
    writePadded(date.day, width: 2, into: &text)
  }

  private static func writeTime(hour: Int, minute: Int, second: Int, _ microsecond: Int, into text: inout [UInt8]) {
    writePadded(hour, width: 2, into: &text)
    text.append(UInt8(ascii: ":"))
    writePadded(minute, width: 2, into: &text)
    text.append(UInt8(ascii: ":"))
    writePadded(second, width: 2, into: &text)
    guard microsecond != 0 else { return }
    text.append(UInt8(ascii: "."))
    writePadded(microsecond, width: 6, into: &text)
    while text.last == UInt8(ascii: "0") { text.removeLast() }
  }

  private static func writePadded(_ value: Int, width: Int, into text: inout [UInt8]) {
    let digits = Array(String(value).utf8)
    for _ in 0..<max(0, width - digits.count) { text.append(UInt8(ascii: "0")) }
    text.append(contentsOf: digits)
  }
}
