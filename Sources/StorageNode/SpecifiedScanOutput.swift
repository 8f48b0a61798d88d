import Basics
import KeyValue
import Transactions

/// Rows decoded, filtered and projected where they are stored.
struct SpecifiedScanOutput: ScanOutput {
  private var evaluator: ScanEvaluator
  private var batch: DatumBatch

  init(_ specification: [UInt8]) throws(MalformedBytes) {
    evaluator = ScanEvaluator(try ScanSpecification(decoding: specification))
    batch = evaluator.makeBatch()
  }

  var byteCount: Int { batch.bytes.count }

  mutating func append(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) throws -> Bool {
    do throws(ScanFailure) {
      return try evaluator.consider(
        key: key.assumingMemoryBound(to: UInt8.self).span, value: value.assumingMemoryBound(to: UInt8.self).span,
        into: &batch)
    } catch {
      switch error {
      case .malformed(let reason): throw StorageFailure.corrupted(reason.description)
      case .sql(let error): throw error
      }
    }
  }

  mutating func finish() -> [UInt8] { batch.bytes }
}
