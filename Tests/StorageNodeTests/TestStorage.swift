import Basics
import Catalog
import ClusterClient
import EventLoop
import Glibc
import KeyValue
import RPC
import SQLValues
import Testing
import Wire

@testable import StorageNode

/// Three storage nodes, a fake metadata service and a client in one process, over loopback.
@EventLoopActor final class TestStorage {
  let metadata = FakeMetadata()
  let directory: String
  var nodes: [NodeID: (node: StorageNode, server: RPCServer)] = [:]
  let client: MetadataConnection
  let ranges: RangeClient
  private var clock: UInt64 = 1_000_000

  init() throws {
    directory = "/tmp/theseus-storage-test-\(getpid())-\(UInt64.random(in: 0..<UInt64.max))"
    try metadata.start()
    client = MetadataConnection(
      ClusterClientOptions(
        nodeID: NodeID(201), name: "client", role: .gateway, metadataEndpoints: [metadata.endpoint]))
    ranges = RangeClient(client)
  }

  /// Runs a test on a cluster whose catalog has table `accounts`, and removes its directory afterwards.
  static func run(_ body: @EventLoopActor (TestStorage) async throws -> Void) async throws {
    let storage = try TestStorage()
    do {
      for id in 101...103 { try await storage.startNode(NodeID(UInt64(id))) }
      storage.client.start()
      try await storage.client.ready()
      try storage.metadata.append(storage.entry(storage.table, isNew: true))
      try await eventually { storage.client.appliedSchemaIndex.rawValue >= 1 }
      try await body(storage)
      await storage.stop()
    } catch {
      await storage.stop()
      throw error
    }
  }

  func startNode(_ id: NodeID) async throws {
    let server = RPCServer()
    let endpoint = try server.listen(port: 0)
    var options = StorageNodeOptions(
      nodeID: id, name: "storage-\(id)", directory: directory + "/\(id)", rpcAddress: "\(endpoint)",
      metadataEndpoints: [metadata.endpoint])
    options.seed = id.rawValue
    options.garbage.roundMilliseconds = 50
    options.garbage.minimumCells = 1
    options.garbage.longestRestMilliseconds = 0
    options.garbage.maximumCellsPerCommand = 7
    options.garbage.maximumCellsPerStep = 20
    options.garbage.maximumLocksPerRound = 2
    options.garbage.maximumLocksPerStep = 3
    let node = try StorageNode(options, server: server)
    nodes[id] = (node, server)
    node.start()
    try await eventually { node.isReady }
  }

  func stopNode(_ id: NodeID) async {
    guard let (node, server) = nodes.removeValue(forKey: id) else { return }
    await node.stop()
    await server.shutdown(graceful: .milliseconds(100))
  }

  private func stop() async {
    client.stop()
    for id in nodes.keys.sorted() { await stopNode(id) }
    await metadata.server.shutdown(graceful: .milliseconds(100))
    removeTree(directory)
  }

  // MARK: - Catalog

