import Basics
import Catalog
import KeyValue
import SQLExpressions
import SQLPlanner
import SQLValues

/// What every statement that changes a table needs: the columns' constraints, and one encoder for each index that is
/// maintained. Rows are full rows: every column of the descriptor, in its order. Immutable; made once a table version
/// (`ExecutionCache`).
final class RowWriter: Sendable {
  /// One maintained index; the primary index is the first.
  struct MaintainedIndex: Sendable {
    let descriptor: IndexDescriptor
    let isPrimary: Bool
    /// For rows that are new.
    let insertEncoder: IndexEntryEncoder
    /// For rows that exist: keeps what neighbouring versions may have written.
    let updateEncoder: IndexEntryEncoder

    /// Inserts and updates write entries; else only old ones are removed.
    var isWritable: Bool {
      PlantedFault.isPlanted(.writeOnlyIgnored) ? descriptor.state.isReadable : descriptor.state.isWritable
    }
  }

  private struct ConstrainedColumn: Sendable {
    let position: Int
    let descriptor: ColumnDescriptor
  }

  private struct Check: Sendable {
    let name: String
    /// Over full rows.
    let condition: Result<Expression, MalformedBytes>
  }

  let table: TableDescriptor
  let indexes: [MaintainedIndex]
  let columnIDs: [ColumnID]
  /// The layout of full rows.
  let layout: KeyValue.RowLayout
  private let notNull: [ConstrainedColumn]
  private let limited: [ConstrainedColumn]
  private let checks: [Check]
  private let conversions: ColumnConversions
  private let generated: GeneratedColumns
  private let incoming: [ConstrainedColumn]
  /// What a row that exists gets with its next write if it has no value yet (`ColumnDescriptor.isFilled`).
  private let filling: [(position: Int, value: Result<Expression, MalformedBytes>)]

  init(_ table: TableDescriptor) {
    self.table = table
    columnIDs = table.columns.map(\.id)
    let ids = columnIDs
    layout = KeyValue.RowLayout(table: table, columnIDs: ids)
    let hasUnwritableColumns = table.columns.contains { !$0.state.isWritable }
    let ignoresDeleteOnly = PlantedFault.isPlanted(.deleteOnlyIgnored)
    indexes = table.indexes.filter { ignoresDeleteOnly ? $0.state.isWritable : $0.state.isDeletable }.map { index in
      let encoder = IndexEntryEncoder(table: table, index: index, rowColumns: ids)
      let isPrimary = index.id == table.primaryIndex.id
      return MaintainedIndex(
        descriptor: index, isPrimary: isPrimary, insertEncoder: encoder,
        updateEncoder: isPrimary && hasUnwritableColumns
          ? IndexEntryEncoder(table: table, index: index, rowColumns: ids, preservesAllColumns: true) : encoder)
    }
    let all = table.columns.enumerated().map { ConstrainedColumn(position: $0.offset, descriptor: $0.element) }
    // From write-only on, whatever is written holds: validation then has to judge older rows only.
    let enforced = table.constraints.filter { $0.state.isWritable }
    let required = Set(
      enforced.compactMap { if case .notNull(let column) = $0.rule { column } else { nil } })
    notNull = all.filter {
      $0.descriptor.state.isWritable && (!$0.descriptor.isNullable || required.contains($0.descriptor.id))
    }
    checks = enforced.compactMap { constraint in
      guard case .check(let rule) = constraint.rule else { return nil }
      return Check(name: table.displayName(of: constraint), condition: rule.bound(to: ids))
    }
    conversions = ColumnConversions(of: table, over: ids)
    incoming = all.filter {
      $0.descriptor.state == .writeOnly && $0.descriptor.conversion == nil && !$0.descriptor.missingValue.isNull
        && !$0.descriptor.isRetained
    }
    generated = GeneratedColumns(of: table, over: ids)
    filling = all.filter(\.descriptor.isBeingFilled).compactMap { column in
      column.descriptor.defaultExpression.map { bytes in
        (position: column.position, value: RowExpression(columns: [], expression: bytes).bound(to: []))
      }
    }
    limited = all.filter {
      $0.descriptor.state.isWritable && $0.descriptor.type != $0.descriptor.type.withoutModifier
    }
  }

  func position(of id: ColumnID) -> Int? { columnIDs.firstIndex(of: id) }

  func primaryKey(of row: [Datum]) -> [UInt8] { indexes[0].updateEncoder.key(of: row) }

  func decode(_ value: [UInt8]) throws(SQLError) -> [Datum] {
    do {
      return try layout.decode(value)
    } catch {
      throw corrupted(error, in: table)
    }
  }

