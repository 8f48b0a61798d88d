import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

extension SystemCatalog {
  /// Whether a name in `FROM` means a system table.
  static func isRelation(_ name: RelationNameSyntax) -> Bool {
    name.schema ?? "pg_catalog" == "pg_catalog"
      && (SystemTableShape.all[name.name] != nil || name.name == indexBuildsView)
  }

  static func views(_ catalog: CatalogView, _ session: PlannerSession) -> [TableDescriptor] {
    catalog.views.filter { $0.state == .public && $0.databaseID == session.databaseID }
  }

  static func viewsView(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    let names = CatalogNames(catalog, session)
    return contents(
      [("schemaname", .name), ("viewname", .name), ("viewowner", .name), ("definition", .text)],
      views(catalog, session).map { view in
        [
          .text(catalog.schemaName(of: view)), .text(view.name), .text(session.userName),
          ViewText.text(of: view, names, isPretty: false).map { .text($0) } ?? .null,
        ]
      })
  }

  static func informationViews(_ catalog: CatalogView, _ session: PlannerSession) -> Contents {
    let names = CatalogNames(catalog, session)
    return contents(
      [
        ("table_catalog", .name), ("table_schema", .name), ("table_name", .name), ("view_definition", .text),
        ("check_option", .text), ("is_updatable", .text), ("is_insertable_into", .text),
        ("is_trigger_updatable", .text), ("is_trigger_deletable", .text), ("is_trigger_insertable_into", .text),
      ],
      views(catalog, session).map { view in
        [
          .text(session.databaseName), .text(catalog.schemaName(of: view)), .text(view.name),
          ViewText.text(of: view, names, isPretty: false).map { .text($0) } ?? .null, .text("NONE"), .text("NO"),
          .text("NO"), .text("NO"), .text("NO"), .text("NO"),
        ]
      })
  }
}

extension CatalogNames {
  /// `pg_get_viewdef(number, pretty)`, where a number of columns to wrap at is as good as `true`; nothing for other relations.
  func viewDefinition(_ number: Int64, _ arguments: [Datum]) -> Datum {
    guard let view = table(ofNumber: number), view.isView, SystemCatalog.number(view) == number else { return .null }
    let isPretty = arguments.count > 1 && arguments[1] != .boolean(false)
    return ViewText.text(of: view, self, isPretty: isPretty).map { .text($0) } ?? .null
  }
}
