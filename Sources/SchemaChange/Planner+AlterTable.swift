import Basics
import Catalog
import SQLValues

/// One `ALTER TABLE` while its changes are gone through: what the table will be, and the stages so far.
struct Alteration {
  let table: TableDescriptor
  /// That can be named after the changes so far.
  var columns: [ColumnDescriptor]
  /// Of those, the ones that this statement adds.
  var added: [ColumnDescriptor] = []
  /// Of those, the ones that a constraint of this statement concerns.
  var judged: Set<ColumnID> = []
  var constraints: [ConstraintDescriptor]
  var nextColumnID: ColumnID
  var nextIndexID: IndexID
  var nextConstraintID: ConstraintID
  /// Nothing may rely on these any more.
  var droppedIndexes: Set<IndexID> = []
  /// Names of indexes that this statement adds.
  var indexNames: Set<String> = []
  /// With the columns that take their places.
  var conversions: [(old: ColumnDescriptor, new: ColumnDescriptor)] = []
  /// Of the columns whose type changes, copied or not.
  var newTypes: [ColumnID: SQLType] = [:]
  /// Of those, the ones whose values have the same keys in indexes as before.
  var columnsWithSameKeys: Set<ColumnID> = []
  var primaryKey: UniqueConstraint?
  var stages: StageBuilder
  var notices: [String] = []

  init(_ table: TableDescriptor, _ context: PlanningContext) {
    self.table = table
    columns = table.publicColumns
    constraints = table.constraints
    nextColumnID = table.nextColumnID
    nextIndexID = table.nextIndexID
    nextConstraintID = table.nextConstraintID
    stages = StageBuilder(context)
  }

  func position(of name: String) throws(SQLError) -> Int {
    guard let position = columns.firstIndex(where: { $0.name == name }) else {
      throw SQLError(
        .undefinedColumn, "column \"\(name)\" of relation \"\(table.name)\" does not exist", tableName: table.name,
        columnName: name)
    }
    return position
  }

  /// Of a column whose rows there are to judge: one that the statement itself adds has none yet.
  func existingColumn(_ name: String, for change: String) throws(SQLError) -> ColumnDescriptor {
    let column = columns[try position(of: name)]
    guard !added.contains(where: { $0.id == column.id }) else {
      throw SQLError.unsupported("\(change) for a column that the same statement adds")
    }
    return column
  }

  /// A constraint reads these columns.
  mutating func judge(_ columns: [ColumnID]) throws(SQLError) {
    for column in added where columns.contains(column.id) {
      guard column.isNullable || !column.missingValue.isNull || column.isFilled else {
        throw SQLError.unsupported("a constraint of a NOT NULL column without default that the same statement adds")
      }
      judged.insert(column.id)
    }
  }

  /// Constraints that go; those of other tables are none of its own.
  mutating func forget(_ dropped: [ConstraintID], of tables: [TableID]) {
    for (id, owner) in zip(dropped, tables) where owner == table.id { constraints.removeAll { $0.id == id } }
  }

  mutating func takeConstraintID() -> ConstraintID {
    defer { nextConstraintID = ConstraintID(nextConstraintID.rawValue + 1) }
    return nextConstraintID
  }
}

extension Planner {
  mutating func planAlterTable(
    _ name: ObjectName, _ ifExists: Bool, _ changes: [TableAlteration]
  ) throws(SQLError) -> Plan {
    try requireObjectCount(changes.count)
    var notices: [String] = []
    // As PostgreSQL, for a view as well.
    if changes.count == 1, case .renameColumn(let column, let newName) = changes[0],
      let view = context.catalog.view(named: name.name, schema: name.schema, in: context.databaseID)
    {
      return try planRenameColumn(of: view, column, to: newName, commandTag: "ALTER TABLE")
    }
    guard let table = try resolveTable(name, ifExists: ifExists, notices: &notices) else {
      return Plan(commandTag: "ALTER TABLE", notices: notices)
    }
    var alteration = Alteration(table, context)
    try make(changes, &alteration)
    return alteration.stages.plan(commandTag: "ALTER TABLE", notices: notices + alteration.notices)
  }

