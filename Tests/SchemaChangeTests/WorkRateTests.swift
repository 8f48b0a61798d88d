import Basics
import SchemaChange
import Testing

@Suite struct WorkRateTests {
  private func time(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(milliseconds: milliseconds) }

  @Test func rateIsOfTheLastSeconds() {
    var rate = WorkRate()
    #expect(rate.rowsPerSecond(rows: 0, at: time(0)) == nil)
    // Slow for a minute, then fast.
    for step in 0...240 { rate.observe(rows: UInt64(step) * 25, at: time(UInt64(step) * 250)) }
    #expect(rate.rowsPerSecond(rows: 6000, at: time(60_000)) == 100)
    for step in 1...60 { rate.observe(rows: 6000 + UInt64(step) * 2500, at: time(60_000 + UInt64(step) * 250)) }
    #expect(rate.rowsPerSecond(rows: 156_000, at: time(75_000)) == 10_000)
    // Standing still is seen.
    #expect((rate.rowsPerSecond(rows: 156_000, at: time(175_000)) ?? 0) < 1_000)
  }

  @Test func nothingIsSaidTooEarlyAndABeginningAnewCounts() {
    var rate = WorkRate()
    rate.observe(rows: 500, at: time(1_000))
    #expect(rate.rowsPerSecond(rows: 600, at: time(1_100)) == nil)
    #expect(rate.rowsPerSecond(rows: 600, at: time(1_200)) == 500)
    rate.observe(rows: 100, at: time(1_300))
    #expect(rate.rowsPerSecond(rows: 100, at: time(1_300)) == nil)
    rate.observe(rows: 300, at: time(2_300))
    #expect(rate.rowsPerSecond(rows: 300, at: time(2_300)) == 200)
  }

  @Test func extremeNumbersHarmNobody() {
    var rate = WorkRate()
    rate.observe(rows: 0, at: time(0))
    #expect(rate.rowsPerSecond(rows: .max, at: time(1_000)) == nil)
    #expect(WorkRate.remainingMilliseconds(rows: 0, of: .max, rowsPerSecond: 1) == nil)
    #expect(WorkRate.remainingMilliseconds(rows: 5, of: 4, rowsPerSecond: 1) == nil)
    #expect(WorkRate.remainingMilliseconds(rows: 0, of: 10, rowsPerSecond: 0) == nil)
    #expect(WorkRate.remainingMilliseconds(rows: 100, of: 1_100, rowsPerSecond: 500) == 2_000)
  }
}