  /// Completes a row that is new: columns that nobody can name yet have the value that rows without them read.
  func fillNew(_ row: inout [Datum]) {
    for column in incoming { row[column.position] = column.descriptor.missingValue }
  }

  /// Completes a row that exists: columns on their way to replace others.
  func fillExisting(_ row: inout [Datum], _ context: inout EvaluationContext) {
    if !conversions.isEmpty { conversions.fillExisting(&row, &context) }
  }

  /// Completes a row that exists and is written again: columns on their way in.
  nonisolated(nonsending) func fill(_ row: inout [Datum], _ state: ExecutionState) async throws(SQLError) {
    for column in filling where row[column.position].isNull {
      switch column.value {
      case .success(let expression): row[column.position] = try await state.values(of: [expression], over: row)[0]
      case .failure(let error): throw corrupted(error, in: table)
      }
    }
  }

  /// Lengths and precisions (22001, 22003), generated values, conversions, then NOT NULL (23502), then checks (23514).
  func check(_ row: inout [Datum], _ context: inout EvaluationContext) throws(SQLError) {
    for column in limited where !row[column.position].isNull {
      let type = column.descriptor.type
      row[column.position] = try row[column.position].cast(from: type.withoutModifier, to: type, isExplicit: false)
    }
    if !generated.isEmpty { try generated.fill(&row, &context) }
    if !conversions.isEmpty, !PlantedFault.isPlanted(.conversionNotWritten) { try conversions.fill(&row, &context) }
    for column in notNull where row[column.position].isNull {
      throw ConstraintViolation.notNull(table: table, column: column.descriptor, row: row)
    }
    for check in checks {
      let condition: Expression
      switch check.condition {
      case .success(let decoded): condition = decoded
      case .failure(let error): throw corrupted(error, in: table)
      }
      if try condition.evaluate(row, &context) == .boolean(false) {
        throw ConstraintViolation.check(table: table, name: check.name, row: row)
      }
    }
  }

  /// One for each index; nil where the row has none.
  func newEntries(
    of row: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> [IndexEntryEncoder.Entry?] {
    var entries: [IndexEntryEncoder.Entry?] = []
    entries.reserveCapacity(indexes.count)
    for index in indexes {
      entries.append(index.isWritable ? try index.insertEncoder.entry(ifIncluded: row, &context) : nil)
    }
    return entries
  }

  func mutation(
    _ kind: TableMutation.Kind, _ index: MaintainedIndex, key: [UInt8], value: [UInt8] = []
  ) -> TableMutation {
    TableMutation(
      kind: kind, index: index.descriptor.id, rangeID: index.descriptor.rangeID, key: key, value: value)
  }

  func duplicate(_ index: MaintainedIndex, _ row: [Datum]) -> SQLError {
    let values = index.descriptor.keyColumns.map { key in
      position(of: key.columnID).map { row[$0] } ?? .null
    }
    return ConstraintViolation.duplicateKey(table: table, index: index.descriptor, keyValues: values)
  }
}

extension ConstraintViolation {
  static func notNull(table: TableDescriptor, column: ColumnDescriptor, row: [Datum]) -> SQLError {
    SQLError(
      .notNullViolation,
      column.isRetained
        ? "no value for a column of relation \"\(table.name)\" that is being brought back violates not-null constraint"
        : "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
      detail: "Failing row contains \(table.text(ofRow: row)).", tableName: table.name,
      columnName: column.name)
  }

  static func check(table: TableDescriptor, name: String, row: [Datum]) -> SQLError {
    SQLError(
      .checkViolation, "new row for relation \"\(table.name)\" violates check constraint \"\(name)\"",
      detail: "Failing row contains \(table.text(ofRow: row)).", tableName: table.name, constraintName: name)
  }
}

extension ColumnDescriptor {
  /// Rows that exist get its default as they are written; once it is *validating*, all of them have it.
  fileprivate var isBeingFilled: Bool {
    isFilled && generation == nil && (state == .writeOnly || state == .backfilling)
  }
}

/// What executions prepare once a table and share. Confined to one isolation domain; holds a bounded number of tables, each as it
/// was seen last.
public final class ExecutionCache {
  private var writers: [TableID: RowWriter] = [:]
  private let maximumTables: Int

  public init(maximumTables: Int = 512) { self.maximumTables = maximumTables }

  func writer(for table: TableDescriptor) -> RowWriter {
    // Its number and version are not enough: transactions that change the schema give some before others know of them.
    if let known = writers[table.id], known.table == table { return known }
    let writer = RowWriter(table)
    if writers.count >= maximumTables { writers.removeAll() }
    writers[table.id] = writer
    return writer
  }
}
