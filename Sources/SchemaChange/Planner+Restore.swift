import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Bringing back what was dropped: `UNDROP TABLE`, `COLUMN`, `INDEX`.
///
/// A table comes back with the ranges it had, a column with the values that writers went on maintaining. An index has missed what
/// was written since, so it is built again from the rows.
extension Planner {
  mutating func planUndrop(_ undrop: Undrop) throws(SQLError) -> Plan {
    if let newName = undrop.newName { try requireName(newName) }
    switch undrop.kind {
    case .table: return try undropTable(undrop)
    case .column: return try undropColumn(undrop)
    case .index: return try undropIndex(undrop)
    }
  }

  /// Newest first.
  var endedWaysBack: [WayBack] {
    context.waysBack.values.reversed().filter { $0.hasEnded && $0.databaseID == context.databaseID }
  }

  private mutating func undropTable(_ undrop: Undrop) throws(SQLError) -> Plan {
    var isGone = false
    for way in endedWaysBack {
      for entry in way.tables {
        guard let before = entry.before, entry.after == nil, !before.isSequence, !before.isView,
          before.name == undrop.name.name,
          schemaName(of: entry, before) == undrop.name.schema, context.catalog.table(id: entry.id) == nil
        else { continue }
        guard hasData(before) else {
          isGone = true
          continue
        }
        var restoration = Restoration(way: way, stages: StageBuilder(context))
        restoration.restored = [entry.id]
        try restore(before, entry, as: undrop.newName, &restoration)
        return restoration.stages.plan(commandTag: "UNDROP TABLE", notices: restoration.notices)
      }
    }
    throw Self.nothingToUndrop("table \"\(undrop.name)\"", isGone: isGone)
  }

  private mutating func undropColumn(_ undrop: Undrop) throws(SQLError) -> Plan {
    guard let tableName = undrop.table else { throw SQLError(.syntaxError, "UNDROP COLUMN needs a table") }
    var notices: [String] = []
    guard let table = try resolveTable(tableName, notices: &notices) else { return Plan(commandTag: "UNDROP COLUMN") }
    for way in endedWaysBack {
      guard let entry = way.table(table.id), let before = entry.before,
        let column = entry.droppedColumns.first(where: { $0.name == undrop.name.name }),
        table.column(column.id)?.isRetained ?? false
      else { continue }
      var restoration = Restoration(way: way, stages: StageBuilder(context))
      var part = Restoration.Part(columns: [column.id])
      part.columnNames[column.id] = undrop.newName
      // What went because the column went.
      part.indexes = Set(entry.droppedIndexes.filter { before.columns(readBy: $0).contains(column.id) }.map(\.id))
      part.constraints = Set(before.constraints.filter { $0.rule.columns.contains(column.id) }.map(\.id))
      try goBack(entry, part, &restoration)
      return restoration.stages.plan(commandTag: "UNDROP COLUMN", notices: restoration.notices)
    }
    throw Self.nothingToUndrop("column \"\(undrop.name.name)\" of table \"\(table.name)\"", isGone: false)
  }

  private mutating func undropIndex(_ undrop: Undrop) throws(SQLError) -> Plan {
    var tableID: TableID?
    if let tableName = undrop.table {
      var notices: [String] = []
      tableID = try resolveTable(tableName, notices: &notices)?.id
    }
    for way in endedWaysBack {
      for entry in way.tables where tableID.map({ $0 == entry.id }) ?? true {
        guard let before = entry.before, let now = context.catalog.table(id: entry.id),
          tableID != nil || context.catalog.schemaName(of: now) == undrop.name.schema,
          let index = entry.droppedIndexes.first(where: { $0.name == undrop.name.name }),
          !now.hasAgain(index, of: before)
        else { continue }
        var restoration = Restoration(way: way, stages: StageBuilder(context))
        var part = Restoration.Part(indexes: [index.id])
        part.indexNames[index.id] = undrop.newName
        try goBack(entry, part, &restoration)
        return restoration.stages.plan(commandTag: "UNDROP INDEX", notices: restoration.notices)
      }
    }
    throw Self.nothingToUndrop("index \"\(undrop.name)\"", isGone: false)
  }

