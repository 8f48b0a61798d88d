import Basics
import Catalog
import SQLValues

/// Enumerated types. Rows hold sort keys and no labels, so what changes a label is one entry; a new one comes in two: first
/// everybody can read it, then everybody may write it.
extension Planner {
  mutating func plan(_ statement: TypeStatement) throws(SQLError) -> Plan {
    switch statement {
    case .create(let name, let labels): try planCreateType(name, labels)
    case .addValue(let name, let label, let ifNotExists, let neighbour):
      try planAddValue(name, label, ifNotExists: ifNotExists, neighbour)
    case .renameValue(let name, let old, let new): try planRenameValue(name, old, to: new)
    case .rename(let name, let newName): try planRenameType(name, to: newName)
    case .setSchema(let name, let schema): try planMoveType(name, to: schema)
    case .drop(let names, let ifExists, let isCascade):
      try planDropTypes(names, ifExists: ifExists, isCascade: isCascade)
    }
  }

  private mutating func planCreateType(_ name: ObjectName, _ labels: [String]) throws(SQLError) -> Plan {
    let namespace = try requireNamespace(name.schema)
    try requireName(name.name)
    try requireFreeTypeName(name.name, in: namespace)
    guard labels.count <= SchemaLimits.maximumEnumValues else { throw Self.tooManyLabels }
    guard context.catalog.tableCount < SchemaLimits.maximumTables else { throw Self.tooManyTables }
    let id = context.allocateTable()
    var seen: Set<[UInt8]> = []
    for label in labels {
      try requireLabel(label)
      guard seen.insert(Array(label.utf8)).inserted else {
        throw SQLError(
          .uniqueViolation, "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
          detail: "Key (enumtypid, enumlabel)=(\(EnumType(id: id).oid), \(label)) already exists.")
      }
    }
    let type = TableDescriptor(
      enumeration: EnumDescriptor(labels: labels), id: id, databaseID: context.databaseID, namespaceID: namespace.id,
      name: name.name)
    return Plan(commandTag: "CREATE TYPE", tables: [id], stages: [Self.creation([type], [])])
  }

  private func planAddValue(
    _ name: ObjectName, _ label: String, ifNotExists: Bool, _ neighbour: TypeStatement.Neighbour?
  ) throws(SQLError) -> Plan {
    let tag = "ALTER TYPE"
    try requireLabel(label)
    let (type, enumeration) = try resolveType(name)
    if enumeration.position(of: label) != nil {
      guard ifNotExists else {
        throw SQLError(.duplicateObject, "enum label \"\(label)\" already exists")
      }
      return Plan(commandTag: tag, notices: ["enum label \"\(label)\" already exists, skipping"])
    }
    guard enumeration.values.count < SchemaLimits.maximumEnumValues else { throw Self.tooManyLabels }
    // The value goes in front of this position.
    let position: Int
    switch neighbour {
    case nil: position = enumeration.values.count
    case .before(let other): position = try requirePosition(of: other, enumeration)
    case .after(let other): position = try requirePosition(of: other, enumeration) + 1
    }
    let key = EnumType.key(
      between: position > 0 ? enumeration.values[position - 1].key : nil,
      and: position < enumeration.values.count ? enumeration.values[position].key : nil)
    guard key.count <= SchemaLimits.maximumEnumKeyBytes else { throw Self.tooManyLabels }
    var stages = StageBuilder(context)
    stages.add(
      EnumValueDescriptor(id: enumeration.nextValueID, label: label, key: key, state: .absent), to: type)
    return stages.plan(commandTag: tag, notices: [])
  }

  private func planRenameValue(
    _ name: ObjectName, _ old: String, to new: String
  ) throws(SQLError) -> Plan {
    try requireLabel(new)
    let (type, enumeration) = try resolveType(name)
    let value = enumeration.values[try requirePosition(of: old, enumeration)]
    guard enumeration.position(of: new) == nil else {
      throw SQLError(.duplicateObject, "enum label \"\(new)\" already exists")
    }
    // The stored query of a view names labels as it was written.
    let views = context.catalog.tables.filter { $0.isView && $0.state == .public }
    if let view = views.first(where: { mayName(labelsOf: type, $0) }) {
      throw .unsupported("renaming a label of a type that view \(shownName(of: view)) reads")
    }
    var stages = StageBuilder(context)
    stages.edit(type.id, [.renameEnumValue(value.id, new)], "label \(old) of type \(type.name): renamed to \(new)")
    return stages.plan(commandTag: "ALTER TYPE", notices: [])
  }

