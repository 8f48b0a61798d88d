import Basics

extension RaftCore {
  /// Campaigns now instead of at the deadline, with pre-vote: harmless while there is a leader. May be repeated.
  public mutating func campaignNow(_ now: MonotonicTime) {
    if let campaign, !campaign.isPreVote { return }
    if leadership == nil && !hearsLeader(now) { startCampaign(now, isTransfer: false) }
  }

  mutating func startCampaign(_ now: MonotonicTime, isTransfer: Bool) {
    isQuiesced = false
    resetElectionTimer(now)
    guard isVoter, leadership == nil else { return }
    if isTransfer { return requestVotes(now, isTransfer: true) }
    leader = nil
    campaign = Campaign(isPreVote: true, isTransfer: false)
    let request = VoteRequest(lastIndex: log.lastIndex, lastTerm: log.lastTerm, isTransfer: false)
    for node in membership.voters where node != id { send(node, .preVoteRequest(request), term: term + 1) }
    countVote(from: id, isGranted: true, now)
  }

  /// The real election. The own vote counts, and the requests go out, once they are durable.
  private mutating func requestVotes(_ now: MonotonicTime, isTransfer: Bool) {
    leader = nil
    following.leaderHeard = nil
    setTerm(term + 1, vote: id)
    campaign = Campaign(isPreVote: false, isTransfer: isTransfer)
    resetElectionTimer(now)
    let request = VoteRequest(lastIndex: log.lastIndex, lastTerm: log.lastTerm, isTransfer: isTransfer)
    for node in membership.voters where node != id { sendAfterPersistence(node, .voteRequest(request)) }
  }

  mutating func countVote(from: NodeID, isGranted: Bool, _ now: MonotonicTime) {
    guard var campaign, membership.isVoter(from) else { return }
    if campaign.granted.contains(from) || campaign.refused.contains(from) { return }
    if isGranted { campaign.granted.append(from) } else { campaign.refused.append(from) }
    // Two candidates split the votes: the next attempt need not wait for a whole timeout.
    if !isGranted && !campaign.isPreVote { hastenElection(now) }
    self.campaign = campaign
    if campaign.granted.count >= membership.quorum {
      if campaign.isPreVote { requestVotes(now, isTransfer: false) } else { becomeLeader(now) }
    } else if campaign.refused.count > membership.voters.count - membership.quorum {
      becomeFollower(term: term, leader: nil, now)
    }
  }

  mutating func answerPreVote(_ from: NodeID, term requested: Term, _ request: VoteRequest, _ now: MonotonicTime) {
    let isGranted =
      requested > term && !hearsLeader(now)
      && log.isUpToDate(lastIndex: request.lastIndex, lastTerm: request.lastTerm)
    send(from, .preVoteResponse(isGranted: isGranted), term: isGranted ? requested : term)
  }

  mutating func answerVote(_ from: NodeID, _ request: VoteRequest, _ now: MonotonicTime) {
    let isFree = vote == from || (vote == nil && leader == nil)
    guard isFree, leadership == nil, log.isUpToDate(lastIndex: request.lastIndex, lastTerm: request.lastTerm) else {
      return send(from, .voteResponse(isGranted: false))
    }
    setTerm(term, vote: from)
    campaign = nil
    resetElectionTimer(now)
    sendAfterPersistence(from, .voteResponse(isGranted: true))
  }

  /// True while this replica leads, or has heard its leader within the shortest election timeout.
  func hearsLeader(_ now: MonotonicTime) -> Bool {
    if leadership != nil || isQuiesced { return true }
    guard leader != nil, let heard = following.leaderHeard else { return false }
    return now < heard.advanced(byMilliseconds: options.electionTimeoutMinimumMilliseconds)
  }

  private mutating func becomeLeader(_ now: MonotonicTime) {
    precondition(vote == id, "a leader voted for itself")
    campaign = nil
    leader = id
    leadership = LeaderState(members: membership, lastIndex: log.lastIndex, now: now, options)
    updateOwnProgress()
    appendToLog(Entry(index: log.lastIndex + 1, term: term, kind: .noOp, payload: []))
    leadership?.termStartIndex = log.lastIndex
    leadership?.wantsReplication = true
  }
}
