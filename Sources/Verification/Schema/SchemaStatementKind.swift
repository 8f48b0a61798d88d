import Basics

/// What the generators of schema statements choose from.
public struct StatementContext {
  public var random: SeededGenerator
  /// Names that tables of this slot may have.
  public var tableNames: [String]
  /// Where its tables may be besides `public`.
  public var schema: String
  /// A number never used before.
  public var nextSerial: Int
  /// The table of this slot that was dropped last, if it was the last thing that happened to it.
  public var droppedTable: TableModel?
  /// Of this slot, if it can be taken back and nothing has happened since.
  public var lastChange: RevertibleChange?

  mutating func serial() -> Int {
    nextSerial += 1
    return nextSerial
  }

  mutating func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &random) }

  mutating func free(_ names: [String], besides taken: [String]) -> String? {
    pick(names.filter { !taken.contains($0) })
  }
}

/// A change that was done, as `REVERT JOB` needs it.
public struct RevertibleChange: Sendable {
  public var job: String
  public var before: TableModel
  /// SQLSTATEs that may answer its revert.
  public var possibleErrors: Set<String>
}

/// One kind of schema statement. To add a statement to the workload, add a row to `all`: its text, and what it makes of the table.
public struct SchemaStatementKind: Sendable {
  public var name: String
  public var weight: Int
  /// From the table there is (nil: none) to the statement's text and the table there will be; nil: it does not apply.
  public var make: @Sendable (TableModel?, inout StatementContext) -> Made?

  public struct Made {
    public var sql: String
    public var after: TableModel?
    /// SQLSTATEs that the rows may explain.
    public var possibleErrors: Set<String> = []
    /// They are nowhere else before they are committed, so its job gives up with its gateway: sent again under its operation id it
    /// would be answered so for ever.
    public var writesRows = false
  }

  public init(
    _ name: String, weight: Int, _ make: @escaping @Sendable (TableModel?, inout StatementContext) -> Made?
  ) {
    self.name = name
    self.weight = weight
    self.make = make
  }

  /// A change of a table that is there.
  static func alter(
    _ name: String, weight: Int,
    _ make: @escaping @Sendable (inout TableModel, inout StatementContext) -> (sql: String, errors: Set<String>)?
  ) -> SchemaStatementKind {
    SchemaStatementKind(name, weight: weight) { table, context in
      guard var after = table, let made = make(&after, &context) else { return nil }
      return Made(sql: made.sql, after: after, possibleErrors: made.errors)
    }
  }

  private static let columnNames = ["a", "b", "c", "d", "e"]
  static let baseColumns: Set<String> = ["id", "k", "u", "v"]

  // MARK: - The table of statements

