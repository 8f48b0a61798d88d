import Basics
import Catalog
import SQLExpressions
import SQLValues
import SchemaChange

/// Schemas, and which relations are found without naming theirs.
extension SystemCatalog {
  /// PostgreSQL's numbers of the schemas that every database has.
  private static let systemNamespaces: [(name: String, number: Int64)] = [
    ("pg_catalog", 11), ("information_schema", 13_000),
  ]

  /// `public` of the first database has PostgreSQL's number; the others are far away from those of tables.
  static func namespaceNumber(_ id: NamespaceID) -> Int64 {
    if id == .public { return 2200 }
    let isDraft = id.rawValue >= SchemaDraft.firstProvisionalTable.rawValue
    return Int64(truncatingIfNeeded: (7 << 28) | (isDraft ? 1 << 24 : 0) | (id.rawValue & 0xff_ffff))
  }

  private static func namespaces(
    _ catalog: CatalogView, _ session: PlannerSession
  ) -> [(name: String, number: Int64)] {
    systemNamespaces
      + catalog.namespaces.filter { $0.databaseID == session.databaseID }.map { ($0.name, namespaceNumber($0.id)) }
  }

  static func namespaceName(_ number: Int64, _ catalog: CatalogView, _ session: PlannerSession) -> String? {
    namespaces(catalog, session).first { $0.number == number }?.name
  }

  static func namespaceNumber(_ name: String, _ catalog: CatalogView, _ session: PlannerSession) -> Int64? {
    namespaces(catalog, session).first { $0.name == name }?.number
  }

  static func namespaceTable(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    contents(
      [("oid", .oid), ("nspname", .name), ("nspowner", .oid)],
      namespaces(catalog, session).map { [.integer($0.number), .text($0.name), .integer(10)] })
  }

  static func informationSchemata(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    contents(
      [("catalog_name", .name), ("schema_name", .name), ("schema_owner", .name)],
      namespaces(catalog, session).map { [.text(session.databaseName), .text($0.name), .text(session.userName)] })
  }
}

extension CatalogNames {
  /// Whether the name alone leads to the relation: it is in the search path, and nothing of the name is before it.
  func isVisible(_ name: String, of table: TableDescriptor) -> Bool {
    let first = session.searchPath.first { schema in
      catalog.relation(named: name, schema: schema, in: session.databaseID) != nil
    }
    return first.map { $0 == catalog.schemaName(of: table) } ?? false
  }

  /// `pg_table_is_visible`.
  func isVisible(_ number: Int64) -> Datum {
    guard let table = table(ofNumber: number) else {
      return SystemTableShape.numbers.contains(number) ? .boolean(true) : .null
    }
    let index = table.indexes.first { SystemCatalog.number(table, $0) == number }
    return .boolean(isVisible(index?.name ?? table.name, of: table))
  }
}
