import Basics
import Catalog
import PostgresParser
import SQLExpressions
import SQLPlanner
import SQLSyntax
import SQLValues
import SchemaChange

/// A small catalog that the planner tests share.
///
///     t(id int8 primary key, a int4, b text unique, c numeric(10,2), d timestamptz, flag boolean not null)
///       t_a_idx (a), t_ad_idx (a, d desc), t_new_idx (c) still being built
///     u(id int4 primary key, t_id int8, name varchar(20)); u_t_id_idx (t_id) includes name
///     x(k int4, v text) without primary key; column w is still write-only, with the default 7
enum PlannerFixture {
  static let catalog: CatalogView = {
    var catalog = CatalogState()
    let entry = SchemaEntry(
      index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase,
      changes: [t, u, x].map {
        TableChange(tableID: $0.id, from: .none, to: $0.version, commitFloor: $0.commitFloor, descriptor: $0)
      })
    do { try catalog.apply(entry) } catch { fatalError("\(error)") }
    return catalog
  }()

  static let t = table(
    11, "t",
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "a", type: .int4),
      ColumnDescriptor(id: ColumnID(3), name: "b", type: .text),
      ColumnDescriptor(id: ColumnID(4), name: "c", type: .numeric(precision: 10, scale: 2)),
      ColumnDescriptor(id: ColumnID(5), name: "d", type: .timestampWithTimeZone),
      ColumnDescriptor(
        id: ColumnID(6), name: "flag", type: .boolean, isNullable: false,
        defaultExpression: Expression.isTrue.encoded),
    ],
    indexes: [
      index(1, "t_pkey", [1], isUnique: true), index(2, "t_a_idx", [2]), index(3, "t_b_key", [3], isUnique: true),
      index(4, "t_ad_idx", [2, -5]), index(5, "t_new_idx", [4], state: .writeOnly),
    ])

  static let u = table(
    12, "u",
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int4, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "t_id", type: .int8),
      ColumnDescriptor(id: ColumnID(3), name: "name", type: .varchar(maximumCharacters: 20)),
    ],
    indexes: [index(1, "u_pkey", [1], isUnique: true), index(2, "u_t_id_idx", [2], stored: [3])])

  static let x = table(
    13, "x",
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "k", type: .int4),
      ColumnDescriptor(id: ColumnID(2), name: "v", type: .text),
      ColumnDescriptor(id: ColumnID(3), name: "rowid", type: .int8, isNullable: false, isHidden: true),
      ColumnDescriptor(
        id: ColumnID(4), name: "w", type: .int4, state: .writeOnly,
        defaultExpression: Expression.constant(.integer(7), .int4).encoded),
    ],
    indexes: [index(1, "x_pkey", [3], isUnique: true)])

  private static func table(
    _ id: UInt64, _ name: String, columns: [ColumnDescriptor], indexes: [IndexDescriptor]
  ) -> TableDescriptor {
    TableDescriptor(
      id: TableID(id), databaseID: .defaultDatabase, name: name, version: TableVersion(1), columns: columns,
      indexes: indexes, nextColumnID: ColumnID(20), nextIndexID: IndexID(20), commitFloor: .none)
  }

  /// Negative column ids are descending keys.
  private static func index(
    _ id: UInt64, _ name: String, _ columns: [Int], isUnique: Bool = false, stored: [UInt64] = [],
    state: ElementState = .public
  ) -> IndexDescriptor {
    IndexDescriptor(
      id: IndexID(id), name: name, isUnique: isUnique, state: state,
      keyColumns: columns.map { IndexKeyColumn(columnID: ColumnID(UInt64($0.magnitude)), isDescending: $0 < 0) },
      storedColumns: stored.map { ColumnID($0) }, rangeID: RangeID(id))
  }

  // MARK: Planning

  static func plan(_ text: String, parameterTypes: [SQLType] = []) throws(SQLError) -> StatementPlan {
    let parsed = try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 2_000))
    guard parsed.count == 1 else { throw SQLError(.internalError, "\(parsed.count) statements") }
    return try StatementPlanner(catalog: catalog).plan(parsed[0], parameterTypes: parameterTypes)
  }

  static func explain(_ text: String) throws(SQLError) -> String {
    guard case .explain(let lines) = try plan("EXPLAIN " + text).action else { return "no explanation" }
    return lines.joined(separator: "\n")
  }

  static func failure(_ text: String) -> SQLError? {
    do throws(SQLError) {
      _ = try plan(text)
      return nil
    } catch { return error }
  }
}

/// A name without a schema, as the search path leads to it.
func found(_ name: String) -> ObjectName { ObjectName(name: name, isFromSearchPath: true) }
