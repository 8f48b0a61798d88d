import Basics
import EventLoop
import RPC
import Wire

/// The schema changes of a transaction, whose job waits for the transaction's rows.
public struct DecidingJob: Hashable, Sendable {
  public let id: JobID
  /// What it changes and does not create.
  public let tables: Set<TableID>

  public init(id: JobID, tables: Set<TableID>) {
    self.id = id
    self.tables = tables
  }
}

/// Where a write goes when it is committed.
public struct WritePlace: Hashable, Sendable {
  public var key: [UInt8]
  public var range: RangeID

  public init(key: [UInt8], range: RangeID) {
    self.key = key
    self.range = range
  }
}

// Rows and schema changes in one transaction (SchemaChange.md, "Rows of the same transaction"): the rows are prewritten with locks
// that nobody ends but the job of the schema changes, and the schema log's visible entry of that job is the commit.
extension Transaction {
  /// The key that decides, if one can that is in a range that is there already; a key that is changed rather than only checked,
  /// if there is one.
  public func anchor(where isThere: (RangeID) -> Bool) -> WritePlace? {
    var checked: WritePlace?
    for key in buffer.sorted() {
      guard let write = buffer.write(for: key), isThere(write.range) else { continue }
      let place = WritePlace(key: key, range: write.range)
      if write.kind != .check { return place }
      checked = checked ?? place
    }
    return checked
  }

  /// Gives up what the transaction holds of tables that it does not write, so that it is not in the way of its own changes.
  public func releaseReads(of tables: Set<TableID>) {
    for pin in statementPins + registeredPins where tables.contains(pin.table) && writePins[pin.table] == nil {
      cluster.connection.pins.unpin(pin)
    }
    statementPins.removeAll { tables.contains($0.table) && writePins[$0.table] == nil }
    registeredPins.removeAll { tables.contains($0.table) && writePins[$0.table] == nil }
  }

  /// Commits what is buffered together with the changes of `job`, at one timestamp. Throws 40003 when the outcome is not known;
  /// any other fault means that the rows are not and will not be there.
  ///
  /// - Parameter anchor: as told to the job; nil: every write goes to a range that the job makes.
  /// - Parameter place: where a write goes; nil: nowhere, which is a mistake.
  public func commit(
    with job: DecidingJob, anchor: WritePlace?, deadline: MonotonicTime,
    place: (_ key: [UInt8], _ range: RangeID) -> WritePlace?
  ) async throws(TransactionFault) {
    var moved = WriteBuffer(limitBytes: Int.max)
    for key in buffer.sorted() {
      guard var write = buffer.write(for: key) else { continue }
      guard let place = place(key, write.range) else {
        throw .failed(SQLError(.internalError, "a write of the transaction is of no table that its job makes"))
      }
      write.range = place.range
      _ = try moved.add(write, for: place.key)
    }
    let first = moved.sorted().first { moved.write(for: $0)?.kind != .check } ?? moved.sorted().first
    guard let primary = anchor?.key ?? first else { return }
    decidingJob = job.id
    decidedTables = job.tables
    relocated = moved
    try await commitTwoPhase(primary, deadline: deadline)
    isOver = true
    releaseLocks(except: [])
    commitChecks = []
    releasePins()
  }

  /// Has the job decide. Asked again until there is an answer: it is always the same.
  func decision(
    of job: JobID, _ primaryKey: [UInt8], _ primaryRange: RangeID, minimum: Timestamp, deadline: MonotonicTime
  ) async throws(TransactionFault) -> Timestamp {
    let request = ControlJobRequest(
      jobID: job.rawValue, control: .decide, rowsStartTimestamp: startTimestamp.rawValue, pins: tablePins,
      minimumTimestamp: minimum.rawValue, primaryKey: primaryKey, primaryRangeID: primaryRange.rawValue)
    let response: ControlJobResponse
    do throws(RPCError) {
      response = try await cluster.connection.call(MetadataService.controlJob, request, deadline: deadline)
    } catch {
      throw .failed(RangeCallFailure(.outcomeUnknown, error.message).sqlError)
    }
    if let error = response.error, !error.state.isEmpty { throw .retry(SQLError(error), isContended: false) }
    guard response.commitTimestamp != 0 else {
      throw .failed(SQLError(.internalError, "job \(job) has decided without a timestamp"))
    }
    return Timestamp(rawValue: response.commitTimestamp)
  }

  /// So that those who meet the other keys learn of the decision. Should it not arrive, the job does the same.
  func commitPrimary(_ chunk: RangeWrites?, _ commit: Timestamp) async {
    guard let chunk else { return }
    let request = CommitRequest(
      startTimestamp: startTimestamp.rawValue, commitTimestamp: commit.rawValue, keys: chunk.keys, includesPrimary: true
    )
    _ = try? await cluster.ranges.call(
      RangeService.commit, range: chunk.range, request,
      deadline: EventLoop.now.advanced(byMilliseconds: ClientLimits.callMilliseconds))
  }
}
