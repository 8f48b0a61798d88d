import Testing

@testable import StorageNode

/// Backfill beside clients: what share of the time it works.
@Suite struct WorkShareTests {
  /// One second of alternating work and rest at whatever share it is, with so many requests a second of these mean times.
  private func second(of share: inout WorkShare, perSecond: Double, working: Double, resting: Double) {
    var milliseconds = 0.0
    while milliseconds < 1_000 {
      let step = 20.0
      let rest = Double(share.restMilliseconds(after: 20))
      func requests(_ milliseconds: Double, _ mean: Double) -> WorkShare.Requests {
        let count = perSecond * milliseconds / 1_000
        return WorkShare.Requests(count: UInt64(count), microseconds: UInt64(count.rounded(.down) * mean))
      }
      share.worked(requests(step, working))
      share.rested(requests(rest, resting))
      milliseconds += step + rest
    }
  }

  @Test func withoutABoundItRestsAsLongAsItWorks() {
    var share = WorkShare(maximumLatencyIncrease: 0)
    second(of: &share, perSecond: 2_000, working: 9_000, resting: 1_000)
    #expect(share.share == 0.5 && share.restMilliseconds(after: 20) == 20)
  }

  @Test(arguments: [(UInt32(10), 3_000.0), (50, 3_000), (100, 1_500), (10, 1_050), (1, 40_000)])
  func theMeanStaysWithinTheBound(percent: UInt32, working: Double) {
    var share = WorkShare(maximumLatencyIncrease: percent)
    for _ in 0..<10 { second(of: &share, perSecond: 2_000, working: working, resting: 1_000) }
    let mean = share.share * working + (1 - share.share) * 1_000
    let bound = 1_000 * (1 + Double(percent) / 100)
    let isAtItsLimit = share.share == 0.02 || share.share == 0.95
    #expect(isAtItsLimit || abs(mean - bound) < 20, "share \(share.share), mean \(mean) µs")
    // As much work as the bound lets be done.
    #expect(share.share == 0.02 || mean <= bound + 20)
  }

  @Test func workThatNobodyNoticesGoesOnAlmostAllTheTime() {
    var share = WorkShare(maximumLatencyIncrease: 5)
    second(of: &share, perSecond: 2_000, working: 1_000, resting: 1_000)
    #expect(share.share == 0.95)
    // And gives way when clients come to feel it.
    for _ in 0..<10 { second(of: &share, perSecond: 2_000, working: 2_000, resting: 1_000) }
    #expect(abs(share.share - 0.05) < 0.01)
  }

  @Test func withTooFewRequestsNothingIsKnown() {
    var share = WorkShare(maximumLatencyIncrease: 5)
    share.worked(WorkShare.Requests(count: 19, microseconds: 1_000_000))
    share.rested(WorkShare.Requests(count: 1_000, microseconds: 1_000))
    #expect(share.share == 0.5)
  }
}
