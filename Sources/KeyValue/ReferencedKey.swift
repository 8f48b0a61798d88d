import Basics
import Catalog
import SQLValues

/// Where the row is that values of a foreign key refer to: the key of its entry in a unique index. Values of both sides are
/// encoded alike (`SQLType.isEncodedLike`).
public struct ReferencedKey: Sendable {
  public let index: IndexDescriptor
  private let prefix: [UInt8]
  /// For each key column of the index, which of the foreign key's columns.
  private let order: [Int]

  /// nil: the columns have no readable unique index.
  public init?(_ rule: ForeignKeyRule, in referenced: TableDescriptor) {
    guard let index = referenced.uniqueIndex(on: rule.referencedColumns) else { return nil }
    self.index = index
    prefix = KeyEncoding.prefix(table: referenced.id, index: index.id)
    order = index.keyColumns.compactMap { key in rule.referencedColumns.firstIndex(of: key.columnID) }
  }

  /// - Parameter values: of the foreign key's columns, none of them NULL.
  public func bytes(of values: [Datum]) -> [UInt8] {
    var key = prefix
    for (part, column) in zip(order, index.keyColumns) where part < values.count {
      KeyEncoding.append(values[part], isDescending: column.isDescending, to: &key)
    }
    return key
  }
}
