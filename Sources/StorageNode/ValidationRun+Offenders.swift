import Basics
import Catalog
import RPC
import Transactions
import Wire

/// What keeps a change from being made, looked for beforehand: the rows alone are read, to the end, and offenders are named.
extension ValidationRun {
  func offenders(_ request: ValidateRequest) async throws -> ValidateProgress {
    let maximum = min(Int(request.maximumOffenders), IndexSide.maximumViolations)
    switch request.kind {
    case .check:
      guard let constraint = table.constraint(ConstraintID(request.constraintID)),
        case .check(let check) = constraint.rule
      else { throw RPCError(.invalidArgument, "table \(table.name) has no check \(request.constraintID)") }
      let (timestamp, table) = (timestamp, table)
      return try await violations(maximum) { state, span in
        try IndexSide.readViolations(state, span, at: timestamp, table: table, check: check)
      }
    case .notNull:
      guard let column = table.column(ColumnID(request.columnID))?.id else {
        throw RPCError(.invalidArgument, "table \(table.name) has no column \(request.columnID)")
      }
      let (timestamp, table) = (timestamp, table)
      return try await violations(maximum) { state, span in
        try IndexSide.readRowsWithNull(state, span, at: timestamp, table: table, column: column, limit: maximum)
      }
    case .uniqueKeys:
      guard let index = table.index(IndexID(request.indexID)) else {
        throw RPCError(.invalidArgument, "table \(table.name) has no index \(request.indexID)")
      }
      return try await duplicates(index, maximum)
    case .index, .foreignKey, .unrecognized:
      throw RPCError(.invalidArgument, "no offenders are looked for in validation \(request.kind.rawValue)")
    }
  }

  private func violations(
    _ maximum: Int,
    _ read:
      @escaping @Sendable (StoreState, Transactions.KeySpan) throws -> (
        rows: UInt64, violations: [String], resumeKey: [UInt8]?
      )
  ) async throws -> ValidateProgress {
    var rows: UInt64 = 0
    var found: [String] = []
    try await walk(source) { readable, span in
      let step = try await self.worker.run { try read(readable, span) }
      rows += step.rows
      found += step.violations
      try await self.progressed(step.rows)
      return found.count < maximum ? step.resumeKey : nil
    } isOver: {
      found.count >= maximum
    }
    return ValidateProgress(
      isDone: true, rowsDone: rows, rowCount: rows, offenders: Array(found.prefix(maximum)))
  }

  /// Keys that more than one row has. Also finds rows of which no entry can be made, as an error.
  private func duplicates(_ index: IndexDescriptor, _ maximum: Int) async throws -> ValidateProgress {
    if let span = store.replica(source)?.span {
      let state = store.state.frozen()
      let estimate = try await worker.run { try RangeEstimate.measure(state, span) }
      guard estimate.rows <= Self.maximumRowsForSearch else {
        throw SQLError(
          .programLimitExceeded, "about \(estimate.rows) rows are too many to look for duplicates beforehand",
          hint: "At most \(Self.maximumRowsForSearch) rows are looked through.")
      }
    }
    let read = try await readRows(index, .keyHashes)
    let hashes = read.hashes.sorted()
    var twice: [UInt64] = []
    for (left, right) in zip(hashes, hashes.dropFirst()) where left == right && twice.last != left {
      twice.append(left)
      if twice.count == maximum { break }
    }
    var result = ValidateProgress(isDone: true, rowsDone: rowsDone, rowCount: read.rowCount)
    guard index.isUnique, !twice.isEmpty else { return result }
    let entries = try await readRows(index, .findKeys(Set(twice))).foundKeys
    result.offenders = twice.compactMap { entries[$0] }.map { entry in
      IndexMessages.duplicate(table: table, index: index, entryValue: entry.value).detail ?? ""
    }
    return result
  }
}
