import Basics
import EventLoop
import RPC
import RocksEngine
import SQLValues
import Testing
import Transactions
import Wire

@testable import StorageNode

@Suite(.timeLimit(.minutes(2))) @EventLoopActor struct GarbageCollectionTests {
  @Test func thePastIsGivenUpOnEveryReplica() async throws {
    try await TestStorage.run { storage in
      storage.metadata.leaseMilliseconds = 300
      func row(_ id: Int64, _ balance: Int64) -> [Datum] { [.integer(id), .text("o"), .integer(balance)] }
      try await storage.insert((1...20).map { row($0, 0) })
      let first = storage.timestamp()
      for balance in 1...5 { try await storage.write(.put, (1...10).map { row($0, Int64(balance)) }) }
      try await storage.write(.delete, (15...20).map { row($0, 0) })
      // More locks than one step of the collector looks at; the younger ones stay as they are.
      var old: [[UInt8]] = []
      for id: Int64 in [2, 11, 12, 13, 14] { old.append(try await prewriteAndForget(storage, row(id, 9))) }
      let point = storage.timestamp()
      var young: [[UInt8]] = []
      for id: Int64 in [0, 31, 32, 33] { young.append(try await prewriteAndForget(storage, row(id, 9))) }

      // A table that a job works on keeps more.
      storage.metadata.safePoints.versionSafePoint = point.rawValue
      storage.metadata.safePoints.safePointHolds = [
        SafePointHold(tableID: storage.table.id.rawValue, timestamp: first.rawValue)
      ]
      try await eventually { storage.replicas.allSatisfy { $0.appliedSafePoints.versions == first } }
      #expect(try await storage.get(storage.primaryEntry(row(1, 0)).key, at: first).value == storage.value(row(1, 0)))

      storage.metadata.safePoints.safePointHolds = []
      try await eventually { try storage.storedCellCount() == 3 * 14 }
      // The locks' gateway is silent: they are rolled back, and when every node has said that no old lock is left, the records go.
      try await eventually { [101, 102, 103].allSatisfy { storage.metadata.resolved[$0] == point.rawValue } }
      for replica in storage.replicas {
        for key in old { #expect(try replica.state.lock(of: key) == nil) }
        for key in young { #expect(try replica.state.lock(of: key) != nil) }
      }
      #expect(try storage.recordCount() == 3 * old.count)

      for replica in storage.replicas { #expect(replica.appliedSafePoints.versions == point) }
      for id in 1...20 {
        let found = try await storage.get(storage.primaryEntry(row(Int64(id), 0)).key)
        #expect(found.isPresent == (id < 15))
        if id < 15 { #expect(found.value == storage.value(row(Int64(id), id <= 10 ? 5 : 0))) }
      }
      let refused = try await storage.answer(storage.primaryEntry(row(1, 0)).key, at: first)
      #expect(refused.error?.kind == .timestampTooOld && refused.error?.minimumTimestamp == point.rawValue)

      storage.metadata.safePoints.recordSafePoint = point.rawValue
      try await eventually { try storage.recordCount() == 0 }

      // It is part of the state: in snapshots, and after a restart.
      try expectSafePointsInSnapshots(storage)
      storage.metadata.safePoints = RenewResponse()
      for id in [101, 102, 103] { await storage.stopNode(NodeID(UInt64(id))) }
      for id in [101, 102, 103] { try await storage.startNode(NodeID(UInt64(id))) }
      let restarted = try await storage.answer(storage.primaryEntry(row(1, 0)).key, at: first)
      #expect(restarted.error?.kind == .timestampTooOld)
      #expect(try await storage.get(storage.primaryEntry(row(1, 0)).key).value == storage.value(row(1, 5)))
    }
  }

  private func expectSafePointsInSnapshots(_ storage: TestStorage) throws {
    let replica = try #require(storage.replicas.first)
    let chunk = try #require(try replica.makeSnapshot().nextChunk())
    #expect(try RangeSnapshot.restore(chunk, into: WriteBatch(), replica.state).safePoints == replica.appliedSafePoints)
  }

  /// An index built at a timestamp that its ranges have given up fails, and says why.
  @Test func aBuildInThePastFails() async throws {
    try await TestStorage.run { storage in
      storage.metadata.leaseMilliseconds = 300
      try await storage.insert((1...5).map { storage.row($0, "o", 1) })
      let (table, index) = try await storage.addIndex(number: 2, column: 3, isUnique: false)
      _ = try await storage.leader(of: 2)
      let past = storage.timestamp()
      storage.metadata.safePoints.versionSafePoint = storage.timestamp().rawValue
      try await eventually { storage.replicas.allSatisfy { $0.appliedSafePoints.versions > past } }
      let progress = try await storage.build(table, index, at: past)
      #expect(progress.error?.state == "72000" && !progress.isDone)
    }
  }

  /// Leaves a lock of a gateway that is never heard of again; returns its key.
  private func prewriteAndForget(_ storage: TestStorage, _ row: [Datum]) async throws -> [UInt8] {
    let entry = storage.primaryEntry(row)
    let start = storage.timestamp()
    let response = try await storage.ranges.call(
      RangeService.prewrite, range: RangeID(1),
      PrewriteRequest(
        startTimestamp: start.rawValue, primaryKey: entry.key, primaryRangeID: 1, gatewayNodeID: 999,
        lockTTLMilliseconds: 1,
        mutations: [Mutation(kind: .put, key: entry.key, value: entry.value, forUpdateTimestamp: start.rawValue)]),
      deadline: storage.deadline)
    #expect(response.error == nil)
    return entry.key
  }
}

extension TestStorage {
  fileprivate var replicas: [RangeReplica] { nodes.keys.sorted().flatMap { nodes[$0]?.node.store.replicas ?? [] } }

  fileprivate func value(_ row: [Datum]) -> [UInt8] { primaryEntry(row).value }

  fileprivate func answer(_ key: [UInt8], at timestamp: Timestamp) async throws -> GetResponse {
    try await ranges.call(
      RangeService.get, range: RangeID(1), GetRequest(readTimestamp: timestamp.rawValue, keys: [key]),
      deadline: deadline)
  }

  fileprivate func recordCount() throws -> Int { try cellCount { $0.transactions } }
}
