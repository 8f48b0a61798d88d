import Basics
import Catalog
import ClusterClient
import EventLoop
import KeyValue
import RPC
import Wire

/// The answer to `EXPLAIN (DDL)`: the leader's stages, with estimates of the storage nodes and with the transactions that would be
/// waited for now. Writes nothing.
@EventLoopActor struct SchemaChangeExplanation {
  let session: Session
  let change: SchemaChangeCall
  let control: StatementControl

  static let estimateMilliseconds: Int64 = 2_000
  /// Blockers shown for one barrier.
  static let maximumShownBlockers = 10

  init(_ session: Session, _ change: SchemaChangeCall, _ control: StatementControl) {
    self.session = session
    self.change = change
    self.control = control
  }

  private var connection: MetadataConnection { session.gateway.cluster.connection }

  func lines() async throws(SQLError) -> [String] {
    var result = Array(change.explanation.prefix(1))
    let blockers = await blockersByTable()
    var estimates: [UInt64: EstimateResponse?] = [:]
    var total = Total()
    for stage in change.stages {
      try requireRunning()
      result.append(stage.title)
      result += stage.lines.map { "  \($0)" }
      if !stage.barrierTableIDs.isEmpty {
        result.append("  wait until every session has caught up")
        let waits = stage.barrierTableIDs.flatMap { blockers[$0] ?? [] }
        result += waits.isEmpty ? ["    now nobody would be waited for"] : Self.limited(waits).map { "    now: \($0)" }
      }
      for work in stage.work {
        result.append("  \(work.title)")
        if estimates[work.sourceRangeID] == nil {
          estimates[work.sourceRangeID] = .some(await estimate(RangeID(work.sourceRangeID)))
        }
        result += Self.cost(work, estimates[work.sourceRangeID].flatMap { $0 }, &total).map { "    \($0)" }
      }
    }
    if change.stages.contains(where: { !$0.work.isEmpty }) { result += total.lines }
    return result
  }

  func requireRunning() throws(SQLError) { if let reason = control.reason { throw reason } }

  // MARK: - Costs

  /// Over all work, as far as it can be estimated.
  struct Total {
    var bytesRead: UInt64 = 0
    var bytesWritten: UInt64 = 0
    var milliseconds: UInt64?
    var rowsPerSecond: UInt64 = 0

    var lines: [String] {
      [
        "estimated in total: \(SchemaChangeExplanation.size(bytesRead)) to read, \(SchemaChangeExplanation.size(bytesWritten)) to write on each replica",
        "temporary space on disk: none",
        milliseconds.map {
          "estimated time of the work on rows: \(JobView.duration($0)), at \(rowsPerSecond) rows/s as measured in the last builds"
        } ?? "estimated time of the work on rows: not known, no build has been measured yet",
      ]
    }
  }

  static func cost(_ work: ExplainedWork, _ estimate: EstimateResponse?, _ total: inout Total) -> [String] {
    guard let estimate else { return ["estimate: none, no storage node with the rows answers"] }
    total.bytesRead &+= estimate.bytes
    var line = "estimate: about \(estimate.rows) rows, \(size(estimate.bytes)) to read"
    let table = try? TableDescriptor(decoding: work.table)
    if work.kind == .backfill || work.kind == .validateIndex, let table, let index = table.index(IndexID(work.indexID))
    {
      let bytes = entryBytes(index, of: table, estimate)
      if work.kind == .backfill {
        total.bytesWritten &+= bytes
        line += "; as many entries, \(size(bytes)) to write on each replica"
      } else {
        total.bytesRead &+= bytes
        line += ", as many entries, \(size(bytes))"
      }
    }
    if work.kind == .backfill, work.indexID == 0 {
      // The rows themselves, each with a version of its own.
      total.bytesWritten &+= estimate.bytes
      line += "; as many rows, \(size(estimate.bytes)) or more to write on each replica"
    }
    if work.rowsPerSecond > 0 {
      total.rowsPerSecond = work.rowsPerSecond
      let milliseconds = estimate.rows.multipliedReportingOverflow(by: 1000)
      if !milliseconds.overflow {
        // Reading for a proof is taken to be as fast as a build, which is on the safe side.
        total.milliseconds = (total.milliseconds ?? 0) &+ milliseconds.partialValue / work.rowsPerSecond
      }
    }
    return [line]
  }

  /// An entry holds its columns and the row's key: of a row's bytes as large a part as of its columns.
  private static func entryBytes(
    _ index: IndexDescriptor, of table: TableDescriptor, _ estimate: EstimateResponse
  ) -> UInt64 {
    let columns = Set(index.keyColumns.map(\.columnID) + index.storedColumns)
      .union(table.rows(of: index).keyColumns.map(\.columnID))
    let part = min(1, Double(columns.count) / Double(max(1, table.columns.count)))
    return UInt64(min(Double(estimate.bytes) * part, 9e18))
  }

