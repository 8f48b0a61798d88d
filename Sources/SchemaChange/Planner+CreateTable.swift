import Basics
import Catalog
import SQLValues

extension Planner {
  mutating func planCreateTable(_ create: CreateTable) throws(SQLError) -> Plan {
    let tag = "CREATE TABLE"
    let namespace = try requireNamespace(create.name.schema).id
    try requireName(create.name.name)
    if try relation(create.name) != nil {
      guard create.ifNotExists else {
        throw SQLError(
          .duplicateTable, "relation \"\(create.name.name)\" already exists", tableName: create.name.name)
      }
      return Plan(commandTag: tag, notices: ["relation \"\(create.name.name)\" already exists, skipping"])
    }
    try requireNoType(named: create.name.name, in: namespace)
    guard context.catalog.tableCount < SchemaLimits.maximumTables else { throw Self.tooManyTables }
    var columns = try newColumns(create)
    var taken: Set<String> = [create.name.name]
    let tableID = context.allocateTable()

    var keyColumns: [IndexKeyColumn] = []
    if create.primaryKey.isEmpty {
      let id = ColumnID(UInt64(columns.count + 1))
      columns.append(ColumnDescriptor(id: id, name: "rowid", type: .int8, isNullable: false, isHidden: true))
      keyColumns = [IndexKeyColumn(columnID: id)]
    } else {
      keyColumns = try key(create.primaryKey, columns, constraint: "primary key")
      for part in keyColumns {
        for position in columns.indices where columns[position].id == part.columnID {
          columns[position].isNullable = false
        }
      }
    }
    let primaryKeyName: String
    if let given = create.primaryKeyName {
      try requireFreeIndexName(given, in: namespace, taken)
      primaryKeyName = given
    } else {
      primaryKeyName = freeRelationName([create.name.name], suffix: "pkey", in: namespace, taken: taken)
    }
    taken.insert(primaryKeyName)

    var ranges = [try context.allocateRange(table: tableID, index: IndexID(1))]
    var indexes = [
      IndexDescriptor(
        id: IndexID(1), name: primaryKeyName, isUnique: true, keyColumns: keyColumns, rangeID: ranges[0].id)
    ]
    guard create.uniqueConstraints.count < SchemaLimits.maximumIndexesPerTable else { throw Self.tooManyIndexes }
    for constraint in create.uniqueConstraints {
      let uniqueKey = try key(constraint.columns, columns, constraint: "unique constraint")
      let name: String
      if let given = constraint.name {
        try requireFreeIndexName(given, in: namespace, taken)
        name = given
      } else {
        name = freeRelationName(
          [create.name.name] + constraint.columns, suffix: "key", in: namespace, taken: taken)
      }
      taken.insert(name)
      let id = IndexID(UInt64(indexes.count + 1))
      let range = try context.allocateRange(table: tableID, index: id)
      ranges.append(range)
      indexes.append(IndexDescriptor(id: id, name: name, isUnique: true, keyColumns: uniqueKey, rangeID: range.id))
    }
    var sequences: [TableDescriptor] = []
    for (position, definition) in create.columns.enumerated() {
      if let generation = definition.generation {
        columns[position].generation = try self.generation(
          generation, of: columns[position], columns, table: create.name.name)
      }
      guard let generator = definition.generator else { continue }
      let (sequence, range) = try generate(
        &columns[position], by: generator, of: tableID, create.name, in: namespace, taken: &taken)
      sequences.append(sequence)
      ranges.append(range)
    }
    guard create.checks.count <= SchemaLimits.maximumConstraintsPerTable else { throw Self.tooManyConstraints }
    var constraints: [ConstraintDescriptor] = []
    for check in create.checks {
      let rule = try rowExpression(
        check.rule, columns, table: create.name.name, of: "a CHECK constraint of table \"\(create.name.name)\"")
      let name = try constraintName(
        check, taken: constraints.map(\.name) + indexes.map(\.name), table: create.name.name, in: namespace)
      var constraint = ConstraintDescriptor(
        id: ConstraintID(UInt64(constraints.count + 1)), name: name, state: .public, rule: .check(rule))
      constraint.comment = check.comment
      constraints.append(constraint)
    }
    var table = TableDescriptor(
      id: tableID, databaseID: context.databaseID, namespaceID: namespace, name: create.name.name,
      version: TableVersion(1), columns: columns, indexes: indexes, constraints: constraints,
      nextColumnID: ColumnID(UInt64(columns.count + 1)), nextIndexID: IndexID(UInt64(indexes.count + 1)),
      nextConstraintID: ConstraintID(UInt64(constraints.count + 1)), commitFloor: TableVersion(1))
    for index in create.indexes {
      let (made, range, computed) = try newIndex(index, on: table, taken: taken, state: .public)
      taken.insert(made.name)
      ranges.append(range)
      table.indexes.append(made)
      table.columns += computed
      table.nextIndexID = IndexID(made.id.rawValue + 1)
      table.nextColumnID = ColumnID(table.nextColumnID.rawValue + UInt64(computed.count))
    }
    let referenced = try foreignKeys(of: create, &table)
    var stage = Self.creation([table] + sequences, ranges)
    stage.changes = (stage.changes + referenced).sorted { $0.tableID < $1.tableID }
    return Plan(
      commandTag: tag, tables: stage.changes.map(\.tableID), stages: [stage])
  }

