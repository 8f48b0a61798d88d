/// How much of its time work on rows goes on, so that clients' requests take, on average, at most so much longer than they do
/// while it rests.
///
/// With a mean time of a request `r` while the work rests and `w` while it goes on, working a share `d` of the time makes the
/// mean `r + d·(w − r)`. That is at most `(1 + p)·r` with `d = p·r / (w − r)`.
struct WorkShare: Hashable, Sendable {
  /// Requests that were answered in a stretch of time.
  struct Requests: Hashable, Sendable {
    var count: UInt64 = 0
    var microseconds: UInt64 = 0

    /// Of two readings of what only grows.
    static func - (later: Requests, earlier: Requests) -> Requests {
      Requests(count: later.count &- earlier.count, microseconds: later.microseconds &- earlier.microseconds)
    }
  }

  /// A mean over about the last so many stretches.
  private struct Mean: Hashable, Sendable {
    private static let kept = 0.95
    private var count = 0.0
    private var microseconds = 0.0

    mutating func add(_ requests: Requests) {
      count = count * Self.kept + Double(requests.count)
      microseconds = microseconds * Self.kept + Double(requests.microseconds)
    }

    /// nil: too few to tell.
    var value: Double? { count >= WorkShare.fewestRequests ? microseconds / count : nil }
  }

  static let fewestRequests = 20.0
  /// Until there is a measure, and where no bound is set: as much rest as work.
  static let initial = 0.5
  /// Work never stands still, and never stops measuring.
  static let smallest = 0.02
  static let largest = 0.95

  /// By how much of `r` a request may take longer; nil: no bound is set.
  private let bound: Double?
  private var whileWorking = Mean()
  private var whileResting = Mean()

  /// - Parameter percent: 0: no bound is set.
  init(maximumLatencyIncrease percent: UInt32) { bound = percent == 0 ? nil : Double(percent) / 100 }

  mutating func worked(_ requests: Requests) { whileWorking.add(requests) }
  mutating func rested(_ requests: Requests) { whileResting.add(requests) }

  /// Of the time, in 0…1.
  var share: Double {
    guard let bound, let working = whileWorking.value, let resting = whileResting.value else { return Self.initial }
    guard working > resting else { return Self.largest }
    return min(Self.largest, max(Self.smallest, bound * resting / (working - resting)))
  }

  /// How long to rest after so long a stretch of work.
  func restMilliseconds(after milliseconds: UInt64) -> UInt64 {
    UInt64((Double(milliseconds) * (1 - share) / share).rounded(.up))
  }
}
