import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

extension StatementBinder {
  /// Binds `FROM`: adds its relations to the scope and makes its columns visible.
  func bindFrom(_ references: [TableReference], in scope: QueryScope) throws(SQLError) -> JoinTree? {
    var trees: [JoinTree] = []
    var visible: [VisibleColumn] = []
    for reference in references {
      scope.visible = []
      if case .function(let call, let alias, let position) = reference {
        scope.precedingVisible = visible
        let (tree, columns) = try bindFunction(call, alias, at: position, in: scope)
        if let tree { trees.append(tree) }
        visible += columns
        continue
      }
      let (tree, columns) = try bind(reference, in: scope)
      trees.append(tree)
      visible += columns
    }
    scope.visible = visible
    if trees.isEmpty { return nil }
    return trees.count == 1 ? trees[0] : .inner(trees, conditions: [])
  }

  private func bind(
    _ reference: TableReference, in scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    switch reference {
    case .table(let name, let alias):
      if let view = viewNamed(name, in: scope) {
        return try bindView(view, alias, at: name.position, in: scope)
      }
      let relation = try tableRelation(name, alias, in: scope)
      return try add(relation, alias, at: name.position, to: scope)
    case .dependency(let position, let alias, _): return try bindDependency(position, alias.name, in: scope)
    case .subquery(let query, let alias, let isLateral):
      if isLateral { throw .unsupported("LATERAL") }
      guard let alias else {
        throw SQLError(
          .syntaxError, "subquery in FROM must have an alias", hint: "For example, FROM (SELECT ...) [AS] foo.")
      }
      let planned = try plan(query, frame: scope.frame, commonTables: scope.commonTables)
      return try add(derived(planned, name: alias.name, in: scope), alias, at: nil, to: scope)
    case .function(let call, let alias, let position):
      scope.precedingVisible = []
      let (tree, columns) = try bindFunction(call, alias, at: position, in: scope)
      guard let tree else { throw .unsupported("a function in JOIN that reads what it is joined with") }
      return (tree, columns)
    case .join(let join): return try bindJoin(join, in: scope)
    }
  }

  /// The view that a name in `FROM` means.
  private func viewNamed(_ name: RelationNameSyntax, in scope: QueryScope) -> TableDescriptor? {
    if name.schema == nil, scope.commonTables[name.name] != nil { return nil }
    if SystemCatalog.isRelation(name) { return nil }
    guard let view = findView(name) else { return nil }
    if let position = name.position { recorder?.relations[position] = view }
    return view
  }

  func add(
    _ relation: Relation, _ alias: TableAlias?, at position: Int?, to scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    guard scope.relations.count < PlannerLimits.maximumRelations else {
      throw SQLError(.programLimitExceeded, "too many range table entries")
    }
    if scope.relationIndex(named: relation.name) != nil {
      throw SQLError(
        .duplicateAlias, "table name \"\(relation.name)\" specified more than once", position: position)
    }
    var relation = relation
    if let names = alias?.columnNames, !names.isEmpty {
      let visible = relation.columns.indices.filter { relation.columns[$0].isVisible }
      guard names.count <= visible.count else {
        throw SQLError(
          .invalidColumnReference,
          "table \"\(relation.name)\" has \(visible.count) columns available but \(names.count) columns specified")
      }
      for (index, name) in zip(visible, names) { relation.columns[index].name = name }
    }
    scope.relations.append(relation)
    return (.relation(scope.relations.count - 1), relation.visibleColumns)
  }

  // MARK: Relations

  private func tableRelation(
    _ name: RelationNameSyntax, _ alias: TableAlias?, in scope: QueryScope
  ) throws(SQLError) -> Relation {
    if name.schema == nil, let common = scope.commonTables[name.name] {
      if let position = common.expression.position { recorder?.commonTables.insert(position) }
      var query = common.expression.query
      query.locking = nil
      guard subqueryDepth < PlannerLimits.maximumSubqueryDepth else {
        throw SQLError(.statementTooComplex, "subqueries are nested too deeply")
      }
      subqueryDepth += 1
      defer { subqueryDepth -= 1 }
      let planned = try plan(query, frame: scope.frame, commonTables: common.environment)
      var relation = derived(planned, name: alias?.name ?? name.name, in: scope)
      for (index, column) in common.expression.columnNames.enumerated() where index < relation.columns.count {
        relation.columns[index].name = column
      }
      return relation
    }
    if let system = SystemCatalog.relation(name, catalog: catalog, session: session) {
      dependsOnCatalog = true
      if name.name == SystemCatalog.indexBuildsView { liveInput = .indexBuilds }
      return Relation(
        name: alias?.name ?? name.name, source: .derived(.values(system.plan)), firstColumn: scope.nextColumn,
        columns: zip(system.columnNames, system.plan.types).map {
          let isSystem = $0 == SystemTableShape.tableNumber
          return Relation.Column(name: $0, type: $1, isVisible: !isSystem, origin: nil, isSystem: isSystem)
        })
    }
    if let sequence = findSequence(name),
      let relation = sequenceRelation(sequence, alias: alias?.name, firstColumn: scope.nextColumn)
    {
      if let position = name.position { recorder?.relations[position] = sequence }
      return relation
    }
    let table = try table(name, isWritten: false)
    if let position = name.position { recorder?.relations[position] = table }
    return relation(of: table, alias: alias?.name, firstColumn: scope.nextColumn)
  }

