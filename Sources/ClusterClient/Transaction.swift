import Basics
import Catalog
import EventLoop
import RPC
import Wire

/// What one statement sees: a timestamp, and the catalog as of it.
@EventLoopActor public final class ReadSnapshot {
  public let timestamp: Timestamp
  public let catalog: CatalogView
  /// Start timestamps of transactions whose locks are passed over: they commit above `timestamp` or not at all.
  var ignored: [UInt64] = []

  init(timestamp: Timestamp, catalog: CatalogView) {
    self.timestamp = timestamp
    self.catalog = catalog
  }
}

/// One transaction: its timestamps, pins, buffered writes and row locks.
///
/// Happy path of an autocommit statement: `beginStatement` gets R and the catalog as of R; reads go to the ranges at R and
/// see the buffer over them; `commit` gets C and sends the buffer in one round. What can go wrong is told by
/// `TransactionFault`: `retry` means that nothing has happened and the statement may run again at a new timestamp.
@EventLoopActor public final class Transaction {
  public let cluster: Cluster
  public let isolation: TransactionIsolation
  public var isReadOnly: Bool
  /// Reads in the past, with the schema of that time (`AS OF SYSTEM TIME`): which timestamp, given one that the oracle has just
  /// issued, which is no smaller. Such a transaction only reads.
  public var readsAt: (@EventLoopActor (Timestamp) throws(SQLError) -> Timestamp)? {
    didSet { if readsAt != nil { isReadOnly = true } }
  }
  /// Statements lock what they write at once (explicit transactions, contended retries).
  public var locksEarly: Bool

  /// Its identity towards storage: the first timestamp it read at.
  public internal(set) var startTimestamp = Timestamp.zero
  /// What the registry counts it under while it is open.
  private var registeredStart: Timestamp?
  /// When it began to read; nil while it is not open.
  public private(set) var openedAt: MonotonicTime?
  /// What the running statement sees; REPEATABLE READ keeps the first.
  public internal(set) var snapshot: ReadSnapshot?
  var buffer: WriteBuffer

  /// The oldest version each table was written with.
  var writePins: [TableID: TableVersion] = [:]
  /// What the registry holds for this transaction.
  var registeredPins: [PinRegistry.Pin] = []
  /// Of those, what the running statement took (READ COMMITTED gives reads back at its end).
  var statementPins: [PinRegistry.Pin] = []
  var heldTables: Set<TableID> = []

  /// Committed or rolled back.
  public internal(set) var isOver = false
  /// Ranges in which row locks are held.
  var lockedRanges: Set<RangeID> = []
  var lockedKeys: Set<[UInt8]> = []
  var primary: (key: [UInt8], range: RangeID)?

  /// What statements rely on, looked at when the commit's writes hold their keys. Such a transaction takes two phases.
  var commitChecks: [CommitCheck] = []

  /// The schema changes of the transaction: their job decides about its rows (`commit(with:)`).
  var decidingJob: JobID?
  /// What that job changes.
  var decidedTables: Set<TableID> = []
  /// The writes as they are committed, where that is under other keys than the transaction has known.
  var relocated: WriteBuffer?

  /// A commit timestamp that came with the read timestamp, and the versions it was granted for.
  var earlyCommit: (timestamp: Timestamp, pins: [TablePin])?
  /// The early commit timestamp was too low by the time of the commit: somebody had read what was written.
  public internal(set) var wasEarlyCommitTooLow = false

  public init(
    _ cluster: Cluster, isolation: TransactionIsolation, isReadOnly: Bool = false, locksEarly: Bool,
    bufferLimitBytes: Int = 64 << 20
  ) {
    self.cluster = cluster
    self.isolation = isolation
    self.isReadOnly = isReadOnly
    self.locksEarly = locksEarly
    buffer = WriteBuffer(limitBytes: bufferLimitBytes)
  }

  // MARK: - Statements

  /// Gets the statement's read timestamp and the catalog it uses. REPEATABLE READ keeps the first.
  ///
  /// `commitPins`: the versions of the tables that the statement will write, by table, if the transaction ends with it. Its
  /// commit timestamp is asked for at once then. That is no weaker than asking later: a commit timestamp may be as old as it
  /// likes when the writes reach their ranges, which refuse it if it is below what has been read or written there.
  @discardableResult
  public func beginStatement(
    deadline: MonotonicTime, commitPins: [TablePin] = []
  ) async throws(SQLError) -> ReadSnapshot {
    if isolation == .repeatableRead, let snapshot { return snapshot }
    let read = try await cluster.timestamps.read(deadline: deadline, commitPins: commitPins)
    earlyCommit = read.commit.map { ($0, commitPins) }
    guard let history = cluster.connection.history else {
      throw SQLError(.cannotConnectNow, "this gateway has no catalog yet", hint: "Try again in a moment.")
    }
    let timestamp = try readsAt?(read.timestamp) ?? read.timestamp
    let snapshot = ReadSnapshot(timestamp: timestamp, catalog: try history.catalog(asOf: timestamp))
    if startTimestamp == .zero { startTimestamp = read.timestamp }
    if registeredStart == nil {
      registeredStart = min(startTimestamp, timestamp)
      openedAt = EventLoop.now
      cluster.connection.pins.opened(at: min(startTimestamp, timestamp))
    }
    self.snapshot = snapshot
    return snapshot
  }

