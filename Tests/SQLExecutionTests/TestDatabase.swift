import Basics
import Catalog
import KeyValue
import PostgresParser
import SQLExecution
import SQLExpressions
import SQLPlanner
import SQLValues

/// A catalog and its tables in memory: statements go through parser, planner and executor.
final class TestDatabase {
  private(set) var catalog = CatalogState()
  let tables = MemoryTables()
  private var lastIndex: UInt64 = 0

  init(_ descriptors: TableDescriptor...) throws {
    for descriptor in descriptors { try install(descriptor) }
  }

  /// Creates or replaces a table at the next version.
  func install(_ descriptor: TableDescriptor) throws {
    lastIndex += 1
    let old = catalog.table(id: descriptor.id)
    var new = descriptor
    new.version = old?.version.next ?? TableVersion(1)
    try catalog.apply(
      SchemaEntry(
        index: SchemaIndex(lastIndex), timestamp: Timestamp(rawValue: lastIndex), databaseID: .defaultDatabase,
        changes: [
          TableChange(
            tableID: new.id, from: old?.version ?? .none, to: new.version, commitFloor: .none, descriptor: new)
        ]))
  }

  func table(_ name: String) throws -> TableDescriptor {
    guard let table = catalog.table(named: name) else {
      throw SQLError(.undefinedTable, name)
    }
    return table
  }

  func plan(_ text: String) throws -> StatementPlan {
    let parsed = try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 2_000))
    return try StatementPlanner(catalog: catalog).plan(parsed[0])
  }

  struct Answer: Equatable {
    var tag: String
    var rows: [String]
  }

  /// Rows as text, values separated by `|`, NULL as an empty string.
  nonisolated(nonsending) func run(
    _ text: String, _ parameters: [Datum] = [], limits: ExecutionLimits = ExecutionLimits(batchRows: 4),
    null: String = ""
  ) async throws(SQLError) -> Answer {
    let parsed = try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 2_000))
    let plan = try StatementPlanner(catalog: catalog).plan(parsed[0])
    var context = EvaluationContext()
    context.catalog = CatalogNames(catalog, PlannerSession())
    let execution = StatementExecution(
      plan: plan, parameters: parameters, access: tables, context: context, limits: limits)
    var rows: [String] = []
    while let batch = try await execution.nextRows() {
      for row in batch {
        let columns = plan.resultColumns ?? []
        rows.append(zip(row, columns).map { $0.isNull ? null : $0.text(as: $1.type) }.joined(separator: "|"))
      }
    }
    return Answer(tag: execution.commandTag, rows: rows)
  }

  /// Only the rows.
  nonisolated(nonsending) func rows(_ text: String, _ parameters: [Datum] = []) async throws(SQLError) -> [String] {
    try await run(text, parameters).rows
  }

  /// `SQLSTATE message / detail`, or nil if the statement succeeds.
  nonisolated(nonsending) func failure(_ text: String, _ parameters: [Datum] = []) async -> String? {
    do throws(SQLError) {
      _ = try await run(text, parameters)
      return nil
    } catch {
      return "\(error.state.code) \(error.message)" + (error.detail.map { " / \($0)" } ?? "")
    }
  }

  /// Checks that every index holds exactly the entries of the rows.
  func indexDifferences(_ name: String) throws -> [String] {
    let table = try table(name)
    let primary = tables.keys(table: table, index: table.primaryIndex.id)
    var differences: [String] = []
    for index in table.indexes.dropFirst() {
      var encoder = BackfillEncoder(table: table, index: index)
      var wanted: [[UInt8]: [UInt8]] = [:]
      for key in primary {
        let record = tables.entries[key] ?? []
        guard let entry = try encoder.entry(forPrimaryRecord: record.span) else { continue }
        wanted[entry.key] = entry.value
      }
      var actual: [[UInt8]: [UInt8]] = [:]
      for key in tables.keys(table: table, index: index.id) { actual[key] = tables.entries[key] }
      if actual != wanted { differences.append("\(index.name): \(actual.count) entries for \(wanted.count) rows") }
    }
    return differences
  }
}

extension TestDatabase {
  /// `users(id int8 primary key, email text unique, age int4, note varchar(5))` with an index on age, and
  /// `orders(id int4 primary key, user_id int8, amount numeric(10,2))` with an index on user_id.
  static func sample() throws -> TestDatabase { try TestDatabase(users, orders) }

  static let users = TableDescriptor(
    id: TableID(11), databaseID: .defaultDatabase, name: "users", version: TableVersion(1),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "email", type: .text),
      ColumnDescriptor(id: ColumnID(3), name: "age", type: .int4),
      ColumnDescriptor(id: ColumnID(4), name: "note", type: .varchar(maximumCharacters: 5)),
    ],
    indexes: [
      index(1, "users_pkey", [1], isUnique: true), index(2, "users_email_key", [2], isUnique: true),
      index(3, "users_age_idx", [3]),
    ], nextColumnID: ColumnID(20), nextIndexID: IndexID(20), commitFloor: .none)

  static let orders = TableDescriptor(
    id: TableID(12), databaseID: .defaultDatabase, name: "orders", version: TableVersion(1),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int4, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "user_id", type: .int8),
      ColumnDescriptor(id: ColumnID(3), name: "amount", type: .numeric(precision: 10, scale: 2)),
    ],
    indexes: [index(1, "orders_pkey", [1], isUnique: true), index(2, "orders_user_id_idx", [2])],
    nextColumnID: ColumnID(20), nextIndexID: IndexID(20), commitFloor: .none)

  static func index(
    _ id: UInt64, _ name: String, _ columns: [UInt64], isUnique: Bool = false, state: ElementState = .public
  ) -> IndexDescriptor {
    IndexDescriptor(
      id: IndexID(id), name: name, isUnique: isUnique, state: state,
      keyColumns: columns.map { IndexKeyColumn(columnID: ColumnID($0)) }, rangeID: RangeID(id))
  }
}
