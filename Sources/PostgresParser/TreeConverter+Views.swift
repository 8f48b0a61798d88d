import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  /// nil: another kind of statement.
  mutating func viewStatement(_ node: NodePointer) throws(SQLError) -> ViewStatementSyntax? {
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_VIEW_STMT: return .create(try createView(node.pointee.view_stmt.pointee))
    case PG_QUERY__NODE__NODE_RENAME_STMT: return try renameView(node.pointee.rename_stmt.pointee)
    case PG_QUERY__NODE__NODE_DROP_STMT
    where node.pointee.drop_stmt.pointee.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
      let drop = node.pointee.drop_stmt.pointee
      var names: [RelationNameSyntax] = []
      for name in nodes(drop.objects, drop.n_objects) {
        guard name.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
        names.append(try relation(strings(name.pointee.list.pointee.items, name.pointee.list.pointee.n_items)))
      }
      return .drop(
        names: names, ifExists: drop.missing_ok != 0,
        isCascade: drop.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT
    where node.pointee.create_table_as_stmt.pointee.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
      throw .unsupported("CREATE MATERIALIZED VIEW")
    default: return nil
    }
  }

  private mutating func createView(_ view: PgQuery__ViewStmt) throws(SQLError) -> CreateViewSyntax {
    switch string(view.view?.pointee.relpersistence) {
    case "t": throw .unsupported("CREATE TEMPORARY VIEW")
    case "u":
      throw SQLError(
        .syntaxError, "views cannot be unlogged because they do not have storage",
        position: position(view.view?.pointee.location ?? -1))
    default: break
    }
    if view.with_check_option != PG_QUERY__VIEW_CHECK_OPTION__NO_CHECK_OPTION {
      throw .unsupported("WITH CHECK OPTION")
    }
    for node in nodes(view.options, view.n_options) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_DEF_ELEM else { throw Self.malformed }
      switch string(node.pointee.def_elem.pointee.defname) {
      case "check_option": throw .unsupported("WITH CHECK OPTION")
      case let name: throw .unsupported("the view option \"\(name)\"")
      }
    }
    guard let query = view.query, query.pointee.node_case == PG_QUERY__NODE__NODE_SELECT_STMT else {
      throw Self.malformed
    }
    return CreateViewSyntax(
      name: try relation(view.view), isReplacing: view.replace != 0,
      columnNames: strings(view.aliases, view.n_aliases), query: try select(query.pointee.select_stmt))
  }

  private func renameView(_ rename: PgQuery__RenameStmt) throws(SQLError) -> ViewStatementSyntax? {
    switch (rename.rename_type, rename.relation_type) {
    case (PG_QUERY__OBJECT_TYPE__OBJECT_VIEW, _):
      return .rename(try relation(rename.relation), to: string(rename.newname), ifExists: rename.missing_ok != 0)
    case (PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN, PG_QUERY__OBJECT_TYPE__OBJECT_VIEW):
      return .renameColumn(
        try relation(rename.relation), string(rename.subname), to: string(rename.newname),
        ifExists: rename.missing_ok != 0)
    default: return nil
    }
  }

  /// What an `ALTER VIEW` would do.
  func viewAlteration(_ alter: PgQuery__AlterTableStmt) -> String {
    guard let node = nodes(alter.cmds, alter.n_cmds).first,
      node.pointee.node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD
    else { return "" }
    switch node.pointee.alter_table_cmd.pointee.subtype {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault: return "ALTER COLUMN ... SET DEFAULT"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions: return "SET (...)"
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions: return "RESET (...)"
    case let type: return Self.alterationName(type)
    }
  }
}
