import Basics
import CPgQuery
import SQLSyntax

extension TreeConverter {
  mutating func expressions(
    _ list: UnsafeMutablePointer<NodePointer?>?, _ count: Int
  ) throws(SQLError) -> [ExpressionSyntax] {
    var result: [ExpressionSyntax] = []
    for node in nodes(list, count) { result.append(try expression(node)) }
    return result
  }

  mutating func optionalExpression(_ node: NodePointer?) throws(SQLError) -> ExpressionSyntax? {
    guard let node else { return nil }
    return try expression(node)
  }

  mutating func expression(_ node: NodePointer?) throws(SQLError) -> ExpressionSyntax {
    guard let node else { throw Self.malformed }
    return try nested { (converter: inout TreeConverter) throws(SQLError) in try converter.convert(node) }
  }

  private mutating func convert(_ node: NodePointer) throws(SQLError) -> ExpressionSyntax {
    switch node.pointee.node_case {
    case PG_QUERY__NODE__NODE_A_CONST: return try constant(node.pointee.a_const.pointee)
    case PG_QUERY__NODE__NODE_COLUMN_REF: return try columnReference(node.pointee.column_ref.pointee)
    case PG_QUERY__NODE__NODE_PARAM_REF:
      let parameter = node.pointee.param_ref.pointee
      let place = position(parameter.location)
      guard (1...65535).contains(parameter.number) else {
        throw SQLError(.undefinedParameter, "there is no parameter $\(parameter.number)", position: place)
      }
      noteParameter(Int(parameter.number))
      return ExpressionSyntax(.parameter(Int(parameter.number)), at: place)
    case PG_QUERY__NODE__NODE_A_EXPR: return try operatorExpression(node.pointee.a_expr.pointee)
    case PG_QUERY__NODE__NODE_BOOL_EXPR: return try booleanExpression(node.pointee.bool_expr.pointee)
    case PG_QUERY__NODE__NODE_NULL_TEST:
      let test = node.pointee.null_test.pointee
      let operand = try expression(test.arg)
      return ExpressionSyntax(
        .isNull(operand, negated: test.nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL),
        at: position(test.location))
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST: return try booleanTest(node.pointee.boolean_test.pointee)
    case PG_QUERY__NODE__NODE_FUNC_CALL:
      let call = node.pointee.func_call.pointee
      return ExpressionSyntax(.function(try functionCall(call)), at: position(call.location))
    case PG_QUERY__NODE__NODE_TYPE_CAST: return try typeCast(node.pointee.type_cast.pointee)
    case PG_QUERY__NODE__NODE_CASE_EXPR: return try caseExpression(node.pointee.case_expr.pointee)
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
      let coalesce = node.pointee.coalesce_expr.pointee
      return ExpressionSyntax(
        .coalesce(try expressions(coalesce.args, coalesce.n_args)), at: position(coalesce.location))
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
      let extreme = node.pointee.min_max_expr.pointee
      let arguments = try expressions(extreme.args, extreme.n_args)
      return ExpressionSyntax(
        extreme.op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? .greatest(arguments) : .least(arguments),
        at: position(extreme.location))
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return try keywordFunction(node.pointee.sqlvalue_function.pointee)
    case PG_QUERY__NODE__NODE_SUB_LINK: return try subquery(node.pointee.sub_link.pointee)
    case PG_QUERY__NODE__NODE_ROW_EXPR:
      let row = node.pointee.row_expr.pointee
      return ExpressionSyntax(.row(try expressions(row.args, row.n_args)), at: position(row.location))
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
      let array = node.pointee.a_array_expr.pointee
      return ExpressionSyntax(.array(try expressions(array.elements, array.n_elements)), at: position(array.location))
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
      return ExpressionSyntax(.defaultValue, at: position(node.pointee.set_to_default.pointee.location))
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
      let clause = node.pointee.collate_clause.pointee
      try requireBytewiseCollation(strings(clause.collname, clause.n_collname), at: position(clause.location))
      return try expression(clause.arg)
    case PG_QUERY__NODE__NODE_A_INDIRECTION: return try subscripted(node.pointee.a_indirection.pointee)
    case PG_QUERY__NODE__NODE_GROUPING_SET: throw .unsupported("GROUPING SETS/ROLLUP/CUBE")
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: throw .unsupported("GROUPING")
    case PG_QUERY__NODE__NODE_XML_EXPR, PG_QUERY__NODE__NODE_XML_SERIALIZE: throw .unsupported("XML")
    case PG_QUERY__NODE__NODE_CURRENT_OF_EXPR: throw .unsupported("WHERE CURRENT OF")
    default: throw .unsupported("this expression (node \(node.pointee.node_case.rawValue))")
    }
  }

