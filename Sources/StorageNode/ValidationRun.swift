import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import Transactions
import Wire

/// Proof before an index or a NOT NULL is published: at one timestamp, rows and entries agree in number and checksum; no
/// row lacks the column. On disagreement a second reading names an offender.
@EventLoopActor final class ValidationRun {
  /// Hashes kept for finding an offender: eight bytes for each row of both sides.
  static let maximumRowsForSearch: UInt64 = 8_000_000
  static let progressMilliseconds: UInt64 = 250
  /// Few, because the other node reads them on its loop, between its clients' requests.
  static let rowsPerPage: UInt32 = 2000
  /// Versions of one entry looked at for an explanation.
  static let maximumVersionsForSearch = 1000
  static let requestMilliseconds: UInt64 = 30_000

  let store: RangeStore
  let ranges: RangeClient
  private let locks: LockResolver
  let worker: WorkerThread
  let table: TableDescriptor
  let source: RangeID
  let timestamp: Timestamp
  private let report: @EventLoopActor (ValidateProgress) async throws -> Void
  private(set) var rowsDone: UInt64 = 0
  private var lastReport = EventLoop.now
  /// Nil until the first report.
  private var estimate: UInt64?

  init(
    _ store: RangeStore, ranges: RangeClient, locks: LockResolver, worker: WorkerThread, table: TableDescriptor,
    source: RangeID, timestamp: Timestamp, report: @escaping @EventLoopActor (ValidateProgress) async throws -> Void
  ) {
    self.store = store
    self.ranges = ranges
    self.locks = locks
    self.worker = worker
    self.table = table
    self.source = source
    self.timestamp = timestamp
    self.report = report
  }

  // MARK: - Index

  func validate(_ index: IndexDescriptor) async throws -> ValidateProgress {
    let rows = try await readRows(index, .checksum)
    let entries = try await readEntries(index, .checksum)
    var result = ValidateProgress(
      isDone: true, rowsDone: rowsDone, rowCount: rows.checksum.count, entryCount: entries.checksum.count,
      rowChecksum: rows.checksum.sum, entryChecksum: entries.checksum.sum)
    if rows.checksum != entries.checksum, !(index.isUnique && PlantedFault.isPlanted(.uniqueCheckSkipped)) {
      result.error = SQLErrorMessage(try await explain(index, rows.checksum, entries.checksum))
    }
    return result
  }

  private func explain(
    _ index: IndexDescriptor, _ rows: EntryChecksum, _ entries: EntryChecksum
  ) async throws -> SQLError {
    let counts = "\(rows.count) rows, \(entries.count) entries"
    guard max(rows.count, entries.count) <= Self.maximumRowsForSearch else {
      return IndexMessages.mismatch(table: table, index: index, detail: counts)
    }
    if index.isUnique {
      let keys = try await readRows(index, .keyHashes).hashes.sorted()
      if let twice = zip(keys, keys.dropFirst()).first(where: { $0 == $1 })?.0,
        let entry = try await readRows(index, .find(twice, isKeyOnly: true)).found
      {
        return IndexMessages.duplicate(table: table, index: index, entryValue: entry.value)
      }
    }
    let wanted = try await readRows(index, .entryHashes).hashes.sorted()
    let present = try await readEntries(index, .entryHashes).hashes.sorted()
    if let hash = Self.firstOnlyIn(wanted, not: present),
      let entry = try await readRows(index, .find(hash, isKeyOnly: false)).found
    {
      if index.isUnique, try await hadAnotherRow(index, entry) {
        return IndexMessages.duplicate(table: table, index: index, entryValue: entry.value, isOver: true)
      }
      return IndexMessages.mismatch(
        table: table, index: index, detail: "\(counts); a row lacks its entry \(hexadecimal(entry.key)).")
    }
    if let hash = Self.firstOnlyIn(present, not: wanted),
      let entry = try await readEntries(index, .find(hash, isKeyOnly: false)).found
    {
      return IndexMessages.mismatch(
        table: table, index: index, detail: "\(counts); the entry \(hexadecimal(entry.key)) has no row.")
    }
    return IndexMessages.mismatch(table: table, index: index, detail: counts)
  }