  public static let all: [SchemaStatementKind] = [
    SchemaStatementKind("CREATE TABLE", weight: 30) { table, context in
      guard table == nil, let name = context.pick(context.tableNames) else { return nil }
      let columns = [
        ColumnModel(serial: context.serial(), name: "id", kind: .integer, isNullable: false, hasUniqueValues: true),
        ColumnModel(serial: context.serial(), name: "k", kind: .integer, isNullable: false),
        ColumnModel(serial: context.serial(), name: "u", kind: .integer, hasUniqueValues: true),
        ColumnModel(serial: context.serial(), name: "v", kind: .text),
      ]
      let serial = context.serial()
      let qualified = Int.random(in: 0..<5, using: &context.random) == 0 ? "\(context.schema).\(name)" : name
      let key = PrimaryKeyModel(name: "\(name)_\(serial)_pkey", column: columns[0].serial)
      return Made(
        sql: "CREATE TABLE \(qualified) (id int8 CONSTRAINT \(key.name) PRIMARY KEY, k int8 NOT NULL, u int8, v text)",
        after: TableModel(serial: serial, name: qualified, columns: columns, primaryKey: key))
    },
    // With rows, of ids that no client has, and without a primary key.
    SchemaStatementKind("CREATE TABLE AS", weight: 12) { table, context in
      guard table == nil, let name = context.pick(context.tableNames) else { return nil }
      var after = TableModel(
        serial: context.serial(), name: name,
        columns: [
          ColumnModel(serial: context.serial(), name: "id", kind: .integer, hasUniqueValues: true),
          ColumnModel(serial: context.serial(), name: "k", kind: .integer),
          ColumnModel(serial: context.serial(), name: "u", kind: .integer, hasUniqueValues: true),
          ColumnModel(serial: context.serial(), name: "v", kind: .text),
        ])
      var rows: [String] = []
      for number in 1...Int.random(in: 1...20, using: &context.random) {
        let values = ["-\(number)", "\(Int.random(in: 0..<40, using: &context.random))", "-\(number)", "\(number)"]
        after.initialRows[-number] = Dictionary(
          uniqueKeysWithValues: zip(after.columns, values).filter { $0.0.name != "id" }.map { ($0.serial, $1) })
        rows.append("(\(values.map { "'\($0)'" }.joined(separator: ", ")))")
      }
      return Made(
        sql: "CREATE TABLE \(name) (id, k, u, v) AS SELECT a::int8, b::int8, c::int8, d FROM "
          + "(VALUES \(rows.joined(separator: ", "))) r (a, b, c, d)",
        after: after, writesRows: true)
    },
    SchemaStatementKind("DROP TABLE", weight: 2) { table, _ in
      // Nobody would know of its database any more.
      table.flatMap { $0.database == nil ? $0 : nil }.map {
        Made(sql: "DROP TABLE \($0.name)\($0.view == nil ? "" : " CASCADE")", after: nil)
      }
    },
    // As it was: the rows, the indexes, and what can be brought back of it.
    SchemaStatementKind("UNDROP TABLE", weight: 20) { table, context in
      guard table == nil, var dropped = context.droppedTable else { return nil }
      // Views do not come back.
      dropped.view = nil
      return Made(sql: "UNDROP TABLE \(dropped.name)", after: dropped)
    },
    // What a transaction did, or a revert, is many things. Under which names something was dropped depends on them.
    SchemaStatementKind("REVERT JOB", weight: 24) { table, context in
      guard let last = context.lastChange else { return nil }
      var after = last.before
      after.droppedColumns = []
      after.droppedIndexes = []
      // A view that went with what was dropped is left out; one that was renamed has its old name again.
      after.view = table?.view
      after.database = table?.database
      if let view = last.before.view, after.view != nil { after.view?.name = view.name }
      return Made(sql: "REVERT JOB \(last.job)", after: after, possibleErrors: last.possibleErrors)
    },
    // Rows of before are of another table: nobody may see them again.
    alter("TRUNCATE", weight: 2) { table, context in
      table.serial = context.serial()
      table.initialRows = [:]
      return ("TRUNCATE \(table.name)", [])
    },
    alter("RENAME TABLE", weight: 4) { table, context in
      guard let name = context.free(context.tableNames, besides: [table.nameInSchema]) else { return nil }
      defer { table.name = table.qualified(name) }
      return ("ALTER TABLE \(table.name) RENAME TO \(name)", [])
    },
    // There and back: its indexes go along.
    alter("SET SCHEMA", weight: 5) { table, context in
      let old = table.name
      let isPublic = table.schema == nil
      table.name = isPublic ? "\(context.schema).\(old)" : table.nameInSchema
      return ("ALTER TABLE \(old) SET SCHEMA \(isPublic ? context.schema : "public")", [])
    },
    alter("COMMENT ON TABLE", weight: 3) { table, context in
      table.comment = comment(&context)
      return ("COMMENT ON TABLE \(table.name) IS \(table.comment.map { "'\($0)'" } ?? "NULL")", [])
    },
    alter("COMMENT ON COLUMN", weight: 4) { table, context in
      guard let position = table.columns.indices.randomElement(using: &context.random) else { return nil }
      let text = comment(&context)
      table.columns[position].comment = text
      let column = "\(table.name).\(table.columns[position].name)"
      return ("COMMENT ON COLUMN \(column) IS \(text.map { "'\($0)'" } ?? "NULL")", [])
    },
    alter("ADD COLUMN", weight: 8) { table, context in add(&table, &context, "") { $0 } },
    alter("ADD COLUMN DEFAULT", weight: 8) { table, context in
      add(&table, &context, " DEFAULT ") { column in
        column.defaultValue = "\(column.serial + 7000)"
        return column
      }
    },
    alter("ADD COLUMN NOT NULL DEFAULT", weight: 8) { table, context in
      add(&table, &context, " NOT NULL DEFAULT ") { column in
        column.defaultValue = "\(column.serial + 9000)"
        column.isNullable = false
        return column
      }
    },
    // The rows of before get a value each.
    alter("ADD COLUMN volatile DEFAULT", weight: 8) { table, context in
      add(&table, &context, " DEFAULT floor(random() * 1000000)") { column in
        column.source = .drawn
        return column
      }
    },
    alter("ADD COLUMN IDENTITY", weight: 6) { table, context in
      add(&table, &context, " GENERATED ALWAYS AS IDENTITY", kind: .integer) { column in
        column.source = .numbered
        column.isNullable = false
        column.hasUniqueValues = true
        return column
      }
    },
    alter("ADD COLUMN GENERATED", weight: 6) { table, context in
      add(&table, &context, " GENERATED ALWAYS AS (k * 2) STORED", kind: .integer) { column in
        column.source = .doubled
        return column
      }
    },
    // Of a type that comes with it.
    alter("ADD COLUMN of an enumerated type", weight: 8) { table, context in
      guard let name = context.free(columnNames, besides: table.columns.map(\.name)) else { return nil }
      var column = ColumnModel(serial: context.serial(), name: name, kind: .text)
      column.labels = Int.random(in: 1...4, using: &context.random)
      let type = labelType(of: column, context)
      let labels = (0..<column.labels).map { "'\($0)'" }.joined(separator: ", ")
      if Bool.random(using: &context.random) { column.defaultValue = "0" }
      let clause = column.defaultValue == nil ? "" : " DEFAULT '0'"
      table.columns.append(column)
      return (
        "BEGIN; CREATE TYPE \(type) AS ENUM (\(labels)); ALTER TABLE \(table.name) ADD COLUMN \(name) \(type)\(clause); COMMIT",
        []
      )
    },
    alter("ADD VALUE", weight: 14) { table, context in
      guard
        let position = table.columns.indices.filter({ table.columns[$0].labels > 0 })
          .randomElement(using: &context.random)
      else { return nil }
      let type = labelType(of: table.columns[position], context)
      let label = table.columns[position].labels
      table.columns[position].labels += 1
      let place =
        [nil, "BEFORE '0'", "AFTER '0'", "BEFORE '\(label - 1)'"].randomElement(using: &context.random) ?? nil
      return ("ALTER TYPE \(type) ADD VALUE '\(label)'\(place.map { " \($0)" } ?? "")", [])
    },
    // No two rows ever have the same value, and the rows of before have none.
    alter("ADD COLUMN UNIQUE", weight: 4) { table, context in
      guard let name = context.free(columnNames, besides: table.columns.map(\.name)),
        let index = context.free(indexNames(context), besides: table.indexes.map(\.name))
      else { return nil }
      let column = ColumnModel(serial: context.serial(), name: name, kind: .integer, hasUniqueValues: true)
      table.columns.append(column)
      table.indexes.append(IndexModel(name: index, columns: [column.serial], isUnique: true))
      return ("ALTER TABLE \(table.name) ADD COLUMN \(name) int8 CONSTRAINT \(index) UNIQUE", [])
    },
    alter("DROP COLUMN", weight: 10) { table, context in
      guard
        let column = context.pick(
          table.columns.filter { !baseColumns.contains($0.name) && $0.serial != table.primaryKey.column })
      else { return nil }
      let indexes = table.indexes.filter { $0.columns.contains(column.serial) }
      table.droppedColumns.removeAll { $0.column.name == column.name }
      table.droppedIndexes.removeAll { index in indexes.contains { $0.name == index.name } }
      if indexes.allSatisfy({ $0.columns == [column.serial] }) {
        table.droppedColumns.append(DroppedColumnModel(column: column, indexes: indexes))
      }
      table.columns.removeAll { $0 == column }
      table.indexes.removeAll { $0.columns.contains(column.serial) }
      table.checks.removeAll { $0.column == column.serial }
      let isRead = table.view?.reads(column) ?? false
      if isRead { table.view = nil }
      return ("ALTER TABLE \(table.name) DROP COLUMN \(column.name)\(isRead ? " CASCADE" : "")", [])
    },
    // With its values: those of rows that were changed meanwhile, and its default in rows that are new. One that may not be NULL
    // may be so in such rows.
    alter("UNDROP COLUMN", weight: 12) { table, context in
      let names = Set(table.columns.map(\.name))
      let indexNames = Set(table.indexes.map(\.name))
      let possible = table.droppedColumns.filter { dropped in
        !names.contains(dropped.column.name) && !dropped.indexes.contains { indexNames.contains($0.name) }
      }
      guard let dropped = context.pick(possible) else { return nil }
      table.droppedColumns.removeAll { $0 == dropped }
      // In its old place: columns stand in the order of their creation.
      let place = table.columns.firstIndex { $0.serial > dropped.column.serial } ?? table.columns.count
      table.columns.insert(dropped.column, at: place)
      table.indexes += dropped.indexes
      return ("UNDROP COLUMN \(dropped.column.name) ON \(table.name)", ["23502"])
    },
    alter("RENAME COLUMN", weight: 6) { table, context in
      guard
        let position = table.columns.indices.filter({ !baseColumns.contains(table.columns[$0].name) })
          .randomElement(using: &context.random),
        let name = context.free(columnNames, besides: table.columns.map(\.name))
      else { return nil }
      let old = table.columns[position].name
      table.columns[position].name = name
      return ("ALTER TABLE \(table.name) RENAME COLUMN \(old) TO \(name)", [])
    },
    alter("SET NOT NULL", weight: 6) { table, context in
      guard
        let position = table.columns.indices.filter({ table.columns[$0].isNullable }).randomElement(
          using: &context.random)
      else { return nil }
      table.columns[position].isNullable = false
      return ("ALTER TABLE \(table.name) ALTER COLUMN \(table.columns[position].name) SET NOT NULL", ["23502"])
    },
    alter("DROP NOT NULL", weight: 5) { table, context in
      guard
        let position = table.columns.indices.filter({
          !table.columns[$0].isNullable && table.columns[$0].name != "id" && table.columns[$0].source != .numbered
            && table.columns[$0].serial != table.primaryKey.column
        }).randomElement(using: &context.random)
      else { return nil }
      table.columns[position].isNullable = true
      return ("ALTER TABLE \(table.name) ALTER COLUMN \(table.columns[position].name) DROP NOT NULL", [])
    },
    // All values are numbers, whatever the type.
    alter("ALTER COLUMN TYPE", weight: 8) { table, context in
      guard
        let position = table.columns.indices.filter({ position in
          let column = table.columns[position]
          return column.name != "k" && column.source == .constant && column.labels == 0
            && !(table.view?.reads(column) ?? false)
            && (column.kind == .integer || column.defaultValue == nil)
        }).randomElement(using: &context.random)
      else { return nil }
      let name = table.columns[position].name
      let isInteger = table.columns[position].kind == .integer
      table.columns[position].kind = isInteger ? .text : .integer
      return (
        "ALTER TABLE \(table.name) ALTER COLUMN \(name) TYPE \(isInteger ? "text" : "int8 USING \(name)::int8")", []
      )
    },
    // Checks, predicates and expressions read `k`; what follows from it keeps it as it is, and can get another type itself.
    alter("ALTER COLUMN TYPE of what depends", weight: 10) { table, context in
      let isKept = table.columns.contains { $0.source == .doubled }
      guard
        let position = table.columns.indices.filter({ position in
          let column = table.columns[position]
          return (isKept ? column.source == .doubled : column.name == "k")
            && !(table.view?.reads(column) ?? false)
        }).randomElement(using: &context.random)
      else { return nil }
      let column = table.columns[position]
      let kinds: [ColumnModel.Kind] = [.integer, .small, .number]
      guard let kind = context.pick(kinds.filter { $0 != column.kind }) else { return nil }
      table.columns[position].kind = kind
      // What was dropped is over the column that it was.
      table.droppedIndexes.removeAll { $0.leastKey != nil || $0.columns.contains(column.serial) }
      table.droppedColumns.removeAll { dropped in
        dropped.column.source == .doubled || dropped.indexes.contains { $0.leastKey != nil }
      }
      return ("ALTER TABLE \(table.name) ALTER COLUMN \(column.name) TYPE \(kind.sql)", [])
    },
    alter("ALTER PRIMARY KEY", weight: 4) { table, context in
      guard let column = context.pick(table.columns.filter { $0.hasUniqueValues }),
        let position = table.columns.firstIndex(of: column)
      else { return nil }
      let old = table.primaryKey.name
      table.primaryKey = PrimaryKeyModel(name: "\(table.nameInSchema)_\(context.serial())_pkey", column: column.serial)
      table.columns[position].isNullable = false
      return (
        "ALTER TABLE \(table.name) \(old.isEmpty ? "" : "DROP CONSTRAINT \(old), ")"
          + "ADD CONSTRAINT \(table.primaryKey.name) PRIMARY KEY (\(column.name))", ["23502"]
      )
    },
    // Of the column `k`, whose values are below 40: sometimes a row stands in the way, sometimes a write is refused.
    alter("ADD CHECK", weight: 6) { table, context in
      guard let column = table.column("k"),
        let name = context.free((1...3).map { "\(table.nameInSchema)_check_\($0)" }, besides: table.checks.map(\.name))
      else { return nil }
      let bound = Int.random(in: 36...41, using: &context.random)
      table.checks.append(CheckModel(name: name, column: column.serial, bound: bound))
      return ("ALTER TABLE \(table.name) ADD CONSTRAINT \(name) CHECK (k < \(bound))", ["23514"])
    },
    alter("DROP CONSTRAINT", weight: 6) { table, context in
      guard let check = context.pick(table.checks) else { return nil }
      table.checks.removeAll { $0 == check }
      return ("ALTER TABLE \(table.name) DROP CONSTRAINT \(check.name)", [])
    },
    alter("CREATE INDEX", weight: 14) { table, context in
      guard let column = context.pick(table.columns.filter { $0.name != "id" }) else { return nil }
      return createIndex(&table, &context, [column], isUnique: false)
    },
    alter("CREATE INDEX on two columns", weight: 4) { table, context in
      guard let first = context.pick(table.columns.filter { $0.name != "id" }),
        let second = context.pick(table.columns.filter { $0 != first })
      else { return nil }
      return createIndex(&table, &context, [first, second], isUnique: false)
    },
    // Rows move in and out as their `k` changes.
    alter("CREATE INDEX of some rows", weight: 6) { table, context in
      guard let column = context.pick(table.columns.filter { $0.name != "id" && $0.name != "v" }) else { return nil }
      return createIndex(
        &table, &context, [column], isUnique: false, leastKey: Int.random(in: 5...30, using: &context.random),
        clause: Bool.random(using: &context.random) ? " INCLUDE (v)" : "")
    },
    alter("CREATE UNIQUE INDEX of some rows", weight: 4) { table, context in
      guard let column = context.pick(table.columns.filter { $0.hasUniqueValues && $0.name != "id" }) else {
        return nil
      }
      return createIndex(
        &table, &context, [column], isUnique: true, leastKey: Int.random(in: 5...30, using: &context.random))
    },
    // Sometimes no two rows of those have the same value.
    alter("CREATE UNIQUE INDEX of some rows over duplicates", weight: 3) { table, context in
      guard let column = table.column("k") else { return nil }
      return createIndex(
        &table, &context, [column], isUnique: true, leastKey: Int.random(in: 36...39, using: &context.random))
    },
    alter("CREATE INDEX on an expression", weight: 6) { table, context in
      guard let column = table.column("k") else { return nil }
      let isOfSome = Bool.random(using: &context.random)
      return createIndex(
        &table, &context, [column], isUnique: false,
        leastKey: isOfSome ? Int.random(in: 5...30, using: &context.random) : nil, isDoubled: true)
    },
    alter("ALTER INDEX visibility", weight: 4) { table, context in
      guard let index = context.pick(table.indexes) else { return nil }
      return ("ALTER INDEX \(table.qualified(index.name)) SET (visible = \(Bool.random(using: &context.random)))", [])
    },
    alter("CREATE UNIQUE INDEX", weight: 10) { table, context in
      guard let column = context.pick(table.columns.filter { $0.hasUniqueValues && $0.name != "id" }) else {
        return nil
      }
      return createIndex(&table, &context, [column], isUnique: true)
    },
    alter("CREATE UNIQUE INDEX over duplicates", weight: 3) { table, context in
      guard let column = table.column("k") else { return nil }
      return createIndex(&table, &context, [column], isUnique: true)
    },
    alter("DROP INDEX", weight: 10) { table, context in
      guard let index = context.pick(table.indexes) else { return nil }
      table.indexes.removeAll { $0 == index }
      table.droppedIndexes.removeAll { $0.name == index.name }
      table.droppedIndexes.append(index)
      return ("DROP INDEX \(table.qualified(index.name))", [])
    },
    // Of a column that has another type by now it is another index.
    alter("UNDROP INDEX", weight: 6) { table, context in
      let names = Set(table.indexes.map(\.name))
      let columns = Set(table.columns.map(\.serial))
      let possible = table.droppedIndexes.filter { !names.contains($0.name) && columns.isSuperset(of: $0.columns) }
      guard let index = context.pick(possible) else { return nil }
      table.droppedIndexes.removeAll { $0 == index }
      table.indexes.append(index)
      return ("UNDROP INDEX \(index.name) ON \(table.name)", ["55000", "23505", "42704"])
    },
    alter("RENAME INDEX", weight: 4) { table, context in
      guard let position = table.indexes.indices.randomElement(using: &context.random),
        let name = context.free(indexNames(context), besides: table.indexes.map(\.name))
      else { return nil }
      let old = table.indexes[position].name
      table.indexes[position].name = name
      return ("ALTER INDEX \(table.qualified(old)) RENAME TO \(name)", [])
    },
    alter("BEGIN … COMMIT", weight: 16) { table, context in
      let before = table.columns
      var statements: [String] = []
      var errors: Set<String> = []
      let kinds = all.filter { combinable.contains($0.name) }
      for _ in 0..<Int.random(in: 2...4, using: &context.random) {
        guard let made = context.pick(kinds)?.make(table, &context), let after = made.after else { continue }
        table = after
        statements.append(made.sql)
        errors.formUnion(made.possibleErrors)
      }
      // The rows there are have no value for it: refused if there are any, and if it comes with an index or a check.
      if table.columns.contains(where: { column in
        !column.isNullable && column.defaultValue == nil && column.source == .constant
          && !before.contains { $0.serial == column.serial }
      }) {
        errors.formUnion(["23502", "0A000"])
      }
      // Under which names something was dropped depends on what else the transaction does.
      table.droppedColumns = []
      table.droppedIndexes = []
      return statements.isEmpty ? nil : ("BEGIN; \(statements.joined(separator: "; ")); COMMIT", errors)
    },
  ]

