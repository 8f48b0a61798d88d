import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// Plans `INSERT`, `UPDATE` and `DELETE`.
struct ModifyPlanner {
  typealias Planned = (action: StatementPlan.Action, columns: [ResultColumn]?)

  let binder: StatementBinder

  // MARK: INSERT

  func insert(_ statement: InsertStatement) throws(SQLError) -> Planned {
    let table = try binder.table(statement.table, isWritten: true)
    let targets = try insertTargets(statement, table)
    // What clients cannot name is maintained too: columns on their way in.
    let columns = table.columns.filter { $0.state.isWritable && !$0.isHidden }
    let source: QueryPlan
    switch statement.source {
    case .defaultValues:
      source = .values(
        ValuesPlan(rows: [try row(columns, targets: [], values: [])], types: columns.map(\.type)))
    case .query(let query):
      if case .values(let rows) = query.body, query.orderBy.isEmpty, query.limit == nil, query.offset == nil {
        source = try valuesSource(rows, query, statement, targets, columns)
      } else {
        source = try querySource(query, statement, targets, columns)
      }
    }
    let scope = scope(of: table, alias: statement.alias)
    let (returning, resultColumns) = try returning(statement.returning, in: scope)
    let plan = InsertPlan(
      table: table, columns: columns.map(\.id), source: source,
      conflict: try conflict(statement.conflict, table), returning: returning,
      foreignKeyTables: ForeignKeyTables.tied(to: .insert, of: table, in: binder))
    return (.insert(plan), resultColumns)
  }

  private func insertTargets(
    _ statement: InsertStatement, _ table: TableDescriptor
  ) throws(SQLError) -> [ColumnDescriptor] {
    if statement.columns.isEmpty { return table.publicColumns }
    var targets: [ColumnDescriptor] = []
    for name in statement.columns {
      let column = try column(named: name.name, in: table, at: name.position)
      if targets.contains(where: { $0.id == column.id }) {
        throw SQLError(.duplicateColumn, "column \"\(name.name)\" specified more than once", position: name.position)
      }
      targets.append(column)
    }
    return targets
  }

  private func column(
    named name: String, in table: TableDescriptor, at position: Int?
  ) throws(SQLError) -> ColumnDescriptor {
    guard let column = table.publicColumns.first(where: { $0.name == name }) else {
      throw SQLError(
        .undefinedColumn, "column \"\(name)\" of relation \"\(table.name)\" does not exist", position: position)
    }
    return column
  }

  /// One full row: the given values, defaults for the rest.
  private func row(
    _ columns: [ColumnDescriptor], targets: [ColumnDescriptor], values: [Expression],
    isOverridingUserValue: Bool = false
  ) throws(SQLError) -> [Expression] {
    var result: [Expression] = []
    result.reserveCapacity(columns.count)
    for column in columns {
      if let index = targets.firstIndex(where: { $0.id == column.id }), index < values.count,
        !(isOverridingUserValue && column.identity != nil)
      {
        result.append(values[index])
      } else {
        result.append(try defaultValue(of: column))
      }
    }
    return result
  }

  private func refuseValue(for column: ColumnDescriptor, at statement: InsertStatement) throws(SQLError) {
    if column.generation != nil {
      throw SQLError(
        .generatedAlways, "cannot insert a non-DEFAULT value into column \"\(column.name)\"",
        detail: "Column \"\(column.name)\" is a generated column.",
        position: statement.columns.first { $0.name == column.name }?.position)
    }
    guard column.identity == .always, statement.overriding == nil else { return }
    throw SQLError(
      .generatedAlways, "cannot insert a non-DEFAULT value into column \"\(column.name)\"",
      detail: "Column \"\(column.name)\" is an identity column defined as GENERATED ALWAYS.",
      hint: "Use OVERRIDING SYSTEM VALUE to override.",
      position: statement.columns.first { $0.name == column.name }?.position)
  }

  private func defaultValue(of column: ColumnDescriptor) throws(SQLError) -> Expression {
    // What follows from another column has no default of its own yet.
    guard let bytes = column.defaultExpression, column.conversion == nil else { return .constant(.null, column.type) }
    do throws(MalformedBytes) {
      let value = try Expression(decoding: bytes)
      return value.resolvingEnumerations { binder.catalog.enumType($0.id) }
    } catch {
      throw SQLError(.dataCorrupted, "default of column \"\(column.name)\" cannot be read: \(error)")
    }
  }

  private func checkCount(
    _ count: Int, _ targets: [ColumnDescriptor], _ statement: InsertStatement, at position: (Int) -> Int?
  ) throws(SQLError) {
    if count > targets.count {
      throw SQLError(
        .syntaxError, "INSERT has more expressions than target columns", position: position(targets.count))
    }
    if count < targets.count, !statement.columns.isEmpty {
      throw SQLError(
        .syntaxError, "INSERT has more target columns than expressions",
        position: statement.columns[count].position)
    }
  }

