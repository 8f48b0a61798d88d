import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Values of columns that are `GENERATED ALWAYS AS (…) STORED`: prepared once, used for every row.
public struct GeneratedColumns: Sendable {
  private struct Column: Sendable {
    let position: Int
    let type: SQLType
    let value: Result<Expression, MalformedBytes>
    /// It was dropped: what it would be must not stop anybody from writing, so it is NULL where it cannot be computed.
    let isRetained: Bool

    func value(of row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Datum {
      switch value {
      case .success(let expression):
        let value = try expression.evaluate(row, &context)
        let plain = type.withoutModifier
        // Lengths and precisions, as of every value that is stored.
        return plain != type && !value.isNull ? try value.cast(from: plain, to: type, isExplicit: false) : value
      case .failure(let error):
        throw SQLError(.dataCorrupted, "the expression of a generated column cannot be read", detail: error.reason)
      }
    }
  }

  private let columns: [Column]

  /// Those that writers maintain. `rowColumns[i]` is the column whose value stands at position i of the rows to come.
  public init(of table: TableDescriptor, over rowColumns: [ColumnID]) {
    columns = rowColumns.enumerated().compactMap { position, id in
      guard let column = table.column(id), column.state.isWritable, let generation = column.generation else {
        return nil
      }
      return Column(
        position: position, type: column.type, value: generation.bound(to: rowColumns), isRetained: column.isRetained)
    }
  }

  public var isEmpty: Bool { columns.isEmpty }

  /// For a row whose other columns are as they are to be stored.
  public func fill(_ row: inout [Datum], _ context: inout EvaluationContext) throws(SQLError) {
    for column in columns {
      do throws(SQLError) {
        row[column.position] = try column.value(of: row, &context)
      } catch {
        guard column.isRetained else { throw error }
        row[column.position] = .null
      }
    }
  }
}
