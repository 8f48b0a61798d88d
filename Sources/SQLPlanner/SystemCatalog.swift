import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues
import SchemaChange

/// The tables that describe the database itself, computed from the catalog when a statement is planned: what drivers and
/// tools ask for most, with PostgreSQL's names and numbers.
enum SystemCatalog {
  struct Contents {
    var columnNames: [String]
    var plan: ValuesPlan
  }

  static let types: [SQLType] = [
    .boolean, .bytea, .name, .int8, .int2, .int4, .text, .oid, .float4, .float8, .character(count: 0),
    .varchar(maximumCharacters: nil), .date, .timestamp, .timestampWithTimeZone, .interval,
    .numeric(precision: nil, scale: nil), .uuid, .unknown, .void,
  ]

  /// nil: not the name of a system table.
  static func relation(_ name: RelationNameSyntax, catalog: CatalogView, session: PlannerSession) -> Contents? {
    let known = knownRelation(name, catalog: catalog, session: session)
    guard name.schema ?? "pg_catalog" == "pg_catalog", let shape = SystemTableShape.all[name.name] else { return known }
    return shape.completing(known)
  }

  private static func knownRelation(
    _ name: RelationNameSyntax, catalog: CatalogView, session: PlannerSession
  ) -> Contents? {
    switch (name.schema ?? "pg_catalog", name.name) {
    case ("pg_catalog", "pg_namespace"): namespaceTable(catalog, session)
    case ("pg_catalog", "pg_description"): descriptionTable(catalog, session)
    case ("pg_catalog", "pg_shdescription"): sharedDescriptionTable(catalog)
    case ("pg_catalog", "pg_database"): databaseTable(catalog)
    case ("pg_catalog", "pg_type"): typeTable(catalog, session)
    case ("pg_catalog", "pg_enum"): enumTable(catalog, session)
    case ("pg_catalog", "pg_class"):
      classTable(tables(catalog, session) + sequences(catalog, session) + views(catalog, session))
    case ("pg_catalog", "pg_attribute"):
      attributeTable(tables(catalog, session) + sequences(catalog, session) + views(catalog, session))
    case ("pg_catalog", "pg_views"): viewsView(catalog, session)
    case ("pg_catalog", "pg_attrdef"): defaultTable(tables(catalog, session), catalog)
    case ("pg_catalog", "pg_sequence"): sequenceTable(sequences(catalog, session))
    case ("pg_catalog", "pg_sequences"): sequencesView(sequences(catalog, session), session, catalog)
    case ("pg_catalog", "pg_depend"): dependTable(tables(catalog, session), sequences(catalog, session))
    case ("information_schema", "sequences"):
      informationSequences(
        sequences(catalog, session), session, catalog)
    case ("pg_catalog", "pg_index"): indexTable(tables(catalog, session))
    case ("pg_catalog", "pg_constraint"): constraintTable(tables(catalog, session), catalog)
    case ("pg_catalog", "pg_tables"): tablesView(tables(catalog, session), session, catalog)
    case ("pg_catalog", indexBuildsView): indexBuilds(catalog, session)
    case ("pg_catalog", "pg_indexes"): indexesView(tables(catalog, session), catalog)
    case ("pg_catalog", "pg_am"): accessMethodTable()
    case ("pg_catalog", "pg_collation"): collationTable()
    case ("pg_catalog", "pg_roles"), ("pg_catalog", "pg_authid"): roleTable(session)
    case ("pg_catalog", "pg_user"): userView(session)
    case ("pg_catalog", "pg_tablespace"): tablespaceTable()
    case ("information_schema", "views"): informationViews(catalog, session)
    case ("information_schema", "routines"), ("information_schema", "triggers"):
      emptyInformation(name.name)
    case ("information_schema", "tables"):
      informationTables(tables(catalog, session) + views(catalog, session), session, catalog)
    case ("information_schema", "columns"):
      informationColumns(tables(catalog, session) + views(catalog, session), session, catalog)
    case ("information_schema", "table_constraints"): informationConstraints(tables(catalog, session), session, catalog)
    case ("information_schema", "check_constraints"): informationChecks(tables(catalog, session), session, catalog)
    case ("information_schema", "key_column_usage"): informationKeyColumns(tables(catalog, session), session, catalog)
    case ("information_schema", "referential_constraints"):
      informationForeignKeys(tables(catalog, session), session, catalog)
    case ("information_schema", "constraint_column_usage"):
      informationConstraintColumns(tables(catalog, session), session, catalog)
    case ("information_schema", "schemata"): informationSchemata(catalog, session)
    default: nil
    }
  }

