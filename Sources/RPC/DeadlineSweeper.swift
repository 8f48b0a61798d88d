import Basics
import EventLoop

/// One timer for the deadlines of many calls. Most calls end long before their deadline, so the calls are only looked
/// through when the earliest deadline noted has come: a call costs a comparison, not a timer.
@EventLoopActor final class DeadlineSweeper {
  /// The calls are looked through at most this often.
  static let granularity: Duration = .milliseconds(2)

  private var timer: Timer?
  private var next: MonotonicTime?
  /// Ends what has expired at the given time and answers the earliest deadline left.
  var sweep: (@EventLoopActor (MonotonicTime) -> MonotonicTime?)?

  func note(_ deadline: MonotonicTime) {
    if let next, next <= deadline { return }
    arm(deadline)
  }

  func stop() {
    timer?.cancel()
    timer = nil
    sweep = nil
  }

  private func arm(_ deadline: MonotonicTime) {
    next = deadline
    timer?.cancel()
    let now = EventLoop.now
    let wait: Duration = deadline > now ? .nanoseconds(deadline.nanoseconds - now.nanoseconds) : .zero
    timer = Timer.once(after: max(wait, Self.granularity)) { [weak self] in self?.fire() }
  }

  private func fire() {
    next = nil
    timer = nil
    if let earliest = sweep?(EventLoop.now) { note(earliest) }
  }
}

extension MonotonicTime {
  /// Saturates at the end of time.
  func advanced(by duration: Duration) -> MonotonicTime {
    let (nanoseconds, overflow) = duration.wholeMilliseconds.multipliedReportingOverflow(by: 1_000_000)
    let (sum, tooLate) = self.nanoseconds.addingReportingOverflow(nanoseconds)
    return MonotonicTime(nanoseconds: overflow || tooLate ? .max : sum)
  }
}
