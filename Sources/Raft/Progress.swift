import Basics

/// What a leader knows of one follower.
struct Progress: Hashable, Sendable {
  enum Mode: Hashable, Sendable {
    /// Where the logs agree is not known: one append at a time, the next one after an answer or a heartbeat.
    case probe(isWaiting: Bool)
    /// The follower's log agrees: appends are pipelined.
    case replicate
    /// The host sends a snapshot; nothing is appended meanwhile.
    case snapshot
  }

  private struct Inflight: Hashable, Sendable {
    let lastIndex: LogIndex
    let bytes: Int
  }

  let node: NodeID
  /// The last position known to be stored there. Only answers advance it.
  private(set) var matchIndex: LogIndex = 0
  /// The next position to send; above `matchIndex`.
  private(set) var nextIndex: LogIndex
  private(set) var mode = Mode.probe(isWaiting: false)
  /// Appends without an answer, in the order of the log.
  private var inflight: [Inflight] = []
  private var inflightBytes = 0
  /// Heard of since the last check of the quorum.
  var isActive = true
  /// The host's opinion: is its process there?
  var isReachable = true
  /// The last round of reads it confirmed.
  var confirmedReadRound: UInt64 = 0
  /// The highest commit index it was told.
  var toldCommitIndex: LogIndex = 0

  /// The match index at the last heartbeat; nil when nothing was missing then.
  private var matchAtHeartbeat: LogIndex?
  /// Nothing came of what was sent for a whole heartbeat interval: something was lost.
  private(set) var isStalled = false

  init(node: NodeID, nextIndex: LogIndex) {
    self.node = node
    self.nextIndex = nextIndex
  }

  func maySend(_ options: RaftOptions) -> Bool {
    switch mode {
    case .probe(let isWaiting): !isWaiting
    case .replicate: inflight.count < options.maximumInflightAppends && inflightBytes < options.maximumInflightBytes
    case .snapshot: false
    }
  }

  /// Where the log agrees has to be found out, though there is nothing new to send.
  func isUnknown(before lastIndex: LogIndex) -> Bool {
    if case .probe(isWaiting: false) = mode { return matchIndex < lastIndex }
    return false
  }

  /// Notes that entries up to `last` (at least `nextIndex - 1`) are on their way.
  mutating func sent(through last: LogIndex, bytes: Int) {
    switch mode {
    case .probe: mode = .probe(isWaiting: true)
    case .replicate:
      if last < nextIndex { return }
      inflight.append(Inflight(lastIndex: last, bytes: bytes))
      inflightBytes += bytes
      nextIndex = last + 1
    case .snapshot: preconditionFailure("nothing is appended during a snapshot")
    }
  }

  /// True when the match index advanced.
  mutating func accepted(_ index: LogIndex) -> Bool {
    let advanced = index > matchIndex
    if advanced { matchIndex = index }
    nextIndex = max(nextIndex, index + 1)
    switch mode {
    case .probe: becomeReplicating()
    case .snapshot: if advanced { becomeReplicating() }
    case .replicate: release(through: index)
    }
    return advanced
  }

  /// The append after `rejected` did not fit; `candidate` is the last position that may agree. False: an old answer.
  mutating func rejected(_ rejected: LogIndex, candidate: LogIndex) -> Bool {
    switch mode {
    case .snapshot: return false
    case .replicate:
      if rejected <= matchIndex { return false }
      becomeProbing()
    case .probe:
      if rejected != nextIndex - 1 { return false }
      nextIndex = max(min(rejected, candidate + 1), matchIndex + 1)
      mode = .probe(isWaiting: false)
    }
    return true
  }

  mutating func noteHeartbeat(lastIndex: LogIndex) {
    let isMissing = matchIndex < lastIndex
    isStalled = isMissing && matchAtHeartbeat == matchIndex
    matchAtHeartbeat = isMissing ? matchIndex : nil
  }

  /// A stalled follower answers: it may be probed again.
  mutating func resume() {
    isStalled = false
    if case .probe = mode { mode = .probe(isWaiting: false) }
  }

  mutating func becomeSnapshotting() {
    clearInflight()
    mode = .snapshot
  }

  mutating func becomeProbing() {
    clearInflight()
    nextIndex = matchIndex + 1
    mode = .probe(isWaiting: false)
  }

  /// The leader's own entry: what its own disk has.
  mutating func stored(_ index: LogIndex) { matchIndex = max(matchIndex, index) }

  private mutating func becomeReplicating() {
    clearInflight()
    nextIndex = matchIndex + 1
    mode = .replicate
  }

  private mutating func release(through index: LogIndex) {
    var count = 0
    while count < inflight.count && inflight[count].lastIndex <= index {
      inflightBytes -= inflight[count].bytes
      count += 1
    }
    inflight.removeFirst(count)
  }

  private mutating func clearInflight() {
    inflight.removeAll(keepingCapacity: true)
    inflightBytes = 0
  }
}
