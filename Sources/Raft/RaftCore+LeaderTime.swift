import Basics

extension RaftCore {
  mutating func tickLeader(_ now: MonotonicTime) {
    guard let current = leadership else { return }
    if now >= current.quorumDeadline {
      guard checkQuorum(now) else { return }
    }
    widenReadRound(isTick: true)
    if let transfer = current.transfer, now >= transfer.deadline { leadership?.transfer = nil }
    if now >= current.heartbeatDeadline {
      if mayQuiesce(now) { return quiesce() }
      leadership?.heartbeatDeadline = now.advanced(byMilliseconds: options.heartbeatIntervalMilliseconds)
      noteStalledFollowers()
      sendHeartbeats { _ in true }
    } else {
      tellCommitIndex()
    }
  }

  /// Whose log did not grow between two heartbeats though it should: the next answer makes the leader find out why.
  private mutating func noteStalledFollowers() {
    guard let count = leadership?.progress.count else { return }
    for position in 0..<count { leadership?.progress[position].noteHeartbeat(lastIndex: log.lastIndex) }
  }

  /// To every follower that may apply more than it has been told.
  mutating func tellCommitIndex() {
    let committed = commitIndex
    sendHeartbeats { $0.toldCommitIndex < min(committed, $0.matchIndex) }
  }

  mutating func restartLeaderTimers(_ now: MonotonicTime) {
    guard let count = leadership?.progress.count else { return }
    leadership?.heartbeatDeadline = now
    leadership?.quorumDeadline = now.advanced(byMilliseconds: options.electionTimeoutMaximumMilliseconds)
    leadership?.lastWork = now
    for position in 0..<count { leadership?.progress[position].isActive = true }
  }

  private mutating func sendHeartbeats(_ isWanted: (Progress) -> Bool) {
    guard let leadership else { return }
    for (position, progress) in leadership.progress.enumerated() where progress.node != id && isWanted(progress) {
      let told = min(commitIndex, progress.matchIndex)
      send(progress.node, .heartbeat(commitIndex: told, readRound: leadership.reads.number))
      self.leadership?.progress[position].toldCommitIndex = told
    }
  }

  /// A leader that a majority does not answer steps down (section 6.2). False: it did.
  private mutating func checkQuorum(_ now: MonotonicTime) -> Bool {
    guard let leadership else { return false }
    let voters = membership
    let active = leadership.progress.filter { voters.isVoter($0.node) && ($0.node == id || $0.isActive) }.count
    if active < voters.quorum {
      becomeFollower(term: term, leader: nil, now)
      return false
    }
    self.leadership?.quorumDeadline = now.advanced(byMilliseconds: options.electionTimeoutMaximumMilliseconds)
    for position in leadership.progress.indices { self.leadership?.progress[position].isActive = false }
    return true
  }

  // MARK: - Quiescence

  /// Nothing to do for long enough, everything applied, and every reachable follower, a majority of voters among them,
  /// has the whole log.
  private func mayQuiesce(_ now: MonotonicTime) -> Bool {
    guard let leadership, let silence = options.quiesceAfterMilliseconds else { return false }
    guard now >= leadership.lastWork.advanced(byMilliseconds: silence), leadership.reads.isIdle else { return false }
    guard leadership.transfer == nil, commitIndex == log.lastIndex, appliedIndex == commitIndex else { return false }
    guard outbox.storedIndex == log.lastIndex else { return false }
    let followers = leadership.progress.filter { $0.node != id }
    guard followers.allSatisfy({ !$0.isReachable || ($0.isActive && $0.matchIndex == log.lastIndex) }) else {
      return false
    }
    let present = followers.filter { $0.isReachable && membership.isVoter($0.node) }.count + (isVoter ? 1 : 0)
    return present >= membership.quorum
  }

  private mutating func quiesce() {
    for progress in leadership?.progress ?? [] where progress.node != id && progress.isReachable {
      send(progress.node, .quiesce(lastIndex: log.lastIndex, lastTerm: log.lastTerm))
    }
    isQuiesced = true
  }

  /// The host's opinion of a member's process. One that comes back wakes the group, so that it catches up.
  public mutating func setReachable(_ node: NodeID, _ isReachable: Bool, now: MonotonicTime) {
    if !isReachable { leaderLost(node, now: now) }
    guard let position = leadership?.position(of: node) else { return }
    guard leadership?.progress[position].isReachable != isReachable else { return }
    // A process that was away may have come back with another disk: nothing that is known of it holds any more.
    leadership?.progress[position] = Progress(node: node, nextIndex: log.lastIndex + 1)
    leadership?.progress[position].isReachable = isReachable
    wake(now)
    if !isReachable { widenReadRound(isTick: false) }
    leadership?.wantsReplication = true
  }

  // MARK: - Transfer

  /// Hands leadership to a voter: proposals are refused until it is done or given up (one election timeout).
  public mutating func transferLeadership(to target: NodeID, now: MonotonicTime) throws(ProposalRefusal) {
    guard let leadership else { throw .notLeader(hint: leader) }
    if target == id { return }
    guard membership.isVoter(target), leadership.transfer == nil else { throw .busy }
    wake(now)
    self.leadership?.transfer = LeaderState.Transfer(
      target: target, deadline: now.advanced(byMilliseconds: options.electionTimeoutMinimumMilliseconds))
    self.leadership?.lastWork = now
    self.leadership?.wantsReplication = true
    completeTransferIfReady()
  }

  mutating func completeTransferIfReady() {
    guard let transfer = leadership?.transfer, !transfer.isAsked else { return }
    guard let position = leadership?.position(of: transfer.target) else { return }
    guard leadership?.progress[position].matchIndex == log.lastIndex else { return }
    leadership?.transfer?.isAsked = true
    send(transfer.target, .timeoutNow)
  }
}
