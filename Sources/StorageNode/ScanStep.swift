import Basics
import RocksEngine
import Transactions

/// What one call of Scan may do.
struct ScanLimits: Sendable {
  /// The server's own: a call may ask for less. They bound the time the loop is held.
  static let maximumRows = 10_000
  static let maximumBytes = 1 << 20
  static let maximumExamined = 8192

  var rows: Int
  var bytes: Int

  /// Zero means the server's limit.
  init(rows: UInt32 = 0, bytes: UInt32 = 0) {
    self.rows = rows == 0 ? Self.maximumRows : min(Int(clamping: rows), Self.maximumRows)
    self.bytes = bytes == 0 ? Self.maximumBytes : min(Int(clamping: bytes), Self.maximumBytes)
  }
}

/// Turns visited rows into the bytes of a response.
protocol ScanOutput {
  /// Returns false when the row is filtered out.
  mutating func append(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) throws -> Bool
  var byteCount: Int { get }
  /// Consumes what was collected.
  mutating func finish() throws -> [UInt8]
}

/// Keys and raw values: (key length varint, key, value length varint, value)*.
struct RawScanOutput: ScanOutput {
  private var writer = ByteWriter(capacity: 4096)
  var byteCount: Int { writer.bytes.count }

  mutating func append(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
    writer.writeBytes(key)
    writer.writeBytes(value)
    return true
  }

  mutating func finish() -> [UInt8] { writer.bytes }
}

struct ScanStepResult {
  var rows: [UInt8]
  var rowCount: Int
  var examined: Int
  /// Where to go on; nil at the end of the span.
  var resumeKey: [UInt8]?
}

/// Scans until a limit is met.
func scanStep(
  _ state: StoreState, _ span: KeySpan, at timestamp: Timestamp, isReverse: Bool, limits: ScanLimits,
  into output: consuming some ScanOutput
) throws -> ScanStepResult {
  var output = output
  var scanner = VersionScanner(state, span, at: timestamp, isReverse: isReverse)
  var rowCount = 0
  let resumeKey = try scanner.forEach(examinedLimit: ScanLimits.maximumExamined) { key, value in
    if try output.append(key: key, value: value) { rowCount += 1 }
    return rowCount < limits.rows && output.byteCount < limits.bytes
  }
  return ScanStepResult(
    rows: try output.finish(), rowCount: rowCount, examined: scanner.examined, resumeKey: resumeKey)
}
