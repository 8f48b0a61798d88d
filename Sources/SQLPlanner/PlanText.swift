import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Plans in the style of PostgreSQL's `EXPLAIN (COSTS OFF)`.
struct PlanText {
  private var lines: [String] = []
  /// Columns are shown with their tables when there are several.
  private let isQualified: Bool

  static func lines(_ action: StatementPlan.Action, preliminary: [PreliminaryQuery]) -> [String] {
    let plans = preliminary.map(\.plan) + [action.sourcePlan].compactMap { $0 }
    var text = PlanText(isQualified: plans.reduce(0) { $0 + $1.tableCount } > 1)
    switch action {
    case .query(let plan): text.add(plan, depth: 0)
    case .insert(let insert):
      text.node("Insert on \(insert.table.name)", 0)
      if case .skip = insert.conflict { text.detail("Conflict Resolution: NOTHING", 0) }
      text.add(insert.source, depth: 1)
    case .update(let update):
      text.node("Update on \(update.target.table.name)", 0)
      text.add(update.source, depth: 1)
    case .delete(let delete):
      text.node("Delete on \(delete.target.table.name)", 0)
      text.add(delete.source, depth: 1)
    case .createTableAs(let create): text.add(create.query, depth: 0)
    case .schemaChange, .explain, .explainSchemaChange, .checkTable: break
    }
    for query in preliminary {
      text.detail("InitPlan (returns $\(query.slot + 1))", 0)
      text.add(query.plan, depth: 1)
    }
    return text.lines
  }

  private init(isQualified: Bool) { self.isQualified = isQualified }

  private static func indent(_ depth: Int) -> String { String(repeating: " ", count: depth == 0 ? 0 : depth * 6 - 4) }

  private mutating func node(_ name: String, _ depth: Int) {
    lines.append(Self.indent(depth) + (depth == 0 ? "" : "->  ") + name)
  }

  private mutating func detail(_ text: String, _ depth: Int) {
    lines.append(String(repeating: " ", count: depth * 6 + 2) + text)
  }

  // MARK: Operators

  private mutating func add(_ plan: QueryPlan, depth: Int) {
    let names = ExpressionText(columnNames: plan.children.first.map { self.names($0) } ?? [])
    switch plan {
    case .scan(let scan): add(scan, depth: depth, outer: [])
    case .values(let values):
      node(values.types.isEmpty || values.rows.count == 1 ? "Result" : "Values Scan (\(values.rows.count) rows)", depth)
    case .series: node("Function Scan on generate_series", depth)
    case .filter(let input, let condition):
      // A filter belongs to the node below it in PostgreSQL's texts.
      node("Filter", depth)
      detail("Filter: \(names.text(condition))", depth)
      add(input, depth: depth + 1)
    case .project(let input, _): add(input, depth: depth)
    case .hashJoin(let join): add(join, depth: depth)
    case .nestedLoopJoin(let join):
      node("Nested Loop" + join.kind.suffix, depth)
      if let condition = join.condition {
        let both = ExpressionText(columnNames: self.names(join.left) + self.names(join.right))
        detail("Join Filter: \(both.text(condition))", depth)
      }
      add(join.left, depth: depth + 1)
      add(join.right, depth: depth + 1)
    case .lookupJoin(let join):
      node("Nested Loop" + join.kind.suffix, depth)
      if let condition = join.condition {
        let both = ExpressionText(columnNames: self.names(join.left) + self.names(.scan(join.right)))
        detail("Join Filter: \(both.text(condition))", depth)
      }
      add(join.left, depth: depth + 1)
      add(join.right, depth: depth + 1, outer: self.names(join.left))
    case .apply(let apply):
      node("Subquery" + (apply.outerValues.isEmpty ? "" : " per row"), depth)
      for value in apply.outerValues { detail("$\(value.slot + 1): \(names.text(value.value))", depth) }
      add(apply.input, depth: depth + 1)
      add(apply.subquery, depth: depth + 1)
    case .setProjection(let sets):
      node("ProjectSet", depth)
      add(sets.input, depth: depth + 1)
    case .aggregate(let aggregate):
      node(aggregate.groupBy.isEmpty ? "Aggregate" : "HashAggregate", depth)
      if !aggregate.groupBy.isEmpty {
        detail("Group Key: \(aggregate.groupBy.map(names.text).joined(separator: ", "))", depth)
      }
      add(aggregate.input, depth: depth + 1)
    case .sort(let sort):
      node(sort.limit == nil ? "Sort" : "Top-N Sort", depth)
      detail("Sort Key: \(sort.keys.map { Self.key($0, names) }.joined(separator: ", "))", depth)
      add(sort.input, depth: depth + 1)
    case .limit(let input, _, _):
      node("Limit", depth)
      add(input, depth: depth + 1)
    case .distinct(let input):
      node("HashAggregate (distinct)", depth)
      add(input, depth: depth + 1)
    case .append(let inputs):
      node("Append", depth)
      for input in inputs { add(input, depth: depth + 1) }
    case .lockRows(let lock):
      node("LockRows", depth)
      add(lock.input, depth: depth + 1)
    }
  }

