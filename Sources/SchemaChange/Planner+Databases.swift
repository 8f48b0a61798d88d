import Basics
import Catalog

/// Databases. Each has schemas of its own, and no object of one refers to another, so making and renaming one is one entry that
/// touches nothing else, and with one that is dropped goes everything in it, out of sight in the same entry.
///
/// Sessions name theirs by its id: one that is renamed they go on working in, one that is dropped they find gone.
extension Planner {
  mutating func plan(_ statement: DatabaseStatement) throws(SQLError) -> Plan {
    switch statement {
    case .create(let name, let ifNotExists): try planCreateDatabase(name, ifNotExists: ifNotExists)
    case .drop(let name, let ifExists): try planDropDatabase(name, ifExists: ifExists)
    case .rename(let name, let newName): try planRenameDatabase(name, to: newName)
    }
  }

  /// What `TEMPLATE` may name; PostgreSQL has databases of these names.
  private static let templateNames: Set<String> = ["template0", "template1"]

  private mutating func planCreateDatabase(_ name: String, ifNotExists: Bool) throws(SQLError) -> Plan {
    let tag = "CREATE DATABASE"
    try requireName(name)
    if context.catalog.database(named: name) != nil || Self.templateNames.contains(name) {
      guard ifNotExists else { throw Self.duplicateDatabase(name) }
      return Plan(commandTag: tag, notices: ["database \"\(name)\" already exists, skipping"])
    }
    // Each has at least one.
    guard context.catalog.namespaces.count < SchemaLimits.maximumNamespaces,
      context.catalog.databases.count < SchemaLimits.maximumNamespaces
    else { throw Self.tooManyNamespaces }
    // The second of two ids is not the first one of a cluster, which `defaultdb` has.
    let namespace = NamespaceID(context.allocateTable().rawValue)
    let id = DatabaseID(context.allocateTable().rawValue)
    var stages = StageBuilder(context)
    stages.change(
      namespace,
      [
        .create(
          NamespaceDescriptor(id: namespace, databaseID: id, name: "public", comment: "standard public schema"))
      ], "schema public: absent -> public")
    stages.change(id, [.create(DatabaseDescriptor(id: id, name: name))], "database \(name): absent -> public")
    return stages.plan(commandTag: tag, notices: [])
  }

  private func planRenameDatabase(_ name: String, to newName: String) throws(SQLError) -> Plan {
    try requireName(newName)
    let database = try requireDatabase(name)
    try requireFreeDatabaseName(newName)
    try requireRenamable(database)
    var stages = StageBuilder(context)
    stages.change(database.id, [.rename(newName)], "database \(name): renamed to \(newName)")
    return stages.plan(commandTag: "ALTER DATABASE", notices: [])
  }

  private mutating func planDropDatabase(_ name: String, ifExists: Bool) throws(SQLError) -> Plan {
    let tag = "DROP DATABASE"
    guard let database = context.catalog.database(named: name) else {
      guard ifExists else { throw Self.missingDatabase(name) }
      return Plan(commandTag: tag, notices: ["database \"\(name)\" does not exist, skipping"])
    }
    guard database.id != context.databaseID else {
      throw SQLError(.objectInUse, "cannot drop the currently open database")
    }
    guard database.id != .defaultDatabase else {
      throw SQLError.unsupported("dropping the first database of a cluster")
    }
    let namespaces = context.catalog.namespaces.filter { $0.databaseID == database.id }
    var stages = StageBuilder(context)
    var cascades: [String] = []
    let contents = context.catalog.tables.filter { $0.databaseID == database.id && $0.state == .public }
    try drop(contents: contents, in: &stages, &cascades)
    for namespace in namespaces { stages.change(namespace.id, [.remove], "schema \(namespace.name): public -> absent") }
    stages.change(database.id, [.remove], "database \(name): public -> absent")
    // Nothing outside depended on it, and what was in it goes without saying.
    return stages.plan(commandTag: tag, notices: [])
  }

  /// To the name and comment that it had.
  func goBack(_ entry: WayBack.Database, _ restoration: inout Restoration) throws(SQLError) {
    guard let before = entry.before, let after = entry.after else { return }
    guard let now = context.catalog.database(id: entry.id) else {
      throw Self.changedSince("database \"\(after.name)\" was dropped")
    }
    var edits: [DatabaseEdit] = []
    if before.name != after.name {
      guard now.name == after.name else { throw Self.changedSince("database \"\(after.name)\" was renamed") }
      try requireFreeDatabaseName(before.name)
      try requireRenamable(now)
      edits.append(.rename(before.name))
    }
    if before.comment != after.comment {
      guard now.comment == after.comment else {
        throw Self.changedSince("database \"\(now.name)\" has another comment")
      }
      edits.append(.setComment(before.comment))
    }
    if !edits.isEmpty { restoration.stages.change(entry.id, edits, "database \(now.name): as it was") }
  }

  // MARK: Names

  private func requireDatabase(_ name: String) throws(SQLError) -> DatabaseDescriptor {
    guard let database = context.catalog.database(named: name) else { throw Self.missingDatabase(name) }
    return database
  }

  private func requireFreeDatabaseName(_ name: String) throws(SQLError) {
    guard context.catalog.database(named: name) == nil, !Self.templateNames.contains(name) else {
      throw Self.duplicateDatabase(name)
    }
  }

  private func requireRenamable(_ database: DatabaseDescriptor) throws(SQLError) {
    guard database.id != context.databaseID else {
      throw SQLError(.featureNotSupported, "current database cannot be renamed")
    }
    // Clients that name no database get it, by its name.
    guard database.id != .defaultDatabase else {
      throw SQLError.unsupported("renaming the first database of a cluster")
    }
  }

  private static func duplicateDatabase(_ name: String) -> SQLError {
    SQLError(.duplicateDatabase, "database \"\(name)\" already exists")
  }

  /// 3D000.
  public static func missingDatabase(_ name: String) -> SQLError {
    SQLError(.invalidCatalogName, "database \"\(name)\" does not exist")
  }
}

extension DatabaseStatement {
  /// As in PostgreSQL it stands in no transaction block.
  public var needsOwnTransaction: Bool {
    switch self {
    case .create, .drop: true
    case .rename: false
    }
  }
}
