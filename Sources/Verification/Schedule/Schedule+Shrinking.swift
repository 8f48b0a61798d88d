extension Schedule {
  /// A schedule with fewer lines that still fails: parts are left out, halves first, then ever smaller ones (delta
  /// debugging: Zeller, Hildebrandt, IEEE TSE 28(2), 2002), until none can be spared or the attempts are used up.
  public func shrunk(attempts: Int, _ stillFails: (Schedule) -> Bool) -> Schedule {
    var best = self
    var left = attempts
    if best.lines.count > 0, left > 0 {
      left -= 1
      if stillFails(Schedule()) { return Schedule() }
    }
    var part = max(1, best.lines.count / 2)
    while left > 0, best.lines.count > 1 {
      var start = 0
      var hasShrunk = false
      while start < best.lines.count, left > 0 {
        var smaller = best
        smaller.lines.removeSubrange(start..<min(start + part, best.lines.count))
        guard !smaller.lines.isEmpty else { break }
        left -= 1
        if stillFails(smaller) {
          best = smaller
          hasShrunk = true
        } else {
          start += part
        }
      }
      if part == 1, !hasShrunk { break }
      part = max(1, hasShrunk ? min(part, best.lines.count / 2) : part / 2)
    }
    return best
  }
}
