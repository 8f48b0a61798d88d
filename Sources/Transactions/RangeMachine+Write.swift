import Basics

extension RangeMachine {
  /// Writes at a commit timestamp taken beforehand, without locks: right if nothing was read or written above it meanwhile.
  mutating func commitOneRound(
    _ request: OneRoundCommit, id: RequestID, snapshot: some KeyValueSnapshot, now: MonotonicTime
  ) throws(StorageFailure) {
    let keys = request.mutations.map(\.key)
    guard isInside(id, keys), admits(id, mutationCount: keys.count, bytes: Self.byteCount(request.mutations)) else {
      return
    }
    guard request.commit > request.start else { return answer(id, .failed(.malformed("commit at or below start"))) }
    if waitsForLatch(id, keys: keys) { return }
    if try isApplied(request, snapshot: snapshot) { return answer(id, .done) }
    if isGivenUp(request.start, request.mutations) {
      return answer(id, .failed(.timestampTooOld(safePoint: safePoints.versions)))
    }
    let wait = configuration.writeWaitMilliseconds
    if waitsForRowLock(id, keys: keys, start: request.start, waitMilliseconds: wait, now: now) { return }
    var needed = floor
    for mutation in request.mutations {
      if let lock = try snapshot.lock(of: mutation.key) {
        return answer(id, .failed(.keyLocked(LockHolder(key: mutation.key, lock: lock))))
      }
      if case .rolledBack? = try snapshot.transactionRecord(of: mutation.key, start: request.start) {
        return answer(id, .failed(.transactionAborted))
      }
      let newest = try snapshot.newestCommit(of: mutation.key)
      if let newest, newest.start == request.start { return answer(id, .failed(.alreadyCommitted(newest.commit))) }
      if let failure = Self.conflict(of: mutation, newest: newest) {
        return refuse(id, failure, start: request.start, newest: newest)
      }
      needed = max(needed, newest?.commit ?? .zero)
      if PlantedFault.isPlanted(.readTimestampsIgnored) { continue }
      needed = max(needed, reads.highestRead(of: mutation.key, above: request.commit.previous))
    }
    if request.commit <= needed { return answer(id, .failed(.commitTooLow(minimum: needed.next))) }
    var command = RangeCommand()
    command.writes.reserveCapacity(keys.count)
    for mutation in request.mutations {
      guard let kind = Self.versionKind(of: mutation.kind) else { continue }
      command.writes.append(
        .put(
          .data, key: DataRecord.cellKey(mutation.key, commit: request.commit),
          value: DataRecord.encode(kind, start: request.start, value: mutation.value)))
    }
    if command.writes.isEmpty {
      retry(rowLocks.releaseAll(of: request.start))
      return answer(id, .done)
    }
    propose(
      command, keys: keys, visibleFrom: request.commit,
      Pending(request: id, answer: .done, afterwards: .releaseAllLocks(start: request.start)))
  }

  /// A retry of a commit that took place: its versions carry its start timestamp.
  private func isApplied(_ request: OneRoundCommit, snapshot: some KeyValueSnapshot) throws(StorageFailure) -> Bool {
    for mutation in request.mutations where Self.versionKind(of: mutation.kind) != nil {
      return try snapshot.version(of: mutation.key, at: request.commit)?.start == request.start
    }
    return false
  }

