import Basics

/// One replica of one group, as a value: messages, proposals and the time go in, a `Ready` comes out.
///
/// The algorithm is Raft as in Ongaro's dissertation ("Consensus: Bridging Theory and Practice", 2014) with pre-vote,
/// check-quorum and leader stickiness, reads by confirmed leadership (section 6.4), pipelined appends, leadership
/// transfer, changes of one member at a time, snapshots, and quiescence: a leader without work falls silent.
///
/// Protocol of use: after any call, while `hasReady`, take a `Ready` and do what it says.
public struct RaftCore: Sendable {
  public let id: NodeID
  let options: RaftOptions
  var generator: SeededGenerator

  /// The current term. Never decreases.
  public internal(set) var term: Term
  var vote: NodeID?
  /// The leader of `term`, as far as known.
  public internal(set) var leader: NodeID?
  var log: RaftLog
  var members: MembershipHistory
  /// The last position known to be committed. Never decreases; never beyond the log.
  public internal(set) var commitIndex: LogIndex
  /// The last position given out in `Ready.committed`. Never beyond `commitIndex`.
  public internal(set) var appliedIndex: LogIndex

  /// Exactly one of these is set, or none: then the replica follows.
  var campaign: Campaign?
  var leadership: LeaderState?
  var following = FollowerState()

  /// Neither ticks nor heartbeats until something happens.
  public internal(set) var isQuiesced = false
  /// Messages that no correct replica sends; they were ignored.
  public internal(set) var refusedMessageCount: UInt64 = 0

  var outbox = Outbox()

  /// - Parameter state: what storage holds; must be consistent (`PersistedState.inconsistency`).
  /// - Parameter seed: decides the election timeouts; different for every replica.
  public init(id: NodeID, state: PersistedState, options: RaftOptions = RaftOptions(), seed: UInt64, now: MonotonicTime)
  {
    precondition(state.inconsistency == nil, "inconsistent persisted state: \(state.inconsistency ?? "")")
    self.id = id
    self.options = options
    generator = SeededGenerator(seed: seed)
    term = state.hardState.term
    vote = state.hardState.vote
    log = RaftLog(
      truncatedIndex: state.truncated.index, truncatedTerm: state.truncated.term, entries: state.entries)
    members = MembershipHistory(base: state.truncated.membership, index: state.truncated.index)
    commitIndex = state.appliedIndex
    appliedIndex = state.appliedIndex
    outbox.storedIndex = log.lastIndex
    outbox.handedIndex = log.lastIndex
    for entry in state.entries where entry.kind == .configuration { adoptMembership(of: entry) }
    resetElectionTimer(now)
  }

  // MARK: - What it is

  public var role: RaftRole {
    if leadership != nil { return .leader }
    guard let campaign else { return .follower }
    return campaign.isPreVote ? .preCandidate : .candidate
  }

  public var isLeader: Bool { leadership != nil }
  public var membership: Membership { members.current }
  public var lastIndex: LogIndex { log.lastIndex }
  public var firstIndex: LogIndex { log.firstIndex }
  public var truncatedState: TruncatedState {
    TruncatedState(
      index: log.truncatedIndex, term: log.truncatedTerm, membership: members.membership(at: log.truncatedIndex))
  }
  /// What a snapshot of the state after `index` carries; nil when the log does not have that position.
  public func truncatedState(at index: LogIndex) -> TruncatedState? {
    guard let term = log.term(at: index) else { return nil }
    return TruncatedState(index: index, term: term, membership: members.membership(at: index))
  }

  /// The uncompacted log in memory.
  public var logSizeBytes: Int { log.sizeBytes }
  public var logEntryCount: Int { log.entries.count }
  var isVoter: Bool { membership.isVoter(id) }

  // MARK: - Time

  /// Time has passed. A quiesced replica needs no ticks.
  public mutating func tick(_ now: MonotonicTime) {
    if isQuiesced { return }
    if leadership != nil {
      tickLeader(now)
    } else if now >= following.electionDeadline {
      startCampaign(now, isTransfer: false)
    }
  }

  /// Ends the silence: timers start anew, a leader sends heartbeats.
  public mutating func wake(_ now: MonotonicTime) {
    if !isQuiesced { return }
    isQuiesced = false
    if leadership != nil {
      restartLeaderTimers(now)
    } else {
      following.leaderHeard = now
      resetElectionTimer(now)
    }
  }

  mutating func resetElectionTimer(_ now: MonotonicTime) {
    let timeout = UInt64.random(
      in: options.electionTimeoutMinimumMilliseconds...options.electionTimeoutMaximumMilliseconds, using: &generator)
    following.electionDeadline = now.advanced(byMilliseconds: timeout)
  }

  // MARK: - Compaction

  /// Forgets the log up to `index`, as far as it is applied. The host stores `truncatedState` and deletes the entries.
  public mutating func compact(to index: LogIndex) {
    let target = min(index, appliedIndex)
    guard target > log.truncatedIndex else { return }
    log.compact(to: target)
    members.compact(to: target)
  }

  /// Where to compact to, so that no more than so many entries and bytes stay. A leader keeps what its slowest reachable
  /// follower needs, unless `isUrgent`.
  public func compactionIndex(keepingEntries: Int, keepingBytes: Int, isUrgent: Bool) -> LogIndex {
    var bytes = 0
    var kept = 0
    var index = log.lastIndex
    for entry in log.entries.reversed() {
      bytes += entry.sizeBytes
      kept += 1
      if kept > keepingEntries || bytes > keepingBytes { break }
      index = entry.index - 1
    }
    index = min(index, appliedIndex)
    guard !isUrgent, let leadership else { return index }
    let slowest = leadership.progress.filter { $0.node != id && $0.isReachable }.map(\.matchIndex).min()
    return min(index, slowest ?? index)
  }

  /// True while the host's snapshot for `node` is awaited.
  public func isSendingSnapshot(to node: NodeID) -> Bool {
    guard let position = leadership?.position(of: node) else { return false }
    return leadership?.progress[position].mode == .snapshot
  }

  /// What a leader knows of each other member: the last position stored there. Nil on other roles.
  public var followerMatch: [(node: NodeID, matchIndex: LogIndex)]? {
    leadership?.progress.filter { $0.node != id }.map { (node: $0.node, matchIndex: $0.matchIndex) }
  }

  mutating func adoptMembership(of entry: Entry) {
    guard let membership = try? Membership(encoded: entry.payload) else {
      // Only leaders make these entries, from a `Membership`.
      refusedMessageCount += 1
      return
    }
    members.append(membership, at: entry.index)
  }
}

struct FollowerState: Sendable {
  /// Campaigns when it hears nothing until then.
  var electionDeadline = MonotonicTime(nanoseconds: 0)
  /// Last sign of life of the leader; nil once it is believed gone. Decides whether others' campaigns are refused.
  var leaderHeard: MonotonicTime?
}

struct Campaign: Sendable {
  let isPreVote: Bool
  let isTransfer: Bool
  var granted: [NodeID] = []
  var refused: [NodeID] = []
}
