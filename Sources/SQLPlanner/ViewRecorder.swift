import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SchemaChange

/// What the names in the query of a view turned out to mean while it was bound, by where they stand in the statement.
final class ViewRecorder {
  /// A column of one of the relations that are joined.
  enum Source: Hashable {
    /// Of a table, view or sequence under the given name.
    case described(String, TableID, ColumnID)
    /// Of a subquery, function or system table.
    case named(String, String)
  }

  var columns: [Int: Source] = [:]
  var stars: [Int: [(source: Source, name: String)]] = [:]
  var relations: [Int: TableDescriptor] = [:]
  /// `NATURAL` and `USING`: pairs of columns that are equal.
  var joins: [JoinSyntax: [(left: Source, right: Source)]] = [:]
  /// Of `WITH`, as far as they are used.
  var commonTables: Set<Int> = []
  /// Strings that name a relation.
  var names: [Int: TableDescriptor] = [:]
}

extension QueryScope {
  /// Where a column name leads, here or further out.
  func source(of names: [String]) -> ViewRecorder.Source? {
    if let found = try? lookUpHere(names, at: nil) { return source(of: found) }
    return frame?.outer.source(of: names)
  }

  func source(of expression: Expression) -> ViewRecorder.Source? {
    guard case .column(let number, _) = expression, let index = relationIndex(ofColumn: number) else { return nil }
    let relation = relations[index]
    let position = number - relation.firstColumn
    if let described = relation.described, described.columns.indices.contains(position) {
      return .described(relation.name, described.relation.id, described.columns[position])
    }
    return .named(relation.name, relation.columns[position].name)
  }
}

/// Makes the stored form of a view's query (`StoredQuery`), with the list of what it reads.
struct StoredQueryWriter {
  let recorder: ViewRecorder
  private(set) var dependencies: [ViewDependency] = []

  init(_ recorder: ViewRecorder) { self.recorder = recorder }

  // MARK: Queries

  mutating func query(_ query: SelectStatement) throws(SQLError) -> SelectStatement {
    if query.locking != nil { throw .unsupported("FOR UPDATE in a view") }
    var result = SelectStatement(body: query.body)
    for expression in query.commonTableExpressions {
      // Nobody reads it, so it was not bound.
      guard let position = expression.position, recorder.commonTables.contains(position) else { continue }
      result.commonTableExpressions.append(
        CommonTableExpression(
          name: expression.name, columnNames: expression.columnNames, query: try self.query(expression.query)))
    }
    switch query.body {
    case .select(let core): result.body = .select(try self.core(core))
    case .values(let rows):
      var values: [[ExpressionSyntax]] = []
      for row in rows { values.append(try expressions(row)) }
      result.body = .values(values)
    case .union(let left, let right, let all):
      result.body = .union(try self.query(left), try self.query(right), all: all)
    }
    result.orderBy = try keys(query.orderBy)
    result.limit = try optional(query.limit)
    result.offset = try optional(query.offset)
    return result
  }

  private mutating func core(_ core: SelectCore) throws(SQLError) -> SelectCore {
    var result = SelectCore(isDistinct: core.isDistinct, targets: [])
    for target in core.targets {
      if case .star = target.expression.kind, let position = target.expression.position {
        for column in recorder.stars[position] ?? [] {
          result.targets.append(SelectTarget(self.column(column.source), alias: column.name))
        }
        continue
      }
      result.targets.append(
        SelectTarget(try expression(target.expression), alias: target.alias ?? target.expression.resultName))
    }
    for reference in core.from { result.from.append(try table(reference)) }
    result.filter = try optional(core.filter)
    result.groupBy = try expressions(core.groupBy)
    result.having = try optional(core.having)
    return result
  }

  private mutating func keys(_ keys: [SortKeySyntax]) throws(SQLError) -> [SortKeySyntax] {
    var result = keys
    for index in result.indices { result[index].expression = try expression(keys[index].expression) }
    return result
  }

  // MARK: FROM

