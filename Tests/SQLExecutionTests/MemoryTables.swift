import Basics
import Catalog
import KeyValue
import SQLExecution
import SQLExpressions
import SQLValues

/// Tables in memory behind the port of the executor: a sorted map from keys to values, without timestamps.
final class MemoryTables: TableAccess {
  private(set) var entries: [[UInt8]: [UInt8]] = [:]
  var checksInsertsAtCommit = false
  /// Entries a scan returns at most in one batch: small, so that tests meet the seams.
  var scanBatchRows = 3
  /// What the next `lock` says of rows, by key.
  var lockAnswers: [[UInt8]: LockedRow] = [:]
  private(set) var lockedKeys: [[UInt8]] = []
  private(set) var getCalls = 0
  /// Since `startRecording`.
  private(set) var checkedKeys: [[UInt8]] = []
  private(set) var commitChecks: [any CommitCheck] = []
  private var rowIDs: Int64 = 0

  nonisolated(nonsending) func get(
    table: TableDescriptor, index: IndexDescriptor, keys: [[UInt8]]
  ) async throws(SQLError) -> [[UInt8]?] {
    getCalls += 1
    return keys.map { entries[$0] }
  }

  nonisolated(nonsending) func scan(_ request: ScanRequest) async throws(SQLError) -> ScanBatch {
    var keys = entries.keys.filter { request.span.contains($0) }.sorted { $0.lexicographicallyPrecedes($1) }
    if request.isReverse { keys.reverse() }
    var evaluator = ScanEvaluator(request.specification)
    var batch = evaluator.makeBatch()
    for (position, key) in keys.enumerated() {
      let isFull = position == scanBatchRows || batch.rowCount == request.rowLimit
      if isFull {
        // Where the next call goes on: at this key, or below the last one read when going backwards.
        let rest =
          request.isReverse
          ? KeySpan(start: request.span.start, end: keys[position - 1])
          : KeySpan(start: key, end: request.span.end)
        return ScanBatch(rows: batch, remainder: rest)
      }
      do throws(ScanFailure) {
        let value = entries[key] ?? []
        _ = try evaluator.consider(key: key.span, value: value.span, into: &batch)
      } catch {
        switch error {
        case .sql(let error): throw error
        case .malformed(let bytes): throw SQLError(.dataCorrupted, bytes.description)
        }
      }
    }
    return ScanBatch(rows: batch, remainder: nil)
  }

  nonisolated(nonsending) func lock(
    table: TableDescriptor, keys: [[UInt8]], wait: LockWait
  ) async throws(SQLError) -> [LockedRow] {
    lockedKeys += keys
    return keys.map { lockAnswers[$0] ?? .unchanged }
  }

  nonisolated(nonsending) func write(table: TableDescriptor, mutations: [TableMutation]) async throws(SQLError) {
    for mutation in mutations {
      switch mutation.kind {
      case .put: entries[mutation.key] = mutation.value
      case .delete: entries[mutation.key] = nil
      case .check: checkedKeys.append(mutation.key)
      case .insert:
        if entries[mutation.key] != nil {
          throw ConstraintViolation.duplicateKey(table: table, index: mutation.index, value: mutation.value)
        }
        entries[mutation.key] = mutation.value
      }
    }
  }

  func checkAtCommit(_ check: any CommitCheck) { commitChecks.append(check) }

  func startRecording() {
    checkedKeys = []
    commitChecks = []
  }

  func nextRowID() -> Int64 {
    rowIDs += 1
    return rowIDs
  }

  func put(_ entry: IndexEntryEncoder.Entry) { entries[entry.key] = entry.value }

  /// The keys of one index, ascending.
  func keys(table: TableDescriptor, index: IndexID) -> [[UInt8]] {
    let span = KeySpan.whole(table: table.id, index: index)
    return entries.keys.filter { span.contains($0) }.sorted { $0.lexicographicallyPrecedes($1) }
  }
}
