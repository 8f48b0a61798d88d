import Basics
import Catalog
import SQLExpressions
import SQLValues

/// A plan whose rows hold these scope columns, in this order.
struct LaidOutPlan {
  var plan: QueryPlan
  var layout: [Int]
  /// The rows come in the order that was wanted.
  var isOrdered = false
  /// How many rows there will be, as guessed.
  var rows = AccessPathChooser.tableRows
}

/// Makes operators of a join tree: scans with conditions pushed down, and the joins between them.
struct JoinPlanner {
  let scope: QueryScope

  func columns(of tree: JoinTree) -> Set<Int> {
    switch tree {
    case .relation(let index): return Set(scope.relations[index].columnRange)
    case .inner(let parts, _): return parts.reduce(into: []) { $0.formUnion(columns(of: $1)) }
    case .left(let left, let right, _): return columns(of: left).union(columns(of: right))
    }
  }

  /// `conditions` hold for every row of the result.
  func plan(_ tree: JoinTree, _ request: AccessRequest) throws(SQLError) -> LaidOutPlan {
    switch tree {
    case .relation(let index): return relation(index, request)
    case .inner: return try inner(tree, request)
    case .left(let left, let right, let conditions): return try leftJoin(left, right, conditions, request)
    }
  }

  // MARK: Relations

  private func relation(_ index: Int, _ request: AccessRequest) -> LaidOutPlan {
    let volatile = request.conditions.filter { $0.volatility == .volatile }
    if !volatile.isEmpty {
      // Storage nodes filter only by what gives the same answer everywhere.
      var below = request
      below.conditions.removeAll { $0.volatility == .volatile }
      below.needed.formUnion(volatile.flatMap(\.columns))
      below.rowGoal = nil
      var result = self.relation(index, below)
      result.plan = .filter(
        result.plan, condition: Expression.conjunction(volatile).positioned(in: result.layout))
      return result
    }
    let relation = scope.relations[index]
    switch relation.source {
    case .table(let table):
      let chooser = AccessPathChooser(table: table, firstColumn: relation.firstColumn, request: request)
      return scan(chooser, chooser.paths()[0])
    case .derived(let plan):
      let layout = Array(relation.columnRange)
      let condition = Expression.optionalConjunction(request.conditions)
      let filtered = condition.map { QueryPlan.filter(plan, condition: $0.positioned(in: layout)) } ?? plan
      return LaidOutPlan(plan: filtered, layout: layout, rows: plan.derivedRows)
    }
  }

  private func scan(_ chooser: AccessPathChooser, _ path: AccessPath) -> LaidOutPlan {
    let (scan, layout) = scanPlan(chooser, path, leaving: [])
    return LaidOutPlan(plan: .scan(scan), layout: layout, isOrdered: path.satisfiesOrder, rows: path.rows)
  }

  /// The scan of a path, with the conditions it does not consume as filters, except those at the positions `leaving`.
  private func scanPlan(
    _ chooser: AccessPathChooser, _ path: AccessPath, leaving: Set<Int>
  ) -> (ScanPlan, layout: [Int]) {
    let table = chooser.table
    let request = chooser.request
    let layout = request.needed.sorted()
    let residual = request.conditions.indices.filter { !path.consumed.contains($0) && !leaving.contains($0) }
      .map { request.conditions[$0] }
    let held = chooser.columns(of: path.index).compactMap { chooser.number(of: $0) }
    func ids(_ numbers: [Int]) -> [ColumnID] { numbers.map { table.columns[$0 - chooser.firstColumn].id } }
    var scan = ScanPlan(
      table: table, indexID: path.index.id, ranges: path.ranges, isReverse: path.isReverse, columns: [], output: [])
    if path.isCovering {
      let read = Set(layout).union(residual.flatMap(\.columns)).sorted()
      scan.columns = ids(read)
      scan.filter = Expression.optionalConjunction(residual.map { $0.positioned(in: read) })
      scan.output = layout.compactMap { read.firstIndex(of: $0) }
      return (scan, layout)
    }
    let early = residual.filter { $0.columnSet.isSubset(of: held) }
    let late = residual.filter { !$0.columnSet.isSubset(of: held) }
    let keyNumbers = table.primaryIndex.keyColumns.compactMap { chooser.number(of: $0.columnID) }
    let readEarly = Set(keyNumbers).union(early.flatMap(\.columns)).sorted()
    scan.columns = ids(readEarly)
    scan.filter = Expression.optionalConjunction(early.map { $0.positioned(in: readEarly) })
    scan.output = Array(readEarly.indices)
    let readLate = Set(layout).union(late.flatMap(\.columns)).sorted()
    scan.lookup = PrimaryLookup(
      columns: ids(readLate), filter: Expression.optionalConjunction(late.map { $0.positioned(in: readLate) }),
      output: layout.compactMap { readLate.firstIndex(of: $0) })
    return (scan, layout)
  }

