import Basics

extension RangeMachine {
  /// The fate of a transaction, asked at its primary key: pushes a live one above a reader, ends one whose gateway is silent.
  mutating func check(
    _ request: TransactionCheck, id: RequestID, snapshot: some KeyValueSnapshot, now: MonotonicTime
  ) throws(StorageFailure) {
    let key = request.primaryKey
    guard isInside(id, [key]), admits(id, mutationCount: 1, bytes: 0) else { return }
    if waitsForLatch(id, keys: [key]) { return }
    switch try snapshot.transactionRecord(of: key, start: request.start) {
    case .committed(let commit)?: return answer(id, .status(.committed(commit)))
    case .rolledBack?: return answer(id, .status(.rolledBack))
    case nil: break
    }
    let transaction = TransactionLiveness.Key(primaryKey: key, start: request.start)
    let silence = liveness.silenceMilliseconds(transaction, now: now)
    guard var lock = try snapshot.lock(of: key), lock.start == request.start else {
      // Somebody who has met a lock asks to end it: then it was never committed, or all of it long ago and the lock is gone.
      // Whoever asks for the fate alone cannot be told.
      if request.start < safePoints.records && !request.rollBackIfExpired {
        return answer(id, .failed(.timestampTooOld(safePoint: safePoints.records)))
      }
      // Not prewritten here (yet): the row lock or a heartbeat is its only sign of life.
      if rowLocks.isHeld(key, by: request.start) || silence <= configuration.defaultTimeToLiveMilliseconds
        || !request.rollBackIfExpired
      {
        return answer(id, .status(.alive(minimumCommit: .zero)))
      }
      return rollBackExpired(request, id: id, isLocked: false)
    }
    if lock.isDecidedByJob { return answer(id, .status(.alive(minimumCommit: lock.minimumCommit))) }
    let isExpired = silence > UInt64(lock.timeToLiveMilliseconds) || goneGateways.contains(lock.gatewayID)
    if isExpired && request.rollBackIfExpired { return rollBackExpired(request, id: id, isLocked: true) }
    guard request.pushAbove != .zero, request.pushAbove < .max, lock.minimumCommit <= request.pushAbove else {
      return answer(id, .status(.alive(minimumCommit: lock.minimumCommit)))
    }
    lock.minimumCommit = request.pushAbove.next
    propose(
      RangeCommand(writes: [.put(.lock, key: key, value: lock.encoded())]), keys: [key], visibleFrom: nil,
      Pending(request: id, answer: .status(.alive(minimumCommit: lock.minimumCommit))))
  }

  private mutating func rollBackExpired(_ request: TransactionCheck, id: RequestID, isLocked: Bool) {
    let key = request.primaryKey
    var command = RangeCommand()
    if isLocked { command.writes.append(.delete(.lock, key: key)) }
    command.writes.append(
      .put(
        .transactions, key: TransactionRecord.cellKey(key, start: request.start),
        value: TransactionRecord.rolledBack.encoded()))
    propose(
      command, keys: [key], visibleFrom: .zero,
      Pending(
        request: id, answer: .status(.rolledBack),
        afterwards: .transactionEnded(start: request.start, keys: [key], primaryKey: key)))
  }

  mutating func heartbeat(
    _ request: TransactionHeartbeat, id: RequestID, snapshot: some KeyValueSnapshot, now: MonotonicTime
  ) throws(StorageFailure) {
    let key = request.primaryKey
    guard isInside(id, [key]) else { return }
    switch try snapshot.transactionRecord(of: key, start: request.start) {
    case .committed(let commit)?: return answer(id, .status(.committed(commit)))
    case .rolledBack?: return answer(id, .status(.rolledBack))
    case nil: break
    }
    liveness.heard(TransactionLiveness.Key(primaryKey: key, start: request.start), now: now)
    let lock = try snapshot.lock(of: key)
    let minimum = lock?.start == request.start ? lock?.minimumCommit : nil
    answer(id, .status(.alive(minimumCommit: minimum ?? .zero)))
  }

