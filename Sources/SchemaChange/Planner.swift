import Basics
import Catalog
import SQLValues

/// From a statement and a catalog to a plan: resolves names, validates as PostgreSQL does, derives the stages from the
/// transition tables. Ids come out of `context`, which therefore changes.
public struct Planner: Sendable {
  public var context: PlanningContext

  public init(_ context: PlanningContext) { self.context = context }

  /// Throws what the client is to see; the context must then be thrown away.
  public mutating func plan(_ statement: SchemaStatement) throws(SQLError) -> Plan {
    let isDraft = SchemaDraft.isProvisional(context.nextTableID)
    let plan = try planned(statement)
    guard isDraft || !SchemaDraft.isProvisional(context.nextTableID) else {
      throw SQLError(
        .programLimitExceeded, "at most \(SchemaLimits.maximumTableID) tables and the like can ever be created")
    }
    return plan
  }

  private mutating func planned(_ statement: SchemaStatement) throws(SQLError) -> Plan {
    switch statement {
    case .createTable(let create): try planCreateTable(create)
    case .dropTables(let names, let ifExists, let isCascade):
      try planDropTables(names, ifExists: ifExists, isCascade: isCascade)
    case .truncateTables(let names, let restartsIdentity):
      try planTruncate(names, restartsIdentity: restartsIdentity)
    case .renameTable(let name, let newName, let ifExists): try planRename(name, to: newName, ifExists: ifExists)
    case .alterTable(let name, let ifExists, let changes): try planAlterTable(name, ifExists, changes)
    case .createIndex(let create): try planCreateIndex(create)
    case .dropIndexes(let names, let ifExists, let isCascade):
      try planDropIndexes(names, ifExists: ifExists, isCascade: isCascade)
    case .renameIndex(let name, let newName, let ifExists):
      try planRename(name, to: newName, ifExists: ifExists, commandTag: "ALTER INDEX")
    case .setIndexVisibility(let name, let ifExists, let isVisible):
      try planIndexVisibility(name, ifExists: ifExists, isVisible: isVisible)
    case .createSequence(let name, let ifNotExists, let options):
      try planCreateSequence(name, ifNotExists: ifNotExists, options)
    case .alterSequence(let name, let ifExists, let options):
      try planAlterSequence(name, ifExists: ifExists, options)
    case .renameSequence(let name, let newName, let ifExists):
      try planRenameSequence(name, to: newName, ifExists: ifExists)
    case .dropSequences(let names, let ifExists, let isCascade):
      try planDropSequences(names, ifExists: ifExists, isCascade: isCascade)
    case .undrop(let undrop): try planUndrop(undrop)
    case .revertJob(let job): try planRevert(job)
    case .comment(let comment): try planComment(comment)
    case .namespace(let statement): try plan(statement)
    case .database(let statement): try plan(statement)
    case .setSchema(let move): try plan(move)
    case .view(let statement): try plan(statement)
    case .type(let statement): try plan(statement)
    case .transaction(let transaction): try planTransaction(transaction)
    }
  }