  // MARK: Inner joins

  private func flatten(_ tree: JoinTree, into parts: inout [JoinTree], _ conditions: inout [Expression]) {
    guard case .inner(let inner, let own) = tree else {
      parts.append(tree)
      return
    }
    conditions += own
    for part in inner { flatten(part, into: &parts, &conditions) }
  }

  private func inner(_ tree: JoinTree, _ request: AccessRequest) throws(SQLError) -> LaidOutPlan {
    var parts: [JoinTree] = []
    var conditions = request.conditions
    flatten(tree, into: &parts, &conditions)
    let partColumns = parts.map { columns(of: $0) }
    var waiting = Set(parts.indices)
    var open = conditions

    /// Takes the conditions that read nothing but `columns` (and something of it).
    func take(within columns: Set<Int>) -> [Expression] {
      let taken = open.filter { !$0.columns.isEmpty && $0.columnSet.isSubset(of: columns) }
      open.removeAll { !$0.columns.isEmpty && $0.columnSet.isSubset(of: columns) }
      return taken
    }
    func needed(_ columns: Set<Int>) -> Set<Int> {
      request.needed.union(open.flatMap(\.columns)).intersection(columns)
    }

    let first = firstPart(parts, partColumns, conditions)
    waiting.remove(first)
    let own = take(within: partColumns[first])
    var result = try plan(
      parts[first],
      AccessRequest(
        conditions: own, needed: needed(partColumns[first]), order: request.order, rowGoal: request.rowGoal))
    var placed = partColumns[first]
    while let next = nextPart(waiting, partColumns, placed, open) {
      waiting.remove(next)
      let local = take(within: partColumns[next])
      let joining = take(within: placed.union(partColumns[next]))
      placed.formUnion(partColumns[next])
      result = try join(
        .inner, result, parts[next], local: local, joining: joining,
        needed: request.needed.union(open.flatMap(\.columns)))
    }
    if let rest = Expression.optionalConjunction(open) {
      result.plan = .filter(result.plan, condition: rest.positioned(in: result.layout))
    }
    return result
  }

  /// As written, unless only a later part can be entered by known keys.
  private func firstPart(_ parts: [JoinTree], _ partColumns: [Set<Int>], _ conditions: [Expression]) -> Int {
    func keyed(_ index: Int) -> Double {
      guard case .relation(let number) = parts[index], case .table(let table) = scope.relations[number].source else {
        return 1
      }
      let own = conditions.filter { !$0.columns.isEmpty && $0.columnSet.isSubset(of: partColumns[index]) }
      let path = AccessPathChooser(
        table: table, firstColumn: scope.relations[number].firstColumn,
        request: AccessRequest(conditions: own, needed: [])
      ).paths()[0]
      return path.equalCount == 0 ? 1 : path.isPoint ? 0 : 0.5
    }
    let ranks = parts.indices.map { keyed($0) }
    if ranks[0] < 1 { return 0 }
    return parts.indices.min { ranks[$0] < ranks[$1] } ?? 0
  }