  /// Those that the statement may have to go.
  static func ways(
    concerning statement: SchemaStatement, _ waysBack: PersistentMap<JobID, WayBack>, _ database: DatabaseID
  ) -> [WayBack] {
    switch statement {
    case .revertJob(let job): return [waysBack[job]].compactMap { $0 }.filter { $0.databaseID == database }
    case .undrop(let undrop):
      return waysBack.values.filter { way in
        way.hasEnded && way.databaseID == database
          && way.tables.contains { entry in
            switch undrop.kind {
            case .table: entry.after == nil && entry.before?.name == undrop.name.name
            case .column: entry.droppedColumns.contains { $0.name == undrop.name.name }
            case .index: entry.droppedIndexes.contains { $0.name == undrop.name.name }
            }
          }
      }
    default: return []
    }
  }

  /// Those that the statement may concern, with the other sides of their foreign keys.
  static func tablesOfWaysBack(
    _ statement: SchemaStatement, _ waysBack: PersistentMap<JobID, WayBack>, _ database: DatabaseID
  ) -> Set<TableID> {
    var found: Set<TableID> = []
    for entry in ways(concerning: statement, waysBack, database).flatMap(\.tables) {
      found.insert(entry.id)
      for case .foreignKey(let rule) in (entry.before?.constraints ?? []).map(\.rule) {
        found.insert(rule.referencedTable)
      }
      found.formUnion((entry.before?.referencedBy ?? []).map(\.table))
    }
    return found
  }

  func hasData(_ table: TableDescriptor) -> Bool {
    table.indexes.allSatisfy { context.catalog.range(id: $0.rangeID) != nil }
  }

  static func nothingToUndrop(_ what: String, isGone: Bool) -> SQLError {
    isGone
      ? SQLError(
        .objectNotInPrerequisiteState, "the data of \(what) is gone",
        detail: "The retention time of what was dropped has passed.")
      : SQLError(
        .undefinedObject, "there is no dropped \(what) to bring back",
        hint: "SHOW DROPPED lists what can be brought back.")
  }

  // MARK: Tables

  /// A table or a sequence, as it was; the sequences that its columns own come along.
  mutating func restore(
    _ before: TableDescriptor, _ entry: WayBack.Table, as newName: String?, _ restoration: inout Restoration
  ) throws(SQLError) {
    guard context.catalog.tableCount < SchemaLimits.maximumTables else { throw Self.tooManyTables }
    var table = before
    table.state = .public
    table.version = entry.lastVersion.next
    table.name = newName ?? before.name
    table.namespaceID = try namespace(of: before, entry, restoration)
    guard isFree(table.name, in: table.namespaceID, restoration) else {
      let schema = schemaName(of: entry, before)
      throw SQLError(
        .duplicateTable, "relation \"\(table.name)\" already exists",
        hint:
          "UNDROP TABLE \(ObjectName(schema: schema, name: before.name)) AS another name brings it back beside that one.",
        tableName: table.name)
    }
    try requireNoType(named: table.name, in: table.namespaceID)
    for column in table.columns where !column.isHidden && !column.name.isEmpty {
      try requireType(column.type, of: column.name)
    }
    restoration.take(table.name, in: table.namespaceID)
    for position in table.indexes.indices where !table.indexes[position].name.isEmpty {
      let old = table.indexes[position].name
      let name = freeName(old, of: before.name, now: table.name, in: table.namespaceID, restoration)
      if name != old { restoration.notices.append("index \"\(old)\" comes back as \"\(name)\"") }
      table.indexes[position].name = name
      restoration.take(name, in: table.namespaceID)
    }
    // Dropped before the table was, and past their own retention time.
    table.columns.removeAll { column in
      column.isRetained
        && !endedWaysBack.contains { way in
          way.table(table.id)?.droppedColumns.contains { $0.id == column.id } ?? false
        }
    }
    try restoreSequences(of: &table, &restoration)
    restoreForeignKeys(of: &table, before, &restoration)
    restoration.stages.restore(table)
  }

  private mutating func restoreSequences(
    of table: inout TableDescriptor, _ restoration: inout Restoration
  ) throws(SQLError) {
    for position in table.columns.indices {
      for id in table.columns[position].sequences
      where context.catalog.table(id: id)?.state != .public && !restoration.restored.contains(id) {
        if try restoreSequence(id, besides: table, &restoration) { continue }
        restoration.notices.append(
          "column \"\(table.columns[position].name)\" comes back without its default, whose sequence is gone")
        table.columns[position].defaultExpression = nil
        table.columns[position].defaultText = nil
        table.columns[position].sequences = []
        table.columns[position].identity = nil
        break
      }
    }
    // Owned, and used by no default any more.
    for entry in restoration.way.tables {
      guard let sequence = entry.before, sequence.sequence?.owner?.table == table.id, entry.after == nil,
        !restoration.restored.contains(entry.id)
      else { continue }
      _ = try restoreSequence(entry.id, besides: table, &restoration)
    }
  }

