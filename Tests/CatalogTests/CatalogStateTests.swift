import Basics
import Catalog
import SQLValues
import Testing

private func table(
  _ id: UInt64, _ name: String, version: UInt64 = 1, indexes: [String] = [], floor: UInt64 = 1
) -> TableDescriptor {
  let columns = [
    ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
    ColumnDescriptor(
      id: ColumnID(2), name: "price", type: .numeric(precision: 10, scale: 2), defaultExpression: [1, 2, 3],
      defaultText: "0", missingValue: .integer(0)),
  ]
  let all = [name + "_pkey"] + indexes
  return TableDescriptor(
    id: TableID(id), databaseID: .defaultDatabase, name: name, version: TableVersion(version), columns: columns,
    indexes: all.enumerated().map { position, name in
      IndexDescriptor(
        id: IndexID(UInt64(position + 1)), name: name, isUnique: position == 0,
        keyColumns: [IndexKeyColumn(columnID: ColumnID(1), isDescending: position > 0)],
        rangeID: RangeID(id * 100 + UInt64(position)))
    }, nextColumnID: ColumnID(3), nextIndexID: IndexID(UInt64(all.count + 1)), commitFloor: TableVersion(floor))
}

private func entry(_ index: UInt64, at timestamp: UInt64, _ changes: [TableChange]) -> SchemaEntry {
  SchemaEntry(
    index: SchemaIndex(index), timestamp: Timestamp(rawValue: timestamp), databaseID: .defaultDatabase,
    operationID: OperationID("op-\(index)"), jobID: JobID(index), changes: changes,
    newRanges: changes.compactMap(\.descriptor).flatMap { $0.indexes }.map {
      RangeDescriptor(id: $0.rangeID, epoch: 1, startKey: [1], endKey: [2], replicas: [NodeID(1), NodeID(2)])
    })
}

private func change(_ before: TableDescriptor?, _ after: TableDescriptor?) -> TableChange {
  let from = before?.version ?? .none
  return TableChange(
    tableID: (before ?? after)?.id ?? TableID(0), from: from, to: from.next,
    commitFloor: after?.commitFloor ?? .none, descriptor: after)
}

@Suite struct CatalogStateTests {
  @Test func createRenameDrop() throws {
    var catalog = CatalogState()
    let created = table(7, "a", indexes: ["a_idx"])
    try catalog.apply(entry(1, at: 10, [change(nil, created)]))
    #expect(catalog.table(named: "a")?.id == TableID(7))
    #expect(catalog.index(named: "a_idx")?.index.id == IndexID(2))
    #expect(catalog.table(named: "a_idx") == nil)
    #expect(catalog.range(id: RangeID(700))?.replicas.count == 2)

    let renamed = table(7, "b", version: 2, indexes: ["b_idx"])
    try catalog.apply(entry(2, at: 20, [change(created, renamed)]))
    #expect(catalog.table(named: "a") == nil)
    #expect(catalog.index(named: "a_idx") == nil)
    #expect(catalog.table(named: "b")?.version == TableVersion(2))

    var dropping = renamed
    dropping.version = TableVersion(3)
    dropping.state = .dropping
    try catalog.apply(entry(3, at: 30, [change(renamed, dropping)]))
    #expect(catalog.table(named: "b") == nil)
    #expect(catalog.table(id: TableID(7))?.state == .dropping)
    // The name is free while the table is still there.
    try catalog.apply(entry(4, at: 40, [change(nil, table(8, "b"))]))
    try catalog.apply(entry(5, at: 50, [change(dropping, nil)]))
    #expect(catalog.tables.map(\.id) == [TableID(8)])
  }

  @Test func twoTablesExchangeNamesInOneEntry() throws {
    var catalog = CatalogState()
    let (a, b) = (table(1, "a"), table(2, "b"))
    try catalog.apply(entry(1, at: 1, [change(nil, a), change(nil, b)]))
    try catalog.apply(
      entry(2, at: 2, [change(a, table(1, "b", version: 2)), change(b, table(2, "a", version: 2))]))
    #expect(catalog.table(named: "a")?.id == TableID(2))
    #expect(catalog.table(named: "b")?.id == TableID(1))
  }

