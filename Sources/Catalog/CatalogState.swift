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
  private var tablesByID: PersistentMap<TableID, TableDescriptor>
  /// Of those, the sequences.
  private var sequencesByID: PersistentMap<TableID, TableDescriptor>
  private var relations: PersistentMap<RelationName, RelationReference>
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
  }

  init(
    schemaIndex: SchemaIndex, timestamp: Timestamp, databases: [DatabaseDescriptor], tables: [TableDescriptor],
    ranges: [RangeDescriptor]
  ) throws(CatalogError) {
    self.init()
    self.schemaIndex = schemaIndex
    self.timestamp = timestamp
    for database in databases { databasesByID[database.id] = database }
    for range in ranges { rangesByID[range.id] = range }
    for table in tables { try replaceTable(table.id, with: table) }
  }

  // MARK: Looking up

  /// In ascending order of ids.
  public var databases: [DatabaseDescriptor] { databasesByID.values }

  public func database(named name: String) -> DatabaseDescriptor? { databases.first { $0.name == name } }
  public func database(id: DatabaseID) -> DatabaseDescriptor? { databasesByID[id] }

  /// Every table, also those being dropped, in ascending order of ids.
  public var tables: [TableDescriptor] { tablesByID.values }
  /// Also those being dropped, in ascending order of ids.
  public var sequences: [TableDescriptor] { sequencesByID.values }
  public var tableCount: Int { tablesByID.count }

  public func table(id: TableID) -> TableDescriptor? { tablesByID[id] }

  public func table(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    tableOrSequence(RelationName(databaseID: databaseID, schema: schema, name: name)).flatMap {
      $0.isSequence ? nil : $0
    }
  }

  public func sequence(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> TableDescriptor? {
    tableOrSequence(RelationName(databaseID: databaseID, schema: schema, name: name)).flatMap {
      $0.isSequence ? $0 : nil
    }
  }

  private func tableOrSequence(_ name: RelationName) -> TableDescriptor? {
    guard case .table(let id)? = relations[name] else { return nil }
    return tablesByID[id]
  }

  public func index(
    named name: String, schema: String = "public", in databaseID: DatabaseID = .defaultDatabase
  ) -> (table: TableDescriptor, index: IndexDescriptor)? {
    let relation = relations[RelationName(databaseID: databaseID, schema: schema, name: name)]
    guard case .index(let tableID, let indexID)? = relation, let table = tablesByID[tableID],
      let index = table.index(indexID)
    else { return nil }
    return (table, index)
  }

  public func relation(_ name: RelationName) -> RelationReference? { relations[name] }

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
    for database in entry.databaseChanges { next.databasesByID[database.id] = database }
    for range in entry.newRanges { next.rangesByID[range.id] = range }
    for id in entry.removedRanges { next.rangesByID[id] = nil }
    // Old names go before new ones come, so that tables of one entry may exchange names.
    for change in entry.changes {
      let before = next.tablesByID[change.tableID]
      let found = before?.version ?? .none
      guard found == change.from else {
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
    self = next
  }

  private mutating func removeNames(of table: TableDescriptor?) {
    guard let table else { return }
    for (name, _) in table.relationNames { relations[name] = nil }
  }

  private mutating func replaceTable(_ id: TableID, with table: TableDescriptor?) throws(CatalogError) {
    if table?.isSequence ?? tablesByID[id]?.isSequence ?? false { sequencesByID[id] = table }
    tablesByID[id] = table
    guard let table else { return }
    for (name, reference) in table.relationNames {
      guard relations[name] == nil else { throw .duplicateName(name) }
      relations[name] = reference
    }
  }
}

extension TableDescriptor {
  /// The names this table occupies: its own and its indexes'. Dropped elements have given theirs back (empty names).
  public var relationNames: [(name: RelationName, reference: RelationReference)] {
    guard state == .public else { return [] }
    var names: [(name: RelationName, reference: RelationReference)] = [
      (RelationName(databaseID: databaseID, schema: schemaName, name: name), .table(id))
    ]
    for index in indexes where !index.name.isEmpty {
      let name = RelationName(databaseID: databaseID, schema: schemaName, name: index.name)
      names.append((name, .index(id, index.id)))
    }
    return names
  }
}