  /// Row locks for a statement: granted one by one in key order, waiting where another transaction holds one. Answers the
  /// newest commit of each key, so that the caller knows whether it must read again.
  mutating func acquireLocks(
    _ request: LockAcquisition, id: RequestID, snapshot: some KeyValueSnapshot, now: MonotonicTime
  ) throws(StorageFailure) {
    guard isInside(id, request.keys), admits(id, mutationCount: request.keys.count, bytes: 0) else { return }
    if isGivenUp(request.start) || isGivenUp(request.forUpdate) {
      return answer(id, .failed(.timestampTooOld(safePoint: safePoints.versions)))
    }
    let wait = min(request.waitMilliseconds, configuration.maximumLockWaitMilliseconds)
    // Key order keeps two requests of one range from waiting for each other.
    for key in request.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      if rowLocks.isHeld(key, by: request.start) { continue }
      if waitsForLatch(id, keys: [key]) { return }
      if waitsForRowLock(id, keys: [key], start: request.start, waitMilliseconds: wait, now: now) { return }
      if let lock = try snapshot.lock(of: key), lock.start != request.start {
        return answer(id, .failed(.keyLocked(LockHolder(key: key, lock: lock))))
      }
      guard rowLocks.count < configuration.maximumRowLockCount else {
        return answer(id, .failed(.overloaded("\(rowLocks.count) row locks")))
      }
      let holder = LockHolder(
        key: key, primaryKey: request.primaryKey, primaryRangeID: request.primaryRangeID, start: request.start,
        gatewayID: request.gatewayID, ageMilliseconds: 0)
      rowLocks.grant(key, holder, sessionEpoch: request.sessionEpoch, now: now)
      partialLocks[id, default: PartialLocks(start: request.start, keys: [])].keys.append(key)
    }
    // A commit in flight on a key held since before belongs to this transaction: nothing to wait for.
    var newest: [Timestamp] = []
    newest.reserveCapacity(request.keys.count)
    for key in request.keys { newest.append(try snapshot.newestCommit(of: key)?.commit ?? .zero) }
    answer(id, .locked(newest))
  }

  /// Entries of an index build, written at the timestamp of the build: every foreground commit is newer.
  mutating func ingest(
    _ request: Ingestion, id: RequestID, snapshot: some KeyValueSnapshot
  ) throws(StorageFailure) {
    guard request.timestamp != .zero, request.timestamp != .max else {
      return answer(id, .failed(.malformed("ingest timestamp \(request.timestamp)")))
    }
    // A tombstone that hides the entry may be gone.
    if isGivenUp(request.timestamp) {
      return answer(id, .failed(.timestampTooOld(safePoint: safePoints.versions)))
    }
    guard admits(id, mutationCount: 1, bytes: request.entries.count) else { return }
    var unique: [(key: [UInt8], value: [UInt8])] = []
    do throws(MalformedBytes) {
      var reader = ByteReader(request.entries)
      while !reader.isAtEnd {
        let key = try reader.readBytes()
        let value = try reader.readBytes()
        guard bounds.contains(key) else { throw reader.failure("a key outside of range \(rangeID)") }
        if request.refusesDuplicates || request.keepsFirst { unique.append((Array(key), Array(value))) }
      }
    } catch {
      return answer(id, .failed(.malformed("entries: \(error.reason)")))
    }
    var kept: [(key: [UInt8], value: [UInt8])] = []
    for (key, value) in unique {
      var other = ingestsInFlight[key]
      if other == nil { other = try snapshot.version(of: key, at: request.timestamp)?.value }
      if other == nil { kept.append((key, value)) }
      if request.keepsFirst { continue }
      if let other, other != value { return answer(id, .failed(.duplicateEntry(key: key))) }
    }
    var entries = request.entries
    if request.keepsFirst, kept.count < unique.count {
      // What is in flight stands before this command in the log: it is there when this one is answered.
      var writer = ByteWriter(capacity: entries.count)
      for (key, value) in kept {
        writer.writeBytes(key)
        writer.writeBytes(value)
      }
      entries = writer.bytes
      unique = kept
    }
    for (key, value) in unique { ingestsInFlight[key] = value }
    var command = RangeCommand()
    command.ingestTimestamp = request.timestamp
    command.ingestEntries = entries
    propose(
      command, keys: [], visibleFrom: nil, Pending(request: id, answer: .done, ingestKeys: unique.map(\.key)))
  }

  /// The locks of a span, in pages. Goes through the log first: by then every prewrite that was evaluated before, by this leader or
  /// an earlier one, is applied or never will be.
  mutating func listLocks(
    _ request: LockListing, id: RequestID, snapshot: some KeyValueSnapshot
  ) throws(StorageFailure) {
    guard bounds.contains(request.span) else {
      return answer(id, .failed(.malformed("a span outside of range \(rangeID)")))
    }
    guard confirmed.remove(id) != nil else {
      guard admits(id, mutationCount: 0, bytes: 0), enqueue(id, .confirmation) else { return }
      return propose(
        RangeCommand(), keys: [], visibleFrom: nil,
        Pending(request: nil, answer: .done, purpose: .confirmation(id)))
    }
    var span = request.span
    var found: [LockHolder] = []
    while let next = try snapshot.firstLock(in: span, isReverse: false, where: { _ in true }) {
      if found.count == configuration.maximumLocksPerListing { return answer(id, .locks(found, resumeKey: next.key)) }
      found.append(LockHolder(key: next.key, lock: next.lock))
      span.start = next.key + [0]
    }
    answer(id, .locks(found, resumeKey: nil))
  }
}
