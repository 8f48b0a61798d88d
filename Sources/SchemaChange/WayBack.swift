import Basics
import Catalog

/// What the tables of a job were before and after it. Kept for the retention time, so that what it dropped can be brought back
/// and the change as a whole can be taken back.
public struct WayBack: Hashable, Sendable {
  public struct Table: Hashable, Sendable {
    public var id: TableID
    /// nil: the job created it.
    public var before: TableDescriptor?
    /// nil: the job dropped it. As it came back, once it has: what it was before the drop must not come back a second time.
    public var after: TableDescriptor?
    /// Of the entry that dropped it; a table that comes back goes on counting there.
    public var lastVersion: TableVersion
    /// The name that the schema of `before` had: that may be gone as well.
    public var schemaName: String

    public init(
      id: TableID, before: TableDescriptor?, after: TableDescriptor?, lastVersion: TableVersion,
      schemaName: String = "public"
    ) {
      self.id = id
      self.before = before
      self.after = after
      self.lastVersion = lastVersion
      self.schemaName = schemaName
    }
  }

  /// A schema in the sense of SQL.
  public struct Namespace: Hashable, Sendable {
    public var id: NamespaceID
    /// nil: the job created it.
    public var before: NamespaceDescriptor?
    /// nil: the job dropped it.
    public var after: NamespaceDescriptor?

    public init(id: NamespaceID, before: NamespaceDescriptor?, after: NamespaceDescriptor?) {
      self.id = id
      self.before = before
      self.after = after
    }
  }

  public struct Database: Hashable, Sendable {
    public var id: DatabaseID
    /// nil: the job created it.
    public var before: DatabaseDescriptor?
    /// nil: the job dropped it.
    public var after: DatabaseDescriptor?

    public init(id: DatabaseID, before: DatabaseDescriptor?, after: DatabaseDescriptor?) {
      self.id = id
      self.before = before
      self.after = after
    }
  }

  public var job: JobID
  public var databaseID: DatabaseID
  /// Ascending.
  public var tables: [Table]
  /// Ascending.
  public var namespaces: [Namespace] = []
  /// Ascending. What was in one that was created or dropped is not kept: that is not taken back.
  public var databases: [Database] = []
  /// Stored by a release that did not keep which.
  public var hasDatabaseChange = false
  /// A type was changed by an expression of the statement: nobody knows its inverse.
  public var hasUsing: Bool
  /// Rows went.
  public var hasTruncation: Bool
  /// Of the leader's clock; 0: the job has not ended yet.
  public var finishedMilliseconds: UInt64

  public init(
    job: JobID, databaseID: DatabaseID, tables: [Table], hasUsing: Bool = false, hasTruncation: Bool = false,
    finishedMilliseconds: UInt64 = 0
  ) {
    self.job = job
    self.databaseID = databaseID
    self.tables = tables
    self.hasUsing = hasUsing
    self.hasTruncation = hasTruncation
    self.finishedMilliseconds = finishedMilliseconds
  }

  /// Whether a plan changes anything that was there before: tables that a job only created are dropped, not reverted.
  public static func isNeeded(for plan: Plan, in catalog: CatalogState) -> Bool {
    plan.tables.contains { catalog.table(id: $0) != nil }
      || plan.stages.contains { !$0.namespaceChanges.isEmpty || !$0.databaseChanges.isEmpty }
  }

  /// Of a plan that has just been made. Nil when none is needed, or the plan does not fit the catalog.
  public init?(job: JobID, plan: Plan, of statement: SchemaStatement, in catalog: CatalogState, _ database: DatabaseID)
  {
    guard Self.isNeeded(for: plan, in: catalog) else { return nil }
    if case .database(let change) = statement, change.needsOwnTransaction {
      self.init(job: job, databaseID: database, tables: [])
      databases = plan.stages.flatMap(\.databaseChanges).map { planned in
        let created = planned.edits.lazy.compactMap { edit -> DatabaseDescriptor? in
          if case .create(let created) = edit { created } else { nil }
        }.first
        return Database(id: planned.id, before: catalog.database(id: planned.id), after: created)
      }
      return
    }
    var reached = catalog
    var versions: [TableID: TableVersion] = [:]
    for stage in plan.stages {
      for change in stage.changes {
        let from = versions[change.tableID] ?? catalog.table(id: change.tableID)?.version ?? .none
        versions[change.tableID] = max(from.next, (try? change.change(in: reached).to) ?? .none)
      }
      guard (try? reached.apply(stage)) != nil else { return nil }
    }
    self.init(
      job: job, databaseID: database,
      tables: versions.keys.sorted().map { id in
        let before = catalog.table(id: id)
        return Table(
          id: id, before: before, after: reached.table(id: id), lastVersion: versions[id] ?? .none,
          schemaName: before.map(catalog.schemaName) ?? "")
      }, hasUsing: statement.convertsByExpression, hasTruncation: statement.truncates)
    namespaces = Set(plan.stages.flatMap(\.namespaceChanges).map(\.id)).sorted().map { id in
      Namespace(id: id, before: catalog.namespace(id: id), after: reached.namespace(id: id))
    }
    databases = Set(plan.stages.flatMap(\.databaseChanges).map(\.id)).sorted().map { id in
      Database(id: id, before: catalog.database(id: id), after: reached.database(id: id))
    }
  }

