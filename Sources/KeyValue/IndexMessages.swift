import Basics
import Catalog
import SQLValues

/// What PostgreSQL says when an index or constraint cannot be built.
public enum IndexMessages {
  /// Two rows have the same key. `entryValue`: the value of an entry with the key in question. `isOver`: only one of the rows is left.
  public static func duplicate(
    table: TableDescriptor, index: IndexDescriptor, entryValue: [UInt8], isOver: Bool = false
  ) -> SQLError {
    let ids = index.keyColumns.map(\.columnID)
    let columns = ids.compactMap { table.column($0) }
    let values = (try? RowLayout(table: table, columnIDs: ids).decode(entryValue)) ?? []
    let names = columns.map(\.name).joined(separator: ", ")
    let texts = zip(columns, values).map { $1.isNull ? "null" : $1.text(as: $0.type) }.joined(separator: ", ")
    return SQLError(
      .uniqueViolation, "could not create unique index \"\(table.displayName(of: index))\"",
      detail: "Key (\(names))=(\(texts)) \(isOver ? "was duplicated while the index was built" : "is duplicated").",
      hint: isOver ? "Create the index again." : nil, tableName: table.name,
      constraintName: table.displayName(of: index))
  }

  /// A row has no value in a column that has to have one.
  public static func containsNull(table: TableDescriptor, column: ColumnDescriptor) -> SQLError {
    SQLError(
      .notNullViolation, "column \"\(column.name)\" of relation \"\(table.name)\" contains null values",
      tableName: table.name, columnName: column.name)
  }

  /// `rows`: the first offenders, as text.
  public static func violated(table: TableDescriptor, constraint: String, rows: [String]) -> SQLError {
    SQLError(
      .checkViolation, "check constraint \"\(constraint)\" of relation \"\(table.name)\" is violated by some row",
      detail: "Failing rows: \(rows.joined(separator: ", ")).", tableName: table.name, constraintName: constraint)
  }
}
