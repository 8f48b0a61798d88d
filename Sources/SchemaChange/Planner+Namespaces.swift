import Basics
import Catalog

/// Schemas in the sense of SQL. Relations name theirs by id: creating and renaming one is one entry that touches nothing else, and
/// with one that is dropped go the tables in it, out of sight in the same entry.
extension Planner {
  mutating func plan(_ statement: NamespaceStatement) throws(SQLError) -> Plan {
    switch statement {
    case .create(let name, let ifNotExists): try planCreateNamespace(name, ifNotExists: ifNotExists)
    case .drop(let names, let ifExists, let isCascade):
      try planDropNamespaces(names, ifExists: ifExists, isCascade: isCascade)
    case .rename(let name, let newName): try planRenameNamespace(name, to: newName)
    }
  }

  private static let systemNames: Set<String> = ["pg_catalog", "information_schema"]

  private mutating func planCreateNamespace(_ name: String, ifNotExists: Bool) throws(SQLError) -> Plan {
    let tag = "CREATE SCHEMA"
    try requireName(name)
    if Self.systemNames.contains(name) || context.catalog.namespace(named: name, in: context.databaseID) != nil {
      guard ifNotExists else { throw Self.duplicateNamespace(name) }
      return Plan(commandTag: tag, notices: ["schema \"\(name)\" already exists, skipping"])
    }
    try requireUserName(name)
    guard context.catalog.namespaces.count < SchemaLimits.maximumNamespaces else { throw Self.tooManyNamespaces }
    let id = NamespaceID(context.allocateTable().rawValue)
    var stages = StageBuilder(context)
    stages.change(
      id, [.create(NamespaceDescriptor(id: id, databaseID: context.databaseID, name: name))],
      "schema \(name): absent -> public")
    return stages.plan(commandTag: tag, notices: [])
  }

  private func planRenameNamespace(_ name: String, to newName: String) throws(SQLError) -> Plan {
    try requireName(newName)
    let namespace = try requireNamespace(name)
    if Self.systemNames.contains(newName)
      || context.catalog.namespace(named: newName, in: context.databaseID) != nil
    {
      throw Self.duplicateNamespace(newName)
    }
    try requireUserName(newName)
    var stages = StageBuilder(context)
    stages.change(namespace.id, [.rename(newName)], "schema \(name): renamed to \(newName)")
    return stages.plan(commandTag: "ALTER SCHEMA", notices: [])
  }

  private mutating func planDropNamespaces(
    _ names: [String], ifExists: Bool, isCascade: Bool
  ) throws(SQLError) -> Plan {
    try requireObjectCount(names.count)
    var notices: [String] = []
    var found: [NamespaceDescriptor] = []
    for name in names {
      if Self.systemNames.contains(name) {
        throw SQLError(
          .dependentObjectsStillExist,
          "cannot drop schema \(name) because it is required by the database system")
      }
      guard let namespace = context.catalog.namespace(named: name, in: context.databaseID) else {
        guard ifExists else { throw Self.missing(name) }
        notices.append("schema \"\(name)\" does not exist, skipping")
        continue
      }
      if !found.contains(namespace) { found.append(namespace) }
    }
    var stages = StageBuilder(context)
    let contents = found.flatMap { Self.relations(in: $0.id, context.catalog) }
    // What belongs to a table goes with it and is not spoken of.
    let spokenOf = contents.filter { $0.sequence?.owner == nil }
    func title(_ table: TableDescriptor) -> String {
      "\(table.kindName) \(shownName(of: table))"
    }
    guard contents.isEmpty || isCascade else {
      throw SQLError(
        .dependentObjectsStillExist,
        found.count == 1
          ? "cannot drop schema \(found[0].name) because other objects depend on it"
          : "cannot drop desired object(s) because other objects depend on them",
        detail: spokenOf.map { "\(title($0)) depends on schema \(context.catalog.schemaName(of: $0))" }
          .joined(separator: "\n"),
        hint: "Use DROP ... CASCADE to drop the dependent objects too.")
    }
    var cascades = spokenOf.map { "drop cascades to \(title($0))" }
    try drop(contents: contents, in: &stages, &cascades)
    notices += cascades.count < 2 ? cascades : ["drop cascades to \(cascades.count) other objects"]
    for namespace in found { stages.change(namespace.id, [.remove], "schema \(namespace.name): public -> absent") }
    return stages.plan(commandTag: "DROP SCHEMA", notices: notices)
  }

  /// Relations and types, with everything outside that depends on them.
  mutating func drop(
    contents: [TableDescriptor], in stages: inout StageBuilder, _ cascades: inout [String]
  ) throws(SQLError) {
    let tables = Set(contents.filter { !$0.isSequence && !$0.isType }.map(\.id))
    for table in contents where tables.contains(table.id) { stages.drop(table) }
    try drop(types: contents.filter(\.isType), isCascade: true, except: tables, in: &stages, &cascades)
    try dropForeignKeys(of: tables, isCascade: true, in: &stages, &cascades)
    try dropViews(
      reading: contents.map { .relation($0) }, besides: stages.droppedRelations, isCascade: true, in: &stages, &cascades
    )
    var sequences = contents.filter(\.isSequence)
    for table in tables.sorted() {
      for owned in ownedSequences(of: table) where !sequences.contains(where: { $0.id == owned.id }) {
        sequences.append(owned)
      }
    }
    try drop(
      sequences, isCascade: true, except: tables, besides: stages.droppedRelations, in: &stages, &cascades)
  }

