import Basics
import SQLExpressions
import SQLSyntax
import SQLValues

extension StatementBinder {
  /// The expression in terms of the scope's columns, typed. Its type may be `unknown`.
  func bind(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    try located(syntax.position) { () throws(SQLError) in try bindUnlocated(syntax, in: scope) }
  }

  /// A whole expression with a type and with constants folded.
  func bindSettled(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    let bound = try bind(syntax, in: scope)
    return try located(syntax.position) { () throws(SQLError) in try builder.settled(bound).simplified }
  }

  func bindAll(_ list: [ExpressionSyntax], in scope: QueryScope) throws(SQLError) -> [Expression] {
    var result: [Expression] = []
    result.reserveCapacity(list.count)
    for syntax in list { result.append(try bind(syntax, in: scope)) }
    return result
  }

  /// A condition: boolean.
  func bindCondition(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    let bound = try bind(syntax, in: scope)
    let name = scope.clause == .join ? "JOIN/ON" : scope.clause.rawValue
    return try located(syntax.position) { () throws(SQLError) in try builder.condition(bound, of: name).simplified }
  }

  /// Only leads on: a frame of this recursion must stay small, so each group of forms has a function of its own.
  private func bindUnlocated(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    switch syntax.kind {
    case .null, .boolean, .integer, .number, .string, .parameter, .column, .star, .keywordFunction, .row, .defaultValue:
      return try bindLeaf(syntax, in: scope)
    case .unary, .binary, .and, .or, .not:
      return try bindOperator(syntax, in: scope)
    case .isNull, .isTruth, .isDistinct, .between, .inList, .like, .quantifiedArray:
      return try bindTest(syntax, in: scope)
    case .function, .cast, .case, .coalesce, .greatest, .least, .nullIf, .array, .element:
      return try bindCall(syntax, in: scope)
    case .scalarSubquery, .exists, .quantifiedSubquery, .arraySubquery:
      return try bindSubquery(syntax, in: scope)
    }
  }

  private func bindLeaf(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    switch syntax.kind {
    case .null: return .null
    case .boolean(let value): return .constant(.boolean(value), .boolean)
    case .integer(let value): return .constant(.integer(Int64(value)), .int4)
    case .number(let digits): return try number(digits)
    case .string(let text): return .constant(.text(text), .unknown)
    case .parameter(let number): return try builder.parameter(number)
    case .column(let names): return try column(names, at: syntax.position, in: scope)
    case .star:
      throw SQLError(.syntaxError, "syntax error at or near \"*\"", position: syntax.position)
    case .keywordFunction(let keyword): return try builder.call(keyword.rawValue, [])
    case .row: throw .unsupported("a row value", position: syntax.position)
    case .defaultValue:
      throw SQLError(.syntaxError, "DEFAULT is not allowed in this context", position: syntax.position)
    default: throw .unsupported("this expression", position: syntax.position)
    }
  }

  private func bindOperator(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    switch syntax.kind {
    case .unary(let name, let operand): return try builder.unary(name, try bind(operand, in: scope))
    case .binary(let name, let left, let right):
      if case .row(let lefts) = left.kind, case .row(let rights) = right.kind {
        return try rowComparison(name, lefts, rights, in: scope)
      }
      let first = try bind(left, in: scope)
      return try builder.binary(name, first, try bind(right, in: scope))
    case .and(let list):
      var conditions: [Expression] = []
      for item in list { conditions.append(try booleanOperand(item, of: "AND", in: scope)) }
      return .and(conditions)
    case .or(let list):
      var conditions: [Expression] = []
      for item in list { conditions.append(try booleanOperand(item, of: "OR", in: scope)) }
      return .or(conditions)
    case .not(let operand): return .not(try booleanOperand(operand, of: "NOT", in: scope))
    default: throw .unsupported("this expression", position: syntax.position)
    }
  }