  /// If the job dropped it, and its data is there.
  ///
  /// - Parameter owner: in whose schema one that it owns is.
  mutating func restoreSequence(
    _ id: TableID, besides owner: TableDescriptor?, _ restoration: inout Restoration
  ) throws(SQLError) -> Bool {
    guard let entry = restoration.way.table(id), var sequence = entry.before, sequence.isSequence, entry.after == nil,
      context.catalog.table(id: id) == nil, hasData(sequence)
    else { return false }
    let old = sequence.name
    if let owner, sequence.sequence?.owner?.table == owner.id {
      sequence.namespaceID = owner.namespaceID
    } else {
      do throws(SQLError) {
        sequence.namespaceID = try namespace(of: sequence, entry, restoration)
      } catch {
        // What only takes numbers of it comes back without it.
        guard owner == nil else { return false }
        throw error
      }
    }
    sequence.name = freeName(old, of: old, now: old, in: sequence.namespaceID, restoration)
    if sequence.name != old { restoration.notices.append("sequence \"\(old)\" comes back as \"\(sequence.name)\"") }
    sequence.state = .public
    sequence.version = entry.lastVersion.next
    restoration.take(sequence.name, in: sequence.namespaceID)
    restoration.restored.insert(id)
    restoration.stages.restore(sequence)
    return true
  }

  /// Between tables that come back together they hold as they did. One to or from a table that was written meanwhile judges new
  /// rows only, until `VALIDATE CONSTRAINT` has looked at the others.
  private func restoreForeignKeys(
    of table: inout TableDescriptor, _ before: TableDescriptor, _ restoration: inout Restoration
  ) {
    var kept: [ConstraintDescriptor] = []
    for var constraint in table.constraints {
      if case .foreignKey(let rule) = constraint.rule, rule.referencedTable != table.id,
        !restoration.comesBack(rule.referencedTable, in: context.catalog)
      {
        guard let referenced = context.catalog.table(id: rule.referencedTable), referenced.state == .public,
          referenced.uniqueIndex(on: rule.referencedColumns) != nil
        else {
          restoration.notices.append(
            "foreign key \"\(constraint.name)\" is left out: what it refers to is not there any more")
          continue
        }
        restoration.notices.append(Self.notValid(constraint.name, table.name))
        constraint.state = .writeOnly
        restoration.stages.edit(
          referenced.id, [.addReference(ForeignKeyReference(table: table.id, constraint: constraint.id))],
          "table \(referenced.name): referred to", floor: .current)
      }
      kept.append(constraint)
    }
    table.constraints = kept
    table.referencedBy.removeAll { $0.table != table.id && !restoration.comesBack($0.table, in: context.catalog) }
    for reference in before.referencedBy where !table.referencedBy.contains(reference) {
      restoreReference(reference, to: &table, &restoration)
    }
  }

  /// A foreign key of another table, which went with the one that it refers to.
  private func restoreReference(
    _ reference: ForeignKeyReference, to table: inout TableDescriptor, _ restoration: inout Restoration
  ) {
    guard let old = restoration.way.table(reference.table)?.before,
      var constraint = old.constraint(reference.constraint)
    else { return }
    guard let other = context.catalog.table(id: reference.table), other.state == .public,
      constraint.rule.columns.allSatisfy({ other.column($0)?.state == .public }),
      !other.constraints.contains(where: { $0.name == constraint.name }),
      !other.indexes.contains(where: { $0.name == constraint.name })
    else {
      restoration.notices.append("foreign key \"\(constraint.name)\" of table \"\(old.name)\" is left out")
      return
    }
    let taken = restoration.nextConstraintIDs[other.id] ?? other.nextConstraintID
    restoration.nextConstraintIDs[other.id] = ConstraintID(taken.rawValue + 1)
    constraint.id = taken
    constraint.state = .writeOnly
    table.referencedBy.append(ForeignKeyReference(table: other.id, constraint: taken))
    restoration.notices.append(Self.notValid(constraint.name, other.name))
    restoration.stages.edit(
      other.id, [.addConstraint(constraint)], "foreign key \(constraint.name): absent -> writeOnly", floor: .current)
  }

