import Basics
import Catalog
import EventLoop
import KeyValue
import RocksEngine
import SQLExpressions
import SQLValues
import Testing
import Wire

@testable import StorageNode

@Suite(.serialized, .timeLimit(.minutes(2))) struct StorageNodeTests {
  @Test func whatIsCommittedIsReadAlsoAfterARestartOfEverybody() async throws {
    try await TestStorage.run { storage in
      let row = storage.row(1, "ada", 100)
      try await storage.insert([row])
      let entry = storage.primaryEntry(row)
      #expect(try await storage.get(entry.key).value == entry.value)
      for id in [101, 102, 103] { await storage.stopNode(NodeID(UInt64(id))) }
      for id in [101, 102, 103] { try await storage.startNode(NodeID(UInt64(id))) }
      #expect(try await storage.get(entry.key).value == entry.value)
    }
  }

  @Test func theLossOfALeaderLosesNothing() async throws {
    try await TestStorage.run { storage in
      let first = storage.row(1, "ada", 100)
      try await storage.insert([first])
      let leader = try await storage.leader(of: 1)
      await storage.stopNode(leader)
      let second = storage.row(2, "bob", 200)
      try await storage.insert([second])
      for row in [first, second] {
        let entry = storage.primaryEntry(row)
        #expect(try await storage.get(entry.key).value == entry.value)
      }
      try await storage.startNode(leader)
      #expect(try await storage.scan(storage.table.primaryIndex).count == 2)
    }
  }

  @Test func scansPageInBothDirections() async throws {
    try await TestStorage.run { storage in
      var rows: [[Datum]] = []
      for number in 0..<500 { rows.append(storage.row(Int64(number), "owner", 1)) }
      try await storage.insert(rows)
      var keys: [[UInt8]] = []
      for row in rows { keys.append(storage.primaryEntry(row).key) }
      #expect(try await storage.scan(storage.table.primaryIndex, pageRows: 7) == keys)
      #expect(try await storage.scan(storage.table.primaryIndex, isReverse: true, pageRows: 7) == keys.reversed())
      #expect(try await storage.scan(storage.table.primaryIndex) == keys)
    }
  }

  @Test func anIndexIsBuiltAndProvedWhileRowsChange() async throws {
    try await TestStorage.run { storage in
      var rows: [[Datum]] = []
      for number in 0..<10_000 { rows.append(storage.row(Int64(number), "owner \(number % 97)", Int64(number))) }
      try await storage.insert(rows)
      let (table, index) = try await storage.addIndex(number: 2, column: 2, isUnique: false)
      _ = try await storage.leader(of: 2)
      let timestamp = storage.timestamp()
      let progress = try await storage.build(table, index, at: timestamp)
      #expect(progress.isDone && progress.rowsDone == 10_000 && progress.error == nil)
      let proof = try await storage.validate(table, index: index)
      #expect(proof.error == nil && proof.isDone)
      #expect(proof.rowCount == 10_000 && proof.entryCount == 10_000)
      #expect(proof.rowChecksum == proof.entryChecksum)
      #expect(try await storage.scan(index).count == 10_000)
      // Again, as after a lost answer: nothing changes.
      let again = try await storage.build(table, index, at: timestamp)
      #expect(again.isDone && again.error == nil)
      // A row without its entry is found.
      try await storage.insert([storage.row(20_000, "late", 0)])
      let broken = try await storage.validate(table, index: index)
      #expect(broken.error?.state == "XX001")
      #expect(broken.rowCount == 10_001 && broken.entryCount == 10_000)
    }
  }

  @Test func duplicatesAndNullsAreNamed() async throws {
    try await TestStorage.run { storage in
      var rows: [[Datum]] = []
      for number in 0..<6000 { rows.append(storage.row(Int64(number), "o\(number)", Int64(number))) }
      rows.append(storage.row(6000, "o17", nil))
      try await storage.insert(rows)
      let (table, index) = try await storage.addIndex(number: 2, column: 2, isUnique: true)
      _ = try await storage.leader(of: 2)
      let progress = try await storage.build(table, index, at: storage.timestamp())
      #expect(progress.error?.state == "23505")
      #expect(progress.error?.message == "could not create unique index \"accounts_2\"")
      #expect(progress.error?.detail == "Key (owner)=(o17) is duplicated.")
      let null = try await storage.validate(table, column: 3)
      #expect(null.error?.state == "23502")
      #expect(null.error?.message == "column \"balance\" of relation \"accounts\" contains null values")
      let fine = try await storage.validate(table, column: 2)
      #expect(fine.error == nil && fine.isDone && fine.rowCount == 6001)
      // NULLs are no duplicates of each other.
      try await storage.insert([storage.row(6001, "x", nil)])
      let (second, balances) = try await storage.addIndex(number: 3, column: 3, isUnique: true)
      _ = try await storage.leader(of: 3)
      let built = try await storage.build(second, balances, at: storage.timestamp())
      #expect(built.isDone && built.error == nil)
      #expect(try await storage.validate(second, index: balances).error == nil)
    }
  }

  /// Two rows shared a key for a while: the second wrote its entry before the build came to the first, and took it away.
  @Test func aDuplicateThatIsGoneIsNamed() async throws {
    try await TestStorage.run { storage in
      try await storage.insert([storage.row(1, "twice", 1), storage.row(2, "once", 1)])
      let (table, index) = try await storage.addIndex(number: 2, column: 2, isUnique: true)
      _ = try await storage.leader(of: 2)
      let timestamp = storage.timestamp()
      let second = storage.row(3, "twice", 1)
      try await storage.insert([second])
      try await storage.write(.insert, [second], of: index)
      try await storage.write(.delete, [second])
      try await storage.write(.delete, [second], of: index)
      let progress = try await storage.build(table, index, at: timestamp)
      #expect(progress.isDone && progress.error == nil)
      let proof = try await storage.validate(table, index: index)
      #expect(proof.error?.state == "23505")
      #expect(proof.error?.detail == "Key (owner)=(twice) was duplicated while the index was built.")
      // Built anew at a later timestamp it is right.
      #expect(try await storage.build(table, index, at: storage.timestamp()).isDone)
      #expect(try await storage.validate(table, index: index).error == nil)
      // An entry that was lost for no such reason is damage.
      try await storage.write(.delete, [storage.row(2, "once", 1)], of: index)
      #expect(try await storage.validate(table, index: index).error?.state == "XX001")
    }
  }

  /// A writer found the key free because the entry of the row that has it was still to come. The build does not end before
  /// the writer has: here its gateway is silent, so it is rolled back and cannot commit behind the proof.
  @Test func aUniqueBuildOutlastsWhoWroteBeforeIt() async throws {
    try await TestStorage.run { storage in
      try await storage.insert([storage.row(1, "taken", 1), storage.row(2, "other", 1)])
      let (table, index) = try await storage.addIndex(number: 2, column: 2, isUnique: true)
      _ = try await storage.leader(of: 2)
      let timestamp = storage.timestamp()
      let start = storage.timestamp()
      let row = storage.primaryEntry(storage.row(2, "taken", 1))
      let entry = IndexEntryEncoder(table: table, index: index, rowColumns: table.columns.map(\.id))
        .entry(for: storage.row(2, "taken", 1))
      for (range, kind, written) in [(1, MutationKind.put, row), (2, .insert, entry)] {
        let prewrite = try await storage.ranges.call(
          RangeService.prewrite, range: RangeID(UInt64(range)),
          PrewriteRequest(
            startTimestamp: start.rawValue, primaryKey: row.key, primaryRangeID: 1, gatewayNodeID: 201,
            lockTTLMilliseconds: 100,
            mutations: [
              Mutation(kind: kind, key: written.key, value: written.value, forUpdateTimestamp: start.rawValue)
            ]),
          deadline: storage.deadline)
        #expect(prewrite.error == nil)
      }
      let progress = try await storage.build(table, index, at: timestamp)
      #expect(progress.isDone && progress.error == nil)
      #expect(try await storage.validate(table, index: index).error == nil)
      let commit = try await storage.ranges.call(
        RangeService.commit, range: RangeID(1),
        CommitRequest(
          startTimestamp: start.rawValue, commitTimestamp: storage.timestamp().rawValue, keys: [row.key],
          includesPrimary: true),
        deadline: storage.deadline)
      #expect(commit.error?.kind == .transactionAborted)
    }
  }

  @Test func rowsThatViolateACheckAreNamed() async throws {
    try await TestStorage.run { storage in
      try await storage.insert((0..<3000).map { storage.row($0, "o", $0 == 7 || $0 == 2900 ? -$0 : 1) })
      var table = storage.table
      let condition = Expression.comparison(.greater, .column(0, .int8), .constant(.integer(0), .int8))
      for (id, name) in [(1, "positive"), (2, "broken")] {
        table.constraints.append(
          ConstraintDescriptor(
            id: ConstraintID(UInt64(id)), name: name, state: .validating,
            rule: .check(RowExpression(columns: [ColumnID(3)], expression: id == 1 ? condition.encoded : [0xff]))))
      }
      let refused = try await storage.validate(table, constraint: 1)
      #expect(refused.error?.state == "23514")
      #expect(
        refused.error?.message == "check constraint \"positive\" of relation \"accounts\" is violated by some row")
      #expect(refused.error?.detail == "Failing rows: (7, o, -7), (2900, o, -2900).")
      for id: Int64 in [7, 2900] { try await storage.write(.put, [storage.row(id, "o", nil)]) }
      let fine = try await storage.validate(table, constraint: 1)
      #expect(fine.error == nil && fine.isDone && fine.rowCount == 3000)
      #expect(try await storage.validate(table, constraint: 2).error?.state == "XX001")
    }
  }

  @Test func twoPhasesAndALockInTheWayOfABuild() async throws {
    try await TestStorage.run { storage in
      try await storage.insert([storage.row(1, "a", 1), storage.row(2, "b", 2), storage.row(3, "c", 3)])
      let entry = storage.primaryEntry(storage.row(2, "b", 20))
      let start = storage.timestamp()
      let prewrite = try await storage.ranges.call(
        RangeService.prewrite, range: RangeID(1),
        PrewriteRequest(
          startTimestamp: start.rawValue, primaryKey: entry.key, primaryRangeID: 1, gatewayNodeID: 201,
          lockTTLMilliseconds: 10_000,
          mutations: [Mutation(kind: .put, key: entry.key, value: entry.value, forUpdateTimestamp: start.rawValue)]),
        deadline: storage.deadline)
      #expect(prewrite.error == nil && prewrite.minimumCommitTimestamp > start.rawValue)
      // The build pushes the live transaction above its timestamp and passes.
      let (table, index) = try await storage.addIndex(number: 2, column: 3, isUnique: false)
      _ = try await storage.leader(of: 2)
      let timestamp = storage.timestamp(atLeast: prewrite.minimumCommitTimestamp)
      let progress = try await storage.build(table, index, at: timestamp)
      #expect(progress.isDone && progress.rowsDone == 3)
      let low = try await storage.ranges.call(
        RangeService.commit, range: RangeID(1),
        CommitRequest(
          startTimestamp: start.rawValue, commitTimestamp: timestamp.rawValue, keys: [entry.key],
          includesPrimary: true),
        deadline: storage.deadline)
      #expect(low.error?.kind == .commitTooLow)
      let commit = storage.timestamp()
      let committed = try await storage.ranges.call(
        RangeService.commit, range: RangeID(1),
        CommitRequest(
          startTimestamp: start.rawValue, commitTimestamp: commit.rawValue, keys: [entry.key], includesPrimary: true),
        deadline: storage.deadline)
      #expect(committed.error == nil)
      #expect(try await storage.get(entry.key).value == entry.value)
      #expect(try await storage.get(entry.key, at: timestamp).value != entry.value)
    }
  }

  @Test func aRemovedRangeLeavesNothing() async throws {
    try await TestStorage.run { storage in
      try await storage.insert([storage.row(1, "a", 1)])
      var gone = storage.table
      gone.version = gone.version.next
      let entry = SchemaEntry(
        index: storage.metadata.nextIndex, timestamp: storage.timestamp(), databaseID: .defaultDatabase,
        changes: [
          TableChange(
            tableID: gone.id, from: gone.version.previous, to: gone.version, commitFloor: gone.version, descriptor: nil)
        ],
        removedRanges: [RangeID(1)])
      try storage.metadata.append(entry)
      try await eventually { storage.nodes.values.allSatisfy { $0.node.rangeCount == 0 } }
      let keys = try storage.storedCellCount()
      #expect(keys == 0)
    }
  }
}

extension TestStorage {
  func storedCellCount() throws -> Int { try cellCount { $0.data } }

  /// Cells of one space, on all nodes together.
  func cellCount(in space: (StoreState) -> ColumnFamily) throws -> Int {
    var count = 0
    for id in nodes.keys.sorted() {
      guard let state = nodes[id]?.node.store.state else { continue }
      let cursor = state.database.iterator(in: space(state))
      cursor.seekToFirst()
      while cursor.isValid {
        count += 1
        cursor.next()
      }
    }
    return count
  }
}
