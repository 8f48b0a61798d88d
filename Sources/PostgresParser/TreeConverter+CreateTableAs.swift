import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  mutating func createTableAs(_ create: PgQuery__CreateTableAsStmt) throws(SQLError) -> CreateTableAsStatement {
    if create.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW { throw .unsupported("CREATE MATERIALIZED VIEW") }
    guard let into = create.into?.pointee, let query = create.query else { throw Self.malformed }
    guard query.pointee.node_case == PG_QUERY__NODE__NODE_SELECT_STMT else {
      throw .unsupported("CREATE TABLE AS EXECUTE")
    }
    if Self.takeInto(query.pointee.select_stmt) != nil {
      throw SQLError(.syntaxError, "SELECT ... INTO is not allowed here")
    }
    var statement = try createTable(into, as: query.pointee.select_stmt)
    statement.ifNotExists = create.if_not_exists != 0
    return statement
  }

  mutating func createTable(
    _ into: PgQuery__IntoClause, as query: UnsafeMutablePointer<PgQuery__SelectStmt>?
  ) throws(SQLError) -> CreateTableAsStatement {
    switch string(into.rel?.pointee.relpersistence) {
    case "t": throw .unsupported("CREATE TEMPORARY TABLE")
    case "u": throw .unsupported("CREATE UNLOGGED TABLE")
    default: break
    }
    switch into.on_commit {
    case PG_QUERY__ON_COMMIT_ACTION__ON_COMMIT_ACTION_UNDEFINED, PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_NOOP: break
    default:
      throw SQLError(.invalidTableDefinition, "ON COMMIT can only be used on temporary tables")
    }
    if optionalString(into.table_space_name) != nil { throw .unsupported("TABLESPACE") }
    if let method = optionalString(into.access_method), method != "heap" {
      throw .unsupported("table access method \"\(method)\"")
    }
    try requireKnownStorage(into.options, into.n_options)
    return CreateTableAsStatement(
      table: try relation(into.rel), columnNames: strings(into.col_names, into.n_col_names),
      query: try select(query), hasData: into.skip_data == 0)
  }

  /// The `INTO` of a query, which PostgreSQL's grammar leaves at the first of those that `UNION` puts together. The tree is
  /// without it from then on.
  static func takeInto(_ query: UnsafeMutablePointer<PgQuery__SelectStmt>?) -> PgQuery__IntoClause? {
    var first = query
    while let left = first?.pointee.larg { first = left }
    guard let into = first?.pointee.into_clause else { return nil }
    first?.pointee.into_clause = nil
    return into.pointee
  }
}
