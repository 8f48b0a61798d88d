import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// Plans one `SELECT`: FROM and WHERE, groups, targets, DISTINCT, ORDER BY, LIMIT, in the order in which SQL computes them.
struct SelectPlanner {
  let binder: StatementBinder
  let scope: QueryScope
  let query: SelectStatement
  let core: SelectCore

  /// An output column, or a value that only ORDER BY needs.
  private struct Target {
    var name: String
    var expression: Expression
    var origin: ColumnOrigin?
  }

  func plan() throws(SQLError) -> PlannedQuery {
    let wantedTypes = binder.targetTypes
    binder.targetTypes = []
    let tree = try binder.bindFrom(core.from, in: scope)
    let conditions = try bindFilter()
    var targets = try bindTargets(wantedTypes)
    let groups = try bindGroups(targets)
    scope.clause = .having
    let having = core.having == nil ? nil : try binder.bindCondition(core.having!, in: scope)
    let keys = try bindSortKeys(&targets, outputCount: targets.count)
    let outputCount = targets.count - keys.hidden
    let limits = try binder.bindLimits(query, frame: scope.frame)
    let isGrouped = !groups.isEmpty || !scope.aggregates.isEmpty || having != nil

    var request = AccessRequest(conditions: [], needed: [])
    var beneath = targets.map(\.expression) + (having.map { [$0] } ?? [])
    if isGrouped {
      if !scope.setCalls.isEmpty { throw .unsupported("a set-returning function beside GROUP BY or aggregates") }
      beneath = groups + scope.aggregates.flatMap(\.expressions)
      // Other columns of the targets are an error below, unless a primary key determines them.
      beneath += targets.map(\.expression) + (having.map { [$0] } ?? [])
    }
    request.needed = neededColumns(beneath)
    if !isGrouped, !core.isDistinct { request.order = wantedOrder(keys.keys, targets) }
    request.rowGoal = rowGoal(limits, hasOrder: !keys.keys.isEmpty, request)
    if isGrouped { request.rowGoal = nil }
    let extreme = groups.isEmpty ? extremeRequest(tree, request) : nil

    var input: LaidOutPlan
    if let extreme, query.locking == nil, conditions.allSatisfy({ !$0.columns.contains(where: QueryScope.isSubquery) }),
      case let ordered = try filteredInput(tree, conditions + extreme.conditions, extreme), ordered.isOrdered
    {
      input = ordered
      input.plan = input.plan.takingAtMost(.constant(.integer(1), .int8))
      input.isOrdered = false
    } else if query.locking != nil {
      input = try lockedInput(tree, conditions, request, isGrouped: isGrouped)
    } else {
      input = try filteredInput(tree, conditions, request)
    }
    if isGrouped {
      (input, targets) = try aggregate(input, groups, having, targets)
    }
    return try finish(input, targets, outputCount, keys.keys, limits)
  }

  // MARK: Binding

  private func bindFilter() throws(SQLError) -> [Expression] {
    guard let filter = core.filter else { return [] }
    scope.clause = .filter
    return try binder.bindCondition(filter, in: scope).conjuncts
  }

  private func bindTargets(_ wantedTypes: [SQLType]) throws(SQLError) -> [Target] {
    scope.clause = .target
    var targets: [Target] = []
    for target in core.targets {
      if case .star(let qualifier) = target.expression.kind {
        let columns = try scope.expand(star: qualifier, at: target.expression.position)
        if let recorder = binder.recorder, let position = target.expression.position {
          recorder.stars[position] = columns.compactMap { column in
            scope.source(of: column.expression).map { ($0, column.name) }
          }
        }
        for column in columns {
          if case .column(let number, _) = column.expression, scope.columnPositions[number] == nil {
            scope.columnPositions[number] = target.expression.position
          }
          targets.append(Target(name: column.name, expression: column.expression, origin: column.origin))
        }
        continue
      }
      var bound = try binder.bind(target.expression, in: scope)
      bound = try binder.located(target.expression.position) { () throws(SQLError) in
        if bound.type == .unknown, wantedTypes.indices.contains(targets.count) {
          return try binder.builder.coerced(bound, to: wantedTypes[targets.count], in: .assignment) ?? bound
        }
        return try binder.builder.settled(bound).simplified
      }
      targets.append(
        Target(
          name: target.alias ?? target.expression.resultName, expression: bound, origin: origin(of: bound)))
    }
    guard targets.count <= PlannerLimits.maximumColumns else {
      throw SQLError(.tooManyColumns, "target lists can have at most \(PlannerLimits.maximumColumns) entries")
    }
    return targets
  }