  /// A table takes its indexes, constraints and the sequences that it owns along. Only names change: one entry.
  func plan(_ move: SetSchemaStatement) throws(SQLError) -> Plan {
    let tag = move.isView ? "ALTER VIEW" : move.isSequence ? "ALTER SEQUENCE" : "ALTER TABLE"
    var notices: [String] = []
    let resolved =
      move.isView
      ? try resolveView(move.relation, ifExists: move.ifExists, kind: "relation", notices: &notices)
      : move.isSequence
        ? try resolveSequence(move.relation, ifExists: move.ifExists, notices: &notices)
        : try resolveRelation(move.relation, ifExists: move.ifExists, notices: &notices)
    guard let table = resolved else { return Plan(commandTag: tag, notices: notices) }
    let namespace = try requireNamespace(move.schema)
    if let owner = table.sequence?.owner, let other = context.catalog.table(id: owner.table) {
      throw SQLError(
        .featureNotSupported, "cannot move an owned sequence into another schema",
        detail: "Sequence \"\(table.name)\" is linked to table \"\(other.name)\".")
    }
    guard table.namespaceID != namespace.id else { return Plan(commandTag: tag) }
    var stages = StageBuilder(context)
    for moved in [table] + ownedSequences(of: table.id) {
      for (name, _) in moved.relationNames
      where context.catalog.relation(RelationName(namespaceID: namespace.id, name: name.name)) != nil {
        throw SQLError(
          .duplicateTable, "relation \"\(name.name)\" already exists in schema \"\(namespace.name)\"",
          tableName: name.name)
      }
      if !moved.isSequence,
        context.catalog.type(RelationName(namespaceID: namespace.id, name: moved.name)) != nil
      {
        throw SQLError(
          .duplicateObject, "type \"\(moved.name)\" already exists in schema \"\(namespace.name)\"")
      }
      stages.edit(
        moved.id, [.moveTable(namespace.id)],
        "\(moved.kindName) \(moved.name): moved to schema \(namespace.name)")
    }
    return stages.plan(commandTag: tag, notices: notices)
  }

  /// `ALTER TABLE` moves a sequence or a view as well.
  private func resolveRelation(
    _ name: ObjectName, ifExists: Bool, notices: inout [String]
  ) throws(SQLError) -> TableDescriptor? {
    if let found = context.catalog.anyRelation(named: name.name, schema: name.schema, in: context.databaseID) {
      return found
    }
    return try resolveTable(name, ifExists: ifExists, notices: &notices)
  }

  // MARK: Names

  /// The namespace of that name, or 3F000.
  func requireNamespace(_ name: String) throws(SQLError) -> NamespaceDescriptor {
    guard let namespace = context.catalog.namespace(named: name, in: context.databaseID) else {
      if Self.systemNames.contains(name) {
        throw SQLError(.insufficientPrivilege, "permission denied for schema \(name)")
      }
      throw Self.missing(name)
    }
    return namespace
  }

  /// What the name stands for; nil: nothing. 3F000 where its schema is not there.
  func relation(_ name: ObjectName) throws(SQLError) -> RelationReference? {
    let namespace = try requireNamespace(name.schema)
    return context.catalog.relation(RelationName(namespaceID: namespace.id, name: name.name))
  }

  /// With `ifExists` a missing schema is told in a notice, as PostgreSQL does; else it is 3F000.
  func isSchemaMissing(_ name: ObjectName, ifExists: Bool, notices: inout [String]) throws(SQLError) -> Bool {
    guard context.catalog.namespace(named: name.schema, in: context.databaseID) == nil else { return false }
    guard ifExists else { throw Self.missing(name.schema) }
    notices.append("schema \"\(name.schema)\" does not exist, skipping")
    return true
  }

  private func requireUserName(_ name: String) throws(SQLError) {
    guard name.hasPrefix("pg_") else { return }
    throw SQLError(
      SQLState("42939"), "unacceptable schema name \"\(name)\"",
      detail: "The prefix \"pg_\" is reserved for system schemas.")
  }

  static let tooManyNamespaces = SQLError(
    .programLimitExceeded, "a cluster can have at most \(SchemaLimits.maximumNamespaces) schemas")

  static func duplicateNamespace(_ name: String) -> SQLError {
    SQLError(SQLState("42P06"), "schema \"\(name)\" already exists")
  }

  private static func missing(_ name: String) -> SQLError {
    SQLError(.invalidSchemaName, "schema \"\(name)\" does not exist")
  }
}
