/// Statements about views, and what views forbid.
extension SchemaStatementKind {
  public static let views: [SchemaStatementKind] = [
    alter("CREATE VIEW", weight: 14) { table, context in
      guard table.view == nil, let name = context.pick(viewNames(context)) else { return nil }
      var view = ViewModel(name: name, columns: [])
      for column in table.columns.shuffled(using: &context.random).prefix(3) where column.name != "id" {
        view.columns.append(.init(name: "w\(context.serial())", serial: column.serial))
      }
      table.view = view
      return (definition(of: view, table, isReplacing: Bool.random(using: &context.random)), [])
    },
    // Columns come at the end.
    alter("CREATE OR REPLACE VIEW", weight: 8) { table, context in
      guard var view = table.view, let column = context.pick(table.columns.filter({ $0.name != "id" })) else {
        return nil
      }
      view.columns.append(.init(name: "w\(context.serial())", serial: column.serial))
      table.view = view
      return (definition(of: view, table, isReplacing: true), [])
    },
    alter("DROP VIEW", weight: 4) { table, _ in
      guard let view = table.view else { return nil }
      table.view = nil
      return ("DROP VIEW \(view.name)", [])
    },
    alter("RENAME VIEW", weight: 4) { table, context in
      guard let view = table.view, let name = context.free(viewNames(context), besides: [view.name]) else { return nil }
      table.view?.name = name
      return ("ALTER VIEW \(view.name) RENAME TO \(name)", [])
    },
    alter("RENAME VIEW COLUMN", weight: 4) { table, context in
      guard let view = table.view, let position = view.columns.indices.randomElement(using: &context.random) else {
        return nil
      }
      let name = "w\(context.serial())"
      table.view?.columns[position].name = name
      return ("ALTER VIEW \(view.name) RENAME COLUMN \(view.columns[position].name) TO \(name)", [])
    },
    // Refused, or the end finds something missing.
    alter("DROP what a view reads", weight: 6) { table, context in
      guard let view = table.view else { return nil }
      let read = table.columns.filter { view.reads($0) && $0.name != "id" && $0.serial != table.primaryKey.column }
      guard let column = context.pick(read), Bool.random(using: &context.random) else {
        return ("DROP TABLE \(table.name)", ["2BP01"])
      }
      return ("ALTER TABLE \(table.name) DROP COLUMN \(column.name)", ["2BP01"])
    },
  ]

  private static func viewNames(_ context: StatementContext) -> [String] {
    (1...3).map { "\(context.tableNames.first ?? "t")_view_\($0)" }
  }

  private static func definition(of view: ViewModel, _ table: TableModel, isReplacing: Bool) -> String {
    let names = (["number"] + view.columns.map(\.name)).joined(separator: ", ")
    let values = view.columns.compactMap { table.column(serial: $0.serial)?.name }
    return "CREATE \(isReplacing ? "OR REPLACE " : "")VIEW \(view.name) (\(names)) AS SELECT "
      + (["id"] + values).joined(separator: ", ") + " FROM \(table.name)"
  }
}
