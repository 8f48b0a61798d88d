import Basics
import SQLValues

/// Which timestamp `AS OF SYSTEM TIME` means.
public enum SystemTime {
  /// Digits behind the point of `cluster_logical_timestamp()`.
  static let logicalDigits = 10
  static let nanosecondsOfMillisecond: UInt64 = 1_000_000

  /// `now`: one that the oracle has just issued. Throws 22023 for what is no time, and for the future, where nothing is settled.
  ///
  /// Times of day count to the millisecond: what was committed before that millisecond is seen.
  public static func timestamp(_ text: String, now: Timestamp) throws(SQLError) -> Timestamp {
    var named = exact(text)
    if named == nil { named = try moment(text, now: now) }
    guard let found = named else {
      throw SQLError(
        .invalidParameterValue, "AS OF SYSTEM TIME: \"\(text)\" is neither a time, nor an interval, nor a number",
        hint: "Write '2026-01-31 12:00:00', '-10s', or what cluster_logical_timestamp() answered.")
    }
    guard found <= now else {
      throw SQLError(.invalidParameterValue, "AS OF SYSTEM TIME: cannot specify a time in the future")
    }
    return found
  }

  /// A timestamp to the last bit: what `cluster_logical_timestamp()` answers. Nanoseconds since 1970, and the oracle's counter.
  public static func text(of timestamp: Timestamp) -> String {
    let counter = String(timestamp.logical)
    return String(timestamp.physicalMilliseconds * nanosecondsOfMillisecond) + "."
      + String(repeating: "0", count: max(0, logicalDigits - counter.count)) + counter
  }

  private static func exact(_ text: String) -> Timestamp? {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, whole.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let nanoseconds = UInt64(whole)
    else { return nil }
    let milliseconds = nanoseconds / nanosecondsOfMillisecond
    guard parts.count == 2 else { return Timestamp(physicalMilliseconds: milliseconds) }
    let digits = parts[1].utf8.prefix(logicalDigits)
    guard !digits.isEmpty, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    let padded = String(decoding: digits, as: UTF8.self) + String(repeating: "0", count: logicalDigits - digits.count)
    guard let counter = UInt64(padded), counter < 1 << Timestamp.logicalBits else { return nil }
    return Timestamp(rawValue: Timestamp(physicalMilliseconds: milliseconds).rawValue + counter)
  }

  private static func moment(_ text: String, now: Timestamp) throws(SQLError) -> Timestamp? {
    let present = Int64(clamping: now.physicalMilliseconds) * 1_000 - CalendarDate.microsecondsFrom1970
    var moment: Int64?
    if let value = try? Datum.parse(text, as: .timestampWithTimeZone, now: present), case .timestamp(let time) = value {
      moment = time
    } else if let value = try? Datum.parse(text, as: .interval), case .interval(let interval) = value {
      moment = try DateTimeArithmetic.add(interval, to: present)
    }
    guard let moment else { return nil }
    let (since1970, overflow) = moment.addingReportingOverflow(CalendarDate.microsecondsFrom1970)
    guard !overflow else { return moment < 0 ? .zero : .max }
    // The oracle's clock has no time before 1970, and none beyond its 46 bits.
    let milliseconds = UInt64(clamping: since1970 / 1_000)
    guard milliseconds < 1 << (64 - Timestamp.logicalBits) else { return .max }
    return Timestamp(physicalMilliseconds: milliseconds)
  }
}
