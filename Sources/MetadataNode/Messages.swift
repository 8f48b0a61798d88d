import Basics
import Catalog
import Convergence
import Metadata
import SchemaChange
import Wire

// Between the messages of the wire and the values of the cores.

extension SQLErrorMessage {
  init(_ error: SQLError) {
    self.init(
      state: error.state.code, message: error.message, detail: error.detail ?? "", hint: error.hint ?? "",
      tableName: error.tableName ?? "", columnName: error.columnName ?? "",
      constraintName: error.constraintName ?? "")
  }

  /// nil: no error.
  var sqlError: SQLError? {
    guard !state.isEmpty else { return nil }
    func optional(_ text: String) -> String? { text.isEmpty ? nil : text }
    return SQLError(
      SQLState(state), message, detail: optional(detail), hint: optional(hint), tableName: optional(tableName),
      columnName: optional(columnName), constraintName: optional(constraintName))
  }
}

extension Acknowledgement {
  init(_ message: AckMessage) {
    self.init(
      node: NodeID(message.nodeID), epoch: SessionEpoch(message.sessionEpoch), sequence: message.sequence,
      appliedIndex: SchemaIndex(message.appliedSchemaIndex),
      held: message.held.map {
        HeldTable(table: TableID($0.tableID), oldestIndex: SchemaIndex($0.oldestSchemaIndex))
      })
  }
}

extension Metadata.TimestampsRequest {
  init(_ message: Wire.TimestampsRequest) {
    self.init(
      node: NodeID(message.nodeID), epoch: SessionEpoch(message.sessionEpoch),
      appliedIndex: SchemaIndex(message.appliedSchemaIndex), readCount: UInt64(message.readCount),
      commits: message.commits.map { commit in
        CommitTimestampQuery(
          pins: commit.pins.map { (TableID($0.tableID), TableVersion($0.version)) },
          minimum: Timestamp(rawValue: commit.minimum), followsReads: commit.followsReads)
      })
  }
}

extension TimestampsResponse {
  init(_ answer: TimestampsAnswer) {
    switch answer {
    case .sessionUnknown: self.init(outcome: .sessionUnknown)
    case .fenced(let index): self.init(outcome: .fenced, requiredSchemaIndex: index.rawValue)
    case .granted(let first, let index, let commits):
      self.init(
        outcome: .granted, firstReadTimestamp: first.rawValue, schemaIndex: index.rawValue,
        commits: commits.map { commit in
          switch commit {
          case .granted(let timestamp): CommitTimestampResponse(timestamp: timestamp.rawValue)
          case .refused(let table, let floor):
            CommitTimestampResponse(timestamp: 0, refusedTableID: table.rawValue, commitFloor: floor.rawValue)
          }
        })
    }
  }
}

extension NodeRecord {
  init(_ message: NodeInfo) {
    func limited(_ text: String) -> String { text.utf8.count <= Self.maximumTextBytes ? text : "" }
    self.init(
      id: NodeID(message.nodeID), name: limited(message.name),
      role: Metadata.NodeRole(rawValue: UInt8(truncatingIfNeeded: message.role.rawValue)) ?? .unspecified,
      rpcAddress: limited(message.rpcAddress), sqlAddress: limited(message.sqlAddress),
      httpAddress: limited(message.httpAddress))
  }
}

extension NodeInfo {
  init(_ record: NodeRecord, leader: MetadataLeader?, now: MonotonicTime) {
    self.init(
      nodeID: record.id.rawValue, name: record.name, role: Wire.NodeRole(rawValue: Int32(record.role.rawValue)),
      sessionEpoch: record.epoch.rawValue, rpcAddress: record.rpcAddress, sqlAddress: record.sqlAddress,
      httpAddress: record.httpAddress, isLive: leader?.isLive(record.id, record.epoch) ?? record.isLive,
      appliedSchemaIndex: leader?.appliedIndex(of: record.id).rawValue ?? 0,
      leaseAgeMilliseconds: leader?.leaseAgeMilliseconds(record.id, now: now) ?? 0)
  }
}

