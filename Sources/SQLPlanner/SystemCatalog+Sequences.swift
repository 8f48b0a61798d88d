import Basics
import Catalog
import SQLExpressions
import SQLValues

extension SystemCatalog {
  static func sequences(_ catalog: CatalogView, _ session: PlannerSession) -> [TableDescriptor] {
    catalog.sequences.filter { $0.state == .public && $0.databaseID == session.databaseID }
  }

  /// An identifier, in quotes where it needs them.
  static func quoted(_ name: String) -> String {
    let isPlain = name.utf8.enumerated().allSatisfy { position, byte in
      byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (position > 0 && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte))
    }
    if isPlain, !name.isEmpty, !ReservedWords.all.contains(name) { return name }
    var result = "\""
    for character in name { result += character == "\"" ? "\"\"" : String(character) }
    return result + "\""
  }

  /// A column's default as SQL, with sequences under the names they have now.
  static func defaultText(of column: ColumnDescriptor, _ table: TableDescriptor, _ catalog: CatalogView) -> String? {
    if let generation = column.generation { return text(of: generation, table) }
    guard !column.sequences.isEmpty || column.type.isEnumerated, let bytes = column.defaultExpression,
      let value = try? Expression(decoding: bytes)
    else { return column.defaultText }
    return text(ofDefault: table.knowing(value), catalog)
  }

  static func text(ofDefault value: Expression, _ catalog: CatalogView) -> String {
    let text = ExpressionText(columnNames: []) { number in
      UInt64(exactly: number).flatMap { catalog.table(id: TableID(rawValue: $0)) }.map {
        let schema = catalog.schemaName(of: $0)
        return schema == "public" ? quoted($0.name) : "\(quoted(schema)).\(quoted($0.name))"
      }
    }
    return text.text(value)
  }

  /// The identity columns of `information_schema.columns`.
  static func identity(of column: ColumnDescriptor, _ catalog: CatalogView) -> [Datum] {
    guard let kind = column.identity, let sequence = column.sequences.first.flatMap({ catalog.table(id: $0)?.sequence })
    else { return [.text("NO")] + [Datum](repeating: .null, count: 6) }
    return [
      .text("YES"), .text(kind == .always ? "ALWAYS" : "BY DEFAULT"), .text("\(sequence.start)"),
      .text("\(sequence.increment)"), .text("\(sequence.maximum)"), .text("\(sequence.minimum)"),
      .text(sequence.isCycling ? "YES" : "NO"),
    ]
  }

  /// Whether it is `GENERATED ALWAYS AS (…) STORED`, and how, in `information_schema.columns`.
  static func generation(of column: ColumnDescriptor, _ table: TableDescriptor) -> [Datum] {
    guard let generation = column.generation else { return [.text("NEVER"), .null] }
    return [.text("ALWAYS"), .text(text(of: generation, table))]
  }

  static func defaultTable(_ tables: [TableDescriptor], _ catalog: CatalogView) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      for (position, column) in table.publicColumns.enumerated() where column.identity == nil {
        guard let text = defaultText(of: column, table, catalog) else { continue }
        rows.append([
          .integer(defaultNumber(table, position + 1)), .integer(number(table)), .integer(Int64(position + 1)),
          .text(text),
        ])
      }
    }
    return contents([("oid", .oid), ("adrelid", .oid), ("adnum", .int2), ("adbin", .text)], rows)
  }

  private static func defaultNumber(_ table: TableDescriptor, _ position: Int) -> Int64 {
    Int64(truncatingIfNeeded: (7 << 29) | ((table.id.rawValue & 0x1f_ffff) << 8) | UInt64(position & 0xff))
  }

  static func sequenceTable(_ sequences: [TableDescriptor]) -> Contents {
    contents(
      [
        ("seqrelid", .oid), ("seqtypid", .oid), ("seqstart", .int8), ("seqincrement", .int8), ("seqmax", .int8),
        ("seqmin", .int8), ("seqcache", .int8), ("seqcycle", .boolean),
      ],
      sequences.compactMap { table in
        table.sequence.map {
          [
            .integer(number(table)), .integer(Int64($0.type.oid)), .integer($0.start), .integer($0.increment),
            .integer($0.maximum), .integer($0.minimum), .integer($0.cache), .boolean($0.isCycling),
          ]
        }
      })
  }

  /// `last_value` is NULL: it is a row of the sequence's range, not of the catalog (`SELECT … FROM sequence` reads it).
  static func sequencesView(
    _ sequences: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    contents(
      [
        ("schemaname", .name), ("sequencename", .name), ("sequenceowner", .name), ("data_type", .text),
        ("start_value", .int8), ("min_value", .int8), ("max_value", .int8), ("increment_by", .int8),
        ("cycle", .boolean), ("cache_size", .int8), ("last_value", .int8),
      ],
      sequences.compactMap { table in
        table.sequence.map {
          [
            .text(catalog.schemaName(of: table)), .text(table.name), .text(session.userName), .text($0.type.baseName),
            .integer($0.start), .integer($0.minimum), .integer($0.maximum), .integer($0.increment),
            .boolean($0.isCycling), .integer($0.cache), .null,
          ]
        }
      })
  }

  /// What tools look for: which column owns a sequence, and which default uses one.
  static func dependTable(_ tables: [TableDescriptor], _ sequences: [TableDescriptor]) -> Contents {
    let (classNumber, defaultsNumber) = (Datum.integer(1259), Datum.integer(2604))
    var rows: [[Datum]] = []
    func column(_ id: ColumnID, of table: TableDescriptor) -> Int64 {
      Int64((table.publicColumns.firstIndex { $0.id == id } ?? -1) + 1)
    }
    for sequence in sequences {
      guard let owner = sequence.sequence?.owner, let table = tables.first(where: { $0.id == owner.table }) else {
        continue
      }
      rows.append([
        classNumber, .integer(number(sequence)), .integer(0), classNumber, .integer(number(table)),
        .integer(column(owner.column, of: table)), .text(owner.isIdentity ? "i" : "a"),
      ])
    }
    for table in tables {
      for (position, column) in table.publicColumns.enumerated() where column.identity == nil {
        for id in column.sequences {
          guard let sequence = sequences.first(where: { $0.id == id }) else { continue }
          rows.append([
            defaultsNumber, .integer(defaultNumber(table, position + 1)), .integer(0), classNumber,
            .integer(number(sequence)), .integer(0), .text("n"),
          ])
        }
      }
    }
    return contents(
      [
        ("classid", .oid), ("objid", .oid), ("objsubid", .int4), ("refclassid", .oid), ("refobjid", .oid),
        ("refobjsubid", .int4), ("deptype", .text),
      ], rows)
  }

  /// Without those of identity columns, as PostgreSQL.
  static func informationSequences(
    _ sequences: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    contents(
      [
        ("sequence_catalog", .name), ("sequence_schema", .name), ("sequence_name", .name), ("data_type", .text),
        ("numeric_precision", .int4), ("numeric_precision_radix", .int4), ("numeric_scale", .int4),
        ("start_value", .text), ("minimum_value", .text), ("maximum_value", .text), ("increment", .text),
        ("cycle_option", .text),
      ],
      sequences.compactMap { table in
        guard let sequence = table.sequence, sequence.owner?.isIdentity != true else { return nil }
        return [
          .text(session.databaseName), .text(catalog.schemaName(of: table)), .text(table.name),
          .text(sequence.type.baseName),
          .integer(Int64(sequence.type.size) * 8), .integer(2), .integer(0), .text("\(sequence.start)"),
          .text("\(sequence.minimum)"), .text("\(sequence.maximum)"), .text("\(sequence.increment)"),
          .text(sequence.isCycling ? "YES" : "NO"),
        ]
      })
  }
}
