import Basics
import Catalog

/// `COMMENT ON … IS …`.
public struct CommentStatement: Hashable, Sendable {
  public enum Target: Hashable, Sendable {
    case table(ObjectName)
    case view(ObjectName)
    case sequence(ObjectName)
    case index(ObjectName)
    case column(ObjectName, String)
    /// Of a table.
    case constraint(ObjectName, String)
    case schema(String)
    case database(String)
    case type(ObjectName)
  }
  public var target: Target
  /// nil: none.
  public var text: String?

  public init(_ target: Target, text: String?) {
    self.target = target
    self.text = text
  }

  /// The relation concerned; nil: none.
  var relation: ObjectName? {
    switch target {
    case .table(let name), .view(let name), .sequence(let name), .index(let name), .column(let name, _),
      .constraint(let name, _):
      name
    case .schema, .database, .type: nil
    }
  }
}

/// Statements about schemas in the sense of SQL.
public enum NamespaceStatement: Hashable, Sendable {
  case create(String, ifNotExists: Bool)
  case drop([String], ifExists: Bool, isCascade: Bool)
  case rename(String, to: String)
}

/// Statements about databases.
public enum DatabaseStatement: Hashable, Sendable {
  case create(String, ifNotExists: Bool)
  case drop(String, ifExists: Bool)
  case rename(String, to: String)

  /// `CREATE DATABASE` and the like.
  public var commandTag: String {
    switch self {
    case .create: "CREATE DATABASE"
    case .drop: "DROP DATABASE"
    case .rename: "ALTER DATABASE"
    }
  }

  var name: String {
    switch self {
    case .create(let name, _), .drop(let name, _), .rename(let name, _): name
    }
  }
}

/// `ALTER TABLE … SET SCHEMA`, and of a sequence or a view.
public struct SetSchemaStatement: Hashable, Sendable {
  public var relation: ObjectName
  public var isSequence: Bool
  public var isView = false
  public var ifExists: Bool
  public var schema: String

  public init(relation: ObjectName, isSequence: Bool, ifExists: Bool, schema: String) {
    self.relation = relation
    self.isSequence = isSequence
    self.ifExists = ifExists
    self.schema = schema
  }
}

// MARK: - Queueing

extension TableID {
  /// How a namespace stands in the queue of jobs, among the tables: ids of both come from one allocator.
  init(queueing namespace: NamespaceID) { self.init(rawValue: namespace.rawValue) }

  /// How whoever has to do with something in a namespace stands there.
  init(userOf namespace: NamespaceID) { self.init(rawValue: namespace.rawValue | 1 << 63) }

  /// How a database stands there, whose ids come from that allocator too. Nil: the first one, which has its id from elsewhere,
  /// and which nobody waits for: it stays.
  static func queueing(_ database: DatabaseID) -> TableID? {
    database == .defaultDatabase ? nil : TableID(rawValue: database.rawValue)
  }

  /// How whoever has to do with something in a database stands there.
  static func userOf(_ database: DatabaseID) -> TableID? {
    queueing(database).map { TableID(userOf: NamespaceID(rawValue: $0.rawValue)) }
  }

  /// The namespace of its user, as it stands in the queue itself.
  var usedNamespace: TableID? { rawValue >> 63 == 0 ? nil : TableID(rawValue: rawValue & ~(1 << 63)) }

  /// Whether a job on `earlier` holds up one on `later`. What changes a namespace holds up its users, and its end, which stands
  /// there as a user too, waits for them; users do not wait for each other.
  static func isHeldUp(_ later: [TableID], by earlier: [TableID]) -> Bool {
    let later = Set(later)
    return earlier.contains { id in
      if let namespace = id.usedNamespace { return later.contains(id) && later.contains(namespace) }
      return later.contains(id) || later.contains(TableID(userOf: NamespaceID(rawValue: id.rawValue)))
    }
  }
}

extension JobRecord {
  /// Whether it has to wait for an unfinished one that was there before.
  public func isHeldUp(by earlier: JobRecord) -> Bool {
    earlier.id < id && TableID.isHeldUp(tables, by: earlier.tables)
  }

  /// Tables, and namespaces that it changes.
  public var objects: [TableID] { tables.filter { $0.usedNamespace == nil } }
}

extension Planner {
  /// What is in a namespace, ascending.
  static func relations(in namespace: NamespaceID, _ catalog: CatalogState) -> [TableDescriptor] {
    catalog.tables.filter { $0.namespaceID == namespace && $0.state == .public }
  }

