import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import SQLExecution
import SQLExpressions
import SQLValues
import SchemaChange

/// One statement's view of the data: reads at its snapshot with the transaction's writes over it.
@EventLoopActor final class TransactionAccess: TableAccess {
  /// Bytes that a range may put into one page of a scan.
  static let pageBytes = 256 << 10

  private let transaction: Transaction
  private let snapshot: ReadSnapshot
  private var control: StatementControl
  private let rowIDs: RowIDSource
  /// A portal, which holds this, ends before its session.
  private unowned let session: Session
  private var turnStart = EventLoop.now
  nonisolated let checksInsertsAtCommit: Bool
  /// Why the last call threw: says more than the error that the executor passes on.
  private var fault: TransactionFault?

  init(
    _ transaction: Transaction, _ snapshot: ReadSnapshot, _ control: StatementControl, session: Session,
    isOwnTransaction: Bool
  ) {
    self.transaction = transaction
    self.snapshot = snapshot
    self.control = control
    self.session = session
    rowIDs = session.gateway.rowIDs
    checksInsertsAtCommit = isOwnTransaction
  }

  /// A suspended portal goes on under another statement's control.
  func adopt(_ control: StatementControl) { self.control = control }

  /// What is behind an error of the executor.
  func cause(of error: SQLError) -> TransactionFault {
    if let fault, ErrorTranslation.sqlError(fault, catalog: snapshot.catalog) == error { return fault }
    return .failed(error)
  }

  private func fail(_ fault: TransactionFault) -> SQLError {
    self.fault = fault
    return ErrorTranslation.sqlError(fault, catalog: snapshot.catalog)
  }

  // MARK: - Reads

  @EventLoopActor func get(
    table: TableDescriptor, index: IndexDescriptor, keys: [[UInt8]]
  ) async throws(SQLError) -> [[UInt8]?] {
    if SchemaDraft.isProvisional(index.rangeID) { return keys.map { transaction.written($0) } }
    do throws(TransactionFault) {
      return try await transaction.get(range: index.rangeID, keys: keys, snapshot, control)
    } catch {
      throw fail(error)
    }
  }

  @EventLoopActor func scan(_ request: SQLExecution.ScanRequest) async throws(SQLError) -> ScanBatch {
    // Of a table that the transaction creates there is nothing but its own writes.
    if SchemaDraft.isProvisional(request.index.rangeID) {
      var own = RawEntries.merge([], transaction.writes(from: request.span.start, to: request.span.end))
      if request.isReverse { own.reverse() }
      do throws(TransactionFault) { return try evaluate(own, request, nil) } catch { throw fail(error) }
    }
    let isMerged = transaction.hasWrites(from: request.span.start, to: request.span.end)
    do throws(TransactionFault) {
      return isMerged ? try await scanMerged(request) : try await scanCommitted(request)
    } catch {
      throw fail(error)
    }
  }

  private func scanCommitted(_ request: SQLExecution.ScanRequest) async throws(TransactionFault) -> ScanBatch {
    let page = try await transaction.scanCommitted(
      range: request.index.rangeID, from: request.span.start, to: request.span.end, isReverse: request.isReverse,
      rowLimit: request.rowLimit ?? 0, byteLimit: Self.pageBytes, specification: request.specification.encoded,
      snapshot, control)
    let batch = DatumBatch(
      rowCount: page.rowCount, columnCount: request.specification.outputCount,
      hasKeys: request.specification.includesKeys, bytes: page.rows)
    return ScanBatch(rows: batch, remainder: remainder(of: request, resumeKey: page.resumeKey))
  }

  private func remainder(of request: SQLExecution.ScanRequest, resumeKey: [UInt8]?) -> KeySpan? {
    guard let resumeKey else { return nil }
    let span =
      request.isReverse
      ? KeySpan(start: request.span.start, end: resumeKey) : KeySpan(start: resumeKey, end: request.span.end)
    return span.isEmpty ? nil : span
  }

  /// Own writes lie in the span: the range returns raw entries, and filter and projection run here.
  private func scanMerged(_ request: SQLExecution.ScanRequest) async throws(TransactionFault) -> ScanBatch {
    let page = try await transaction.scanCommitted(
      range: request.index.rangeID, from: request.span.start, to: request.span.end, isReverse: request.isReverse,
      rowLimit: 0, byteLimit: Self.pageBytes, specification: [], snapshot, control)
    let rest = remainder(of: request, resumeKey: page.resumeKey)
    var covered = request.span
    if let rest {
      if request.isReverse { covered.start = rest.end } else { covered.end = rest.start }
    }
    var entries: [(key: [UInt8], value: [UInt8])]
    do throws(MalformedBytes) {
      entries = try RawEntries.decode(page.rows)
    } catch {
      throw .failed(SQLError(.dataCorrupted, "a range sent a malformed page", detail: error.description))
    }
    if request.isReverse { entries.reverse() }
    var merged = RawEntries.merge(entries, transaction.writes(from: covered.start, to: covered.end))
    if request.isReverse { merged.reverse() }
    return try evaluate(merged, request, rest)
  }

