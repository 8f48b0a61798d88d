import Basics
import SQLValues

/// The catalog at one point of the schema log: databases, tables, ranges, and the names that lead to them.
///
/// A value with shared structure: keeping many of them (one per entry) costs only what differs. It is built by applying
/// entries in order and never changes otherwise.
public struct CatalogState: Sendable {
  /// The entry applied last; zero before the first.
  public private(set) var schemaIndex: SchemaIndex
  /// That entry's effective timestamp.
  public private(set) var timestamp: Timestamp
  private var databasesByID: PersistentMap<DatabaseID, DatabaseDescriptor>
  private var namespacesByID = PersistentMap<NamespaceID, NamespaceDescriptor>()
  private var namespacesByName = PersistentMap<NamespaceName, NamespaceID>()
  /// The entry that changed a namespace or a database last: until the next, every schema has the name it has now.
  public private(set) var namespacesIndex = SchemaIndex.zero
  private var tablesByID: PersistentMap<TableID, TableDescriptor>
  /// Of those, the sequences.
  private var sequencesByID: PersistentMap<TableID, TableDescriptor>
  /// Of those, the views.
  private var viewsByID = PersistentMap<TableID, TableDescriptor>()
  /// By what they read: views, ascending.
  private var readersByID = PersistentMap<TableID, [TableID]>()
  private var relations: PersistentMap<RelationName, RelationReference>
  /// Of the tables those that are types, by name and as values are read with them.
  private var typesByName = PersistentMap<RelationName, TableID>()
  private var enumTypes = PersistentMap<TableID, EnumType>()
  private var rangesByID: PersistentMap<RangeID, RangeDescriptor>

  /// The catalog of a new cluster: the database `defaultdb` and nothing in it.
  public init() {
    schemaIndex = .zero
    timestamp = .zero
    databasesByID = PersistentMap()
    tablesByID = PersistentMap()
    sequencesByID = PersistentMap()
    relations = PersistentMap()
    rangesByID = PersistentMap()
    databasesByID[.defaultDatabase] = DatabaseDescriptor(id: .defaultDatabase, name: "defaultdb")
    put(.public, .public)
  }

  init(
    schemaIndex: SchemaIndex, timestamp: Timestamp, databases: [DatabaseDescriptor],
    namespaces: [NamespaceDescriptor]?, namespacesIndex: SchemaIndex, tables: [TableDescriptor],
    ranges: [RangeDescriptor]
  ) throws(CatalogError) {
    self.init()
    if let namespaces {
      put(.public, nil)
      for namespace in namespaces { put(namespace.id, namespace) }
    }
    self.namespacesIndex = namespacesIndex
    self.schemaIndex = schemaIndex
    self.timestamp = timestamp
    for database in databases { databasesByID[database.id] = database }
    for range in ranges { rangesByID[range.id] = range }
    for table in tables { try replaceTable(table.id, with: table) }
    know(types: Set(enumTypes.values.map(\.id)), in: Set(tables.map(\.id)))
  }

  // MARK: Looking up

  /// In ascending order of ids.
  public var databases: [DatabaseDescriptor] { databasesByID.values }

  public func database(named name: String) -> DatabaseDescriptor? { databases.first { $0.name == name } }
  public func database(id: DatabaseID) -> DatabaseDescriptor? { databasesByID[id] }

  /// In ascending order of ids.
  public var namespaces: [NamespaceDescriptor] { namespacesByID.values }
  public func namespace(id: NamespaceID) -> NamespaceDescriptor? { namespacesByID[id] }

  public func namespace(named name: String, in databaseID: DatabaseID = .defaultDatabase) -> NamespaceDescriptor? {
    namespacesByName[NamespaceName(databaseID: databaseID, name: name)].flatMap { namespacesByID[$0] }
  }

  /// Empty where it is gone, as that of a table that is being dropped may be.
  public func schemaName(of table: TableDescriptor) -> String { namespacesByID[table.namespaceID]?.name ?? "" }

  /// Every table, also those being dropped, in ascending order of ids.
  public var tables: [TableDescriptor] { tablesByID.values }
  /// Also those being dropped, in ascending order of ids.
  public var sequences: [TableDescriptor] { sequencesByID.values }
  /// In ascending order of ids.
  public var views: [TableDescriptor] { viewsByID.values }
  public var tableCount: Int { tablesByID.count }