  private mutating func table(_ reference: TableReference) throws(SQLError) -> TableReference {
    switch reference {
    case .table(let name, let alias):
      if let position = name.position, let relation = recorder.relations[position] {
        // Names that an alias gives to columns are spelled out where the columns are read.
        return .dependency(
          place(of: relation.id), alias: TableAlias(name: alias?.name ?? name.name), hasOwnName: alias != nil)
      }
      return .table(RelationNameSyntax(schema: name.schema, name: name.name), alias: alias)
    case .subquery(let query, let alias, let isLateral):
      return .subquery(try self.query(query), alias: alias, isLateral: isLateral)
    case .function(let call, let alias, _): return .function(try self.call(call), alias: alias, position: nil)
    case .join(let join):
      var result = join
      result.left = try table(join.left)
      result.right = try table(join.right)
      switch join.condition {
      case .cross: break
      case .on(let condition): result.condition = .on(try expression(condition))
      case .using, .natural:
        let equalities = (recorder.joins[join] ?? []).map {
          ExpressionSyntax(.binary(operator: "=", column($0.left), column($0.right)))
        }
        switch equalities.count {
        case 0: result.condition = join.kind == .inner ? .cross : .on(ExpressionSyntax(.boolean(true)))
        case 1: result.condition = .on(equalities[0])
        default: result.condition = .on(ExpressionSyntax(.and(equalities)))
        }
      }
      return .join(result)
    case .dependency: return reference
    }
  }

  private mutating func place(of relation: TableID) -> Int {
    if let known = dependencies.firstIndex(where: { $0.relation == relation }) { return known }
    dependencies.append(ViewDependency(relation: relation, columns: []))
    return dependencies.count - 1
  }

  private mutating func column(_ source: ViewRecorder.Source) -> ExpressionSyntax {
    switch source {
    case .named(let relation, let name): return ExpressionSyntax(.column([relation, name]))
    case .described(let name, let relation, let column):
      let place = place(of: relation)
      let position = dependencies[place].columns.firstIndex(of: column) ?? dependencies[place].columns.count
      if position == dependencies[place].columns.count { dependencies[place].columns.append(column) }
      return ExpressionSyntax(.column([name, StoredQuery.columnName(position)]))
    }
  }

  // MARK: Expressions

  private mutating func optional(_ syntax: ExpressionSyntax?) throws(SQLError) -> ExpressionSyntax? {
    guard let syntax else { return nil }
    return try expression(syntax)
  }

  private mutating func expressions(_ list: [ExpressionSyntax]) throws(SQLError) -> [ExpressionSyntax] {
    var result: [ExpressionSyntax] = []
    for syntax in list { result.append(try expression(syntax)) }
    return result
  }

  private mutating func call(_ call: FunctionCallSyntax) throws(SQLError) -> FunctionCallSyntax {
    var result = call
    result.arguments = try expressions(call.arguments)
    result.filter = try optional(call.filter)
    result.order = try keys(call.order)
    return result
  }

  private mutating func expression(_ syntax: ExpressionSyntax) throws(SQLError) -> ExpressionSyntax {
    switch syntax.kind {
    case .column:
      // What was not looked up among the tables is the name of a result.
      guard let position = syntax.position, let source = recorder.columns[position] else {
        return ExpressionSyntax(syntax.kind)
      }
      return column(source)
    case .string:
      guard let position = syntax.position, let relation = recorder.names[position] else {
        return ExpressionSyntax(syntax.kind)
      }
      return ExpressionSyntax(.string(StoredQuery.columnName(place(of: relation.id))))
    case .parameter(let number):
      throw SQLError(.undefinedParameter, "there is no parameter $\(number)", position: syntax.position)
    case .function(let call): return ExpressionSyntax(.function(try self.call(call)))
    case .scalarSubquery(let query): return ExpressionSyntax(.scalarSubquery(try self.query(query)))
    case .exists(let query): return ExpressionSyntax(.exists(try self.query(query)))
    case .arraySubquery(let query): return ExpressionSyntax(.arraySubquery(try self.query(query)))
    case .quantifiedSubquery(let operand, let name, let quantifier, let query):
      return ExpressionSyntax(
        .quantifiedSubquery(try expression(operand), operator: name, quantifier, try self.query(query)))
    default:
      let children = try expressions(syntax.children)
      return ExpressionSyntax(syntax.kind.with(children))
    }
  }
}