  /// The tables a statement concerns, for queueing behind unfinished jobs; unknown names are left out.
  public static func tables(
    of statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID,
    waysBack: PersistentMap<JobID, WayBack> = PersistentMap()
  ) -> [TableID] {
    func table(_ name: ObjectName) -> TableID? {
      switch catalog.relation(named: name.name, schema: name.schema, in: database) {
      case .table(let id), .index(let id, _): id
      case nil: nil
      }
    }
    var found: Set<TableID> =
      switch statement {
      case .createTable, .createSequence: []
      case .dropTables(let names, _, _), .dropIndexes(let names, _, _), .dropSequences(let names, _, _),
        .truncateTables(let names, _):
        Set(names.compactMap(table))
      case .renameTable(let name, _, _), .renameIndex(let name, _, _), .alterTable(let name, _, _),
        .renameSequence(let name, _, _), .alterSequence(let name, _, _), .setIndexVisibility(let name, _, _):
        Set([name].compactMap(table))
      case .createIndex(let create): Set([create.table].compactMap(table))
      case .undrop(let undrop): Set([undrop.table].compactMap { $0 }.compactMap(table))
      case .revertJob: []
      case .comment(let comment): Set([comment.relation].compactMap { $0.flatMap(table) })
      case .setSchema(let move): Set([move.relation].compactMap(table))
      // A view waits until what it reads has stopped changing.
      case .view(let statement): Set((statement.names + statement.readRelations).compactMap(table))
      case .namespace, .database: []
      case .type: []
      case .transaction(let transaction): Set(transaction.versions.map(\.table))
      }
    found.formUnion(tablesOfWaysBack(statement, waysBack, database))
    found.formUnion(changedNamespaces(by: statement, in: catalog, database, waysBack))
    found.formUnion(changedTypes(by: statement, in: catalog, database))
    if case .type(.drop) = statement {
      // Columns of theirs go with them.
      let types = found
      found.formUnion(catalog.tables.filter { !$0.namedTypes.isDisjoint(with: types) }.map(\.id))
    }
    found = tied(to: found, by: statement, in: catalog, database)
    if statement.mayDropViews { found = withReaders(found, in: catalog) }
    // With a table or column its sequences may go, with a sequence the defaults that use it.
    if statement.mayDropSequences {
      let named = found
      found.formUnion(
        catalog.sequences.filter { $0.sequence?.owner.map { named.contains($0.table) } ?? false }.map(\.id))
      if found.contains(where: { catalog.table(id: $0)?.isSequence ?? false }) {
        let users = catalog.tables.filter { $0.columns.contains { $0.sequences.contains(where: found.contains) } }
        found.formUnion(users.map(\.id))
      }
    }
    if statement.mayDropViews { found = withReaders(found, in: catalog) }
    return found.sorted()
  }

  // MARK: Names

  func requireName(_ name: String) throws(SQLError) {
    guard !name.isEmpty else { throw SQLError(.syntaxError, "zero-length delimited identifier") }
    guard name.utf8.count <= SchemaLimits.maximumNameBytes, !name.utf8.contains(0) else {
      throw SQLError(SQLState("42602"), "invalid name of \(name.utf8.count) bytes")
    }
  }

  /// The table of that name; nil when it is missing and `ifExists` allows it (with a notice).
  func resolveTable(
    _ name: ObjectName, ifExists: Bool = false, kind: String = "relation", notices: inout [String]
  ) throws(SQLError) -> TableDescriptor? {
    if let table = context.catalog.table(named: name.name, schema: name.schema, in: context.databaseID) {
      return table
    }
    if try isSchemaMissing(name, ifExists: ifExists, notices: &notices) { return nil }
    if let other = try relation(name) {
      throw SQLError(
        .wrongObjectType, "\"\(name.name)\" is not a table", hint: kind != "table" ? nil : dropHint(other))
    }
    guard ifExists else {
      throw SQLError(.undefinedTable, "\(kind) \"\(name)\" does not exist", tableName: name.name)
    }
    notices.append("\(kind) \"\(name)\" does not exist, skipping")
    return nil
  }

  /// `base`, or `base1`, `base2`… where that is taken, within the limit of a name (PostgreSQL's ChooseRelationName).
  func freeRelationName(
    _ parts: [String], suffix: String, in namespace: NamespaceID, taken: Set<String>
  ) -> String {
    let prefix = parts.joined(separator: "_")
    for number in 0...100_000 {
      let ending = "_" + suffix + (number == 0 ? "" : String(number))
      var start = prefix
      while start.utf8.count + ending.utf8.count > SchemaLimits.maximumNameBytes, !start.isEmpty { start.removeLast() }
      let candidate = start + ending
      let isTaken = context.catalog.relation(RelationName(namespaceID: namespace, name: candidate)) != nil
      if !isTaken && !taken.contains(candidate) { return candidate }
    }
    return prefix
  }
}

extension SchemaStatement {
  fileprivate var mayDropViews: Bool {
    if case .view(.drop) = self { true } else { mayDropSequences }
  }

  fileprivate var mayDropSequences: Bool {
    switch self {
    case .dropTables, .dropSequences, .truncateTables(_, true), .setSchema, .namespace(.drop), .database(.drop),
      .undrop, .revertJob,
      .type(.drop):
      true
    case .alterTable(_, _, let changes):
      changes.contains { change in
        switch change {
        case .dropColumn, .setType: true
        default: false
        }
      }
    default: false
    }
  }
}