  /// First phase of a two-phase commit: locks the keys with their new values.
  mutating func prewrite(
    _ request: Prewrite, id: RequestID, snapshot: some KeyValueSnapshot, now: MonotonicTime
  ) throws(StorageFailure) {
    let keys = request.mutations.map(\.key)
    guard isInside(id, keys), admits(id, mutationCount: keys.count, bytes: Self.byteCount(request.mutations)) else {
      return
    }
    if waitsForLatch(id, keys: keys) { return }
    let wait = configuration.writeWaitMilliseconds
    if waitsForRowLock(id, keys: keys, start: request.start, waitMilliseconds: wait, now: now) { return }
    var minimum = max(floor, reads.highest, request.start)
    var locked: [KeyMutation] = []
    locked.reserveCapacity(keys.count)
    for mutation in request.mutations {
      if let lock = try snapshot.lock(of: mutation.key) {
        guard lock.start == request.start else {
          return answer(id, .failed(.keyLocked(LockHolder(key: mutation.key, lock: lock))))
        }
        minimum = max(minimum, lock.minimumCommit.previous)
        continue
      }
      switch try snapshot.transactionRecord(of: mutation.key, start: request.start) {
      case .rolledBack?: return answer(id, .failed(.transactionAborted))
      case .committed(let commit)?: return answer(id, .failed(.alreadyCommitted(commit)))
      case nil: break
      }
      let newest = try snapshot.newestCommit(of: mutation.key)
      if let newest, newest.start == request.start { return answer(id, .failed(.alreadyCommitted(newest.commit))) }
      if let failure = Self.conflict(of: mutation, newest: newest) {
        return refuse(id, failure, start: request.start, newest: newest)
      }
      minimum = max(minimum, newest?.commit ?? .zero, mutation.forUpdate)
      locked.append(mutation)
    }
    if !locked.isEmpty && isGivenUp(request.start, locked) {
      return answer(id, .failed(.timestampTooOld(safePoint: safePoints.versions)))
    }
    let primary = TransactionLiveness.Key(primaryKey: request.primaryKey, start: request.start)
    let isPrimaryHere = keys.contains(request.primaryKey)
    if locked.isEmpty {
      if isPrimaryHere { liveness.heard(primary, now: now) }
      return answer(id, .prewritten(minimumCommit: minimum.next))
    }
    var command = RangeCommand()
    command.writes.reserveCapacity(locked.count)
    for mutation in locked {
      let record = LockRecord(
        kind: Self.lockKind(of: mutation.kind), start: request.start, minimumCommit: minimum.next,
        primaryKey: request.primaryKey, primaryRangeID: request.primaryRangeID, gatewayID: request.gatewayID,
        timeToLiveMilliseconds: request.timeToLiveMilliseconds, value: mutation.value)
      command.writes.append(.put(.lock, key: mutation.key, value: record.encoded()))
    }
    // Reads need not wait: the commit timestamp is issued after the answer, so it is above every read that came before.
    propose(
      command, keys: keys, visibleFrom: nil,
      Pending(
        request: id, answer: .prewritten(minimumCommit: minimum.next),
        afterwards: .prewritten(isPrimaryHere ? primary : nil)))
  }

  /// Second phase: turns the transaction's locks into versions. At the primary key this is the commit point.
  mutating func commit(
    _ request: CommitKeys, id: RequestID, snapshot: some KeyValueSnapshot
  ) throws(StorageFailure) {
    let keys = request.keys
    guard isInside(id, keys), admits(id, mutationCount: keys.count, bytes: 0) else { return }
    guard request.commit > request.start else { return answer(id, .failed(.malformed("commit at or below start"))) }
    if waitsForLatch(id, keys: keys) { return }
    var command = RangeCommand()
    var primaryKey: [UInt8]?
    for key in keys {
      guard let lock = try snapshot.lock(of: key), lock.start == request.start else {
        switch try lockIsGone(key, request, snapshot: snapshot) {
        case nil: continue
        case .transactionAborted?:
          let all = RollbackKeys(start: request.start, keys: keys, locksOnly: false)
          return try rollback(all, id: id, snapshot: snapshot, outcome: .failed(.transactionAborted))
        case let failure?: return answer(id, .failed(failure))
        }
      }
      if lock.primaryKey == key {
        if request.commit < lock.minimumCommit {
          return answer(id, .failed(.commitTooLow(minimum: lock.minimumCommit)))
        }
        primaryKey = key
        command.writes.append(
          .put(
            .transactions, key: TransactionRecord.cellKey(key, start: request.start),
            value: TransactionRecord.committed(request.commit).encoded()))
      }
      if let kind = Self.versionKind(of: lock.kind) {
        command.writes.append(
          .put(
            .data, key: DataRecord.cellKey(key, commit: request.commit),
            value: DataRecord.encode(kind, start: request.start, value: lock.value)))
      }
      command.writes.append(.delete(.lock, key: key))
    }
    if command.writes.isEmpty {
      for key in keys { retry(rowLocks.release(key, of: request.start)) }
      return answer(id, .done)
    }
    propose(
      command, keys: keys, visibleFrom: .zero,
      Pending(
        request: id, answer: .done,
        afterwards: .transactionEnded(start: request.start, keys: keys, primaryKey: primaryKey)))
  }

  /// A key to commit without its lock: fine if it is committed already, or is a secondary key somebody else has resolved.
  ///
  /// `transactionAborted` without a record is what this replica makes of finding nothing. Another leader may know better, so
  /// the caller makes it true through the log before it says so.
  private func lockIsGone(
    _ key: [UInt8], _ request: CommitKeys, snapshot: some KeyValueSnapshot
  ) throws(StorageFailure) -> RangeFailure? {
    switch try snapshot.transactionRecord(of: key, start: request.start) {
    case .committed(request.commit)?: return nil
    case .committed(let other)?: return .alreadyCommitted(other)
    case .rolledBack?: return .transactionAborted
    case nil: break
    }
    if try snapshot.version(of: key, at: request.commit)?.start == request.start { return nil }
    if !request.includesPrimary { return nil }
    // Without records nobody can tell a transaction that was rolled back from one that was committed long ago.
    return request.start < safePoints.records ? .timestampTooOld(safePoint: safePoints.records) : .transactionAborted
  }

