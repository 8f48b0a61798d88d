import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// A view that a statement names becomes its query: as a part of the statement's own joins where it only chooses, filters and
/// joins rows, else as a subquery.
extension StatementBinder {
  func findView(_ name: RelationNameSyntax) -> TableDescriptor? { findRelation(name).flatMap { $0.isView ? $0 : nil } }

  // MARK: FROM

  /// A view under the name that it has in the statement.
  func bindView(
    _ view: TableDescriptor, _ alias: TableAlias?, at position: Int?, in scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    let names = view.columns.map { (name: $0.name, isVisible: true) }
    return try bindView(
      view, TableAlias(name: alias?.name ?? view.name, columnNames: alias?.columnNames ?? []), names, at: position,
      in: scope)
  }

  private func bindView(
    _ view: TableDescriptor, _ alias: TableAlias, _ names: [(name: String, isVisible: Bool)], at position: Int?,
    in scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    try expanding(view) { (query) throws(SQLError) in
      if let core = simpleCore(of: query, in: scope) {
        let inner = QueryScope(frame: nil, commonTables: [:])
        let (tree, values) = try bind(core, of: view, in: inner, behind: scope)
        // Values that are long would stand wherever the columns are named, and grow from view to view.
        guard values.allSatisfy({ $0.hasFewerNodes(than: PlannerLimits.maximumPulledNodes) }) else {
          let planned = try plan(tree, values, of: view, in: inner)
          return try addSubquery(planned, of: view, alias, names, at: position, to: scope)
        }
        add(inner, values, of: view, to: scope)
        let relation = Relation(
          name: alias.name, source: .derived(.values(ValuesPlan(rows: [], types: []))), firstColumn: scope.nextColumn,
          columns: zip(names, values).map { Relation.Column(name: $0.name, type: $1.type, isVisible: $0.isVisible) },
          values: values)
        return (tree, try add(relation, alias, at: position, to: scope).1)
      }
      let planned = try plan(query, frame: nil, commonTables: [:])
      return try addSubquery(planned, of: view, alias, names, at: position, to: scope)
    }
  }

  private func addSubquery(
    _ query: PlannedQuery, of view: TableDescriptor, _ alias: TableAlias, _ names: [(name: String, isVisible: Bool)],
    at position: Int?, to scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    var planned = query
    guard planned.columns.count == view.columns.count else { throw Self.damaged(view) }
    for index in planned.columns.indices {
      planned.columns[index].origin = ColumnOrigin(tableID: view.id, columnNumber: index + 1)
    }
    var relation = derived(planned, name: alias.name, in: scope)
    for (index, name) in names.enumerated() {
      relation.columns[index].name = name.name
      relation.columns[index].isVisible = name.isVisible
    }
    relation.described = Relation.Described(relation: view, columns: view.columns.map(\.id))
    return try add(relation, alias, at: position, to: scope)
  }

  /// What a view's query reads, with the columns that it reads under their places.
  func bindDependency(
    _ position: Int, _ name: String, in scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [VisibleColumn]) {
    let (relation, columns) = try dependency(position)
    func shown(_ id: ColumnID) -> (name: String, isVisible: Bool) {
      let place = columns.firstIndex(of: id)
      return (place.map(StoredQuery.columnName) ?? "", place != nil)
    }
    if relation.isView {
      return try bindView(relation, TableAlias(name: name), relation.columns.map { shown($0.id) }, at: nil, in: scope)
    }
    var found: Relation
    if relation.isSequence {
      guard let sequence = sequenceRelation(relation, alias: name, firstColumn: scope.nextColumn) else {
        throw SQLError(.internalError, "a sequence that is none")
      }
      found = sequence
    } else {
      note(relation)
      found = self.relation(of: relation, alias: name, firstColumn: scope.nextColumn)
    }
    let ids = (relation.isSequence ? relation.publicColumns : relation.columns).map(\.id)
    for (index, id) in ids.enumerated() {
      (found.columns[index].name, found.columns[index].isVisible) = shown(id)
    }
    return try add(found, nil, at: nil, to: scope)
  }

  /// A relation that the view in hand reads.
  func dependency(_ position: Int) throws(SQLError) -> (relation: TableDescriptor, columns: [ColumnID]) {
    guard let dependencies = storedView?.dependencies, dependencies.indices.contains(position),
      let relation = catalog.table(id: dependencies[position].relation), relation.state == .public
    else { throw SQLError(.internalError, "what a view reads is not there") }
    return (relation, dependencies[position].columns)
  }

  // MARK: Expanding

  /// Runs `body` with the view's query, whose names are those of its dependencies.
  private func expanding<Result>(
    _ view: TableDescriptor, _ body: (SelectStatement) throws(SQLError) -> Result
  ) throws(SQLError) -> Result {
    guard let definition = view.view else { throw Self.damaged(view) }
    note(view)
    let query: SelectStatement
    let depth: Int
    do throws(MalformedBytes) { (query, depth) = try SelectStatement.decode(definition.query) } catch {
      throw SQLError(.internalError, "the query of view \"\(view.name)\" cannot be read", detail: error.reason)
    }
    viewCount += 1
    viewBytes += definition.query.count
    viewDepth += depth
    subqueryDepth += 1
    let outer = (storedView, targetTypes, recorder)
    storedView = definition
    targetTypes = []
    recorder = nil
    defer {
      viewDepth -= depth
      subqueryDepth -= 1
      (storedView, targetTypes, recorder) = outer
    }
    guard viewDepth <= PlannerLimits.maximumViewDepth, subqueryDepth <= PlannerLimits.maximumSubqueryDepth else {
      throw SQLError(.statementTooComplex, "views are nested too deeply")
    }
    guard viewCount <= PlannerLimits.maximumViews, viewBytes <= PlannerLimits.maximumViewBytes else {
      throw SQLError(
        .programLimitExceeded, "the statement reads too many views",
        detail: "It can read \(PlannerLimits.maximumViews) of them, those that views read counted each time.")
    }
    return try body(query)
  }

