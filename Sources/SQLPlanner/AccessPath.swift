import Basics
import Catalog
import SQLExpressions
import SQLValues

/// What the rows of a relation are wanted for.
struct AccessRequest {
  /// Conditions that may read the relation's columns, parameters, and columns of `outer`.
  var conditions: [Expression]
  /// Scope columns wanted from the relation.
  var needed: Set<Int>
  /// The order that would save a sort, most significant first.
  var order: [WantedOrder] = []
  /// How many rows the consumer is likely to take, if few.
  var rowGoal: Double?
  /// Columns whose values are known when the relation is read (the left row of a lookup join).
  var outer: Set<Int> = []
}

struct WantedOrder: Hashable {
  var column: Int
  var isDescending: Bool
}

/// One way to read a table.
struct AccessPath {
  var index: IndexDescriptor
  var ranges: [KeyRange]
  /// Conditions that the ranges stand for.
  var consumed: Set<Int>
  /// Of the key columns, how many are fixed to one value.
  var equalCount: Int
  /// Equal key columns whose value comes from `AccessRequest.outer`.
  var outerCount: Int
  var isCovering: Bool
  var isReverse: Bool
  var satisfiesOrder: Bool
  var isPoint: Bool
  /// Entries read, as guessed.
  var rows: Double
  var cost: Double
}

/// Chooses how to read one table: index, key ranges, direction.
///
/// Without statistics, costs are guesses that rank paths: every table has a million rows, an equality keeps a hundredth, a
/// bound a third; reading the row behind an index entry costs as much as four entries of a scan.
struct AccessPathChooser {
  static let tableRows = 1_000_000.0
  static let equalitySelectivity = 0.01
  static let boundSelectivity = 0.3
  static let filterSelectivity = 0.2
  static let lookupCost = 4.0
  static let sortCost = 2.0

  let table: TableDescriptor
  let firstColumn: Int
  let request: AccessRequest
  /// The request's conditions, with what the index at hand is an index of as columns.
  private var keyConditions: [Expression]

  init(table: TableDescriptor, firstColumn: Int, request: AccessRequest) {
    self.table = table
    self.firstColumn = firstColumn
    self.request = request
    keyConditions = request.conditions
  }

  private func columnID(_ number: Int) -> ColumnID? {
    let index = number - firstColumn
    return table.columns.indices.contains(index) ? table.columns[index].id : nil
  }

  func number(of id: ColumnID) -> Int? { table.columns.firstIndex { $0.id == id }.map { firstColumn + $0 } }

  /// The columns that an entry of the index holds.
  func columns(of index: IndexDescriptor) -> [ColumnID] {
    if index.id == table.primaryIndex.id { return table.columns.map(\.id) }
    var ids = index.keyColumns.map(\.columnID)
    for id in table.primaryIndex.keyColumns.map(\.columnID) + index.storedColumns where !ids.contains(id) {
      ids.append(id)
    }
    return ids
  }

  /// Every path, cheapest first. There is always one: the primary index from end to end.
  func paths() -> [AccessPath] {
    let proof = PredicateProof(conditions: request.conditions)
    let paths = table.readableIndexes.filter { !$0.isInvisible }.compactMap { index -> AccessPath? in
      let chooser = over(index)
      guard let stored = index.predicate else { return chooser.path(index) }
      // Rows that the query may want and the index does not have make it useless.
      guard let predicate = table.expression(stored, firstColumn: firstColumn), proof.implies(predicate) else {
        return nil
      }
      return chooser.path(index, predicate)
    }
    return paths.sorted { $0.cost < $1.cost }
  }

  private func over(_ index: IndexDescriptor) -> AccessPathChooser {
    let computed = table.computedExpressions(of: index, firstColumn: firstColumn)
    if computed.isEmpty { return self }
    var chooser = self
    chooser.keyConditions = request.conditions.map { $0.replacing(computed) }
    return chooser
  }

  /// - Parameter predicate: what holds for every row of the index.
  private func path(_ index: IndexDescriptor, _ predicate: Expression? = nil) -> AccessPath {
    let known = predicate?.conjuncts ?? []
    var prefixes: [[Expression]] = [[]]
    // What the index says is not asked again.
    var consumed = Set(request.conditions.indices.filter { known.contains(request.conditions[$0]) })
    var equalCount = 0
    var outerCount = 0
    var fixedColumns: Set<Int> = []
    var lower: (Int, KeyBound)?
    var upper: (Int, KeyBound)?
    for key in index.keyColumns {
      guard let column = number(of: key.columnID) else { break }
      if let (position, value) = equality(column) {
        prefixes = prefixes.map { $0 + [value] }
        consumed.insert(position)
        fixedColumns.insert(column)
        equalCount += 1
        if !value.columnSet.isDisjoint(with: request.outer) { outerCount += 1 }
      } else if let (position, values) = list(column), prefixes.count * values.count <= PlannerLimits.maximumKeyRanges {
        prefixes = prefixes.flatMap { prefix in values.map { prefix + [$0] } }
        consumed.insert(position)
        equalCount += 1
      } else {
        lower = bound(column, isLower: true)
        upper = bound(column, isLower: false)
        if let lower { consumed.insert(lower.0) }
        if let upper { consumed.insert(upper.0) }
        break
      }
    }
    let isPrimary = index.id == table.primaryIndex.id
    let isPoint = (index.isUnique || isPrimary) && equalCount == index.keyColumns.count
    let held = Set(columns(of: index))
    let residual = request.conditions.indices.filter { !consumed.contains($0) }
    var wanted = request.needed
    for position in residual { wanted.formUnion(request.conditions[position].columns) }
    let isCovering = isPrimary || wanted.allSatisfy { columnID($0).map(held.contains) ?? true }
    let (satisfiesOrder, isReverse) = order(index, fixedColumns)

    var rows = Self.tableRows
    if isPoint {
      rows = Double(prefixes.count)
    } else {
      for _ in 0..<equalCount { rows *= Self.equalitySelectivity }
      rows *= Double(prefixes.count)
      if lower != nil { rows *= Self.boundSelectivity }
      if upper != nil { rows *= Self.boundSelectivity }
      // Most rows have a value, and most another one than one.
      for part in known where !part.isRarelyFalse { rows *= Self.filterSelectivity }
      rows = max(rows, 1)
    }
    if let goal = request.rowGoal, request.order.isEmpty || satisfiesOrder {
      var needed = goal
      for _ in residual { needed /= Self.filterSelectivity }
      rows = min(rows, needed)
    }
    let widthFactor = isPrimary ? 1.1 : 1
    var cost = rows * (isCovering ? widthFactor : 1 + Self.lookupCost) + Double(prefixes.count) * 0.5
    if !request.order.isEmpty, !satisfiesOrder { cost += rows * Self.sortCost }
    return AccessPath(
      index: index,
      ranges: prefixes.map { KeyRange(equal: $0, lower: lower?.1, upper: upper?.1) }, consumed: consumed,
      equalCount: equalCount, outerCount: outerCount, isCovering: isCovering, isReverse: isReverse,
      satisfiesOrder: satisfiesOrder, isPoint: isPoint, rows: rows, cost: cost)
  }

