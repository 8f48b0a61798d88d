import Basics

/// What a transaction promises its reads.
public enum TransactionIsolation: Hashable, Sendable {
  /// Each statement reads at a new timestamp.
  case readCommitted
  /// All statements read at one timestamp.
  case repeatableRead
}

/// How a transaction's writes are committed.
public enum CommitProtocol: Hashable, Sendable {
  case nothingToWrite
  /// All keys are in one range: one request carries everything.
  case oneRound(RangeID)
  /// Percolator's two phases; the primary key decides.
  case twoPhase(primary: [UInt8])
}

/// The writes of one range, ascending by key.
public struct RangeWrites: Hashable, Sendable {
  public let range: RangeID
  public var keys: [[UInt8]]
}

/// The decisions of a committing transaction, apart from the calls that carry them out.
public enum CommitPlanning {
  /// Larger transactions go in two phases even within one range, so that no request and no log entry grows without bound.
  public static let oneRoundLimitBytes = 1 << 20
  /// Keys and values in one prewrite request.
  public static let prewriteLimitBytes = 512 << 10

  /// - Parameter isChecked: something has to be looked at while the writes hold their keys.
  public static func chooseProtocol(_ buffer: inout WriteBuffer, isChecked: Bool = false) -> CommitProtocol {
    let keys = buffer.sorted()
    // A lock alone decides nothing: with no real write the transaction is over when it has read.
    guard let primary = keys.first(where: { buffer.write(for: $0)?.kind != .check }) else { return .nothingToWrite }
    let ranges = groups(keys, buffer)
    if !isChecked, ranges.count == 1, buffer.byteCount <= oneRoundLimitBytes { return .oneRound(ranges[0].range) }
    return .twoPhase(primary: primary)
  }

  /// By range, ranges ascending.
  public static func groups(_ keys: [[UInt8]], _ buffer: WriteBuffer) -> [RangeWrites] {
    var groups: [RangeWrites] = []
    var positions: [RangeID: Int] = [:]
    for key in keys {
      guard let write = buffer.write(for: key) else { continue }
      if let position = positions[write.range] {
        groups[position].keys.append(key)
      } else {
        positions[write.range] = groups.count
        groups.append(RangeWrites(range: write.range, keys: [key]))
      }
    }
    return groups.sorted { $0.range < $1.range }
  }

  /// Splits a range's keys into requests of a bounded size; the primary key, if it is among them, comes in the first.
  public static func chunks(_ writes: RangeWrites, _ buffer: WriteBuffer, primary: [UInt8]) -> [RangeWrites] {
    var chunks: [RangeWrites] = []
    var current = RangeWrites(range: writes.range, keys: [])
    var size = 0
    var keys = writes.keys
    if let position = keys.firstIndex(of: primary), position > 0 { keys.swapAt(0, position) }
    for key in keys {
      let bytes = key.count + (buffer.write(for: key)?.value.count ?? 0) + WriteBuffer.costPerWriteBytes
      if size + bytes > prewriteLimitBytes, !current.keys.isEmpty {
        chunks.append(current)
        current.keys = []
        size = 0
      }
      current.keys.append(key)
      size += bytes
    }
    if !current.keys.isEmpty { chunks.append(current) }
    return chunks
  }
}

/// Why a transaction cannot go on as it is.
public enum TransactionFault: Error, Hashable, Sendable {
  /// Somebody else committed first, or holds what is needed: the same statement may succeed at a newer timestamp.
  case retry(SQLError, isContended: Bool)
  case failed(SQLError)
  /// An insert met a row: the caller knows which constraint the key belongs to. `value` is what was to be inserted.
  case keyExists(key: [UInt8], value: [UInt8])

  public var sqlError: SQLError {
    switch self {
    case .retry(let error, _), .failed(let error): error
    case .keyExists: SQLError(.uniqueViolation, "duplicate key value violates unique constraint")
    }
  }

  public static func conflict(_ detail: String) -> TransactionFault {
    .retry(
      SQLError(
        .serializationFailure, "could not serialize access due to concurrent update", detail: detail,
        hint: "Try the transaction again."), isContended: true)
  }

  /// `name`: nil where not even the transaction's own catalog has the table.
  public static func schemaChanged(
    _ table: TableID, name: String?, pinned: TableVersion?, floor: TableVersion
  ) -> TransactionFault {
    let shown = name.map { "\"\($0)\"" } ?? "\(table)"
    let used = pinned.map { " \($0)" } ?? ""
    let now = floor == TableVersion(rawValue: .max) ? "it was dropped" : "it takes those of version \(floor) and newer"
    return .retry(
      SQLError(
        .serializationFailure, "the schema of table \(shown) changed while the transaction was running",
        detail: "The table no longer takes writes made with version\(used) of its schema: \(now).",
        hint: "Try the transaction again. SHOW SCHEMA LOG FOR TABLE \(name ?? "\(table)") tells what was changed.",
        tableName: name), isContended: false)
  }
}