  private func valuesSource(
    _ rows: [[ExpressionSyntax]], _ query: SelectStatement, _ statement: InsertStatement,
    _ targets: [ColumnDescriptor], _ columns: [ColumnDescriptor]
  ) throws(SQLError) -> QueryPlan {
    var environment: [String: CommonTable] = [:]
    for expression in query.commonTableExpressions {
      environment[expression.name] = CommonTable(expression: try expression.unrolled(), environment: environment)
    }
    let scope = QueryScope(frame: nil, commonTables: environment)
    scope.clause = .values
    var result: [[Expression]] = []
    result.reserveCapacity(rows.count)
    for row in rows {
      guard row.count == rows[0].count else {
        throw SQLError(.syntaxError, "VALUES lists must all be the same length", position: row.first?.position)
      }
      try checkCount(row.count, targets, statement) { row[$0].position }
      var values: [Expression] = []
      values.reserveCapacity(row.count)
      for (syntax, column) in zip(row, targets) {
        if syntax.kind != .defaultValue { try refuseValue(for: column, at: statement) }
        values.append(try value(syntax, for: column, in: scope))
      }
      result.append(
        try self.row(
          columns, targets: targets, values: values, isOverridingUserValue: statement.overriding == .userValue))
    }
    try binder.refuseCorrelated(scope, "VALUES")
    return .values(ValuesPlan(rows: result, types: columns.map(\.type)))
  }

  /// An expression as the column stores it; `DEFAULT` is the column's default.
  private func value(
    _ syntax: ExpressionSyntax, for column: ColumnDescriptor, in scope: QueryScope
  ) throws(SQLError) -> Expression {
    if case .defaultValue = syntax.kind { return try defaultValue(of: column) }
    let bound = try binder.bind(syntax, in: scope)
    return try binder.located(syntax.position) { () throws(SQLError) in
      try binder.builder.assign(bound, to: column.type, column: column.name).simplified
    }
  }

  private func querySource(
    _ query: SelectStatement, _ statement: InsertStatement, _ targets: [ColumnDescriptor],
    _ columns: [ColumnDescriptor]
  ) throws(SQLError) -> QueryPlan {
    if case .select = query.body { binder.targetTypes = targets.map(\.type) }
    let planned = try binder.plan(query, frame: nil, commonTables: [:])
    var positions: [Int?] = []
    if case .select(let core) = query.body { positions = core.targets.map(\.expression.position) }
    try checkCount(planned.columns.count, targets, statement) { $0 < positions.count ? positions[$0] : nil }
    for column in targets.prefix(planned.columns.count) { try refuseValue(for: column, at: statement) }
    var values: [Expression] = []
    for (index, (source, column)) in zip(planned.columns, targets).enumerated() {
      values.append(
        try binder.located(index < positions.count ? positions[index] : nil) { () throws(SQLError) in
          try binder.builder.assign(.column(index, source.type), to: column.type, column: column.name)
        })
    }
    return SelectPlanner.project(
      planned.plan,
      try row(
        columns, targets: targets, values: values, isOverridingUserValue: statement.overriding == .userValue))
  }

  private func conflict(_ action: ConflictAction?, _ table: TableDescriptor) throws(SQLError) -> ConflictHandling {
    guard let action else { return .fail }
    let unique = table.indexes.filter { ($0.isUnique || $0.id == table.primaryIndex.id) && $0.state.isWritable }
    switch action.target {
    case .anyUnique: return .skip(indexes: unique.map(\.id))
    case .columns(let names):
      var ids: Set<ColumnID> = []
      for name in names { ids.insert(try column(named: name, in: table, at: action.position).id) }
      let scope = scope(of: table, alias: nil)
      scope.clause = .filter
      let conditions = try action.predicate.map { (syntax) throws(SQLError) in
        try binder.bindCondition(syntax, in: scope).conjuncts
      }
      let proof = PredicateProof(conditions: conditions ?? [])
      let matching = unique.filter { index in
        guard index.state.isReadable, Set(index.keyColumns.map(\.columnID)) == ids else { return false }
        guard let stored = index.predicate else { return true }
        return table.expression(stored, firstColumn: 0).map { proof.implies($0) } ?? false
      }
      guard !matching.isEmpty else {
        throw SQLError(
          .invalidColumnReference,
          "there is no unique or exclusion constraint matching the ON CONFLICT specification")
      }
      return .skip(indexes: matching.map(\.id))
    case .constraint(let name):
      let constraints = unique.filter { table.isConstraint($0) || $0.id == table.primaryIndex.id }
      guard let index = constraints.first(where: { $0.name == name && $0.state.isReadable }) else {
        throw SQLError(
          .undefinedObject, "constraint \"\(name)\" for table \"\(table.name)\" does not exist",
          position: action.position)
      }
      return .skip(indexes: [index.id])
    }
  }

  // MARK: UPDATE and DELETE

