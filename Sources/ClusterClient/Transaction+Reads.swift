import Basics
import EventLoop
import RPC
import Wire

/// One page of a scan.
public struct ScanPage: Sendable {
  public var rowCount: Int
  /// As in `ScanResponse.rows`.
  public var rows: [UInt8]
  /// Where to go on; nil when the span is done.
  public var resumeKey: [UInt8]?
  public var rowsExamined: UInt64
}

extension Transaction {
  /// Values of keys of one range at the read timestamp, own writes over them.
  public func get(
    range: RangeID, keys: [[UInt8]], _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(TransactionFault) -> [[UInt8]?] {
    if buffer.isEmpty { return try await getCommitted(range: range, keys: keys, snapshot, control) }
    var values = [[UInt8]?](repeating: nil, count: keys.count)
    var missing: [Int] = []
    for (position, key) in keys.enumerated() {
      switch buffer.write(for: key) {
      case .some(let write) where write.kind == .put || write.kind == .insert: values[position] = write.value
      case .some(let write) where write.kind == .delete: values[position] = nil
      default: missing.append(position)
      }
    }
    if missing.isEmpty { return values }
    let found = try await getCommitted(range: range, keys: missing.map { keys[$0] }, snapshot, control)
    for (position, value) in zip(missing, found) { values[position] = value }
    return values
  }

  func getCommitted(
    range: RangeID, keys: [[UInt8]], _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(TransactionFault) -> [[UInt8]?] {
    var waits = 0
    while true {
      let request = GetRequest(
        readTimestamp: snapshot.timestamp.rawValue, keys: keys, ownStartTimestamp: startTimestamp.rawValue,
        ignoredStartTimestamps: snapshot.ignored)
      let response: GetResponse
      do throws(RangeCallFailure) {
        response = try await control.call(cluster.ranges, RangeService.get, range: range, request)
      } catch {
        throw control.fault(Self.readError(error))
      }
      guard let error = response.error, error.kind != .ok else {
        guard response.results.count == keys.count else {
          throw .failed(SQLError(.internalError, "a range answered \(response.results.count) of \(keys.count) keys"))
        }
        return response.results.map { $0.isPresent ? $0.value : nil }
      }
      try await pass(error, range: range, waits: &waits, snapshot, control)
    }
  }

  /// Committed rows of one range in key order at the read timestamp; the caller merges its own writes.
  public func scanCommitted(
    range: RangeID, from start: [UInt8], to end: [UInt8], isReverse: Bool, rowLimit: Int, byteLimit: Int,
    specification: [UInt8], _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(TransactionFault) -> ScanPage {
    var waits = 0
    while true {
      let request = ScanRequest(
        readTimestamp: snapshot.timestamp.rawValue, startKey: start, endKey: end, isReverse: isReverse,
        rowLimit: UInt32(clamping: rowLimit), byteLimit: UInt32(clamping: byteLimit), specification: specification,
        ownStartTimestamp: startTimestamp.rawValue, ignoredStartTimestamps: snapshot.ignored)
      let response: ScanResponse
      do throws(RangeCallFailure) {
        response = try await control.call(cluster.ranges, RangeService.scan, range: range, request)
      } catch {
        throw control.fault(Self.readError(error))
      }
      guard let error = response.error, error.kind != .ok else {
        return ScanPage(
          rowCount: Int(response.rowCount), rows: response.rows,
          resumeKey: response.resumeKey.isEmpty ? nil : response.resumeKey, rowsExamined: response.rowsExamined)
      }
      try await pass(error, range: range, waits: &waits, snapshot, control)
    }
  }

  /// Whether own writes lie in a span, so that a scan of it has to be merged with them.
  public func hasWrites(from start: [UInt8], to end: [UInt8]) -> Bool { buffer.hasKeys(from: start, to: end) }

  /// Own writes in a span, ascending; nil for removed rows. Keys only locked are left out.
  public func writes(from start: [UInt8], to end: [UInt8]) -> [(key: [UInt8], value: [UInt8]?)] {
    var result: [(key: [UInt8], value: [UInt8]?)] = []
    for key in buffer.keys(from: start, to: end) {
      guard let write = buffer.write(for: key) else { continue }
      switch write.kind {
      case .put, .insert: result.append((key, write.value))
      case .delete: result.append((key, nil))
      case .check: break
      }
    }
    return result
  }

  /// What the transaction has put under `key`; nil: nothing, or it has taken it away.
  public func written(_ key: [UInt8]) -> [UInt8]? {
    guard let write = buffer.write(for: key), write.kind == .put || write.kind == .insert else { return nil }
    return write.value
  }

  /// A read has no outcome to be unknown: no answer is no answer.
  public static func readError(_ failure: RangeCallFailure) -> SQLError {
    failure.kind == .outcomeUnknown ? RangeCallFailure(.timedOut, failure.message).sqlError : failure.sqlError
  }

  /// Deals with what stands in a read's way, or throws.
  private func pass(
    _ error: RangeError, range: RangeID, waits: inout Int, _ snapshot: ReadSnapshot, _ control: StatementControl
  ) async throws(TransactionFault) {
    guard error.kind == .keyLocked, let lock = error.lock else { throw fault(error) }
    let outcome: LockOutcome
    do throws(RangeCallFailure) {
      outcome = try await cluster.locks.resolve(
        lock, range: range, reader: snapshot.timestamp, deadline: control.callDeadline)
    } catch {
      throw control.fault(Self.readError(error))
    }
    switch outcome {
    case .ignore(let start): snapshot.ignored.append(start)
    case .resolved: break
    case .wait:
      try await pause(&waits, control)
    }
  }

  /// A short wait for somebody else's transaction, longer each time.
  func pause(_ waits: inout Int, _ control: StatementControl) async throws(TransactionFault) {
    let milliseconds = min(50, 1 << min(waits, 5))
    waits += 1
    try await control.sleep(milliseconds: UInt64(milliseconds))
  }

  /// What a range refused, as the transaction sees it.
  func fault(_ error: RangeError) -> TransactionFault {
    switch error.kind {
    case .writeConflict: .conflict("A row was changed at \(Timestamp(rawValue: error.conflictTimestamp)).")
    case .keyLocked: .conflict("A row is locked by another transaction.")
    case .transactionAborted:
      .retry(
        SQLError(
          .serializationFailure, "the transaction was rolled back by another one", detail: error.message,
          hint: "Try the transaction again."), isContended: true)
    case .keyExists: .keyExists(key: error.key, value: buffer.write(for: error.key)?.value ?? [])
    case .deadlock: .failed(SQLError(.deadlockDetected, "deadlock detected"))
    case .lockTimeout: .conflict("A row is locked by another transaction.")
    case .diskFull: .failed(SQLError(.diskFull, "a storage node has no disk space left", detail: error.message))
    case .timestampTooOld:
      .retry(
        SQLError(
          .snapshotTooOld, "snapshot too old",
          detail: "The transaction began so long ago that storage has given up what it needs.",
          hint: "Try the transaction again."), isContended: false)
    case .corrupted: .failed(SQLError(.dataCorrupted, "stored data is corrupted", detail: error.message))
    case .sqlError:
      if let message = error.sqlError {
        .failed(SQLError(message))
      } else {
        .failed(SQLError(.internalError, error.message))
      }
    default: .failed(SQLError(.internalError, "unexpected answer of a range: \(error.kind)", detail: error.message))
    }
  }
}

extension SQLError {
  /// An error as it came over RPC.
  public init(_ message: SQLErrorMessage) {
    self.init(
      SQLState(message.state), message.message, detail: message.detail.isEmpty ? nil : message.detail,
      hint: message.hint.isEmpty ? nil : message.hint, tableName: message.tableName.isEmpty ? nil : message.tableName,
      columnName: message.columnName.isEmpty ? nil : message.columnName,
      constraintName: message.constraintName.isEmpty ? nil : message.constraintName)
  }
}