  /// What may stand in the way of taking such a statement back: rows, or that it is not possible. nil: it is not tried.
  static func errorsOfRevert(_ kind: String, _ sql: String) -> Set<String>? {
    switch kind {
    // A table that was not there before, rows that went; one that may have changed nothing leaves no job.
    case "CREATE TABLE", "CREATE TABLE AS", "UNDROP TABLE", "TRUNCATE", "ALTER INDEX visibility", "CREATE VIEW",
      "CREATE OR REPLACE VIEW", "DROP VIEW", "RENAME VIEW COLUMN", "DROP what a view reads",
      "CREATE DATABASE", "DROP DATABASE", "RENAME DATABASE":
      nil
    // Rows may have the label.
    case "ADD COLUMN of an enumerated type", "ADD VALUE": nil
    case "DROP COLUMN", "DROP NOT NULL": ["23502"]
    case "DROP CONSTRAINT": ["23514"]
    case "DROP INDEX": ["23505"]
    // Back to a table without one.
    case "ALTER PRIMARY KEY": sql.contains("DROP CONSTRAINT") ? [] : ["0A000"]
    case "ALTER COLUMN TYPE": sql.contains("USING") ? ["0A000"] : []
    case "ALTER COLUMN TYPE of what depends": ["0A000"]
    case "REVERT JOB": ["0A000", "23502", "23505", "23514"]
    case "BEGIN … COMMIT": ["0A000", "23502", "23505", "23514", "42701", "42P07"]
    default: []
    }
  }

