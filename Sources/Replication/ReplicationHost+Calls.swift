import Basics
import EventLoop
import Raft

extension ReplicationHost {
  // MARK: - Proposals

  /// Replicates a command; `completion` is called when it was applied on this replica, or failed, never before this
  /// function returns unless it failed at once.
  public func propose(
    _ group: RangeID, _ command: [UInt8],
    completion: @escaping @EventLoopActor (Result<ProposalOutcome, ReplicationError>) -> Void
  ) {
    propose(group, completion) { (core, time) throws(ProposalRefusal) in try core.propose(command, now: time) }
  }

  /// Replicates a command and returns when it was applied on this replica.
  public func propose(_ group: RangeID, _ command: [UInt8]) async throws(ReplicationError) -> ProposalOutcome {
    let result = await withUnsafeContinuation { continuation in
      propose(group, command) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// Changes one member and returns when the change is committed.
  public func changeMembership(_ group: RangeID, _ change: MembershipChange) async throws(ReplicationError) {
    let result: Result<ProposalOutcome, ReplicationError> = await withUnsafeContinuation { continuation in
      propose(group, { continuation.resume(returning: $0) }) { (core, time) throws(ProposalRefusal) in
        try core.propose(change, now: time)
      }
    }
    _ = try result.get()
  }

  private func propose(
    _ id: RangeID, _ completion: @escaping Group.ProposalCompletion,
    _ body: (inout RaftCore, MonotonicTime) throws(ProposalRefusal) -> LogIndex
  ) {
    let group: Group
    switch usable(id) {
    case .success(let usable): group = usable
    case .failure(let error): return completion(.failure(error))
    }
    do throws(ProposalRefusal) {
      let index = try body(&group.core, now())
      counters.proposals += 1
      group.await(Group.Proposal(index: index, term: group.core.term, completion: completion))
      keepTicking(group)
      markDirty(group)
    } catch {
      completion(.failure(ReplicationError(error)))
    }
  }

  // MARK: - Reads

  /// Confirms that this replica led after the call began and has applied everything committed before it. One exchange with
  /// the followers serves all barriers that wait.
  public func readBarrier(_ id: RangeID, completion: @escaping @EventLoopActor (ReplicationError?) -> Void) {
    let group: Group
    switch usable(id) {
    case .success(let usable): group = usable
    case .failure(let error): return completion(error)
    }
    let read = nextReadID
    nextReadID += 1
    do throws(ProposalRefusal) {
      try group.core.readIndex(read, now: now())
      counters.readBarriers += 1
      group.barriers[read] = completion
      keepTicking(group)
      markDirty(group)
    } catch {
      completion(ReplicationError(error))
    }
  }

  /// Returns once this replica led after the call began and has applied everything committed before it.
  public func readBarrier(_ id: RangeID) async throws(ReplicationError) {
    let error = await withUnsafeContinuation { continuation in
      readBarrier(id) { continuation.resume(returning: $0) }
    }
    if let error { throw error }
  }

  // MARK: - Leadership

  /// Who leads, as this replica knows; nil for an unknown group.
  public func leadership(of id: RangeID) -> Leadership? {
    groupsByID[id].map(leadership(of:))
  }

  func leadership(of group: Group) -> Leadership {
    Leadership(
      role: group.core.role, term: group.core.term, leader: group.core.leader,
      isReady: group.core.isLeader && group.announcedTerm == group.core.term && failure == nil)
  }

  /// Asks a voter to take over. It has happened when `lostLeadership` is called.
  public func transferLeadership(_ id: RangeID, to target: NodeID) throws(ReplicationError) {
    let group = try usable(id).get()
    do throws(ProposalRefusal) {
      try group.core.transferLeadership(to: target, now: now())
    } catch {
      throw ReplicationError(error)
    }
    keepTicking(group)
    markDirty(group)
  }

  /// Ends a group's silence, for example when a client expects a leader and there is none.
  public func wake(_ id: RangeID) {
    guard let group = groupsByID[id], group.restore == nil else { return }
    group.core.wake(now())
    keepTicking(group)
    markDirty(group)
  }

  // MARK: - Status

  /// The groups with a state machine, in the order of their numbers.
  public var groups: [RangeID] { groupsByID.keys.sorted() }

  public func status(of id: RangeID) -> GroupStatus? {
    guard let group = groupsByID[id] else { return nil }
    let core = group.core
    var lag: [NodeID: UInt64] = [:]
    for (member, match) in core.followerMatch ?? [] { lag[member] = core.lastIndex - min(match, core.lastIndex) }
    return GroupStatus(
      group: id, leadership: leadership(of: group), membership: core.membership, firstIndex: core.firstIndex,
      lastIndex: core.lastIndex, commitIndex: core.commitIndex, appliedIndex: core.appliedIndex,
      logBytes: core.logSizeBytes, isQuiesced: core.isQuiesced, isRestoring: group.restore != nil, lag: lag)
  }

  public var metrics: ReplicationMetrics {
    var metrics = counters
    metrics.syncs = committer.syncCount
    metrics.groups = groupsByID.count
    metrics.leading = groupsByID.values.reduce(0) { $0 + ($1.core.isLeader ? 1 : 0) }
    metrics.ticking = ticking.count
    return metrics
  }

  private func usable(_ id: RangeID) -> Result<Group, ReplicationError> {
    if let failure { return .failure(.storageFailed(failure)) }
    if isShuttingDown { return .failure(.shuttingDown) }
    guard let group = groupsByID[id] else { return .failure(.unknownGroup) }
    if group.restore != nil { return .failure(.notLeader(hint: group.core.leader)) }
    return .success(group)
  }
}

extension ReplicationError {
  init(_ refusal: ProposalRefusal) {
    switch refusal {
    case .notLeader(let hint): self = .notLeader(hint: hint)
    case .tooLarge: self = .tooLarge
    case .busy, .invalidChange: self = .busy
    }
  }
}
