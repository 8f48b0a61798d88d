import Basics
import Catalog
import SQLValues
import SchemaChange

/// A catalog that statements are planned against and applied to, stage by stage.
struct World {
  var catalog = CatalogState()
  var nextTableID = TableID(1)
  var nextRangeID = RangeID(1)
  var storageNodes = [NodeID(11), NodeID(12), NodeID(13), NodeID(14)]
  var absentNodes: Set<NodeID> = []

  mutating func plan(_ statement: SchemaStatement) throws -> Plan {
    var planner = Planner(
      PlanningContext(
        catalog: catalog, nextTableID: nextTableID, nextRangeID: nextRangeID, storageNodes: storageNodes,
        absentNodes: absentNodes, replicationFactor: 3))
    let plan = try planner.plan(statement)
    nextTableID = planner.context.nextTableID
    nextRangeID = planner.context.nextRangeID
    return plan
  }

  mutating func apply(_ stage: PlanStage) throws {
    try catalog.apply(
      SchemaEntry(
        index: catalog.schemaIndex.next, timestamp: catalog.timestamp.next, databaseID: .defaultDatabase,
        changes: try stage.changes.map { try $0.change(in: catalog) }, newRanges: stage.newRanges))
  }

  mutating func run(_ statement: SchemaStatement) throws {
    for stage in try plan(statement).stages { try apply(stage) }
  }

  func table(_ name: String) -> TableDescriptor? { catalog.table(named: name) }
}

func column(_ name: String, _ type: SQLType = .int8, isNullable: Bool = true, default constant: Datum? = nil)
  -> ColumnDefinition
{
  ColumnDefinition(
    name: name, type: type, isNullable: isNullable, defaultExpression: constant.map { _ in [1] },
    defaultText: constant.map { _ in "constant" }, constantDefault: constant)
}

func createTable(_ name: String, _ columns: [ColumnDefinition], key: [String] = ["id"], unique: [[String]] = [])
  -> SchemaStatement
{
  .createTable(
    CreateTable(
      name: ObjectName(name: name), ifNotExists: false, columns: columns, primaryKey: key,
      uniqueConstraints: unique.map { UniqueConstraint(name: nil, columns: $0) }))
}

func createIndex(_ name: String?, on table: String, _ columns: [String], isUnique: Bool = false) -> SchemaStatement {
  .createIndex(
    CreateIndex(
      name: name, ifNotExists: false, table: ObjectName(name: table), isUnique: isUnique,
      keyColumns: columns.map { IndexColumnDefinition(columnName: $0) }))
}

func alter(_ table: String, _ changes: TableAlteration...) -> SchemaStatement {
  .alterTable(ObjectName(name: table), ifExists: false, changes: changes)
}