  /// Several of these on one table fit into one transaction.
  private static let combinable: Set<String> = [
    "RENAME TABLE", "SET SCHEMA", "COMMENT ON TABLE", "COMMENT ON COLUMN", "ADD COLUMN", "ADD COLUMN DEFAULT",
    "ADD COLUMN NOT NULL DEFAULT", "ADD COLUMN volatile DEFAULT", "ADD COLUMN IDENTITY", "ADD COLUMN GENERATED",
    "DROP COLUMN", "RENAME COLUMN",
    "SET NOT NULL", "DROP NOT NULL", "ADD CHECK", "DROP CONSTRAINT", "CREATE INDEX", "CREATE INDEX on two columns",
    "CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX over duplicates", "DROP INDEX", "RENAME INDEX",
  ]

  // MARK: - Parts of statements

  /// Every text is another one.
  private static func comment(_ context: inout StatementContext) -> String? {
    Int.random(in: 0..<4, using: &context.random) == 0 ? nil : "note \(context.serial())"
  }

  /// The name of its type, which goes on when the column is gone.
  private static func labelType(of column: ColumnModel, _ context: StatementContext) -> String {
    "\(context.tableNames.first ?? "t")_label_\(column.serial)"
  }

  private static func indexNames(_ context: StatementContext) -> [String] {
    (1...5).map { "\(context.tableNames.first ?? "t")_index_\($0)" }
  }