  /// All columns of the table, so that full rows can be read; only the public ones can be named.
  func relation(of table: TableDescriptor, alias: String?, firstColumn: Int) -> Relation {
    var number = 0
    let columns = table.columns.map { column in
      let isVisible = column.state == .public && !column.isHidden
      if isVisible { number += 1 }
      return Relation.Column(
        name: column.name, type: column.type, isVisible: isVisible,
        origin: ColumnOrigin(tableID: table.id, columnNumber: number))
    }
    return Relation(
      name: alias ?? table.name, source: .table(table), firstColumn: firstColumn, columns: columns,
      described: Relation.Described(relation: table, columns: table.columns.map(\.id)))
  }

  func derived(_ planned: PlannedQuery, name: String, in scope: QueryScope) -> Relation {
    Relation(
      name: name, source: .derived(planned.plan), firstColumn: scope.nextColumn,
      columns: planned.columns.map {
        Relation.Column(name: $0.name, type: $0.type, isVisible: true, origin: $0.origin)
      })
  }

  /// The tree is nil if the function reads relations before it: its rows are added when those are joined.
  private func bindFunction(
    _ call: FunctionCallSyntax, _ alias: TableAlias?, at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> (JoinTree?, [VisibleColumn]) {
    let found = try located(position) { () throws(SQLError) in try setRelation(call, alias, in: scope) }
    if let (relation, calls) = found {
      let (tree, columns) = try add(relation, alias, at: position, to: scope)
      guard let calls else { return (tree, columns) }
      scope.laterals.append(
        LateralFunction(relation: scope.relations.count - 1, calls: calls, hasOrdinality: call.hasOrdinality))
      return (nil, columns)
    }
    if call.hasOrdinality { throw .unsupported("WITH ORDINALITY of this function", position: position) }
    let relation = try located(position) { () throws(SQLError) in try functionRelation(call, alias, in: scope) }
    let (tree, columns) = try add(relation, alias, at: position, to: scope)
    return (tree, columns)
  }

  /// A set function as a relation; the calls if they read relations before it. nil for other functions.
  private func setRelation(
    _ call: FunctionCallSyntax, _ alias: TableAlias?, in scope: QueryScope
  ) throws(SQLError) -> (Relation, [SetCall]?)? {
    let name = call.name.last ?? ""
    guard Self.setFunctions.contains(name), call.name.count == 1 || call.name[0] == "pg_catalog",
      name != "generate_series" || call.hasOrdinality || !scope.precedingVisible.isEmpty
    else { return nil }
    let inner = QueryScope(frame: scope.frame, commonTables: scope.commonTables)
    inner.clause = .functionInFrom
    inner.relations = scope.relations
    inner.visible = scope.precedingVisible
    let arguments = try bindAll(call.arguments, in: inner)
    guard inner.subqueries.isEmpty else { throw .unsupported("a correlated subquery in FROM") }
    let groups = name == "unnest" ? arguments.map { [$0] } : [arguments]
    var calls: [SetCall] = []
    for group in groups {
      guard let found = try setCall(name, group) else { return nil }
      calls.append(found)
    }
    var columns = calls.map { Relation.Column(name: alias?.name ?? name, type: $0.function.type, isVisible: true) }
    if call.hasOrdinality { columns.append(Relation.Column(name: "ordinality", type: .int8, isVisible: true)) }
    let isLateral = calls.contains { $0.arguments.contains { !$0.columns.isEmpty } }
    let source = QueryPlan.setProjection(
      SetProjectionPlan(
        input: .values(ValuesPlan(rows: [[]], types: [])), calls: calls, hasOrdinality: call.hasOrdinality))
    let relation = Relation(
      name: alias?.name ?? name, source: .derived(source), firstColumn: scope.nextColumn, columns: columns)
    return (relation, isLateral ? calls : nil)
  }

  static let setFunctions: Set<String> = [
    "unnest", "generate_subscripts", "regexp_matches", "regexp_split_to_table", "generate_series",
    "pg_partition_ancestors",
  ]

  /// nil if the arguments are not those of the function.
  func setCall(_ name: String, _ arguments: [Expression]) throws(SQLError) -> SetCall? {
    func typed(_ types: [SQLType]) throws(SQLError) -> [Expression]? {
      var result: [Expression] = []
      for (argument, type) in zip(arguments, types) {
        guard let cast = try builder.coerced(argument, to: type, in: .implicit) else { return nil }
        result.append(cast.simplified)
      }
      return result
    }
    func isArray(_ expression: Expression?) -> SQLType? {
      if case .system(let type)? = expression?.type { return type.elementType }
      return nil
    }
    switch (name, arguments.count) {
    case ("unnest", 1):
      guard let element = isArray(arguments.first) else { break }
      return SetCall(.unnest(element), [arguments[0].simplified])
    case ("pg_partition_ancestors", 1): return SetCall(.empty(.system(.regclass)), [])
    case ("generate_subscripts", 2):
      guard isArray(arguments.first) != nil,
        let dimension = try builder.coerced(arguments[1], to: .int4, in: .implicit)
      else { break }
      return SetCall(.generateSubscripts, [arguments[0].simplified, dimension.simplified])
    case ("regexp_matches", 2), ("regexp_matches", 3), ("regexp_split_to_table", 2), ("regexp_split_to_table", 3):
      guard let texts = try typed([.text, .text, .text]) else { break }
      return SetCall(name == "regexp_matches" ? .regexMatches : .regexSplit, texts)
    case ("generate_series", 2), ("generate_series", 3):
      for type in [SQLType.int4, .int8] {
        guard arguments.allSatisfy({ $0.type == .unknown || $0.type.isCastable(to: type, in: .implicit) }),
          let numbers = try typed([type, type, type])
        else { continue }
        return SetCall(.series(type), numbers)
      }
      return nil
    default: break
    }
    throw SQLError(
      .undefinedFunction, "function \(name)(\(arguments.map(\.type.baseName).joined(separator: ", "))) does not exist",
      hint: "No function matches the given name and argument types. You might need to add explicit type casts.")
  }

  private func functionRelation(
    _ call: FunctionCallSyntax, _ alias: TableAlias?, in scope: QueryScope
  ) throws(SQLError) -> Relation {
    let inner = QueryScope(frame: scope.frame, commonTables: scope.commonTables)
    inner.clause = .functionInFrom
    let name = call.name.last ?? ""
    let source: QueryPlan
    let type: SQLType
    if name == "generate_series", call.name.count == 1 || call.name[0] == "pg_catalog" {
      let series = try series(call, in: inner)
      source = .series(series)
      type = series.type
    } else {
      let value = try bindSettled(ExpressionSyntax(.function(call)), in: inner)
      guard inner.subqueries.isEmpty else { throw .unsupported("a correlated subquery in FROM") }
      source = .values(ValuesPlan(rows: [[value]], types: [value.type]))
      type = value.type
    }
    // The alias names the one column too.
    return Relation(
      name: alias?.name ?? name, source: .derived(source), firstColumn: scope.nextColumn,
      columns: [Relation.Column(name: alias?.name ?? name, type: type, isVisible: true, origin: nil)])
  }

  private func series(_ call: FunctionCallSyntax, in scope: QueryScope) throws(SQLError) -> SeriesPlan {
    let arguments = try bindAll(call.arguments, in: scope)
    guard (2...3).contains(arguments.count) else { throw Self.noSeries(arguments) }
    let types = arguments.map(\.type)
    if types.prefix(2).contains(where: { $0.category == .dateTime }) {
      guard arguments.count == 3 else { throw Self.noSeries(arguments) }
      let type: SQLType =
        types.prefix(2).allSatisfy { $0 == .timestamp || $0 == .unknown } ? .timestamp : .timestampWithTimeZone
      guard let first = try builder.coerced(arguments[0], to: type, in: .implicit),
        let last = try builder.coerced(arguments[1], to: type, in: .implicit),
        let step = try builder.coerced(arguments[2], to: .interval, in: .implicit)
      else { throw Self.noSeries(arguments) }
      return SeriesPlan(first: first.simplified, last: last.simplified, step: step.simplified, type: type)
    }
    let candidates: [SQLType] = [.int4, .int8, .numeric(precision: nil, scale: nil)]
    for type in candidates {
      guard arguments.allSatisfy({ $0.type == .unknown || $0.type.isCastable(to: type, in: .implicit) }) else {
        continue
      }
      var cast: [Expression] = []
      for argument in arguments { cast.append(try builder.coerced(argument, to: type, in: .implicit) ?? argument) }
      if cast.count == 2 { cast.append(try builder.cast(.constant(.integer(1), .int4), to: type)) }
      return SeriesPlan(first: cast[0].simplified, last: cast[1].simplified, step: cast[2].simplified, type: type)
    }
    throw Self.noSeries(arguments)
  }

  private static func noSeries(_ arguments: [Expression]) -> SQLError {
    SQLError(
      .undefinedFunction,
      "function generate_series(\(arguments.map(\.type.baseName).joined(separator: ", "))) does not exist",
      hint: "No function matches the given name and argument types. You might need to add explicit type casts.")
  }

  // MARK: Joins

  private func bindJoin(_ join: JoinSyntax, in scope: QueryScope) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    if join.kind == .full { throw .unsupported("FULL JOIN") }
    let isNullable = scope.isNullable
    defer { scope.isNullable = isNullable }
    scope.isNullable = isNullable || join.kind == .right
    var (left, leftColumns) = try bind(join.left, in: scope)
    scope.isNullable = isNullable || join.kind == .left
    var (right, rightColumns) = try bind(join.right, in: scope)
    let order = (leftColumns, rightColumns)
    // A right join is a left join seen from the other side; its columns keep their order.
    if join.kind == .right {
      swap(&left, &right)
      swap(&leftColumns, &rightColumns)
    }
    var conditions: [Expression] = []
    var visible = order.0 + order.1
    switch join.condition {
    case .cross: break
    case .on(let condition):
      scope.visible = visible
      let clause = scope.clause
      scope.clause = .join
      defer { scope.clause = clause }
      let subqueryCount = scope.subqueries.count
      conditions = try bindCondition(condition, in: scope).conjuncts
      if scope.subqueries.count > subqueryCount { throw .unsupported("this subquery in JOIN … ON") }
    case .using(let names):
      (conditions, visible) = try merge(names, order.0, order.1, kept: leftColumns)
      record(join, names, order.0, order.1, in: scope)
    case .natural:
      let names = order.0.map(\.name).filter { name in order.1.contains { $0.name == name } }
      record(join, names, order.0, order.1, in: scope)
      (conditions, visible) = try merge(names, order.0, order.1, kept: leftColumns)
    }
    if join.kind == .inner { return (.inner([left, right], conditions: conditions), visible) }
    return (.left(left, right, conditions: conditions), visible)
  }

