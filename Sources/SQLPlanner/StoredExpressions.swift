import Catalog
import SQLExpressions

extension TableDescriptor {
  /// With the enumerated types of its columns, as they are now.
  func knowing(_ stored: Expression) -> Expression {
    namedTypes.isEmpty ? stored : stored.resolvingEnumerations { enumType($0.id) }
  }

  /// A stored expression over the table's columns, numbered from `firstColumn` in their order. Nil: it cannot be read.
  func expression(_ stored: RowExpression, firstColumn: Int) -> Expression? {
    guard let decoded = try? Expression(decoding: stored.expression) else { return nil }
    let expression = knowing(decoded)
    var isComplete = true
    let numbered = expression.mapColumns { number, type in
      guard stored.columns.indices.contains(number),
        let position = columns.firstIndex(where: { $0.id == stored.columns[number] })
      else {
        isComplete = false
        return .constant(.null, type)
      }
      return .column(firstColumn + position, type)
    }
    return isComplete ? numbered : nil
  }

  /// What an index on expressions is an index of, with the columns that stand for it.
  func computedExpressions(
    of index: IndexDescriptor, firstColumn: Int
  ) -> [(value: Expression, column: Expression)] {
    index.keyColumns.compactMap { key in
      guard let position = columns.firstIndex(where: { $0.id == key.columnID }), columns[position].isComputed,
        let stored = columns[position].conversion, let value = expression(stored, firstColumn: firstColumn)
      else { return nil }
      return (value, .column(firstColumn + position, columns[position].type))
    }
  }
}

extension Expression {
  func replacing(_ computed: [(value: Expression, column: Expression)]) -> Expression {
    if let found = computed.first(where: { $0.value == self }) { return found.column }
    return mapChildren { $0.replacing(computed) }
  }
}
