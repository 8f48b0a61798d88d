import Basics
import Catalog
import KeyValue
import SQLValues

/// The errors of violated constraints, worded as PostgreSQL words them.
public enum ConstraintViolation {
  /// 23505 for an entry that exists already; `value` is the value of the entry that was to be inserted.
  public static func duplicateKey(table: TableDescriptor, index: IndexID, value: [UInt8]) -> SQLError {
    guard let descriptor = table.index(index) else {
      return SQLError(.uniqueViolation, "duplicate key value violates unique constraint", tableName: table.name)
    }
    let ids = descriptor.keyColumns.map(\.columnID)
    let row = (try? RowLayout(table: table, columnIDs: ids).decode(value)) ?? ids.map { _ in .null }
    return duplicateKey(table: table, index: descriptor, keyValues: row)
  }

  static func duplicateKey(table: TableDescriptor, index: IndexDescriptor, keyValues: [Datum]) -> SQLError {
    let columns = index.keyColumns.compactMap { table.column($0.columnID) }
    let names = columns.map(\.name).joined(separator: ", ")
    let values = zip(keyValues, columns).map { $0.isNull ? "null" : $0.text(as: $1.type) }.joined(separator: ", ")
    return SQLError(
      .uniqueViolation, "duplicate key value violates unique constraint \"\(table.displayName(of: index))\"",
      detail: "Key (\(names))=(\(values)) already exists.", tableName: table.name,
      constraintName: table.displayName(of: index))
  }
}
