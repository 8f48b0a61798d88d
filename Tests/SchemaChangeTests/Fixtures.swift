import Basics
import Catalog
import SQLValues
import SchemaChange

/// A catalog that statements are planned against and applied to, stage by stage.
struct World {
  var catalog = CatalogState()
  /// In which statements are made.
  var databaseID = DatabaseID.defaultDatabase
  var nextTableID = TableID(1)
  var nextRangeID = RangeID(1)
  var storageNodes = [NodeID(11), NodeID(12), NodeID(13), NodeID(14)]
  var absentNodes: Set<NodeID> = []
  /// Dropped columns stay, and jobs leave their ways back.
  var retainsDropped = false
  var waysBack = PersistentMap<JobID, WayBack>()
  var nextJobID = JobID(1)

  mutating func plan(_ statement: SchemaStatement) throws -> Plan {
    var context = PlanningContext(
      catalog: catalog, databaseID: databaseID, nextTableID: nextTableID, nextRangeID: nextRangeID,
      storageNodes: storageNodes,
      absentNodes: absentNodes, replicationFactor: 3)
    context.retainsDropped = retainsDropped
    context.waysBack = waysBack
    var planner = Planner(context)
    let plan = try planner.plan(statement)
    nextTableID = planner.context.nextTableID
    nextRangeID = planner.context.nextRangeID
    return plan
  }

  mutating func apply(_ stage: PlanStage) throws {
    let entry = try stage.entry(in: catalog, timestamp: catalog.timestamp.next)
    let restored = entry.changes.filter { $0.from > .none && catalog.table(id: $0.tableID) == nil }
    try catalog.apply(entry)
    for table in restored.compactMap(\.descriptor) { waysBack.noteRestored(table) }
  }

  mutating func run(_ statement: SchemaStatement) throws {
    let plan = try plan(statement)
    var way = WayBack(job: nextJobID, plan: plan, of: statement, in: catalog, databaseID)
    for stage in plan.stages { try apply(stage) }
    if retainsDropped {
      way?.finishedMilliseconds = 1000 * nextJobID.rawValue
      waysBack[nextJobID] = way
    }
    nextJobID = JobID(nextJobID.rawValue + 1)
  }

  /// The number of the job that ran last.
  var lastJob: JobID { JobID(nextJobID.rawValue - 1) }

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