  mutating func make(_ changes: [TableAlteration], _ alteration: inout Alteration) throws(SQLError) {
    try takePrimaryKey(changes, &alteration)
    // Whatever the order of writing: drops, columns, constraints (PostgreSQL's passes of ALTER TABLE). So a name can be dropped
    // and added again at once, and a constraint may name a column that is renamed.
    for change in changes where change.pass == .drop { try drop(change, in: &alteration) }
    for change in changes where change.pass == .column { try changeColumn(change, in: &alteration) }
    for change in changes where change.pass == .constraint { try changeConstraint(change, in: &alteration) }
    for column in alteration.added {
      if column.isFilled {
        alteration.stages.fill(column, of: alteration.table)
      } else {
        alteration.stages.add(column, to: alteration.table, isJudged: alteration.judged.contains(column.id))
      }
    }
    try rewriteRows(besides: changes, &alteration)
  }

  // MARK: Drops

  private func drop(_ change: TableAlteration, in alteration: inout Alteration) throws(SQLError) {
    let table = alteration.table
    switch change {
    case .dropColumn(let name, let isOptional, let isCascade):
      if isOptional, !alteration.columns.contains(where: { $0.name == name }) {
        alteration.notices.append("column \"\(name)\" of relation \"\(table.name)\" does not exist, skipping")
        return
      }
      let column = alteration.columns.remove(at: try alteration.position(of: name))
      guard !table.primaryIndex.keyColumns.contains(where: { $0.columnID == column.id }) else {
        throw SQLError.unsupported("dropping a column of the primary key")
      }
      let dependents = dependents(on: table).filter { dependent in
        dependent.rule.referencedColumns.contains(column.id)
          && !(dependent.table.id == table.id && dependent.rule.columns.contains(column.id))
      }
      guard dependents.isEmpty || isCascade else {
        throw Self.refusal(
          dropping: "column \(name) of table \(table.name)", because: dependents,
          on: "column \(name) of table \(table.name)")
      }
      try dropViews(
        reading: [.column(column, of: table)], isCascade: isCascade, in: &alteration.stages, &alteration.notices)
      let generated = try dropGenerated(from: column, isCascade: isCascade, &alteration)
      drop(dependents, in: &alteration.stages, &alteration.notices)
      alteration.forget(dependents.map(\.constraint.id), of: dependents.map(\.table.id))
      for name in generated {
        try drop(.dropColumn(name: name, ifExists: false, isCascade: isCascade), in: &alteration)
      }
      // What involves the column goes with it, as in PostgreSQL.
      for index in table.indexes where table.columns(readBy: index).contains(column.id) {
        alteration.droppedIndexes.insert(index.id)
        alteration.stages.drop(index, of: table)
      }
      for constraint in alteration.constraints where constraint.rule.columns.contains(column.id) {
        alteration.stages.drop(constraint, of: table)
      }
      alteration.constraints.removeAll { $0.rule.columns.contains(column.id) }
      try drop(
        ownedSequences(of: table.id, column: column.id), isCascade: false, except: [table.id], columns: [column.id],
        in: &alteration.stages, &alteration.notices)
      alteration.stages.drop(column, of: table)
    case .dropConstraint(let name, let isOptional, let isCascade):
      if let position = alteration.constraints.firstIndex(where: { $0.name == name && !name.isEmpty }) {
        alteration.stages.drop(alteration.constraints.remove(at: position), of: table)
      } else if let index = table.indexes.first(where: { $0.name == name && table.isConstraint($0) }) {
        if index.id == table.primaryIndex.id {
          guard alteration.primaryKey != nil else { throw SQLError.unsupported("dropping a primary key") }
          return
        }
        alteration.droppedIndexes.insert(index.id)
        let dependents = dependents(on: table, without: alteration.droppedIndexes).filter { dependent in
          dependent.table.id != table.id || alteration.constraints.contains { $0.id == dependent.constraint.id }
        }
        guard dependents.isEmpty || isCascade else {
          throw Self.refusal(
            dropping: "constraint \(name) on table \(table.name)", because: dependents, on: "index \(name)")
        }
        drop(dependents, in: &alteration.stages, &alteration.notices)
        alteration.forget(dependents.map(\.constraint.id), of: dependents.map(\.table.id))
        alteration.stages.drop(index, of: table)
      } else if isOptional {
        alteration.notices.append("constraint \"\(name)\" of relation \"\(table.name)\" does not exist, skipping")
      } else {
        throw Self.missingConstraint(name, table)
      }
    default: break
    }
  }

