import Basics
import Catalog
import SQLExpressions
import SQLSyntax
import SQLValues

/// Where a column's value comes from, for clients that ask.
struct ColumnOrigin: Hashable {
  var tableID: TableID
  /// From 1.
  var columnNumber: Int
}

/// One item of `FROM`. Its columns have the numbers `firstColumn ..< firstColumn + columns.count` in its scope.
struct Relation {
  enum Source {
    case table(TableDescriptor)
    case derived(QueryPlan)
  }
  struct Column {
    var name: String
    var type: SQLType
    var isVisible: Bool
    var origin: ColumnOrigin?
    /// Can be named behind its relation's name, but `*` does not mean it.
    var isSystem = false
  }
  /// The alias, or the table's name. Empty: cannot be named.
  var name: String
  var source: Source
  var firstColumn: Int
  var columns: [Column]
  /// What it is in the catalog, and its columns there.
  struct Described {
    var relation: TableDescriptor
    var columns: [ColumnID]
  }
  var described: Described?
  /// Of a view whose query is part of the joins (`StatementBinder.bindView`): what its columns are. It has no rows of its own then.
  var values: [Expression]?

  var columnRange: Range<Int> { firstColumn..<firstColumn + columns.count }
}

/// A column that an unqualified name may mean, and that `*` expands to, in order.
struct VisibleColumn {
  var name: String
  var expression: Expression
  var origin: ColumnOrigin?
}

/// The shape of `FROM`: what is joined with what.
indirect enum JoinTree {
  /// Position in the scope's relations.
  case relation(Int)
  case inner([JoinTree], conditions: [Expression])
  case left(JoinTree, JoinTree, conditions: [Expression])
}

/// A subquery that is computed with its own parameters for rows of the query around it. Scopes inside refer outwards
/// through it.
final class SubqueryFrame {
  let outer: QueryScope
  /// Slots filled from expressions in terms of `outer`.
  private(set) var references: [OuterValue] = []
  /// Reads slots that a query further out fills.
  var readsOuterSlots = false
  private let allocate: () -> Int

  init(outer: QueryScope, allocate: @escaping () -> Int) {
    self.outer = outer
    self.allocate = allocate
  }

  func parameter(for expression: Expression) -> Expression {
    if let known = references.first(where: { $0.value == expression }) {
      return .parameter(known.slot, expression.type)
    }
    let slot = allocate()
    references.append(OuterValue(slot: slot, value: expression))
    return .parameter(slot, expression.type)
  }
}

/// A subquery within an expression: stands in it as the column `QueryScope.subqueryColumn(index)` until the plan node that
/// computes it is placed.
struct SubqueryUse {
  var plan: QueryPlan
  var result: ApplyPlan.Result
  var type: SQLType
  var outerValues: [OuterValue]
}

/// A function in `FROM` that reads the relations before it: its rows are added to each of theirs.
struct LateralFunction {
  /// Position in the scope's relations.
  var relation: Int
  var calls: [SetCall]
  var hasOrdinality: Bool
}

enum Clause: String {
  case filter = "WHERE"
  case join = "JOIN conditions"
  case groupBy = "GROUP BY"
  case target = "SELECT"
  case having = "HAVING"
  case orderBy = "ORDER BY"
  case values = "VALUES"
  case returning = "RETURNING"
  case assignment = "UPDATE"
  case limit = "LIMIT"
  case functionInFrom = "functions in FROM"
  case defaultExpression = "DEFAULT expressions"
  case check = "check constraints"
  case transform = "transform expressions"
  case indexPredicate = "index predicates"
  case indexExpression = "index expressions"
  case generation = "column generation expressions"

  var allowsAggregates: Bool { self == .target || self == .having || self == .orderBy }
}

/// The names of one query level, and what was met while binding its expressions.
final class QueryScope {
  let frame: SubqueryFrame?
  var commonTables: [String: CommonTable]
  var relations: [Relation] = []
  /// What is added now stands where an outer join may make up rows.
  var isNullable = false
  var visible: [VisibleColumn] = []
  var clause = Clause.filter
  var isInAggregate = false
  var aggregates: [AggregateCall] = []
  var subqueries: [SubqueryUse] = []
  /// Calls of set functions in the select list.
  var setCalls: [SetCall] = []
  /// Functions in `FROM` that read the relations before them.
  var laterals: [LateralFunction] = []
  /// What a function in `FROM` may read.
  var precedingVisible: [VisibleColumn] = []
  /// Where each column was named first outside aggregates, for errors about grouping.
  var columnPositions: [Int: Int] = [:]

  init(frame: SubqueryFrame?, commonTables: [String: CommonTable]) {
    self.frame = frame
    self.commonTables = commonTables
  }

  var nextColumn: Int { relations.last.map { $0.columnRange.upperBound } ?? 0 }

  // MARK: Numbers beyond the relations' columns

  private static let aggregateBase = 1 << 40
  private static let subqueryBase = 1 << 41
  private static let setBase = 1 << 42

