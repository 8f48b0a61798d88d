import Basics
import Catalog

public struct CommitTimestampQuery: Hashable, Sendable {
  public var pins: [(table: TableID, version: TableVersion)]
  /// The commit timestamp should be at least this; the oracle runs only so far ahead of the clock for it, so the answer may be
  /// smaller (`TimestampOracle.maximumLeadMilliseconds`).
  public var minimum: Timestamp
  /// Above the reads of its request, not below: the transaction's own read is among them.
  public var followsReads: Bool

  public init(
    pins: [(table: TableID, version: TableVersion)], minimum: Timestamp, followsReads: Bool = false
  ) {
    self.pins = pins
    self.minimum = minimum
    self.followsReads = followsReads
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.minimum == right.minimum && left.followsReads == right.followsReads
      && left.pins.elementsEqual(right.pins, by: ==)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(minimum)
    hasher.combine(followsReads)
    for pin in pins {
      hasher.combine(pin.table)
      hasher.combine(pin.version)
    }
  }
}

public struct TimestampsRequest: Hashable, Sendable {
  public var node: NodeID
  public var epoch: SessionEpoch
  public var appliedIndex: SchemaIndex
  public var readCount: UInt64
  public var commits: [CommitTimestampQuery]

  public init(
    node: NodeID, epoch: SessionEpoch, appliedIndex: SchemaIndex, readCount: UInt64, commits: [CommitTimestampQuery]
  ) {
    self.node = node
    self.epoch = epoch
    self.appliedIndex = appliedIndex
    self.readCount = readCount
    self.commits = commits
  }
}

public enum CommitTimestampAnswer: Hashable, Sendable {
  case granted(Timestamp)
  /// A version pinned is below the table's commit floor; a table that is gone has the floor `max`.
  case refused(TableID, floor: TableVersion)
}

public enum TimestampsAnswer: Hashable, Sendable {
  case granted(firstRead: Timestamp, schemaIndex: SchemaIndex, commits: [CommitTimestampAnswer])
  case sessionUnknown
  case fenced(until: SchemaIndex)
}

extension MetadataLeader {
  /// Answered after leadership has been confirmed at or after this moment: a deposed leader answers nothing.
  public mutating func timestamps(_ id: RequestID, _ request: TimestampsRequest) -> [Effect] {
    let waiting = waitingTimestamps.count + confirmingTimestamps.count + stalledTimestamps.count
    guard waiting < options.maximumWaitingTimestamps else {
      return [.answer(id, .tryAgain("\(waiting) timestamp requests are waiting"))]
    }
    waitingTimestamps.append((id, request))
    return confirmNext()
  }

  private mutating func confirmNext() -> [Effect] {
    guard !isConfirming, !waitingTimestamps.isEmpty else { return [] }
    isConfirming = true
    swap(&confirmingTimestamps, &waitingTimestamps)
    return [.confirmLeadership]
  }

  /// Everything that was waiting when the confirmation began is served; one confirmation for all.
  public mutating func leadershipConfirmed(now: MonotonicTime, wallMilliseconds: UInt64) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    isConfirming = false
    var effects: [Effect] = []
    let requests = confirmingTimestamps
    confirmingTimestamps.removeAll(keepingCapacity: true)
    effects.reserveCapacity(requests.count + 1)
    for (id, request) in requests { serve(id, request, into: &effects) }
    if oracle.bound <= oracle.last || !stalledTimestamps.isEmpty { reserveWindow(into: &effects) }
    return effects + confirmNext()
  }

  /// The confirmation could not be had; those who waited for it ask again.
  public mutating func leadershipUnconfirmed(_ reason: String) -> [Effect] {
    isConfirming = false
    let requests = confirmingTimestamps
    confirmingTimestamps.removeAll(keepingCapacity: true)
    return requests.map { .answer($0.id, .tryAgain(reason)) } + confirmNext()
  }

  mutating func serveStalled(into effects: inout [Effect]) {
    guard !stalledTimestamps.isEmpty else { return }
    // A confirmation holds for what was asked before it, however long ago: their timestamps are issued now.
    let requests = stalledTimestamps
    stalledTimestamps.removeAll(keepingCapacity: true)
    for (id, request) in requests { serve(id, request, into: &effects) }
  }

  private mutating func serve(_ id: RequestID, _ request: TimestampsRequest, into effects: inout [Effect]) {
    guard let session = sessions[request.node], session.epoch == request.epoch else {
      effects.append(.answer(id, .timestamps(.sessionUnknown)))
      return
    }
    if let fence = fences[request.node] {
      guard request.appliedIndex >= fence else {
        effects.append(.answer(id, .timestamps(.fenced(until: fence))))
        return
      }
      fences[request.node] = nil
    }
    let (count, overflow) = request.readCount.addingReportingOverflow(UInt64(request.commits.count))
    guard !overflow, count <= TimestampOracle.maximumCount else {
      effects.append(.answer(id, .tryAgain("more than \(TimestampOracle.maximumCount) timestamps in one request")))
      return
    }
    if let highest = request.commits.map(\.minimum).max() {
      oracle.skip(to: highest.previous, ceiling: ceiling, wallMilliseconds: wallMilliseconds)
    }
    var next = Timestamp.zero
    if count > 0 {
      guard let first = oracle.take(count, ceiling: ceiling, wallMilliseconds: wallMilliseconds) else {
        stalledTimestamps.append((id, request))
        return
      }
      next = first
    }
    // Commits first, so that reads of the same batch see them; then the reads; then the commits of those reads. All are on
    // one side of every schema entry, because the block is taken at once.
    var commits: [CommitTimestampAnswer] = []
    commits.reserveCapacity(request.commits.count)
    let precedingCount = request.commits.count { !$0.followsReads }
    var following = Timestamp(rawValue: next.rawValue + UInt64(precedingCount) + request.readCount)
    for query in request.commits {
      if query.followsReads {
        commits.append(answer(query, following))
        following = following.next
      } else {
        commits.append(answer(query, next))
        next = next.next
      }
    }
    effects.append(
      .answer(
        id,
        .timestamps(.granted(firstRead: next, schemaIndex: applied.catalog.schemaIndex, commits: commits))))
  }

  private func answer(_ query: CommitTimestampQuery, _ timestamp: Timestamp) -> CommitTimestampAnswer {
    for pin in query.pins {
      guard let table = applied.catalog.table(id: pin.table) else {
        return .refused(pin.table, floor: TableVersion(UInt64.max))
      }
      if PlantedFault.isPlanted(.commitFloorNotRaised) { continue }
      if pin.version < table.commitFloor { return .refused(pin.table, floor: table.commitFloor) }
    }
    return .granted(timestamp)
  }
}