  /// The number by which `pg_class` knows a table, view, index or sequence.
  static func number(of name: RelationNameSyntax, catalog: CatalogView, session: PlannerSession) -> Int64? {
    if name.schema ?? "pg_catalog" == "pg_catalog", let shape = SystemTableShape.all[name.name] { return shape.number }
    for schema in name.schema.map({ [$0] }) ?? session.searchPath {
      if let found = catalog.anyRelation(named: name.name, schema: schema, in: session.databaseID) {
        return number(found)
      }
      if let found = catalog.index(named: name.name, schema: schema, in: session.databaseID) {
        return number(found.table, found.index)
      }
    }
    return nil
  }

  /// Numbers are those of ids.
  static func number(_ table: TableDescriptor) -> Int64 { Int64(clamping: table.id.rawValue) }

  /// What numbers of parts of a table are made of.
  private static func key(_ table: TableDescriptor) -> UInt64 {
    SchemaDraft.isProvisional(table.id) ? 1 << 21 | (table.id.rawValue & 0x1f_ffff) : table.id.rawValue
  }

  /// Indexes have no number of their own: the table's, far away from the tables' numbers.
  static func number(_ table: TableDescriptor, _ index: IndexDescriptor) -> Int64 {
    Int64(truncatingIfNeeded: (1 << 31) | ((key(table) & 0xff_ffff) << 7) | (index.id.rawValue & 0x7f))
  }

  /// A unique index is a constraint as well, which has a number of its own.
  static func constraintNumber(_ table: TableDescriptor, _ index: IndexDescriptor) -> Int64 {
    Int64(truncatingIfNeeded: (1 << 30) | ((key(table) & 0x3f_ffff) << 8) | (index.id.rawValue & 0xff))
  }

  static func tables(_ catalog: CatalogView, _ session: PlannerSession) -> [TableDescriptor] {
    catalog.tables.filter {
      $0.state == .public && $0.databaseID == session.databaseID && !$0.isSequence && !$0.isView && !$0.isType
    }
  }

  static func contents(_ columns: [(String, SQLType)], _ rows: [[Datum]]) -> Contents {
    let types = columns.map(\.1)
    return Contents(
      columnNames: columns.map(\.0),
      plan: ValuesPlan(rows: rows.map { zip($0, types).map { .constant($0, $1) } }, types: types))
  }

  // MARK: pg_catalog

  private static func databaseTable(_ catalog: CatalogView) -> Contents {
    contents(
      [
        ("oid", .oid), ("datname", .name), ("datdba", .oid), ("encoding", .int4), ("datcollate", .text),
        ("datctype", .text), ("datistemplate", .boolean), ("datallowconn", .boolean), ("datconnlimit", .int4),
        ("datlocprovider", .text), ("dattablespace", .oid),
      ],
      catalog.databases.map {
        [
          .integer(Int64(clamping: $0.id.rawValue)), .text($0.name), .integer(10), .integer(6), .text("C"), .text("C"),
          .boolean(false), .boolean(true), .integer(-1), .text("c"), .integer(1663),
        ]
      })
  }

  private static func typeTable(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    contents(
      [
        ("oid", .oid), ("typname", .name), ("typnamespace", .oid), ("typlen", .int2), ("typtype", .text),
        ("typcategory", .text), ("typelem", .oid), ("typarray", .oid), ("typbasetype", .oid), ("typrelid", .oid),
        ("typdelim", .text), ("typnotnull", .boolean), ("typtypmod", .int4), ("typowner", .oid),
        ("typispreferred", .boolean), ("typisdefined", .boolean), ("typbyval", .boolean), ("typcollation", .oid),
        ("typalign", .text), ("typstorage", .text),
      ],
      (types + SystemType.allCases.map { .system($0) }).map { type in
        var element: Int64 = 0
        if case .system(let system) = type { element = Int64(system.elementType?.oid ?? 0) }
        return [
          .integer(Int64(type.oid)), .text(type.internalName), .integer(11), .integer(Int64(type.size)),
          .text(type == .void || type == .unknown ? "p" : "b"), .text(categoryLetter(type)), .integer(element),
          .integer(arrayNumber(type)), .integer(0), .integer(0), .text(","), .boolean(false), .integer(-1),
          .integer(10), .boolean(type.isPreferred), .boolean(true), .boolean((1...8).contains(type.size)),
          .integer(collation(of: type)), .text("i"), .text(storage(of: type)),
        ]
      } + enumeratedTypeRows(catalog, session))
  }