  private func bindTest(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    switch syntax.kind {
    case .isNull(let operand, let negated):
      let test = Expression.isNull(try builder.settled(try bind(operand, in: scope)))
      return negated ? .not(test) : test
    case .isTruth(let operand, let value, let negated):
      let name = "IS \(negated ? "NOT " : "")\(value)".uppercased()
      return .isTruth(try booleanOperand(operand, of: name, in: scope), Self.truthTest(value, negated))
    case .isDistinct(let left, let right, let negated):
      let first = try bind(left, in: scope)
      let test = try builder.isDistinct(first, try bind(right, in: scope))
      return negated ? .not(test) : test
    case .between(let operand, let low, let high, let negated, let symmetric):
      return try between(operand, low, high, negated: negated, symmetric: symmetric, in: scope)
    case .inList(let operand, let list, let negated):
      let test: Expression
      if case .row(let fields) = operand.kind {
        var alternatives: [Expression] = []
        for item in list {
          guard case .row(let values) = item.kind else {
            throw .unsupported("this row comparison", position: item.position)
          }
          alternatives.append(try rowComparison("=", fields, values, in: scope))
        }
        test = .or(alternatives)
      } else {
        let first = try bind(operand, in: scope)
        test = try builder.inList(first, try bindAll(list, in: scope))
      }
      return negated ? .not(test) : test
    case .like(let operand, let pattern, let escape, let ignoringCase, let negated):
      let first = try bind(operand, in: scope)
      var second = try bind(pattern, in: scope)
      if let escape { second = try builder.call("like_escape", [second, try bind(escape, in: scope)]) }
      return try builder.binary((negated ? "!" : "") + (ignoringCase ? "~~*" : "~~"), first, second)
    case .quantifiedArray(let operand, let name, let quantifier, let array):
      return try quantifiedArray(operand, name, quantifier, array, in: scope)
    default: throw .unsupported("this expression", position: syntax.position)
    }
  }

  private func bindCall(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    switch syntax.kind {
    case .function(let call): return try function(call, at: syntax.position, in: scope)
    case .cast(let operand, let typeName):
      return try cast(operand, to: typeName, in: scope)
    case .array(let elements): return try builder.array(try bindAll(elements, in: scope))
    case .element(let array, let index):
      let bound = try bind(array, in: scope)
      return try builder.element(of: bound, at: try bind(index, in: scope))
    case .case(let operand, let branches, let otherwise):
      return try conditional(operand, branches, otherwise, in: scope)
    case .coalesce(let list): return try builder.coalesce(try bindAll(list, in: scope))
    case .greatest(let list): return try builder.greatest(try bindAll(list, in: scope))
    case .least(let list): return try builder.least(try bindAll(list, in: scope))
    case .nullIf(let left, let right):
      let first = try bind(left, in: scope)
      return try builder.nullIf(first, try bind(right, in: scope))
    default: throw .unsupported("this expression", position: syntax.position)
    }
  }

  private func bindSubquery(_ syntax: ExpressionSyntax, in scope: QueryScope) throws(SQLError) -> Expression {
    switch syntax.kind {
    case .scalarSubquery(let query): return try scalarSubquery(query, at: syntax.position, in: scope)
    case .exists(let query): return try existsSubquery(query, in: scope)
    case .arraySubquery(let query): return try arraySubquery(query, at: syntax.position, in: scope)
    case .quantifiedSubquery(let operand, let name, let quantifier, let query):
      return try quantifiedSubquery(operand, name, quantifier, query, at: syntax.position, in: scope)
    default: throw .unsupported("this expression", position: syntax.position)
    }
  }

  // MARK: Leaves

  /// The smallest of int4, int8 and numeric that holds it.
  private func number(_ digits: String) throws(SQLError) -> Expression {
    if let value = Int64(digits) {
      return .constant(.integer(value), Int32(exactly: value) != nil ? .int4 : .int8)
    }
    let type = SQLType.numeric(precision: nil, scale: nil)
    return .constant(try Datum.text(digits).cast(from: .unknown, to: type, isExplicit: true), type)
  }

