import Basics
import Catalog
import SQLValues
import Wire

extension Session {
  /// Whom the job waits for: a row for each transaction that uses an older version of one of its tables, and for each process
  /// that has not applied the newest one or does not answer.
  func blockers(of job: JobInfo) async -> [[Datum]] {
    if job.state == "queued" { return [blockerRow(reason: job.waitReason)] }
    var rows: [[Datum]] = []
    var holders: Set<UInt64> = []
    for barrier in job.barriers {
      for laggard in barrier.laggards {
        if laggard.role == .gateway, laggard.heldSchemaIndex != 0 {
          holders.insert(laggard.nodeID)
        } else {
          rows.append(
            blockerRow(
              node: laggard.nodeName, table: barrier.tableName, held: laggard.heldSchemaIndex,
              needed: barrier.schemaIndex,
              reason: laggard.heldSchemaIndex != 0
                ? "uses the table at an older schema"
                : "has applied the schema log up to \(laggard.appliedSchemaIndex) only"))
        }
      }
    }
    guard let needed = job.barriers.map(\.schemaIndex).max(), !holders.isEmpty else { return rows }
    let names = Dictionary(job.barriers.map { ($0.tableID, $0.tableName) }, uniquingKeysWith: { first, _ in first })
    let answers = await gateway.blockers(
      of: holders.map { NodeID($0) },
      BlockersRequest(tableIDs: job.barriers.map(\.tableID), schemaIndex: needed))
    return rows + blockerRows(answers, needed: needed) { names[$0] ?? "" }
  }

  /// In the order of the nodes, of each the oldest transactions first.
  func blockerRows(
    _ answers: [NodeID: Gateway.BlockersAnswer], needed: UInt64, tableName: (UInt64) -> String
  ) -> [[Datum]] {
    var rows: [[Datum]] = []
    for node in answers.keys.sorted() {
      let name = gateway.cluster.connection.nodes[node]?.name ?? "node \(node)"
      switch answers[node] {
      case .answered(let response)?:
        for blocker in response.blockers {
          rows.append(
            blockerRow(
              node: name, blocker, table: tableName(blocker.tableID), held: blocker.heldSchemaIndex, needed: needed,
              reason: "uses the table at an older schema"))
        }
        let missing = Int(response.count) - response.blockers.count
        if missing > 0 { rows.append(blockerRow(node: name, reason: "and \(missing) more transactions")) }
      case .failed(let reason)?: rows.append(blockerRow(node: name, reason: reason))
      case nil: break
      }
    }
    return rows
  }

  private func blockerRow(
    node: String? = nil, _ blocker: BlockerInfo? = nil, table: String? = nil, held: UInt64 = 0, needed: UInt64 = 0,
    reason: String
  ) -> [Datum] {
    func text(_ value: String?) -> Datum { value.map { .text($0) } ?? .null }
    // A use that no session accounts for.
    let session = blocker.flatMap { $0.sessionID == 0 ? nil : $0 }
    return [
      text(node), session.map { Self.integer($0.sessionID) } ?? .null, text(session?.applicationName),
      text(session?.user), text(session?.clientAddress),
      text(session.map { $0.isInStatement ? "active" : "idle in transaction" }), text(session?.statement),
      session.map { Self.integer($0.transactionAgeMilliseconds) } ?? .null, text(table), Self.known(held),
      Self.known(needed), .text(reason),
    ]
  }
}
