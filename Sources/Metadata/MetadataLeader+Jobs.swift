import Basics
import Catalog
import SchemaChange

/// A piece of work on existing rows, for a storage node.
public struct WorkOrder: Hashable, Sendable {
  public let job: JobID
  public let work: StageWork
  /// The table as the stage's entry left it.
  public let table: TableDescriptor
  /// Of the primary index: its leader does the work.
  public let sourceRange: RangeDescriptor
  public let readTimestamp: Timestamp
  /// Last source key done; empty: from the start.
  public let checkpoint: [UInt8]
  /// Rows done up to the checkpoint.
  public let rowsDone: UInt64
  /// 0: without a limit; nil: as the process is configured.
  public let maximumRowsPerSecond: UInt64?
  /// Percent; 0: not set.
  public let maximumLatencyIncrease: UInt32
  /// Of a foreign key: the table that it refers to.
  public let referencedTable: TableDescriptor?
}

/// What the shell reports of a `WorkOrder`.
public enum WorkReport: Hashable, Sendable {
  /// Rows since the whole item began.
  case progressed(checkpoint: [UInt8], rowsDone: UInt64, rowsTotal: UInt64)
  /// As `progressed`, of work that has no checkpoints.
  case counted(rowsDone: UInt64, rowsTotal: UInt64)
  case finished(rowsDone: UInt64)
  /// The rows do not allow the change, or never will.
  case failed(SQLError)
}

extension MetadataLeader {
  public mutating func report(
    _ job: JobID, _ report: WorkReport, now: MonotonicTime, wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    var effects: [Effect] = []
    switch report {
    case .progressed(let checkpoint, let rowsDone, let rowsTotal):
      drive(
        .workProgressed(job, checkpoint: checkpoint, rowsDone: rowsDone, rowsTotal: rowsTotal), into: &effects)
    case .counted(let rowsDone, let rowsTotal):
      drive(.workCounted(job, rowsDone: rowsDone, rowsTotal: rowsTotal), into: &effects)
    case .finished(let rowsDone): drive(.workFinished(job, rowsDone: rowsDone), into: &effects)
    case .failed(let error): drive(.workFailed(job, error), into: &effects)
    }
    return effects
  }

  public mutating func control(
    _ request: RequestID, _ job: JobID, _ action: JobControlAction, now: MonotonicTime, wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    guard !isRecovering else { return [.answer(request, .tryAgain("the metadata leader is starting over"))] }
    guard speculative.jobs[job] != nil else {
      return [.answer(request, .control(job, SQLError(.undefinedObject, "job \(job) does not exist")))]
    }
    do throws(SQLError) {
      let wishes = try coordinator.control(
        job, action, catalog: speculative.catalog, now: now, wallMilliseconds: wallMilliseconds)
      var effects: [Effect] = []
      interpret(wishes, control: (request, job), into: &effects)
      return effects
    } catch {
      return [.answer(request, .control(job, error))]
    }
  }

  mutating func drive(_ event: JobCoordinator.Event, into effects: inout [Effect]) {
    guard !isRecovering else { return }
    let wishes = coordinator.handle(
      event, catalog: speculative.catalog, now: now, wallMilliseconds: wallMilliseconds)
    interpret(wishes, into: &effects)
  }

  mutating func interpret(
    _ wishes: [JobCoordinator.Effect], control: (RequestID, JobID)? = nil, into effects: inout [Effect]
  ) {
    for wish in wishes {
      switch wish {
      case .propose(let job, let stage):
        guard let stage else {
          store(job, control: control, into: &effects)
          continue
        }
        if !propose(job, stage, nil, control: control, into: &effects) {
          // Jobs on one table run in order, so a stage always fits unless the record is damaged.
          var failed = job
          failed.fail(
            SQLError(.internalError, "stage \"\(stage.name)\" does not fit the catalog"), at: wallMilliseconds)
          store(failed, control: control, into: &effects)
        }
      case .plan(let job): startQueued(job, into: &effects)
      case .openBarrier(let job, let tables, let index, let bound, let onBlock):
        openBarrier(job, tables: tables, index: index, boundMilliseconds: bound, onBlock, into: &effects)
      case .closeBarrier(let job): closeBarrier(job, into: &effects)
      case .startWork(let job, let work): startWork(job, work, into: &effects)
      case .stopWork(let job): effects.append(.stopWork(job))
      case .hold(let job): didHold(job, into: &effects)
      }
    }
  }