  private func column(_ names: [String], at position: Int?, in scope: QueryScope) throws(SQLError) -> Expression {
    if let found = try scope.lookUp(names, at: position) {
      if let recorder, let position { recorder.columns[position] = scope.source(of: names) }
      return found
    }
    if names.count > 1 {
      let relation = names[names.count - 2]
      if !scope.knowsRelation(relation) {
        if let alias = scope.alias(ofTable: relation) {
          throw SQLError(
            .undefinedTable, "invalid reference to FROM-clause entry for table \"\(relation)\"",
            hint: "Perhaps you meant to reference the table alias \"\(alias)\".", position: position)
        }
        throw SQLError(.undefinedTable, "missing FROM-clause entry for table \"\(relation)\"", position: position)
      }
      throw SQLError(
        .undefinedColumn, "column \(names.suffix(2).joined(separator: ".")) does not exist", position: position)
    }
    if scope.clause == .defaultExpression {
      throw SQLError(.featureNotSupported, "cannot use column reference in DEFAULT expression", position: position)
    }
    throw SQLError(.undefinedColumn, "column \"\(names.last ?? "")\" does not exist", position: position)
  }

  private func booleanOperand(
    _ syntax: ExpressionSyntax, of name: String, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    let bound = try bind(syntax, in: scope)
    return try located(syntax.position) { () throws(SQLError) in try builder.condition(bound, of: name) }
  }

  private static func truthTest(_ value: TruthValue, _ negated: Bool) -> TruthTest {
    switch (value, negated) {
    case (.true, false): .isTrue
    case (.true, true): .isNotTrue
    case (.false, false): .isFalse
    case (.false, true): .isNotFalse
    case (.unknown, false): .isUnknown
    case (.unknown, true): .isNotUnknown
    }
  }

  // MARK: Composite forms

  private func between(
    _ operand: ExpressionSyntax, _ low: ExpressionSyntax, _ high: ExpressionSyntax, negated: Bool, symmetric: Bool,
    in scope: QueryScope
  ) throws(SQLError) -> Expression {
    let value = try bind(operand, in: scope)
    let first = try bind(low, in: scope)
    let second = try bind(high, in: scope)
    var test = try builder.between(value, first, second)
    if symmetric { test = .or([test, try builder.between(value, second, first)]) }
    return negated ? .not(test) : test
  }

  /// Rows compare like words: by the first column that differs.
  private func rowComparison(
    _ name: String, _ lefts: [ExpressionSyntax], _ rights: [ExpressionSyntax], in scope: QueryScope
  ) throws(SQLError) -> Expression {
    guard lefts.count == rights.count, !lefts.isEmpty else {
      throw SQLError(.syntaxError, "unequal number of entries in row expressions")
    }
    guard let comparison = ComparisonOperator(name: name) else { throw .unsupported("operator \(name) of rows") }
    let left = try bindAll(lefts, in: scope)
    let right = try bindAll(rights, in: scope)
    var equals: [Expression] = []
    for (first, second) in zip(left, right) { equals.append(try builder.compare(.equal, first, second)) }
    switch comparison {
    case .equal: return .and(equals)
    case .notEqual: return .or(equals.map { .not($0) })
    default: break
    }
    let strict: ComparisonOperator =
      comparison == .less || comparison == .lessOrEqual ? .less : .greater
    var alternatives: [Expression] = []
    for position in left.indices {
      let last = position == left.count - 1
      let step = try builder.compare(last ? comparison : strict, left[position], right[position])
      alternatives.append(position == 0 ? step : .and(Array(equals[..<position]) + [step]))
    }
    // The first column alone bounds a range of index keys.
    let bound = try builder.compare(strict == .less ? .lessOrEqual : .greaterOrEqual, left[0], right[0])
    return left.count == 1 ? alternatives[0] : .and([bound, .or(alternatives)])
  }

