import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues
import SchemaChange

/// `CREATE TABLE … AS`: a table with the columns of a query, and the query's rows in it, of one transaction.
public struct CreateTableAsPlan: Hashable, Sendable {
  public var create: CreateTable
  /// Yields a value for each column, of its type.
  public var query: QueryPlan
  /// Not (`WITH NO DATA`): the query is not run.
  public var hasData: Bool

  public init(create: CreateTable, query: QueryPlan, hasData: Bool) {
    self.create = create
    self.query = query
    self.hasData = hasData
  }

  /// What writes the rows, once there is the table.
  public func insertion(into table: TableDescriptor) -> InsertPlan {
    InsertPlan(
      table: table, columns: table.publicColumns.map(\.id), source: query, conflict: .fail, returning: nil)
  }
}

/// Plans `CREATE TABLE … AS`.
struct CreateTableAsPlanner {
  let binder: StatementBinder

  func plan(_ statement: CreateTableAsStatement) throws(SQLError) -> CreateTableAsPlan {
    let name = try SchemaStatementPlanner(binder: binder).newName(statement.table)
    let query = try binder.plan(statement.query, frame: nil, commonTables: [:])
    guard statement.columnNames.count <= query.columns.count else {
      throw SQLError(.syntaxError, "too many column names were specified")
    }
    var columns: [ColumnDefinition] = []
    for (position, column) in query.columns.enumerated() {
      let columnName = position < statement.columnNames.count ? statement.columnNames[position] : column.name
      guard !columns.contains(where: { $0.name == columnName }) else {
        throw SQLError(.duplicateColumn, "column \"\(columnName)\" specified more than once")
      }
      if column.type == .void || column.type == .unknown {
        throw SQLError(
          .invalidTableDefinition, "column \"\(columnName)\" has pseudo-type \(column.type.baseName)")
      }
      if case .system = column.type {
        throw .unsupported("column \"\(columnName)\" of type \(column.type.baseName) in a table")
      }
      columns.append(ColumnDefinition(name: columnName, type: column.type))
    }
    let create = CreateTable(name: name, ifNotExists: statement.ifNotExists, columns: columns, primaryKey: [])
    return CreateTableAsPlan(create: create, query: query.plan, hasData: statement.hasData)
  }
}