  /// `512 bytes`, `3.4 MB`.
  nonisolated static func size(_ bytes: UInt64) -> String {
    switch bytes {
    case ..<10_000: "\(bytes) bytes"
    case ..<1_000_000: "\(bytes / 1000) kB"
    case ..<1_000_000_000: "\(bytes / 1_000_000).\(bytes / 100_000 % 10) MB"
    default: "\(bytes / 1_000_000_000).\(bytes / 100_000_000 % 10) GB"
    }
  }

  /// Of any replica that answers; the leader's is the newest, but this is rough anyway.
  private func estimate(_ range: RangeID) async -> EstimateResponse? {
    for node in connection.range(range)?.replicas ?? [] {
      guard !control.isCancelled, let channel = connection.channel(to: node) else { continue }
      let response: EstimateResponse? = await withUnsafeContinuation { continuation in
        channel.call(
          BackfillService.estimate, EstimateRequest(rangeID: range.rawValue),
          deadline: .milliseconds(Self.estimateMilliseconds)
        ) { result in
          continuation.resume(returning: try? result.get())
        }
      }
      if let response { return response }
    }
    return nil
  }

  // MARK: - Trying it

  /// Rows named for each thing that does not hold.
  static let maximumOffenders: UInt32 = 10

  /// What the change would check, checked now, at one timestamp. Names offending rows.
  func validation() async throws(SQLError) -> [String] {
    let read = try await session.gateway.cluster.timestamps.read(deadline: control.callDeadline)
    var result: [String] = []
    for work in change.stages.flatMap(\.work) {
      try requireRunning()
      guard let table = try? TableDescriptor(decoding: work.table),
        let request = request(work, table, at: read.timestamp)
      else { continue }
      let found = try await session.validate(request, of: table, control)
      if let error = found.error, !error.state.isEmpty {
        // Conversions of the same rows fail in the same way for everything that is built of them.
        let line = "  \(error.state): \(error.message)"
        if !result.contains(line) { result += ["\(work.title): does not hold", line] }
      } else if found.offenders.isEmpty {
        result.append("\(work.title): holds for \(found.rowCount) rows")
      } else {
        let isCut = found.offenders.count >= Int(Self.maximumOffenders)
        result.append(
          "\(work.title): does not hold\(isCut ? ", the first \(found.offenders.count) offenders are" : "")")
        result += found.offenders.map { "  \($0)" }
      }
    }
    if result.isEmpty { return ["tried against the rows: there is nothing to try"] }
    return ["tried against the rows as of \(read.timestamp), nothing was written:"] + result
  }

  /// nil: not a condition on the rows.
  private func request(_ work: ExplainedWork, _ table: TableDescriptor, at timestamp: Timestamp) -> ValidateRequest? {
    var request = ValidateRequest(
      sourceRangeID: work.sourceRangeID, table: work.table, readTimestamp: timestamp.rawValue,
      maximumOffenders: Self.maximumOffenders)
    switch work.kind {
    case .validateNotNull:
      request.kind = .notNull
      request.columnID = work.columnID
    case .validateCheck:
      request.kind = .check
      request.constraintID = work.constraintID
    case .validateForeignKey:
      request.kind = .foreignKey
      request.constraintID = work.constraintID
      request.referencedTable = work.referencedTable
    case .validateIndex:
      guard let index = table.index(IndexID(work.indexID)), index.isUnique || index.replaces != nil else { return nil }
      request.kind = .uniqueKeys
      request.indexID = work.indexID
    case .backfill, .other, .unrecognized: return nil
    }
    return request
  }

  // MARK: - Blockers

  /// Who uses the tables of the plan's barriers now: all of them would be waited for.
  private func blockersByTable() async -> [UInt64: [String]] {
    let tables = Set(change.stages.flatMap(\.barrierTableIDs)).sorted()
    guard !tables.isEmpty else { return [:] }
    let gateways = connection.nodes.values.filter { $0.role == .gateway && $0.isLive }.map { NodeID($0.nodeID) }
    let answers = await session.gateway.blockers(
      of: gateways, BlockersRequest(tableIDs: tables, schemaIndex: UInt64.max))
    var result: [UInt64: [String]] = [:]
    for node in answers.keys.sorted() {
      let name = connection.nodes[node]?.name ?? "node \(node)"
      switch answers[node] {
      case .answered(let response)?:
        for blocker in response.blockers { result[blocker.tableID, default: []].append(Self.text(blocker, at: name)) }
      case .failed(let reason)?: for table in tables { result[table, default: []].append("\(name) \(reason)") }
      case nil: break
      }
    }
    return result
  }

  private static func text(_ blocker: BlockerInfo, at gateway: String) -> String {
    guard blocker.sessionID != 0 else { return "\(gateway) uses the table" }
    let application = blocker.applicationName.isEmpty ? "" : " (\(blocker.applicationName))"
    return "\(gateway), session \(blocker.sessionID)\(application), for "
      + "\(JobView.duration(blocker.transactionAgeMilliseconds)): \(blocker.statement)"
  }

  private static func limited(_ lines: [String]) -> [String] {
    lines.count <= maximumShownBlockers
      ? lines : lines.prefix(maximumShownBlockers) + ["and \(lines.count - maximumShownBlockers) more"]
  }
}
