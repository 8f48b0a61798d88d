import Basics

extension RaftCore {
  /// A message has arrived from another replica of the group.
  public mutating func step(_ message: Message, now: MonotonicTime) {
    if message.to != id || message.from == id {
      refusedMessageCount += 1
      return
    }
    if isQuiesced && wakes(message) { wake(now) }
    if message.term > term {
      guard stepHigherTerm(message, now) else { return }
    } else if message.term < term {
      return stepLowerTerm(message)
    }
    stepBody(message, now)
  }

  /// Late answers to a leader's last heartbeat, and the leader's call for silence, do not end it.
  private func wakes(_ message: Message) -> Bool {
    switch message.body {
    case .heartbeatResponse, .appendAccepted: message.term > term
    case .quiesce: false
    case .preVoteRequest, .preVoteResponse, .voteRequest, .voteResponse, .append, .appendRejected, .heartbeat,
      .snapshot,
      .timeoutNow:
      true
    }
  }

  /// False: the message goes no further.
  private mutating func stepHigherTerm(_ message: Message, _ now: MonotonicTime) -> Bool {
    switch message.body {
    case .preVoteRequest: return true
    case .preVoteResponse(isGranted: true): return true
    case .voteRequest(let request):
      // Section 4.2.3: a replica that hears its leader does not let others disturb it.
      if !request.isTransfer && hearsLeader(now) { return false }
      becomeFollower(term: message.term, leader: nil, now)
      return true
    case .append, .heartbeat, .snapshot, .quiesce:
      becomeFollower(term: message.term, leader: message.from, now)
      return true
    case .preVoteResponse(isGranted: false), .voteResponse, .appendAccepted, .appendRejected, .heartbeatResponse,
      .timeoutNow:
      becomeFollower(term: message.term, leader: nil, now)
      return true
    }
  }

  private mutating func stepLowerTerm(_ message: Message) {
    switch message.body {
    case .append, .heartbeat, .snapshot, .quiesce:
      // Tells a deposed leader, or one that this replica cannot follow because its own term is higher.
      send(message.from, .heartbeatResponse(readRound: 0))
    case .preVoteRequest: send(message.from, .preVoteResponse(isGranted: false))
    case .preVoteResponse, .voteRequest, .voteResponse, .appendAccepted, .appendRejected, .heartbeatResponse,
      .timeoutNow:
      break
    }
  }

  private mutating func stepBody(_ message: Message, _ now: MonotonicTime) {
    let from = message.from
    switch message.body {
    case .preVoteRequest(let request): answerPreVote(from, term: message.term, request, now)
    case .preVoteResponse(let isGranted):
      if let campaign, campaign.isPreVote, !isGranted || message.term == term + 1 {
        countVote(from: from, isGranted: isGranted, now)
      }
    case .voteRequest(let request): answerVote(from, request, now)
    case .voteResponse(let isGranted):
      if let campaign, !campaign.isPreVote { countVote(from: from, isGranted: isGranted, now) }
    case .append(let append):
      if hearLeader(from, now) { handleAppend(append, from: from) }
    case .heartbeat(let commitIndex, let readRound):
      if hearLeader(from, now) {
        commit(to: min(commitIndex, log.lastIndex))
        send(from, .heartbeatResponse(readRound: readRound))
      }
    case .snapshot(let snapshot):
      if hearLeader(from, now) { handleSnapshot(snapshot, from: from) }
    case .quiesce(let lastIndex, let lastTerm):
      if hearLeader(from, now) { handleQuiesce(lastIndex, lastTerm, from: from, now) }
    case .timeoutNow:
      if leadership == nil && isVoter { startCampaign(now, isTransfer: true) }
    case .appendAccepted(let matchIndex): handleAccepted(from, matchIndex, now)
    case .appendRejected(let rejection): handleRejected(from, rejection, now)
    case .heartbeatResponse(let readRound): handleHeartbeatResponse(from, readRound, now)
    }
  }

  /// The leader of the current term speaks. False: there is another one, which no correct group has.
  private mutating func hearLeader(_ from: NodeID, _ now: MonotonicTime) -> Bool {
    if leadership != nil || (leader != nil && leader != from) {
      refusedMessageCount += 1
      return false
    }
    campaign = nil
    leader = from
    following.leaderHeard = now
    resetElectionTimer(now)
    return true
  }

  mutating func becomeFollower(term newTerm: Term, leader newLeader: NodeID?, _ now: MonotonicTime) {
    if newTerm > term { setTerm(newTerm, vote: nil) }
    campaign = nil
    leadership = nil
    leader = newLeader
    following.leaderHeard = newLeader == nil ? nil : now
    isQuiesced = false
    resetElectionTimer(now)
  }

  mutating func commit(to index: LogIndex) {
    precondition(index <= log.lastIndex, "only what the log has can be committed")
    commitIndex = max(commitIndex, index)
  }
}