  public func table(id: TableID) -> TableDescriptor? { tablesByID[id] }

  /// Views that read the relation itself, not by way of other views; ascending.
  public func views(reading id: TableID) -> [TableDescriptor] { (readersByID[id] ?? []).compactMap { viewsByID[$0] } }

  /// Those that are types, also those being dropped, in ascending order of ids.
  public var types: [TableDescriptor] { enumTypes.values.compactMap { tablesByID[$0.id] } }
  /// As its values are read and written; nil for what is no type.
  public func enumType(_ id: TableID) -> EnumType? { enumTypes[id] }
  public func type(_ name: RelationName) -> TableDescriptor? { typesByName[name].flatMap { tablesByID[$0] } }

  public func type(
    named name: String, schema: String, in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    namespacesByName[NamespaceName(databaseID: databaseID, name: schema)].flatMap {
      type(RelationName(namespaceID: $0, name: name))
    }
  }

  /// Not a sequence, a view or a type.
  public func table(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    anyRelation(named: name, schema: schema, in: databaseID).flatMap { $0.isSequence || $0.isView ? nil : $0 }
  }

  public func view(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    anyRelation(named: name, schema: schema, in: databaseID).flatMap { $0.isView ? $0 : nil }
  }

  public func sequence(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    anyRelation(named: name, schema: schema, in: databaseID).flatMap { $0.isSequence ? $0 : nil }
  }

  /// A table, view or sequence.
  public func anyRelation(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    guard case .table(let id)? = relation(named: name, schema: schema, in: databaseID) else { return nil }
    return tablesByID[id]
  }

