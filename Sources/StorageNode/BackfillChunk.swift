import Basics
import Catalog
import KeyValue
import RocksEngine
import SQLValues
import Transactions

/// Rows of the source index turned into sorted entries of another: what the worker thread does between two visits of the loop.
struct BackfillChunk: Sendable {
  /// Entries as `Ingestion.entries` wants them, each at most about `batchBytes`, ascending.
  var batches: [[UInt8]] = []
  /// Rows read; those that a partial index leaves out are among them.
  var rowCount = 0
  /// The last source key read.
  var lastKey: [UInt8] = []
  /// Of rows that are filled: numbers that are missing, of the first sequence that lacks any. Then the chunk is none.
  var wanted: (sequence: TableID, count: UInt64)?
  /// Where the next chunk starts; nil: the span is done.
  var resumeKey: [UInt8]?

  /// Small, because every replica applies a batch in one go on its loop, between foreground requests.
  static let batchBytes = 64 << 10

  /// Two rows of the chunk with the same unique key end the build.
  static func read(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, table: TableDescriptor,
    index: IndexDescriptor, rowLimit: Int
  ) throws -> BackfillChunk {
    var chunk = BackfillChunk()
    var encoder = BackfillEncoder(table: table, index: index)
    var entries: [IndexEntryEncoder.Entry] = []
    entries.reserveCapacity(rowLimit)
    var scanner = VersionScanner(state, span, at: timestamp, isReverse: false, isLong: true)
    chunk.resumeKey = try scanner.forEach(examinedLimit: rowLimit * 4) { key, value in
      do {
        if let entry = try encoder.entry(forPrimaryRecord: value.assumingMemoryBound(to: UInt8.self).span) {
          entries.append(entry)
        }
      } catch let error as MalformedBytes {
        throw StorageFailure.corrupted("a row of table \(table.name): \(error)")
      }
      chunk.lastKey.removeAll(keepingCapacity: true)
      chunk.lastKey.append(contentsOf: key)
      chunk.rowCount += 1
      return chunk.rowCount < rowLimit
    }
    entries.sort { isBelow($0.key, $1.key) }
    if index.isUnique {
      for (entry, next) in zip(entries, entries.dropFirst()) where entry.key == next.key {
        throw IndexMessages.duplicate(table: table, index: index, entryValue: entry.value)
      }
    }
    var writer = ByteWriter(capacity: batchBytes + 1024)
    for entry in entries {
      writer.writeBytes(entry.key)
      writer.writeBytes(entry.value)
      if writer.bytes.count >= batchBytes {
        chunk.batches.append(writer.bytes)
        writer = ByteWriter(capacity: batchBytes + 1024)
      }
    }
    if !writer.bytes.isEmpty { chunk.batches.append(writer.bytes) }
    return chunk
  }
}

typealias IndexMessages = KeyValue.IndexMessages

extension IndexMessages {
  static func mismatch(table: TableDescriptor, index: IndexDescriptor, detail: String) -> SQLError {
    SQLError(
      .dataCorrupted, "index \"\(table.displayName(of: index))\" does not agree with table \"\(table.name)\"",
      detail: detail,
      tableName: table.name, constraintName: table.displayName(of: index))
  }

  /// Not the table is damaged but this replica's copy of it: the work goes on where there is another.
  static func isDiskDamage(_ error: any Error) -> Bool {
    switch error {
    case StorageFailure.inputOutput, RocksError.corruption, RocksError.inputOutput: true
    default: false
    }
  }

  static func storage(_ error: any Error) -> SQLError {
    switch error {
    case let error as SQLError: error
    case StorageFailure.corrupted(let reason): SQLError(.dataCorrupted, "stored data is damaged", detail: reason)
    case StorageFailure.inputOutput(let reason): SQLError(.systemError, "storage failed", detail: reason)
    case let error as RocksError: error.sqlError
    default: SQLError(.internalError, "\(error)")
    }
  }
}
