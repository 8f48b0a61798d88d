import Basics
import Catalog
import ClusterClient
import EventLoop
import Glibc
import NodeRuntime
import RPC
import Transactions
import Wire

/// Service `Backfill`: work on the rows of ranges that this node leads.
@EventLoopActor final class BackfillHandlers {
  private let store: RangeStore
  private let ranges: RangeClient
  private let locks: LockResolver
  private let sequences: SequenceAllocator
  private let worker = WorkerThread(name: "backfill")

  init(_ store: RangeStore, _ connection: MetadataConnection) {
    self.store = store
    let cluster = Cluster(connection)
    ranges = cluster.ranges
    locks = cluster.locks
    sequences = SequenceAllocator(cluster)
    // Clients first: of this thread only (Linux keeps a priority for each thread).
    worker.submit { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10) }
  }

  func register(on server: RPCServer) {
    server.handleServerStream(BackfillService.run) { [self] request, _, sink in
      try await self.run(request, sink)
    }
    server.handleServerStream(BackfillService.validate) { [self] request, _, sink in
      try await self.validate(request, sink)
    }
    server.handle(BackfillService.estimate) { [self] request, _ in try await self.estimate(request) }
  }

  private func estimate(_ request: EstimateRequest) async throws -> EstimateResponse {
    guard let replica = store.replica(RangeID(request.rangeID)) else { return EstimateResponse() }
    let (state, span) = (store.state.frozen(), replica.span)
    let found = try await worker.run { try RangeEstimate.measure(state, span) }
    return EstimateResponse(isLeader: replica.isLeading, rows: found.rows, bytes: found.bytes)
  }

  private func run(_ request: BackfillRequest, _ sink: RPCSink<BackfillProgress>) async throws {
    do {
      let table = try TableDescriptor(decoding: request.table)
      let index = table.index(IndexID(request.indexID))
      guard request.indexID == 0 || (index != nil && index?.id != table.primaryIndex.id) else {
        throw RPCError(.invalidArgument, "table \(table.name) has no index \(request.indexID) to build")
      }
      let filling =
        index == nil ? try RowFilling(table, worker: worker, sequences: sequences) : nil
      let run = BackfillRun(
        store, ranges: ranges, locks: locks, worker: worker, table: table, index: index, filling: filling,
        request: request)
      let began = EventLoop.now
      try await run.run { try await sink.send($0) }
      Log.info(
        "backfill", index == nil ? "rows are filled" : "index entries are complete",
        [
          index == nil ? "table" : "index": index?.name ?? table.name, "rows": "\(run.rowsDone)",
          "milliseconds": "\(EventLoop.now.milliseconds(since: began))",
        ])
    } catch let elsewhere as SourceReader.LedElsewhere {
      try await sink.send(BackfillProgress(leaderNodeID: elsewhere.leader?.rawValue ?? 0))
    } catch let error as MalformedBytes {
      throw RPCError(.invalidArgument, error.description)
    } catch let error as RPCError {
      throw error
    } catch is CancellationError {
      throw RPCError(.cancelled, "cancelled")
    } catch  where IndexMessages.isDiskDamage(error) {
      throw RPCError(.unavailable, "\(error)")
    } catch {
      let error = IndexMessages.storage(error)
      Log.warning("backfill", "failed", ["error": "\(error)", "detail": error.detail ?? ""])
      try await sink.send(BackfillProgress(error: SQLErrorMessage(error)))
    }
  }

  private func validate(_ request: ValidateRequest, _ sink: RPCSink<ValidateProgress>) async throws {
    do {
      let table = try TableDescriptor(decoding: request.table)
      let run = ValidationRun(
        store, ranges: ranges, locks: locks, worker: worker, table: table, source: RangeID(request.sourceRangeID),
        timestamp: Timestamp(rawValue: request.readTimestamp)
      ) { try await sink.send($0) }
      if request.kind == .foreignKey { return try await sink.send(try await validateForeignKey(request, table, run)) }
      if request.maximumOffenders > 0 { return try await sink.send(try await run.offenders(request)) }
      switch request.kind {
      case .index:
        guard let index = table.index(IndexID(request.indexID)) else {
          throw RPCError(.invalidArgument, "table \(table.name) has no index \(request.indexID)")
        }
        try await sink.send(try await run.validate(index))
      case .notNull:
        guard let column = table.column(ColumnID(request.columnID)) else {
          throw RPCError(.invalidArgument, "table \(table.name) has no column \(request.columnID)")
        }
        try await sink.send(try await run.validateNotNull(column))
      case .check:
        guard let constraint = table.constraint(ConstraintID(request.constraintID)),
          case .check(let check) = constraint.rule
        else {
          throw RPCError(.invalidArgument, "table \(table.name) has no check \(request.constraintID)")
        }
        try await sink.send(try await run.validateCheck(constraint, check))
      case .foreignKey, .uniqueKeys:
        throw RPCError(.invalidArgument, "rows alone are looked through for offenders only")
      case .unrecognized(let kind): throw RPCError(.invalidArgument, "unknown validation \(kind)")
      }
    } catch let elsewhere as SourceReader.LedElsewhere {
      try await sink.send(ValidateProgress(leaderNodeID: elsewhere.leader?.rawValue ?? 0))
    } catch let error as MalformedBytes {
      throw RPCError(.invalidArgument, error.description)
    } catch let error as RPCError {
      throw error
    } catch is CancellationError {
      throw RPCError(.cancelled, "cancelled")
    } catch  where IndexMessages.isDiskDamage(error) {
      throw RPCError(.unavailable, "\(error)")
    } catch {
      let error = IndexMessages.storage(error)
      Log.warning("backfill", "validation failed", ["error": "\(error)", "detail": error.detail ?? ""])
      try await sink.send(ValidateProgress(error: SQLErrorMessage(error)))
    }
  }

  private func validateForeignKey(
    _ request: ValidateRequest, _ table: TableDescriptor, _ run: ValidationRun
  ) async throws -> ValidateProgress {
    guard let constraint = table.constraint(ConstraintID(request.constraintID)),
      case .foreignKey(let rule) = constraint.rule
    else { throw RPCError(.invalidArgument, "table \(table.name) has no foreign key \(request.constraintID)") }
    let referenced = try TableDescriptor(decoding: request.referencedTable)
    guard referenced.id == rule.referencedTable else {
      throw RPCError(.invalidArgument, "foreign key \(constraint.name) does not refer to table \(referenced.name)")
    }
    return try await run.validateForeignKey(
      constraint, rule, referenced: referenced,
      maximum: min(Int(request.maximumOffenders), IndexSide.maximumViolations))
  }
}
