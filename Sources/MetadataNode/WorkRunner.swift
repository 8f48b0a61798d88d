import Basics
import Catalog
import EventLoop
import Metadata
import RPC
import SchemaChange
import Wire

/// Has the leader's work on existing rows done by storage nodes: finds the leader of the source range, follows its hints, and
/// tries again from the last checkpoint as long as the failure may pass.
@EventLoopActor final class WorkRunner {
  private var tasks: [JobID: Task<Void, Never>] = [:]
  private var channels: [Endpoint: RPCChannel] = [:]
  private let node: @EventLoopActor (NodeID) -> NodeRecord?
  private let report: @EventLoopActor (JobID, WorkReport) -> Void
  private let log: @EventLoopActor (String) -> Void
  /// Rows a second of one backfill; 0: without a limit.
  private let maximumRowsPerSecond: UInt64

  init(
    maximumRowsPerSecond: UInt64, node: @escaping @EventLoopActor (NodeID) -> NodeRecord?,
    report: @escaping @EventLoopActor (JobID, WorkReport) -> Void, log: @escaping @EventLoopActor (String) -> Void
  ) {
    self.maximumRowsPerSecond = maximumRowsPerSecond
    self.node = node
    self.report = report
    self.log = log
  }

  func start(_ order: WorkOrder) {
    stop(order.job)
    tasks[order.job] = Task { @EventLoopActor [weak self] in await self?.run(order) }
  }

  /// Ends the lock of a transaction's primary key, as its job has decided.
  func settle(_ settlement: Settlement) {
    stop(settlement.job)
    tasks[settlement.job] = Task { @EventLoopActor [weak self] in await self?.run(settlement) }
  }

  func stop(_ job: JobID) { tasks.removeValue(forKey: job)?.cancel() }

  func stopAll() {
    for task in tasks.values { task.cancel() }
    tasks = [:]
    for channel in channels.values { channel.close() }
    channels = [:]
  }

  /// How long one replica may think about the end of a transaction.
  private static let settlingMilliseconds: Int64 = 3_000

  private struct Progress {
    var checkpoint: [UInt8]
    var rowsDone: UInt64
  }

  /// What one attempt ended with.
  private enum Outcome {
    case finished(rows: UInt64)
    case failed(SQLError)
    /// May pass: another replica leads, or a node is away.
    case again(String, hint: NodeID?)
  }

  private func run(_ order: WorkOrder) async {
    var progress = Progress(checkpoint: order.checkpoint, rowsDone: order.rowsDone)
    var search = ReplicaSearch(order.sourceRange.replicas)
    while !Task.isCancelled {
      let rowsBefore = progress.rowsDone
      let target = search.next { node($0)?.isLive == true }
      switch await attempt(order, at: target, &progress) {
      case .finished(let rows):
        if !Task.isCancelled { report(order.job, .finished(rowsDone: rows)) }
        return
      case .failed(let error):
        if !Task.isCancelled { report(order.job, .failed(error)) }
        return
      case .again(let reason, let hint):
        if Task.isCancelled { return }
        let rest = search.failed(hint: hint, hasProgressed: progress.rowsDone > rowsBefore)
        log("job \(order.job), \(order.work.title): \(reason); again in \(rest) ms")
        do { try await EventLoop.sleep(for: .milliseconds(rest)) } catch { return }
      }
    }
  }

  private func run(_ settlement: Settlement) async {
    Probes.reached(settlement.commit == .zero ? .rowsGivenUpByJob : .rowsDecidedByJob)
    var search = ReplicaSearch(settlement.range.replicas)
    while !Task.isCancelled {
      switch await attempt(settlement, at: search.next { node($0)?.isLive == true }) {
      case .finished, .failed:
        if !Task.isCancelled { report(settlement.job, .finished(rowsDone: 0)) }
        return
      case .again(let reason, let hint):
        if Task.isCancelled { return }
        let rest = search.failed(hint: hint, hasProgressed: false)
        log("job \(settlement.job), \(StageWork.settle.title): \(reason); again in \(rest) ms")
        do { try await EventLoop.sleep(for: .milliseconds(rest)) } catch { return }
      }
    }
  }

  private func attempt(_ settlement: Settlement, at target: NodeID?) async -> Outcome {
    guard let target else { return .finished(rows: 0) }
    guard let endpoint = node(target).flatMap({ Endpoint($0.rpcAddress) }) else {
      return .again("the address of node \(target) is not known", hint: nil)
    }
    let header = RangeHeader(rangeID: settlement.range.id.rawValue, epoch: settlement.range.epoch)
    let channel = channel(to: endpoint)
    let patience = Duration.milliseconds(Self.settlingMilliseconds)
    let error: RangeError?
    do {
      if settlement.commit == .zero {
        error = try await channel.call(
          RangeService.rollback,
          RollbackRequest(
            header: header, startTimestamp: settlement.start.rawValue, keys: [settlement.primaryKey]),
          deadline: patience
        ).error
      } else {
        error = try await channel.call(
          RangeService.commit,
          CommitRequest(
            header: header, startTimestamp: settlement.start.rawValue, commitTimestamp: settlement.commit.rawValue,
            keys: [settlement.primaryKey], includesPrimary: true),
          deadline: patience
        ).error
      }
    } catch {
      return .again("node \(target): \(error)", hint: nil)
    }
    switch error?.kind ?? .ok {
    // Known to have ended, by the gateway, or so long ago that no record is left.
    case .ok, .alreadyCommitted, .timestampTooOld: return .finished(rows: 0)
    case .transactionAborted:
      // Not of rows that were prewritten when the job decided.
      log("job \(settlement.job): the rows of its transaction are not there")
      return .finished(rows: 0)
    default:
      let hint = error.flatMap { $0.leaderNodeID == 0 ? nil : NodeID($0.leaderNodeID) }
      return .again("node \(target): \(error.map { "\($0.kind) \($0.message)" } ?? "")", hint: hint)
    }
  }

