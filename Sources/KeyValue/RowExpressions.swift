import Basics
import Catalog
import SQLExpressions
import SQLValues

extension RowExpression {
  /// Over rows of these columns; a column that is missing reads NULL.
  public func bound(to rowColumns: [ColumnID]) -> Result<Expression, MalformedBytes> {
    do throws(MalformedBytes) {
      let expression = try Expression(decoding: self.expression)
      guard expression.columns.allSatisfy(columns.indices.contains) else {
        throw MalformedBytes("an expression reads a column it does not name")
      }
      return .success(
        expression.mapColumns { number, type in
          rowColumns.firstIndex(of: columns[number]).map { .column($0, type) } ?? .constant(.null, type)
        })
    } catch {
      return .failure(error)
    }
  }
}

extension TableDescriptor {
  /// The public columns' values, as messages show a row: `(1, null, text)`. Long values are cut.
  ///
  /// - Parameter row: of every column, in their order.
  public func text(ofRow row: [Datum]) -> String {
    var parts: [String] = []
    for (value, column) in zip(row, columns) where column.state == .public && !column.isHidden {
      if value.isNull {
        parts.append("null")
      } else {
        let text = value.text(as: column.type)
        parts.append(text.utf8.count > 64 ? String(text.unicodeScalars.prefix(64)) + "..." : text)
      }
    }
    return "(\(parts.joined(separator: ", ")))"
  }
}