  static let tooManyIndexes = SQLError(
    .programLimitExceeded, "a table can have at most \(SchemaLimits.maximumIndexesPerTable) indexes")

  private func newColumns(_ create: CreateTable) throws(SQLError) -> [ColumnDescriptor] {
    guard create.columns.count < SchemaLimits.maximumColumns else {
      throw SQLError(.tooManyColumns, "tables can have at most \(SchemaLimits.maximumColumns) columns")
    }
    var names: Set<String> = []
    var columns: [ColumnDescriptor] = []
    for definition in create.columns {
      try validate(definition)
      guard names.insert(definition.name).inserted else {
        throw SQLError(
          .duplicateColumn, "column \"\(definition.name)\" specified more than once", columnName: definition.name)
      }
      var column = ColumnDescriptor(
        id: ColumnID(UInt64(columns.count + 1)), name: definition.name, type: definition.type,
        isNullable: definition.isNullable, defaultExpression: definition.defaultExpression,
        defaultText: definition.defaultText, sequences: definition.sequences)
      column.comment = definition.comment
      columns.append(column)
    }
    return columns
  }

  func validate(_ definition: ColumnDefinition) throws(SQLError) {
    try requireName(definition.name)
    switch definition.type {
    case .unknown, .void, .system:
      throw SQLError(
        .invalidTableDefinition, "column \"\(definition.name)\" has a pseudo-type", columnName: definition.name)
    case .boolean, .int2, .int4, .int8, .float4, .float8, .numeric, .text, .varchar, .character, .name, .bytea, .uuid,
      .date, .timestamp, .timestampWithTimeZone, .interval, .oid:
      break
    case .enumerated: try requireType(definition.type, of: definition.name)
    @unknown default: break
    }
    guard (definition.defaultExpression?.count ?? 0) <= SchemaLimits.maximumDefaultBytes,
      (definition.defaultText?.utf8.count ?? 0) <= SchemaLimits.maximumDefaultBytes
    else {
      throw SQLError(
        .programLimitExceeded,
        "the default of column \"\(definition.name)\" exceeds \(SchemaLimits.maximumDefaultBytes) bytes")
    }
    try requireSequences(definition.sequences, of: definition.name)
  }

  func key(
    _ names: [String], _ columns: [ColumnDescriptor], constraint: String
  ) throws(SQLError) -> [IndexKeyColumn] {
    try requireKeyLength(names.count)
    var key: [IndexKeyColumn] = []
    for name in names {
      guard let column = columns.first(where: { $0.name == name && !$0.isHidden }) else {
        throw SQLError(.undefinedColumn, "column \"\(name)\" named in key does not exist", columnName: name)
      }
      guard !key.contains(where: { $0.columnID == column.id }) else {
        throw SQLError(.duplicateColumn, "column \"\(name)\" appears twice in \(constraint)", columnName: name)
      }
      key.append(IndexKeyColumn(columnID: column.id))
    }
    return key
  }

  func requireKeyLength(_ count: Int) throws(SQLError) {
    guard count <= SchemaLimits.maximumIndexColumns else {
      throw SQLError(
        .tooManyColumns, "cannot use more than \(SchemaLimits.maximumIndexColumns) columns in an index")
    }
    guard count > 0 else { throw SQLError(.syntaxError, "an index needs at least one column") }
  }

  func requireFreeIndexName(
    _ name: String, in namespace: NamespaceID, _ taken: Set<String> = []
  ) throws(SQLError) {
    try requireName(name)
    let relation = RelationName(namespaceID: namespace, name: name)
    guard context.catalog.relation(relation) == nil, !taken.contains(name) else {
      throw SQLError(.duplicateTable, "relation \"\(name)\" already exists", tableName: name)
    }
  }
}
