import Basics
import Catalog
import KeyValue
import SQLValues

/// A foreign key as the table that refers sees it.
struct OutgoingForeignKey {
  let table: TableDescriptor
  let constraint: ConstraintDescriptor
  let rule: ForeignKeyRule
  /// Of its columns in full rows of `table`.
  let positions: [Int]
  let referenced: TableDescriptor
  private let referencedKey: ReferencedKey
  /// Where the rows are found that it refers to.
  var index: IndexDescriptor { referencedKey.index }

  init(
    _ table: TableDescriptor, _ constraint: ConstraintDescriptor, _ rule: ForeignKeyRule,
    _ referenced: TableDescriptor
  ) throws(SQLError) {
    self.table = table
    self.constraint = constraint
    self.rule = rule
    self.referenced = referenced
    positions = try table.positions(of: rule.columns)
    guard let referencedKey = ReferencedKey(rule, in: referenced) else {
      throw SQLError(.internalError, "foreign key \"\(constraint.name)\" refers to columns without a unique index")
    }
    self.referencedKey = referencedKey
  }

  func isSame(as other: OutgoingForeignKey) -> Bool {
    table.id == other.table.id && constraint.id == other.constraint.id
  }

  /// nil if one of them is NULL.
  func values(of row: [Datum]) -> [Datum]? {
    let values = positions.map { row[$0] }
    return values.contains(where: \.isNull) ? nil : values
  }

  /// The key of the entry in `index`.
  func referencedKey(of values: [Datum]) -> [UInt8] { referencedKey.bytes(of: values) }
}

/// A foreign key as the table sees it that is referred to.
struct IncomingForeignKey {
  let outgoing: OutgoingForeignKey
  /// Of the columns it refers to, in full rows of `referenced`.
  let positions: [Int]
  /// That refers.
  var table: TableDescriptor { outgoing.table }
  var constraint: ConstraintDescriptor { outgoing.constraint }
  var rule: ForeignKeyRule { outgoing.rule }
  var referenced: TableDescriptor { outgoing.referenced }

  init(
    _ table: TableDescriptor, _ constraint: ConstraintDescriptor, _ rule: ForeignKeyRule,
    _ referenced: TableDescriptor
  ) throws(SQLError) {
    outgoing = try OutgoingForeignKey(table, constraint, rule, referenced)
    positions = try referenced.positions(of: rule.referencedColumns)
  }

  func isSame(as other: IncomingForeignKey) -> Bool { outgoing.isSame(as: other.outgoing) }

  /// Values of the referenced columns as those that refer hold them.
  func values(convertedFrom values: [Datum]) throws(SQLError) -> [Datum] {
    var converted: [Datum] = []
    for (number, value) in values.enumerated() {
      guard let from = referenced.column(rule.referencedColumns[number])?.type,
        let to = table.column(rule.columns[number])?.type
      else { throw SQLError(.internalError, "a column of a foreign key is gone") }
      converted.append(try value.cast(from: from, to: to, isExplicit: false))
    }
    return converted
  }
}

extension TableDescriptor {
  fileprivate func positions(of ids: [ColumnID]) throws(SQLError) -> [Int] {
    var positions: [Int] = []
    for id in ids {
      guard let position = columns.firstIndex(where: { $0.id == id }) else {
        throw SQLError(.internalError, "a column of a foreign key is gone")
      }
      positions.append(position)
    }
    return positions
  }
}

extension ConstraintViolation {
  /// 23503: a row refers to one that is not there. `values`: of the foreign key's columns.
  static func missingReference(_ key: OutgoingForeignKey, _ values: [Datum]) -> SQLError {
    key.table.missingReference(
      constraint: key.constraint.name, key.rule, values, referenced: key.referenced.name)
  }

  /// 23503: a row is referred to that goes. `values`: of the columns that the foreign key refers to.
  static func stillReferenced(_ key: IncomingForeignKey, _ values: [Datum]) -> SQLError {
    SQLError(
      .foreignKeyViolation,
      "update or delete on table \"\(key.referenced.name)\" violates foreign key constraint \"\(key.constraint.name)\" on table \"\(key.table.name)\"",
      detail:
        "Key \(key.referenced.text(ofKey: key.rule.referencedColumns, values)) is still referenced from table \"\(key.table.name)\".",
      tableName: key.table.name, constraintName: key.constraint.name)
  }
}
