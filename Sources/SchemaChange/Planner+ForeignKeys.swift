import Basics
import Catalog
import SQLValues

/// Foreign keys. Each belongs to the table that refers; the one that it refers to knows of it, and both versions step together.
extension Planner {
  /// - Parameter table: the table that refers, with the columns that the statement leaves it; it may be new.
  func foreignKey(
    _ definition: ForeignKeyDefinition, of table: TableDescriptor, _ columns: [ColumnDescriptor], id: ConstraintID,
    taken: [String], state: ElementState
  ) throws(SQLError) -> ConstraintDescriptor {
    try requireKeyLength(definition.columns.count)
    var notices: [String] = []
    let isSelf =
      definition.referencedTable.name == table.name
      && definition.referencedTable.schema == context.catalog.schemaName(of: table)
    let name = definition.referencedTable
    if !isSelf, context.catalog.view(named: name.name, schema: name.schema, in: context.databaseID) != nil {
      throw SQLError(.wrongObjectType, "referenced relation \"\(name.name)\" is not a table", tableName: name.name)
    }
    guard
      let referenced = isSelf
        ? table : try resolveTable(definition.referencedTable, kind: "relation", notices: &notices)
    else { throw SQLError(.undefinedTable, "relation \"\(definition.referencedTable)\" does not exist") }
    var ids: [ColumnID] = []
    for name in definition.columns {
      guard let column = columns.first(where: { $0.name == name && !$0.isHidden }) else {
        throw SQLError(
          .undefinedColumn, "column \"\(name)\" referenced in foreign key constraint does not exist",
          tableName: table.name, columnName: name)
      }
      guard !ids.contains(column.id) else {
        throw SQLError(.duplicateColumn, "column \"\(name)\" appears twice in a foreign key", columnName: name)
      }
      ids.append(column.id)
    }
    let referencedIDs = try referencedColumns(definition, of: referenced, isSelf ? columns : referenced.publicColumns)
    let constraintName = try foreignKeyName(definition, taken: taken, table)
    guard ids.count == referencedIDs.count else {
      throw SQLError(
        .invalidForeignKey, "number of referencing and referenced columns for foreign key disagree",
        tableName: table.name)
    }
    for (id, referencedID) in zip(ids, referencedIDs) {
      guard let column = columns.first(where: { $0.id == id }),
        let other = (isSelf ? columns : referenced.publicColumns).first(where: { $0.id == referencedID })
      else { continue }
      try requireComparable(column, other, constraintName)
    }
    for (action, verb) in [(definition.onDelete, "DELETE"), (definition.onUpdate, "UPDATE")] where action == .setNull {
      for id in ids where table.primaryIndex.keyColumns.contains(where: { $0.columnID == id }) {
        throw SQLError.unsupported("ON \(verb) SET NULL for a column of the primary key")
      }
    }
    let rule = ForeignKeyRule(
      columns: ids, referencedTable: referenced.id, referencedColumns: referencedIDs, onDelete: definition.onDelete,
      onUpdate: definition.onUpdate)
    try refuseActions(rule, on: columns)
    return ConstraintDescriptor(id: id, name: constraintName, state: state, rule: .foreignKey(rule))
  }

  private func referencedColumns(
    _ definition: ForeignKeyDefinition, of table: TableDescriptor, _ columns: [ColumnDescriptor]
  ) throws(SQLError) -> [ColumnID] {
    if definition.referencedColumns.isEmpty {
      guard !table.hasHiddenPrimaryKey else {
        throw SQLError(
          .undefinedObject, "there is no primary key for referenced table \"\(table.name)\"", tableName: table.name)
      }
      return table.primaryIndex.keyColumns.map(\.columnID)
    }
    var ids: [ColumnID] = []
    for name in definition.referencedColumns {
      guard let column = columns.first(where: { $0.name == name && !$0.isHidden }) else {
        throw SQLError(
          .undefinedColumn, "column \"\(name)\" referenced in foreign key constraint does not exist",
          tableName: table.name, columnName: name)
      }
      ids.append(column.id)
    }
    guard table.uniqueIndex(on: ids) != nil else {
      throw Self.noUniqueConstraint(table)
    }
    return ids
  }

