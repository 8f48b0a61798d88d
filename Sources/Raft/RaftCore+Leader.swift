import Basics

extension RaftCore {
  // MARK: - Proposals

  /// Appends a command. It is sent and written with the next `Ready`; several proposals before it share one append.
  ///
  /// - Returns: its position; it is committed when an entry with this position and the current term is given out.
  public mutating func propose(_ command: [UInt8], now: MonotonicTime) throws(ProposalRefusal) -> LogIndex {
    if leadership == nil { throw .notLeader(hint: leader) }
    if command.count > options.maximumCommandBytes { throw .tooLarge }
    return try append(.normal, command, now)
  }

  /// Proposes a change of one member; it is in force at once and stays when it is committed.
  public mutating func propose(_ change: MembershipChange, now: MonotonicTime) throws(ProposalRefusal) -> LogIndex {
    guard let leadership else { throw .notLeader(hint: leader) }
    if commitIndex < max(leadership.termStartIndex, members.currentIndex) { throw .busy }
    guard let after = membership.after(change) else { throw .invalidChange }
    let index = try append(.configuration, after.encoded(), now)
    let members = membership
    self.leadership?.adopt(members, lastIndex: index)
    return index
  }

  private mutating func append(
    _ kind: Entry.Kind, _ payload: [UInt8], _ now: MonotonicTime
  ) throws(ProposalRefusal) -> LogIndex {
    guard let current = leadership, current.transfer == nil else { throw .busy }
    let entry = Entry(index: log.lastIndex + 1, term: term, kind: kind, payload: payload)
    let bytes = current.uncommittedBytes
    if bytes > 0 && bytes + entry.sizeBytes > options.maximumUncommittedBytes { throw .busy }
    wake(now)
    appendToLog(entry)
    leadership?.uncommittedBytes += entry.sizeBytes
    leadership?.wantsReplication = true
    leadership?.lastWork = now
    return entry.index
  }

  // MARK: - Replication

  /// Sends every follower what it may get now.
  mutating func replicate() {
    guard leadership?.wantsReplication == true, let count = leadership?.progress.count else { return }
    leadership?.wantsReplication = false
    for position in 0..<count { appendEntries(at: position) }
  }

  private mutating func appendEntries(at position: Int) {
    while let progress = leadership?.progress[position], progress.node != id, progress.maySend(options),
      progress.nextIndex <= log.lastIndex || progress.isUnknown(before: log.lastIndex)
    {
      let bytesAllowed = options.maximumAppendBytes
      guard let previousTerm = log.term(at: progress.nextIndex - 1) else { return wantSnapshot(at: position) }
      let entries = log.slice(from: progress.nextIndex, through: log.lastIndex, maximumBytes: bytesAllowed)
      sendAppend(entries, after: progress.nextIndex - 1, previousTerm, at: position)
    }
  }

  private mutating func sendAppend(_ entries: [Entry], after previous: LogIndex, _ previousTerm: Term, at position: Int)
  {
    guard let node = leadership?.progress[position].node else { return }
    let bytes = entries.reduce(0) { $0 + $1.sizeBytes }
    let append = Append(
      previousIndex: previous, previousTerm: previousTerm, commitIndex: commitIndex, entries: entries)
    send(node, .append(append))
    leadership?.progress[position].sent(through: previous + LogIndex(entries.count), bytes: bytes)
    leadership?.progress[position].toldCommitIndex = min(commitIndex, previous + LogIndex(entries.count))
  }

  private mutating func wantSnapshot(at position: Int) {
    guard let progress = leadership?.progress[position], progress.isActive, progress.isReachable else { return }
    leadership?.progress[position].becomeSnapshotting()
    outbox.snapshotsWanted.append(progress.node)
  }

  /// The host has sent the snapshot that `Ready.snapshotsWanted` asked for, or could not. The follower's own answer counts;
  /// this only lets appends try again.
  public mutating func snapshotFinished(to node: NodeID, now: MonotonicTime) {
    guard let position = leadership?.position(of: node) else { return }
    if leadership?.progress[position].mode == .snapshot { leadership?.progress[position].becomeProbing() }
    leadership?.wantsReplication = true
  }

  mutating func handleAccepted(_ from: NodeID, _ matchIndex: LogIndex, _ now: MonotonicTime) {
    guard let position = leadership?.position(of: from) else { return }
    guard matchIndex <= log.lastIndex else {
      refusedMessageCount += 1
      return
    }
    leadership?.progress[position].isActive = true
    if leadership?.progress[position].accepted(matchIndex) == true { advanceCommit(now) }
    leadership?.wantsReplication = true
    if options.announcesCommits { tellCommitIndex() }
    completeTransferIfReady()
  }

  mutating func handleRejected(_ from: NodeID, _ rejection: AppendRejection, _ now: MonotonicTime) {
    guard let position = leadership?.position(of: from) else { return }
    leadership?.progress[position].isActive = true
    let candidate = log.lastIndex(atOrBelow: rejection.hintIndex, termAtMost: rejection.hintTerm)
    if leadership?.progress[position].rejected(rejection.rejectedIndex, candidate: candidate) == true {
      leadership?.wantsReplication = true
    }
  }

  mutating func handleHeartbeatResponse(_ from: NodeID, _ readRound: UInt64, _ now: MonotonicTime) {
    guard let position = leadership?.position(of: from), let progress = leadership?.progress[position] else { return }
    leadership?.progress[position].isActive = true
    if readRound <= leadership?.reads.number ?? 0 {
      leadership?.progress[position].confirmedReadRound = max(progress.confirmedReadRound, readRound)
    }
    confirmReads(by: from)
    guard progress.isStalled else { return }
    leadership?.progress[position].resume()
    leadership?.wantsReplication = true
    // Nothing more may be sent and something is not answered: an append without entries finds out what is missing.
    let isStuck = progress.nextIndex > log.lastIndex || !progress.maySend(options)
    if progress.mode == .replicate, isStuck, let previousTerm = log.term(at: progress.nextIndex - 1) {
      sendAppend([], after: progress.nextIndex - 1, previousTerm, at: position)
    }
  }

  // MARK: - Commit

  /// What this replica's own disk has counts like an answer.
  mutating func leaderStored(_ now: MonotonicTime) {
    guard leadership != nil else { return }
    updateOwnProgress()
    advanceCommit(now)
    if options.announcesCommits { tellCommitIndex() }
  }

  mutating func updateOwnProgress() {
    guard let position = leadership?.position(of: id) else { return }
    leadership?.progress[position].stored(outbox.storedIndex)
  }

  /// Section 3.6.2: only entries of the own term are committed by counting; earlier ones with them.
  private mutating func advanceCommit(_ now: MonotonicTime) {
    guard let leadership, let index = leadership.quorumValue(membership, \.matchIndex) else { return }
    guard index > commitIndex, log.term(at: index) == term else { return }
    let bytes = log.proposedBytes(after: commitIndex, through: index, term: term)
    commit(to: index)
    self.leadership?.uncommittedBytes = max(0, leadership.uncommittedBytes - bytes)
    self.leadership?.lastWork = now
    if members.currentIndex <= commitIndex && !membership.contains(id) {
      becomeFollower(term: term, leader: nil, now)
    }
  }
}