  private func origin(of expression: Expression) -> ColumnOrigin? {
    guard case .column(let number, _) = expression else { return nil }
    return scope.column(number)?.origin
  }

  /// Group items: a position, an input column, an output name, or any expression, in that order of preference.
  private func bindGroups(_ targets: [Target]) throws(SQLError) -> [Expression] {
    scope.clause = .groupBy
    var groups: [Expression] = []
    for syntax in core.groupBy {
      var expression: Expression
      if case .integer = syntax.kind,
        let index = try binder.outputIndex(syntax, columns: targets.map(\.name), clause: "GROUP BY")
      {
        expression = targets[index].expression
      } else if case .column(let names) = syntax.kind, names.count == 1,
        !scope.visible.contains(where: { $0.name == names[0] }),
        let target = targets.first(where: { $0.name == names[0] })
      {
        expression = target.expression
      } else {
        expression = try binder.bindSettled(syntax, in: scope)
      }
      if expression.columns.contains(where: { QueryScope.aggregateIndex($0) != nil }) {
        throw SQLError(
          .groupingError, "aggregate functions are not allowed in GROUP BY", position: syntax.position)
      }
      if expression.columns.contains(where: { QueryScope.isSubquery($0) }) {
        throw .unsupported("a correlated subquery in GROUP BY", position: syntax.position)
      }
      if !groups.contains(expression) { groups.append(expression) }
    }
    return groups
  }

  /// Sort keys as positions in the targets; what is no output column is added behind them.
  private func bindSortKeys(
    _ targets: inout [Target], outputCount: Int
  ) throws(SQLError) -> (keys: [(index: Int, key: SortKeySyntax)], hidden: Int) {
    scope.clause = .orderBy
    var keys: [(index: Int, key: SortKeySyntax)] = []
    let names = targets.map(\.name)
    for key in query.orderBy {
      if let index = try binder.outputIndex(key.expression, columns: names) {
        let same = targets.indices.filter { $0 < outputCount && targets[$0].name == names[index] }
        if case .column = key.expression.kind,
          same.contains(where: { targets[$0].expression != targets[index].expression })
        {
          throw SQLError(
            .ambiguousColumn, "ORDER BY \"\(names[index])\" is ambiguous", position: key.expression.position)
        }
        try ExpressionBuilder.requireOrder(of: targets[index].expression.type)
        keys.append((index, key))
        continue
      }
      let expression = try binder.bindSettled(key.expression, in: scope)
      try ExpressionBuilder.requireOrder(of: expression.type)
      if let index = targets.firstIndex(where: { $0.expression == expression }) {
        keys.append((index, key))
        continue
      }
      if core.isDistinct {
        throw SQLError(
          .invalidColumnReference, "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
          position: key.expression.position)
      }
      targets.append(Target(name: "", expression: expression))
      keys.append((targets.count - 1, key))
    }
    return (keys, targets.count - outputCount)
  }

  // MARK: What is asked of FROM

  /// Relation columns that expressions read, also through subqueries.
  private func neededColumns(_ expressions: [Expression]) -> Set<Int> {
    var needed: Set<Int> = []
    for column in expressions.flatMap(\.columns) {
      if let index = QueryScope.subqueryIndex(column) {
        needed.formUnion(neededColumns(scope.subqueries[index].readExpressions))
      } else if let index = QueryScope.setIndex(column) {
        needed.formUnion(neededColumns(scope.setCalls[index].arguments))
      } else if QueryScope.aggregateIndex(column) == nil {
        needed.insert(column)
      }
    }
    return needed
  }

