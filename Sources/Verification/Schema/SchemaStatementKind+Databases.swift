/// Statements about a database that a table has beside it: no table is in it, its name is what can go wrong.
extension SchemaStatementKind {
  public static let databases: [SchemaStatementKind] = [
    outsideOfTransactions("CREATE DATABASE", weight: 10) { table, context in
      guard table.database == nil else { return nil }
      let name = databaseName(&context)
      table.database = name
      return "CREATE DATABASE \(name)"
    },
    outsideOfTransactions("DROP DATABASE", weight: 6) { table, _ in
      guard let name = table.database else { return nil }
      table.database = nil
      return "DROP DATABASE \(name)"
    },
    alter("RENAME DATABASE", weight: 8) { table, context in
      guard let name = table.database else { return nil }
      let newName = databaseName(&context)
      table.database = newName
      return ("ALTER DATABASE \(name) RENAME TO \(newName)", [])
    },
  ]

  /// Without an operation id: whether it was done is asked in one message with the id's setting, where such a statement cannot be.
  private static func outsideOfTransactions(
    _ name: String, weight: Int, _ make: @escaping @Sendable (inout TableModel, inout StatementContext) -> String?
  ) -> SchemaStatementKind {
    SchemaStatementKind(name, weight: weight) { table, context in
      guard var after = table, let sql = make(&after, &context) else { return nil }
      return Made(sql: sql, after: after, writesRows: true)
    }
  }

  /// Never used before.
  private static func databaseName(_ context: inout StatementContext) -> String {
    "\(databasePrefix(context.tableNames))\(context.serial())"
  }

  /// Of the databases of a slot.
  static func databasePrefix(_ tableNames: [String]) -> String { "\(tableNames.first ?? "t")_base_" }
}