  /// accounts(id int8 primary key, owner text, balance int8), and the indexes a test asks for.
  let table = TableDescriptor(
    id: TableID(10), databaseID: .defaultDatabase, name: "accounts", version: TableVersion(1),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "owner", type: .text),
      ColumnDescriptor(id: ColumnID(3), name: "balance", type: .int8),
    ],
    indexes: [
      IndexDescriptor(
        id: IndexID(1), name: "accounts_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
        rangeID: RangeID(1))
    ],
    nextColumnID: ColumnID(4), nextIndexID: IndexID(2), commitFloor: TableVersion(1))

  func entry(_ table: TableDescriptor, isNew: Bool) -> SchemaEntry {
    let index = table.indexes[table.indexes.count - 1]
    let span = KeySpan.whole(table: table.id, index: index.id)
    let replicas = [101, 102, 103].map { NodeID($0) }
    return SchemaEntry(
      index: metadata.nextIndex, timestamp: timestamp(), databaseID: .defaultDatabase,
      changes: [
        TableChange(
          tableID: table.id, from: isNew ? .none : table.version.previous, to: table.version,
          commitFloor: table.commitFloor, descriptor: table)
      ],
      newRanges: [
        RangeDescriptor(id: index.rangeID, epoch: 1, startKey: span.start, endKey: span.end, replicas: replicas)
      ])
  }

  /// Adds an index on `column` in state backfilling; its number is also its range's.
  func addIndex(number: UInt64, column: UInt64, isUnique: Bool) async throws -> (TableDescriptor, IndexDescriptor) {
    var changed = table
    changed.version = TableVersion(client.history?.latest.table(id: table.id)?.version.rawValue ?? 1).next
    changed.indexes = client.history?.latest.table(id: table.id)?.indexes ?? table.indexes
    let index = IndexDescriptor(
      id: IndexID(number), name: "accounts_\(number)", isUnique: isUnique, state: .backfilling,
      keyColumns: [IndexKeyColumn(columnID: ColumnID(column))], rangeID: RangeID(number))
    changed.indexes.append(index)
    changed.nextIndexID = IndexID(number + 1)
    let entry = entry(changed, isNew: false)
    try metadata.append(entry)
    try await client.waitUntilApplied(entry.index, deadline: deadline)
    return (changed, index)
  }

  // MARK: - Clients

  func timestamp() -> Timestamp {
    clock += 1
    return Timestamp(physicalMilliseconds: clock)
  }

  /// As the oracle issues one when a range asks for at least `minimum`.
  func timestamp(atLeast minimum: UInt64) -> Timestamp {
    clock = max(clock, Timestamp(rawValue: minimum).physicalMilliseconds + 1)
    return timestamp()
  }

  var deadline: MonotonicTime { EventLoop.now.advanced(byMilliseconds: 20_000) }

  func row(_ id: Int64, _ owner: String?, _ balance: Int64?) -> [Datum] {
    [.integer(id), owner.map { .text($0) } ?? .null, balance.map { .integer($0) } ?? .null]
  }

  func primaryEntry(_ row: [Datum]) -> IndexEntryEncoder.Entry {
    IndexEntryEncoder(table: table, index: table.primaryIndex, rowColumns: table.columns.map(\.id)).entry(for: row)
  }

  func insert(_ rows: [[Datum]]) async throws { try await write(.insert, rows) }

  /// One-round commits of up to a thousand rows each.
  /// - Parameter index: whose entries are written; nil: the rows themselves.
  func write(_ kind: MutationKind, _ rows: [[Datum]], of index: IndexDescriptor? = nil) async throws {
    let encoder = IndexEntryEncoder(
      table: table, index: index ?? table.primaryIndex, rowColumns: table.columns.map(\.id))
    for start in stride(from: 0, to: rows.count, by: 1000) {
      let read = timestamp()
      var commit = timestamp()
      let mutations = rows[start..<min(start + 1000, rows.count)].map { row in
        let entry = encoder.entry(for: row)
        return Mutation(
          kind: kind, key: entry.key, value: kind == .delete ? [] : entry.value, forUpdateTimestamp: read.rawValue)
      }
      while true {
        let response = try await ranges.call(
          RangeService.commitOneRound, range: index?.rangeID ?? RangeID(1),
          CommitOneRoundRequest(
            startTimestamp: read.rawValue, commitTimestamp: commit.rawValue, mutations: mutations),
          deadline: deadline)
        guard let error = response.error, error.kind != .ok else { break }
        guard error.kind == .commitTooLow else { throw UnexpectedRangeError(error: error) }
        commit = timestamp(atLeast: error.minimumTimestamp)
      }
    }
  }

  func get(_ key: [UInt8], range: UInt64 = 1, at timestamp: Timestamp? = nil) async throws -> GetResult {
    let response = try await ranges.call(
      RangeService.get, range: RangeID(range),
      GetRequest(readTimestamp: (timestamp ?? self.timestamp()).rawValue, keys: [key]), deadline: deadline)
    if let error = response.error, error.kind != .ok { throw UnexpectedRangeError(error: error) }
    return try #require(response.results.first)
  }

  /// All entries of an index, page by page.
  func scan(_ index: IndexDescriptor, isReverse: Bool = false, pageRows: UInt32 = 0) async throws -> [[UInt8]] {
    let read = timestamp()
    let whole = KeySpan.whole(table: table.id, index: index.id)
    var span = whole
    var keys: [[UInt8]] = []
    while true {
      let response = try await ranges.call(
        RangeService.scan, range: index.rangeID,
        ScanRequest(
          readTimestamp: read.rawValue, startKey: span.start, endKey: span.end, isReverse: isReverse,
          rowLimit: pageRows),
        deadline: deadline)
      if let error = response.error, error.kind != .ok { throw UnexpectedRangeError(error: error) }
      var reader = ByteReader(response.rows)
      while !reader.isAtEnd {
        keys.append(Array(try reader.readBytes()))
        _ = try reader.readBytes()
      }
      if response.resumeKey.isEmpty { return keys }
      if isReverse { span.end = response.resumeKey } else { span.start = response.resumeKey }
    }
  }

  func leader(of range: UInt64) async throws -> NodeID {
    var found: NodeID?
    try await eventually {
      found = self.nodes.keys.sorted().first { self.nodes[$0]?.node.store.replica(RangeID(range))?.isLeading == true }
      return found != nil
    }
    return try #require(found)
  }

  func channel(_ node: NodeID) throws -> RPCChannel { try #require(client.channel(to: node)) }

  /// Runs a build to its end, on whoever leads the source.
  func build(_ table: TableDescriptor, _ index: IndexDescriptor, at timestamp: Timestamp) async throws
    -> BackfillProgress
  {
    let request = BackfillRequest(
      jobID: 1, sourceRangeID: 1, table: table.encoded(), indexID: index.id.rawValue,
      readTimestamp: timestamp.rawValue)
    let stream = try channel(try await leader(of: 1)).openServerStream(BackfillService.run, request, deadline: nil)
    var last = BackfillProgress()
    while let progress = try await stream.receive() { last = progress }
    return last
  }

  func validate(
    _ table: TableDescriptor, index: IndexDescriptor? = nil, column: UInt64 = 0, constraint: UInt64 = 0
  ) async throws -> ValidateProgress {
    let request = ValidateRequest(
      jobID: 1, sourceRangeID: 1, table: table.encoded(), indexID: index?.id.rawValue ?? 0, columnID: column,
      kind: index != nil ? .index : constraint != 0 ? .check : .notNull, readTimestamp: timestamp().rawValue,
      constraintID: constraint)
    let stream = try channel(try await leader(of: 1)).openServerStream(BackfillService.validate, request, deadline: nil)
    var last = ValidateProgress()
    while let progress = try await stream.receive() { last = progress }
    return last
  }
}

struct UnexpectedRangeError: Error {
  let error: RangeError
}

struct NeverHappened: Error {
  let place: String
}

/// Waits for a condition, for at most twenty seconds.
@EventLoopActor func eventually(
  sourceLocation: SourceLocation = #_sourceLocation, _ condition: @EventLoopActor () throws -> Bool
) async throws {
  let end = EventLoop.now.advanced(byMilliseconds: 20_000)
  while try !condition() {
    if EventLoop.now > end { throw NeverHappened(place: "\(sourceLocation)") }
    try await EventLoop.sleep(for: .milliseconds(5))
  }
}

/// Removes a directory and what is in it.
func removeTree(_ path: String) {
  if let stream = opendir(path) {
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { removeTree(path + "/" + name) }
    }
    closedir(stream)
    rmdir(path)
  } else {
    unlink(path)
  }
}