  /// The sort keys as columns, if all of them are and their NULLs stand where indexes have them.
  private func wantedOrder(_ keys: [(index: Int, key: SortKeySyntax)], _ targets: [Target]) -> [WantedOrder] {
    var order: [WantedOrder] = []
    for (index, key) in keys {
      guard let number = column(of: targets[index].expression), scope.relationIndex(ofColumn: number) != nil,
        key.nullsFirst == nil || key.nullsFirst == key.isDescending
          || scope.isNotNull(number)
      else { return [] }
      order.append(WantedOrder(column: number, isDescending: key.isDescending))
    }
    return order
  }

  /// The column itself, or one that an index has for the expression.
  private func column(of expression: Expression) -> Int? {
    if case .column(let number, _) = expression { return number }
    for relation in scope.relations {
      guard case .table(let table) = relation.source else { continue }
      for index in table.readableIndexes where !index.isInvisible {
        for computed in table.computedExpressions(of: index, firstColumn: relation.firstColumn)
        where computed.value == expression {
          if case .column(let number, _) = computed.column { return number }
        }
      }
    }
    return nil
  }

  private func rowGoal(_ limits: StatementBinder.Limits, hasOrder: Bool, _ request: AccessRequest) -> Double? {
    guard let total = limits.total, !core.isDistinct else { return nil }
    if hasOrder && request.order.isEmpty { return nil }
    if case .constant(.integer(let count), _) = total { return Double(max(count, 1)) }
    return 100
  }

  /// `min(column)` or `max(column)` of one table: the first row in the column's order is all that is needed.
  private func extremeRequest(_ tree: JoinTree?, _ request: AccessRequest) -> AccessRequest? {
    guard scope.aggregates.count == 1, case .relation(let index)? = tree, case .table = scope.relations[index].source,
      scope.aggregates[0].function == .minimum || scope.aggregates[0].function == .maximum,
      scope.aggregates[0].filter == nil, let argument = scope.aggregates[0].arguments.first,
      case .column(let number, _) = argument
    else { return nil }
    var extreme = request
    extreme.order = [WantedOrder(column: number, isDescending: scope.aggregates[0].function == .maximum)]
    extreme.rowGoal = 1
    extreme.conditions = scope.isNotNull(number) ? [] : [.not(.isNull(argument))]
    return extreme
  }

  // MARK: FROM and WHERE

  func filteredInput(
    _ tree: JoinTree?, _ conditions: [Expression], _ request: AccessRequest
  ) throws(SQLError) -> LaidOutPlan {
    try binder.input(tree, conditions, request, in: scope) { neededColumns($0) }
  }

  /// `FOR UPDATE` of one table: full rows are locked right above the scan.
  private func lockedInput(
    _ tree: JoinTree?, _ conditions: [Expression], _ request: AccessRequest, isGrouped: Bool
  ) throws(SQLError) -> LaidOutPlan {
    guard let locking = query.locking, let tree else { return try filteredInput(tree, conditions, request) }
    if isGrouped || core.isDistinct {
      throw SQLError(
        .featureNotSupported,
        "FOR UPDATE is not allowed with \(core.isDistinct ? "DISTINCT clause" : "GROUP BY clause or aggregate functions")"
      )
    }
    for name in locking.relations where scope.relationIndex(named: name) == nil {
      throw SQLError(.undefinedTable, "relation \"\(name)\" in FOR UPDATE clause not found in FROM clause")
    }
    guard case .relation(let index) = tree, case .table(let table) = scope.relations[index].source else {
      throw .unsupported("FOR UPDATE of a join or subquery")
    }
    let descriptor = try binder.table(
      RelationNameSyntax(schema: binder.catalog.schemaName(of: table), name: table.name), isWritten: true)
    let waiting: LockWaiting =
      switch locking.waiting {
      case .block: .block
      case .skipLocked: .skipLocked
      case .noWait: .noWait
      }
    let relation = scope.relations[index]
    var full = request
    full.needed = Set(relation.columnRange)
    var input = try filteredInput(tree, conditions, full)
    let layout = Array(relation.columnRange)
    if input.layout != layout {
      input.plan = .project(
        input.plan,
        layout.map { Expression.column($0, scope.column($0)?.type ?? .unknown).positioned(in: input.layout) })
    }
    let recheck = Expression.optionalConjunction(
      conditions.filter { !$0.columns.contains(where: { QueryScope.isSubquery($0) }) })
    input.plan = .lockRows(
      LockRowsPlan(
        input: input.plan, target: ModifiedTable(table: descriptor, recheck: recheck?.positioned(in: layout)),
        waiting: waiting))
    input.layout = layout
    return input
  }