  public var hasEnded: Bool { finishedMilliseconds != 0 }

  func table(_ id: TableID) -> Table? { tables.first { $0.id == id } }

  /// A sequence that the job created with a column of a table that was there: it goes with the column.
  func goesWithColumn(_ created: Table) -> Bool {
    guard created.before == nil, let owner = created.after?.sequence?.owner, let before = table(owner.table)?.before
    else { return false }
    return before.column(owner.column)?.state != .public
  }

  struct RetainedColumn: Hashable {
    let table: TableID
    let column: ColumnID
  }

  /// Columns that the job dropped and that are still maintained.
  func retainedColumns(in catalog: CatalogState) -> [RetainedColumn] {
    tables.flatMap { entry in
      guard let now = catalog.table(id: entry.id) else { return [RetainedColumn]() }
      return entry.droppedColumns.filter { now.column($0.id)?.isRetained ?? false }.map {
        RetainedColumn(table: entry.id, column: $0.id)
      }
    }
  }
}

extension WayBack.Table {
  /// As they were, with their names.
  var droppedColumns: [ColumnDescriptor] {
    guard let before, let after else { return [] }
    return before.columns.filter { $0.state == .public && (after.column($0.id)?.isRetained ?? false) }
  }

  /// Indexes that went, and are no copies of others. Those of a table whose rows were copied have new ids.
  var droppedIndexes: [IndexDescriptor] {
    guard let before, let after else { return [] }
    let isCopied = before.primaryIndex.id != after.primaryIndex.id
    return before.indexes.dropFirst().filter { index in
      index.state == .public && after.index(index.id) == nil
        && !(isCopied && after.indexes.contains { $0.name == index.name })
    }
  }
}

extension SchemaStatement {
  fileprivate var truncates: Bool {
    switch self {
    case .truncateTables: true
    case .transaction(let transaction): transaction.statements.contains(where: \.truncates)
    default: false
    }
  }

  fileprivate var convertsByExpression: Bool {
    switch self {
    case .alterTable(_, _, let changes):
      changes.contains { if case .setType(let change) = $0 { change.hasUsing } else { false } }
    case .transaction(let transaction): transaction.statements.contains(where: \.convertsByExpression)
    default: false
    }
  }
}

/// Something that was dropped and can still be brought back: a row of `SHOW DROPPED`.
public struct DroppedObject: Hashable, Sendable {
  public enum Kind: UInt8, Hashable, Sendable {
    case table = 0
    case column = 1
    case index = 2
    case sequence = 3

    public var name: String { "\(self)" }
  }

  public var kind: Kind
  public var database: DatabaseID
  public var table: TableID
  /// Of a column.
  public var column: ColumnID?
  public var schemaName: String
  public var tableName: String
  public var name: String
  public var job: JobID
  public var droppedMilliseconds: UInt64
}

extension WayBack {
  /// What the job dropped and nobody has brought back since, as far as its data is there.
  ///
  /// - Parameter later: what tables were before the jobs that came after it.
  fileprivate func droppedObjects(
    in catalog: CatalogState, _ later: [TableID: [TableDescriptor]]
  ) -> [DroppedObject] {
    guard hasEnded else { return [] }
    var found: [DroppedObject] = []
    for entry in tables {
      guard let before = entry.before, !before.isType else { continue }
      func add(_ kind: DroppedObject.Kind, _ name: String, of table: TableDescriptor, column: ColumnID? = nil) {
        let schema = catalog.namespace(id: table.namespaceID)?.name ?? entry.schemaName
        found.append(
          DroppedObject(
            kind: kind, database: table.databaseID, table: entry.id, column: column, schemaName: schema,
            tableName: table.name, name: name,
            job: job,
            droppedMilliseconds: finishedMilliseconds))
      }
      guard let now = catalog.table(id: entry.id) else {
        let isThere = before.indexes.allSatisfy { catalog.range(id: $0.rangeID) != nil }
        if entry.after == nil, isThere { add(before.isSequence ? .sequence : .table, before.name, of: before) }
        continue
      }
      for column in entry.droppedColumns where now.column(column.id)?.isRetained ?? false {
        add(.column, column.name, of: now, column: column.id)
      }
      for index in entry.droppedIndexes
      where !([now] + (later[entry.id] ?? [])).contains(where: { $0.hasAgain(index, of: before) }) {
        add(.index, index.name, of: now)
      }
    }
    return found
  }
}