  /// Text is compared by its bytes: other collations would give other orders.
  func requireBytewiseCollation(_ name: [String], at place: Int?) throws(SQLError) {
    guard let last = name.last, ["C", "POSIX", "default", "ucs_basic"].contains(last) else {
      throw .unsupported("collation \"\(name.joined(separator: "."))\"", position: place)
    }
  }

  private func constant(_ constant: PgQuery__AConst) throws(SQLError) -> ExpressionSyntax {
    let place = position(constant.location)
    if constant.isnull != 0 { return ExpressionSyntax(.null, at: place) }
    switch constant.val_case {
    case PG_QUERY__A__CONST__VAL_IVAL: return ExpressionSyntax(.integer(constant.ival.pointee.ival), at: place)
    case PG_QUERY__A__CONST__VAL_FVAL: return ExpressionSyntax(.number(string(constant.fval.pointee.fval)), at: place)
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
      return ExpressionSyntax(.boolean(constant.boolval.pointee.boolval != 0), at: place)
    case PG_QUERY__A__CONST__VAL_SVAL: return ExpressionSyntax(.string(string(constant.sval.pointee.sval)), at: place)
    case PG_QUERY__A__CONST__VAL_BSVAL: throw .unsupported("the bit string type", position: place)
    default: throw Self.malformed
    }
  }

  private func columnReference(_ reference: PgQuery__ColumnRef) throws(SQLError) -> ExpressionSyntax {
    var names: [String] = []
    let place = position(reference.location)
    for field in nodes(reference.fields, reference.n_fields) {
      if field.pointee.node_case == PG_QUERY__NODE__NODE_A_STAR {
        if names.count == 3 {
          databases.note(names + ["*"], at: place)
          names.removeFirst()
        }
        return ExpressionSyntax(.star(qualifier: names), at: place)
      }
      guard let name = stringValue(field) else { throw Self.malformed }
      names.append(name)
    }
    if names.count == 4 {
      databases.note(names, at: place)
      names.removeFirst()
    }
    return ExpressionSyntax(.column(names), at: place)
  }

