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

  // MARK: - SHOW SCHEMA LOG

  func schemaLog(
    _ table: RelationNameSyntax?, limit: Int?, _ control: StatementControl
  ) async throws(SQLError) -> [[Datum]] {
    if limit == 0 { return [] }
    let request = SchemaLogRequest(limit: UInt32(clamping: limit ?? 0), tableName: table?.name ?? "")
    let entries = try await metadata(MetadataService.schemaLog, request, control).entries
    if let table, entries.isEmpty {
      let isThere = gateway.cluster.connection.history?.latest.tables.contains { $0.name == table.name } ?? false
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