  private func mayName(labelsOf type: TableDescriptor, _ view: TableDescriptor) -> Bool {
    view.namedTypes.contains(type.id)
      || (view.view?.dependencies ?? []).contains { dependency in
        context.catalog.table(id: dependency.relation)?.namedTypes.contains(type.id) ?? false
      }
  }

  private func planRenameType(_ name: ObjectName, to newName: String) throws(SQLError) -> Plan {
    try requireName(newName)
    let (type, _) = try resolveType(name)
    try requireFreeTypeName(newName, in: try requireNamespace(name.schema))
    var stages = StageBuilder(context)
    stages.edit(type.id, [.renameTable(newName)], "type \(type.name): renamed to \(newName)")
    return stages.plan(commandTag: "ALTER TYPE", notices: [])
  }

  private func planMoveType(_ name: ObjectName, to schema: String) throws(SQLError) -> Plan {
    let (type, _) = try resolveType(name)
    let namespace = try requireNamespace(schema)
    guard type.namespaceID != namespace.id else { return Plan(commandTag: "ALTER TYPE") }
    try requireFreeTypeName(type.name, in: namespace, isMoved: true)
    var stages = StageBuilder(context)
    stages.edit(type.id, [.moveTable(namespace.id)], "type \(type.name): moved to schema \(schema)")
    return stages.plan(commandTag: "ALTER TYPE", notices: [])
  }

