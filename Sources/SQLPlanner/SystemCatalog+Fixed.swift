import Basics
import Catalog
import SQLExpressions
import SQLValues

/// System tables whose rows are always the same, and empty views of `information_schema`.
extension SystemCatalog {
  static func accessMethodTable() -> Contents {
    contents(
      [("oid", .oid), ("amname", .name), ("amtype", .text)],
      [[.integer(2), .text("heap"), .text("t")], [.integer(403), .text("btree"), .text("i")]])
  }

  static func collationTable() -> Contents {
    contents(
      [
        ("oid", .oid), ("collname", .name), ("collnamespace", .oid), ("collowner", .oid), ("collprovider", .text),
        ("collisdeterministic", .boolean), ("collencoding", .int4), ("collcollate", .text), ("collctype", .text),
      ],
      [(100, "default", "d", Datum.null), (950, "C", "c", .text("C")), (951, "POSIX", "c", .text("POSIX"))].map {
        [
          .integer($0.0), .text($0.1), .integer(11), .integer(10), .text($0.2), .boolean(true), .integer(-1), $0.3,
          $0.3,
        ]
      })
  }

  static func roleTable(_ session: PlannerSession) -> Contents {
    contents(
      [
        ("oid", .oid), ("rolname", .name), ("rolsuper", .boolean), ("rolinherit", .boolean),
        ("rolcreaterole", .boolean), ("rolcreatedb", .boolean), ("rolcanlogin", .boolean),
        ("rolreplication", .boolean), ("rolconnlimit", .int4), ("rolbypassrls", .boolean),
      ],
      [
        [
          .integer(10), .text(session.userName), .boolean(true), .boolean(true), .boolean(true), .boolean(true),
          .boolean(true), .boolean(true), .integer(-1), .boolean(true),
        ]
      ])
  }

  static func userView(_ session: PlannerSession) -> Contents {
    contents(
      [
        ("usename", .name), ("usesysid", .oid), ("usecreatedb", .boolean), ("usesuper", .boolean),
        ("userepl", .boolean), ("usebypassrls", .boolean),
      ],
      [[.text(session.userName), .integer(10), .boolean(true), .boolean(true), .boolean(true), .boolean(true)]])
  }

  static func tablespaceTable() -> Contents {
    contents(
      [("oid", .oid), ("spcname", .name), ("spcowner", .oid)],
      [
        [.integer(1663), .text("pg_default"), .integer(10)], [.integer(1664), .text("pg_global"), .integer(10)],
      ])
  }

  // MARK: information_schema

  static func emptyInformation(_ name: String) -> Contents {
    switch name {
    case "routines":
      contents(
        [
          ("specific_catalog", .name), ("specific_schema", .name), ("specific_name", .name), ("routine_catalog", .name),
          ("routine_schema", .name), ("routine_name", .name), ("routine_type", .text), ("data_type", .text),
        ], [])
    default:
      contents(
        [
          ("trigger_catalog", .name), ("trigger_schema", .name), ("trigger_name", .name), ("event_manipulation", .text),
          ("event_object_schema", .name), ("event_object_table", .name), ("action_statement", .text),
          ("action_timing", .text),
        ], [])
    }
  }
}
