import Basics
import Catalog
import SQLValues

extension ReferentialAction {
  /// As in `pg_constraint.confupdtype` and `confdeltype`.
  var letter: String {
    switch self {
    case .noAction: "a"
    case .restrict: "r"
    case .cascade: "c"
    case .setNull: "n"
    case .setDefault: "d"
    }
  }
}

extension SystemCatalog {
  /// The columns of primary keys, unique and foreign keys.
  static func informationKeyColumns(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      let names = table.publicColumns
      for constraint in constraints(of: table, catalog) where constraint.condition == nil {
        for (position, id) in constraint.columns.enumerated() {
          guard let number = names.firstIndex(where: { $0.id == id }) else { continue }
          // Where the column referred to stands in the unique constraint that is referred to.
          let place = constraint.foreignKey.flatMap { foreignKey in
            foreignKey.index?.keyColumns.firstIndex { $0.columnID == foreignKey.rule.referencedColumns[position] }
          }
          rows.append([
            .text(session.databaseName), .text(catalog.schemaName(of: table)), .text(constraint.name),
            .text(session.databaseName),
            .text(catalog.schemaName(of: table)), .text(table.name), .text(names[number].name),
            .integer(Int64(position + 1)),
            place.map { .integer(Int64($0 + 1)) } ?? .null,
          ])
        }
      }
    }
    return contents(
      [
        ("constraint_catalog", .name), ("constraint_schema", .name), ("constraint_name", .name),
        ("table_catalog", .name), ("table_schema", .name), ("table_name", .name), ("column_name", .name),
        ("ordinal_position", .int4), ("position_in_unique_constraint", .int4),
      ], rows)
  }

  static func informationForeignKeys(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    contents(
      [
        ("constraint_catalog", .name), ("constraint_schema", .name), ("constraint_name", .name),
        ("unique_constraint_catalog", .name), ("unique_constraint_schema", .name), ("unique_constraint_name", .name),
        ("match_option", .text), ("update_rule", .text), ("delete_rule", .text),
      ],
      tables.flatMap { table in
        constraints(of: table, catalog).compactMap { constraint in
          guard let key = constraint.foreignKey else { return nil }
          return [
            .text(session.databaseName), .text(catalog.schemaName(of: table)), .text(constraint.name),
            .text(session.databaseName),
            .text(key.referenced.map(catalog.schemaName) ?? ""), key.index.map { .text($0.name) } ?? .null,
            .text("NONE"),
            .text(key.rule.onUpdate.text), .text(key.rule.onDelete.text),
          ]
        }
      })
  }

  /// The columns that constraints refer to: of foreign keys those of the other table.
  static func informationConstraintColumns(
    _ tables: [TableDescriptor], _ session: PlannerSession, _ catalog: CatalogView
  ) -> Contents {
    var rows: [[Datum]] = []
    for table in tables {
      for constraint in constraints(of: table, catalog) {
        let owner = constraint.foreignKey == nil ? table : constraint.foreignKey?.referenced
        let ids = constraint.foreignKey?.rule.referencedColumns ?? constraint.columns
        for id in ids {
          guard let owner, let column = owner.column(id) else { continue }
          rows.append([
            .text(session.databaseName), .text(catalog.schemaName(of: owner)), .text(owner.name), .text(column.name),
            .text(session.databaseName), .text(catalog.schemaName(of: table)), .text(constraint.name),
          ])
        }
      }
    }
    return contents(
      [
        ("table_catalog", .name), ("table_schema", .name), ("table_name", .name), ("column_name", .name),
        ("constraint_catalog", .name), ("constraint_schema", .name), ("constraint_name", .name),
      ], rows)
  }
}