  /// The next part as written that some condition connects with what is placed; else the next as written.
  private func nextPart(
    _ waiting: Set<Int>, _ partColumns: [Set<Int>], _ placed: Set<Int>, _ open: [Expression]
  ) -> Int? {
    let sorted = waiting.sorted()
    return sorted.first { index in
      open.contains { condition in
        let read = condition.columnSet
        return !read.isDisjoint(with: partColumns[index]) && !read.isDisjoint(with: placed)
          && read.isSubset(of: placed.union(partColumns[index]))
      }
    } ?? sorted.first
  }

  // MARK: Left joins

  private func leftJoin(
    _ left: JoinTree, _ right: JoinTree, _ conditions: [Expression], _ request: AccessRequest
  ) throws(SQLError) -> LaidOutPlan {
    let leftColumns = columns(of: left)
    let rightColumns = columns(of: right)
    let above = request.conditions.filter { !$0.columnSet.isSubset(of: leftColumns) || $0.columns.isEmpty }
    let below = request.conditions.filter { $0.columnSet.isSubset(of: leftColumns) && !$0.columns.isEmpty }
    let local = conditions.filter { $0.columnSet.isSubset(of: rightColumns) && !$0.columns.isEmpty }
    let joining = conditions.filter { !$0.columnSet.isSubset(of: rightColumns) || $0.columns.isEmpty }
    let needed = request.needed.union(above.flatMap(\.columns))
    let leftPlan = try plan(
      left,
      AccessRequest(
        conditions: below, needed: needed.union(joining.flatMap(\.columns)).intersection(leftColumns),
        order: request.order, rowGoal: request.rowGoal))
    var result = try join(.left, leftPlan, right, local: local, joining: joining, needed: needed)
    if let rest = Expression.optionalConjunction(above) {
      result.plan = .filter(result.plan, condition: rest.positioned(in: result.layout))
    }
    return result
  }

  // MARK: One join

  /// Joins one more part: by index lookups where an index fits, else by hash, else row by row. The left order is kept.
  private func join(
    _ kind: JoinKind, _ left: LaidOutPlan, _ right: JoinTree, local: [Expression], joining: [Expression],
    needed: Set<Int>
  ) throws(SQLError) -> LaidOutPlan {
    let rightColumns = columns(of: right)
    let wanted = needed.union(joining.flatMap(\.columns)).intersection(rightColumns)
    if let lookup = lookupJoin(
      kind, left, right, local: local, joining: joining, needed: needed.intersection(rightColumns))
    {
      return lookup
    }
    let rightPlan = try plan(right, AccessRequest(conditions: local, needed: wanted))
    let layout = left.layout + rightPlan.layout
    let leftSet = Set(left.layout)
    let rightSet = Set(rightPlan.layout)
    var leftKeys: [Expression] = []
    var rightKeys: [Expression] = []
    var others: [Expression] = []
    for condition in joining {
      if case .comparison(.equal, let first, let second) = condition, condition.volatility != .volatile,
        !first.columns.isEmpty, !second.columns.isEmpty
      {
        if first.columnSet.isSubset(of: leftSet), second.columnSet.isSubset(of: rightSet) {
          leftKeys.append(first.positioned(in: left.layout))
          rightKeys.append(second.positioned(in: rightPlan.layout))
          continue
        }
        if second.columnSet.isSubset(of: leftSet), first.columnSet.isSubset(of: rightSet) {
          leftKeys.append(second.positioned(in: left.layout))
          rightKeys.append(first.positioned(in: rightPlan.layout))
          continue
        }
      }
      others.append(condition)
    }
    let condition = Expression.optionalConjunction(others.map { $0.positioned(in: layout) })
    let plan: QueryPlan =
      leftKeys.isEmpty
      ? .nestedLoopJoin(
        NestedLoopJoinPlan(kind: kind, left: left.plan, right: rightPlan.plan, condition: condition))
      : .hashJoin(
        HashJoinPlan(
          kind: kind, left: left.plan, right: rightPlan.plan, leftKeys: leftKeys, rightKeys: rightKeys,
          condition: condition))
    return LaidOutPlan(plan: plan, layout: layout, isOrdered: left.isOrdered, rows: max(left.rows, rightPlan.rows))
  }

