import Basics
import SQLExpressions
import Testing

@Suite struct SystemTimeTests {
  /// 2026-01-01 00:00:10.250 UTC
  static let now = Timestamp(rawValue: Timestamp(physicalMilliseconds: 1_767_225_610_250).rawValue + 17)

  @Test(arguments: [
    ("-10s", 1_767_225_600_250), ("-10 seconds", 1_767_225_600_250), ("-250ms", 1_767_225_610_000),
    ("-1 day", 1_767_139_210_250), ("2026-01-01 00:00:10.1239", 1_767_225_610_123),
    ("2026-01-01T01:00:00+01:00", 1_767_225_600_000), ("2025-12-31", 1_767_139_200_000),
    ("1767225600250000000", 1_767_225_600_250), ("1969-12-31", 0),
  ])
  func timesAndIntervalsCountToTheMillisecond(_ text: String, _ milliseconds: UInt64) throws {
    #expect(try SystemTime.timestamp(text, now: Self.now) == Timestamp(physicalMilliseconds: milliseconds))
  }

  @Test(arguments: [0, 17, 5_000, (1 << 18) - 1] as [UInt64])
  func aTimestampIsWrittenAndReadToTheLastBit(_ counter: UInt64) throws {
    let timestamp = Timestamp(rawValue: Timestamp(physicalMilliseconds: 1_767_225_600_000).rawValue + counter)
    #expect(try SystemTime.timestamp(SystemTime.text(of: timestamp), now: Self.now) == timestamp)
  }

  @Test(arguments: [
    "1s", "2026-01-01 00:00:11", "infinity", "1767225610250000000.0000000018", "18446744073709551615", "soon", "", "-",
    "1.",
    "1.2.x", "99999999999999999999", "1767225600000000000.0000262144",
  ])
  func theFutureAndWhatIsNoTimeAreRefused(_ text: String) {
    let error = #expect(throws: SQLError.self) { try SystemTime.timestamp(text, now: Self.now) }
    #expect(error?.state == .invalidParameterValue)
  }
}