  private func quantifiedArray(
    _ operand: ExpressionSyntax, _ name: String, _ quantifier: Quantifier, _ array: ExpressionSyntax,
    in scope: QueryScope
  ) throws(SQLError) -> Expression {
    var elements: [ExpressionSyntax]?
    switch array.kind {
    case .array(let list): elements = list
    case .cast(let inner, _):
      if case .array(let list) = inner.kind { elements = list }
      if case .string(let text) = inner.kind { elements = Self.arrayElements(text) }
    case .string(let text): elements = Self.arrayElements(text)
    default: break
    }
    let value = try bind(operand, in: scope)
    guard let elements else {
      let contains = try builder.contains(value, in: try bind(array, in: scope))
      switch (name, quantifier) {
      case ("=", .any): return contains
      case ("<>", .all): return .not(contains)
      default: throw .unsupported("operator \(name) with an array that is no list", position: array.position)
      }
    }
    let items = try bindAll(elements, in: scope)
    if name == "=", quantifier == .any { return try builder.inList(value, items) }
    if name == "<>", quantifier == .all { return .not(try builder.inList(value, items)) }
    var tests: [Expression] = []
    for item in items { tests.append(try builder.binary(name, value, item)) }
    if quantifier == .any { return tests.isEmpty ? .isFalse : .or(tests) }
    return tests.isEmpty ? .isTrue : .and(tests)
  }

  /// The elements of `{1,2,"a b"}`; nil for nested arrays.
  private static func arrayElements(_ text: String) -> [ExpressionSyntax]? {
    guard text.hasPrefix("{"), text.hasSuffix("}") else { return nil }
    var elements: [ExpressionSyntax] = []
    var current = ""
    var isQuoted = false
    var wasQuoted = false
    var isEscaped = false
    func finish() {
      if wasQuoted || current != "" {
        elements.append(ExpressionSyntax(!wasQuoted && current.uppercased() == "NULL" ? .null : .string(current)))
      }
      current = ""
      wasQuoted = false
    }
    for character in text.dropFirst().dropLast() {
      switch character {
      case _ where isEscaped:
        current.append(character)
        isEscaped = false
      case "\\": isEscaped = true
      case "\"":
        isQuoted.toggle()
        wasQuoted = true
      case "{", "}": if isQuoted { current.append(character) } else { return nil }
      case "," where !isQuoted: finish()
      case " " where !isQuoted: break
      default: current.append(character)
      }
    }
    finish()
    return elements
  }

  private func conditional(
    _ operand: ExpressionSyntax?, _ branches: [CaseBranch], _ otherwise: ExpressionSyntax?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    let subject = operand == nil ? nil : try bind(operand!, in: scope)
    var bound: [ConditionalBranch] = []
    for branch in branches {
      var condition = try bind(branch.condition, in: scope)
      if let subject {
        let right = condition
        condition = try located(branch.condition.position) { () throws(SQLError) in
          try builder.compare(.equal, subject, right)
        }
      }
      bound.append(ConditionalBranch(condition: condition, value: try bind(branch.result, in: scope)))
    }
    return try builder.conditional(bound, otherwise: otherwise == nil ? nil : try bind(otherwise!, in: scope))
  }

  // MARK: Functions