  /// Whether the key of an entry that is missing was another row's since the index exists.
  ///
  /// Writers of the time of the build cannot see that a row without an entry yet has the same key. If the second row goes
  /// before the proof, its entry's tombstone hides the first row's, which is written at the older timestamp of the build.
  private func hadAnotherRow(_ index: IndexDescriptor, _ entry: IndexEntryEncoder.Entry) async throws -> Bool {
    let identity = RowLayout(table: table, columnIDs: table.primaryIndex.keyColumns.map(\.columnID))
    let row = try identity.decode(entry.value)
    var ignored: [UInt64] = []
    var position = timestamp
    for _ in 0..<Self.maximumVersionsForSearch {
      let deadline = EventLoop.now.advanced(byMilliseconds: Self.requestMilliseconds)
      let request = GetRequest(
        readTimestamp: position.rawValue, keys: [entry.key], ignoredStartTimestamps: ignored)
      let response: GetResponse
      do throws(RangeCallFailure) {
        response = try await ranges.call(RangeService.get, range: index.rangeID, request, deadline: deadline)
      } catch {
        throw error.sqlError
      }
      if let error = response.error, error.kind != .ok {
        guard error.kind == .keyLocked, let lock = error.lock else { return false }
        if let start = try await resolve(lock, of: index.rangeID, deadline) { ignored.append(start) }
        continue
      }
      guard let version = response.results.first, version.commitTimestamp != 0 else { return false }
      if version.isPresent, try identity.decode(version.value) != row { return true }
      position = Timestamp(rawValue: version.commitTimestamp).previous
    }
    return false
  }

  /// Both ascending.
  nonisolated static func firstOnlyIn(_ left: [UInt64], not right: [UInt64]) -> UInt64? {
    var position = 0
    for hash in left {
      while position < right.count, right[position] < hash { position += 1 }
      guard position < right.count, right[position] == hash else { return hash }
      position += 1
    }
    return nil
  }