  func update(_ statement: UpdateStatement) throws(SQLError) -> Planned {
    let table = try binder.table(statement.table, isWritten: true)
    let scope = scope(of: table, alias: statement.alias)
    scope.clause = .assignment
    var assignments: [ColumnAssignment] = []
    for assignment in statement.assignments {
      let column = try column(named: assignment.column, in: table, at: assignment.position)
      if assignments.contains(where: { $0.column == column.id }) {
        throw SQLError(
          .syntaxError, "multiple assignments to same column \"\(column.name)\"", position: assignment.position)
      }
      if column.identity == .always, assignment.value.kind != .defaultValue {
        throw SQLError(
          .generatedAlways, "column \"\(column.name)\" can only be updated to DEFAULT",
          detail: "Column \"\(column.name)\" is an identity column defined as GENERATED ALWAYS.",
          position: assignment.position)
      }
      if column.generation != nil, assignment.value.kind != .defaultValue {
        throw SQLError(
          .generatedAlways, "column \"\(column.name)\" can only be updated to DEFAULT",
          detail: "Column \"\(column.name)\" is a generated column.", position: assignment.position)
      }
      let value = try value(assignment.value, for: column, in: scope)
      assignments.append(ColumnAssignment(column: column.id, value: value))
    }
    try binder.refuseCorrelated(scope, "SET")
    let (target, source) = try source(table, statement.filter, scope)
    let (returning, columns) = try returning(statement.returning, in: self.scope(of: table, alias: statement.alias))
    let tied = ForeignKeyTables.tied(to: .update(Set(assignments.map(\.column))), of: table, in: binder)
    return (
      .update(
        UpdatePlan(
          target: target, source: source, assignments: assignments, returning: returning, foreignKeyTables: tied)),
      columns
    )
  }

  func delete(_ statement: DeleteStatement) throws(SQLError) -> Planned {
    let table = try binder.table(statement.table, isWritten: true)
    let scope = scope(of: table, alias: statement.alias)
    let (target, source) = try source(table, statement.filter, scope)
    let (returning, columns) = try returning(statement.returning, in: self.scope(of: table, alias: statement.alias))
    let tied = ForeignKeyTables.tied(to: .delete, of: table, in: binder)
    return (
      .delete(DeletePlan(target: target, source: source, returning: returning, foreignKeyTables: tied)), columns
    )
  }

  /// The table alone, with its columns numbered as in the full row.
  private func scope(of table: TableDescriptor, alias: String?) -> QueryScope {
    let scope = QueryScope(frame: nil, commonTables: [:])
    let relation = binder.relation(of: table, alias: alias, firstColumn: 0)
    scope.relations = [relation]
    scope.visible = relation.visibleColumns
    return scope
  }

  /// The full rows to change.
  private func source(
    _ table: TableDescriptor, _ filter: ExpressionSyntax?, _ scope: QueryScope
  ) throws(SQLError) -> (ModifiedTable, QueryPlan) {
    scope.clause = .filter
    let conditions = filter == nil ? [] : try binder.bindCondition(filter!, in: scope).conjuncts
    let layout = Array(table.columns.indices)
    let request = AccessRequest(conditions: [], needed: Set(layout))
    let input = try binder.input(.relation(0), conditions, request, in: scope) { expressions in
      Set(expressions.flatMap(\.columns).filter { $0 < table.columns.count })
    }
    var plan = input.plan
    if input.layout != layout {
      plan = .project(plan, layout.map { .column($0, table.columns[$0].type) })
    }
    let recheck = conditions.filter { !$0.columns.contains { QueryScope.isSubquery($0) } }
    return (ModifiedTable(table: table, recheck: Expression.optionalConjunction(recheck)), plan)
  }

  // MARK: RETURNING

  private func returning(
    _ targets: [SelectTarget], in scope: QueryScope
  ) throws(SQLError) -> ([Expression]?, [ResultColumn]?) {
    if targets.isEmpty { return (nil, nil) }
    scope.clause = .returning
    var expressions: [Expression] = []
    var columns: [ResultColumn] = []
    for target in targets {
      if case .star(let qualifier) = target.expression.kind {
        for column in try scope.expand(star: qualifier, at: target.expression.position) {
          expressions.append(column.expression)
          columns.append(ResultColumn(name: column.name, type: column.expression.type, origin: column.origin))
        }
        continue
      }
      let bound = try binder.bindSettled(target.expression, in: scope)
      var origin: ColumnOrigin?
      if case .column(let number, _) = bound { origin = scope.column(number)?.origin }
      expressions.append(bound)
      columns.append(
        ResultColumn(name: target.alias ?? target.expression.resultName, type: bound.type, origin: origin))
    }
    try binder.refuseCorrelated(scope, "RETURNING")
    return (expressions, columns)
  }
}

extension ResultColumn {
  init(name: String, type: SQLType, origin: ColumnOrigin?) {
    self.init(name: name, type: type, tableID: origin?.tableID, columnNumber: origin?.columnNumber)
  }
}
