import Basics

/// What became of a read.
public enum ReadOutcome<Result: Sendable>: Sendable {
  case result(Result)
  /// `retry` will come as an effect.
  case waiting
  case failed(RangeFailure)
}

/// A scan that may go ahead.
public struct AdmittedScan: Hashable, Sendable {
  /// What may be read; ends before the first lock that blocks the read.
  public var span: KeySpan
  /// Stands where `span` was cut off: the scan's resume point, and its failure if it has no room at all.
  public var blockedBy: LockHolder?
}

extension RangeMachine {
  /// Reads keys at one timestamp: for each the newest version at or below it, which may be a tombstone; nil for none.
  public mutating func get(
    _ keys: [[UInt8]], view: ReadView, id: RequestID, snapshot: some KeyValueSnapshot
  ) -> ReadOutcome<[DataVersion?]> {
    waiting[id] = nil
    guard isLeading else { return .failed(.notLeader(leaderHint)) }
    for key in keys where !bounds.contains(key) { return .failed(.malformed("a key outside of range \(rangeID)")) }
    if isGivenUp(view.timestamp) { return .failed(.timestampTooOld(safePoint: safePoints.versions)) }
    if let outcome: ReadOutcome<[DataVersion?]> = waitForReadBound(view.timestamp, id: id) { return outcome }
    if !latches.isEmpty {
      for key in keys {
        guard let proposal = latches.blockingRead(of: key, at: view.timestamp) else { continue }
        return waitForLatch(proposal, id: id)
      }
    }
    do throws(StorageFailure) {
      var versions: [DataVersion?] = []
      versions.reserveCapacity(keys.count)
      for key in keys {
        if let lock = try snapshot.lock(of: key),
          lock.blocksRead(at: view.timestamp, own: view.ownStart, ignored: view.ignoredStarts)
        {
          return .failed(.keyLocked(LockHolder(key: key, lock: lock)))
        }
        versions.append(try snapshot.newestVersion(of: key, atOrBelow: view.timestamp))
      }
      for key in keys { reads.noteRead(of: key, at: view.timestamp) }
      return .result(versions)
    } catch {
      return .failed(Self.failure(of: error))
    }
  }

  /// Asks whether a span may be scanned. The shell then scans `AdmittedScan.span` on the same state, and tells by
  /// `scanned` what it has read before anything else is handed in.
  public mutating func admitScan(
    _ span: KeySpan, isReverse: Bool, view: ReadView, id: RequestID, snapshot: some KeyValueSnapshot
  ) -> ReadOutcome<AdmittedScan> {
    waiting[id] = nil
    guard isLeading else { return .failed(.notLeader(leaderHint)) }
    guard bounds.contains(span) else { return .failed(.malformed("a span outside of range \(rangeID)")) }
    if isGivenUp(view.timestamp) { return .failed(.timestampTooOld(safePoint: safePoints.versions)) }
    if let outcome: ReadOutcome<AdmittedScan> = waitForReadBound(view.timestamp, id: id) { return outcome }
    if let proposal = latches.blockingRead(of: span, at: view.timestamp) { return waitForLatch(proposal, id: id) }
    do throws(StorageFailure) {
      let blocking = try snapshot.firstLock(in: span, isReverse: isReverse) { lock in
        lock.blocksRead(at: view.timestamp, own: view.ownStart, ignored: view.ignoredStarts)
      }
      guard let blocking else { return .result(AdmittedScan(span: span, blockedBy: nil)) }
      let cut =
        isReverse
        ? KeySpan(start: blocking.key + [0], end: span.end) : KeySpan(start: span.start, end: blocking.key)
      return .result(AdmittedScan(span: cut, blockedBy: LockHolder(key: blocking.key, lock: blocking.lock)))
    } catch {
      return .failed(Self.failure(of: error))
    }
  }

  /// What an admitted scan has read.
  public mutating func scanned(_ span: KeySpan, at timestamp: Timestamp) { reads.noteRead(of: span, at: timestamp) }

  // MARK: -

  /// Nil: the read may be served. A read above the bound waits until an extension is replicated.
  private mutating func waitForReadBound<Result>(_ timestamp: Timestamp, id: RequestID) -> ReadOutcome<Result>? {
    if isBelowReadBound(timestamp) {
      let left = readBound.physicalMilliseconds &- timestamp.physicalMilliseconds
      if left < configuration.readBoundRenewalMilliseconds { extendReadBound(over: timestamp) }
      return nil
    }
    extendReadBound(over: timestamp)
    guard waiting.count < configuration.maximumWaitingRequestCount else {
      return .failed(.overloaded("\(waiting.count) requests wait"))
    }
    waiting[id] = .readBound
    readBoundWaiters.append(id)
    return .waiting
  }

  /// True: the request, whose answer says what the state was at `timestamp`, waits until an extension is replicated. A leader that
  /// was deposed without noticing never gets one.
  mutating func waitsForReadBound(_ timestamp: Timestamp, id: RequestID) -> Bool {
    if isBelowReadBound(timestamp) { return false }
    extendReadBound(over: timestamp)
    if enqueue(id, .readBound) { readBoundWaiters.append(id) }
    return true
  }

  private func isBelowReadBound(_ timestamp: Timestamp) -> Bool {
    timestamp <= readBound || PlantedFault.isPlanted(.readBoundIgnored)
  }

  /// One extension is in flight at a time and serves all that wait; whoever reads still higher asks again.
  private mutating func extendReadBound(over timestamp: Timestamp) {
    guard pendingReadBound <= readBound else { return }
    let span = configuration.readBoundMilliseconds << Timestamp.logicalBits
    let (raised, overflow) = timestamp.rawValue.addingReportingOverflow(span)
    pendingReadBound = overflow ? .max : Timestamp(rawValue: raised)
    propose(
      RangeCommand(readBound: pendingReadBound), keys: [], visibleFrom: nil,
      Pending(request: nil, answer: .done, readBound: pendingReadBound))
  }

  private mutating func waitForLatch<Result>(_ proposal: ProposalID, id: RequestID) -> ReadOutcome<Result> {
    guard waiting.count < configuration.maximumWaitingRequestCount else {
      return .failed(.overloaded("\(waiting.count) requests wait"))
    }
    waiting[id] = .latch
    latches.wait(id, for: proposal)
    return .waiting
  }
}