extension JobInfo {
  init(_ job: JobRecord, waitReason: String, maximumRowsPerSecond: UInt64) {
    let stage = job.currentStage
    let current =
      job.state.isFinished ? "" : (job.history.last { $0.finishedMilliseconds == 0 }?.name ?? stage?.name ?? "")
    self.init(
      jobID: job.id.rawValue, operationID: job.operationID?.text ?? "", statement: job.statementText,
      tableName: job.tableName, state: job.state.name, stage: current, step: UInt32(clamping: job.stagesApplied),
      steps: UInt32(clamping: max(job.plan?.stages.count ?? 0, job.stagesApplied)), rowsDone: job.rowsDone,
      rowsTotal: job.rowsTotal, createdMilliseconds: job.createdMilliseconds,
      finishedMilliseconds: job.finishedMilliseconds, waitReason: waitReason,
      error: job.error.map { SQLErrorMessage($0) }, gatewayNodeID: job.gatewayNodeID.rawValue,
      history: job.history.map {
        JobStepInfo(
          name: $0.name, schemaIndex: $0.schemaIndex.rawValue, startedMilliseconds: $0.startedMilliseconds,
          finishedMilliseconds: $0.finishedMilliseconds)
      }, backfillMilliseconds: job.backfillMilliseconds,
      maxRowsPerSecond: job.maximumRowsPerSecond ?? maximumRowsPerSecond, commandTag: job.plan?.commandTag ?? "",
      tableIDs: job.objects.map(\.rawValue), maxLatencyIncrease: job.maximumLatencyIncrease)
  }
}

extension JobBarrierInfo {
  init(_ wait: JobWait, _ state: MetadataState) {
    self.init(
      tableID: wait.barrier.table.rawValue, tableName: state.catalog.table(id: wait.barrier.table)?.name ?? "",
      schemaIndex: wait.barrier.index.rawValue, waitedMilliseconds: wait.waitedMilliseconds,
      boundMilliseconds: wait.boundMilliseconds,
      laggards: wait.laggards.map { laggard in
        var info = JobLaggardInfo(nodeID: laggard.node.rawValue, nodeName: state.nodes[laggard.node]?.name ?? "")
        info.role = Wire.NodeRole(rawValue: Int32(state.nodes[laggard.node]?.role.rawValue ?? 0))
        switch laggard.reason {
        case .notApplied(let index): info.appliedSchemaIndex = index.rawValue
        case .holds(_, let index): info.heldSchemaIndex = index.rawValue
        }
        return info
      })
  }
}

extension ExplainedStage {
  init(_ stage: StageExplanation, rowsPerSecond: UInt64) {
    self.init(
      title: stage.title, lines: stage.lines, barrierTableIDs: stage.barrierTables.map(\.rawValue),
      work: stage.work.map { ExplainedWork($0, rowsPerSecond: rowsPerSecond) })
  }
}

extension ExplainedWork {
  init(_ explained: WorkExplanation, rowsPerSecond: UInt64) {
    self.init(
      title: explained.work.title, table: explained.table.encodedWithLabels(),
      sourceRangeID: explained.table.primaryIndex.rangeID.rawValue, rowsPerSecond: rowsPerSecond)
    switch explained.work {
    case .backfill(_, let index):
      kind = .backfill
      indexID = index.rawValue
    case .validateIndex(_, let index):
      kind = .validateIndex
      indexID = index.rawValue
    case .validateNotNull(_, let column):
      kind = .validateNotNull
      columnID = column.rawValue
    case .validateCheck(_, let constraint):
      kind = .validateCheck
      constraintID = constraint.rawValue
    case .validateForeignKey(_, let constraint):
      kind = .validateForeignKey
      constraintID = constraint.rawValue
      referencedTable = explained.referencedTable?.encodedWithLabels() ?? []
    case .settle: break
    case .fill: kind = .backfill
    }
  }
}

extension JobHold {
  /// Nil: a statement without rows.
  init?(_ request: DDLRequest) {
    if request.rowsStartTimestamp == 0 { return nil }
    self.init(
      start: Timestamp(rawValue: request.rowsStartTimestamp), epoch: SessionEpoch(request.sessionEpoch),
      primaryKey: request.primaryKey, primaryRange: RangeID(request.primaryRangeID))
  }
}