  private mutating func operatorExpression(_ expression: PgQuery__AExpr) throws(SQLError) -> ExpressionSyntax {
    let place = position(expression.location)
    let names = strings(expression.name, expression.n_name)
    guard let name = names.last else { throw Self.malformed }
    if names.count > 1, names[0] != "pg_catalog" {
      throw .unsupported("an operator of schema \(names[0])", position: place)
    }
    func make(_ kind: ExpressionKind) -> ExpressionSyntax { ExpressionSyntax(kind, at: place) }
    switch expression.kind {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
      let right = try self.expression(expression.rexpr)
      guard expression.lexpr != nil else {
        if name == "-", case .integer(let value) = right.kind, value > 0 { return make(.integer(-value)) }
        if name == "-", case .number(let digits) = right.kind, !digits.hasPrefix("-") {
          return make(.number("-" + digits))
        }
        return make(.unary(operator: name, right))
      }
      return make(.binary(operator: name, try self.expression(expression.lexpr), right))
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY, PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
      let quantifier: Quantifier = expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY ? .any : .all
      let left = try self.expression(expression.lexpr)
      return make(
        .quantifiedArray(left, operator: name, quantifier, array: try self.expression(expression.rexpr)))
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT, PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
      let left = try self.expression(expression.lexpr)
      return make(
        .isDistinct(
          left, try self.expression(expression.rexpr),
          negated: expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT))
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
      let left = try self.expression(expression.lexpr)
      return make(.nullIf(left, try self.expression(expression.rexpr)))
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
      let left = try self.expression(expression.lexpr)
      return make(.inList(left, try list(expression.rexpr), negated: name == "<>"))
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE, PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
      return make(try like(expression, operator: name))
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
      // The grammar has put the pattern into a call that makes a regular expression of it.
      let left = try self.expression(expression.lexpr)
      return make(.binary(operator: name, left, try self.expression(expression.rexpr)))
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN, PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN,
      PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM, PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
      let operand = try self.expression(expression.lexpr)
      let bounds = try list(expression.rexpr)
      guard bounds.count == 2 else { throw Self.malformed }
      return make(
        .between(
          operand, low: bounds[0], high: bounds[1],
          negated: expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN
            || expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM,
          symmetric: expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM
            || expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM))
    default: throw Self.malformed
    }
  }

  private mutating func list(_ node: NodePointer?) throws(SQLError) -> [ExpressionSyntax] {
    guard let node, node.pointee.node_case == PG_QUERY__NODE__NODE_LIST else { throw Self.malformed }
    return try expressions(node.pointee.list.pointee.items, node.pointee.list.pointee.n_items)
  }

  private mutating func like(_ expression: PgQuery__AExpr, operator name: String) throws(SQLError) -> ExpressionKind {
    let left = try self.expression(expression.lexpr)
    var pattern = try self.expression(expression.rexpr)
    var escape: ExpressionSyntax?
    if case .function(let call) = pattern.kind, call.name == ["pg_catalog", "like_escape"], call.arguments.count == 2 {
      pattern = call.arguments[0]
      escape = call.arguments[1]
    }
    return .like(
      left, pattern: pattern, escape: escape,
      ignoringCase: expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE, negated: name.hasPrefix("!"))
  }

  private mutating func booleanExpression(_ expression: PgQuery__BoolExpr) throws(SQLError) -> ExpressionSyntax {
    let operands = try expressions(expression.args, expression.n_args)
    let place = position(expression.location)
    switch expression.boolop {
    case PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR: return ExpressionSyntax(.and(operands), at: place)
    case PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR: return ExpressionSyntax(.or(operands), at: place)
    default:
      guard operands.count == 1 else { throw Self.malformed }
      return ExpressionSyntax(.not(operands[0]), at: place)
    }
  }

  private mutating func booleanTest(_ test: PgQuery__BooleanTest) throws(SQLError) -> ExpressionSyntax {
    let operand = try expression(test.arg)
    let kind: ExpressionKind =
      switch test.booltesttype {
      case PG_QUERY__BOOL_TEST_TYPE__IS_TRUE: .isTruth(operand, .true, negated: false)
      case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE: .isTruth(operand, .true, negated: true)
      case PG_QUERY__BOOL_TEST_TYPE__IS_FALSE: .isTruth(operand, .false, negated: false)
      case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE: .isTruth(operand, .false, negated: true)
      case PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN: .isTruth(operand, .unknown, negated: false)
      default: .isTruth(operand, .unknown, negated: true)
      }
    return ExpressionSyntax(kind, at: position(test.location))
  }

