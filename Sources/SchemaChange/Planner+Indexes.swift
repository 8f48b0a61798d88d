import Basics
import Catalog
import SQLValues

extension Planner {
  mutating func planCreateIndex(_ create: CreateIndex) throws(SQLError) -> Plan {
    let tag = "CREATE INDEX"
    var notices: [String] = []
    guard let table = try resolveTable(create.table, notices: &notices) else { return Plan(commandTag: tag) }
    if let name = create.name {
      try requireName(name)
      if context.catalog.relation(RelationName(databaseID: context.databaseID, name: name)) != nil {
        guard create.ifNotExists else {
          throw SQLError(.duplicateTable, "relation \"\(name)\" already exists", tableName: name)
        }
        return Plan(commandTag: tag, notices: ["relation \"\(name)\" already exists, skipping"])
      }
    }
    guard table.indexes.count < SchemaLimits.maximumIndexesPerTable else { throw Self.tooManyIndexes }
    try requireKeyLength(create.keyColumns.count + create.storedColumns.count)
    var key: [IndexKeyColumn] = []
    for part in create.keyColumns {
      let column = try indexable(part.columnName, table)
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
    let name =
      create.name
      ?? freeRelationName([table.name] + create.keyColumns.map(\.columnName), suffix: "idx", taken: [])
    let id = table.nextIndexID
    let range = try context.allocateRange(table: table.id, index: id)
    let index = IndexDescriptor(
      id: id, name: name, isUnique: create.isUnique, state: .absent, keyColumns: key, storedColumns: stored,
      rangeID: range.id)
    var stages = StageBuilder(context.catalog)
    stages.add(index, with: range, to: table)
    return stages.plan(commandTag: tag, notices: notices)
  }

  private func indexable(_ name: String, _ table: TableDescriptor) throws(SQLError) -> ColumnDescriptor {
    guard let column = table.publicColumns.first(where: { $0.name == name }) else {
      throw SQLError(.undefinedColumn, "column \"\(name)\" does not exist", tableName: table.name, columnName: name)
    }
    return column
  }

  mutating func planDropIndexes(
    _ names: [ObjectName], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var stages = StageBuilder(context.catalog)
    var seen: Set<RelationReference> = []
    for name in names {
      guard let reference = context.catalog.relation(relationName(name)) else {
        guard ifExists else { throw SQLError(.undefinedObject, "index \"\(name)\" does not exist") }
        notices.append("index \"\(name)\" does not exist, skipping")
        continue
      }
      guard case .index(let tableID, let indexID) = reference, let table = context.catalog.table(id: tableID) else {
        throw SQLError(SQLState("42809"), "\"\(name.name)\" is not an index", hint: "Use DROP TABLE to remove a table.")
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