  private func function(
    _ call: FunctionCallSyntax, at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    let name = call.name.last ?? ""
    if call.name.count > 1, call.name[0] != "pg_catalog" {
      throw SQLError(
        .undefinedFunction, "function \(call.name.joined(separator: "."))() does not exist",
        hint: "No function matches the given name and argument types. You might need to add explicit type casts.")
    }
    if ExpressionBuilder.aggregateNames.contains(name) { return try aggregate(name, call, in: scope) }
    if call.isStar || call.isDistinct || call.filter != nil || !call.order.isEmpty {
      throw SQLError(
        SQLState("42809"), "\(name) is not an aggregate function", position: position)
    }
    switch (name, call.arguments.count) {
    case ("pg_advisory_unlock_all", 0): return .constant(.text(""), .void)
    case (_, _) where Self.setFunctions.contains(name):
      return try setFunction(name, try bindAll(call.arguments, in: scope), at: position, in: scope)
    case ("nextval", 1), ("currval", 1), ("setval", 2), ("setval", 3):
      return try sequenceFunction(name, call, at: position, in: scope)
    default:
      let arguments = try bindAll(call.arguments, in: scope)
      if let known = try catalogFunction(name, arguments) { return known }
      return try builder.call(name, arguments)
    }
  }

  private func setFunction(
    _ name: String, _ arguments: [Expression], at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    guard scope.clause == .target, !scope.isInAggregate else {
      throw SQLError(
        .featureNotSupported, "set-returning functions are not allowed in \(scope.clause.rawValue)", position: position)
    }
    guard let call = try setCall(name, arguments) else {
      throw .unsupported("\(name) of these types outside FROM", position: position)
    }
    scope.setCalls.append(call)
    return .column(QueryScope.setColumn(scope.setCalls.count - 1), call.function.type)
  }

  private func cast(
    _ operand: ExpressionSyntax, to name: TypeNameSyntax, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    if name.names.last == "regclass", case .string(let text) = operand.kind {
      return try relationNumber(text, at: operand.position)
    }
    let type = try expressionType(name)
    if case .array(let elements) = operand.kind, case .system(let array) = type, let element = array.elementType {
      var typed: [Expression] = []
      for item in elements { typed.append(try builder.cast(try bind(item, in: scope), to: element)) }
      return try typed.isEmpty ? .constant(.text("{}"), type) : builder.array(typed)
    }
    return try builder.cast(try bind(operand, in: scope), to: type)
  }

  private func aggregate(
    _ name: String, _ call: FunctionCallSyntax, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    if scope.isInAggregate {
      throw SQLError(.groupingError, "aggregate function calls cannot be nested")
    }
    guard scope.clause.allowsAggregates else {
      throw SQLError(.groupingError, "aggregate functions are not allowed in \(scope.clause.rawValue)")
    }
    scope.isInAggregate = true
    defer { scope.isInAggregate = false }
    let arguments = try bindAll(call.arguments, in: scope)
    let filter = call.filter == nil ? nil : try bind(call.filter!, in: scope)
    var bound = try builder.aggregate(
      name, arguments, isStar: call.isStar, isDistinct: call.isDistinct, filter: filter)
    for key in call.order {
      bound.order.append(
        AggregateOrder(
          try builder.settled(try bind(key.expression, in: scope)), isDescending: key.isDescending,
          nullsFirst: key.nullsFirst ?? key.isDescending))
      try ExpressionBuilder.requireOrder(of: bound.order[bound.order.count - 1].expression.type)
    }
    // The order of the rows means nothing to the others.
    if bound.function != .arrayAggregate, bound.function != .stringAggregate { bound.order = [] }
    bound = bound.mapExpressions(\.simplified)
    let index = scope.aggregates.firstIndex(of: bound) ?? scope.aggregates.count
    if index == scope.aggregates.count { scope.aggregates.append(bound) }
    return .column(QueryScope.aggregateColumn(index), bound.type)
  }

  // MARK: Subqueries

  /// Plans a subquery for expressions of `scope`; `references` are what it needs from there.
  private func subquery(
    _ query: SelectStatement, in scope: QueryScope
  ) throws(SQLError) -> (query: PlannedQuery, references: [OuterValue], isCorrelated: Bool) {
    guard subqueryDepth < PlannerLimits.maximumSubqueryDepth else {
      throw SQLError(.statementTooComplex, "subqueries are nested too deeply")
    }
    subqueryDepth += 1
    defer { subqueryDepth -= 1 }
    let frame = SubqueryFrame(outer: scope) { [unowned self] in allocateSlot() }
    let planned = try plan(query, frame: frame, commonTables: scope.commonTables)
    return (planned, frame.references, !frame.references.isEmpty || frame.readsOuterSlots)
  }