  // MARK: Groups

  /// Groups the input; the targets then read the groups.
  private func aggregate(
    _ input: LaidOutPlan, _ groups: [Expression], _ having: Expression?, _ targets: [Target]
  ) throws(SQLError) -> (LaidOutPlan, [Target]) {
    var groups = groups
    let determined = determinedColumns(groups)
    func overGroups(_ expression: Expression) throws(SQLError) -> Expression {
      if let index = groups.firstIndex(of: expression) { return .column(index, expression.type) }
      guard case .column(let number, let type) = expression else {
        return try expression.mapChildren { (child) throws(SQLError) in try overGroups(child) }
      }
      if QueryScope.aggregateIndex(number) != nil { return expression }
      if let index = QueryScope.subqueryIndex(number) {
        var outer: [OuterValue] = []
        for value in scope.subqueries[index].outerValues {
          outer.append(OuterValue(slot: value.slot, value: try overGroups(value.value)))
        }
        scope.subqueries[index].outerValues = outer
        switch scope.subqueries[index].result {
        case .scalar, .exists: break
        case .any(let comparison, let operand):
          scope.subqueries[index].result = .any(comparison, operand: try overGroups(operand))
        case .all(let comparison, let operand):
          scope.subqueries[index].result = .all(comparison, operand: try overGroups(operand))
        }
        return expression
      }
      if determined.contains(number) {
        groups.append(expression)
        return .column(groups.count - 1, type)
      }
      throw SQLError(
        .groupingError,
        "column \"\(scope.qualifiedName(number))\" must appear in the GROUP BY clause or be used in an aggregate function",
        position: scope.columnPositions[number])
    }
    var result: [Target] = []
    for target in targets {
      var moved = target
      moved.expression = try overGroups(target.expression)
      result.append(moved)
    }
    let condition = having == nil ? nil : try overGroups(having!)
    // Aggregates follow the groups, whose number is known only now.
    let groupCount = groups.count
    func settled(_ expression: Expression) -> Expression {
      expression.mapColumns { number, type in
        QueryScope.aggregateIndex(number).map { .column(groupCount + $0, type) } ?? .column(number, type)
      }
    }
    for index in scope.subqueries.indices { scope.subqueries[index].mapOuter(settled) }
    let calls = scope.aggregates.map { call in
      call.mapExpressions { $0.positioned(in: input.layout) }
    }
    var plan = QueryPlan.aggregate(
      AggregatePlan(input: input.plan, groupBy: groups.map { $0.positioned(in: input.layout) }, calls: calls))
    var layout = Array(0..<groupCount + calls.count)
    if let condition {
      let settledCondition = settled(condition)
      (plan, layout) = binder.placeSubqueries(of: [settledCondition], over: plan, layout, in: scope)
      plan = .filter(plan, condition: settledCondition.positioned(in: layout))
    }
    for index in result.indices { result[index].expression = settled(result[index].expression) }
    return (LaidOutPlan(plan: plan, layout: layout), result)
  }

  /// Columns that a grouped primary key determines (PostgreSQL 15, 7.2.3).
  private func determinedColumns(_ groups: [Expression]) -> Set<Int> {
    var result: Set<Int> = []
    let grouped = Set(groups.compactMap { if case .column(let number, _) = $0 { number } else { nil } })
    for relation in scope.relations {
      guard case .table(let table) = relation.source else { continue }
      let key = table.primaryIndex.keyColumns.compactMap { key in
        table.columns.firstIndex { $0.id == key.columnID }.map { relation.firstColumn + $0 }
      }
      if !key.isEmpty, key.allSatisfy(grouped.contains) { result.formUnion(relation.columnRange) }
    }
    return result
  }

