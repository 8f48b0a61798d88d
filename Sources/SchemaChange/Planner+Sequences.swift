import Basics
import Catalog
import SQLExpressions
import SQLValues

extension Planner {
  mutating func planCreateSequence(
    _ name: ObjectName, ifNotExists: Bool, _ options: SequenceOptions
  ) throws(SQLError) -> Plan {
    let tag = "CREATE SEQUENCE"
    let namespace = try requireNamespace(name.schema).id
    try requireName(name.name)
    if try relation(name) != nil {
      guard ifNotExists else {
        throw SQLError(.duplicateTable, "relation \"\(name.name)\" already exists", tableName: name.name)
      }
      return Plan(commandTag: tag, notices: ["relation \"\(name.name)\" already exists, skipping"])
    }
    var sequence = try SequenceDescriptor(options, defaultType: .int8, defaultCache: 1)
    sequence.owner = try owner(options.owner)
    let (table, range) = try newSequence(sequence, name: name.name, in: namespace)
    return Plan(commandTag: tag, tables: [table.id], stages: [Self.creation([table], [range])])
  }

  /// A descriptor with an id and a range; its name has been found free.
  mutating func newSequence(
    _ sequence: SequenceDescriptor, name: String, in namespace: NamespaceID
  ) throws(SQLError) -> (TableDescriptor, RangeDescriptor) {
    guard context.catalog.tableCount < SchemaLimits.maximumTables else { throw Self.tooManyTables }
    let id = context.allocateTable()
    let range = try context.allocateRange(table: id, index: IndexID(1))
    let table = TableDescriptor(
      sequence: sequence, id: id, databaseID: context.databaseID, namespaceID: namespace, name: name,
      range: range.id)
    return (table, range)
  }

  /// The stage in which new relations come into being together.
  static func creation(_ tables: [TableDescriptor], _ ranges: [RangeDescriptor]) -> PlanStage {
    PlanStage(
      name: tables.map { "\($0.kindName) \($0.name): absent -> public" }
        .joined(separator: "; "),
      changes: tables.map { PlannedTableChange(tableID: $0.id, edits: [.createTable($0)]) }
        .sorted { $0.tableID < $1.tableID },
      newRanges: ranges)
  }

  static let tooManyTables = SQLError(
    .programLimitExceeded, "a cluster can have at most \(SchemaLimits.maximumTables) tables")

  mutating func planAlterSequence(
    _ name: ObjectName, ifExists: Bool, _ options: SequenceOptions
  ) throws(SQLError) -> Plan {
    let tag = "ALTER SEQUENCE"
    var notices: [String] = []
    guard let table = try resolveSequence(name, ifExists: ifExists, notices: &notices), var changed = table.sequence
    else { return Plan(commandTag: tag, notices: notices) }
    try changed.apply(options)
    if let owner = options.owner {
      if changed.owner?.isIdentity == true {
        throw SQLError(
          .featureNotSupported, "cannot change ownership of identity sequence",
          detail: "Sequence \"\(table.name)\" is linked to a column.")
      }
      changed.owner = try self.owner(owner)
    }
    var stages = StageBuilder(context)
    // Numbers that somebody is taking by the old rules are not handed out: their transaction is refused and comes again.
    stages.edit(table.id, [.setSequence(changed)], "sequence \(table.name): changed", floor: .current)
    return stages.plan(commandTag: tag, notices: notices)
  }

  mutating func planRenameSequence(
    _ name: ObjectName, to newName: String, ifExists: Bool
  ) throws(SQLError) -> Plan {
    var notices: [String] = []
    guard try resolveSequence(name, ifExists: ifExists, notices: &notices) != nil else {
      return Plan(commandTag: "ALTER SEQUENCE", notices: notices)
    }
    return try planRename(name, to: newName, ifExists: ifExists, commandTag: "ALTER SEQUENCE")
  }

  mutating func planDropSequences(
    _ names: [ObjectName], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var sequences: [TableDescriptor] = []
    for name in names {
      guard let sequence = try resolveSequence(name, ifExists: ifExists, notices: &notices) else { continue }
      if !sequences.contains(where: { $0.id == sequence.id }) { sequences.append(sequence) }
    }
    var stages = StageBuilder(context)
    for sequence in sequences {
      if let owner = sequence.sequence?.owner, owner.isIdentity, let table = context.catalog.table(id: owner.table),
        let column = table.column(owner.column), !column.name.isEmpty
      {
        throw SQLError(
          .dependentObjectsStillExist,
          "cannot drop sequence \(sequence.name) because column \(column.name) of table \(table.name) requires it",
          hint: "You can drop column \(column.name) of table \(table.name) instead.")
      }
    }
    try drop(sequences, isCascade: isCascade, except: [], in: &stages, &notices)
    return stages.plan(commandTag: "DROP SEQUENCE", notices: notices)
  }

