import Basics
import SQLSyntax

/// `WITH RECURSIVE` over the catalog of types, as drivers ask for what they do not know: what a type is made of, what that is made of, and
/// so on. Types nest no deeper than two levels here (arrays of scalar ones), so the recursion is written out. What came out of a third
/// level would be an error, never a row too few; recursive queries over anything else are refused.
extension CommonTableExpression {
  private static let levels = 2

  /// The expression, without recursion if it has any.
  func unrolled() throws(SQLError) -> CommonTableExpression {
    guard isRecursive, case .union(let start, let step, let all) = query.body, step.reads(name) else { return self }
    guard let column = columnNames.first, all, step.reads("pg_type"), query.orderBy.isEmpty, query.limit == nil,
      query.offset == nil
    else {
      throw .unsupported("WITH RECURSIVE", position: position)
    }
    // Each level is the step over the one before it.
    var result = start
    var level = start
    for _ in 0..<Self.levels {
      level = following(level, step)
      result = SelectStatement(body: .union(result, level, all: true))
    }
    let beyond = CommonTableExpression(name: name, columnNames: columnNames, query: following(level, step))
    // Fails for a row, and only for a row: so it has to read one.
    let words = ExpressionSyntax(.string("WITH RECURSIVE of more than \(Self.levels) levels"))
    let text = FunctionCallSyntax(name: ["concat"], arguments: [words, ExpressionSyntax(.column([column]))])
    let refusal = ExpressionSyntax(
      .cast(ExpressionSyntax(.function(text)), TypeNameSyntax(names: ["pg_catalog", "bool"])))
    let overflow = SelectStatement(
      body: .select(
        SelectCore(
          targets: [SelectTarget(ExpressionSyntax(.star(qualifier: [])))],
          from: [.table(RelationNameSyntax(name: name), alias: nil)], filter: refusal)),
      commonTableExpressions: [beyond])
    var unrolled = self
    unrolled.isRecursive = false
    unrolled.query.body = .union(result, overflow, all: true)
    return unrolled
  }

  private func following(_ level: SelectStatement, _ step: SelectStatement) -> SelectStatement {
    var next = step
    next.commonTableExpressions.insert(
      CommonTableExpression(name: name, columnNames: columnNames, query: level), at: 0)
    return next
  }
}

extension SelectStatement {
  /// Whether it has a relation of this name in a FROM, at any depth.
  fileprivate func reads(_ name: String) -> Bool {
    switch body {
    case .select(let core): core.from.contains { $0.reads(name) }
    case .values: false
    case .union(let left, let right, _): left.reads(name) || right.reads(name)
    }
  }
}

extension TableReference {
  fileprivate func reads(_ name: String) -> Bool {
    switch self {
    case .table(let relation, _): relation.name == name && (relation.schema ?? "pg_catalog") == "pg_catalog"
    case .subquery(let query, _, _): query.reads(name)
    case .function, .dependency: false
    case .join(let join): join.left.reads(name) || join.right.reads(name)
    }
  }
}
