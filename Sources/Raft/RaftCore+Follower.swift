import Basics

extension RaftCore {
  mutating func handleAppend(_ append: Append, from: NodeID) {
    if append.previousIndex < commitIndex {
      // Committed entries agree with every leader: tell it where to go on.
      return accept(commitIndex, from)
    }
    guard log.matches(append.previousIndex, append.previousTerm) else { return reject(append, from) }
    guard isContiguous(append) else {
      refusedMessageCount += 1
      return
    }
    for (offset, entry) in append.entries.enumerated() where !log.matches(entry.index, entry.term) {
      if entry.index <= log.lastIndex { truncateLog(from: entry.index) }
      for new in append.entries[offset...] { appendToLog(new) }
      break
    }
    let last = append.previousIndex + LogIndex(append.entries.count)
    commit(to: min(append.commitIndex, last))
    accept(last, from)
  }

  private func isContiguous(_ append: Append) -> Bool {
    var (index, entryTerm) = (append.previousIndex, append.previousTerm)
    for entry in append.entries {
      if entry.index != index + 1 || entry.term < entryTerm || entry.term > term { return false }
      (index, entryTerm) = (entry.index, entry.term)
    }
    return true
  }

  /// Promises durability, so it waits for it unless it is there.
  private mutating func accept(_ index: LogIndex, _ to: NodeID) {
    if index <= outbox.storedIndex && !outbox.hardStateChanged {
      send(to, .appendAccepted(matchIndex: index))
    } else {
      sendAfterPersistence(to, .appendAccepted(matchIndex: index))
    }
  }

  private mutating func reject(_ append: Append, _ to: NodeID) {
    let hint = log.lastIndex(atOrBelow: append.previousIndex, termAtMost: append.previousTerm)
    let rejection = AppendRejection(
      rejectedIndex: append.previousIndex, hintIndex: hint, hintTerm: log.term(at: hint) ?? log.truncatedTerm)
    send(to, .appendRejected(rejection))
  }

  mutating func handleSnapshot(_ snapshot: TruncatedState, from: NodeID) {
    // No leader has entries of terms to come; with such a log this replica could never append again.
    if snapshot.term > term {
      refusedMessageCount += 1
      return
    }
    if snapshot.index <= commitIndex { return accept(commitIndex, from) }
    if log.matches(snapshot.index, snapshot.term) {
      commit(to: snapshot.index)
      return accept(snapshot.index, from)
    }
    log.reset(to: snapshot.index, term: snapshot.term)
    members = MembershipHistory(base: snapshot.membership, index: snapshot.index)
    commitIndex = snapshot.index
    appliedIndex = snapshot.index
    outbox.handedIndex = snapshot.index
    outbox.firstDirtyIndex = nil
    outbox.storedIndex = 0
    outbox.snapshot = snapshot
    sendAfterPersistence(from, .appendAccepted(matchIndex: snapshot.index))
  }

  mutating func handleQuiesce(_ lastIndex: LogIndex, _ lastTerm: Term, from: NodeID, _ now: MonotonicTime) {
    if lastIndex == log.lastIndex && log.lastTerm == lastTerm {
      commit(to: lastIndex)
      isQuiesced = true
    } else {
      wake(now)
      send(
        from,
        .appendRejected(AppendRejection(rejectedIndex: lastIndex, hintIndex: log.lastIndex, hintTerm: log.lastTerm)))
    }
  }

  /// The host has noticed that the leader's process is gone: campaign soon, and let others.
  public mutating func leaderLost(_ node: NodeID, now: MonotonicTime) {
    guard leadership == nil, leader == node else { return }
    isQuiesced = false
    leader = nil
    following.leaderHeard = nil
    hastenElection(now)
  }

  /// Campaigns soon, at a random time.
  mutating func hastenElection(_ now: MonotonicTime) {
    let timeout = UInt64.random(
      in: options.lostLeaderTimeoutMinimumMilliseconds...options.lostLeaderTimeoutMaximumMilliseconds, using: &generator
    )
    following.electionDeadline = now.advanced(byMilliseconds: timeout)
  }
}