  static func noUniqueConstraint(_ table: TableDescriptor) -> SQLError {
    SQLError(
      .invalidForeignKey,
      "there is no unique constraint matching given keys for referenced table \"\(table.name)\"",
      tableName: table.name)
  }

  func requireComparable(
    _ column: ColumnDescriptor, _ referenced: ColumnDescriptor, _ name: String
  ) throws(SQLError) {
    if column.type.isEncodedLike(referenced.type) {
      // What a shorter one is filled up with is not part of it, but of its key.
      if case .character = column.type, column.type != referenced.type {
        throw SQLError.unsupported("a foreign key between character columns of different lengths")
      }
      return
    }
    func isNumber(_ type: SQLType) -> Bool {
      switch type {
      case .int2, .int4, .int8, .float4, .float8, .numeric: true
      default: false
      }
    }
    if isNumber(column.type), isNumber(referenced.type) {
      throw SQLError.unsupported(
        "a foreign key from a column of type \(column.type.baseName) to one of type \(referenced.type.baseName)")
    }
    throw SQLError(
      .datatypeMismatch, "foreign key constraint \"\(name)\" cannot be implemented",
      detail:
        "Key columns \"\(column.name)\" and \"\(referenced.name)\" are of incompatible types: \(column.type.baseName) and \(referenced.type.baseName).",
      constraintName: name)
  }

  /// As given, or `table_column_fkey`, with a number where that is taken (PostgreSQL's ChooseConstraintName).
  private func foreignKeyName(
    _ definition: ForeignKeyDefinition, taken: [String], _ table: TableDescriptor
  ) throws(SQLError) -> String {
    guard let name = definition.name else {
      return freeRelationName(
        [table.name] + definition.columns, suffix: "fkey", in: table.namespaceID, taken: Set(taken))
    }
    try requireName(name)
    guard !taken.contains(name) else { throw Self.duplicateConstraint(name, table.name) }
    return name
  }

  /// For a new table: its foreign keys, and the changes of the tables they refer to.
  ///
  /// Those who wrote such a table without knowing of the new one have not looked for rows that refer to theirs, and nothing
  /// would prove their rows afterwards. So the floor of the table is its new version.
  func foreignKeys(
    of create: CreateTable, _ table: inout TableDescriptor
  ) throws(SQLError) -> [PlannedTableChange] {
    var changes: [TableID: PlannedTableChange] = [:]
    for definition in create.foreignKeys {
      let constraint = try foreignKey(
        definition, of: table, table.columns, id: table.nextConstraintID,
        taken: table.constraints.map(\.name) + table.indexes.map(\.name), state: .public)
      table.nextConstraintID = ConstraintID(constraint.id.rawValue + 1)
      table.constraints.append(constraint)
      guard table.constraints.count <= SchemaLimits.maximumConstraintsPerTable else { throw Self.tooManyConstraints }
      guard case .foreignKey(let rule) = constraint.rule else { continue }
      let reference = ForeignKeyReference(table: table.id, constraint: constraint.id)
      if rule.referencedTable == table.id {
        table.referencedBy.append(reference)
      } else {
        changes[
          rule.referencedTable, default: PlannedTableChange(tableID: rule.referencedTable, edits: [], floor: .current)
        ].edits.append(.addReference(reference))
      }
    }
    return changes.values.sorted { $0.tableID < $1.tableID }
  }

  // MARK: What depends on a table

  /// A foreign key to a table, with the table that refers.
  struct Dependent {
    let table: TableDescriptor
    let constraint: ConstraintDescriptor
    let rule: ForeignKeyRule

    var description: String { "constraint \(constraint.name) on table \(table.name)" }
  }

  func dependents(on table: TableDescriptor) -> [Dependent] {
    table.referencedBy.compactMap { reference in
      guard let other = context.catalog.table(id: reference.table), other.state == .public,
        let constraint = other.constraint(reference.constraint), case .foreignKey(let rule) = constraint.rule
      else { return nil }
      return Dependent(table: other, constraint: constraint, rule: rule)
    }
  }

  /// Those that nothing else in the table can stand for, once `indexes` are gone.
  func dependents(on table: TableDescriptor, without indexes: Set<IndexID>) -> [Dependent] {
    let rest = table.without(indexes)
    return dependents(on: table).filter { rest.uniqueIndex(on: $0.rule.referencedColumns) == nil }
  }