extension TableDescriptor {
  /// An index that `before` had, made again under its name. Expressions have columns of their own in each of the two.
  func hasAgain(_ index: IndexDescriptor, of before: TableDescriptor) -> Bool {
    indexes.contains { other in
      other.name == index.name && other.isUnique == index.isUnique && other.storedColumns == index.storedColumns
        && other.predicate == index.predicate && other.keyColumns.count == index.keyColumns.count
        && zip(other.keyColumns, index.keyColumns).allSatisfy { now, then in
          now.isDescending == then.isDescending
            && (now.columnID == then.columnID
              || computedValue(of: now) != nil && computedValue(of: now) == before.computedValue(of: then))
        }
    }
  }

  private func computedValue(of key: IndexKeyColumn) -> RowExpression? {
    column(key.columnID).flatMap { $0.isComputed ? $0.conversion : nil }
  }
}

extension PersistentMap<JobID, WayBack> {
  /// A table that was dropped is back.
  public mutating func noteRestored(_ table: TableDescriptor) {
    for var way in values {
      guard let position = way.tables.firstIndex(where: { $0.id == table.id && $0.after == nil }) else { continue }
      way.tables[position].after = table
      self[way.job] = way
    }
  }

  /// What can be brought back, newest first: what was dropped more than once by its last drop.
  public func droppedObjects(in catalog: CatalogState) -> [DroppedObject] {
    var later: [TableID: [TableDescriptor]] = [:]
    var columns: Set<WayBack.RetainedColumn> = []
    var found: [DroppedObject] = []
    for way in values.reversed() {
      found += way.droppedObjects(in: catalog, later).filter { object in
        guard let column = object.column else { return true }
        return columns.insert(WayBack.RetainedColumn(table: object.table, column: column)).inserted
      }
      for table in way.tables.compactMap(\.before) { later[table.id, default: []].append(table) }
    }
    return found
  }

  /// What goes with the ways that are forgotten, by table: what no later way has dropped again.
  public func columnsRetained(only forgotten: [WayBack], in catalog: CatalogState) -> [TableID: [ColumnID]] {
    var columns = Set(forgotten.flatMap { $0.retainedColumns(in: catalog) })
    guard !columns.isEmpty else { return [:] }
    let jobs = Set(forgotten.map(\.job))
    for way in values where !jobs.contains(way.job) { columns.subtract(way.retainedColumns(in: catalog)) }
    return Dictionary(grouping: columns.sorted { $0.column < $1.column }, by: \.table).mapValues { $0.map(\.column) }
  }
}

// MARK: - Stored form

extension WayBack {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, job)
    for table in tables { writer.field(2) { table.encode(into: &$0) } }
    writer.field(3, finishedMilliseconds)
    writer.field(4, databaseID)
    writer.field(5, hasUsing)
    writer.field(6, hasTruncation)
    for namespace in namespaces { writer.field(7) { namespace.encode(into: &$0) } }
    writer.field(8, hasDatabaseChange)
    for database in databases { writer.field(60) { database.encode(into: &$0) } }
  }

  public init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(job: JobID(0), databaseID: .defaultDatabase, tables: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: job = try field.identifier()
      case 2: tables.append(try Table(decoding: try field.slice()))
      case 3: finishedMilliseconds = try field.integer()
      case 4: databaseID = try field.identifier()
      case 5: hasUsing = try field.boolean()
      case 6: hasTruncation = try field.boolean()
      case 7: namespaces.append(try Namespace(decoding: try field.slice()))
      case 8: hasDatabaseChange = try field.boolean()
      case 60: databases.append(try Database(decoding: try field.slice()))
      default: break
      }
    }
  }
}

extension WayBack.Table {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    if let before { writer.field(2, before.encoded()) }
    if let after { writer.field(3, after.encoded()) }
    writer.field(4, lastVersion)
    writer.field(5, schemaName)
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(id: TableID(0), before: nil, after: nil, lastVersion: .none)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: before = try TableDescriptor(decoding: try field.slice())
      case 3: after = try TableDescriptor(decoding: try field.slice())
      case 4: lastVersion = try field.identifier()
      case 5: schemaName = try field.string()
      default: break
      }
    }
  }
}

extension WayBack.Database {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    if let before { writer.field(2) { before.encode(into: &$0) } }
    if let after { writer.field(3) { after.encode(into: &$0) } }
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(id: .defaultDatabase, before: nil, after: nil)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: before = try DatabaseDescriptor(decoding: try field.slice())
      case 3: after = try DatabaseDescriptor(decoding: try field.slice())
      default: break
      }
    }
  }
}

extension WayBack.Namespace {
  fileprivate func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    if let before { writer.field(2) { before.encode(into: &$0) } }
    if let after { writer.field(3) { after.encode(into: &$0) } }
  }

  fileprivate init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(id: .public, before: nil, after: nil)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: before = try NamespaceDescriptor(decoding: try field.slice())
      case 3: after = try NamespaceDescriptor(decoding: try field.slice())
      default: break
      }
    }
  }
}
