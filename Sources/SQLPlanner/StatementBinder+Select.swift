import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// A query's plan with the names of its columns.
struct PlannedQuery {
  struct Column {
    var name: String
    var type: SQLType
    var origin: ColumnOrigin?
  }
  var plan: QueryPlan
  var columns: [Column]
}

extension StatementBinder {
  /// Plans a query whose names beyond its own come from `frame` and `commonTables`.
  func plan(
    _ query: SelectStatement, frame: SubqueryFrame?, commonTables: [String: CommonTable]
  ) throws(SQLError) -> PlannedQuery {
    var environment = commonTables
    for expression in query.commonTableExpressions {
      if query.commonTableExpressions.filter({ $0.name == expression.name }).count > 1 {
        throw SQLError(
          .duplicateAlias, "WITH query name \"\(expression.name)\" specified more than once",
          position: expression.position)
      }
      environment[expression.name] = CommonTable(expression: try expression.unrolled(), environment: environment)
    }
    switch query.body {
    case .select(let core):
      let scope = QueryScope(frame: frame, commonTables: environment)
      return try SelectPlanner(binder: self, scope: scope, query: query, core: core).plan()
    case .values(let rows): return try planValues(rows, query, frame: frame, commonTables: environment)
    case .union(let left, let right, let all):
      return try planUnion(left, right, all: all, query, frame: frame, commonTables: environment)
    }
  }

  // MARK: VALUES

  private func planValues(
    _ rows: [[ExpressionSyntax]], _ query: SelectStatement, frame: SubqueryFrame?,
    commonTables: [String: CommonTable]
  ) throws(SQLError) -> PlannedQuery {
    let scope = QueryScope(frame: frame, commonTables: commonTables)
    scope.clause = .values
    let width = rows.first?.count ?? 0
    var bound: [[Expression]] = []
    for row in rows {
      guard row.count == width else {
        throw SQLError(
          .syntaxError, "VALUES lists must all be the same length", position: row.first?.position)
      }
      bound.append(try bindAll(row, in: scope))
    }
    try refuseCorrelated(scope, "VALUES")
    var types: [SQLType] = []
    for column in 0..<width {
      let (unified, type) = try builder.unify(bound.map { $0[column] }, construct: "VALUES")
      for row in bound.indices { bound[row][column] = unified[row].simplified }
      types.append(type)
    }
    let columns = types.enumerated().map { PlannedQuery.Column(name: "column\($0.offset + 1)", type: $0.element) }
    return try finish(
      PlannedQuery(plan: .values(ValuesPlan(rows: bound, types: types)), columns: columns), query, frame: frame)
  }

  func refuseCorrelated(_ scope: QueryScope, _ place: String) throws(SQLError) {
    if !scope.subqueries.isEmpty { throw .unsupported("this kind of subquery in \(place)") }
  }

  // MARK: UNION

  private func planUnion(
    _ left: SelectStatement, _ right: SelectStatement, all: Bool, _ query: SelectStatement, frame: SubqueryFrame?,
    commonTables: [String: CommonTable]
  ) throws(SQLError) -> PlannedQuery {
    if query.locking != nil {
      throw SQLError(.featureNotSupported, "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT")
    }
    var parts = [
      try plan(left, frame: frame, commonTables: commonTables),
      try plan(right, frame: frame, commonTables: commonTables),
    ]
    guard parts[0].columns.count == parts[1].columns.count else {
      throw SQLError(.syntaxError, "each UNION query must have the same number of columns")
    }
    var columns = parts[0].columns
    for index in columns.indices {
      let sides = parts.map { Expression.column(index, $0.columns[index].type) }
      columns[index].type = try builder.unify(sides, construct: "UNION").type
      columns[index].origin = nil
    }
    for part in parts.indices where parts[part].columns.map(\.type) != columns.map(\.type) {
      var casts: [Expression] = []
      for (index, column) in columns.enumerated() {
        let value = Expression.column(index, parts[part].columns[index].type)
        casts.append(try builder.coerced(value, to: column.type, in: .implicit) ?? value)
      }
      parts[part].plan = .project(parts[part].plan, casts)
    }
    var inputs: [QueryPlan] = []
    for part in parts {
      if all, case .append(let inner) = part.plan { inputs += inner } else { inputs.append(part.plan) }
    }
    var united = QueryPlan.append(inputs)
    if !all { united = .distinct(united) }
    return try finish(PlannedQuery(plan: united, columns: columns), query, frame: frame)
  }

