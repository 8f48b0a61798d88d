import Basics
import Catalog
import SQLExpressions
import SQLValues

/// What depends on a column whose type changes: conditions and expressions are resolved again over the new type, as PostgreSQL does
/// (`ATPostAlterTypeCleanup`); foreign keys have to be about columns that can still be compared.
extension Planner {
  /// An index as it is over the new types.
  struct RetypedIndex {
    var predicate: RowExpression?
    /// In the places of its key columns that are computed: others, or columns of the table that the expression has come down to.
    var expressions: [ColumnID: Key] = [:]

    enum Key {
      case column(ColumnID)
      case value(RowExpression, SQLType, text: String)
    }
  }

  // MARK: Checks and foreign keys

  mutating func retypeConstraints(_ alteration: inout Alteration) throws(SQLError) {
    if alteration.newTypes.isEmpty { return }
    let table = alteration.table
    let successors = alteration.successors
    for constraint in alteration.constraints where table.constraint(constraint.id) != nil {
      switch constraint.rule {
      case .notNull: break
      case .check(let rule):
        guard let condition = try retyped(rule, alteration) else { continue }
        let new = try self.condition(condition, of: "CHECK", rule, alteration)
        guard new.volatility == .immutable else {
          throw SQLError(
            SQLState("42P17"), "functions in a check constraint must be immutable", tableName: table.name,
            constraintName: constraint.name)
        }
        let replacing = RowExpression(columns: rule.columns.map { successors[$0] ?? $0 }, expression: new.encoded)
        if replacing.columns == rule.columns {
          alteration.stages.edit(
            table.id, [.setRule(constraint.id, .check(replacing))], "constraint \(constraint.name): over the new type")
        } else {
          alteration.stages.add(
            ConstraintDescriptor(
              id: alteration.takeConstraintID(), name: "", state: .absent, rule: .check(replacing),
              replaces: constraint.id), inPlaceOf: constraint, of: table)
        }
      case .foreignKey(let rule):
        let referenced = rule.referencedTable == table.id ? table : context.catalog.table(id: rule.referencedTable)
        guard let referenced else { continue }
        try retype(
          Dependent(table: table, constraint: constraint, rule: rule), referenced: referenced, &alteration)
      }
    }
    for dependent in dependents(on: table) where dependent.table.id != table.id {
      try retype(dependent, referenced: table, &alteration)
    }
  }

  /// The key's values stay what they are, so what has been proved of the old columns holds of the new ones: one edit, in the entry in
  /// which rows and indexes are exchanged. Its floor is its own version, also where the table itself stays: who has looked into the
  /// indexes of before may not commit beside those who look into the new ones.
  private func retype(
    _ key: Dependent, referenced: TableDescriptor, _ alteration: inout Alteration
  ) throws(SQLError) {
    let table = alteration.table
    func isChanged(_ id: ColumnID, of owner: TableDescriptor) -> Bool {
      owner.id == table.id && alteration.newTypes[id] != nil
    }
    func column(_ id: ColumnID, of owner: TableDescriptor) -> ColumnDescriptor? {
      var found = owner.column(id)
      if owner.id == table.id, let type = alteration.newTypes[id] { found?.type = type }
      return found
    }
    var rule = key.rule
    var concerned: [ColumnID] = []
    for position in rule.columns.indices {
      let (own, other) = (rule.columns[position], rule.referencedColumns[position])
      let changed = [(own, key.table), (other, referenced)].filter { isChanged($0.0, of: $0.1) }.map(\.0)
      guard !changed.isEmpty else { continue }
      concerned += changed
      if let first = column(own, of: key.table), let second = column(other, of: referenced) {
        try requireComparable(first, second, key.constraint.name)
      }
      if key.table.id == table.id { rule.columns[position] = alteration.successors[own] ?? own }
      if referenced.id == table.id { rule.referencedColumns[position] = alteration.successors[other] ?? other }
    }
    guard concerned.allSatisfy(alteration.columnsWithSameKeys.contains) else {
      throw SQLError.unsupported("changing the values of a column that a foreign key is about")
    }
    guard rule != key.rule else { return }
    alteration.stages.edit(
      key.table.id, [.setRule(key.constraint.id, .foreignKey(rule))],
      "foreign key \(key.constraint.name): over the new type", floor: .current)
  }

  // MARK: Indexes