  private func record(
    _ join: JoinSyntax, _ names: [String], _ left: [VisibleColumn], _ right: [VisibleColumn], in scope: QueryScope
  ) {
    guard let recorder else { return }
    func source(_ name: String, _ columns: [VisibleColumn]) -> ViewRecorder.Source? {
      columns.first { $0.name == name }.flatMap { scope.source(of: $0.expression) }
    }
    recorder.joins[join] = names.compactMap { name in
      guard let first = source(name, left), let second = source(name, right) else { return nil }
      return (first, second)
    }
  }

  /// `USING`: equal names become one column, taken from the side that always has a row.
  private func merge(
    _ names: [String], _ left: [VisibleColumn], _ right: [VisibleColumn], kept: [VisibleColumn]
  ) throws(SQLError) -> ([Expression], [VisibleColumn]) {
    func find(_ name: String, _ columns: [VisibleColumn], _ side: String) throws(SQLError) -> VisibleColumn {
      let matches = columns.filter { $0.name == name }
      guard let match = matches.first else {
        throw SQLError(
          .undefinedColumn, "column \"\(name)\" specified in USING clause does not exist in \(side) table")
      }
      guard matches.count == 1 else {
        throw SQLError(
          .ambiguousColumn, "common column name \"\(name)\" appears more than once in \(side) table")
      }
      return match
    }
    var conditions: [Expression] = []
    var merged: [VisibleColumn] = []
    for name in names {
      let first = try find(name, left, "left")
      let second = try find(name, right, "right")
      conditions.append(try builder.compare(.equal, first.expression, second.expression).simplified)
      merged.append(kept.first { $0.name == name } ?? first)
    }
    let rest = (left + right).filter { !names.contains($0.name) }
    return (conditions, merged + rest)
  }
}
