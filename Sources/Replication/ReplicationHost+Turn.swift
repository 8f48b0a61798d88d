import Basics
import EventLoop
import Raft
import RocksEngine

/// What one end of turn collects over all groups.
struct Turn {
  /// What waits for the fsync.
  struct Flight {
    let group: Group
    let number: UInt64
    let messages: [Message]
  }

  var flights: [Flight] = []
  var answers: [(Group.ProposalCompletion, Result<ProposalOutcome, ReplicationError>)] = []
  var barriers: [Group.BarrierCompletion] = []
  var newLeaders: [Group] = []
}

extension ReplicationHost {
  func markDirty(_ group: Group) {
    if !group.isDirty {
      group.isDirty = true
      dirty.append(group)
    }
    scheduleTurn()
  }

  func scheduleTurn() {
    if isTurnScheduled || !isStarted { return }
    isTurnScheduled = true
    EventLoop.endOfTurn { [self] in runTurn() }
  }

  private func runTurn() {
    isTurnScheduled = false
    if failure != nil { return }
    counters.turns += 1
    let groups = dirty
    dirty.removeAll(keepingCapacity: true)
    do {
      for group in groups {
        group.isDirty = false
        if !group.isRemoved && group.restore == nil { try process(group) }
      }
    } catch {
      return fail(error as? RocksError ?? .other("\(error)"))
    }
    sendOutgoing()
    writeTurn()
  }

  private func process(_ group: Group) throws {
    noticeRole(group)
    guard group.core.hasReady else { return }
    let ready = group.core.takeReady()
    for message in ready.messages { queue(message, of: group) }
    if let state = ready.hardState { group.storage.put(state, into: batch) }
    if let snapshot = ready.snapshot { return beginRestore(group, snapshot, ready) }
    if let obsolete = ready.obsoleteIndexes { group.storage.delete(obsolete, into: batch) }
    group.storage.put(ready.entries, into: batch)
    if ready.needsPersistence {
      turn.flights.append(Turn.Flight(group: group, number: ready.number, messages: ready.messagesAfterPersistence))
    }
    try apply(ready.committed, of: group)
    for read in ready.confirmedReads {
      if let completion = group.barriers.removeValue(forKey: read) { turn.barriers.append(completion) }
    }
    for member in ready.snapshotsWanted { snapshots.want(group, member, self) }
    compactIfLarge(group)
    if group.core.hasReady { markDirty(group) }
  }

  // MARK: - Leadership

  private func noticeRole(_ group: Group) {
    if let announced = group.announcedTerm, !group.core.isLeader || group.core.term != announced {
      group.announcedTerm = nil
      group.machine.lostLeadership()
    }
    if group.core.isLeader && group.leaderTermSeen != group.core.term {
      if group.leaderTermSeen != nil { leadershipEnded(group) }
      group.leaderTermSeen = group.core.term
      counters.elections += 1
      EventLoop.observer?.becameLeader(group: group.id.rawValue, term: group.core.term)
      for member in unreachable.sorted() { group.core.setReachable(member, false, now: now()) }
    }
    if !group.core.isLeader && group.leaderTermSeen != nil {
      group.leaderTermSeen = nil
      leadershipEnded(group)
    }
  }

  private func leadershipEnded(_ group: Group) {
    if group.hasProposals { Probes.reached(.proposalUndecided) }
    group.suspendProposals(until: now().advanced(byMilliseconds: options.undecidedTimeoutMilliseconds))
    for completion in group.takeBarriers() { completion(.notLeader(hint: group.core.leader)) }
  }

  // MARK: - Application

  private func apply(_ entries: [Entry], of group: Group) throws {
    guard let last = entries.last else { return }
    for entry in entries {
      var result: (any Sendable)?
      switch entry.kind {
      case .normal:
        let committed = CommittedEntry(
          index: entry.index, term: entry.term, command: entry.payload,
          isLocalProposal: group.isAwaited(entry.index, entry.term))
        batch.flushEarlierWrites = { [self] batch in
          group.storage.put(appliedIndex: entry.index - 1, into: batch)
          try database.write(batch, sync: false)
          batch.clear()
        }
        result = try group.machine.apply(committed, into: batch)
        EventLoop.observer?.applied(
          group: group.id.rawValue, index: entry.index, term: entry.term, command: entry.payload)
      case .noOp:
        if entry.term == group.core.term && group.core.isLeader { turn.newLeaders.append(group) }
      case .configuration:
        for member in group.core.membership.all where member != node { transport.connect(to: member) }
      }
      group.settle(entry.index, entry.term) { completion, isOwn in
        let outcome = ProposalOutcome(index: entry.index, term: entry.term, result: result)
        turn.answers.append((completion, isOwn ? .success(outcome) : .failure(.proposalDropped)))
      }
    }
    batch.flushEarlierWrites = nil
    counters.appliedEntries += UInt64(entries.count)
    group.storage.put(appliedIndex: last.index, into: batch)
  }