  private static func arrayNumber(_ type: SQLType) -> Int64 {
    switch type {
    case .unknown, .void, .character, .float4, .system: 0
    default: Int64(SystemType.array(of: type)?.oid ?? 0)
    }
  }

  /// `pg_collation`: the default one of texts, C of names.
  static func collation(of type: SQLType) -> Int64 {
    switch type {
    case .text, .varchar, .character: 100
    case .name: 950
    default: 0
    }
  }

  /// How PostgreSQL stores large values of the type: p(lain), m(ain) or (e)x(tended).
  static func storage(of type: SQLType) -> String {
    if case .numeric = type { return "m" }
    return type.size == -1 ? "x" : "p"
  }

  private static func categoryLetter(_ type: SQLType) -> String {
    switch type.category {
    case .boolean: "B"
    case .numeric: "N"
    case .string: "S"
    case .dateTime: "D"
    case .timeSpan: "T"
    case .userDefined: "U"
    case .array: "A"
    case .unknown: "X"
    case .pseudo: "P"
    }
  }

  private static func classTable(_ tables: [TableDescriptor]) -> Contents {
    var rows: [[Datum]] = []
    let linked = tablesWithForeignKeys(tables)
    func add(
      _ number: Int64, _ name: String, _ table: TableDescriptor, kind: String, columns: Int, options: [String] = []
    ) {
      rows.append([
        .integer(number), .text(name), .integer(namespaceNumber(table.namespaceID)), .integer(0), .integer(10),
        .integer(kind == "i" ? 403 : kind == "r" ? 2 : 0), .integer(number), .double(-1), .integer(0),
        .boolean(kind == "r" && table.readableIndexes.contains { isListed($0, of: table) }), .boolean(false),
        .text("p"),
        .text(kind), .integer(Int64(columns)),
        .integer(kind == "r" ? checkCount(table) : 0), .boolean(kind == "v"),
        .boolean(kind == "r" && linked.contains(table.id)), .boolean(false), .boolean(false), .boolean(false),
        .text(kind == "r" ? "d" : "n"), options.isEmpty ? .null : .text(ArrayText.format(options)),
      ])
    }
    for table in tables {
      add(
        number(table), table.name, table, kind: table.isView ? "v" : table.isSequence ? "S" : "r",
        columns: table.publicColumns.count)
      for index in table.readableIndexes where isListed(index, of: table) {
        add(
          number(table, index), index.name, table, kind: "i",
          columns: index.keyColumns.count + index.storedColumns.count,
          options: index.isInvisible ? ["visible=false"] : [])
      }
    }
    return contents(
      [
        ("oid", .oid), ("relname", .name), ("relnamespace", .oid), ("reltype", .oid), ("relowner", .oid),
        ("relam", .oid), ("relfilenode", .oid), ("reltuples", .float4), ("relpages", .int4), ("relhasindex", .boolean),
        ("relisshared", .boolean), ("relpersistence", .text), ("relkind", .text), ("relnatts", .int2),
        ("relchecks", .int2), ("relhasrules", .boolean), ("relhastriggers", .boolean), ("relrowsecurity", .boolean),
        ("relforcerowsecurity", .boolean), ("relispartition", .boolean), ("relreplident", .text),
        ("reloptions", .text),
      ], rows)
  }