  // MARK: Columns

  private mutating func changeColumn(_ change: TableAlteration, in alteration: inout Alteration) throws(SQLError) {
    let table = alteration.table
    switch change {
    case .addColumn(let definition, let isOptional):
      try validate(definition)
      if alteration.columns.contains(where: { $0.name == definition.name }) {
        guard isOptional else { throw Self.duplicateColumn(definition.name, table) }
        alteration.notices.append(
          "column \"\(definition.name)\" of relation \"\(table.name)\" already exists, skipping")
        return
      }
      let column = try newColumn(definition, in: &alteration)
      alteration.nextColumnID = ColumnID(column.id.rawValue + 1)
      alteration.added.append(column)
      alteration.columns.append(column)
      guard alteration.columns.count <= SchemaLimits.maximumColumns else {
        throw SQLError(.tooManyColumns, "tables can have at most \(SchemaLimits.maximumColumns) columns")
      }
    case .renameColumn(let oldName, let newName):
      try requireName(newName)
      guard let position = alteration.columns.firstIndex(where: { $0.name == oldName }) else {
        throw SQLError(
          .undefinedColumn, "column \"\(oldName)\" does not exist", tableName: table.name, columnName: oldName)
      }
      guard !alteration.columns.contains(where: { $0.name == newName }) else {
        throw Self.duplicateColumn(newName, table)
      }
      _ = try alteration.existingColumn(oldName, for: "RENAME")
      alteration.columns[position].name = newName
      alteration.stages.edit(
        table.id, [.renameColumn(alteration.columns[position].id, newName)], "column \(oldName): renamed to \(newName)")
    case .setDefault(let name, let expression, let text, let sequences):
      let column = try alteration.existingColumn(name, for: "SET DEFAULT")
      try refuseDefault(of: column, isDrop: expression == nil && text == nil, table: table.name)
      guard column.identity == nil else {
        throw SQLError(
          .syntaxError, "column \"\(name)\" of relation \"\(table.name)\" is an identity column",
          hint: expression == nil ? "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead." : nil,
          tableName: table.name, columnName: name)
      }
      try requireSequences(sequences, of: name)
      guard max(expression?.count ?? 0, text?.utf8.count ?? 0) <= SchemaLimits.maximumDefaultBytes else {
        throw Self.expressionTooLong("the default of column \"\(name)\"")
      }
      alteration.stages.edit(
        table.id, [.setDefault(column.id, expression: expression, text: text, sequences: sequences)],
        "column \(name): default \(text ?? "NULL")")
    case .setType(let change): try setType(change, in: &alteration)
    case .dropGeneration(let name, let ifExists):
      try dropGeneration(of: name, ifExists: ifExists, in: &alteration)
    case .setNotNull(let name):
      let column = try alteration.existingColumn(name, for: "SET NOT NULL")
      guard column.isNullable else { return }
      alteration.columns[try alteration.position(of: name)].isNullable = false
      alteration.stages.add(
        ConstraintDescriptor(
          id: alteration.takeConstraintID(), name: "", state: .absent, rule: .notNull(column.id)), to: table)
    case .dropNotNull(let name):
      let column = try alteration.existingColumn(name, for: "DROP NOT NULL")
      guard !table.primaryIndex.keyColumns.contains(where: { $0.columnID == column.id }) else {
        throw SQLError(
          .invalidTableDefinition, "column \"\(name)\" is in a primary key", tableName: table.name, columnName: name)
      }
      guard column.identity == nil else {
        throw SQLError(
          .syntaxError, "column \"\(name)\" of relation \"\(table.name)\" is an identity column",
          tableName: table.name, columnName: name)
      }
      guard !column.isNullable else { return }
      alteration.columns[try alteration.position(of: name)].isNullable = true
      alteration.stages.drop(
        ConstraintDescriptor(
          id: alteration.takeConstraintID(), name: "", state: .public, rule: .notNull(column.id)), of: table)
    default: break
    }
  }

  // MARK: Constraints