  private mutating func add(_ join: HashJoinPlan, depth: Int) {
    node("Hash" + (join.kind.suffix.isEmpty ? " Join" : join.kind.suffix), depth)
    let left = ExpressionText(columnNames: names(join.left))
    let right = ExpressionText(columnNames: names(join.right))
    let keys = zip(join.leftKeys, join.rightKeys).map { "(\(left.text($0)) = \(right.text($1)))" }
    detail("Hash Cond: \(keys.count == 1 ? keys[0] : "(\(keys.joined(separator: " AND ")))")", depth)
    if let condition = join.condition {
      let both = ExpressionText(columnNames: left.columnNames + right.columnNames)
      detail("Join Filter: \(both.text(condition))", depth)
    }
    add(join.left, depth: depth + 1)
    add(join.right, depth: depth + 1)
  }

  private static func key(_ key: SortKey, _ names: ExpressionText) -> String {
    var text = names.text(key.expression)
    if key.isDescending { text += " DESC" }
    if key.nullsFirst != key.isDescending { text += key.nullsFirst ? " NULLS FIRST" : " NULLS LAST" }
    return text
  }

  private mutating func add(_ scan: ScanPlan, depth: Int, outer: [String]) {
    let table = scan.table
    let isBounded = scan.ranges.count != 1 || !scan.ranges[0].isUnbounded
    let direction = scan.isReverse ? " Backward" : ""
    if scan.indexID == table.primaryIndex.id, !isBounded {
      node(
        scan.isReverse ? "Index Scan Backward using \(scan.index.name) on \(table.name)" : "Seq Scan on \(table.name)",
        depth)
    } else {
      let kind = scan.lookup == nil && scan.indexID != table.primaryIndex.id ? "Index Only Scan" : "Index Scan"
      node("\(kind)\(direction) using \(scan.index.name) on \(table.name)", depth)
    }
    if isBounded { detail("Index Cond: \(condition(scan, outer))", depth) }
    let early = ExpressionText(columnNames: names(of: scan.columns, in: table))
    var filters = scan.filter.map { [early.text($0)] } ?? []
    if let lookup = scan.lookup, let filter = lookup.filter {
      filters.append(ExpressionText(columnNames: names(of: lookup.columns, in: table)).text(filter))
    }
    if !filters.isEmpty { detail("Filter: \(filters.joined(separator: " AND "))", depth) }
  }

  /// The key ranges as a condition; several that differ in values only are shown by the first.
  private func condition(_ scan: ScanPlan, _ outer: [String]) -> String {
    guard let range = scan.ranges.first else { return "false" }
    let values = ExpressionText(columnNames: outer)
    let keys = names(of: scan.index.keyColumns.map(\.columnID), in: scan.table)
    var parts: [String] = []
    for (position, value) in range.equal.enumerated() {
      var seen: [String] = []
      for other in scan.ranges where !seen.contains(values.text(other.equal[position])) {
        seen.append(values.text(other.equal[position]))
      }
      parts.append(
        seen.count == 1
          ? "(\(keys[position]) = \(values.text(value)))" : "(\(keys[position]) IN (\(seen.joined(separator: ", "))))")
    }
    if keys.indices.contains(range.equal.count) {
      let key = keys[range.equal.count]
      if let lower = range.lower {
        parts.append("(\(key) \(lower.isInclusive ? ">=" : ">") \(values.text(lower.value)))")
      }
      if let upper = range.upper {
        parts.append("(\(key) \(upper.isInclusive ? "<=" : "<") \(values.text(upper.value)))")
      }
    }
    return parts.count == 1 ? parts[0] : "(\(parts.joined(separator: " AND ")))"
  }