  private mutating func planDropTypes(
    _ names: [ObjectName], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var types: [TableDescriptor] = []
    for name in names {
      guard let type = try findType(name, forDropping: true) else {
        if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) { continue }
        guard ifExists else { throw Self.missingType(name) }
        notices.append("type \"\(name)\" does not exist, skipping")
        continue
      }
      if !types.contains(where: { $0.id == type.id }) { types.append(type) }
    }
    var stages = StageBuilder(context)
    var cascades: [String] = []
    try drop(types: types, isCascade: isCascade, in: &stages, &cascades)
    notices += cascades.count < 2 ? cascades : ["drop cascades to \(cascades.count) other objects"]
    return stages.plan(commandTag: "DROP TYPE", notices: notices)
  }

  /// Drops types, with the columns that have them if `isCascade`; else one that is used is 2BP01. Columns of `tables` go anyway.
  mutating func drop(
    types: [TableDescriptor], isCascade: Bool, except tables: Set<TableID> = [], in stages: inout StageBuilder,
    _ notices: inout [String]
  ) throws(SQLError) {
    let dropped = Set(types.map(\.id))
    if dropped.isEmpty { return }
    var details: [String] = []
    for table in context.catalog.tables
    where table.state == .public && !table.isView && !tables.contains(table.id)
      && !table.namedTypes.isDisjoint(with: dropped)
    {
      var changes: [TableAlteration] = []
      for column in table.publicColumns {
        guard case .enumerated(let type) = column.type, dropped.contains(type.id) else { continue }
        let title = "column \(column.name) of table \(table.name)"
        details.append("\(title) depends on type \(type.name)")
        notices.append("drop cascades to \(title)")
        changes.append(.dropColumn(name: column.name, ifExists: false, isCascade: true))
      }
      // One that nobody sees yet comes from a change under way.
      guard !changes.isEmpty else { throw Self.changedMeanwhile("", table.name) }
      if !isCascade { continue }
      var alteration = Alteration(table, context)
      alteration.stages = stages
      try make(changes, &alteration)
      stages = alteration.stages
    }
    for type in types {
      for view in readers(of: .relation(type)) where !tables.contains(view.id) {
        details.append("\(title(.relation(view))) depends on type \(type.name)")
      }
    }
    guard details.isEmpty || isCascade else {
      throw SQLError(
        .dependentObjectsStillExist,
        types.count == 1
          ? "cannot drop type \(types[0].name) because other objects depend on it"
          : "cannot drop desired object(s) because other objects depend on them",
        detail: details.joined(separator: "\n"),
        hint: "Use DROP ... CASCADE to drop the dependent objects too.")
    }
    try dropViews(
      reading: types.map { .relation($0) }, besides: stages.droppedRelations.union(tables), isCascade: true,
      in: &stages,
      &notices)
    for type in types { stages.drop(type) }
  }

  // MARK: Names

  /// The type of that name; 42704 where there is none, 42809 for one of another kind.
  func resolveType(_ name: ObjectName) throws(SQLError) -> (TableDescriptor, EnumDescriptor) {
    guard let type = try findType(name, forDropping: false), let enumeration = type.enumeration else {
      var notices: [String] = []
      _ = try isSchemaMissing(name, ifExists: false, notices: &notices)
      throw Self.missingType(name)
    }
    return (type, enumeration)
  }

  private func findType(_ name: ObjectName, forDropping: Bool) throws(SQLError) -> TableDescriptor? {
    let catalog = context.catalog
    if let type = catalog.type(named: name.name, schema: name.schema, in: context.databaseID) { return type }
    // A table's rows have a type of its name.
    if catalog.table(named: name.name, schema: name.schema, in: context.databaseID) != nil {
      throw forDropping
        ? SQLError(
          .dependentObjectsStillExist, "cannot drop type \(name) because table \(name) requires it",
          hint: "You can drop table \(name) instead.")
        : SQLError(.wrongObjectType, "\(name) is not an enum")
    }
    return nil
  }

  static func missingType(_ name: ObjectName) -> SQLError {
    SQLError(.undefinedObject, "type \"\(name)\" does not exist")
  }

  private func requireFreeTypeName(
    _ name: String, in namespace: NamespaceDescriptor, isMoved: Bool = false
  ) throws(SQLError) {
    let relation = RelationName(namespaceID: namespace.id, name: name)
    var isTable = false
    if case .table(let id)? = context.catalog.relation(relation) {
      isTable = context.catalog.table(id: id)?.isSequence == false
    }
    guard isTable || context.catalog.type(relation) != nil else { return }
    throw SQLError(
      .duplicateObject,
      "type \"\(name)\" already exists" + (isMoved ? " in schema \"\(namespace.name)\"" : ""))
  }

  /// A table is a type of its name as well.
  func requireNoType(named name: String, in namespace: NamespaceID) throws(SQLError) {
    guard context.catalog.type(RelationName(namespaceID: namespace, name: name)) != nil else { return }
    throw SQLError(
      .duplicateObject, "type \"\(name)\" already exists",
      hint:
        "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type."
    )
  }

  /// The type of a column that was bound elsewhere is still there.
  func requireType(_ type: SQLType, of column: String) throws(SQLError) {
    guard case .enumerated(let enumeration) = type else { return }
    guard let found = context.catalog.table(id: enumeration.id), found.isType, found.state == .public else {
      throw SQLError(
        .undefinedObject, "type \"\(enumeration.name)\" does not exist",
        detail: "The type of column \"\(column)\" was dropped.", columnName: column)
    }
  }

  private func requireLabel(_ label: String) throws(SQLError) {
    guard label.utf8.count <= SchemaLimits.maximumNameBytes, !label.utf8.contains(0) else {
      throw SQLError(
        SQLState("42602"), "invalid enum label \"\(label)\"", detail: "Labels must be 63 bytes or less.")
    }
  }

  private func requirePosition(of label: String, _ enumeration: EnumDescriptor) throws(SQLError) -> Int {
    guard let position = enumeration.position(of: label) else {
      throw SQLError(.invalidParameterValue, "\"\(label)\" is not an existing enum label")
    }
    return position
  }

  static let tooManyLabels = SQLError(
    .programLimitExceeded, "an enumerated type can have at most \(SchemaLimits.maximumEnumValues) labels")
}

extension Planner {
  /// How a statement stands in the queue for enumerated types. Who converts values has their labels in hand until he is done: whoever
  /// changes them waits for him, and holds up those that come later.
  static func usedTypes(
    by statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID
  ) -> [TableID] {
    let used = statement.convertedEnumerations(in: catalog, database)
      .union(changedTypes(by: statement, in: catalog, database))
    return used.map { TableID(userOf: NamespaceID(rawValue: $0.rawValue)) }.sorted()
  }

  /// Types that a statement changes.
  static func changedTypes(
    by statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID
  ) -> Set<TableID> {
    switch statement {
    case .type(let change):
      return Set(change.names.compactMap { catalog.type(named: $0.name, schema: $0.schema, in: database)?.id })
    case .comment(let comment):
      guard case .type(let name) = comment.target else { return [] }
      return Set([catalog.type(named: name.name, schema: name.schema, in: database)?.id].compactMap { $0 })
    case .transaction(let transaction):
      return transaction.statements.reduce(into: []) { $0.formUnion(changedTypes(by: $1, in: catalog, database)) }
    default: return []
    }
  }
}