  /// Takes the transaction's locks away and keeps late prewrites out.
  ///
  /// - Parameter outcome: the answer when they are gone.
  mutating func rollback(
    _ request: RollbackKeys, id: RequestID, snapshot: some KeyValueSnapshot, outcome: RangeAnswer = .done
  ) throws(StorageFailure) {
    let keys = request.keys
    if request.locksOnly {
      if keys.isEmpty { retry(rowLocks.releaseAll(of: request.start)) }
      for key in keys { retry(rowLocks.release(key, of: request.start)) }
      return answer(id, .done)
    }
    guard isInside(id, keys), admits(id, mutationCount: keys.count, bytes: 0) else { return }
    if waitsForLatch(id, keys: keys) { return }
    var command = RangeCommand()
    var primaryKey: [UInt8]?
    // A version below the safe point may have been written, replaced and collected: its absence proves nothing.
    let isOutcomeGone = request.oneRoundCommit != .zero && isGivenUp(request.oneRoundCommit)
    var isUnknown = false
    for key in keys {
      if request.oneRoundCommit != .zero,
        try snapshot.version(of: key, at: request.oneRoundCommit)?.start == request.start
      {
        return answer(id, .failed(.alreadyCommitted(request.oneRoundCommit)))
      }
      if let lock = try snapshot.lock(of: key), lock.start == request.start {
        command.writes.append(.delete(.lock, key: key))
        if lock.primaryKey == key { primaryKey = key }
      } else {
        switch try snapshot.transactionRecord(of: key, start: request.start) {
        case .committed(let commit)?: return answer(id, .failed(.alreadyCommitted(commit)))
        case .rolledBack?: continue
        case nil: break
        }
        if let newest = try snapshot.newestCommit(of: key), newest.start == request.start {
          return answer(id, .failed(.alreadyCommitted(newest.commit)))
        }
        isUnknown = isUnknown || isOutcomeGone
      }
      command.writes.append(
        .put(
          .transactions, key: TransactionRecord.cellKey(key, start: request.start),
          value: TransactionRecord.rolledBack.encoded()))
    }
    if isUnknown { return answer(id, .failed(.timestampTooOld(safePoint: safePoints.versions))) }
    if command.writes.isEmpty {
      for key in keys { retry(rowLocks.release(key, of: request.start)) }
      return answer(id, outcome)
    }
    propose(
      command, keys: keys, visibleFrom: .zero,
      Pending(
        request: id, answer: outcome,
        afterwards: .transactionEnded(start: request.start, keys: keys, primaryKey: primaryKey)))
  }

  // MARK: - Rules

  /// A conflict is a reason to try again, wherever it was seen. That a key exists is an answer about the rows, as a read's, and
  /// needs the same right to give it.
  private mutating func refuse(_ id: RequestID, _ failure: RangeFailure, start: Timestamp, newest: VersionHeader?) {
    if case .keyExists = failure, waitsForReadBound(max(start, newest?.commit ?? .zero), id: id) { return }
    answer(id, .failed(failure))
  }

  /// Snapshot isolation's first-committer-wins, and "insert" needs the key to be free.
  static func conflict(of mutation: KeyMutation, newest: VersionHeader?) -> RangeFailure? {
    guard let newest else { return nil }
    if mutation.kind == .insert && newest.kind == .put { return .keyExists(mutation.key) }
    if newest.commit > mutation.forUpdate { return .writeConflict(key: mutation.key, commit: newest.commit) }
    return nil
  }

  static func versionKind(of kind: KeyMutation.Kind) -> VersionKind? {
    switch kind {
    case .put, .insert: .put
    case .delete: .delete
    case .check: nil
    }
  }

  static func versionKind(of kind: LockRecord.Kind) -> VersionKind? {
    switch kind {
    case .put: .put
    case .delete: .delete
    case .check: nil
    }
  }

  static func lockKind(of kind: KeyMutation.Kind) -> LockRecord.Kind {
    switch kind {
    case .put, .insert: .put
    case .delete: .delete
    case .check: .check
    }
  }

  static func byteCount(_ mutations: [KeyMutation]) -> Int {
    mutations.reduce(0) { $0 + $1.key.count + $1.value.count }
  }
}
