import Basics
import Catalog
import ClusterClient
import EventLoop
import RPC
import SQLSyntax
import SQLValues
import Wire

extension Session {
  /// How long a metadata replica may take to tell what it has applied (milliseconds).
  static let replicaStatusMilliseconds: Int64 = 1_000

  // MARK: - SHOW SCHEMA AGREEMENT

  func agreement(_ control: StatementControl) async throws(SQLError) -> [[Datum]] {
    var answer = try await metadata(MetadataService.schemaAgreement, Empty(), control)
    let silent = await fillReplicas(&answer)
    let newest = answer.schemaIndex
    let tables = gateway.cluster.connection.history?.latest
    return answer.nodes.compactMap { row -> [Datum]? in
      guard let node = row.node else { return nil }
      let isMetadata = node.role == .metadata
      // Aggregators pass acks on; they apply nothing.
      let applies = row.usesSchema || isMetadata
      let isSilent = silent.contains(node.nodeID)
      let applied = node.appliedSchemaIndex
      let isKnown = applies && node.isLive && !isSilent
      let held: Datum = row.oldestHeldSchemaIndex == 0 ? .null : Self.integer(row.oldestHeldSchemaIndex)
      let table = tables?.table(id: TableID(row.oldestHeldTableID))?.name
      return [
        .text(node.name.isEmpty ? "node \(node.nodeID)" : node.name), .text(Self.name(node.role)),
        isKnown ? Self.integer(applied) : .null,
        isKnown ? Self.integer(newest > applied ? newest - applied : 0) : .null,
        isKnown && !isMetadata ? Self.integer(row.lagMilliseconds) : .null,
        .text(Self.session(row, node, isSilent: isSilent)),
        isMetadata || !node.isLive ? .null : Self.integer(node.leaseAgeMilliseconds), held,
        table.map { .text($0) } ?? .null,
        !row.usesSchema ? .null : .boolean(!node.isLive || applied >= newest),
      ]
    }
  }

  /// What the metadata replicas have applied is asked of themselves. Answers those that did not answer.
  private func fillReplicas(_ answer: inout SchemaAgreementResponse) async -> Set<UInt64> {
    let connection = gateway.cluster.connection
    let replicas = answer.nodes.compactMap(\.node).filter { $0.role == .metadata }
    let reachable = replicas.compactMap { node in Endpoint(node.rpcAddress).map { (NodeID(node.nodeID), $0) } }
    guard !reachable.isEmpty else { return Set(replicas.map(\.nodeID)) }
    let gathering = Gathering<UInt64?>(count: reachable.count)
    for (node, endpoint) in reachable {
      connection.channel(to: endpoint).call(
        MetadataService.status, Empty(), deadline: .milliseconds(Self.replicaStatusMilliseconds)
      ) { result in
        gathering.put(node, try? result.get().schemaIndex)
      }
    }
    let applied = await gathering.all()
    for position in answer.nodes.indices where answer.nodes[position].node?.role == .metadata {
      guard let id = answer.nodes[position].node?.nodeID, case .some(.some(let index)) = applied[NodeID(id)] else {
        continue
      }
      answer.nodes[position].node?.appliedSchemaIndex = index
    }
    return Set(replicas.map(\.nodeID).filter { applied[NodeID($0)].flatMap { $0 } == nil })
  }

  private static func session(_ row: SchemaAgreementNode, _ node: NodeInfo, isSilent: Bool) -> String {
    if isSilent { return "does not answer" }
    if node.role == .metadata { return "replica" }
    if !node.isLive { return "ended" }
    if row.fencedSchemaIndex > 0, node.appliedSchemaIndex < row.fencedSchemaIndex {
      return "fenced until \(row.fencedSchemaIndex)"
    }
    return "live"
  }

  private static func name(_ role: NodeRole) -> String {
    switch role {
    case .metadata: "metadata"
    case .gateway: "gateway"
    case .storage: "storage"
    case .ack: "aggregator"
    case .unspecified, .unrecognized: "unknown"
    }
  }

  // MARK: - wait_for_schema_agreement