  private func lookupJoin(
    _ kind: JoinKind, _ left: LaidOutPlan, _ right: JoinTree, local: [Expression], joining: [Expression],
    needed: Set<Int>
  ) -> LaidOutPlan? {
    guard case .relation(let index) = right, case .table(let table) = scope.relations[index].source else { return nil }
    let relation = scope.relations[index]
    let outer = Set(left.layout)
    // Conditions that the ranges do not take are checked on the joined row, so their columns must be read.
    var request = AccessRequest(conditions: local + joining, needed: needed, outer: outer)
    var chooser = AccessPathChooser(table: table, firstColumn: relation.firstColumn, request: request)
    let candidates = chooser.paths().filter { $0.outerCount > 0 }
    guard let found = candidates.first else { return nil }
    // Many lookups cost more than reading the whole table once into a hash table.
    let lookups =
      left.rows * found.rows * (found.isCovering ? 1 : AccessPathChooser.lookupCost) * AccessPathChooser.lookupCost
    let hasEquality = joining.contains { if case .comparison(.equal, _, _) = $0 { true } else { false } }
    if hasEquality, lookups > AccessPathChooser.tableRows { return nil }
    let open = joining.indices.filter { !found.consumed.contains(local.count + $0) }
    request.needed.formUnion(open.flatMap { joining[$0].columns }.filter { relation.columnRange.contains($0) })
    chooser = AccessPathChooser(table: table, firstColumn: relation.firstColumn, request: request)
    guard var path = chooser.paths().first(where: { $0.index.id == found.index.id }) else { return nil }
    path.isReverse = false
    var (scan, layout) = scanPlan(chooser, path, leaving: Set(open.map { local.count + $0 }))
    scan.ranges = scan.ranges.map { range in
      KeyRange(
        equal: range.equal.map { $0.positioned(in: left.layout) },
        lower: range.lower.map { KeyBound($0.value.positioned(in: left.layout), isInclusive: $0.isInclusive) },
        upper: range.upper.map { KeyBound($0.value.positioned(in: left.layout), isInclusive: $0.isInclusive) })
    }
    let joined = left.layout + layout
    let condition = Expression.optionalConjunction(open.map { joining[$0].positioned(in: joined) })
    return LaidOutPlan(
      plan: .lookupJoin(LookupJoinPlan(kind: kind, left: left.plan, right: scan, condition: condition)),
      layout: joined, isOrdered: left.isOrdered, rows: left.rows * path.rows)
  }
}

extension QueryPlan {
  /// A guess of how many rows a derived table has.
  fileprivate var derivedRows: Double {
    switch self {
    case .values(let values): Double(values.rows.count)
    case .limit(let input, let count, _):
      if case .constant(.integer(let number), _)? = count { Double(max(number, 0)) } else { input.derivedRows }
    case .aggregate(let aggregate): aggregate.groupBy.isEmpty ? 1 : aggregate.input.derivedRows / 10
    case .scan(let scan):
      scan.isPointLookup
        ? Double(scan.ranges.count)
        : scan.ranges.allSatisfy { $0.equal.isEmpty }
          ? AccessPathChooser.tableRows : AccessPathChooser.tableRows * AccessPathChooser.equalitySelectivity
    case .series: 1_000
    case .filter(let input, _): input.derivedRows * AccessPathChooser.filterSelectivity
    default: children.map(\.derivedRows).max() ?? 1
    }
  }
}