  private func oneColumn(_ planned: PlannedQuery, at position: Int?) throws(SQLError) {
    guard planned.columns.count == 1 else {
      throw SQLError(.syntaxError, "subquery must return only one column", position: position)
    }
  }

  private func scalarSubquery(
    _ query: SelectStatement, at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    let (planned, references, isCorrelated) = try subquery(query, in: scope)
    try oneColumn(planned, at: position)
    let type = planned.columns[0].type
    if !isCorrelated {
      let slot = allocateSlot()
      preliminaryQueries.append(PreliminaryQuery(slot: slot, plan: planned.plan, result: .scalar))
      return .parameter(slot, type)
    }
    return use(SubqueryUse(plan: planned.plan, result: .scalar, type: type, outerValues: references), in: scope)
  }

  /// `ARRAY(subquery)`: its one column, in its order.
  private func arraySubquery(
    _ query: SelectStatement, at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    let element = ExpressionSyntax(.column(["element"]))
    let gathered = SelectStatement(
      body: .select(
        SelectCore(
          targets: [
            SelectTarget(ExpressionSyntax(.function(FunctionCallSyntax(name: ["array_agg"], arguments: [element]))))
          ],
          from: [.subquery(query, alias: TableAlias(name: "elements", columnNames: ["element"]), isLateral: false)])))
    let array = try scalarSubquery(gathered, at: position, in: scope)
    return try builder.coalesce([array, .constant(.text("{}"), array.type)])
  }

  private func existsSubquery(_ query: SelectStatement, in scope: QueryScope) throws(SQLError) -> Expression {
    var query = query
    if query.limit == nil, query.offset == nil { query.limit = ExpressionSyntax(.integer(1)) }
    let (planned, references, isCorrelated) = try subquery(query, in: scope)
    if !isCorrelated {
      let slot = allocateSlot()
      preliminaryQueries.append(PreliminaryQuery(slot: slot, plan: planned.plan, result: .exists))
      return .parameter(slot, .boolean)
    }
    return use(SubqueryUse(plan: planned.plan, result: .exists, type: .boolean, outerValues: references), in: scope)
  }

  private func quantifiedSubquery(
    _ operand: ExpressionSyntax, _ name: String, _ quantifier: Quantifier, _ query: SelectStatement,
    at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    guard let comparison = ComparisonOperator(name: name) else {
      throw .unsupported("operator \(name) with a subquery", position: position)
    }
    if case .row = operand.kind { throw .unsupported("a row compared with a subquery", position: position) }
    let value = try bind(operand, in: scope)
    var (planned, references, _) = try subquery(query, in: scope)
    guard planned.columns.count == 1 else {
      throw SQLError(.syntaxError, "subquery has too many columns", position: position)
    }
    // Both sides in one type: the comparison says which.
    let probe = try builder.compare(comparison, value, .column(0, planned.columns[0].type))
    guard case .comparison(_, let left, let right) = probe else {
      throw .unsupported("this comparison", position: position)
    }
    if right != .column(0, planned.columns[0].type) { planned.plan = .project(planned.plan, [right]) }
    let result: ApplyPlan.Result =
      quantifier == .any ? .any(comparison, operand: left) : .all(comparison, operand: left)
    return use(
      SubqueryUse(plan: planned.plan, result: result, type: .boolean, outerValues: references), in: scope)
  }

  private func use(_ subquery: SubqueryUse, in scope: QueryScope) -> Expression {
    scope.subqueries.append(subquery)
    return .column(QueryScope.subqueryColumn(scope.subqueries.count - 1), subquery.type)
  }
}
