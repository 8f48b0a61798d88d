import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Judges rows of a table that only one transaction has, as stored: what is proved of other tables by reading their ranges.
///
/// Prepared once for a table as a stage of its change has it, used for every row.
public struct OwnRows: Sendable {
  /// Rows named when a check does not hold.
  public static let maximumViolations = 10

  private let table: TableDescriptor
  private let layout: RowLayout
  private let conversions: ColumnConversions
  private var row: [Datum] = []
  private var context = EvaluationContext()

  public init(_ table: TableDescriptor) {
    self.table = table
    let ids = table.columns.map(\.id)
    layout = RowLayout(table: table, columnIDs: ids)
    conversions = ColumnConversions(of: table, over: ids)
  }

  /// The values of all columns, in their order.
  public mutating func values(of record: [UInt8]) throws(SQLError) -> [Datum] {
    do throws(MalformedBytes) {
      try layout.decode(record.span, into: &row)
    } catch {
      throw SQLError(.dataCorrupted, "a row of table \"\(table.name)\" is damaged", detail: error.description)
    }
    try conversions.fill(&row, of: table, &context)
    return row
  }

  /// Throws 23502 if one of the rows has no value in the column.
  public mutating func requireValues(
    in column: ColumnID, of records: some Sequence<[UInt8]>
  ) throws(SQLError) {
    guard let position = table.columns.firstIndex(where: { $0.id == column }) else { return }
    for record in records where try values(of: record)[position].isNull {
      throw IndexMessages.containsNull(table: table, column: table.columns[position])
    }
  }

  /// Throws 23514 with the first of the rows for which the check is false.
  public mutating func require(
    _ check: RowExpression, named name: String, of records: some Sequence<[UInt8]>
  ) throws(SQLError) {
    let condition: Expression
    switch check.bound(to: table.columns.map(\.id)) {
    case .success(let decoded): condition = decoded
    case .failure(let error):
      throw SQLError(.dataCorrupted, "a check of table \"\(table.name)\" cannot be read", detail: error.reason)
    }
    var violations: [String] = []
    for record in records where violations.count < Self.maximumViolations {
      let row = try values(of: record)
      if try condition.evaluate(row, &context) == .boolean(false) { violations.append(table.text(ofRow: row)) }
    }
    guard violations.isEmpty else {
      throw IndexMessages.violated(table: table, constraint: name, rows: violations)
    }
  }

  /// What rows refer to: the key of each row's counterpart, none for a row with a NULL in the foreign key.
  public mutating func references(
    by rule: ForeignKeyRule, _ lookup: ReferencedKey, of records: some Sequence<[UInt8]>
  ) throws(SQLError) -> [(key: [UInt8], values: [Datum])] {
    let positions = rule.columns.compactMap { id in table.columns.firstIndex { $0.id == id } }
    guard positions.count == rule.columns.count else {
      throw SQLError(.internalError, "a foreign key of table \"\(table.name)\" has lost a column")
    }
    var found: [(key: [UInt8], values: [Datum])] = []
    for record in records {
      let row = try values(of: record)
      let values = positions.map { row[$0] }
      if !values.contains(where: \.isNull) { found.append((lookup.bytes(of: values), values)) }
    }
    return found
  }
}