  /// `ORDER BY`, `LIMIT`, `OFFSET` where only output columns can be named.
  private func finish(
    _ input: PlannedQuery, _ query: SelectStatement, frame: SubqueryFrame?
  ) throws(SQLError) -> PlannedQuery {
    var result = input
    let limits = try bindLimits(query, frame: frame)
    if !query.orderBy.isEmpty {
      var keys: [SortKey] = []
      for key in query.orderBy {
        guard let index = try outputIndex(key.expression, columns: input.columns.map(\.name)) else {
          if case .column(let names) = key.expression.kind, let name = names.last {
            throw SQLError(.undefinedColumn, "column \"\(name)\" does not exist", position: key.expression.position)
          }
          throw SQLError(
            .featureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
            detail: "Only result column names can be used, not expressions or functions.",
            position: key.expression.position)
        }
        keys.append(key.bound(.column(index, input.columns[index].type)))
      }
      result.plan = .sort(SortPlan(input: result.plan, keys: keys, limit: limits.total))
    }
    if limits.count != nil || limits.offset != nil {
      result.plan = .limit(result.plan, count: limits.count, offset: limits.offset)
    }
    return result
  }

  /// The output column that a sort or group item names by position or name.
  func outputIndex(_ syntax: ExpressionSyntax, columns: [String], clause: String = "ORDER BY") throws(SQLError) -> Int?
  {
    switch syntax.kind {
    case .integer(let number):
      guard number >= 1, Int(number) <= columns.count else {
        throw SQLError(
          .invalidColumnReference, "\(clause) position \(number) is not in select list", position: syntax.position)
      }
      return Int(number) - 1
    case .column(let names) where names.count == 1:
      let matches = columns.indices.filter { columns[$0] == names[0] }
      return matches.first
    case .number, .string, .boolean:
      throw SQLError(.syntaxError, "non-integer constant in \(clause)", position: syntax.position)
    default: return nil
    }
  }

  // MARK: LIMIT

  struct Limits {
    var count: Expression?
    var offset: Expression?
    /// Rows wanted from below: count plus offset.
    var total: Expression?
  }

  func bindLimits(_ query: SelectStatement, frame: SubqueryFrame?) throws(SQLError) -> Limits {
    let scope = QueryScope(frame: frame, commonTables: [:])
    scope.clause = .limit
    func bound(_ syntax: ExpressionSyntax?, _ name: String) throws(SQLError) -> Expression? {
      guard let syntax else { return nil }
      let value = try bind(syntax, in: scope)
      guard let cast = try builder.coerced(value, to: .int8, in: .assignment) else {
        throw SQLError(
          .datatypeMismatch, "argument of \(name) must be type bigint, not type \(value.type.baseName)",
          position: syntax.position)
      }
      let result = cast.simplified
      return result == .constant(.null, .int8) ? nil : result
    }
    var limits = Limits(count: try bound(query.limit, "LIMIT"), offset: try bound(query.offset, "OFFSET"))
    if let count = limits.count {
      guard let offset = limits.offset else {
        limits.total = count
        return limits
      }
      let skipped = offset.isConstant ? offset : try builder.coalesce([offset, .constant(.integer(0), .int8)])
      limits.total = try builder.binary("+", count, skipped).simplified
    }
    return limits
  }
}

extension SortKeySyntax {
  func bound(_ expression: Expression) -> SortKey {
    SortKey(expression: expression, isDescending: isDescending, nullsFirst: nullsFirst ?? isDescending)
  }
}