  static func refusal(dropping object: String, because dependents: [Dependent], on what: String) -> SQLError {
    SQLError(
      .dependentObjectsStillExist, "cannot drop \(object) because other objects depend on it",
      detail: dependents.map { "\($0.description) depends on \(what)" }.joined(separator: "\n"),
      hint: "Use DROP ... CASCADE to drop the dependent objects too.")
  }

  func drop(_ dependents: [Dependent], in stages: inout StageBuilder, _ notices: inout [String]) {
    for dependent in dependents {
      notices.append("drop cascades to \(dependent.description)")
      stages.drop(dependent.constraint, of: dependent.table)
    }
  }

  /// The foreign keys of tables that go, and those that refer to them.
  func dropForeignKeys(
    of tables: Set<TableID>, isCascade: Bool, in stages: inout StageBuilder, _ notices: inout [String]
  ) throws(SQLError) {
    for id in tables.sorted() {
      guard let table = context.catalog.table(id: id) else { continue }
      let others = dependents(on: table).filter { !tables.contains($0.table.id) }
      guard isCascade || others.isEmpty else {
        throw Self.refusal(dropping: "table \(table.name)", because: others, on: "table \(table.name)")
      }
      drop(others, in: &stages, &notices)
      for constraint in table.constraints where constraint.isForeignKey { stages.drop(constraint, of: table) }
    }
  }

  /// A table that is referred to can only be emptied together with all that refers to it.
  func requireUnreferenced(_ tables: [TableDescriptor]) throws(SQLError) {
    let emptied = Set(tables.map(\.id))
    for table in tables {
      guard let other = dependents(on: table).first(where: { !emptied.contains($0.table.id) }) else { continue }
      throw SQLError(
        .featureNotSupported, "cannot truncate a table referenced in a foreign key constraint",
        detail: "Table \"\(other.table.name)\" references \"\(table.name)\".",
        hint: "Truncate table \"\(other.table.name)\" at the same time, or use TRUNCATE ... CASCADE.",
        tableName: table.name)
    }
  }

  // MARK: Which tables a statement concerns

  /// With the tables that foreign keys tie to them: a step of the key is one of both.
  static func tied(
    to tables: Set<TableID>, by statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID
  ) -> Set<TableID> {
    var found = tables
    for name in statement.referencedTables {
      if let table = catalog.table(named: name.name, schema: name.schema, in: database) { found.insert(table.id) }
    }
    guard statement.mayChangeForeignKeys else { return found }
    for id in tables {
      guard let table = catalog.table(id: id) else { continue }
      found.formUnion(table.referencedBy.map(\.table))
      for case .foreignKey(let rule) in table.constraints.map(\.rule) { found.insert(rule.referencedTable) }
    }
    return found
  }
}

extension SchemaStatement {
  /// That new foreign keys refer to.
  fileprivate var referencedTables: [ObjectName] {
    switch self {
    case .createTable(let create): create.foreignKeys.map(\.referencedTable)
    case .alterTable(_, _, let changes):
      changes.compactMap { change in
        if case .addForeignKey(let definition, _) = change { definition.referencedTable } else { nil }
      }
    default: []
    }
  }

  fileprivate var mayChangeForeignKeys: Bool {
    switch self {
    case .dropTables, .dropIndexes, .truncateTables, .undrop, .revertJob, .namespace(.drop): true
    case .alterTable(_, _, let changes):
      changes.contains { change in
        switch change {
        case .dropColumn, .dropConstraint, .validateConstraint, .addPrimaryKey, .setType: true
        default: false
        }
      }
    default: false
    }
  }
}

extension TableDescriptor {
  /// For questions about what is left. The primary index has to be there; as one of no columns it is nobody's.
  func without(_ indexes: Set<IndexID>) -> TableDescriptor {
    var rest = self
    for position in rest.indexes.indices where indexes.contains(rest.indexes[position].id) {
      rest.indexes[position].keyColumns = []
    }
    return rest
  }
}

extension SQLState {
  static let invalidForeignKey = SQLState("42830")
}
