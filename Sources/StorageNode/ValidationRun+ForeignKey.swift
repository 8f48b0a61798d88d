import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import SQLValues
import Transactions
import Wire

/// Proof before a foreign key is published: at one timestamp, every row without NULL in the key's columns refers to a row that
/// is there.
extension ValidationRun {
  /// Keys asked for in one request.
  static let keysPerRequest = 500

  /// - Parameter maximum: offenders to name; 0: the first one is an error.
  func validateForeignKey(
    _ constraint: ConstraintDescriptor, _ rule: ForeignKeyRule, referenced: TableDescriptor, maximum: Int
  ) async throws -> ValidateProgress {
    guard let lookup = ReferencedKey(rule, in: referenced) else {
      throw SQLError(.internalError, "foreign key \"\(constraint.name)\" refers to columns without a unique index")
    }
    let (timestamp, table) = (timestamp, table)
    var rows: UInt64 = 0
    var missing: [[Datum]] = []
    var known: Set<[UInt8]> = []
    let wanted = max(1, maximum)
    try await walk(source) { readable, span in
      let step = try await self.worker.run {
        try IndexSide.readReferences(readable, span, at: timestamp, table: table, rule, lookup)
      }
      rows += step.rows
      var start = 0
      while start < step.references.count, missing.count < wanted {
        let part = step.references[start..<min(start + Self.keysPerRequest, step.references.count)]
        start += part.count
        let found = try await self.present(part.map(\.key), in: lookup.index.rangeID)
        for (reference, isPresent) in zip(part, found) where !isPresent && known.insert(reference.key).inserted {
          missing.append(reference.values)
        }
      }
      try await self.progressed(step.rows)
      return missing.count < wanted ? step.resumeKey : nil
    } isOver: {
      missing.count >= wanted
    }
    var result = ValidateProgress(isDone: true, rowsDone: rows, rowCount: rows)
    let errors = missing.prefix(wanted).map {
      table.missingReference(constraint: constraint.name, rule, $0, referenced: referenced.name)
    }
    if maximum > 0 {
      result.offenders = errors.map { $0.detail ?? "" }
    } else if let error = errors.first {
      result.error = SQLErrorMessage(error)
    }
    return result
  }

  /// Whether rows are there, in the order of their keys.
  private func present(_ keys: [[UInt8]], in range: RangeID) async throws -> [Bool] {
    var ignored: [UInt64] = []
    while true {
      try Task.checkCancellation()
      let deadline = EventLoop.now.advanced(byMilliseconds: Self.requestMilliseconds)
      let request = GetRequest(readTimestamp: timestamp.rawValue, keys: keys, ignoredStartTimestamps: ignored)
      let response: GetResponse
      do throws(RangeCallFailure) {
        response = try await ranges.call(RangeService.get, range: range, request, deadline: deadline)
      } catch {
        throw error.sqlError
      }
      guard let error = response.error, error.kind != .ok else {
        guard response.results.count == keys.count else {
          throw SQLError(.internalError, "a range answered \(response.results.count) of \(keys.count) keys")
        }
        return response.results.map(\.isPresent)
      }
      guard error.kind == .keyLocked, let lock = error.lock else {
        throw SQLError(.internalError, "a range refused a read", detail: "\(error.kind): \(error.message)")
      }
      if let start = try await resolve(lock, of: range, deadline) { ignored.append(start) }
    }
  }
}

extension IndexSide {
  /// What rows refer to, each key once; returns how many rows were read.
  static func readReferences(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, table: TableDescriptor,
    _ rule: ForeignKeyRule, _ lookup: ReferencedKey
  ) throws -> (rows: UInt64, references: [(key: [UInt8], values: [Datum])], resumeKey: [UInt8]?) {
    let positions = rule.columns.compactMap { id in table.columns.firstIndex { $0.id == id } }
    guard positions.count == rule.columns.count else {
      throw StorageFailure.corrupted("a foreign key of table \(table.name) has lost a column")
    }
    var rows: UInt64 = 0
    var seen: Set<[UInt8]> = []
    var references: [(key: [UInt8], values: [Datum])] = []
    let resumeKey = try forEachRow(state, span, at: timestamp, table) { row in
      rows += 1
      let values = positions.map { row[$0] }
      if values.contains(where: \.isNull) { return true }
      let key = lookup.bytes(of: values)
      if seen.insert(key).inserted { references.append((key, values)) }
      return true
    }
    return (rows, references, resumeKey)
  }
}
