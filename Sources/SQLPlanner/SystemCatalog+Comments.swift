import Basics
import Catalog
import SQLExpressions
import SQLValues

/// `COMMENT ON`, as `pg_description` and the functions for it tell.
extension SystemCatalog {
  /// The catalogs that comments belong to.
  private enum Kind {
    static let relation: Int64 = 1259
    static let constraint: Int64 = 2606
    static let namespace: Int64 = 2615
    static let type: Int64 = 1247
    static let database: Int64 = 1262
  }

  struct Description {
    var object: Int64
    var kind: Int64
    /// The number of a column; 0: the object itself.
    var part: Int64
    var text: String
  }

  static func descriptions(_ catalog: CatalogView, _ session: PlannerSession) -> [Description] {
    var found: [Description] = []
    for namespace in catalog.namespaces where namespace.databaseID == session.databaseID {
      guard let text = namespace.comment else { continue }
      found.append(
        Description(object: namespaceNumber(namespace.id), kind: Kind.namespace, part: 0, text: text))
    }
    for table in tables(catalog, session) + sequences(catalog, session) + views(catalog, session) {
      found += descriptions(of: table, catalog)
    }
    for type in types(catalog, session) {
      guard let text = type.comment else { continue }
      found.append(Description(object: typeOID(type), kind: Kind.type, part: 0, text: text))
    }
    return found
  }

  static func descriptions(of table: TableDescriptor, _ catalog: CatalogView) -> [Description] {
    var found: [Description] = []
    func add(_ object: Int64, _ kind: Int64, _ text: String?, part: Int64 = 0) {
      if let text { found.append(Description(object: object, kind: kind, part: part, text: text)) }
    }
    add(number(table), Kind.relation, table.comment)
    for (position, column) in table.publicColumns.enumerated() {
      add(number(table), Kind.relation, column.comment, part: Int64(position + 1))
    }
    for index in table.readableIndexes where isListed(index, of: table) {
      add(number(table, index), Kind.relation, index.comment)
    }
    for constraint in constraints(of: table, catalog) { add(constraint.number, Kind.constraint, constraint.comment) }
    return found
  }

  static func descriptionTable(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    contents(
      [("objoid", .oid), ("classoid", .oid), ("objsubid", .int4), ("description", .text)],
      descriptions(catalog, session).map {
        [.integer($0.object), .integer($0.kind), .integer($0.part), .text($0.text)]
      })
  }

  static func sharedDescriptionTable(_ catalog: CatalogView) -> Contents {
    contents(
      [("objoid", .oid), ("classoid", .oid), ("description", .text)],
      catalog.databases.compactMap { database in
        database.comment.map {
          [.integer(Int64(clamping: database.id.rawValue)), .integer(Kind.database), .text($0)]
        }
      })
  }

  /// The number of the catalog that a name in `obj_description` stands for.
  static func kind(named name: Datum?) -> Int64? {
    guard case .text(let name)? = name else { return nil }
    return SystemTableShape.all[name]?.number
  }
}

extension CatalogNames {
  /// `obj_description(number, catalog)`; without a catalog whatever has the number.
  func description(_ number: Int64, _ arguments: [Datum]) -> Datum {
    let kind = SystemCatalog.kind(named: arguments.count > 1 ? arguments[1] : nil)
    if arguments.count > 1, kind == nil { return .null }
    let known = table(ofNumber: number).map { SystemCatalog.descriptions(of: $0, catalog) }
    let found = (known ?? SystemCatalog.descriptions(catalog, session)).first {
      $0.object == number && $0.part == 0 && (kind == nil || $0.kind == kind)
    }
    return found.map { .text($0.text) } ?? .null
  }

  /// `col_description(table, column number)`.
  func columnDescription(_ number: Int64, _ arguments: [Datum]) -> Datum {
    guard arguments.count > 1, case .integer(let position) = arguments[1], position > 0,
      let table = table(ofNumber: number), SystemCatalog.number(table) == number,
      position <= table.publicColumns.count
    else { return .null }
    return table.publicColumns[Int(position) - 1].comment.map { .text($0) } ?? .null
  }

  /// `shobj_description(number, catalog)`: of databases.
  func sharedDescription(_ number: Int64, _ arguments: [Datum]) -> Datum {
    guard arguments.count > 1, arguments[1] == .text("pg_database"),
      let database = catalog.databases.first(where: { Int64(clamping: $0.id.rawValue) == number })
    else { return .null }
    return database.comment.map { .text($0) } ?? .null
  }
}
