import Basics
import Catalog
import EventLoop
import Glibc
import MetadataNode
import RPC
import SQLValues
import SchemaChange
import Testing
import Wire

/// Three metadata replicas and a fake storage node in this process, talking over loopback.
@EventLoopActor private final class Group {
  let directory: String
  var nodes: [Int: MetadataNode] = [:]
  var endpoints: [Int: Endpoint] = [:]
  var channels: [Int: RPCChannel] = [:]
  let storage = RPCServer()
  var storageAddress = ""
  var backfills: [BackfillRequest] = []
  /// Answers of the fake storage node to backfills, one after the other; then "done".
  var backfillAnswers: [BackfillProgress] = []
  var epochs: [UInt64: UInt64] = [:]

  init() throws {
    var template = Array("/tmp/theseus-metadata-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw RPCError(.internalError, "mkdtemp") }
    directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    storage.handleServerStream(BackfillService.run) { [weak self] request, _, sink in
      guard let self else { return }
      self.backfills.append(request)
      if !self.backfillAnswers.isEmpty { return try await sink.send(self.backfillAnswers.removeFirst()) }
      try await sink.send(BackfillProgress(checkpoint: [1], rowsDone: 3, rowsTotalEstimate: 5))
      try await sink.send(BackfillProgress(isDone: true, rowsDone: 5))
    }
    storage.handleServerStream(BackfillService.validate) { _, _, sink in
      try await sink.send(
        ValidateProgress(isDone: true, rowsDone: 5, rowCount: 5, entryCount: 5, rowChecksum: 9, entryChecksum: 9))
    }
    storageAddress = "\(try storage.listen(port: 0))"
  }

  func start() throws {
    var servers: [Int: RPCServer] = [:]
    for id in 1...3 {
      let server = RPCServer()
      let endpoint = try server.listen(port: endpoints[id]?.port ?? 0)
      servers[id] = server
      endpoints[id] = endpoint
      channels[id] = RPCChannel(endpoint)
    }
    let members = Dictionary(uniqueKeysWithValues: endpoints.map { (NodeID(UInt64($0.key)), $0.value) })
    for id in 1...3 {
      guard let server = servers[id] else { continue }
      let path = "\(directory)/\(id)"
      mkdir(path, 0o755)
      let settings = MetadataNode.Settings(
        nodeID: NodeID(UInt64(id)), name: "meta-\(id)", members: members, directory: path, seed: UInt64(id))
      let node = try MetadataNode(settings: settings, server: server) { _ in }
      try node.start()
      nodes[id] = node
    }
  }

  func stop() async {
    for id in nodes.keys.sorted() { await nodes[id]?.shutdown() }
    nodes = [:]
    for channel in channels.values { channel.close() }
    channels = [:]
  }

  func end() async {
    await stop()
    await storage.shutdown(graceful: .milliseconds(100))
    _ = system("rm -rf '\(directory)'")
  }

  var leaderID: Int? { nodes.keys.sorted().first { nodes[$0]?.isLeader == true } }

  func leader() async throws -> Int {
    for _ in 0..<500 {
      if let leaderID { return leaderID }
      try await EventLoop.sleep(for: .milliseconds(20))
    }
    throw RPCError(.unavailable, "no leader")
  }

  /// Asks the leader, whoever that is, until it answers.
  func call<Request: WireMessage, Response: WireMessage>(
    _ method: RPCMethod<Request, Response>, _ request: Request
  ) async throws -> Response {
    for _ in 0..<200 {
      guard let channel = channels[try await leader()] else { continue }
      do { return try await channel.call(method, request, deadline: .seconds(5)) } catch {
        guard error.status == .unavailable || error.status == .failedPrecondition else { throw error }
        try await EventLoop.sleep(for: .milliseconds(50))
      }
    }
    throw RPCError(.unavailable, "the leader does not answer")
  }

  func register(_ id: UInt64, _ role: NodeRole) async throws {
    let node = NodeInfo(nodeID: id, name: "n\(id)", role: role, rpcAddress: storageAddress)
    let response = try await call(MetadataService.register, RegisterRequest(node: node))
    epochs[id] = response.sessionEpoch
  }

  func registerAll() async throws {
    for id in 11...13 { try await register(UInt64(id), .storage) }
    try await register(21, .gateway)
  }

  /// Everybody has applied what there is, and holds nothing.
  func acknowledge(_ sequence: UInt64) async throws {
    let index = nodes[try await leader()]?.schemaIndex.rawValue ?? 0
    let acks = epochs.keys.sorted().map {
      AckMessage(nodeID: $0, sessionEpoch: epochs[$0] ?? 0, appliedSchemaIndex: index, sequence: sequence)
    }
    _ = try await call(MetadataService.acknowledge, AckBatch(acks: acks))
    for id in epochs.keys.sorted() {
      _ = try await call(MetadataService.renew, RenewRequest(nodeID: id, sessionEpoch: epochs[id] ?? 0))
    }
  }

  func execute(_ statement: SchemaStatement, operation: String) async throws -> DDLProgress {
    let request = DDLRequest(
      operationID: operation, database: "defaultdb", statement: statement.encoded(), statementText: "text")
    for _ in 0..<200 {
      guard let channel = channels[try await leader()] else { continue }
      let stream = channel.openServerStream(MetadataService.executeDDL, request, deadline: .seconds(30))
      do {
        while let progress = try await stream.receive() { if progress.isFinal { return progress } }
      } catch {
        guard error.status == .unavailable || error.status == .failedPrecondition else { throw error }
        try await EventLoop.sleep(for: .milliseconds(50))
      }
    }
    throw RPCError(.unavailable, "the statement is not answered")
  }
}

private let createTable = SchemaStatement.createTable(
  CreateTable(
    name: ObjectName(name: "t"), ifNotExists: false,
    columns: [ColumnDefinition(name: "id", type: .int8), ColumnDefinition(name: "a", type: .int8)], primaryKey: ["id"]))
private let createIndex = SchemaStatement.createIndex(
  CreateIndex(
    name: "i", ifNotExists: false, table: ObjectName(name: "t"), isUnique: false,
    keyColumns: [IndexColumnDefinition(columnName: "a")]))

@Suite(.serialized, .timeLimit(.minutes(2))) struct MetadataNodeTests {
  @Test @EventLoopActor func statementsTimestampsAndWatchStreams() async throws {
    let group = try Group()
    try group.start()
    try await group.registerAll()
    let leader = try await group.leader()
    // The watch stream of a follower delivers what the leader commits.
    let follower = leader % 3 + 1
    let channel = try #require(group.channels[follower])
    let watch = channel.openServerStream(MetadataService.watch, WatchRequest(), deadline: .seconds(60))
    let first = try #require(try await watch.receive())
    var history = CatalogHistory(startingWith: try CatalogSnapshot(decoding: first.catalogSnapshot))
    // The follower may learn of the last registration after the stream has begun: then an update tells.
    var known = first.nodes
    while !known.contains(where: { $0.nodeID == 21 && $0.role == .gateway }) {
      let update = try #require(try await watch.receive())
      if update.hasNodes { known = update.nodes }
    }

    let done = try await group.execute(createTable, operation: "one")
    #expect(done.error == nil && done.commandTag == "CREATE TABLE" && done.schemaIndex == 1)
    while history.schemaIndex < SchemaIndex(1) {
      let update = try #require(try await watch.receive())
      for bytes in update.schemaEntries { try history.apply(try SchemaEntry(decoding: bytes)) }
    }
    #expect(history.latest.table(named: "t")?.publicColumns.count == 2)

    var last: UInt64 = 0
    for _ in 0..<50 {
      let request = TimestampsRequest(
        nodeID: 21, sessionEpoch: group.epochs[21] ?? 0, appliedSchemaIndex: 1, readCount: 3,
        commits: [CommitTimestampRequest(pins: [TablePin(tableID: 1, version: 1)])])
      let response = try await group.call(MetadataService.timestamps, request)
      #expect(response.outcome == .granted && response.schemaIndex == 1)
      #expect(response.commits.first?.timestamp ?? 0 > last)
      #expect(response.firstReadTimestamp > response.commits.first?.timestamp ?? .max)
      last = response.firstReadTimestamp + 2
    }
    #expect(last > history.latest.timestamp.rawValue)

    // A follower says where the leader is.
    do {
      _ = try await channel.call(MetadataService.renew, RenewRequest(nodeID: 21), deadline: .seconds(5))
      Issue.record("a follower renewed a session")
    } catch {
      #expect(error.status == .failedPrecondition)
      #expect(error.trailers["theseus-leader"] == group.endpoints[leader].map(\.description))
    }
    watch.cancel()
    await group.end()
  }

  @Test @EventLoopActor func anIndexBuildSurvivesTheLossOfItsLeader() async throws {
    let group = try Group()
    try group.start()
    try await group.registerAll()
    _ = try await group.execute(createTable, operation: "one")
    // The first attempt finds a node that does not lead the range, the second an error that may pass.
    group.backfillAnswers = [
      BackfillProgress(leaderNodeID: 12), BackfillProgress(error: SQLErrorMessage(state: "40001", message: "again")),
    ]
    let build = Task { @EventLoopActor in try await group.execute(createIndex, operation: "two") }
    // Its first entry is there; nobody has acknowledged it.
    while group.nodes[try await group.leader()]?.schemaIndex != SchemaIndex(2) {
      try await EventLoop.sleep(for: .milliseconds(10))
    }
    let old = try await group.leader()
    await group.nodes.removeValue(forKey: old)?.shutdown()
    let acks = Task { @EventLoopActor in
      var sequence: UInt64 = 1
      while !Task.isCancelled {
        try? await group.acknowledge(sequence)
        sequence += 1
        try await EventLoop.sleep(for: .milliseconds(20))
      }
    }
    let done = try await build.value
    acks.cancel()
    #expect(done.error == nil && done.commandTag == "CREATE INDEX")
    #expect(done.job?.rowsDone == 5)
    #expect(group.backfills.count == 3)
    #expect(try await group.leader() != old)
    let jobs = try await group.call(MetadataService.listJobs, ListJobsRequest())
    #expect(jobs.jobs.map(\.state) == ["succeeded", "succeeded"])
    await group.end()
  }

  @Test @EventLoopActor func everythingStoppedAndStartedAgain() async throws {
    let group = try Group()
    try group.start()
    try await group.registerAll()
    let first = try await group.execute(createTable, operation: "one")
    await group.stop()
    try group.start()
    let again = try await group.execute(createTable, operation: "one")
    #expect(again.error == nil)
    #expect(again.jobID == first.jobID && again.schemaIndex == first.schemaIndex)
    let other = try await group.execute(createTable, operation: "two")
    #expect(other.error?.state == "42P07")
    let status = try await group.call(MetadataService.status, Empty())
    #expect(status.schemaIndex == 1 && status.rangeCount == 1)
    await group.end()
  }
}