  // MARK: Names

  private func names(of ids: [ColumnID], in table: TableDescriptor) -> [String] {
    ids.map { id in
      if let column = table.column(id), column.isComputed, let value = column.conversion {
        return (try? Expression(decoding: value.expression)).map(table.knowing).map(
          ExpressionText(columnNames: names(of: value.columns, in: table)).text) ?? column.name
      }
      let name = table.column(id)?.name ?? "?"
      return isQualified ? "\(table.name).\(name)" : name
    }
  }

  private func names(_ plan: QueryPlan) -> [String] {
    switch plan {
    case .scan(let scan):
      let ids =
        scan.lookup.map { lookup in lookup.output.map { lookup.columns[$0] } } ?? scan.output.map { scan.columns[$0] }
      return names(of: ids, in: scan.table)
    case .values(let values): return values.types.indices.map { "column\($0 + 1)" }
    case .series: return ["generate_series"]
    case .filter(let input, _), .limit(let input, _, _), .distinct(let input): return names(input)
    case .project(let input, let expressions):
      let text = ExpressionText(columnNames: names(input))
      return expressions.map(text.text)
    case .hashJoin(let join): return names(join.left) + (join.kind.hasRight ? names(join.right) : [])
    case .nestedLoopJoin(let join): return names(join.left) + (join.kind.hasRight ? names(join.right) : [])
    case .lookupJoin(let join): return names(join.left) + (join.kind.hasRight ? names(.scan(join.right)) : [])
    case .apply(let apply): return names(apply.input) + ["(SubPlan)"]
    case .setProjection(let sets):
      let added = sets.calls.count + (sets.hasOrdinality ? 1 : 0)
      return names(sets.input) + Array(repeating: "(Set)", count: added)
    case .aggregate(let aggregate):
      let text = ExpressionText(columnNames: names(aggregate.input))
      return aggregate.groupBy.map(text.text)
        + aggregate.calls.map { call in
          let arguments = call.function == .countRows ? "*" : call.arguments.map(text.text).joined(separator: ", ")
          return "\(call.function.sqlName)(\(call.isDistinct ? "DISTINCT " : "")\(arguments))"
        }
    case .sort(let sort): return names(sort.input)
    case .append(let inputs): return inputs.first.map { names($0) } ?? []
    case .lockRows(let lock): return names(lock.input)
    }
  }
}

extension AggregateFunction {
  var sqlName: String {
    switch self {
    case .countRows, .count: "count"
    case .sum: "sum"
    case .average: "avg"
    case .minimum: "min"
    case .maximum: "max"
    case .boolAnd: "bool_and"
    case .boolOr: "bool_or"
    case .stringAggregate: "string_agg"
    case .arrayAggregate: "array_agg"
    }
  }
}

extension JoinKind {
  fileprivate var hasRight: Bool { self == .inner || self == .left }

  fileprivate var suffix: String {
    switch self {
    case .inner: ""
    case .left: " Left Join"
    case .semi: " Semi Join"
    case .anti: " Anti Join"
    }
  }
}

extension StatementPlan.Action {
  fileprivate var sourcePlan: QueryPlan? {
    switch self {
    case .query(let plan): plan
    case .insert(let insert): insert.source
    case .update(let update): update.source
    case .delete(let delete): delete.source
    case .createTableAs(let create): create.query
    case .schemaChange, .explain, .explainSchemaChange, .checkTable: nil
    }
  }
}

extension QueryPlan {
  /// The inputs, left before right.
  var children: [QueryPlan] {
    switch self {
    case .scan, .values, .series: []
    case .filter(let input, _), .limit(let input, _, _), .distinct(let input), .project(let input, _): [input]
    case .hashJoin(let join): [join.left, join.right]
    case .nestedLoopJoin(let join): [join.left, join.right]
    case .lookupJoin(let join): [join.left, .scan(join.right)]
    case .apply(let apply): [apply.input, apply.subquery]
    case .setProjection(let sets): [sets.input]
    case .aggregate(let aggregate): [aggregate.input]
    case .sort(let sort): [sort.input]
    case .append(let inputs): inputs
    case .lockRows(let lock): [lock.input]
    }
  }

  fileprivate var tableCount: Int {
    if case .scan = self { return 1 }
    return children.reduce(0) { $0 + $1.tableCount }
  }
}
