/// The part of the log that is not compacted, in memory.
struct RaftLog: Sendable {
  /// The last compacted position; `entries` follow it without a gap.
  private(set) var truncatedIndex: LogIndex
  private(set) var truncatedTerm: Term
  private(set) var entries: [Entry]
  private(set) var sizeBytes: Int

  init(truncatedIndex: LogIndex, truncatedTerm: Term, entries: [Entry]) {
    self.truncatedIndex = truncatedIndex
    self.truncatedTerm = truncatedTerm
    self.entries = entries
    sizeBytes = entries.reduce(0) { $0 + $1.sizeBytes }
  }

  var firstIndex: LogIndex { truncatedIndex + 1 }
  var lastIndex: LogIndex { truncatedIndex + LogIndex(entries.count) }
  var lastTerm: Term { entries.last?.term ?? truncatedTerm }

  /// Nil when the position is compacted or not there yet.
  func term(at index: LogIndex) -> Term? {
    if index == truncatedIndex { return truncatedTerm }
    guard index > truncatedIndex, index <= lastIndex else { return nil }
    return entries[Int(index - firstIndex)].term
  }

  func matches(_ index: LogIndex, _ term: Term) -> Bool { self.term(at: index) == term }

  /// Section 3.6.1: a log is at least as good when its last term is higher, or equal and it is not shorter.
  func isUpToDate(lastIndex: LogIndex, lastTerm: Term) -> Bool {
    lastTerm > self.lastTerm || (lastTerm == self.lastTerm && lastIndex >= self.lastIndex)
  }

  /// The last position at or below `index` whose term is at most `term`: where two logs may agree.
  func lastIndex(atOrBelow index: LogIndex, termAtMost term: Term) -> LogIndex {
    var candidate = min(index, lastIndex)
    while let own = self.term(at: candidate), own > term, candidate > 0 { candidate -= 1 }
    return candidate
  }

  /// Entries from `index` on: at least one, and no more than `maximumBytes` beyond the first.
  func slice(from index: LogIndex, through last: LogIndex, maximumBytes: Int) -> [Entry] {
    precondition(index >= firstIndex && last <= lastIndex, "the slice lies within the log")
    if index > last { return [] }
    let start = Int(index - firstIndex)
    var end = start + 1
    var bytes = entries[start].sizeBytes
    let limit = Int(last - firstIndex) + 1
    while end < limit {
      bytes += entries[end].sizeBytes
      if bytes > maximumBytes { break }
      end += 1
    }
    return Array(entries[start..<end])
  }

  /// Size of what was proposed in `term` (its no-op was not) between two positions.
  func proposedBytes(after lower: LogIndex, through upper: LogIndex, term: Term) -> Int {
    precondition(lower >= truncatedIndex && lower <= upper && upper <= lastIndex, "the positions lie within the log")
    var bytes = 0
    for entry in entries[Int(lower - truncatedIndex)..<Int(upper - truncatedIndex)]
    where entry.term == term && entry.kind != .noOp {
      bytes += entry.sizeBytes
    }
    return bytes
  }

  mutating func append(_ entry: Entry) {
    precondition(entry.index == lastIndex + 1, "the log has no gaps")
    precondition(entry.term >= lastTerm, "terms never decrease along the log")
    entries.append(entry)
    sizeBytes += entry.sizeBytes
  }

  /// Removes `index` and what follows.
  mutating func truncate(from index: LogIndex) {
    precondition(index > truncatedIndex, "compacted entries are committed")
    while lastIndex >= index { sizeBytes -= entries.removeLast().sizeBytes }
  }

  /// Removes everything up to `index`.
  mutating func compact(to index: LogIndex) {
    guard index > truncatedIndex, let term = term(at: index) else { return }
    let count = Int(index - truncatedIndex)
    for entry in entries[..<count] { sizeBytes -= entry.sizeBytes }
    entries.removeFirst(count)
    truncatedIndex = index
    truncatedTerm = term
  }

  /// Replaces the whole log by a snapshot's position.
  mutating func reset(to index: LogIndex, term: Term) {
    entries = []
    sizeBytes = 0
    truncatedIndex = index
    truncatedTerm = term
  }
}
