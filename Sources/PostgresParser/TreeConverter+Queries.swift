import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  mutating func select(_ pointer: UnsafeMutablePointer<PgQuery__SelectStmt>?) throws(SQLError) -> SelectStatement {
    guard let pointer else { throw Self.malformed }
    return try nested { (converter: inout TreeConverter) throws(SQLError) in try converter.convert(pointer.pointee) }
  }

  private mutating func convert(_ select: PgQuery__SelectStmt) throws(SQLError) -> SelectStatement {
    if select.into_clause != nil { throw SQLError(.syntaxError, "SELECT ... INTO is not allowed here") }
    if select.n_window_clause > 0 { throw .unsupported("WINDOW") }
    if select.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES { throw .unsupported("WITH TIES") }
    let expressions = try commonTableExpressions(select.with_clause)
    let body = try self.body(select)
    var result = SelectStatement(body: body, commonTableExpressions: expressions)
    result.orderBy = try sortKeys(select.sort_clause, select.n_sort_clause)
    result.limit = try optionalExpression(select.limit_count)
    result.offset = try optionalExpression(select.limit_offset)
    result.locking = try locking(select)
    return result
  }

  private mutating func body(_ select: PgQuery__SelectStmt) throws(SQLError) -> SelectBody {
    switch select.op {
    case PG_QUERY__SET_OPERATION__SETOP_UNION:
      let left = try self.select(select.larg)
      return .union(left, try self.select(select.rarg), all: select.all != 0)
    case PG_QUERY__SET_OPERATION__SETOP_INTERSECT: throw .unsupported("INTERSECT")
    case PG_QUERY__SET_OPERATION__SETOP_EXCEPT: throw .unsupported("EXCEPT")
    default: break
    }
    if select.n_values_lists > 0 {
      var rows: [[ExpressionSyntax]] = []
      for node in nodes(select.values_lists, select.n_values_lists) {
        guard node.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
        rows.append(try self.expressions(node.pointee.list.pointee.items, node.pointee.list.pointee.n_items))
      }
      return .values(rows)
    }
    let distinct = nodes(select.distinct_clause, select.n_distinct_clause)
    if distinct.contains(where: { $0.pointee.node_case != PG_QUERY__NODE__NODE__NOT_SET }) {
      throw .unsupported("SELECT DISTINCT ON")
    }
    var core = SelectCore(
      isDistinct: select.n_distinct_clause > 0, targets: try targets(select.target_list, select.n_target_list))
    for node in nodes(select.from_clause, select.n_from_clause) { core.from.append(try tableReference(node)) }
    core.filter = try optionalExpression(select.where_clause)
    core.groupBy = try self.expressions(select.group_clause, select.n_group_clause)
    core.having = try optionalExpression(select.having_clause)
    return .select(core)
  }

  private mutating func commonTableExpressions(
    _ clause: UnsafeMutablePointer<PgQuery__WithClause>?
  ) throws(SQLError) -> [CommonTableExpression] {
    guard let clause = clause?.pointee else { return [] }
    var result: [CommonTableExpression] = []
    for node in nodes(clause.ctes, clause.n_ctes) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR else { throw Self.malformed }
      let expression = node.pointee.common_table_expr.pointee
      let place = position(expression.location)
      guard let query = expression.ctequery, query.pointee.node_case == PG_QUERY__NODE__NODE_SELECT_STMT else {
        throw .unsupported("INSERT, UPDATE or DELETE in WITH", position: place)
      }
      var converted = CommonTableExpression(
        name: string(expression.ctename), columnNames: strings(expression.aliascolnames, expression.n_aliascolnames),
        query: try select(query.pointee.select_stmt), at: place)
      converted.isRecursive = clause.recursive != 0
      result.append(converted)
    }
    return result
  }

  mutating func targets(
    _ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int
  ) throws(SQLError) -> [SelectTarget] {
    guard count <= ParserLimits.maximumTargetEntries else {
      throw SQLError(
        .tooManyColumns, "target lists can have at most \(ParserLimits.maximumTargetEntries) entries")
    }
    var result: [SelectTarget] = []
    for node in nodes(list, count) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_RES_TARGET else { throw Self.malformed }
      let target = node.pointee.res_target.pointee
      result.append(SelectTarget(try expression(target.val), alias: optionalString(target.name)))
    }
    return result
  }

  mutating func sortKeys(
    _ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int
  ) throws(SQLError) -> [SortKeySyntax] {
    var result: [SortKeySyntax] = []
    for node in nodes(list, count) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_SORT_BY else { throw Self.malformed }
      let sort = node.pointee.sort_by.pointee
      if sort.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING { throw .unsupported("ORDER BY … USING") }
      let nullsFirst: Bool? =
        switch sort.sortby_nulls {
        case PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST: true
        case PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST: false
        default: nil
        }
      result.append(
        SortKeySyntax(
          try expression(sort.node), isDescending: sort.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC,
          nullsFirst: nullsFirst))
    }
    return result
  }

  private func locking(_ select: PgQuery__SelectStmt) throws(SQLError) -> RowLocking? {
    let clauses = nodes(select.locking_clause, select.n_locking_clause)
    guard let node = clauses.first else { return nil }
    guard clauses.count == 1, node.pointee.node_case == PG_QUERY__NODE__NODE_LOCKING_CLAUSE else {
      throw .unsupported("more than one FOR UPDATE clause")
    }
    let clause = node.pointee.locking_clause.pointee
    let isUpdate =
      clause.strength == PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORUPDATE
      || clause.strength == PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORNOKEYUPDATE
    let waiting: RowLocking.Waiting =
      switch clause.wait_policy {
      case PG_QUERY__LOCK_WAIT_POLICY__LockWaitSkip: .skipLocked
      case PG_QUERY__LOCK_WAIT_POLICY__LockWaitError: .noWait
      default: .block
      }
    var relations: [String] = []
    for relation in nodes(clause.locked_rels, clause.n_locked_rels)
    where relation.pointee.node_case == PG_QUERY__NODE__NODE_RANGE_VAR {
      relations.append(string(relation.pointee.range_var.pointee.relname))
    }
    return RowLocking(strength: isUpdate ? .update : .share, waiting: waiting, relations: relations)
  }

  private mutating func tableReference(_ node: NodePointer) throws(SQLError) -> TableReference {
    try nested { (converter: inout TreeConverter) throws(SQLError) in try converter.convertTableReference(node) }
  }

  private mutating func convertTableReference(_ node: NodePointer) throws(SQLError) -> TableReference {
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
      return .table(try relation(node.pointee.range_var), alias: alias(node.pointee.range_var.pointee.alias))
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
      let range = node.pointee.range_subselect.pointee
      guard let query = range.subquery, query.pointee.node_case == PG_QUERY__NODE__NODE_SELECT_STMT else {
        throw Self.malformed
      }
      return .subquery(try select(query.pointee.select_stmt), alias: alias(range.alias), isLateral: range.lateral != 0)
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION: return try rangeFunction(node.pointee.range_function.pointee)
    case PG_QUERY__NODE__NODE_JOIN_EXPR: return .join(try join(node.pointee.join_expr.pointee))
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE: throw .unsupported("TABLESAMPLE")
    default: throw .unsupported("this item in FROM (node \(node.pointee.node_case.rawValue))")
    }
  }

  private mutating func rangeFunction(_ range: PgQuery__RangeFunction) throws(SQLError) -> TableReference {
    if range.is_rowsfrom != 0 { throw .unsupported("ROWS FROM") }
    if range.n_coldeflist > 0 { throw .unsupported("a column definition list in FROM") }
    // Each function is a list of the call and its column definitions.
    guard let item = nodes(range.functions, range.n_functions).first,
      item.pointee.node_case == PG_QUERY__NODE__NODE_LIST,
      let call = nodes(item.pointee.list.pointee.items, item.pointee.list.pointee.n_items).first
    else { throw Self.malformed }
    guard call.pointee.node_case == PG_QUERY__NODE__NODE_FUNC_CALL else {
      throw .unsupported("this expression in FROM")
    }
    let function = call.pointee.func_call.pointee
    var syntax = try functionCall(function)
    syntax.hasOrdinality = range.ordinality != 0
    return .function(syntax, alias: alias(range.alias), position: position(function.location))
  }

  private mutating func join(_ join: PgQuery__JoinExpr) throws(SQLError) -> JoinSyntax {
    guard let left = join.larg, let right = join.rarg else { throw Self.malformed }
    if join.alias != nil || join.join_using_alias != nil { throw .unsupported("an alias of a join") }
    let kind: JoinSyntax.Kind =
      switch join.jointype {
      case PG_QUERY__JOIN_TYPE__JOIN_LEFT: .left
      case PG_QUERY__JOIN_TYPE__JOIN_RIGHT: .right
      case PG_QUERY__JOIN_TYPE__JOIN_FULL: .full
      default: .inner
      }
    let condition: JoinSyntax.Condition
    if join.is_natural != 0 {
      condition = .natural
    } else if join.n_using_clause > 0 {
      condition = .using(strings(join.using_clause, join.n_using_clause))
    } else if let quals = join.quals {
      condition = .on(try expression(quals))
    } else {
      condition = .cross
    }
    let leftReference = try tableReference(left)
    return JoinSyntax(kind: kind, left: leftReference, right: try tableReference(right), condition: condition)
  }

  // MARK: Changing rows

  mutating func insert(_ insert: PgQuery__InsertStmt) throws(SQLError) -> InsertStatement {
    let overriding: Overriding? =
      switch insert.override {
      case PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE: .userValue
      case PG_QUERY__OVERRIDING_KIND__OVERRIDING_SYSTEM_VALUE: .systemValue
      default: nil
      }
    var columns: [InsertColumn] = []
    for node in nodes(insert.cols, insert.n_cols) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_RES_TARGET else { throw Self.malformed }
      let target = node.pointee.res_target.pointee
      if target.n_indirection > 0 {
        throw .unsupported("subscripting or field selection", position: position(target.location))
      }
      columns.append(InsertColumn(string(target.name), at: position(target.location)))
    }
    var source = InsertStatement.Source.defaultValues
    if let node = insert.select_stmt {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_SELECT_STMT else { throw Self.malformed }
      var query = try select(node.pointee.select_stmt)
      query.commonTableExpressions =
        try commonTableExpressions(insert.with_clause) + query.commonTableExpressions
      source = .query(query)
    }
    return InsertStatement(
      table: try relation(insert.relation), alias: alias(insert.relation.pointee.alias)?.name, columns: columns,
      source: source, overriding: overriding, conflict: try conflict(insert.on_conflict_clause),
      returning: try targets(insert.returning_list, insert.n_returning_list))
  }

  private mutating func conflict(
    _ clause: UnsafeMutablePointer<PgQuery__OnConflictClause>?
  ) throws(SQLError) -> ConflictAction? {
    guard let clause = clause?.pointee else { return nil }
    let place = position(clause.location)
    guard clause.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING else {
      throw .unsupported("ON CONFLICT DO UPDATE", position: place)
    }
    guard let infer = clause.infer?.pointee else { return ConflictAction(target: .anyUnique, at: place) }
    if let name = optionalString(infer.conname) {
      return ConflictAction(target: .constraint(name), at: position(infer.location))
    }
    var columns: [String] = []
    for node in nodes(infer.index_elems, infer.n_index_elems) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_INDEX_ELEM,
        let name = optionalString(node.pointee.index_elem.pointee.name)
      else { throw .unsupported("ON CONFLICT on an expression", position: place) }
      columns.append(name)
    }
    return ConflictAction(
      target: .columns(columns), predicate: infer.where_clause == nil ? nil : try expression(infer.where_clause),
      at: position(infer.location))
  }

  mutating func update(_ update: PgQuery__UpdateStmt) throws(SQLError) -> UpdateStatement {
    if update.n_from_clause > 0 { throw .unsupported("UPDATE … FROM") }
    if update.with_clause != nil { throw .unsupported("WITH in UPDATE") }
    var assignments: [Assignment] = []
    for node in nodes(update.target_list, update.n_target_list) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_RES_TARGET else { throw Self.malformed }
      let target = node.pointee.res_target.pointee
      let place = position(target.location)
      if target.n_indirection > 0 { throw .unsupported("subscripting or field selection", position: place) }
      if let value = target.val, value.pointee.node_case == PG_QUERY__NODE__NODE_MULTI_ASSIGN_REF {
        assignments.append(
          Assignment(
            column: string(target.name), value: try multipleAssignment(value.pointee.multi_assign_ref.pointee),
            at: place))
        continue
      }
      assignments.append(Assignment(column: string(target.name), value: try expression(target.val), at: place))
    }
    return UpdateStatement(
      table: try relation(update.relation), alias: alias(update.relation.pointee.alias)?.name,
      assignments: assignments, filter: try optionalExpression(update.where_clause),
      returning: try targets(update.returning_list, update.n_returning_list))
  }

  /// `(a, b) = (x, y)` comes once per column with the whole row.
  private mutating func multipleAssignment(_ reference: PgQuery__MultiAssignRef) throws(SQLError) -> ExpressionSyntax {
    guard let source = reference.source, source.pointee.node_case == PG_QUERY__NODE__NODE_ROW_EXPR else {
      throw .unsupported("assignment of a subquery to several columns")
    }
    let row = source.pointee.row_expr.pointee
    let items = nodes(row.args, row.n_args)
    guard items.count == Int(reference.ncolumns), reference.colno >= 1, Int(reference.colno) <= items.count else {
      throw SQLError(
        .syntaxError, "number of columns does not match number of values", position: position(row.location))
    }
    return try expression(items[Int(reference.colno) - 1])
  }

  mutating func delete(_ delete: PgQuery__DeleteStmt) throws(SQLError) -> DeleteStatement {
    if delete.n_using_clause > 0 { throw .unsupported("DELETE … USING") }
    if delete.with_clause != nil { throw .unsupported("WITH in DELETE") }
    return DeleteStatement(
      table: try relation(delete.relation), alias: alias(delete.relation.pointee.alias)?.name,
      filter: try optionalExpression(delete.where_clause),
      returning: try targets(delete.returning_list, delete.n_returning_list))
  }
}