  // MARK: Conditions on a key column

  /// Computable before the table is read.
  private func isKnown(_ value: Expression) -> Bool {
    value.volatility != .volatile && value.columnSet.isSubset(of: request.outer)
  }

  private func fits(_ value: Expression, _ type: SQLType) -> Bool { value.type.isEncodedLike(type) && isKnown(value) }

  /// `column op value`, whichever way round it is written.
  private func comparison(_ condition: Expression, _ column: Int) -> (ComparisonOperator, Expression)? {
    guard case .comparison(let comparison, let left, let right) = condition else { return nil }
    if case .column(column, let type) = left, fits(right, type) { return (comparison, right) }
    if case .column(column, let type) = right, fits(left, type) { return (comparison.mirrored, left) }
    return nil
  }

  private func equality(_ column: Int) -> (Int, Expression)? {
    for (position, condition) in keyConditions.enumerated() {
      if let (comparison, value) = comparison(condition, column), comparison == .equal { return (position, value) }
      if case .column(column, .boolean) = condition { return (position, .isTrue) }
      if case .not(.column(column, .boolean)) = condition { return (position, .isFalse) }
    }
    return nil
  }

  private func list(_ column: Int) -> (Int, [Expression])? {
    for (position, condition) in keyConditions.enumerated() {
      guard case .inList(.column(column, let type), let values) = condition, values.allSatisfy({ fits($0, type) })
      else {
        continue
      }
      var seen: Set<Expression> = []
      return (position, values.filter { seen.insert($0).inserted })
    }
    return nil
  }

  private func bound(_ column: Int, isLower: Bool) -> (Int, KeyBound)? {
    for (position, condition) in keyConditions.enumerated() {
      guard let (comparison, value) = comparison(condition, column) else { continue }
      switch (comparison, isLower) {
      case (.greater, true), (.less, false): return (position, KeyBound(value, isInclusive: false))
      case (.greaterOrEqual, true), (.lessOrEqual, false): return (position, KeyBound(value, isInclusive: true))
      default: continue
      }
    }
    return nil
  }

  // MARK: Order

  /// Whether the index, read forwards or backwards, yields the wanted order.
  private func order(
    _ index: IndexDescriptor, _ fixed: Set<Int>
  ) -> (satisfied: Bool, isReverse: Bool) {
    let wanted = request.order.filter { !fixed.contains($0.column) }
    if wanted.isEmpty { return (true, false) }
    guard wanted.allSatisfy({ columnID($0.column) != nil }) else { return (false, false) }
    var keys: [(column: Int, isDescending: Bool)] = []
    for key in index.keyColumns {
      guard let column = number(of: key.columnID) else { break }
      if !fixed.contains(column) { keys.append((column, key.isDescending)) }
    }
    // Keys are unique once the primary key has been appended, in ascending order.
    let isUnique = index.isUnique || index.id == table.primaryIndex.id
    if !isUnique {
      for key in table.primaryIndex.keyColumns {
        guard let column = number(of: key.columnID), !keys.contains(where: { $0.column == column }),
          !fixed.contains(column)
        else { continue }
        keys.append((column, key.isDescending))
      }
    }
    var isReverse: Bool?
    for (position, want) in wanted.enumerated() {
      guard position < keys.count else {
        // A unique key that is exhausted leaves no ties to order, unless NULLs repeat.
        let noNulls = index.keyColumns.allSatisfy { table.column($0.columnID)?.isNullable == false }
        return (isUnique && noNulls, isReverse ?? false)
      }
      guard keys[position].column == want.column else { return (false, false) }
      let needsReverse = keys[position].isDescending != want.isDescending
      if let isReverse, isReverse != needsReverse { return (false, false) }
      isReverse = needsReverse
    }
    return (true, isReverse ?? false)
  }
}

extension Expression {
  fileprivate var isRarelyFalse: Bool {
    switch self {
    case .not(.isNull), .comparison(.notEqual, _, _): true
    default: false
    }
  }
}
