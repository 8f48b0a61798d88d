import Basics
import Catalog
import SQLValues

extension Planner {
  mutating func planDropTables(
    _ names: [ObjectName], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var stages = StageBuilder(context)
    var seen: Set<TableID> = []
    for name in names {
      guard let table = try resolveTable(name, ifExists: ifExists, kind: "table", notices: &notices) else { continue }
      if seen.insert(table.id).inserted { stages.drop(table) }
    }
    try dropForeignKeys(of: seen, isCascade: isCascade, in: &stages, &notices)
    try dropViews(
      reading: seen.sorted().compactMap { context.catalog.table(id: $0).map { .relation($0) } }, isCascade: isCascade,
      in: &stages, &notices)
    for table in seen.sorted() {
      try drop(
        ownedSequences(of: table), isCascade: isCascade, except: seen, besides: stages.droppedRelations, in: &stages,
        &notices)
    }
    return stages.plan(commandTag: "DROP TABLE", notices: notices)
  }

  /// Every index gets an empty one in its place, in one entry: who reads at an older timestamp still finds the rows, and who
  /// wrote before may not commit any more.
  mutating func planTruncate(_ names: [ObjectName], restartsIdentity: Bool) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var stage = PlanStage(name: "", changes: [])
    var labels: [String] = []
    var emptied: [TableDescriptor] = []
    for name in names {
      guard let table = try resolveTable(name, kind: "relation", notices: &notices),
        !stage.changes.contains(where: { $0.tableID == table.id })
      else { continue }
      emptied.append(table)
      var change = PlannedTableChange(tableID: table.id, edits: [], floor: .current)
      var id = table.nextIndexID
      for old in table.indexes {
        let range = try context.allocateRange(table: table.id, index: id)
        var empty = old
        empty.id = id
        empty.name = ""
        empty.rangeID = range.id
        empty.replaces = old.id
        change.edits += [.addIndex(empty), .replaceIndex(old.id, with: id)]
        stage.newRanges.append(range)
        stage.retiredRanges.append(old.rangeID)
        id = IndexID(id.rawValue + 1)
      }
      stage.changes.append(change)
      labels.append("table \(table.name): emptied")
    }
    try requireUnreferenced(emptied)
    for owned in restartsIdentity ? emptied.flatMap({ ownedSequences(of: $0.id) }) : [] {
      guard var sequence = owned.sequence else { continue }
      var options = SequenceOptions()
      options.restart = .atStart
      try sequence.apply(options)
      // Who takes numbers of before is refused, as who writes rows of before.
      stage.changes.append(
        PlannedTableChange(tableID: owned.id, edits: [.setSequence(sequence)], floor: .current))
      labels.append("sequence \(owned.name): starts again")
    }
    stage.name = labels.joined(separator: "; ")
    stage.changes.sort { $0.tableID < $1.tableID }
    return Plan(
      commandTag: "TRUNCATE TABLE", tables: stage.changes.map(\.tableID), stages: stage.changes.isEmpty ? [] : [stage],
      notices: notices)
  }

  /// Tables, views, indexes and sequences: `ALTER TABLE … RENAME TO` takes an index's name too, as PostgreSQL does.
  mutating func planRename(
    _ name: ObjectName, to newName: String, ifExists: Bool, commandTag: String = "ALTER TABLE"
  ) throws(SQLError) -> Plan {
    try requireName(newName)
    var notices: [String] = []
    if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) {
      return Plan(commandTag: commandTag, notices: notices)
    }
    let namespace = try requireNamespace(name.schema)
    guard let reference = try relation(name) else {
      guard ifExists else {
        throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", tableName: name.name)
      }
      return Plan(commandTag: commandTag, notices: ["relation \"\(name)\" does not exist, skipping"])
    }
    let target = RelationName(namespaceID: namespace.id, name: newName)
    guard context.catalog.relation(target) == nil else {
      throw SQLError(.duplicateTable, "relation \"\(newName)\" already exists", tableName: newName)
    }
    var stages = StageBuilder(context)
    switch reference {
    case .table(let id):
      let kind = context.catalog.table(id: id)?.kindName ?? "table"
      if kind == "table", context.catalog.type(target) != nil {
        throw SQLError(.duplicateObject, "type \"\(newName)\" already exists")
      }
      stages.edit(id, [.renameTable(newName)], "\(kind) \(name.name): renamed to \(newName)")
    case .index(let id, let index):
      stages.edit(id, [.renameIndex(index, newName)], "index \(name.name): renamed to \(newName)")
    }
    return stages.plan(commandTag: commandTag, notices: [])
  }
}