  private static func attributeTable(_ tables: [TableDescriptor]) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      for (position, column) in table.publicColumns.enumerated() {
        rows.append([
          .integer(number(table)), .text(column.name), .integer(Int64(column.type.oid)),
          .integer(Int64(column.type.size)), .integer(Int64(position + 1)), .integer(Int64(column.type.typeModifier)),
          .boolean(!column.isNullable),
          .boolean((column.defaultExpression != nil || column.generation != nil) && column.identity == nil),
          .boolean(false), .text(column.identity.map { $0 == .always ? "a" : "d" } ?? ""),
          .text(column.generation == nil ? "" : "s"), .integer(collation(of: column.type)), .integer(0), .integer(-1),
          .text(storage(of: column.type)), .boolean(true),
        ])
      }
      for index in table.readableIndexes where isListed(index, of: table) {
        let names = columnNames(of: index, table)
        for (position, id) in (index.keyColumns.map(\.columnID) + index.storedColumns).enumerated() {
          guard let column = table.column(id) else { continue }
          rows.append([
            .integer(number(table, index)), .text(names[position]), .integer(Int64(column.type.oid)),
            .integer(Int64(column.type.size)), .integer(Int64(position + 1)),
            .integer(Int64(column.type.typeModifier)), .boolean(false), .boolean(false), .boolean(false), .text(""),
            .text(""), .integer(collation(of: column.type)), .integer(0), .integer(-1),
            .text(storage(of: column.type)), .boolean(true),
          ])
        }
      }
    }
    return contents(
      [
        ("attrelid", .oid), ("attname", .name), ("atttypid", .oid), ("attlen", .int2), ("attnum", .int2),
        ("atttypmod", .int4), ("attnotnull", .boolean), ("atthasdef", .boolean), ("attisdropped", .boolean),
        ("attidentity", .text), ("attgenerated", .text), ("attcollation", .oid), ("attndims", .int4),
        ("attstattarget", .int4), ("attstorage", .text), ("attislocal", .boolean),
      ], rows)
  }

  private static func indexTable(_ tables: [TableDescriptor]) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      let numbers = table.publicColumns.map(\.id)
      for index in table.indexes where isListed(index, of: table) {
        let keys = (index.keyColumns.map(\.columnID) + index.storedColumns).map { id in
          (numbers.firstIndex(of: id) ?? -1) + 1
        }
        let isPrimary = index.id == table.primaryIndex.id
        let expressions = table.computedColumns(of: index).compactMap { $0.conversion.map { text(of: $0, table) } }
        rows.append([
          .integer(number(table, index)), .integer(number(table)),
          .integer(Int64(index.keyColumns.count + index.storedColumns.count)), .integer(Int64(index.keyColumns.count)),
          .boolean(index.isUnique || isPrimary), .boolean(isPrimary && !keys.contains(0)),
          .boolean(index.state.isReadable), .boolean(index.state.isWritable),
          .text(keys.map(String.init).joined(separator: " ")),
          .text(index.keyColumns.map { $0.isDescending ? "3" : "0" }.joined(separator: " ")), .boolean(true),
          .boolean(true), index.predicate.map { .text(text(of: $0, table)) } ?? .null,
          expressions.isEmpty ? .null : .text(expressions.joined(separator: ", ")),
        ])
      }
    }
    return contents(
      [
        ("indexrelid", .oid), ("indrelid", .oid), ("indnatts", .int2), ("indnkeyatts", .int2),
        ("indisunique", .boolean),
        ("indisprimary", .boolean), ("indisvalid", .boolean), ("indisready", .boolean), ("indkey", .text),
        ("indoption", .text), ("indislive", .boolean), ("indimmediate", .boolean), ("indpred", .text),
        ("indexprs", .text),
      ], rows)
  }

  static let indexBuildsView = "pg_stat_progress_create_index"

  /// PostgreSQL's columns. Rows stand for tuples; blocks and partitions there are none; `pid` is the number of the job.
  private static func indexBuilds(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    let database = catalog.database(id: session.databaseID)
    let rows = session.indexBuilds.compactMap { build -> [Datum]? in
      guard let table = catalog.tables.first(where: { number($0) == build.table }),
        table.databaseID == session.databaseID
      else { return nil }
      let index = table.indexes.first { $0.id != table.primaryIndex.id && !$0.state.isReadable }
      return [
        .integer(build.job), .integer(Int64(clamping: session.databaseID.rawValue)), .text(database?.name ?? ""),
        .integer(build.table), .integer(index.map { number(table, $0) } ?? 0), .text("CREATE INDEX CONCURRENTLY"),
        .text(build.phase), .integer(build.lockersTotal), .integer(0), .integer(0), .integer(0), .integer(0),
        .integer(build.tuplesTotal), .integer(build.tuplesDone), .integer(0), .integer(0),
      ]
    }
    return contents(
      [
        ("pid", .int4), ("datid", .oid), ("datname", .name), ("relid", .oid), ("index_relid", .oid),
        ("command", .text), ("phase", .text), ("lockers_total", .int8), ("lockers_done", .int8),
        ("current_locker_pid", .int8), ("blocks_total", .int8), ("blocks_done", .int8), ("tuples_total", .int8),
        ("tuples_done", .int8), ("partitions_total", .int8), ("partitions_done", .int8),
      ], rows)
  }

  /// A constraint as tools list it: checks, foreign keys, primary keys and unique indexes.
  struct ListedConstraint {
    struct ForeignKey {
      var rule: ForeignKeyRule
      var referenced: TableDescriptor?
      /// Through which rows are found.
      var index: IndexDescriptor?
    }

    var number: Int64
    var name: String
    /// `p`, `u`, `c` or `f`, as in `pg_constraint`.
    var kind: String
    var isValidated: Bool
    var columns: [ColumnID]
    var index: IndexDescriptor?
    /// Of a check: its condition as SQL.
    var condition: String?
    var foreignKey: ForeignKey?
    var comment: String?

    var title: String {
      switch kind {
      case "p": "PRIMARY KEY"
      case "u": "UNIQUE"
      case "f": "FOREIGN KEY"
      default: "CHECK"
      }
    }
  }

  static func constraints(of table: TableDescriptor, _ catalog: CatalogView) -> [ListedConstraint] {
    var found: [ListedConstraint] = []
    for index in table.readableIndexes where table.isConstraint(index) && !index.name.isEmpty {
      let isPrimary = index.id == table.primaryIndex.id
      // The hidden row id is nobody's primary key.
      if isPrimary, index.keyColumns.contains(where: { table.column($0.columnID)?.isHidden ?? true }) { continue }
      found.append(
        ListedConstraint(
          number: constraintNumber(table, index), name: index.name, kind: isPrimary ? "p" : "u", isValidated: true,
          columns: index.keyColumns.map(\.columnID), index: index, comment: index.constraintComment))
    }
    for constraint in table.constraints {
      guard constraint.state.isWritable, constraint.replaces == nil else { continue }
      let number = Int64(
        truncatingIfNeeded: (3 << 30) | ((key(table) & 0x3f_ffff) << 8) | (constraint.id.rawValue & 0xff))
      if case .foreignKey(let rule) = constraint.rule {
        let referenced = catalog.table(id: rule.referencedTable)
        found.append(
          ListedConstraint(
            number: number, name: constraint.name, kind: "f", isValidated: constraint.state.isReadable,
            columns: rule.columns,
            foreignKey: ListedConstraint.ForeignKey(
              rule: rule, referenced: referenced, index: referenced?.uniqueIndex(on: rule.referencedColumns)),
            comment: constraint.comment))
      }
      guard case .check(let rule) = constraint.rule else { continue }
      found.append(
        ListedConstraint(
          number: number, name: constraint.name, kind: "c", isValidated: constraint.state.isReadable,
          columns: rule.columns,
          condition: text(of: rule, table), comment: constraint.comment))
    }
    return found
  }

  private static func constraintTable(_ tables: [TableDescriptor], _ catalog: CatalogView) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      let numbers = table.publicColumns.map(\.id)
      for constraint in constraints(of: table, catalog) {
        let keys = constraint.columns.map { id in String((numbers.firstIndex(of: id) ?? -1) + 1) }
        let key = constraint.foreignKey
        let referencedNumbers = key?.referenced?.publicColumns.map(\.id) ?? []
        let referenced = key?.rule.referencedColumns.map { id in
          String((referencedNumbers.firstIndex(of: id) ?? -1) + 1)
        }
        let index =
          constraint.index.map { number(table, $0) }
          ?? key.flatMap { key in key.index.flatMap { index in key.referenced.map { number($0, index) } } } ?? 0
        rows.append([
          .integer(constraint.number), .text(constraint.name), .integer(namespaceNumber(table.namespaceID)),
          .text(constraint.kind), .boolean(false), .boolean(false), .boolean(constraint.isValidated),
          .integer(number(table)), .integer(0), .integer(index), .integer(key?.referenced.map(number) ?? 0),
          .text("{" + keys.joined(separator: ",") + "}"),
          referenced.map { .text("{" + $0.joined(separator: ",") + "}") } ?? .null,
          .text(key?.rule.onUpdate.letter ?? " "), .text(key?.rule.onDelete.letter ?? " "),
          .text(key == nil ? " " : "s"),
        ])
      }
    }
    return contents(
      [
        ("oid", .oid), ("conname", .name), ("connamespace", .oid), ("contype", .text), ("condeferrable", .boolean),
        ("condeferred", .boolean), ("convalidated", .boolean), ("conrelid", .oid), ("contypid", .oid),
        ("conindid", .oid), ("confrelid", .oid), ("conkey", .text), ("confkey", .text), ("confupdtype", .text),
        ("confdeltype", .text), ("confmatchtype", .text),
      ], rows)
  }

  private static func tablesView(_ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView)
    -> Contents
  {
    contents(
      [
        ("schemaname", .name), ("tablename", .name), ("tableowner", .name), ("tablespace", .name),
        ("hasindexes", .boolean),
      ],
      tables.map {
        [
          .text(catalog.schemaName(of: $0)), .text($0.name), .text(session.userName), .null, .boolean(true),
        ]
      })
  }

  private static func indexesView(_ tables: [TableDescriptor], _ catalog: CatalogView) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      for index in table.readableIndexes where isListed(index, of: table) {
        let definition = definition(of: index, on: table, in: catalog.schemaName(of: table))
        rows.append([
          .text(catalog.schemaName(of: table)), .text(table.name), .text(index.name), .null, .text(definition),
        ])
      }
    }
    return contents(
      [
        ("schemaname", .name), ("tablename", .name), ("indexname", .name), ("tablespace", .name), ("indexdef", .text),
      ], rows)
  }

  // MARK: information_schema

  private static func informationTables(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    contents(
      [
        ("table_catalog", .name), ("table_schema", .name), ("table_name", .name), ("table_type", .text),
        ("is_insertable_into", .text),
      ],
      tables.map {
        [
          .text(session.databaseName), .text(catalog.schemaName(of: $0)), .text($0.name),
          .text($0.isView ? "VIEW" : "BASE TABLE"), .text($0.isView ? "NO" : "YES"),
        ]
      })
  }

  private static func informationColumns(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      for (position, column) in table.publicColumns.enumerated() {
        var length = Datum.null
        if case .varchar(let count?) = column.type { length = .integer(Int64(count)) }
        if case .character(let count) = column.type { length = .integer(Int64(count)) }
        var precision = Datum.null
        var scale = Datum.null
        if case .numeric(let digits, let places) = column.type {
          precision = digits.map { .integer(Int64($0)) } ?? .null
          scale = places.map { .integer(Int64($0)) } ?? .null
        }
        let typeColumns: [Datum] = [
          length, precision, scale, .text(column.type.internalName), .text(session.databaseName),
          .text(typeSchema(of: column.type, catalog)),
        ]
        let shownDefault: Datum =
          column.identity == nil && column.generation == nil
          ? defaultText(of: column, table, catalog).map { .text($0) } ?? .null : .null
        let described: [Datum] = [
          .text(session.databaseName), .text(catalog.schemaName(of: table)), .text(table.name), .text(column.name),
          .integer(Int64(position + 1)), shownDefault, .text(column.isNullable ? "YES" : "NO"),
          .text(column.type.isEnumerated ? "USER-DEFINED" : column.type.baseName),
        ]
        rows.append(described + typeColumns + identity(of: column, catalog) + generation(of: column, table))
      }
    }
    let columns: [(String, SQLType)] = [
      ("table_catalog", .name), ("table_schema", .name), ("table_name", .name), ("column_name", .name),
      ("ordinal_position", .int4), ("column_default", .text), ("is_nullable", .text), ("data_type", .text),
      ("character_maximum_length", .int4), ("numeric_precision", .int4), ("numeric_scale", .int4),
      ("udt_name", .name), ("udt_catalog", .name), ("udt_schema", .name), ("is_identity", .text),
      ("identity_generation", .text), ("identity_start", .text),
      ("identity_increment", .text), ("identity_maximum", .text), ("identity_minimum", .text),
      ("identity_cycle", .text), ("is_generated", .text), ("generation_expression", .text),
    ]
    return contents(columns, rows)
  }

  private static func informationConstraints(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    contents(
      [
        ("constraint_catalog", .name), ("constraint_schema", .name), ("constraint_name", .name),
        ("table_catalog", .name), ("table_schema", .name), ("table_name", .name), ("constraint_type", .text),
        ("is_deferrable", .text), ("initially_deferred", .text), ("enforced", .text),
      ],
      tables.flatMap { table in
        constraints(of: table, catalog).map {
          [
            .text(session.databaseName), .text(catalog.schemaName(of: table)), .text($0.name),
            .text(session.databaseName),
            .text(catalog.schemaName(of: table)), .text(table.name), .text($0.title), .text("NO"), .text("NO"),
            .text("YES"),
          ]
        }
      })
  }

  private static func informationChecks(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    contents(
      [
        ("constraint_catalog", .name), ("constraint_schema", .name), ("constraint_name", .name),
        ("check_clause", .text),
      ],
      tables.flatMap { table in
        constraints(of: table, catalog).compactMap { constraint in
          constraint.condition.map {
            [.text(session.databaseName), .text(catalog.schemaName(of: table)), .text(constraint.name), .text($0)]
          }
        }
      })
  }

}
