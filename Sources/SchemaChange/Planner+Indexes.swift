import Basics
import Catalog
import SQLValues

extension Planner {
  mutating func planCreateIndex(_ create: CreateIndex) throws(SQLError) -> Plan {
    let tag = "CREATE INDEX"
    var notices: [String] = []
    if context.catalog.view(named: create.table.name, schema: create.table.schema, in: context.databaseID) != nil {
      throw SQLError(
        .wrongObjectType, "cannot create index on relation \"\(create.table.name)\"",
        detail: "This operation is not supported for views.", tableName: create.table.name)
    }
    guard let table = try resolveTable(create.table, notices: &notices) else { return Plan(commandTag: tag) }
    if let name = create.name {
      try requireName(name)
      if context.catalog.relation(RelationName(namespaceID: table.namespaceID, name: name)) != nil {
        guard create.ifNotExists else {
          throw SQLError(.duplicateTable, "relation \"\(name)\" already exists", tableName: name)
        }
        return Plan(commandTag: tag, notices: ["relation \"\(name)\" already exists, skipping"])
      }
    }
    let (index, range, computed) = try newIndex(create, on: table, taken: [], state: .absent)
    var stages = StageBuilder(context)
    stages.add(index, with: range, to: table, computed: computed)
    return stages.plan(commandTag: tag, notices: notices)
  }

  /// - Parameter taken: names of relations that come into being with it.
  mutating func newIndex(
    _ create: CreateIndex, on table: TableDescriptor, taken: Set<String>, state: ElementState
  ) throws(SQLError) -> (index: IndexDescriptor, range: RangeDescriptor, computed: [ColumnDescriptor]) {
    guard table.indexes.count < SchemaLimits.maximumIndexesPerTable else { throw Self.tooManyIndexes }
    try requireKeyLength(create.keyColumns.count + create.storedColumns.count)
    var key: [IndexKeyColumn] = []
    var computed: [ColumnDescriptor] = []
    for part in create.keyColumns {
      let column: ColumnDescriptor
      if let expression = part.expression {
        column = try computedColumn(
          expression, id: ColumnID(table.nextColumnID.rawValue + UInt64(computed.count)), table, state)
        guard !computed.contains(where: { $0.conversion == column.conversion }) else { continue }
        computed.append(column)
      } else {
        column = try indexable(part.columnName, table)
      }
      // PostgreSQL allows a column twice in an index; the second could never matter, so it is left out.
      guard !key.contains(where: { $0.columnID == column.id }) else { continue }
      key.append(IndexKeyColumn(columnID: column.id, isDescending: part.isDescending))
    }
    var stored: [ColumnID] = []
    for name in create.storedColumns {
      let column = try indexable(name, table)
      guard !stored.contains(column.id) else { continue }
      stored.append(column.id)
    }
    let predicate = try predicate(of: create, table)
    let name =
      create.name
      ?? freeRelationName(
        [table.name] + create.keyColumns.map(\.columnName), suffix: "idx", in: table.namespaceID,
        taken: taken)
    let id = table.nextIndexID
    let range = try context.allocateRange(table: table.id, index: id)
    var index = IndexDescriptor(
      id: id, name: name, isUnique: create.isUnique, state: state, keyColumns: key, storedColumns: stored,
      rangeID: range.id, predicate: predicate, isInvisible: !create.isVisible)
    index.comment = create.comment
    return (index, range, computed)
  }

  private func computedColumn(
    _ expression: IndexExpressionDefinition, id: ColumnID, _ table: TableDescriptor, _ state: ElementState
  ) throws(SQLError) -> ColumnDescriptor {
    let value = try rowExpression(
      expression.value, table.publicColumns, table: table.name,
      of: "an expression of an index of table \"\(table.name)\"")
    guard expression.text.utf8.count <= SchemaLimits.maximumDefaultBytes else {
      throw Self.expressionTooLong("an expression of an index of table \"\(table.name)\"")
    }
    return ColumnDescriptor(
      id: id, name: expression.text, type: expression.type, state: state, isHidden: true, conversion: value)
  }

  private func predicate(of create: CreateIndex, _ table: TableDescriptor) throws(SQLError) -> RowExpression? {
    guard let predicate = create.predicate else { return nil }
    return try rowExpression(
      predicate, table.publicColumns, table: table.name, of: "the predicate of an index of table \"\(table.name)\"")
  }

  private func indexable(_ name: String, _ table: TableDescriptor) throws(SQLError) -> ColumnDescriptor {
    guard let column = table.publicColumns.first(where: { $0.name == name }) else {
      throw SQLError(.undefinedColumn, "column \"\(name)\" does not exist", tableName: table.name, columnName: name)
    }
    return column
  }

  /// Only plans depend on it, and any mixture of them is right: one entry, and nobody waits.
  func planIndexVisibility(_ name: ObjectName, ifExists: Bool, isVisible: Bool) throws(SQLError) -> Plan {
    let tag = "ALTER INDEX"
    var notices: [String] = []
    if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) {
      return Plan(commandTag: tag, notices: notices)
    }
    guard let reference = try relation(name) else {
      guard ifExists else {
        throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", tableName: name.name)
      }
      return Plan(commandTag: tag, notices: ["relation \"\(name)\" does not exist, skipping"])
    }
    guard case .index(let tableID, let id) = reference, let table = context.catalog.table(id: tableID),
      let index = table.index(id)
    else { throw SQLError(.wrongObjectType, "\"\(name.name)\" is not an index") }
    guard isVisible || id != table.primaryIndex.id else {
      throw SQLError(
        .featureNotSupported, "primary index \"\(name.name)\" cannot be invisible", tableName: table.name)
    }
    guard index.isInvisible == isVisible else { return Plan(commandTag: tag) }
    var stages = StageBuilder(context)
    stages.edit(
      tableID, [.setIndexVisibility(id, isVisible: isVisible)],
      "index \(name.name): \(isVisible ? "visible" : "invisible")")
    return stages.plan(commandTag: tag, notices: [])
  }

  mutating func planDropIndexes(
    _ names: [ObjectName], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var stages = StageBuilder(context)
    var seen: Set<RelationReference> = []
    for name in names {
      if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) { continue }
      guard let reference = try relation(name) else {
        guard ifExists else { throw SQLError(.undefinedObject, "index \"\(name)\" does not exist") }
        notices.append("index \"\(name)\" does not exist, skipping")
        continue
      }
      guard case .index(let tableID, let indexID) = reference, let table = context.catalog.table(id: tableID) else {
        throw SQLError(SQLState("42809"), "\"\(name.name)\" is not an index", hint: dropHint(reference))
      }
      guard indexID != table.primaryIndex.id else {
        throw SQLError(
          .dependentObjectsStillExist,
          "cannot drop index \(name) because constraint \(name) on table \(table.name) requires it",
          hint: "You can drop constraint \(name) on table \(table.name) instead.")
      }
      guard seen.insert(reference).inserted, let index = table.index(indexID) else { continue }
      let dependents = dependents(on: table, without: [indexID])
      guard dependents.isEmpty || isCascade else {
        throw Self.refusal(dropping: "index \(name)", because: dependents, on: "index \(name)")
      }
      drop(dependents, in: &stages, &notices)
      stages.drop(index, of: table)
    }
    return stages.plan(commandTag: "DROP INDEX", notices: notices)
  }

  func requireObjectCount(_ count: Int) throws(SQLError) {
    guard count <= SchemaLimits.maximumObjectsPerStatement else {
      throw SQLError(
        .programLimitExceeded,
        "one statement can change at most \(SchemaLimits.maximumObjectsPerStatement) objects")
    }
  }
}
