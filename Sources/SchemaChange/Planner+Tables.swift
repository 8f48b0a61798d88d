import Basics
import Catalog
import SQLValues

extension Planner {
  mutating func planDropTables(_ names: [ObjectName], ifExists: Bool) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var stages = StageBuilder(context.catalog)
    var seen: Set<TableID> = []
    for name in names {
      guard let table = try resolveTable(name, ifExists: ifExists, kind: "table", notices: &notices) else { continue }
      if seen.insert(table.id).inserted { stages.drop(table) }
    }
    return stages.plan(commandTag: "DROP TABLE", notices: notices)
  }

  /// Tables and indexes: `ALTER TABLE … RENAME TO` takes an index's name too, as PostgreSQL does.
  mutating func planRename(
    _ name: ObjectName, to newName: String, ifExists: Bool, commandTag: String = "ALTER TABLE"
  ) throws(SQLError) -> Plan {
    try requireName(newName)
    guard let reference = context.catalog.relation(relationName(name)) else {
      guard ifExists else {
        throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", tableName: name.name)
      }
      return Plan(commandTag: commandTag, notices: ["relation \"\(name)\" does not exist, skipping"])
    }
    let target = RelationName(databaseID: context.databaseID, schema: name.schema, name: newName)
    guard context.catalog.relation(target) == nil else {
      throw SQLError(.duplicateTable, "relation \"\(newName)\" already exists", tableName: newName)
    }
    var stages = StageBuilder(context.catalog)
    switch reference {
    case .table(let id):
      stages.edit(id, [.renameTable(newName)], "table \(name.name): renamed to \(newName)")
    case .index(let id, let index):
      stages.edit(id, [.renameIndex(index, newName)], "index \(name.name): renamed to \(newName)")
    }
    return stages.plan(commandTag: commandTag, notices: [])
  }

  mutating func planAlterTable(
    _ name: ObjectName, _ ifExists: Bool, _ changes: [TableAlteration]
  ) throws(SQLError) -> Plan {
    try requireObjectCount(changes.count)
    var notices: [String] = []
    guard let table = try resolveTable(name, ifExists: ifExists, notices: &notices) else {
      return Plan(commandTag: "ALTER TABLE", notices: notices)
    }
    var stages = StageBuilder(context.catalog)
    var columns = table.publicColumns
    var nextColumnID = table.nextColumnID
    // Drops first, whatever the order of writing (PostgreSQL's AT_PASS_DROP): a name can be dropped and added again at once.
    for case .dropColumn(let columnName, let isOptional) in changes {
      guard let column = columns.first(where: { $0.name == columnName }) else {
        guard isOptional else { throw Self.missingColumn(columnName, table) }
        notices.append("column \"\(columnName)\" of relation \"\(table.name)\" does not exist, skipping")
        continue
      }
      guard !table.primaryIndex.keyColumns.contains(where: { $0.columnID == column.id }) else {
        throw SQLError.unsupported("dropping a column of the primary key")
      }
      columns.removeAll { $0.id == column.id }
      for index in table.indexes where index.uses(column.id) { stages.drop(index, of: table) }
      stages.drop(column, of: table)
    }
    for change in changes {
      switch change {
      case .dropColumn: break
      case .renameColumn(let oldName, let newName):
        try requireName(newName)
        guard let position = columns.firstIndex(where: { $0.name == oldName }) else {
          throw SQLError(
            .undefinedColumn, "column \"\(oldName)\" does not exist", tableName: table.name, columnName: oldName)
        }
        guard !columns.contains(where: { $0.name == newName }) else { throw Self.duplicateColumn(newName, table) }
        columns[position].name = newName
        stages.edit(
          table.id, [.renameColumn(columns[position].id, newName)], "column \(oldName): renamed to \(newName)")
      case .addColumn(let definition, let isOptional):
        try validate(definition)
        if columns.contains(where: { $0.name == definition.name }) {
          guard isOptional else { throw Self.duplicateColumn(definition.name, table) }
          notices.append("column \"\(definition.name)\" of relation \"\(table.name)\" already exists, skipping")
          continue
        }
        let column = try newColumn(definition, id: nextColumnID)
        nextColumnID = ColumnID(nextColumnID.rawValue + 1)
        columns.append(column)
        guard columns.count <= SchemaLimits.maximumColumns else {
          throw SQLError(.tooManyColumns, "tables can have at most \(SchemaLimits.maximumColumns) columns")
        }
        stages.add(column, to: table)
      }
    }
    return stages.plan(commandTag: "ALTER TABLE", notices: notices)
  }

  private func newColumn(_ definition: ColumnDefinition, id: ColumnID) throws(SQLError) -> ColumnDescriptor {
    guard definition.defaultExpression == nil || definition.constantDefault != nil else {
      throw SQLError.unsupported("ADD COLUMN with a default that is no constant")
    }
    return ColumnDescriptor(
      id: id, name: definition.name, type: definition.type, isNullable: definition.isNullable, state: .absent,
      defaultExpression: definition.defaultExpression, defaultText: definition.defaultText,
      missingValue: definition.constantDefault ?? .null)
  }

  private static func missingColumn(_ name: String, _ table: TableDescriptor) -> SQLError {
    SQLError(
      .undefinedColumn, "column \"\(name)\" of relation \"\(table.name)\" does not exist", tableName: table.name,
      columnName: name)
  }

  private static func duplicateColumn(_ name: String, _ table: TableDescriptor) -> SQLError {
    SQLError(
      .duplicateColumn, "column \"\(name)\" of relation \"\(table.name)\" already exists", tableName: table.name,
      columnName: name)
  }
}

extension IndexDescriptor {
  func uses(_ column: ColumnID) -> Bool {
    keyColumns.contains { $0.columnID == column } || storedColumns.contains(column)
  }
}