  /// Drops sequences, with the defaults that use them if `isCascade`; else such a default is 2BP01. Defaults of `tables` go
  /// anyway.
  func drop(
    _ sequences: [TableDescriptor], isCascade: Bool, except tables: Set<TableID>, columns: Set<ColumnID>? = nil,
    in stages: inout StageBuilder, _ notices: inout [String]
  ) throws(SQLError) {
    let dropped = Set(sequences.map(\.id))
    for sequence in sequences { stages.drop(sequence) }
    if dropped.isEmpty { return }
    for table in context.catalog.tables where table.state == .public {
      for column in table.columns where !column.name.isEmpty {
        guard let used = column.sequences.first(where: { dropped.contains($0) }) else { continue }
        if tables.contains(table.id), columns.map({ $0.contains(column.id) }) ?? true { continue }
        let name = sequences.first { $0.id == used }?.name ?? ""
        guard isCascade else {
          throw SQLError(
            .dependentObjectsStillExist, "cannot drop sequence \(name) because other objects depend on it",
            detail: "default value for column \(column.name) of table \(table.name) depends on sequence \(name)",
            hint: "Use DROP ... CASCADE to drop the dependent objects too.")
        }
        notices.append("drop cascades to default value for column \(column.name) of table \(table.name)")
        stages.edit(
          table.id, [.setDefault(column.id, expression: nil, text: nil)],
          "column \(column.name) of table \(table.name): no default")
      }
    }
  }

  /// The sequences that go with a table, or with one of its columns.
  func ownedSequences(of table: TableID, column: ColumnID? = nil) -> [TableDescriptor] {
    Self.ownedSequences(of: table, column: column, in: context.catalog)
  }

  static func ownedSequences(
    of table: TableID, column: ColumnID? = nil, in catalog: CatalogState
  ) -> [TableDescriptor] {
    catalog.sequences.filter { candidate in
      guard candidate.state == .public, let owner = candidate.sequence?.owner, owner.table == table else {
        return false
      }
      return column.map { $0 == owner.column } ?? true
    }
  }

  func resolveSequence(
    _ name: ObjectName, ifExists: Bool, notices: inout [String]
  ) throws(SQLError) -> TableDescriptor? {
    if let found = context.catalog.sequence(named: name.name, schema: name.schema, in: context.databaseID) {
      return found
    }
    if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) { return nil }
    if let other = try relation(name) {
      let isTable = if case .table = other { true } else { false }
      throw SQLError(
        .wrongObjectType, "\"\(name.name)\" is not a sequence",
        hint: isTable ? "Use DROP TABLE to remove a table." : "Use DROP INDEX to remove an index.")
    }
    guard ifExists else {
      throw SQLError(.undefinedTable, "relation \"\(name)\" does not exist", tableName: name.name)
    }
    notices.append("relation \"\(name)\" does not exist, skipping")
    return nil
  }

  private func owner(_ owner: SequenceOptions.Owner?) throws(SQLError) -> SequenceOwner? {
    guard case .column(let tableName, let name)? = owner else { return nil }
    var notices: [String] = []
    guard let table = try resolveTable(tableName, notices: &notices) else { return nil }
    guard let column = table.publicColumns.first(where: { $0.name == name }) else {
      throw SQLError(
        .undefinedColumn, "column \"\(name)\" of relation \"\(table.name)\" does not exist", tableName: table.name,
        columnName: name)
    }
    return SequenceOwner(table: table.id, column: column.id)
  }

  // MARK: Columns

  /// The sequence of a serial or identity column, which gets its default and NOT NULL.
  mutating func generate(
    _ column: inout ColumnDescriptor, by generator: ColumnGenerator, of table: TableID, _ tableName: ObjectName,
    in namespace: NamespaceID, taken: inout Set<String>
  ) throws(SQLError) -> (TableDescriptor, RangeDescriptor) {
    var sequence: SequenceDescriptor
    switch column.type {
    case .int2, .int4, .int8:
      sequence = try SequenceDescriptor(
        generator.options, defaultType: column.type, defaultCache: SchemaLimits.generatedSequenceCache)
    default:
      throw SQLError(
        .invalidParameterValue, "identity column type must be smallint, integer, or bigint", columnName: column.name)
    }
    sequence.owner = SequenceOwner(table: table, column: column.id, isIdentity: generator.identity != nil)
    let name = freeRelationName([tableName.name, column.name], suffix: "seq", in: namespace, taken: taken)
    taken.insert(name)
    let (descriptor, range) = try newSequence(sequence, name: name, in: namespace)
    column.isNullable = false
    column.identity = generator.identity
    column.sequences = [descriptor.id]
    column.defaultExpression =
      Expression.nextValue(ofSequence: Int64(clamping: descriptor.id.rawValue), as: column.type).encoded
    // As it is named now; tools are told the name it has when they ask (SQLPlanner).
    column.defaultText = "nextval('\(descriptor.name)'::regclass)"
    return (descriptor, range)
  }

  /// A sequence follows its column to the one that replaces it; that of an identity column has the column's type.
  func hand(
    _ table: TableDescriptor, from old: ColumnDescriptor, to new: ColumnDescriptor, in alteration: inout Alteration
  ) throws(SQLError) {
    guard var sequence = table.sequence else { return }
    sequence.owner?.column = new.id
    if sequence.owner?.isIdentity == true {
      guard [.int2, .int4, .int8].contains(new.type) else {
        throw SQLError(
          .invalidParameterValue, "identity column type must be smallint, integer, or bigint", columnName: new.name)
      }
      var options = SequenceOptions()
      options.type = new.type
      try sequence.apply(options)
    }
    alteration.stages.edit(
      table.id, [.setSequence(sequence)], "sequence \(table.name): of column #\(new.id)", floor: .current)
  }

  /// The sequences of a default that was bound elsewhere are still there.
  func requireSequences(_ ids: [TableID], of column: String) throws(SQLError) {
    for id in ids {
      guard let found = context.catalog.table(id: id), found.isSequence, found.state == .public else {
        throw SQLError(
          .serializationFailure, "a sequence that the default of column \"\(column)\" uses was dropped",
          hint: "Try the statement again.", columnName: column)
      }
    }
  }
}