  private func hexadecimal(_ key: [UInt8]) -> String {
    key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  // MARK: - Constraints

  func validateCheck(_ constraint: ConstraintDescriptor, _ check: RowExpression) async throws -> ValidateProgress {
    var rows: UInt64 = 0
    var violations: [String] = []
    let (timestamp, table) = (timestamp, table)
    try await walk(source) { readable, span in
      let step = try await self.worker.run {
        try IndexSide.readViolations(readable, span, at: timestamp, table: table, check: check)
      }
      rows += step.rows
      try await self.progressed(step.rows)
      violations = step.violations
      return violations.isEmpty ? step.resumeKey : nil
    } isOver: {
      !violations.isEmpty
    }
    var result = ValidateProgress(isDone: true, rowsDone: rows, rowCount: rows)
    if !violations.isEmpty {
      result.error = SQLErrorMessage(
        IndexMessages.violated(table: table, constraint: table.displayName(of: constraint), rows: violations))
    }
    return result
  }

  func validateNotNull(_ column: ColumnDescriptor) async throws -> ValidateProgress {
    var rows: UInt64 = 0
    var isViolated = false
    let (timestamp, table) = (timestamp, table)
    try await walk(source) { readable, span in
      let step = try await self.worker.run {
        try IndexSide.readNulls(readable, span, at: timestamp, table: table, column: column.id)
      }
      rows += step.rows
      try await self.progressed(step.rows)
      if step.containsNull { isViolated = true }
      return isViolated ? nil : step.resumeKey
    } isOver: {
      isViolated
    }
    var result = ValidateProgress(isDone: true, rowsDone: rows, rowCount: rows)
    if isViolated { result.error = SQLErrorMessage(IndexMessages.containsNull(table: table, column: column)) }
    return result
  }

  // MARK: - Reading

  func readRows(_ index: IndexDescriptor, _ reading: SideReading) async throws -> SideResult {
    var result = SideResult()
    let (timestamp, table) = (timestamp, table)
    try await walk(source) { readable, span in
      let step = try await self.worker.run {
        try IndexSide.readRows(readable, span, at: timestamp, table: table, index: index, reading)
      }
      result.merge(step)
      try await self.progressed(step.rowCount)
      return step.resumeKey
    } isOver: {
      result.found != nil
    }
    return result
  }

  private func readEntries(_ index: IndexDescriptor, _ reading: SideReading) async throws -> SideResult {
    var result = SideResult()
    let timestamp = timestamp
    guard store.replica(index.rangeID)?.isLeading == true else {
      return try await readEntriesRemotely(index, reading)
    }
    do {
      try await walk(index.rangeID) { readable, span in
        let step = try await self.worker.run { try IndexSide.readEntries(readable, span, at: timestamp, reading) }
        result.merge(step)
        return step.resumeKey
      } isOver: {
        result.found != nil
      }
    } catch is SourceReader.LedElsewhere {
      return try await readEntriesRemotely(index, reading)
    }
    return result
  }

  private func readEntriesRemotely(_ index: IndexDescriptor, _ reading: SideReading) async throws -> SideResult {
    var result = SideResult()
    let whole = KeyValue.KeySpan.whole(table: table.id, index: index.id)
    var start: [UInt8]? = whole.start
    var ignored: [UInt64] = []
    while let position = start, result.found == nil {
      try Task.checkCancellation()
      let deadline = EventLoop.now.advanced(byMilliseconds: Self.requestMilliseconds)
      let request = ScanRequest(
        readTimestamp: timestamp.rawValue, startKey: position, endKey: whole.end, rowLimit: Self.rowsPerPage,
        ignoredStartTimestamps: ignored)
      let response: ScanResponse
      do throws(RangeCallFailure) {
        response = try await ranges.call(RangeService.scan, range: index.rangeID, request, deadline: deadline)
      } catch {
        throw error.sqlError
      }
      if let error = response.error, error.kind != .ok {
        guard error.kind == .keyLocked, let lock = error.lock else {
          throw SQLError(.internalError, "a range refused a scan", detail: "\(error.kind): \(error.message)")
        }
        if let start = try await resolve(lock, of: index.rangeID, deadline) { ignored.append(start) }
        continue
      }
      let rows = response.rows
      result.merge(try await worker.run { try IndexSide.readPage(rows, reading) })
      start = response.resumeKey.isEmpty ? nil : response.resumeKey
    }
    return result
  }

  /// Returns the start timestamp to pass over from now on.
  func resolve(_ lock: LockInfo, of range: RangeID, _ deadline: MonotonicTime) async throws -> UInt64? {
    do throws(RangeCallFailure) {
      switch try await locks.resolve(lock, range: range, reader: timestamp, deadline: deadline) {
      case .ignore(let start): return start
      case .resolved: return nil
      case .wait: break
      }
    } catch {
      throw error.sqlError
    }
    try await EventLoop.sleep(for: .milliseconds(20))
    return nil
  }

  /// Calls `body` with parts of the range until it is through; `body` returns where to go on, nil when its span is done.
  func walk(
    _ range: RangeID, _ body: @EventLoopActor (StoreState, Transactions.KeySpan) async throws -> [UInt8]?,
    isOver: @EventLoopActor () -> Bool
  ) async throws {
    guard let replica = store.replica(range) else { throw SourceReader.LedElsewhere(leader: nil) }
    let reader = SourceReader(store, locks, timestamp: timestamp)
    let whole = replica.span
    var position = whole.start
    while true {
      let readable = try await reader.admit(Transactions.KeySpan(start: position, end: whole.end), of: range)
      while true {
        try Task.checkCancellation()
        let span = Transactions.KeySpan(start: position, end: readable.span.end)
        guard let next = try await body(readable.state, span) else { break }
        position = next
        if isOver() { return }
      }
      if isOver() || readable.span.end == whole.end { return }
      position = readable.span.end
    }
  }

  func progressed(_ rows: UInt64) async throws {
    rowsDone += rows
    guard EventLoop.now.milliseconds(since: lastReport) >= Self.progressMilliseconds else { return }
    lastReport = EventLoop.now
    if estimate == nil, let span = store.replica(source)?.span {
      let state = store.state.frozen()
      estimate = try await worker.run { try RangeEstimate.measure(state, span) }.rows
    }
    try await report(ValidateProgress(rowsDone: rowsDone, rowsTotalEstimate: max(rowsDone, estimate ?? 0)))
  }
}