  private static func damaged(_ view: TableDescriptor) -> SQLError {
    SQLError(.internalError, "the query of view \"\(view.name)\" does not fit its columns")
  }

  // MARK: Views that need no subquery

  /// The query if it may become part of the joins around it: it computes each row from one row of its tables and nothing else, and
  /// every time to the same values.
  private func simpleCore(of query: SelectStatement, in scope: QueryScope) -> SelectCore? {
    // Who stores the statement wants to see the view, not what is below it.
    guard case .select(let core) = query.body, query.commonTableExpressions.isEmpty, query.orderBy.isEmpty,
      query.limit == nil, query.offset == nil, query.locking == nil, !core.isDistinct, core.groupBy.isEmpty,
      core.having == nil, !core.from.isEmpty, !isStoring, scope.relations.count < PlannerLimits.maximumRelations / 4,
      core.from.allSatisfy(\.isPlain), core.filter?.isRowwise ?? true
    else { return nil }
    let targets = core.targets.map(\.expression)
    if scope.isNullable {
      // Rows that an outer join makes up have NULL in every column, whatever an expression would make of it.
      guard targets.allSatisfy({ if case .column = $0.kind { true } else { false } }) else { return nil }
    } else {
      guard targets.allSatisfy(\.isRowwise) else { return nil }
    }
    return core
  }

  /// How the relations of a view's query are joined, and what the view's columns are. Numbers go on where those of `scope` end.
  private func bind(
    _ core: SelectCore, of view: TableDescriptor, in inner: QueryScope, behind scope: QueryScope
  ) throws(SQLError) -> (JoinTree, [Expression]) {
    guard core.targets.count == view.columns.count else { throw Self.damaged(view) }
    inner.isNullable = scope.isNullable
    inner.relations = scope.relations.map(\.hidden)
    guard var tree = try bindFrom(core.from, in: inner) else { throw Self.damaged(view) }
    inner.clause = .filter
    let conditions = core.filter == nil ? [] : try bindCondition(core.filter!, in: inner).conjuncts
    if !conditions.isEmpty { tree = .inner([tree], conditions: conditions) }
    inner.clause = .target
    var values: [Expression] = []
    for target in core.targets { values.append(try bindSettled(target.expression, in: inner)) }
    return (tree, values)
  }

  /// The same as a subquery.
  private func plan(
    _ tree: JoinTree, _ values: [Expression], of view: TableDescriptor, in inner: QueryScope
  ) throws(SQLError) -> PlannedQuery {
    let request = AccessRequest(conditions: [], needed: Set(values.flatMap(\.columns)))
    let input = try input(tree, [], request, in: inner) { Set($0.flatMap(\.columns)) }
    return PlannedQuery(
      plan: SelectPlanner.project(input.plan, values.map { $0.positioned(in: input.layout) }),
      columns: zip(view.columns, values).map { PlannedQuery.Column(name: $0.name, type: $1.type) })
  }

  /// Adds the relations of a view's query, nameless, to those around it.
  private func add(_ inner: QueryScope, _ values: [Expression], of view: TableDescriptor, to scope: QueryScope) {
    var added = inner.relations.dropFirst(scope.relations.count).map(\.hidden)
    for relation in added.indices {
      for column in added[relation].columns.indices {
        let number = added[relation].firstColumn + column
        let place = values.firstIndex { if case .column(number, _) = $0 { true } else { false } }
        added[relation].columns[column].origin = place.map { ColumnOrigin(tableID: view.id, columnNumber: $0 + 1) }
      }
    }
    scope.relations += added
  }
}

extension Expression {
  fileprivate func hasFewerNodes(than limit: Int) -> Bool {
    var rest = limit
    func count(_ expression: Expression) {
      rest -= 1
      for child in expression.children where rest > 0 { count(child) }
    }
    count(self)
    return rest > 0
  }
}

extension Relation {
  /// The same columns, nobody can name them.
  fileprivate var hidden: Relation {
    var copy = self
    copy.name = ""
    copy.values = nil
    copy.columns = columns.map { column in
      var hidden = column
      hidden.isVisible = false
      return hidden
    }
    return copy
  }
}

extension TableReference {
  /// Tables and views, joined.
  fileprivate var isPlain: Bool {
    switch self {
    case .dependency: true
    case .join(let join):
      join.left.isPlain && join.right.isPlain
        && { if case .on(let condition) = join.condition { condition.isRowwise } else { join.condition == .cross } }()
    case .table, .subquery, .function: false
    }
  }
}

extension ExpressionSyntax {
  /// Follows from one row alone, and always the same way.
  fileprivate var isRowwise: Bool {
    switch kind {
    case .scalarSubquery, .exists, .quantifiedSubquery, .arraySubquery: return false
    case .function(let call):
      let name = call.name.last ?? ""
      if ExpressionBuilder.aggregateNames.contains(name) || StatementBinder.setFunctions.contains(name) { return false }
      let overloads = FunctionTable.functions[name] ?? []
      if overloads.contains(where: { FunctionTable.volatility(of: $0.function) == .volatile }) { return false }
    default: break
    }
    return children.allSatisfy(\.isRowwise)
  }
}