  @Test func refusedEntriesChangeNothing() throws {
    var catalog = CatalogState()
    let created = table(1, "a", floor: 1)
    try catalog.apply(entry(1, at: 10, [change(nil, created)]))
    let before = catalog.encoded()

    #expect(throws: CatalogError.gap(expected: SchemaIndex(2), found: SchemaIndex(3))) {
      try catalog.apply(entry(3, at: 20, []))
    }
    #expect(throws: CatalogError.timestampNotMonotone(Timestamp(rawValue: 10), after: Timestamp(rawValue: 10))) {
      try catalog.apply(entry(2, at: 10, []))
    }
    // Planned against version 4; version 1 is in force: refused, never merged.
    var stale = change(created, table(1, "b", version: 5))
    stale.from = TableVersion(4)
    stale.to = TableVersion(5)
    #expect(throws: CatalogError.versionConflict(TableID(1), expected: TableVersion(4), found: TableVersion(1))) {
      try catalog.apply(entry(2, at: 20, [stale]))
    }
    #expect(throws: CatalogError.duplicateName(RelationName(name: "a"))) {
      try catalog.apply(entry(2, at: 20, [change(nil, table(2, "a"))]))
    }
    var lowered = table(1, "a", version: 2, floor: 0)
    lowered.commitFloor = .none
    #expect(throws: CatalogError.self) { try catalog.apply(entry(2, at: 20, [change(created, lowered)])) }
    #expect(catalog.encoded() == before)
  }

  @Test func historyGivesTheCatalogOfEveryTimestamp() throws {
    var history = CatalogHistory(retentionMilliseconds: 1_000_000)
    var current = table(1, "t0")
    try history.apply(entry(1, at: 100, [change(nil, current)]))
    for number in 1...50 {
      let next = table(1, "t\(number)", version: UInt64(number + 1))
      try history.apply(entry(UInt64(number + 1), at: UInt64(100 + number * 10), [change(current, next)]))
      current = next
    }
    for moment in stride(from: 100, through: 700, by: 1) {
      let view = try history.catalog(asOf: Timestamp(rawValue: UInt64(moment)))
      let expected = min(50, (moment - 100) / 10)
      #expect(view.table(named: "t\(expected)")?.version == TableVersion(UInt64(expected + 1)))
      #expect(view.schemaIndex == SchemaIndex(UInt64(expected + 1)))
    }
    // An entry that comes twice, after a watch began again, is nothing new.
    try history.apply(entry(3, at: 120, []))
    #expect(history.schemaIndex == SchemaIndex(51))
  }

  @Test func historyForgetsWhatIsOlderThanItsWindow() throws {
    var history = CatalogHistory(retentionMilliseconds: 1_000)
    var current = table(1, "t")
    try history.apply(entry(1, at: Timestamp(physicalMilliseconds: 1).rawValue, [change(nil, current)]))
    for number in 2...2_000 {
      let next = table(1, "t", version: UInt64(number))
      try history.apply(
        entry(
          UInt64(number), at: Timestamp(physicalMilliseconds: UInt64(number) * 10).rawValue, [change(current, next)]))
      current = next
    }
    #expect(throws: SQLError.self) { try history.catalog(asOf: Timestamp(physicalMilliseconds: 100)) }
    #expect(
      try history.catalog(asOf: Timestamp(physicalMilliseconds: 19_500)).table(named: "t")?.version
        == TableVersion(1_950))
  }

  @Test func codecsKeepEverythingAndSkipUnknownFields() throws {
    var original = entry(9, at: 77, [change(nil, table(5, "x", indexes: ["x_idx"])), change(table(6, "gone"), nil)])
    original.databaseChanges = [DatabaseDescriptor(id: DatabaseID(3), name: "other")]
    original.removedRanges = [RangeID(12)]
    #expect(try SchemaEntry(decoding: original.encoded()) == original)
    var writer = ByteWriter()
    writer.field(1_000, "of a later release")
    #expect(try SchemaEntry(decoding: original.encoded() + writer.bytes) == original)

    var catalog = CatalogState()
    try catalog.apply(entry(1, at: 5, [change(nil, table(1, "a")), change(nil, table(2, "b", indexes: ["i"]))]))
    let copy = try CatalogState(decoding: catalog.encoded())
    #expect(copy.tables == catalog.tables)
    #expect(copy.ranges == catalog.ranges)
    #expect(copy.schemaIndex == catalog.schemaIndex && copy.timestamp == catalog.timestamp)
    #expect(copy.index(named: "i")?.table.id == TableID(2))
  }

  @Test func damagedBytesAreRefused() throws {
    let bytes = entry(1, at: 5, [change(nil, table(1, "a", indexes: ["i"]))]).encoded()
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<2_000 {
      var damaged = bytes
      let position = Int.random(in: damaged.indices, using: &generator)
      damaged[position] = UInt8.random(in: 0...255, using: &generator)
      damaged.removeLast(Int.random(in: 0..<4, using: &generator))
      // Whatever it is now: read or refused, never a crash.
      if let entry = try? SchemaEntry(decoding: damaged) { _ = entry.encoded() }
    }
    #expect(throws: MalformedBytes.self) { try TableDescriptor(decoding: [UInt8]()) }
  }
}

@Suite struct PersistentMapTests {
  @Test(arguments: [1 as UInt64, 2, 3])
  func agreesWithADictionary(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var map = PersistentMap<UInt64, Int>()
    var model: [UInt64: Int] = [:]
    var kept: (map: PersistentMap<UInt64, Int>, model: [UInt64: Int])?
    for step in 0..<4_000 {
      let key = UInt64.random(in: 0..<500, using: &generator)
      if Int.random(in: 0..<3, using: &generator) == 0 {
        map[key] = nil
        model[key] = nil
      } else {
        map[key] = step
        model[key] = step
      }
      if step == 2_000 { kept = (map, model) }
      #expect(map.count == model.count)
      #expect(map[key] == model[key])
    }
    #expect(map.entries.map(\.key) == model.keys.sorted())
    #expect(map.values == model.keys.sorted().compactMap { model[$0] })
    // The older version is untouched by what came after.
    #expect(kept?.map.values == kept?.model.keys.sorted().compactMap { kept?.model[$0] })
  }
}