  // MARK: Output

  private func finish(
    _ input: LaidOutPlan, _ targets: [Target], _ outputCount: Int, _ keys: [(index: Int, key: SortKeySyntax)],
    _ limits: StatementBinder.Limits
  ) throws(SQLError) -> PlannedQuery {
    var (plan, layout) = binder.placeSubqueries(
      of: targets.map(\.expression) + scope.setCalls.flatMap(\.arguments), over: input.plan, input.layout, in: scope)
    if !scope.setCalls.isEmpty {
      let calls = scope.setCalls.map { call in
        SetCall(call.function, call.arguments.map { $0.positioned(in: layout) })
      }
      plan = .setProjection(SetProjectionPlan(input: plan, calls: calls))
      layout += calls.indices.map(QueryScope.setColumn)
    }
    let isSorted = keys.isEmpty || (input.isOrdered && !core.isDistinct && !wantedOrder(keys, targets).isEmpty)
    let columns = targets[..<outputCount].map {
      PlannedQuery.Column(name: $0.name, type: $0.expression.type, origin: $0.origin)
    }
    // Values that only the sort needs are not computed when nothing is sorted.
    let projected = isSorted ? targets[..<outputCount] : targets[...]
    plan = Self.project(plan, projected.map { $0.expression.positioned(in: layout) })
    layout = Array(projected.indices)
    if core.isDistinct { plan = .distinct(plan) }
    if !isSorted {
      let sortKeys = keys.map { $0.key.bound(.column($0.index, targets[$0.index].expression.type)) }
      plan = .sort(SortPlan(input: plan, keys: sortKeys, limit: limits.total))
    }
    if limits.count != nil || limits.offset != nil {
      if isSorted, let total = limits.total { plan = plan.takingAtMost(total) }
      plan = .limit(plan, count: limits.count, offset: limits.offset)
    }
    if projected.count > outputCount {
      plan = .project(plan, columns.indices.map { .column($0, columns[$0].type) })
    }
    return PlannedQuery(plan: plan, columns: Array(columns))
  }

  /// A projection, as part of the scan below where it only chooses among its columns.
  static func project(_ plan: QueryPlan, _ expressions: [Expression]) -> QueryPlan {
    let positions = expressions.compactMap { if case .column(let position, _) = $0 { position } else { nil } }
    guard positions.count == expressions.count else { return .project(plan, expressions) }
    if positions == Array(plan.columnTypes.indices) { return plan }
    if case .scan(var scan) = plan {
      if var lookup = scan.lookup {
        lookup.output = positions.map { lookup.output[$0] }
        scan.lookup = lookup
      } else {
        scan.output = positions.map { scan.output[$0] }
      }
      return .scan(scan)
    }
    return .project(plan, expressions)
  }
}

extension SubqueryUse {
  /// What it reads of the query around it.
  var readExpressions: [Expression] {
    let values = outerValues.map(\.value)
    switch result {
    case .scalar, .exists: return values
    case .any(_, let operand), .all(_, let operand): return values + [operand]
    }
  }

  mutating func mapOuter(_ transform: (Expression) -> Expression) {
    outerValues = outerValues.map { OuterValue(slot: $0.slot, value: transform($0.value)) }
    switch result {
    case .scalar, .exists: break
    case .any(let comparison, let operand): result = .any(comparison, operand: transform(operand))
    case .all(let comparison, let operand): result = .all(comparison, operand: transform(operand))
    }
  }
}

extension QueryScope {
  func isNotNull(_ column: Int) -> Bool {
    guard let index = relationIndex(ofColumn: column), case .table(let table) = relations[index].source else {
      return false
    }
    return !table.columns[column - relations[index].firstColumn].isNullable
  }
}

extension QueryPlan {
  /// The same rows, where a scan need not read more than `limit` of them.
  func takingAtMost(_ limit: Expression) -> QueryPlan {
    switch self {
    case .scan(var scan):
      scan.limit = limit
      return .scan(scan)
    case .project(let input, let expressions): return .project(input.takingAtMost(limit), expressions)
    default: return self
    }
  }
}
