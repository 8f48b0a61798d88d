import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// The tables that describe the database itself, computed from the catalog when a statement is planned.
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

  static func relation(_ name: RelationNameSyntax, catalog: CatalogView, session: PlannerSession) -> Contents? {
    nil
  }
}
