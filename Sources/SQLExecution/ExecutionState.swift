import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLValues

/// What one statement may use.
public struct ExecutionLimits: Hashable, Sendable {
  /// Rows held at once by sorts, hash tables, groups and the rows to modify; beyond it the statement ends with 53200.
  public var memoryBytes: Int
  /// Rows an operator yields at a time.
  public var batchRows: Int

  public init(memoryBytes: Int = 256 << 20, batchRows: Int = 512) {
    self.memoryBytes = memoryBytes
    self.batchRows = batchRows
  }
}

/// What the operators of one statement share; confined to the isolation domain that executes it.
final class ExecutionState {
  let access: any TableAccess
  var context: EvaluationContext
  let limits: ExecutionLimits
  let cache: ExecutionCache
  private var heldBytes = 0

  init(access: any TableAccess, context: EvaluationContext, limits: ExecutionLimits, cache: ExecutionCache) {
    self.cache = cache
    self.access = access
    self.context = context
    self.limits = limits
  }

  /// Counts a row that is kept. Throws 53200 beyond the limit.
  func hold(_ row: [Datum]) throws(SQLError) { try hold(bytes: Self.size(of: row)) }

  func hold(bytes: Int) throws(SQLError) {
    heldBytes += bytes
    guard heldBytes <= limits.memoryBytes else {
      throw SQLError(
        .outOfMemory, "the statement needs more than \(limits.memoryBytes >> 20) MiB of memory",
        detail: "Sorting, grouping, joining and modifying rows keep them in memory.",
        hint: "Use a narrower WHERE clause, a LIMIT, or an index in the wanted order.")
    }
  }

  func release(bytes: Int) { heldBytes -= bytes }

  /// An estimate: the array, its elements, and what they refer to.
  static func size(of row: [Datum]) -> Int {
    var bytes = 48 + row.count * MemoryLayout<Datum>.stride
    for value in row {
      switch value {
      case .text(let text): if text.utf8.count > 15 { bytes += text.utf8.count + 32 }
      case .bytes(let content): bytes += content.count + 32
      case .decimal(let decimal): bytes += decimal.limbs.count * 4 + 32
      default: break
      }
    }
    return bytes
  }

  /// A count of `LIMIT` or `OFFSET`: nil for NULL. Throws 2201W and 2201X for negative ones.
  func count(_ expression: Expression?, clause: String) throws(SQLError) -> Int? {
    guard let expression else { return nil }
    switch try expression.evaluate([], &context) {
    case .null: return nil
    case .integer(let value):
      if value < 0 {
        throw SQLError(SQLState(clause == "LIMIT" ? "2201W" : "2201X"), "\(clause) must not be negative")
      }
      return Int(value)
    default: throw SQLError(.internalError, "\(clause) is no integer")
    }
  }
}

/// Rows in batches. A batch may be empty; nil is the end.
protocol RowSource: AnyObject {
  nonisolated(nonsending) func next() async throws(SQLError) -> [[Datum]]?
}

extension RowSource {
  /// All rows, counted against the statement's memory.
  nonisolated(nonsending) func collect(_ state: ExecutionState) async throws(SQLError) -> [[Datum]] {
    var rows: [[Datum]] = []
    while let batch = try await next() {
      for row in batch { try state.hold(row) }
      if rows.isEmpty { rows = batch } else { rows.append(contentsOf: batch) }
    }
    return rows
  }
}

/// Stored bytes that cannot be read: the row is damaged, the statement ends.
func corrupted(_ error: MalformedBytes, in table: TableDescriptor) -> SQLError {
  SQLError(.dataCorrupted, "table \"\(table.name)\" holds a row that cannot be read", detail: error.description)
}
