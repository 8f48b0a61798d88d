import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import SQLExpressions
import SQLValues
import Transactions

/// The rows of a range with the values of columns on their way in, chunk by chunk; numbers of sequences are taken as they are
/// needed, exactly as many.
///
/// A value is drawn once for each time a row is read. What keeps it the only one is the range: it takes a row's first version at
/// the timestamp of the work and passes over others (`Ingestion.keepsFirst`), so a chunk that is done again changes nothing.
@EventLoopActor final class RowFilling {
  private static let commitPatienceMilliseconds: UInt64 = 10_000
  private static let numbersMilliseconds: UInt64 = 30_000

  private let worker: WorkerThread
  private let sequences: SequenceAllocator
  private var fill: RowFill

  init(_ table: TableDescriptor, worker: WorkerThread, sequences: SequenceAllocator) throws(SQLError) {
    self.worker = worker
    self.sequences = sequences
    let random = EventLoop.random
    let context = EvaluationContext(random: SeededGenerator(seed: random.next()))
    fill = try RowFill(table, context)
  }

  func read(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, rowLimit: Int
  ) async throws -> BackfillChunk {
    while true {
      try Task.checkCancellation()
      var fill = fill
      let now = Self.currentTime
      fill.context.transactionTime = now
      fill.context.statementTime = now
      let start = fill
      let step = try await worker.run {
        var fill = start
        let chunk = try BackfillChunk.fill(state, span, at: timestamp, &fill, rowLimit: rowLimit)
        return (chunk: chunk, fill: fill)
      }
      guard let wanted = step.chunk.wanted else {
        self.fill = step.fill
        return step.chunk
      }
      // Nothing of this attempt is used but what it found out.
      try await takeNumbers(of: wanted.sequence, wanted.count)
    }
  }

  private func takeNumbers(of sequence: TableID, _ count: UInt64) async throws {
    let control = StatementControl(deadline: EventLoop.now.advanced(byMilliseconds: Self.numbersMilliseconds))
    let block: SequenceBlock
    do throws(TransactionFault) {
      block = try await sequences.take(
        count, of: sequence, commitPatience: Self.commitPatienceMilliseconds, control)
    } catch {
      throw error.sqlError
    }
    fill.numbers[sequence, default: []].append(block)
  }

  /// Microseconds since 2000-01-01 00:00 UTC.
  private static var currentTime: Int64 {
    Int64(clamping: EventLoop.wallClockMilliseconds) &* 1000 &- 946_684_800_000_000
  }
}

extension BackfillChunk {
  /// Rows that have got a value, with their keys, as entries; ends early where a number is missing.
  static func fill(
    _ state: StoreState, _ span: Transactions.KeySpan, at timestamp: Timestamp, _ fill: inout RowFill, rowLimit: Int
  ) throws -> BackfillChunk {
    var chunk = BackfillChunk()
    var writer = ByteWriter(capacity: batchBytes + 1024)
    var scanner = VersionScanner(state, span, at: timestamp, isReverse: false, isLong: true)
    chunk.resumeKey = try scanner.forEach(examinedLimit: rowLimit * 4) { key, value in
      let record = value.assumingMemoryBound(to: UInt8.self)
      do {
        if let wanted = chunk.wanted {
          if try fill.isWaiting(forPrimaryRecord: record.span, of: wanted.sequence) {
            chunk.wanted = (wanted.sequence, wanted.count + 1)
          }
        } else {
          switch try fill.fill(primaryRecord: record.span) {
          case .unchanged: break
          case .changed(let row):
            writer.writeBytes(key)
            writer.writeBytes(row)
          case .wants(let sequence): chunk.wanted = (sequence, 1)
          }
        }
      } catch let error as MalformedBytes {
        throw StorageFailure.corrupted("a row to be filled: \(error)")
      }
      if writer.bytes.count >= batchBytes {
        chunk.batches.append(writer.bytes)
        writer = ByteWriter(capacity: batchBytes + 1024)
      }
      chunk.lastKey.removeAll(keepingCapacity: true)
      chunk.lastKey.append(contentsOf: key)
      chunk.rowCount += 1
      return chunk.rowCount < rowLimit
    }
    if !writer.bytes.isEmpty { chunk.batches.append(writer.bytes) }
    return chunk
  }
}
