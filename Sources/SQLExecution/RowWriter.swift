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

  let table: TableDescriptor
  let indexes: [MaintainedIndex]
  let columnIDs: [ColumnID]
  /// The layout of full rows.
  let layout: KeyValue.RowLayout
  private let notNull: [ConstrainedColumn]
  private let limited: [ConstrainedColumn]

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
    notNull = all.filter { $0.descriptor.state.isWritable && !$0.descriptor.isNullable }
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

  /// Lengths and precisions (22001, 22003), then NOT NULL (23502).
  func check(_ row: inout [Datum]) throws(SQLError) {
    for column in limited where !row[column.position].isNull {
      let type = column.descriptor.type
      row[column.position] = try row[column.position].cast(from: type.withoutModifier, to: type, isExplicit: false)
    }
    for column in notNull where row[column.position].isNull {
      throw ConstraintViolation.notNull(table: table, column: column.descriptor, row: row)
    }
  }

  /// The public columns' values, as messages show a row.
  static func shown(_ row: [Datum], of table: TableDescriptor) -> String {
    var parts: [String] = []
    for (value, column) in zip(row, table.columns) where column.state == .public && !column.isHidden {
      if value.isNull {
        parts.append("null")
      } else {
        let text = value.text(as: column.type)
        parts.append(text.utf8.count > 64 ? String(text.unicodeScalars.prefix(64)) + "..." : text)
      }
    }
    return "(\(parts.joined(separator: ", ")))"
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
      "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
      detail: "Failing row contains \(RowWriter.shown(row, of: table)).", tableName: table.name,
      columnName: column.name)
  }
}

/// What executions prepare once a table version and share. Confined to one isolation domain; holds a bounded number of
/// tables, each in its newest version seen.
public final class ExecutionCache {
  private var writers: [TableID: RowWriter] = [:]
  private let maximumTables: Int

  public init(maximumTables: Int = 512) { self.maximumTables = maximumTables }

  func writer(for table: TableDescriptor) -> RowWriter {
    if let known = writers[table.id], known.table.version == table.version { return known }
    let writer = RowWriter(table)
    if writers.count >= maximumTables { writers.removeAll() }
    writers[table.id] = writer
    return writer
  }
}