  mutating func functionCall(_ call: PgQuery__FuncCall) throws(SQLError) -> FunctionCallSyntax {
    let place = position(call.location)
    if call.over != nil { throw .unsupported("a window function", position: place) }
    if call.agg_within_group != 0 { throw .unsupported("WITHIN GROUP", position: place) }
    if call.func_variadic != 0 { throw .unsupported("VARIADIC", position: place) }
    return FunctionCallSyntax(
      name: strings(call.funcname, call.n_funcname), arguments: try expressions(call.args, call.n_args),
      isStar: call.agg_star != 0, isDistinct: call.agg_distinct != 0, filter: try optionalExpression(call.agg_filter),
      order: try sortKeys(call.agg_order, call.n_agg_order))
  }

  /// `array[index]`.
  private mutating func subscripted(_ indirection: PgQuery__AIndirection) throws(SQLError) -> ExpressionSyntax {
    var result = try expression(indirection.arg)
    for node in nodes(indirection.indirection, indirection.n_indirection) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_A_INDICES else {
        throw .unsupported("field selection", position: result.position)
      }
      let indices = node.pointee.a_indices.pointee
      if indices.is_slice != 0 { throw .unsupported("array slices", position: result.position) }
      result = ExpressionSyntax(
        .element(result, index: try expression(indices.uidx)), at: result.position)
    }
    return result
  }

  private mutating func typeCast(_ cast: PgQuery__TypeCast) throws(SQLError) -> ExpressionSyntax {
    let operand = try expression(cast.arg)
    let type = try typeName(cast.type_name)
    let place = position(cast.location) ?? operand.position
    // The grammar writes TRUE and FALSE as casts.
    if case .boolean = operand.kind, type.names == ["pg_catalog", "bool"] { return operand }
    return ExpressionSyntax(.cast(operand, type), at: place)
  }

  private mutating func caseExpression(_ expression: PgQuery__CaseExpr) throws(SQLError) -> ExpressionSyntax {
    let operand = try optionalExpression(expression.arg)
    var branches: [CaseBranch] = []
    for node in nodes(expression.args, expression.n_args) {
      guard node.pointee.node_case == PG_QUERY__NODE__NODE_CASE_WHEN else { throw Self.malformed }
      let when = node.pointee.case_when.pointee
      let condition = try self.expression(when.expr)
      branches.append(CaseBranch(condition: condition, result: try self.expression(when.result)))
    }
    return ExpressionSyntax(
      .case(operand: operand, branches: branches, otherwise: try optionalExpression(expression.defresult)),
      at: position(expression.location))
  }

  private func keywordFunction(_ function: PgQuery__SQLValueFunction) throws(SQLError) -> ExpressionSyntax {
    let place = position(function.location)
    let keyword: KeywordFunction
    switch function.op {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE: keyword = .currentDate
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP,
      PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
      keyword = .currentTimestamp
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
      keyword = .localTimestamp
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER, PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER,
      PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
      keyword = .currentUser
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER: keyword = .sessionUser
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG: keyword = .currentCatalog
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA: keyword = .currentSchema
    default: throw .unsupported("type time", position: place)
    }
    return ExpressionSyntax(.keywordFunction(keyword), at: place)
  }

  private mutating func subquery(_ link: PgQuery__SubLink) throws(SQLError) -> ExpressionSyntax {
    let place = position(link.location)
    guard let node = link.subselect, node.pointee.node_case == PG_QUERY__NODE__NODE_SELECT_STMT else {
      throw Self.malformed
    }
    let query = try select(node.pointee.select_stmt)
    let kind: ExpressionKind
    switch link.sub_link_type {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: kind = .exists(query)
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: kind = .scalarSubquery(query)
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK, PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
      let quantifier: Quantifier = link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK ? .any : .all
      let operand = try expression(link.testexpr)
      kind = .quantifiedSubquery(
        operand, operator: strings(link.oper_name, link.n_oper_name).last ?? "=", quantifier, query)
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: kind = .arraySubquery(query)
    default: throw .unsupported("this kind of subquery", position: place)
    }
    return ExpressionSyntax(kind, at: place)
  }
}
