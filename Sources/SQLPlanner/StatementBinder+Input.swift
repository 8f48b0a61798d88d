import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

extension StatementBinder {
  /// `FROM` and `WHERE`: the joined rows that satisfy `conditions`, with the columns of `request.needed` at least.
  /// `neededColumns` says which relation columns expressions read, also through subqueries.
  func input(
    _ tree: JoinTree?, _ conditions: [Expression], _ request: AccessRequest, in scope: QueryScope,
    neededColumns: ([Expression]) -> Set<Int>
  ) throws(SQLError) -> LaidOutPlan {
    // Conditions with subqueries are checked on the joined rows.
    let lateralColumns = Set(scope.laterals.flatMap { scope.relations[$0.relation].columnRange })
    func isLate(_ condition: Expression) -> Bool {
      condition.columns.contains { QueryScope.isSubquery($0) || lateralColumns.contains($0) }
    }
    let late = conditions.filter(isLate)
    let early = conditions.filter { !isLate($0) }
    var request = request
    request.conditions = early
    request.needed.formUnion(neededColumns(late))
    if !late.isEmpty { request.rowGoal = nil }
    if !scope.laterals.isEmpty {
      request.needed.formUnion(neededColumns(scope.laterals.flatMap { $0.calls.flatMap(\.arguments) }))
      request.needed.subtract(lateralColumns)
      request.order = []
      request.rowGoal = nil
    }
    var result: LaidOutPlan
    if let tree {
      result = try JoinPlanner(scope: scope).plan(tree, request)
    } else {
      result = LaidOutPlan(plan: .values(ValuesPlan(rows: [[]], types: [])), layout: [], isOrdered: true)
      if let condition = Expression.optionalConjunction(early) {
        result.plan = .filter(result.plan, condition: condition.positioned(in: []))
      }
    }
    for lateral in scope.laterals {
      let calls = lateral.calls.map { call in
        SetCall(call.function, call.arguments.map { $0.positioned(in: result.layout) })
      }
      result.plan = .setProjection(
        SetProjectionPlan(input: result.plan, calls: calls, hasOrdinality: lateral.hasOrdinality))
      result.layout += Array(scope.relations[lateral.relation].columnRange)
    }
    var others: [Expression] = []
    for condition in late {
      if let joined = semiJoin(condition, result, in: scope) { result.plan = joined } else { others.append(condition) }
    }
    guard let condition = Expression.optionalConjunction(others) else { return result }
    (result.plan, result.layout) = placeSubqueries(of: [condition], over: result.plan, result.layout, in: scope)
    result.plan = .filter(result.plan, condition: condition.positioned(in: result.layout))
    return result
  }

  /// `x IN (subquery)` and `x NOT IN (subquery)` of a subquery that does not depend on the row.
  private func semiJoin(_ condition: Expression, _ input: LaidOutPlan, in scope: QueryScope) -> QueryPlan? {
    var isNegated = false
    var inner = condition
    if case .not(let operand) = condition {
      isNegated = true
      inner = operand
    }
    guard case .column(let number, _) = inner, let index = QueryScope.subqueryIndex(number) else { return nil }
    let subquery = scope.subqueries[index]
    guard subquery.outerValues.isEmpty else { return nil }
    let operand: Expression
    switch subquery.result {
    case .any(.equal, let value) where !value.columns.contains(where: { QueryScope.isSubquery($0) }): operand = value
    // `<> ALL` is `NOT IN`.
    case .all(.notEqual, let value) where !isNegated && !value.columns.contains(where: { QueryScope.isSubquery($0) }):
      operand = value
      isNegated = true
    default: return nil
    }
    let type = subquery.plan.columnTypes.first ?? .unknown
    return .hashJoin(
      HashJoinPlan(
        kind: isNegated ? .anti : .semi, left: input.plan, right: subquery.plan,
        leftKeys: [operand.positioned(in: input.layout)], rightKeys: [.column(0, type)], isNullAware: isNegated))
  }

  /// Computes the subqueries that expressions contain, each as one more column.
  func placeSubqueries(
    of expressions: [Expression], over plan: QueryPlan, _ layout: [Int], in scope: QueryScope
  ) -> (QueryPlan, [Int]) {
    var plan = plan
    var layout = layout
    for column in expressions.flatMap(\.columns) {
      guard let index = QueryScope.subqueryIndex(column), !layout.contains(column) else { continue }
      // An operand may itself contain a subquery.
      let reads = scope.subqueries[index].readExpressions
      (plan, layout) = placeSubqueries(of: reads, over: plan, layout, in: scope)
      var subquery = scope.subqueries[index]
      subquery.mapOuter { $0.positioned(in: layout) }
      plan = .apply(
        ApplyPlan(
          input: plan, subquery: subquery.plan, result: subquery.result, type: subquery.type,
          outerValues: subquery.outerValues))
      layout.append(column)
    }
    return (plan, layout)
  }
}