  /// Those whose predicate or expressions read a changed column.
  func retypedIndexes(_ alteration: Alteration) throws(SQLError) -> [IndexID: RetypedIndex] {
    if alteration.newTypes.isEmpty { return [:] }
    var result: [IndexID: RetypedIndex] = [:]
    let table = alteration.table
    let successors = alteration.successors
    func row(_ value: Expression, _ rule: RowExpression) -> RowExpression {
      RowExpression(columns: rule.columns.map { successors[$0] ?? $0 }, expression: value.encoded)
    }
    for index in table.indexes where !alteration.droppedIndexes.contains(index.id) {
      var retyped = RetypedIndex(predicate: index.predicate)
      if let rule = index.predicate, let value = try self.retyped(rule, alteration) {
        let condition = try condition(value, of: "WHERE", rule, alteration)
        try requireImmutable(condition, "predicate", index, table)
        retyped.predicate = row(condition, rule)
      }
      for column in table.computedColumns(of: index) {
        guard let rule = column.conversion, let value = try self.retyped(rule, alteration)?.simplified else { continue }
        if case .column(let position, _) = value {
          let id = rule.columns[position]
          retyped.expressions[column.id] = .column(successors[id] ?? id)
          continue
        }
        try requireImmutable(value, "expression", index, table)
        if case .system = value.type {
          throw SQLError.unsupported("an index on an expression of type \(value.type.baseName)")
        }
        let names = rule.columns.map { id in alteration.columns.first { $0.id == id }?.name ?? "" }
        retyped.expressions[column.id] = .value(
          row(value, rule), value.type, text: ExpressionText(columnNames: names).text(value))
      }
      if retyped.predicate != index.predicate || !retyped.expressions.isEmpty { result[index.id] = retyped }
    }
    return result
  }

  private func requireImmutable(
    _ value: Expression, _ part: String, _ index: IndexDescriptor, _ table: TableDescriptor
  ) throws(SQLError) {
    guard value.volatility == .immutable else {
      throw SQLError(
        SQLState("42P17"), "functions in index \(part) must be marked IMMUTABLE", tableName: table.name,
        constraintName: index.name)
    }
  }

  /// All values have the same form and place, so its entries stay as they are.
  func retypeInPlace(
    _ index: IndexDescriptor, _ retyped: RetypedIndex, _ alteration: inout Alteration
  ) {
    var edits: [DescriptorEdit] = []
    if retyped.predicate != index.predicate { edits.append(.setPredicate(index.id, retyped.predicate)) }
    for column in alteration.table.computedColumns(of: index) {
      // One that has come down to a column goes on as the expression it was.
      guard case .value(let value, let type, _)? = retyped.expressions[column.id] else { continue }
      edits.append(.setExpression(column.id, value))
      if type != column.type { edits.append(.setType(column.id, type)) }
    }
    if edits.isEmpty { return }
    alteration.stages.edit(alteration.table.id, edits, "index \(index.name): over the new type")
  }

  // MARK: Expressions

  /// Over the new types; nil if it reads none of their columns.
  private func retyped(_ rule: RowExpression, _ alteration: Alteration) throws(SQLError) -> Expression? {
    var types: [Int: SQLType] = [:]
    for (position, id) in rule.columns.enumerated() { types[position] = alteration.newTypes[id] }
    if types.isEmpty { return nil }
    var builder = ExpressionBuilder()
    return try builder.retyped(stored(rule.expression, alteration.table), types)
  }

  private func condition(
    _ value: Expression, of clause: String, _ rule: RowExpression, _ alteration: Alteration
  ) throws(SQLError) -> Expression {
    var builder = ExpressionBuilder()
    return try builder.condition(value, of: clause).simplified
  }

  private func stored(_ bytes: [UInt8], _ table: TableDescriptor) throws(SQLError) -> Expression {
    do throws(MalformedBytes) {
      return try Expression(decoding: bytes).resolvingEnumerations { context.catalog.enumType($0.id) }
    } catch {
      throw SQLError(
        .dataCorrupted, "an expression of table \"\(table.name)\" cannot be read", detail: error.reason,
        tableName: table.name)
    }
  }

  /// What a generated column is computed by once it has the type: without the cast to its old one that nobody has written.
  func generation(
    _ rule: RowExpression, of column: ColumnDescriptor, as type: SQLType, in table: TableDescriptor
  ) throws(SQLError) -> RowExpression {
    var value = try stored(rule.expression, table)
    while case .cast(let operand, _, _, isExplicit: false) = value { value = operand }
    var builder = ExpressionBuilder()
    guard let cast = try builder.coerced(value, to: type, in: .assignment)?.simplified else {
      throw SQLError(
        .datatypeMismatch,
        "generation expression for column \"\(column.name)\" cannot be cast automatically to type \(type.baseName)",
        tableName: table.name, columnName: column.name)
    }
    guard cast.volatility == .immutable else {
      throw SQLError(
        SQLState("42P17"), "generation expression is not immutable", tableName: table.name, columnName: column.name)
    }
    return RowExpression(columns: rule.columns, expression: cast.encoded)
  }

  /// Whether every value that is converted has the same key as before.
  func keepsKeys(_ change: TypeChange, of column: ColumnDescriptor) -> Bool {
    let integers: [SQLType] = [.int2, .int4, .int8]
    guard integers.contains(column.type), integers.contains(change.type), column.generation == nil,
      change.conversion.columns.map(\.name) == [change.column],
      let conversion = try? Expression(decoding: change.conversion.expression)
    else { return false }
    switch conversion {
    case .column, .cast(.column, _, _, _): return true
    default: return false
    }
  }
}

extension Alteration {
  /// Columns that take the places of others.
  var successors: [ColumnID: ColumnID] {
    Dictionary(uniqueKeysWithValues: conversions.map { ($0.old.id, $0.new.id) })
  }
}