  private mutating func changeConstraint(
    _ change: TableAlteration, in alteration: inout Alteration
  ) throws(SQLError) {
    let table = alteration.table
    switch change {
    case .addCheck(let definition, let isValidated):
      let rule = try rowExpression(
        definition.rule, alteration.columns, table: table.name, of: "a CHECK constraint of table \"\(table.name)\"")
      try alteration.judge(rule.columns)
      let name = try constraintName(
        definition, taken: alteration.constraints.map(\.name) + table.indexes.map(\.name), table: table.name,
        in: table.namespaceID)
      let constraint = ConstraintDescriptor(
        id: alteration.takeConstraintID(), name: name, state: .absent, rule: .check(rule))
      alteration.constraints.append(constraint)
      guard alteration.constraints.count <= SchemaLimits.maximumConstraintsPerTable else {
        throw Self.tooManyConstraints
      }
      alteration.stages.add(constraint, to: table, target: isValidated ? .public : .writeOnly)
    case .addForeignKey(let definition, let isValidated):
      let constraint = try foreignKey(
        definition, of: table, alteration.columns, id: alteration.nextConstraintID,
        taken: alteration.constraints.map(\.name) + table.indexes.map(\.name), state: .absent)
      if case .foreignKey(let rule) = constraint.rule, rule.referencedTable == table.id,
        table.without(alteration.droppedIndexes).uniqueIndex(on: rule.referencedColumns) == nil
      {
        throw Self.noUniqueConstraint(table)
      }
      try alteration.judge(constraint.rule.columns)
      alteration.nextConstraintID = ConstraintID(constraint.id.rawValue + 1)
      alteration.constraints.append(constraint)
      guard alteration.constraints.count <= SchemaLimits.maximumConstraintsPerTable else {
        throw Self.tooManyConstraints
      }
      alteration.stages.add(constraint, to: table, target: isValidated ? .public : .writeOnly)
    case .addUnique(let constraint):
      let (index, range) = try newUniqueIndex(constraint, in: &alteration)
      alteration.stages.add(index, with: range, to: table)
    case .validateConstraint(let name):
      guard let constraint = alteration.constraints.first(where: { $0.name == name && !name.isEmpty }) else {
        guard table.indexes.contains(where: { $0.name == name }) else { throw Self.missingConstraint(name, table) }
        throw SQLError(
          SQLState("42809"),
          "constraint \"\(name)\" of relation \"\(table.name)\" is not a foreign key or check constraint")
      }
      guard constraint.state != .absent else {
        throw SQLError.unsupported("validating a constraint that the same statement adds")
      }
      if constraint.state != .public { alteration.stages.add(constraint, to: table) }
    case .renameConstraint(let oldName, let newName):
      try renameConstraint(oldName, to: newName, in: &alteration)
    default: break
    }
  }

  private func renameConstraint(
    _ oldName: String, to newName: String, in alteration: inout Alteration
  ) throws(SQLError) {
    let table = alteration.table
    try requireName(newName)
    let edit: DescriptorEdit
    if let position = alteration.constraints.firstIndex(where: { $0.name == oldName && !oldName.isEmpty }) {
      guard !alteration.constraints.contains(where: { $0.name == newName }),
        !table.indexes.contains(where: { $0.name == newName })
      else { throw Self.duplicateConstraint(newName, table.name) }
      alteration.constraints[position].name = newName
      edit = .renameConstraint(alteration.constraints[position].id, newName)
    } else if let index = table.indexes.first(where: { $0.name == oldName && table.isConstraint($0) }) {
      try requireFreeIndexName(newName, in: table.namespaceID)
      edit = .renameIndex(index.id, newName)
    } else {
      throw SQLError(
        .undefinedObject, "constraint \"\(oldName)\" for table \"\(table.name)\" does not exist", tableName: table.name)
    }
    alteration.stages.edit(table.id, [edit], "constraint \(oldName): renamed to \(newName)")
  }