  /// Namespaces and databases that a statement changes, with what goes with them, for queueing: it waits for whatever is under way
  /// in there.
  static func changedNamespaces(
    by statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID,
    _ waysBack: PersistentMap<JobID, WayBack>
  ) -> Set<TableID> {
    func found(_ names: [String]) -> [NamespaceID] {
      names.compactMap { catalog.namespace(named: $0, in: database)?.id }
    }
    switch statement {
    case .namespace(.drop(let names, _, _)):
      return Set(
        found(names).flatMap { id in
          [TableID(queueing: id), TableID(userOf: id)] + relations(in: id, catalog).map(\.id)
        })
    case .namespace(.rename(let name, _)): return Set(found([name]).map(TableID.init(queueing:)))
    case .database(.drop(let name, _)):
      guard let id = catalog.database(named: name)?.id else { return [] }
      let contents = catalog.namespaces.filter { $0.databaseID == id }.flatMap { namespace in
        [TableID(queueing: namespace.id), TableID(userOf: namespace.id)]
      }
      let relations = catalog.tables.filter { $0.databaseID == id && $0.state == .public }.map(\.id)
      return Set(contents + relations + [TableID.queueing(id), TableID.userOf(id)].compactMap { $0 })
    case .database(.rename(let name, _)):
      return Set([catalog.database(named: name).flatMap { TableID.queueing($0.id) }].compactMap { $0 })
    case .comment(let comment):
      switch comment.target {
      case .schema(let name): return Set(found([name]).map(TableID.init(queueing:)))
      case .database(let name):
        return Set([catalog.database(named: name).flatMap { TableID.queueing($0.id) }].compactMap { $0 })
      case .table, .view, .sequence, .index, .column, .constraint, .type: return []
      }
    case .transaction(let transaction):
      return transaction.statements.reduce(into: []) {
        $0.formUnion(changedNamespaces(by: $1, in: catalog, database, waysBack))
      }
    case .revertJob:
      let ways = ways(concerning: statement, waysBack, database)
      return Set(
        ways.flatMap(\.namespaces).map { TableID(queueing: $0.id) }
          + ways.flatMap(\.databases).compactMap { TableID.queueing($0.id) })
    default: return []
    }
  }

  /// Its database, and the namespaces that a statement's relations are in or come into: it stands behind a change of one of these that is under way,
  /// and does not hold up others who only use them. As they stand in the queue, ascending.
  public static func usedNamespaces(
    by statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID,
    waysBack: PersistentMap<JobID, WayBack> = PersistentMap()
  ) -> [TableID] {
    var names = Set(statement.schemaNames)
    var ids: Set<NamespaceID> = []
    for entry in ways(concerning: statement, waysBack, database).flatMap(\.tables) {
      if let before = entry.before { ids.insert(before.namespaceID) }
      names.insert(entry.schemaName)
    }
    ids = ids.filter { catalog.namespace(id: $0) != nil }
    ids.formUnion(names.compactMap { catalog.namespace(named: $0, in: database)?.id })
    return [TableID.userOf(database)].compactMap { $0 } + ids.sorted().map(TableID.init(userOf:))
      + usedTypes(by: statement, in: catalog, database)
  }
}

extension SchemaStatement {
  /// Of the relations that it names, and the schemas that these move to.
  fileprivate var schemaNames: [String] {
    switch self {
    case .createTable(let create): [create.name.schema]
    case .dropTables(let names, _, _), .dropIndexes(let names, _, _), .dropSequences(let names, _, _),
      .truncateTables(let names, _):
      names.map(\.schema)
    case .renameTable(let name, _, _), .renameIndex(let name, _, _), .alterTable(let name, _, _),
      .renameSequence(let name, _, _), .alterSequence(let name, _, _), .setIndexVisibility(let name, _, _),
      .createSequence(let name, _, _):
      [name.schema]
    case .createIndex(let create): [create.table.schema]
    case .comment(let comment):
      if case .type(let name) = comment.target { [name.schema] } else { comment.relation.map { [$0.schema] } ?? [] }
    case .type(let statement): statement.schemaNames
    case .setSchema(let move): [move.relation.schema, move.schema]
    case .view(let statement): (statement.names + statement.readRelations).map(\.schema)
    case .undrop(let undrop): [(undrop.table ?? undrop.name).schema]
    case .namespace, .database, .revertJob: []
    case .transaction(let transaction): transaction.statements.flatMap(\.schemaNames)
    }
  }

  /// The first object concerned, for people.
  public var objectTitle: String? {
    switch self {
    case .comment(let comment):
      switch comment.target {
      case .schema(let name), .database(let name): name
      case .type(let name): name.description
      case .table, .view, .sequence, .index, .column, .constraint: comment.relation?.description
      }
    case .setSchema(let move): move.relation.description
    case .type(let statement): statement.names.first?.description
    case .namespace(.create(let name, _)), .namespace(.rename(let name, _)): name
    case .namespace(.drop(let names, _, _)): names.first
    case .database(let statement): statement.name
    case .view(let statement): statement.names.first?.description
    default: nil
    }
  }
}