  static func aggregateColumn(_ index: Int) -> Int { aggregateBase + index }
  static func subqueryColumn(_ index: Int) -> Int { subqueryBase + index }
  static func isSubquery(_ column: Int) -> Bool { column >= subqueryBase && column < setBase }
  static func subqueryIndex(_ column: Int) -> Int? { isSubquery(column) ? column - subqueryBase : nil }
  static func setColumn(_ index: Int) -> Int { setBase + index }
  static func setIndex(_ column: Int) -> Int? { column >= setBase ? column - setBase : nil }
  static func aggregateIndex(_ column: Int) -> Int? {
    column >= aggregateBase && column < subqueryBase ? column - aggregateBase : nil
  }

  // MARK: Names

  func relationIndex(ofColumn column: Int) -> Int? { relations.firstIndex { $0.columnRange.contains(column) } }

  func column(_ number: Int) -> Relation.Column? {
    guard let index = relationIndex(ofColumn: number) else { return nil }
    return relations[index].columns[number - relations[index].firstColumn]
  }

  /// `table.column`, as errors about grouping show it.
  func qualifiedName(_ number: Int) -> String {
    guard let index = relationIndex(ofColumn: number) else { return "?" }
    // What is below a view has no names here.
    for relation in relations where relation.values != nil {
      for (value, column) in zip(relation.values ?? [], relation.columns) where value.columns.contains(number) {
        return "\(relation.name).\(column.name)"
      }
    }
    let name = relations[index].columns[number - relations[index].firstColumn].name
    return relations[index].name.isEmpty ? name : "\(relations[index].name).\(name)"
  }

  /// The expression a column name means: a column here, or a parameter filled from a query around this one. nil: unknown.
  func lookUp(_ names: [String], at position: Int?) throws(SQLError) -> Expression? {
    if let found = try lookUpHere(names, at: position) {
      if case .column(let number, _) = found, !isInAggregate, columnPositions[number] == nil {
        columnPositions[number] = position
      }
      return found
    }
    guard let frame else { return nil }
    guard let outer = try frame.outer.lookUp(names, at: position) else { return nil }
    if case .parameter = outer {
      frame.readsOuterSlots = true
      return outer
    }
    return frame.parameter(for: outer)
  }

  func lookUpHere(_ names: [String], at position: Int?) throws(SQLError) -> Expression? {
    guard let name = names.last else { return nil }
    if names.count == 1 {
      let matches = visible.filter { $0.name == name }
      if matches.count > 1 {
        throw SQLError(.ambiguousColumn, "column reference \"\(name)\" is ambiguous", position: position)
      }
      return matches.first?.expression
    }
    guard let index = relationIndex(named: names[names.count - 2]) else { return nil }
    let relation = relations[index]
    let matches = relation.columns.indices.filter {
      (relation.columns[$0].isVisible || relation.columns[$0].isSystem) && relation.columns[$0].name == name
    }
    if matches.count > 1 {
      throw SQLError(.ambiguousColumn, "column reference \"\(name)\" is ambiguous", position: position)
    }
    guard let match = matches.first else {
      throw SQLError(
        .undefinedColumn, "column \(names[names.count - 2]).\(name) does not exist", position: position)
    }
    return relation.values?[match] ?? .column(relation.firstColumn + match, relation.columns[match].type)
  }

  func relationIndex(named name: String) -> Int? { relations.firstIndex { $0.name == name && !name.isEmpty } }

  /// What `*` or `table.*` means.
  func expand(star qualifier: [String], at position: Int?) throws(SQLError) -> [VisibleColumn] {
    guard let name = qualifier.last else {
      if visible.isEmpty && relations.isEmpty {
        throw SQLError(.syntaxError, "SELECT * with no tables specified is not valid", position: position)
      }
      return visible
    }
    guard let index = relationIndex(named: name) else {
      throw SQLError(.undefinedTable, "missing FROM-clause entry for table \"\(name)\"", position: position)
    }
    return relations[index].visibleColumns
  }

  /// The alias under which a table stands here, if only its own name was used.
  func alias(ofTable name: String) -> String? {
    relations.first { relation in
      if case .table(let table) = relation.source { table.name == name && !relation.name.isEmpty } else { false }
    }?.name
  }

  /// Whether a name in front of a column is that of any relation here or further out.
  func knowsRelation(_ name: String) -> Bool {
    relationIndex(named: name) != nil || (frame?.outer.knowsRelation(name) ?? false)
  }
}

/// A `WITH` query and the names it may use itself.
struct CommonTable {
  var expression: CommonTableExpression
  var environment: [String: CommonTable]
}

extension Relation {
  var visibleColumns: [VisibleColumn] {
    columns.indices.filter { columns[$0].isVisible }.map { index in
      VisibleColumn(
        name: columns[index].name,
        expression: values?[index] ?? .column(firstColumn + index, columns[index].type),
        origin: columns[index].origin)
    }
  }
}
