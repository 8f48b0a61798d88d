import Basics
import Catalog
import SQLSyntax
import SQLValues

/// Enumerated types, as `pg_type` and `pg_enum` tell of them.
extension SystemCatalog {
  static func types(_ catalog: CatalogView, _ session: PlannerSession) -> [TableDescriptor] {
    catalog.types.filter { $0.state == .public && $0.databaseID == session.databaseID }
  }

  static func typeOID(_ type: TableDescriptor) -> Int64 { Int64(EnumType(id: type.id).oid) }

  static func type(ofNumber number: Int64, _ catalog: CatalogView, _ session: PlannerSession) -> TableDescriptor? {
    types(catalog, session).first { typeOID($0) == number }
  }

  /// Of `pg_type`, in its order.
  static func enumeratedTypeRows(_ catalog: CatalogView, _ session: PlannerSession) -> [[Datum]] {
    types(catalog, session).map { type in
      [
        .integer(typeOID(type)), .text(type.name), .integer(namespaceNumber(type.namespaceID)), .integer(4),
        .text("e"), .text("E"), .integer(0), .integer(0), .integer(0), .integer(0), .text(","), .boolean(false),
        .integer(-1), .integer(10), .boolean(false), .boolean(true), .boolean(true), .integer(0), .text("i"),
        .text("p"),
      ]
    }
  }

  /// `pg_enum`: labels that may be written.
  static func enumTable(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    var rows: [[Datum]] = []
    for type in types(catalog, session) {
      for (position, value) in (type.enumeration?.values ?? []).enumerated() where value.state == .public {
        let number = 3 << 27 | (Int64(type.id.rawValue & 0xfff) << 15) | Int64(value.id.rawValue & 0x7fff)
        rows.append([
          .integer(number), .integer(typeOID(type)), .double(Double(position + 1)), .text(value.label),
        ])
      }
    }
    return contents(
      [("oid", .oid), ("enumtypid", .oid), ("enumsortorder", .float4), ("enumlabel", .name)], rows)
  }

  /// `udt_schema` of a column.
  static func typeSchema(of type: SQLType, _ catalog: CatalogView) -> String {
    guard case .enumerated(let enumeration) = type, let found = catalog.table(id: enumeration.id) else {
      return "pg_catalog"
    }
    return catalog.schemaName(of: found)
  }
}

extension CatalogNames {
  /// With its schema where the name alone does not lead there.
  func shownType(_ type: TableDescriptor) -> String {
    let quoted = SystemCatalog.quoted(type.name)
    return isVisible(type: type) ? quoted : "\(SystemCatalog.quoted(catalog.schemaName(of: type))).\(quoted)"
  }

  /// The type that a string names, as a statement would.
  func enumeratedType(_ text: String) -> TableDescriptor? {
    guard let name = RelationNameSyntax.parsing(text, in: session.databaseName) else { return nil }
    for schema in name.schema.map({ [$0] }) ?? session.searchPath {
      if let found = catalog.type(named: name.name, schema: schema, in: session.databaseID) {
        return name.schema != nil || isVisible(type: found) ? found : nil
      }
    }
    return nil
  }

  /// `pg_type_is_visible`.
  func isVisibleType(_ number: Int64) -> Datum {
    guard let type = SystemCatalog.type(ofNumber: number, catalog, session) else {
      let isKnown = UInt32(exactly: number).flatMap { SQLType(oid: $0) } != nil
      return isKnown ? .boolean(true) : .null
    }
    return .boolean(isVisible(type: type))
  }

  private func isVisible(type: TableDescriptor) -> Bool {
    // PostgreSQL's own types come first.
    if (try? SQLType.named(type.name)) != nil { return false }
    let first = session.searchPath.first { schema in
      catalog.type(named: type.name, schema: schema, in: session.databaseID) != nil
    }
    return first == catalog.schemaName(of: type)
  }
}