  private static func notValid(_ constraint: String, _ table: String) -> String {
    "foreign key \"\(constraint)\" of table \"\(table)\" comes back NOT VALID: VALIDATE CONSTRAINT looks at the rows"
  }

  // MARK: Names

  /// The schema that a relation was in when it was dropped, as it is called now or was called then.
  private func schemaName(of entry: WayBack.Table, _ before: TableDescriptor) -> String {
    context.catalog.namespace(id: before.namespaceID)?.name ?? entry.schemaName
  }

  /// Where a relation comes back: in the schema that it was in, or in one that has its name by now (3F000).
  private func namespace(
    of before: TableDescriptor, _ entry: WayBack.Table, _ restoration: Restoration
  ) throws(SQLError) -> NamespaceID {
    if restoration.restoredNamespaces.contains(before.namespaceID) { return before.namespaceID }
    if let namespace = context.catalog.namespace(id: before.namespaceID) { return namespace.id }
    if let namespace = context.catalog.namespace(named: entry.schemaName, in: context.databaseID) {
      return namespace.id
    }
    throw SQLError(
      .invalidSchemaName, "schema \"\(entry.schemaName)\" does not exist",
      detail: "\"\(before.name)\" was dropped with it, or before it.",
      hint: "CREATE SCHEMA \(entry.schemaName) makes a place for what was in it.", tableName: before.name)
  }

  func isFree(_ name: String, in namespace: NamespaceID, _ restoration: Restoration) -> Bool {
    let relation = RelationName(namespaceID: namespace, name: name)
    return context.catalog.relation(relation) == nil && !restoration.takenNames.contains(relation)
  }

  /// Its own, or one made of the table's new name, or with a number.
  private func freeName(
    _ old: String, of table: String, now newTable: String, in namespace: NamespaceID, _ restoration: Restoration
  ) -> String {
    if isFree(old, in: namespace, restoration) { return old }
    if newTable != table, old.hasPrefix(table + "_") {
      let name = newTable + old.dropFirst(table.count)
      if name.utf8.count <= SchemaLimits.maximumNameBytes, isFree(name, in: namespace, restoration) { return name }
    }
    let taken = restoration.takenNames.filter { $0.namespaceID == namespace }.map(\.name)
    return freeRelationName([old], suffix: "undropped", in: namespace, taken: Set(taken))
  }
}

/// A statement that brings back, while it is planned.
struct Restoration {
  /// Of a table that is there: what comes back; nil stands for everything.
  struct Part {
    var columns: Set<ColumnID> = []
    var indexes: Set<IndexID> = []
    var constraints: Set<ConstraintID> = []
    var columnNames: [ColumnID: String] = [:]
    var indexNames: [IndexID: String] = [:]
  }

  let way: WayBack
  var stages: StageBuilder
  var notices: [String] = []
  /// Relations that come back with this statement.
  var restored: Set<TableID> = []
  var takenNames: Set<RelationName> = []
  /// Schemas that come back with this statement.
  var restoredNamespaces: Set<NamespaceID> = []
  var nextConstraintIDs: [TableID: ConstraintID] = [:]

  init(way: WayBack, stages: StageBuilder) {
    self.way = way
    self.stages = stages
  }

  mutating func take(_ name: String, in namespace: NamespaceID) {
    takenNames.insert(RelationName(namespaceID: namespace, name: name))
  }

  /// Dropped with the rest, and brought back with it.
  func comesBack(_ table: TableID, in catalog: CatalogState) -> Bool {
    restored.contains(table) && catalog.table(id: table) == nil
  }
}

/// `UNDROP TABLE name [AS name]`, `UNDROP COLUMN name ON table [AS name]`, `UNDROP INDEX name [ON table] [AS name]`.
public struct Undrop: Hashable, Sendable {
  public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
    case table = 0
    case column = 1
    case index = 2
  }

  public var kind: Kind
  public var name: ObjectName
  public var table: ObjectName?
  public var newName: String?

  public init(_ kind: Kind, _ name: ObjectName, table: ObjectName? = nil, newName: String? = nil) {
    self.kind = kind
    self.name = name
    self.table = table
    self.newName = newName
  }
}