  /// The jobs before it are done: plan against the catalog they left.
  private mutating func startQueued(_ queued: JobRecord, into effects: inout [Effect]) {
    var job = queued
    job.sequence += 1
    job.statement = []
    do throws(SQLError) {
      let statement: SchemaStatement
      do { statement = try SchemaStatement(decoding: queued.statement) } catch {
        throw SQLError(.dataCorrupted, "the stored statement cannot be read: \(error.reason)")
      }
      let (plan, planner, wayBack) = try makePlan(statement, job.databaseID, job.id, isHeld: job.hold != nil)
      // A table that came into a schema while its drop was waiting, and is under way itself.
      guard !coordinator.isUnderWay(plan.tables, except: job.id) else {
        throw SQLError(
          .serializationFailure, "could not change the schema due to a concurrent schema change",
          hint: "Try the statement again.")
      }
      job.plan = plan
      // What it gave way to in the queue it holds as well, or who waits for that with it would not be told of its end.
      job.tables = Set(job.tables + plan.tables).sorted()
      job.state = .running
      guard let stage = plan.stages.first else {
        job.finishWithoutChange(schemaIndex: speculative.catalog.schemaIndex, at: wallMilliseconds)
        store(job, into: &effects)
        return
      }
      job.advance(over: stage, at: wallMilliseconds)
      guard propose(job, stage, planner.context, wayBack: wayBack, into: &effects) else {
        throw SQLError(.internalError, "the planned change does not fit the catalog")
      }
    } catch {
      job.fail(error, at: wallMilliseconds)
      store(job, into: &effects)
    }
  }

  private mutating func startWork(_ job: JobRecord, _ work: StageWork, into effects: inout [Effect]) {
    guard let tableID = work.tableID else { return settleRows(of: job, into: &effects) }
    guard let table = applied.catalog.table(id: tableID),
      let range = applied.catalog.range(id: table.primaryIndex.rangeID)
    else {
      drive(.workFailed(job.id, SQLError(.internalError, "table \(tableID) is gone")), into: &effects)
      return
    }
    let readTimestamp: Timestamp
    switch work {
    case .backfill, .fill:
      readTimestamp =
        PlantedFault.isPlanted(.backfillReadsBeforeFloor)
        ? Timestamp(physicalMilliseconds: job.timestamp.physicalMilliseconds &- 1500) : job.timestamp
    case .validateIndex, .validateNotNull, .validateCheck, .validateForeignKey:
      // Above everything issued so far; nothing has to be remembered of it.
      readTimestamp =
        oracle.take(1, ceiling: ceiling, wallMilliseconds: wallMilliseconds) ?? max(oracle.last, job.timestamp)
    case .settle: return
    }
    effects.append(
      .startWork(
        WorkOrder(
          job: job.id, work: work, table: table, sourceRange: range, readTimestamp: readTimestamp,
          checkpoint: job.checkpoint, rowsDone: job.checkpoint.isEmpty ? 0 : job.rowsDone,
          maximumRowsPerSecond: job.maximumRowsPerSecond, maximumLatencyIncrease: job.maximumLatencyIncrease,
          referencedTable: work.referencedTable(of: table, in: applied.catalog))))
  }

  /// A stored job with what this leader knows beyond it: progress since the last checkpoint, and the piece of work under way.
  public func newest(_ stored: JobRecord) -> JobRecord {
    // Another sequence is a proposal under way: it may come to nothing.
    guard let known = coordinator.record(stored.id), known.sequence == stored.sequence else { return stored }
    return known
  }

  /// How the work of a job gets on just now; nil when none is under way.
  public func progress(_ job: JobID, now: MonotonicTime) -> JobProgress? { coordinator.progress(job, now: now) }

  /// Why a job is not finished, and who is being waited for.
  public func waitReason(_ job: JobRecord) -> String {
    switch job.state {
    case .succeeded, .failed, .canceled: return ""
    case .paused: return "paused"
    case .queued:
      let before = coordinator.unfinished.last { job.isHeldUp(by: $0) }
      return before.map { "queued behind job \($0.id)" } ?? "queued"
    case .running, .reverting:
      if let reason = barrierWaitReason(job.id) { return reason }
      if coordinator.holding.contains(where: { $0.id == job.id }) { return "the rows of its transaction" }
      guard let stage = job.currentStage, job.workDone < stage.work.count else { return "" }
      return stage.work[job.workDone].title
    }
  }
}

extension JobRecord {
  fileprivate mutating func finishWithoutChange(schemaIndex index: SchemaIndex, at wallMilliseconds: UInt64) {
    schemaIndex = index
    finishedMilliseconds = wallMilliseconds
    state = .succeeded
  }
}