  // MARK: - Writing

  private func writeTurn() {
    var done = Turn()
    swap(&turn, &done)
    if done.flights.isEmpty {
      do throws(RocksError) {
        try database.write(batch, sync: false)
      } catch {
        batch.clear()
        answer(done, error)
        return fail(error)
      }
    } else {
      let flights = done.flights
      let isHasty = PlantedFault.isPlanted(.unsyncedVote)
      if isHasty { EventLoop.execute { [self] in land(flights) } }
      committer.write(batch) { [self] result in
        switch result {
        case .success: if !isHasty { land(flights) }
        case .failure(let error): fail(error)
        }
      }
    }
    batch.clear()
    answer(done, committer.failure)
  }

  /// Everything is visible in the database: tell those who wait.
  private func answer(_ done: Turn, _ error: RocksError?) {
    if let error {
      for (completion, _) in done.answers { completion(.failure(.storageFailed(error))) }
      for completion in done.barriers { completion(.storageFailed(error)) }
      return
    }
    for group in done.newLeaders where group.core.isLeader && group.announcedTerm != group.core.term {
      group.announcedTerm = group.core.term
      group.machine.becameLeader(term: group.core.term)
    }
    for (completion, result) in done.answers { completion(result) }
    for completion in done.barriers { completion(nil) }
  }

  /// The fsync is done.
  private func land(_ flights: [Turn.Flight]) {
    if failure != nil { return }
    let time = now()
    for flight in flights where !flight.group.isRemoved {
      for message in flight.messages { queue(message, of: flight.group) }
      flight.group.core.persisted(flight.number, now: time)
      // Followers have nothing more to do; a leader may have committed.
      if flight.group.core.hasReady { markDirty(flight.group) }
    }
    if !outgoing.isEmpty { scheduleTurn() }
  }

  // MARK: - Messages

  func queue(_ message: Message, of group: Group) {
    counters.messagesSent += 1
    outgoing[message.to, default: PacketWriter(from: node, to: message.to)]
      .append(group.id, message.term, message.body)
  }

  private func sendOutgoing() {
    if outgoing.isEmpty { return }
    for (peer, writer) in outgoing.sorted(by: { $0.key < $1.key }) { transport.send(to: peer, writer.bytes) }
    outgoing.removeAll(keepingCapacity: true)
  }

  // MARK: - Compaction

  private func compactIfLarge(_ group: Group) {
    let core = group.core
    let entries = options.maximumLogEntries
    let bytes = options.maximumLogBytes
    guard core.logEntryCount > entries || core.logSizeBytes > bytes else { return }
    let isUrgent = core.logEntryCount > 4 * entries || core.logSizeBytes > 4 * bytes
    let index = core.compactionIndex(
      keepingEntries: options.retainedLogEntries, keepingBytes: options.retainedLogBytes, isUrgent: isUrgent)
    // Not for a few entries at a time: followers that lag hold the index back.
    if isUrgent || index >= core.firstIndex + UInt64(entries / 4) || core.logSizeBytes > bytes {
      compact(group, to: index, into: batch)
    }
  }

  func compactQuiesced(_ group: Group) {
    let index = group.core.compactionIndex(
      keepingEntries: options.quiescedLogEntries, keepingBytes: options.quiescedLogBytes, isUrgent: true)
    let own = WriteBatch()
    compact(group, to: index, into: own)
    do throws(RocksError) { try database.write(own, sync: false) } catch { fail(error) }
  }

  private func compact(_ group: Group, to index: LogIndex, into batch: WriteBatch) {
    var target = min(index, group.machine.storedIndex ?? index)
    if let sending = snapshots.oldestIndex(of: group.id) { target = min(target, sending) }
    let first = group.core.firstIndex
    guard target >= first else { return }
    group.core.compact(to: target)
    group.storage.compact(from: first, to: group.core.firstIndex, into: batch)
    group.storage.put(group.core.truncatedState, into: batch)
    counters.compactions += 1
  }
}