  /// Pins the version of a table that the running statement uses, until the statement ends (reads of READ COMMITTED) or the
  /// transaction does.
  public func pin(_ table: TableID, version: TableVersion, isWritten: Bool) {
    // What is read in the past is kept by its versions; no schema change has to wait for it.
    guard let catalog = snapshot?.catalog, readsAt == nil else { return }
    if isWritten {
      writePins[table] = min(writePins[table] ?? version, version)
      heldTables.insert(table)
    }
    let pin = PinRegistry.Pin(table: table, index: catalog.schemaIndex)
    cluster.connection.pins.pin(pin)
    statementPins.append(pin)
  }

  /// The statement is over; what it wrote stays. `keepsPins`: a portal of it is still open.
  public func endStatement(keepsPins: Bool = false) {
    if isolation == .repeatableRead || keepsPins {
      registeredPins.append(contentsOf: statementPins)
    } else {
      for pin in statementPins {
        if heldTables.contains(pin.table) {
          // One pin a table is enough: the oldest.
          if registeredPins.contains(where: { $0.table == pin.table && $0.index <= pin.index }) {
            cluster.connection.pins.unpin(pin)
          } else {
            registeredPins.append(pin)
          }
        } else {
          cluster.connection.pins.unpin(pin)
        }
      }
    }
    statementPins.removeAll(keepingCapacity: true)
  }

  func releasePins() {
    for pin in statementPins { cluster.connection.pins.unpin(pin) }
    for pin in registeredPins { cluster.connection.pins.unpin(pin) }
    statementPins = []
    registeredPins = []
    if let start = registeredStart { cluster.connection.pins.closed(at: start) }
    registeredStart = nil
    openedAt = nil
  }

  /// The oldest schema index at which it uses each of `tables`, by table.
  public func oldestPins(on tables: Set<TableID>) -> [PinRegistry.Pin] {
    var oldest: [TableID: PinRegistry.Pin] = [:]
    for pin in registeredPins + statementPins where tables.contains(pin.table) {
      if let known = oldest[pin.table], known.index <= pin.index { continue }
      oldest[pin.table] = pin
    }
    return oldest.values.sorted { $0.table < $1.table }
  }

  /// Forgets reads and writes so that the statement of an autocommit transaction can run again. Row locks stay.
  public func restart() {
    releasePins()
    writePins = [:]
    heldTables = []
    commitChecks = []
    buffer = WriteBuffer(limitBytes: buffer.limitBytes)
    snapshot = nil
    earlyCommit = nil
    if lockedKeys.isEmpty {
      startTimestamp = .zero
      primary = nil
    }
  }

  // MARK: - Buffered writes

  public var hasWrites: Bool { !buffer.isEmpty }
  /// As far as others know them.
  public var writtenTables: [TableID] { writePins.keys.sorted() }
  public var bufferedBytes: Int { buffer.byteCount }

  /// A point to go back to: what was written after it, the pins of those writes, and what they rely on, can be undone.
  public struct Mark {
    let buffer: WriteBuffer.Mark
    let commitCheckCount: Int
    let writePins: [TableID: TableVersion]
  }

  public func mark() -> Mark { Mark(buffer: buffer.mark(), commitCheckCount: commitChecks.count, writePins: writePins) }

  public func undo(to mark: Mark) {
    buffer.undo(to: mark.buffer)
    commitChecks.removeSubrange(min(mark.commitCheckCount, commitChecks.count)...)
    writePins = mark.writePins
  }

  public func release(_ mark: Mark) { buffer.release(mark.buffer) }

  /// Throws `keyExists` when an insert meets a row of this transaction.
  public func write(
    _ kind: BufferedWrite.Kind, key: [UInt8], value: [UInt8] = [], range: RangeID, locksEarly: Bool
  ) throws(TransactionFault) {
    if isReadOnly {
      throw .failed(
        SQLError(.readOnlyTransaction, "cannot execute a statement that writes in a read-only transaction"))
    }
    let timestamp = snapshot?.timestamp ?? startTimestamp
    let write = BufferedWrite(
      kind: kind, value: value, range: range, forUpdateTimestamp: timestamp, locksEarly: locksEarly)
    guard try buffer.add(write, for: key) else { throw .keyExists(key: key, value: value) }
  }

  /// Forgets its writes in a span of keys that nobody else can know: it is as if they had never been.
  public func forgetWrites(from start: [UInt8], to end: [UInt8]) { buffer.removeAll(from: start, to: end) }

  /// Reads as of the snapshot it is given, and throws if what a statement relies on is no longer so.
  public typealias CommitCheck = @EventLoopActor (ReadSnapshot, StatementControl) async throws(TransactionFault) -> Void

  public func checkAtCommit(_ check: @escaping CommitCheck) { commitChecks.append(check) }

  // MARK: - End

  /// Gives everything back; nothing of it has happened or will.
  public func rollback() {
    isOver = true
    commitChecks = []
    releaseLocks(except: [])
    releasePins()
    buffer = WriteBuffer(limitBytes: buffer.limitBytes)
  }

  /// Row locks of ranges that the commit did not pass through.
  func releaseLocks(except committed: Set<RangeID>) {
    for range in lockedRanges.sorted() where !committed.contains(range) {
      release(range, of: startTimestamp)
    }
    lockedRanges = []
    lockedKeys = []
  }

  /// Tried for as long as a call of a statement: locks that stay hold up others until this gateway's session ends. Lost with
  /// the range's leader they are void anyway.
  func release(_ range: RangeID, of start: Timestamp) {
    let request = RollbackRequest(startTimestamp: start.rawValue, keys: [], locksOnly: true)
    cluster.ranges.call(
      RangeService.rollback, range: range, request,
      deadline: EventLoop.now.advanced(byMilliseconds: ClientLimits.callMilliseconds)
    ) { _ in }
  }
}