  private mutating func newUniqueIndex(
    _ constraint: UniqueConstraint, in alteration: inout Alteration
  ) throws(SQLError) -> (IndexDescriptor, RangeDescriptor) {
    let table = alteration.table
    guard table.indexes.count + alteration.indexNames.count < SchemaLimits.maximumIndexesPerTable else {
      throw Self.tooManyIndexes
    }
    let key = try key(constraint.columns, alteration.columns, constraint: "unique constraint")
    try alteration.judge(key.map(\.columnID))
    let name: String
    if let given = constraint.name {
      try requireFreeIndexName(given, in: table.namespaceID, alteration.indexNames)
      name = given
    } else {
      name = freeRelationName(
        [table.name] + constraint.columns, suffix: "key", in: table.namespaceID, taken: alteration.indexNames)
    }
    alteration.indexNames.insert(name)
    let id = alteration.nextIndexID
    alteration.nextIndexID = IndexID(id.rawValue + 1)
    let range = try context.allocateRange(table: table.id, index: id)
    let index = IndexDescriptor(
      id: id, name: name, isUnique: true, state: .absent, keyColumns: key, rangeID: range.id)
    return (index, range)
  }

  /// With its columns found by name.
  func rowExpression(
    _ definition: RowExpressionDefinition, _ columns: [ColumnDescriptor], table: String, of what: String
  ) throws(SQLError) -> RowExpression {
    guard definition.expression.count <= SchemaLimits.maximumDefaultBytes else { throw Self.expressionTooLong(what) }
    var ids: [ColumnID] = []
    for wanted in definition.columns {
      guard let column = columns.first(where: { $0.name == wanted.name }) else {
        throw SQLError(
          .undefinedColumn, "column \"\(wanted.name)\" does not exist", tableName: table, columnName: wanted.name)
      }
      guard column.type == wanted.type else { throw Self.changedMeanwhile(wanted.name, table) }
      ids.append(column.id)
    }
    return RowExpression(columns: ids, expression: definition.expression)
  }

  /// As given, or `table_column_check`, `table_check`, with a number where that is taken (PostgreSQL's ChooseConstraintName).
  func constraintName(
    _ definition: CheckDefinition, taken: [String], table: String, in namespace: NamespaceID
  ) throws(SQLError) -> String {
    if let name = definition.name {
      try requireName(name)
      guard !taken.contains(name) else { throw Self.duplicateConstraint(name, table) }
      return name
    }
    let columns = definition.rule.columns
    let parts = columns.count == 1 ? [table, columns[0].name] : [table]
    return freeRelationName(parts, suffix: "check", in: namespace, taken: Set(taken))
  }

  static func changedMeanwhile(_ column: String, _ table: String) -> SQLError {
    SQLError(
      .serializationFailure, "column \"\(column)\" was changed by another statement",
      hint: "Try the statement again.", tableName: table, columnName: column)
  }

  static let tooManyConstraints = SQLError(
    .programLimitExceeded, "a table can have at most \(SchemaLimits.maximumConstraintsPerTable) constraints")

  static func expressionTooLong(_ what: String) -> SQLError {
    SQLError(.programLimitExceeded, "\(what) exceeds \(SchemaLimits.maximumDefaultBytes) bytes")
  }

  private static func missingConstraint(_ name: String, _ table: TableDescriptor) -> SQLError {
    SQLError(
      .undefinedObject, "constraint \"\(name)\" of relation \"\(table.name)\" does not exist", tableName: table.name,
      constraintName: name)
  }

  static func duplicateConstraint(_ name: String, _ table: String) -> SQLError {
    SQLError(
      SQLState("42710"), "constraint \"\(name)\" for relation \"\(table)\" already exists", tableName: table,
      constraintName: name)
  }

  private static func duplicateColumn(_ name: String, _ table: TableDescriptor) -> SQLError {
    SQLError(
      .duplicateColumn, "column \"\(name)\" of relation \"\(table.name)\" already exists", tableName: table.name,
      columnName: name)
  }
}

extension TableAlteration {
  fileprivate enum Pass {
    case drop, column, constraint
  }

  fileprivate var pass: Pass {
    switch self {
    case .dropColumn, .dropConstraint: .drop
    case .addColumn, .renameColumn, .setDefault, .setType, .setNotNull, .dropNotNull, .dropGeneration: .column
    case .addCheck, .addUnique, .addForeignKey, .addPrimaryKey, .validateConstraint, .renameConstraint: .constraint
    }
  }
}
