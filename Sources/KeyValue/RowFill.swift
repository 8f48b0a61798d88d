import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Gives rows that exist the values of columns on their way in (`ColumnDescriptor.isFilled`): the inner loop of the work that
/// `ADD COLUMN` with a volatile default, a sequence or a generation expression needs.
///
/// A row that has the value of a default already keeps it; what is generated is computed again, since a writer that did not
/// know of the column may have changed what it follows from.
public struct RowFill: Sendable {
  private struct Default: Sendable {
    let position: Int
    let value: Expression
    let sequences: [TableID]
  }

  public enum Outcome: Hashable, Sendable {
    /// The row is as it should be.
    case unchanged
    /// The record to store in its place.
    case changed([UInt8])
    /// A number of this sequence is missing (`numbers`); the row is to be tried again.
    case wants(TableID)
  }

  private let table: TableDescriptor
  private let defaults: [Default]
  private let generated: GeneratedColumns
  private let required: [(position: Int, column: ColumnDescriptor)]
  private let layout: RowLayout
  private let encoder: IndexEntryEncoder
  private var row: [Datum] = []
  /// For the row being filled: given back if it has to be tried again.
  private var taken: [(sequence: TableID, number: Int64)] = []
  public var context: EvaluationContext
  /// To be used up, in order.
  public var numbers: [TableID: [SequenceBlock]] = [:]

  /// - Parameter context: of the work, with randomness and time of its own.
  public init(_ table: TableDescriptor, _ context: EvaluationContext) throws(SQLError) {
    self.table = table
    self.context = context
    let ids = table.columns.map(\.id)
    layout = RowLayout(table: table, columnIDs: ids)
    encoder = IndexEntryEncoder(
      table: table, index: table.primaryIndex, rowColumns: ids, preservesAllColumns: true)
    generated = GeneratedColumns(of: table, over: ids)
    let filled = table.columns.enumerated().filter { $0.element.isFilled && $0.element.state.isWritable }
    var defaults: [Default] = []
    for (position, column) in filled where column.generation == nil {
      guard let bytes = column.defaultExpression else { continue }
      do throws(MalformedBytes) {
        defaults.append(
          Default(position: position, value: try Expression(decoding: bytes), sequences: column.sequences))
      } catch {
        throw SQLError(.dataCorrupted, "the default of column \"\(column.name)\" cannot be read", detail: error.reason)
      }
    }
    self.defaults = defaults
    required = filled.filter { !$0.element.isNullable }.map { ($0.offset, $0.element) }
  }

  /// Whether the row will take a number of the sequence.
  public func isWaiting(forPrimaryRecord record: Span<UInt8>, of sequence: TableID) throws(MalformedBytes) -> Bool {
    var row: [Datum] = []
    try layout.decode(record, into: &row)
    return defaults.contains { row[$0.position].isNull && $0.sequences.contains(sequence) }
  }

  /// Throws `MalformedBytes` for a stored row that cannot be read, `SQLError` for one that can have no value.
  public mutating func fill(primaryRecord record: Span<UInt8>) throws -> Outcome {
    try layout.decode(record, into: &row)
    let before = row
    taken.removeAll(keepingCapacity: true)
    for column in defaults where row[column.position].isNull {
      switch try evaluate(column.value) {
      case .value(let value): row[column.position] = value
      case .wants(let sequence):
        for (sequence, number) in taken.reversed() {
          numbers[sequence, default: []].insert(SequenceBlock(first: number, count: 1, increment: 0), at: 0)
        }
        return .wants(sequence)
      }
    }
    do throws(SQLError) {
      try generated.fill(&row, &context)
    } catch {
      var named = error
      named.detail = "Failing row contains \(table.text(ofRow: before))."
      throw named
    }
    for (position, column) in required where row[position].isNull {
      throw SQLError(
        .notNullViolation, "column \"\(column.name)\" of relation \"\(table.name)\" contains null values",
        detail: "Failing row contains \(table.text(ofRow: before)).", tableName: table.name, columnName: column.name)
    }
    return row == before ? .unchanged : .changed(encoder.value(of: row))
  }

  private enum Evaluated {
    case value(Datum)
    case wants(TableID)
  }

  private mutating func evaluate(_ expression: Expression) throws(SQLError) -> Evaluated {
    context.sequences = SequenceJournal()
    while true {
      do throws(SQLError) {
        return .value(try expression.evaluate([], &context))
      } catch {
        guard case .next(.number(let number))? = context.sequences.wanted, let id = UInt64(exactly: number) else {
          throw error
        }
        let sequence = TableID(id)
        guard let next = takeNumber(of: sequence) else { return .wants(sequence) }
        taken.append((sequence, next))
        context.sequences.supply(.integer(next))
        context.sequences.restart()
      }
    }
  }

  private mutating func takeNumber(of sequence: TableID) -> Int64? {
    while var block = numbers[sequence]?.first {
      if let next = block.take() {
        numbers[sequence]?[0] = block
        return next
      }
      numbers[sequence]?.removeFirst()
    }
    return nil
  }
}