extension ExpressionSyntax {
  /// The expressions that it is made of, in the order of `ExpressionKind.with`; those of subqueries are not among them.
  var children: [ExpressionSyntax] {
    switch kind {
    case .null, .boolean, .integer, .number, .string, .parameter, .column, .star, .keywordFunction, .scalarSubquery,
      .exists, .arraySubquery, .defaultValue:
      []
    case .unary(_, let operand), .not(let operand), .isNull(let operand, _), .isTruth(let operand, _, _),
      .cast(let operand, _), .quantifiedSubquery(let operand, _, _, _):
      [operand]
    case .binary(_, let left, let right), .isDistinct(let left, let right, _), .nullIf(let left, let right),
      .quantifiedArray(let left, _, _, let right), .element(let left, let right):
      [left, right]
    case .and(let list), .or(let list), .coalesce(let list), .greatest(let list), .least(let list), .row(let list),
      .array(let list):
      list
    case .between(let operand, let low, let high, _, _): [operand, low, high]
    case .inList(let operand, let list, _): [operand] + list
    case .like(let operand, let pattern, let escape, _, _): [operand, pattern] + (escape.map { [$0] } ?? [])
    case .function(let call): call.arguments + (call.filter.map { [$0] } ?? []) + call.order.map(\.expression)
    case .case(let operand, let branches, let otherwise):
      (operand.map { [$0] } ?? []) + branches.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
    }
  }
}

extension ExpressionKind {
  /// The same of other parts, as many as there are.
  fileprivate func with(_ parts: [ExpressionSyntax]) -> ExpressionKind {
    switch self {
    case .null, .boolean, .integer, .number, .string, .parameter, .column, .star, .keywordFunction, .scalarSubquery,
      .exists, .arraySubquery, .defaultValue, .function, .quantifiedSubquery:
      return self
    case .unary(let name, _): return .unary(operator: name, parts[0])
    case .not: return .not(parts[0])
    case .isNull(_, let negated): return .isNull(parts[0], negated: negated)
    case .isTruth(_, let value, let negated): return .isTruth(parts[0], value, negated: negated)
    case .cast(_, var type):
      type.position = nil
      return .cast(parts[0], type)
    case .binary(let name, _, _): return .binary(operator: name, parts[0], parts[1])
    case .isDistinct(_, _, let negated): return .isDistinct(parts[0], parts[1], negated: negated)
    case .nullIf: return .nullIf(parts[0], parts[1])
    case .quantifiedArray(_, let name, let quantifier, _):
      return .quantifiedArray(parts[0], operator: name, quantifier, array: parts[1])
    case .element: return .element(parts[0], index: parts[1])
    case .and: return .and(parts)
    case .or: return .or(parts)
    case .coalesce: return .coalesce(parts)
    case .greatest: return .greatest(parts)
    case .least: return .least(parts)
    case .row: return .row(parts)
    case .array: return .array(parts)
    case .between(_, _, _, let negated, let symmetric):
      return .between(parts[0], low: parts[1], high: parts[2], negated: negated, symmetric: symmetric)
    case .inList(_, _, let negated): return .inList(parts[0], Array(parts.dropFirst()), negated: negated)
    case .like(_, _, _, let ignoringCase, let negated):
      return .like(
        parts[0], pattern: parts[1], escape: parts.count > 2 ? parts[2] : nil, ignoringCase: ignoringCase,
        negated: negated)
    case .case(let operand, let branches, let otherwise):
      var rest = parts[...]
      let subject = operand == nil ? nil : rest.removeFirst()
      let changed = branches.map { _ in CaseBranch(condition: rest.removeFirst(), result: rest.removeFirst()) }
      return .case(operand: subject, branches: changed, otherwise: otherwise == nil ? nil : rest.removeFirst())
    }
  }
}
