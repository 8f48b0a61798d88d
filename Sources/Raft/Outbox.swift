import Basics

/// What a core has to say, collected until the host takes it.
struct Outbox: Sendable {
  var messages: [Message] = []
  var messagesAfterPersistence: [Message] = []
  var confirmedReads: [UInt64] = []
  var snapshot: TruncatedState?
  var snapshotsWanted: [NodeID] = []
  var hardStateChanged = false

  /// The last position handed to storage. Truncation may leave it beyond the log's end until the next `Ready`.
  var handedIndex: LogIndex = 0
  /// From here on what storage was handed is void or not there: the first position of the next write.
  var firstDirtyIndex: LogIndex?
  /// The last position that is durable and still in the log.
  var storedIndex: LogIndex = 0

  struct Flight: Sendable {
    let number: UInt64
    let term: Term
    let votedForSelf: Bool
    var lastIndex: LogIndex
    var lastTerm: Term
  }
  /// Readys whose writes are not durable yet, in order.
  var flights: [Flight] = []
  var nextNumber: UInt64 = 1
}

extension RaftCore {
  /// True when there is something to do for the host.
  public var hasReady: Bool {
    if outbox.hardStateChanged || outbox.snapshot != nil || appliedIndex < commitIndex { return true }
    if log.lastIndex >= firstUnhandedIndex { return true }
    if !(outbox.messages.isEmpty && outbox.messagesAfterPersistence.isEmpty && outbox.confirmedReads.isEmpty
      && outbox.snapshotsWanted.isEmpty)
    {
      return true
    }
    guard let leadership else { return false }
    if leadership.reads.wantsRound && commitIndex >= leadership.termStartIndex { return true }
    return !leadership.reads.confirmed.isEmpty || leadership.wantsReplication
  }

  private var firstUnhandedIndex: LogIndex { outbox.firstDirtyIndex ?? outbox.handedIndex + 1 }

  /// Takes what is to be done. The host does it in the order `Ready` tells, and takes the next one when it likes.
  public mutating func takeReady() -> Ready {
    startReadRound()
    replicate()
    var ready = Ready(number: outbox.nextNumber)
    outbox.nextNumber += 1
    takeWrites(into: &ready)
    takeCommitted(into: &ready)
    takeReads(into: &ready)
    swap(&ready.messages, &outbox.messages)
    swap(&ready.messagesAfterPersistence, &outbox.messagesAfterPersistence)
    swap(&ready.snapshotsWanted, &outbox.snapshotsWanted)
    ready.snapshot = outbox.snapshot
    outbox.snapshot = nil
    if ready.needsPersistence {
      outbox.flights.append(
        Outbox.Flight(
          number: ready.number, term: term, votedForSelf: vote == id, lastIndex: log.lastIndex, lastTerm: log.lastTerm))
    }
    return ready
  }

  private mutating func takeWrites(into ready: inout Ready) {
    if outbox.hardStateChanged {
      ready.hardState = HardState(term: term, vote: vote)
      outbox.hardStateChanged = false
    }
    let first = firstUnhandedIndex
    if log.lastIndex >= first {
      ready.entries = log.slice(from: first, through: log.lastIndex, maximumBytes: Int.max)
    }
    if outbox.handedIndex > log.lastIndex { ready.obsoleteIndexes = (log.lastIndex + 1)...outbox.handedIndex }
    outbox.handedIndex = log.lastIndex
    outbox.firstDirtyIndex = nil
  }

  private mutating func takeCommitted(into ready: inout Ready) {
    guard appliedIndex < commitIndex else { return }
    ready.committed = log.slice(
      from: appliedIndex + 1, through: commitIndex, maximumBytes: options.maximumCommittedBytesPerReady)
    appliedIndex = ready.committed.last?.index ?? appliedIndex
  }

  private mutating func takeReads(into ready: inout Ready) {
    swap(&ready.confirmedReads, &outbox.confirmedReads)
    while let read = leadership?.reads.confirmed.first, read.index <= appliedIndex {
      ready.confirmedReads += read.ids
      leadership?.reads.confirmed.removeFirst()
    }
  }

  /// Everything that `Ready` number `number` and those before it asked to write is durable.
  public mutating func persisted(_ number: UInt64, now: MonotonicTime) {
    var count = 0
    while count < outbox.flights.count && outbox.flights[count].number <= number {
      let flight = outbox.flights[count]
      count += 1
      // The position may have been overwritten since: then what is durable there is void.
      if log.matches(flight.lastIndex, flight.lastTerm) {
        outbox.storedIndex = max(outbox.storedIndex, flight.lastIndex)
      }
      if flight.term == term && flight.votedForSelf, let campaign, !campaign.isPreVote {
        countVote(from: id, isGranted: true, now)
      }
    }
    outbox.flights.removeFirst(count)
    leaderStored(now)
  }

  mutating func send(_ to: NodeID, _ body: Message.Body, term: Term? = nil) {
    outbox.messages.append(Message(from: id, to: to, term: term ?? self.term, body: body))
  }

  mutating func sendAfterPersistence(_ to: NodeID, _ body: Message.Body) {
    outbox.messagesAfterPersistence.append(Message(from: id, to: to, term: term, body: body))
  }

  mutating func appendToLog(_ entry: Entry) {
    log.append(entry)
    if entry.kind == .configuration { adoptMembership(of: entry) }
  }

  mutating func truncateLog(from index: LogIndex) {
    precondition(index > commitIndex, "committed entries stay")
    log.truncate(from: index)
    if index <= outbox.handedIndex { outbox.firstDirtyIndex = min(outbox.firstDirtyIndex ?? index, index) }
    outbox.storedIndex = min(outbox.storedIndex, index - 1)
    // What is still being written promises no more than the part that both logs share.
    for position in outbox.flights.indices where outbox.flights[position].lastIndex >= index {
      outbox.flights[position].lastIndex = log.lastIndex
      outbox.flights[position].lastTerm = log.lastTerm
    }
    _ = members.truncate(from: index)
  }

  mutating func setTerm(_ newTerm: Term, vote newVote: NodeID?) {
    precondition(newTerm >= term, "terms never decrease")
    precondition(newTerm > term || vote == nil || vote == newVote, "one vote a term")
    if newTerm == term && newVote == vote { return }
    term = newTerm
    vote = newVote
    outbox.hardStateChanged = true
  }
}