  private func attempt(_ order: WorkOrder, at target: NodeID?, _ progress: inout Progress) async -> Outcome {
    guard let target else { return .failed(SQLError(.internalError, "the range has no replicas")) }
    guard let endpoint = node(target).flatMap({ Endpoint($0.rpcAddress) }) else {
      return .again("the address of node \(target) is not known", hint: nil)
    }
    let channel = channel(to: endpoint)
    do {
      switch order.work {
      case .backfill(_, let index): return try await backfill(order, index, channel, &progress)
      case .fill: return try await backfill(order, IndexID(0), channel, &progress)
      case .validateIndex(_, let index):
        return try await validate(order, .index, ValidateRequest(indexID: index.rawValue), channel)
      case .validateNotNull(_, let column):
        return try await validate(order, .notNull, ValidateRequest(columnID: column.rawValue), channel)
      case .validateCheck(_, let constraint):
        return try await validate(order, .check, ValidateRequest(constraintID: constraint.rawValue), channel)
      case .validateForeignKey(_, let constraint):
        guard let referenced = order.referencedTable else {
          return .failed(SQLError(.internalError, "the table that foreign key \(constraint) refers to is gone"))
        }
        let request = ValidateRequest(
          constraintID: constraint.rawValue, referencedTable: referenced.encodedWithLabels())
        return try await validate(order, .foreignKey, request, channel)
      case .settle: return .finished(rows: 0)
      }
    } catch {
      return .again("node \(target): \(error)", hint: nil)
    }
  }

  private func backfill(
    _ order: WorkOrder, _ index: IndexID, _ channel: RPCChannel, _ progress: inout Progress
  ) async throws -> Outcome {
    let base = progress.rowsDone
    let request = BackfillRequest(
      jobID: order.job.rawValue, sourceRangeID: order.sourceRange.id.rawValue, table: order.table.encodedWithLabels(),
      indexID: index.rawValue, readTimestamp: order.readTimestamp.rawValue, checkpoint: progress.checkpoint,
      maxRowsPerSecond: order.maximumRowsPerSecond ?? maximumRowsPerSecond,
      maxLatencyIncrease: order.maximumLatencyIncrease)
    let stream = channel.openServerStream(BackfillService.run, request, deadline: nil)
    defer { stream.cancel() }
    while let message = try await stream.receive() {
      if Task.isCancelled { return .again("stopped", hint: nil) }
      if let outcome = Self.outcome(message.error, leader: message.leaderNodeID) { return outcome }
      if !message.checkpoint.isEmpty || message.isDone {
        progress.checkpoint = message.checkpoint
        progress.rowsDone = base &+ message.rowsDone
      }
      if message.isDone { return .finished(rows: progress.rowsDone) }
      report(
        order.job,
        .progressed(
          checkpoint: progress.checkpoint, rowsDone: progress.rowsDone,
          rowsTotal: max(message.rowsTotalEstimate, progress.rowsDone)))
    }
    return .again("who leads the range is not known there", hint: nil)
  }

  private func validate(
    _ order: WorkOrder, _ kind: ValidationKind, _ subject: ValidateRequest, _ channel: RPCChannel
  ) async throws -> Outcome {
    var request = subject
    request.kind = kind
    request.jobID = order.job.rawValue
    request.sourceRangeID = order.sourceRange.id.rawValue
    request.table = order.table.encodedWithLabels()
    request.readTimestamp = order.readTimestamp.rawValue
    let stream = channel.openServerStream(BackfillService.validate, request, deadline: nil)
    defer { stream.cancel() }
    while let message = try await stream.receive() {
      if Task.isCancelled { return .again("stopped", hint: nil) }
      if let outcome = Self.outcome(message.error, leader: message.leaderNodeID) { return outcome }
      guard message.isDone else {
        report(order.job, .counted(rowsDone: message.rowsDone, rowsTotal: message.rowsTotalEstimate))
        continue
      }
      guard kind != .index || (message.rowCount == message.entryCount && message.rowChecksum == message.entryChecksum)
      else {
        return .failed(
          SQLError(
            .dataCorrupted, "the index does not agree with its table and is not published",
            detail: "\(message.rowCount) rows, \(message.entryCount) entries at \(order.readTimestamp)."))
      }
      return .finished(rows: message.rowsDone)
    }
    return .again("who leads the range is not known there", hint: nil)
  }

  private static func outcome(_ error: SQLErrorMessage?, leader: UInt64) -> Outcome? {
    if let error = error?.sqlError {
      return isLasting(error.state) ? .failed(error) : .again("\(error)", hint: leader == 0 ? nil : NodeID(leader))
    }
    return leader == 0 ? nil : .again("node \(leader) leads the range", hint: NodeID(leader))
  }

  /// Errors that trying again cannot cure: the rows do not allow the change (22, 23), a limit or missing feature (54, 0A), or
  /// damaged data (XX).
  private static func isLasting(_ state: SQLState) -> Bool {
    ["22", "23", "54", "0A", "XX"].contains(String(state.code.prefix(2)))
  }

  private func channel(to endpoint: Endpoint) -> RPCChannel {
    if let known = channels[endpoint] { return known }
    let created = RPCChannel(endpoint)
    channels[endpoint] = created
    return created
  }
}