  private static func add(
    _ table: inout TableModel, _ context: inout StatementContext, _ clause: String, kind given: ColumnModel.Kind? = nil,
    _ complete: (inout ColumnModel) -> ColumnModel
  ) -> (sql: String, errors: Set<String>)? {
    guard let name = context.free(columnNames, besides: table.columns.map(\.name)) else { return nil }
    let kind: ColumnModel.Kind = given ?? (Bool.random(using: &context.random) ? .integer : .text)
    var column = ColumnModel(serial: context.serial(), name: name, kind: kind)
    column = complete(&column)
    table.columns.append(column)
    let value = column.defaultValue == nil ? "" : column.literal(column.defaultValue)
    return ("ALTER TABLE \(table.name) ADD COLUMN \(name) \(kind.sql)\(clause)\(value)", [])
  }

  private static func createIndex(
    _ table: inout TableModel, _ context: inout StatementContext, _ columns: [ColumnModel], isUnique: Bool,
    leastKey: Int? = nil, isDoubled: Bool = false, clause: String = ""
  ) -> (sql: String, errors: Set<String>)? {
    guard let name = context.free(indexNames(context), besides: table.indexes.map(\.name)) else { return nil }
    let index = IndexModel(
      name: name, columns: columns.map(\.serial), isUnique: isUnique, leastKey: leastKey,
      isDoubled: isDoubled)
    table.indexes.append(index)
    let isCertain = !isUnique || columns.contains { $0.hasUniqueValues }
    let names = isDoubled ? "(k * 2)" : columns.map(\.name).joined(separator: ", ")
    let predicate = leastKey == nil ? "" : " WHERE \(index.predicate)"
    return (
      "CREATE \(isUnique ? "UNIQUE " : "")INDEX \(name) ON \(table.name) (\(names))\(clause)\(predicate)",
      isCertain ? [] : ["23505"]
    )
  }
}
