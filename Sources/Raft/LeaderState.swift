import Basics

/// What only a leader has.
struct LeaderState: Sendable {
  /// One for every other member and, for its own disk, itself; sorted by node.
  var progress: [Progress]
  /// The no-op of this term: reads and changes of members wait until it is committed.
  var termStartIndex: LogIndex = 0
  var reads = ReadRounds()
  var transfer: Transfer?
  /// Entries appended in this term and not committed.
  var uncommittedBytes = 0
  /// There may be something to append somewhere.
  var wantsReplication = false

  var heartbeatDeadline: MonotonicTime
  var quorumDeadline: MonotonicTime
  /// Last time there was something to do.
  var lastWork: MonotonicTime

  struct Transfer: Sendable {
    let target: NodeID
    let deadline: MonotonicTime
    var isAsked = false
  }

  init(members: Membership, lastIndex: LogIndex, now: MonotonicTime, _ options: RaftOptions) {
    progress = members.all.map { Progress(node: $0, nextIndex: lastIndex + 1) }
    heartbeatDeadline = now
    quorumDeadline = now.advanced(byMilliseconds: options.electionTimeoutMaximumMilliseconds)
    lastWork = now
  }

  func position(of node: NodeID) -> Int? { progress.firstIndex { $0.node == node } }

  /// The highest value that a majority of the voters has reached.
  func quorumValue<Value: Comparable>(_ members: Membership, _ value: (Progress) -> Value) -> Value? {
    let values = progress.filter { members.isVoter($0.node) }.map(value).sorted(by: >)
    return values.count >= members.quorum ? values[members.quorum - 1] : nil
  }

  /// Follows a change of the members: new ones are probed from the log's end.
  mutating func adopt(_ members: Membership, lastIndex: LogIndex) {
    progress = members.all.map { node in
      progress.first { $0.node == node } ?? Progress(node: node, nextIndex: lastIndex + 1)
    }
  }
}

/// Reads wait for a round of heartbeats that began after they came: one round serves all that wait (section 6.4).
struct ReadRounds: Sendable {
  struct Round: Sendable {
    let number: UInt64
    /// The commit index when the round began: what a read must have applied.
    let index: LogIndex
    let ids: [UInt64]
    /// Whom it was asked of; empty: everybody.
    var asked: [NodeID]
    /// A tick has passed since.
    var isOld = false
  }

  /// The number of the newest round; a leader starts at 0.
  var number: UInt64 = 0
  var waiting: [UInt64] = []
  var current: Round?
  /// Confirmed, waiting until `index` is given out for application. In order.
  var confirmed: [Round] = []
  /// True when a round should begin.
  var wantsRound = false
  /// Who completed rounds lately, the latest first; each follower once.
  var quick: [NodeID] = []

  mutating func noteConfirmation(by node: NodeID) {
    if quick.first == node { return }
    quick.removeAll { $0 == node }
    quick.insert(node, at: 0)
  }

  var isIdle: Bool { waiting.isEmpty && current == nil && confirmed.isEmpty }
}