  public func index(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> (table: TableDescriptor, index: IndexDescriptor)? {
    let found = relation(named: name, schema: schema, in: databaseID)
    guard case .index(let tableID, let indexID)? = found, let table = tablesByID[tableID],
      let index = table.index(indexID)
    else { return nil }
    return (table, index)
  }

  public func relation(_ name: RelationName) -> RelationReference? { relations[name] }

  public func relation(
    named name: String, schema: String, in databaseID: DatabaseID = .defaultDatabase
  ) -> RelationReference? {
    namespacesByName[NamespaceName(databaseID: databaseID, name: schema)].flatMap {
      relations[RelationName(namespaceID: $0, name: name)]
    }
  }

  /// In ascending order of ids.
  public var ranges: [RangeDescriptor] { rangesByID.values }
  public var rangeCount: Int { rangesByID.count }
  public func range(id: RangeID) -> RangeDescriptor? { rangesByID[id] }

  // MARK: Applying

  /// Moves the catalog one entry forward, or throws and leaves it as it was.
  public mutating func apply(_ entry: SchemaEntry) throws(CatalogError) {
    guard entry.index == schemaIndex.next else {
      throw CatalogError.gap(expected: schemaIndex.next, found: entry.index)
    }
    guard entry.timestamp > timestamp else {
      throw CatalogError.timestampNotMonotone(entry.timestamp, after: timestamp)
    }
    var next = self
    next.schemaIndex = entry.index
    next.timestamp = entry.timestamp
    try next.applyDatabases(entry)
    try next.applyNamespaces(entry)
    for range in entry.newRanges { next.rangesByID[range.id] = range }
    for id in entry.removedRanges { next.rangesByID[id] = nil }
    // Old names go before new ones come, so that tables of one entry may exchange names.
    for change in entry.changes {
      let before = next.tablesByID[change.tableID]
      let found = before?.version ?? .none
      // A table that comes back goes on counting where it was; who plans that knows where.
      let isRestored = before == nil && change.descriptor != nil
      guard found == change.from || isRestored else {
        throw .versionConflict(change.tableID, expected: change.from, found: found)
      }
      if let after = change.descriptor {
        guard after.id == change.tableID, after.version == change.to, change.to == change.from.next,
          after.commitFloor == change.commitFloor, change.commitFloor >= before?.commitFloor ?? .none,
          !after.indexes.isEmpty
        else { throw .inconsistent("change of table \(change.tableID) to version \(change.to)") }
      }
      next.removeNames(of: before)
    }
    for change in entry.changes { try next.replaceTable(change.tableID, with: change.descriptor) }
    try next.requireNamespaces(of: entry)
    try next.requireViews(of: entry, before: self)
    try next.requireTypes(of: entry)
    let types = entry.changes.filter { $0.descriptor?.isType == true }.map(\.tableID)
    next.know(types: Set(types), in: Set(entry.changes.map(\.tableID)))
    self = next
  }

  private mutating func applyDatabases(_ entry: SchemaEntry) throws(CatalogError) {
    for database in entry.databaseChanges {
      let before = databasesByID[database.id]
      guard database.version == (before?.version ?? .none).next, !database.isDropped || before != nil else {
        throw .inconsistent("change of database \(database.id) to version \(database.version)")
      }
      databasesByID[database.id] = nil
    }
    // Old names have gone before new ones come.
    for database in entry.databaseChanges where !database.isDropped {
      guard !databasesByID.values.contains(where: { $0.name == database.name }) else {
        throw .inconsistent("database \(database.id) has the name of another one")
      }
      databasesByID[database.id] = database
    }
    if !entry.databaseChanges.isEmpty || !entry.namespaceChanges.isEmpty { namespacesIndex = entry.index }
  }

  private mutating func applyNamespaces(_ entry: SchemaEntry) throws(CatalogError) {
    // Old names go before new ones come, as those of tables do.
    for change in entry.namespaceChanges {
      let before = namespacesByID[change.id]
      guard before?.version ?? .none == change.from else {
        throw .inconsistent("change of namespace \(change.id), expected at version \(change.from)")
      }
      put(change.id, nil)
    }
    for change in entry.namespaceChanges {
      guard let after = change.descriptor else { continue }
      let name = NamespaceName(databaseID: after.databaseID, name: after.name)
      guard after.id == change.id, after.version == change.from.next, namespacesByName[name] == nil else {
        throw .inconsistent("change of namespace \(change.id) to version \(after.version)")
      }
      put(after.id, after)
    }
  }

  /// Nothing is left in a namespace or a database that is gone, and nothing comes into one: whoever came first, the other is
  /// refused.
  private func requireNamespaces(of entry: SchemaEntry) throws(CatalogError) {
    for namespace in entry.namespaceChanges.compactMap(\.descriptor) where databasesByID[namespace.databaseID] == nil {
      throw .inconsistent("namespace \(namespace.id) is in database \(namespace.databaseID), which is not there")
    }
    let ended = Set(entry.databaseChanges.filter(\.isDropped).map(\.id))
    if !ended.isEmpty, let left = namespacesByID.values.first(where: { ended.contains($0.databaseID) }) {
      throw .inconsistent("namespace \(left.id) is in database \(left.databaseID), which goes")
    }
    for table in entry.changes.compactMap(\.descriptor) where table.state == .public {
      guard namespacesByID[table.namespaceID]?.databaseID == table.databaseID else {
        throw .inconsistent("table \(table.id) is in namespace \(table.namespaceID), which is not there")
      }
    }
    let removed = Set(entry.namespaceChanges.filter { $0.descriptor == nil }.map(\.id))
    if removed.isEmpty { return }
    for table in tablesByID.values where table.state == .public && removed.contains(table.namespaceID) {
      throw .inconsistent("table \(table.id) is in namespace \(table.namespaceID), which goes")
    }
  }

  /// What a view reads is there, of the types that it was made for: whoever came first, the other is refused.
  private func requireViews(of entry: SchemaEntry, before: CatalogState) throws(CatalogError) {
    if viewsByID.isEmpty { return }
    var concerned: Set<TableID> = []
    for change in entry.changes {
      if change.descriptor?.isView ?? false { concerned.insert(change.tableID) }
      concerned.formUnion(readersByID[change.tableID] ?? [])
    }
    for id in concerned.sorted() {
      guard let view = viewsByID[id], let definition = view.view, view.state == .public else { continue }
      for dependency in definition.dependencies {
        let relation = tablesByID[dependency.relation]
        let old = before.tablesByID[dependency.relation]
        let isNew = before.viewsByID[id]?.view != definition
        for column in dependency.columns {
          let now = relation?.column(column)
          guard now?.state == .public, isNew || now?.type == old?.column(column)?.type else {
            throw .inconsistent("view \(id) reads column \(column) of table \(dependency.relation)")
          }
        }
        guard relation?.state == .public else {
          throw .inconsistent("view \(id) reads table \(dependency.relation), which is not there")
        }
      }
    }
  }

  /// A column that can be named has a type that is there: whoever came first, the end of the type or the column, the other is
  /// refused.
  private func requireTypes(of entry: SchemaEntry) throws(CatalogError) {
    for table in entry.changes.compactMap(\.descriptor) where table.state == .public && !table.isType {
      for id in table.namedTypes where tablesByID[id]?.isType != true || tablesByID[id]?.state != .public {
        throw .inconsistent("table \(table.id) has a column of type \(id), which is not there")
      }
    }
    let removed = Set(
      entry.changes.filter { change in
        enumTypes[change.tableID] != nil && change.descriptor?.state != .public
      }.map(\.tableID))
    if removed.isEmpty { return }
    for table in tablesByID.values where table.state == .public && !table.namedTypes.isDisjoint(with: removed) {
      throw .inconsistent("table \(table.id) has a column of a type that goes")
    }
  }

  /// Descriptors name types by their ids. Here the columns of these tables, and all those of these types, come to know the labels.
  private mutating func know(types: Set<TableID>, in tables: Set<TableID>) {
    for id in types { enumTypes[id] = tablesByID[id]?.enumType }
    for id in tables where enumTypes[id] != nil && tablesByID[id] == nil { enumTypes[id] = nil }
    let concerned = types.isEmpty ? tables.compactMap { tablesByID[$0] } : tablesByID.values
    for table in concerned {
      var known = table
      guard known.know({ enumTypes[$0] }) else { continue }
      tablesByID[table.id] = known
    }
  }

  private mutating func put(_ id: NamespaceID, _ namespace: NamespaceDescriptor?) {
    if let old = namespacesByID[id] {
      namespacesByName[NamespaceName(databaseID: old.databaseID, name: old.name)] = nil
    }
    namespacesByID[id] = namespace
    guard let namespace else { return }
    namespacesByName[NamespaceName(databaseID: namespace.databaseID, name: namespace.name)] = id
  }

  private mutating func removeNames(of table: TableDescriptor?) {
    guard let table else { return }
    for (name, _) in table.relationNames { relations[name] = nil }
    if let name = table.typeName { typesByName[name] = nil }
  }

  private mutating func replaceTable(_ id: TableID, with table: TableDescriptor?) throws(CatalogError) {
    if table?.isSequence ?? tablesByID[id]?.isSequence ?? false { sequencesByID[id] = table }
    for dependency in viewsByID[id]?.view?.dependencies ?? [] {
      let rest = (readersByID[dependency.relation] ?? []).filter { $0 != id }
      readersByID[dependency.relation] = rest.isEmpty ? nil : rest
    }
    viewsByID[id] = table.flatMap { $0.isView ? $0 : nil }
    for dependency in table?.view?.dependencies ?? [] {
      let readers = Set(readersByID[dependency.relation] ?? []).union([id])
      readersByID[dependency.relation] = readers.sorted()
    }
    tablesByID[id] = table
    guard let table else { return }
    if table.isType { enumTypes[id] = table.enumType }
    if let name = table.typeName {
      guard typesByName[name] == nil, !isTable(relations[name]) else { throw .duplicateName(name) }
      typesByName[name] = id
    }
    for (name, reference) in table.relationNames {
      // A table is a type as well.
      guard relations[name] == nil, typesByName[name] == nil || !isTable(reference) else { throw .duplicateName(name) }
      relations[name] = reference
    }
  }

  /// Not a sequence, nor an index.
  private func isTable(_ reference: RelationReference?) -> Bool {
    guard case .table(let id)? = reference else { return false }
    return tablesByID[id]?.isSequence == false
  }
}

extension TableDescriptor {
  /// The names this table occupies: its own and its indexes'. Dropped elements have given theirs back (empty names).
  public var relationNames: [(name: RelationName, reference: RelationReference)] {
    guard state == .public, !isType else { return [] }
    var names: [(name: RelationName, reference: RelationReference)] = [
      (RelationName(namespaceID: namespaceID, name: name), .table(id))
    ]
    for index in indexes where !index.name.isEmpty {
      let name = RelationName(namespaceID: namespaceID, name: index.name)
      names.append((name, .index(id, index.id)))
    }
    return names
  }

  /// The name it occupies among those of types; nil for what is none.
  public var typeName: RelationName? {
    isType && state == .public ? RelationName(namespaceID: namespaceID, name: name) : nil
  }
}