  static let maximumAgreementMilliseconds: Int64 = 3_600_000
  /// Between two questions, growing.
  static let agreementPauses: [UInt64] = [2, 5, 10, 20, 50, 100]

  /// Waits until every live process that uses the schema has applied what was in force when the statement began. `run` yields the
  /// timeout; the client gets the schema index.
  func awaitAgreement(
    _ run: StatementRun, _ output: RowOutput, _ control: StatementControl
  ) async throws(TransactionFault) -> ExecutionResult {
    guard case .integer(let timeout)? = try await run.next(limit: 1).first?.first,
      (0...Self.maximumAgreementMilliseconds).contains(timeout)
    else {
      throw .failed(
        SQLError(
          .invalidParameterValue,
          "the timeout of wait_for_schema_agreement is 0 to \(Self.maximumAgreementMilliseconds) milliseconds"))
    }
    let deadline = EventLoop.now.advanced(byMilliseconds: UInt64(timeout))
    var wanted: UInt64?
    for round in 0... {
      try control.check()
      let answer: SchemaAgreementResponse
      do throws(SQLError) {
        answer = try await metadata(MetadataService.schemaAgreement, Empty(), control)
      } catch {
        throw .failed(error)
      }
      let index = wanted ?? answer.schemaIndex
      wanted = index
      let missing = answer.nodes.filter { $0.usesSchema && ($0.node?.isLive ?? false) }
        .compactMap(\.node).filter { $0.appliedSchemaIndex < index }
      if missing.isEmpty {
        output.begin(run.plan.resultColumns ?? [])
        output.append([[Self.integer(index)]])
        return .finished(tag: "SELECT 1")
      }
      let left = deadline.milliseconds(since: EventLoop.now)
      guard left > 0 else {
        let names = missing.prefix(5).map { "\($0.name) (\($0.appliedSchemaIndex))" }.joined(separator: ", ")
        throw .failed(
          SQLError(
            .queryCanceled, "no schema agreement on index \(index) within \(timeout) ms",
            detail: "Not yet there: \(names)\(missing.count > 5 ? " and \(missing.count - 5) more" : "").",
            hint: "SHOW SCHEMA AGREEMENT shows how far each process is."))
      }
      try await control.sleep(
        milliseconds: min(left, Self.agreementPauses[min(round, Self.agreementPauses.count - 1)]))
    }
    throw .failed(SQLError(.internalError, "the wait for schema agreement ended"))
  }

  // MARK: - SHOW SCHEMA LOG

  func schemaLog(
    _ table: RelationNameSyntax?, limit: Int?, _ control: StatementControl
  ) async throws(SQLError) -> [[Datum]] {
    if limit == 0 { return [] }
    let request = SchemaLogRequest(
      limit: UInt32(clamping: limit ?? 0), tableName: table?.name ?? "", databaseID: databaseID.rawValue)
    let entries = try await metadata(MetadataService.schemaLog, request, control).entries
    if let table, entries.isEmpty {
      let isThere =
        gateway.cluster.connection.history?.latest.tables.contains {
          $0.name == table.name && $0.databaseID == databaseID
        } ?? false
      if !isThere { throw SQLError(.undefinedTable, "no table \"\(table.name)\" is in the schema log that is kept") }
    }
    return entries.flatMap { entry -> [[Datum]] in
      let timestamp = Timestamp(rawValue: entry.timestamp)
      func row(_ table: SchemaLogTable?, _ changes: String) -> [Datum] {
        [
          Self.integer(entry.schemaIndex), Self.time(timestamp.physicalMilliseconds), Self.integer(entry.timestamp),
          table.map { .text($0.tableName) } ?? .null, table.map { Self.integer($0.fromVersion) } ?? .null,
          table.map { Self.known($0.toVersion) } ?? .null, table.map { Self.integer($0.commitFloor) } ?? .null,
          .text(changes), Self.known(entry.jobID),
        ]
      }
      if entry.tables.isEmpty {
        let count = entry.removedRangeCount
        return [row(nil, count == 0 ? "no table changes" : "\(count) ranges that nobody can reach are deleted")]
      }
      return entry.tables.map { row($0, $0.changes.joined(separator: "; ")) }
    }
  }
}