  private func evaluate(
    _ entries: [(key: [UInt8], value: [UInt8])], _ request: SQLExecution.ScanRequest, _ rest: KeySpan?
  ) throws(TransactionFault) -> ScanBatch {
    var evaluator = ScanEvaluator(request.specification)
    var batch = evaluator.makeBatch()
    for (key, value) in entries {
      do throws(ScanFailure) {
        _ = try evaluator.consider(key: key.span, value: value.span, into: &batch)
      } catch {
        switch error {
        case .malformed(let bytes):
          throw .failed(SQLError(.dataCorrupted, "a stored row is damaged", detail: bytes.description))
        case .sql(let error): throw .failed(error)
        }
      }
      if let limit = request.rowLimit, batch.rowCount >= limit {
        // The last key considered is where the next call would go on.
        let span =
          request.isReverse
          ? KeySpan(start: request.span.start, end: key) : KeySpan(start: key + [0], end: request.span.end)
        return ScanBatch(rows: batch, remainder: span.isEmpty ? nil : span)
      }
    }
    return ScanBatch(rows: batch, remainder: rest)
  }

  // MARK: - Locks and writes

  @EventLoopActor func lock(table: TableDescriptor, keys: [[UInt8]], wait: LockWait) async throws(SQLError)
    -> [LockedRow]
  {
    // A statement that is its own transaction leaves waiting for locks to its commit, unless it must not wait.
    let isOwn = SchemaDraft.isProvisional(table.primaryIndex.rangeID)
    if isOwn || !transaction.locksEarly && wait == .untilGranted {
      return [LockedRow](repeating: .unchanged, count: keys.count)
    }
    let waiting: LockWaiting =
      switch wait {
      case .untilGranted: .block
      case .refuse: .noWait
      case .skipLocked: .skipLocked
      }
    do throws(TransactionFault) {
      let granted = try await transaction.lock(
        range: table.primaryIndex.rangeID, keys: keys, waiting: waiting, control)
      return granted.map { $0 ? .unchanged : .skipped }
    } catch {
      throw fail(error)
    }
  }

  @EventLoopActor func write(table: TableDescriptor, mutations: [TableMutation]) async throws(SQLError) {
    for mutation in mutations {
      let kind: BufferedWrite.Kind =
        switch mutation.kind {
        case .put: .put
        case .delete: .delete
        case .insert: .insert
        case .check: .check
        }
      // Nobody else can lock what is not there yet.
      let locksEarly =
        !SchemaDraft.isProvisional(mutation.rangeID)
        && (kind == .insert || kind != .check && mutation.index == table.primaryIndex.id)
      do throws(TransactionFault) {
        try transaction.write(
          kind, key: mutation.key, value: mutation.value, range: mutation.rangeID, locksEarly: locksEarly)
      } catch {
        throw fail(error)
      }
    }
  }

  nonisolated func checkAtCommit(_ check: any CommitCheck) {
    // Nobody else can add rows to what the transaction creates, and it may change that again.
    if SchemaDraft.isProvisional(check.table.id) { return }
    EventLoopActor.assumeIsolated {
      let (transaction, session) = (transaction, session)
      transaction.checkAtCommit { snapshot, control throws(TransactionFault) in
        let access = TransactionAccess(
          transaction, snapshot, control, session: session, isOwnTransaction: false)
        do throws(SQLError) {
          if try await check.holds(access) { return }
        } catch {
          throw access.cause(of: error)
        }
        throw .conflict("Rows that refer to a removed or changed key were added meanwhile.")
      }
    }
  }

  /// How long a statement may keep the loop to itself (milliseconds).
  static let turnMilliseconds: UInt64 = 5

  @EventLoopActor func checkpoint() async throws(SQLError) {
    let now = EventLoop.now
    guard now.milliseconds(since: turnStart) >= Self.turnMilliseconds else { return }
    do throws(TransactionFault) {
      // By a timer, so that sockets and other timers have their turn.
      try await control.sleep(milliseconds: 0)
    } catch {
      throw fail(error)
    }
    turnStart = EventLoop.now
  }

  // MARK: - Sequences

  @EventLoopActor func value(of call: SequenceCall) async throws(SQLError) -> Datum {
    do throws(TransactionFault) {
      return try await session.value(of: call, snapshot, isReadOnly: transaction.isReadOnly, control)
    } catch {
      throw fail(error)
    }
  }

  nonisolated func nextRowID() -> Int64 {
    EventLoopActor.assumeIsolated { rowIDs.next(after: snapshot.timestamp) }
  }
}

/// Numbers that no other row of the cluster gets: the milliseconds of a timestamp, a counter, and the gateway's number.
///
/// 41 bits of milliseconds since 2020, 12 bits of counter, 10 bits of node. A counter that overflows borrows from the
/// future, which stays unique because the milliseconds only go forward.
@EventLoopActor final class RowIDSource {
  private let node: UInt64
  private var last: UInt64 = 0
  static let epochMilliseconds: UInt64 = 1_577_836_800_000

  init(node: NodeID) { self.node = node.rawValue & 1023 }

  func next(after timestamp: Timestamp) -> Int64 {
    let milliseconds = timestamp.physicalMilliseconds &- Self.epochMilliseconds
    last = max(last + 1, (milliseconds & ((1 << 41) - 1)) << 12)
    return Int64(truncatingIfNeeded: (last << 10 | node) & UInt64(Int64.max))
  }
}
