import Basics
import Catalog

public enum JobControlAction: Hashable, Sendable {
  case pause
  case resume
  case cancel
  /// Rows a second of its backfills, from the next chunk on; 0: without a limit.
  case limit(rowsPerSecond: UInt64)
  /// Percent by which the mean time of clients' requests may grow for its backfills; 0: they rest as long as they work.
  case limitLatencyIncrease(percent: UInt32)
}

/// The piece of work under way, as far as it is not in the record.
public struct JobProgress: Hashable, Sendable {
  public var rowsDone: UInt64
  /// 0: not known.
  public var rowsTotal: UInt64
  public var rowsPerSecond: UInt64?
  public var remainingMilliseconds: UInt64?
}

/// Drives every unfinished job of the cluster, one persistent step at a time: propose an entry, wait for the barrier, do the
/// work, propose the next. A pure machine that lives on the metadata leader; whatever it knows beyond the stored records
/// can be lost, because the records say where to go on.
///
/// Steps are decided on the newest *proposed* record of a job; waiting and working begin when that record is *applied*.
/// When a proposal is lost the leader throws the coordinator away and makes a new one from the applied records.
public struct JobCoordinator: Sendable {
  public enum Event: Hashable, Sendable {
    /// A record is applied: by this leader's proposal, or found when leadership began.
    case applied(JobRecord)
    /// Met, or the bounded wait is over.
    case barrierPassed(JobID)
    /// The bounded wait is over, and the job is to turn back (`OnBlock.cancel`).
    case barrierGivenUp(JobID, SQLError)
    /// - rows: of the whole item, from its beginning.
    case workProgressed(JobID, checkpoint: [UInt8], rowsDone: UInt64, rowsTotal: UInt64)
    /// Work that begins again when it is interrupted: there is nothing to store.
    case workCounted(JobID, rowsDone: UInt64, rowsTotal: UInt64)
    case workFinished(JobID, rowsDone: UInt64)
    /// A lasting failure: the rows do not allow the change.
    case workFailed(JobID, SQLError)
  }

  public enum Effect: Hashable, Sendable {
    /// Store the record, together with the entry of `stage` where there is one. The record's `schemaIndex` and `timestamp`
    /// are the entry's, filled in by the leader.
    case propose(JobRecord, stage: PlanStage?)
    /// The job's turn has come: plan its statement against the catalog in force.
    case plan(JobRecord)
    case openBarrier(JobID, tables: [TableID], index: SchemaIndex, boundMilliseconds: UInt64, OnBlock)
    case closeBarrier(JobID)
    /// Begin, or go on at the record's checkpoint.
    case startWork(JobRecord, StageWork)
    case stopWork(JobID)
    /// All is prepared but the rows of the job's transaction (`JobHold`): it goes on by `decide` or `giveUp`.
    case hold(JobID)
  }

  private enum Activity: Hashable, Sendable {
    case none
    case waitingForBarrier
    case working
    case holding
  }

  private struct Tracked: Sendable {
    var record: JobRecord
    var activity = Activity.none
    var workStarted = MonotonicTime(nanoseconds: 0)
    var checkpointStored = MonotonicTime(nanoseconds: 0)
    var rowsStored: UInt64 = 0
    /// Of the work under way.
    var rowsDone: UInt64 = 0
    var rowsTotal: UInt64 = 0
    var rate = WorkRate()

    mutating func count(_ done: UInt64, of total: UInt64, at now: MonotonicTime) {
      rowsDone = done
      rowsTotal = max(total, done)
      rate.observe(rows: done, at: now)
    }
  }

  /// Checkpoints are stored when this long has passed or this many rows were done since the last.
  public static let checkpointIntervalMilliseconds: UInt64 = 1_000
  public static let checkpointRows: UInt64 = 50_000

  /// Unfinished jobs by id, as newest proposed.
  private var jobs: [JobID: Tracked] = [:]

  public init() {}

  /// Unfinished jobs, ascending.
  public var unfinished: [JobRecord] { jobs.keys.sorted().compactMap { jobs[$0]?.record } }

  /// The newest proposed record of an unfinished job.
  public func record(_ id: JobID) -> JobRecord? { jobs[id]?.record }

  /// How the work under way gets on; nil when none is.
  public func progress(_ id: JobID, now: MonotonicTime) -> JobProgress? {
    guard let job = jobs[id], job.activity == .working else { return nil }
    let rate = job.rate.rowsPerSecond(rows: job.rowsDone, at: now)
    return JobProgress(
      rowsDone: job.rowsDone, rowsTotal: job.rowsTotal, rowsPerSecond: rate,
      remainingMilliseconds: WorkRate.remainingMilliseconds(
        rows: job.rowsDone, of: job.rowsTotal, rowsPerSecond: rate))
  }

  /// Jobs that wait for the rows of their transactions, ascending.
  public var holding: [JobRecord] {
    jobs.keys.sorted().compactMap { id in jobs[id].flatMap { $0.activity == .holding ? $0.record : nil } }
  }

  /// Whether an unfinished job stands before a new one (or before `job`) on one of `tables`.
  public func isBlocked(_ tables: [TableID], before job: JobID? = nil) -> Bool {
    jobs.values.contains { other in
      (job.map { other.record.id < $0 } ?? true) && TableID.isHeldUp(tables, by: other.record.tables)
    }
  }

  /// Whether another job has begun on one of `tables` and is not finished.
  public func isUnderWay(_ tables: [TableID], except job: JobID) -> Bool {
    jobs.values.contains { other in
      other.record.id != job && other.record.state != .queued && !Set(other.record.tables).isDisjoint(with: tables)
    }
  }

  /// A record this leader has proposed. Called at once, before it is applied.
  public mutating func proposed(_ record: JobRecord) {
    // A finished one holds up nobody: what follows on its tables is planned against the catalog it leaves.
    guard !record.state.isFinished else {
      jobs[record.id] = nil
      return
    }
    jobs[record.id, default: Tracked(record: record)].record = record
  }

  public mutating func handle(_ event: Event, catalog: CatalogState, now: MonotonicTime, wallMilliseconds: UInt64)
    -> [Effect]
  {
    switch event {
    case .applied(let record): return applied(record, catalog, now, wallMilliseconds)
    case .barrierPassed(let id):
      guard var job = jobs[id], job.activity == .waitingForBarrier else { return [] }
      job.activity = .none
      if job.record.turnsBackAtBarrier { return turnBack(&job, catalog, wallMilliseconds) }
      jobs[id] = job
      return workOrNextStage(id, catalog, now, wallMilliseconds)
    case .barrierGivenUp(let id, let error):
      guard var job = jobs[id], job.activity == .waitingForBarrier else { return [] }
      job.activity = .none
      job.record.error = error
      job.record.state = .reverting
      job.record.turnsBackAtBarrier = true
      return propose(&job, stage: nil)
    case .workProgressed(let id, let checkpoint, let rowsDone, let rowsTotal):
      guard var job = jobs[id], job.activity == .working else { return [] }
      job.count(rowsDone, of: rowsTotal, at: now)
      job.record.rowsDone = rowsDone
      job.record.rowsTotal = max(rowsTotal, rowsDone)
      job.record.checkpoint = checkpoint
      let isDue =
        now.milliseconds(since: job.checkpointStored) >= Self.checkpointIntervalMilliseconds
        || rowsDone >= job.rowsStored &+ Self.checkpointRows
      guard isDue else {
        jobs[id] = job
        return []
      }
      job.checkpointStored = now
      job.rowsStored = rowsDone
      return propose(&job, stage: nil)
    case .workCounted(let id, let rowsDone, let rowsTotal):
      guard jobs[id]?.activity == .working else { return [] }
      jobs[id]?.count(rowsDone, of: rowsTotal, at: now)
      return []
    case .workFinished(let id, let rowsDone):
      guard var job = jobs[id], job.activity == .working else { return [] }
      job.activity = .none
      if job.record.currentStage?.work[safe: job.record.workDone]?.isBackfill == true {
        job.record.backfillMilliseconds &+= now.milliseconds(since: job.workStarted)
        job.record.rowsDone = rowsDone
        job.record.rowsTotal = rowsDone
      }
      job.record.workDone += 1
      job.record.checkpoint = []
      jobs[id] = job
      return workOrNextStage(id, catalog, now, wallMilliseconds)
    case .workFailed(let id, let error):
      guard var job = jobs[id], job.activity == .working else { return [] }
      job.activity = .none
      job.record.error = error
      return turnBack(&job, catalog, wallMilliseconds)
    }
  }

  /// A client's or operator's wish. The change is in the effects; throws 55000 when the job's state does not allow it.
  public mutating func control(
    _ id: JobID, _ action: JobControlAction, catalog: CatalogState, now: MonotonicTime, wallMilliseconds: UInt64
  ) throws(SQLError) -> [Effect] {
    guard var job = jobs[id], !job.record.state.isFinished else {
      throw SQLError(.objectNotInPrerequisiteState, "job \(id) has ended")
    }
    switch action {
    case .pause:
      guard job.record.state == .running, job.record.canTurnBack, job.activity != .holding else {
        throw SQLError(.objectNotInPrerequisiteState, "job \(id) is \(job.record.state.name) and cannot be paused")
      }
      let stop = stopActivity(&job, now)
      job.record.state = .paused
      return stop + propose(&job, stage: nil)
    case .resume:
      guard job.record.state == .paused else {
        throw SQLError(.objectNotInPrerequisiteState, "job \(id) is \(job.record.state.name), not paused")
      }
      job.record.state = .running
      return propose(&job, stage: nil)
    case .cancel where job.record.turnsBackAtBarrier:
      return stopActivity(&job, now) + turnBack(&job, catalog, wallMilliseconds)
    case .cancel:
      guard job.record.canTurnBack else {
        throw SQLError(
          .objectNotInPrerequisiteState, "job \(id) is \(job.record.state.name) and past turning back",
          hint: job.record.state == .reverting ? nil : "Its change is visible already; it ends by itself.")
      }
      let stop = stopActivity(&job, now)
      job.record.isCancelRequested = true
      job.record.error = SQLError(.queryCanceled, "job \(id) was canceled")
      return stop + turnBack(&job, catalog, wallMilliseconds)
    case .limit(let rowsPerSecond):
      job.record.maximumRowsPerSecond = rowsPerSecond
      return storeLimit(&job, now)
    case .limitLatencyIncrease(let percent):
      job.record.maximumLatencyIncrease = percent
      return storeLimit(&job, now)
    }
  }

  /// Work under way begins again at its checkpoint, under the new limit, once the record is stored.
  private mutating func storeLimit(_ job: inout Tracked, _ now: MonotonicTime) -> [Effect] {
    (job.activity == .working ? stopActivity(&job, now) : []) + propose(&job, stage: nil)
  }

  // MARK: Rows of the same transaction

  /// The rows are prewritten: what makes them and the change visible. Only of a job in `holding`.
  ///
  /// - Parameter primaryKey: of the transaction; what the record has already stays.
  public mutating func decide(
    _ id: JobID, primaryKey: [UInt8], primaryRange: RangeID, wallMilliseconds: UInt64
  ) -> [Effect] {
    guard var job = jobs[id], job.activity == .holding, let stage = job.record.nextStage else { return [] }
    job.activity = .none
    if job.record.hold?.primaryKey.isEmpty == true {
      job.record.hold?.primaryKey = primaryKey
      job.record.hold?.primaryRange = primaryRange
    }
    job.record.advance(over: stage, at: wallMilliseconds)
    return propose(&job, stage: stage)
  }

  /// The rows will not come. Only of a job in `holding`.
  public mutating func giveUp(
    _ id: JobID, _ reason: SQLError, catalog: CatalogState, wallMilliseconds: UInt64
  ) -> [Effect] {
    guard var job = jobs[id], job.activity == .holding else { return [] }
    job.activity = .none
    job.record.error = reason
    return turnBack(&job, catalog, wallMilliseconds)
  }

  // MARK: Steps

  private mutating func applied(
    _ record: JobRecord, _ catalog: CatalogState, _ now: MonotonicTime, _ wall: UInt64
  ) -> [Effect] {
    if record.state.isFinished {
      jobs[record.id] = nil
      return startQueued(behind: record)
    }
    // A newer version is under way: what this one asks for is out of date.
    if let known = jobs[record.id], known.record.sequence > record.sequence { return [] }
    var job = jobs[record.id] ?? Tracked(record: record)
    job.record = record
    jobs[record.id] = job
    switch record.state {
    case .queued: return isBlocked(record.tables, before: record.id) ? [] : [.plan(record)]
    case .paused, .succeeded, .failed, .canceled: return []
    case .running, .reverting:
      guard job.activity == .none else { return [] }
      guard let stage = record.currentStage, stage.waitsForBarrier, record.workDone == 0, record.checkpoint.isEmpty
      else { return workOrNextStage(record.id, catalog, now, wall) }
      jobs[record.id]?.activity = .waitingForBarrier
      return [
        .openBarrier(
          record.id, tables: stage.changes.map(\.tableID), index: record.schemaIndex,
          boundMilliseconds: record.boundedWaitMilliseconds, record.onBlockNow)
      ]
    }
  }

  private mutating func startQueued(behind finished: JobRecord) -> [Effect] {
    var effects: [Effect] = []
    for record in unfinished where record.state == .queued && record.isHeldUp(by: finished) {
      if !isBlocked(record.tables, before: record.id) { effects.append(.plan(record)) }
    }
    return effects
  }

  private mutating func workOrNextStage(
    _ id: JobID, _ catalog: CatalogState, _ now: MonotonicTime, _ wall: UInt64
  ) -> [Effect] {
    guard var job = jobs[id] else { return [] }
    if let work = job.record.currentStage?.work[safe: job.record.workDone] {
      job.activity = .working
      job.workStarted = now
      job.checkpointStored = now
      job.rowsStored = job.record.rowsDone
      job.rowsDone = job.record.checkpoint.isEmpty ? 0 : job.record.rowsDone
      job.rowsTotal = job.record.rowsTotal
      job.rate = WorkRate()
      job.rate.observe(rows: job.rowsDone, at: now)
      job.record.begin(work.title, at: wall)
      jobs[id] = job
      return [.startWork(job.record, work)]
    }
    guard let stage = job.record.nextStage else {
      job.record.finish(at: wall)
      return propose(&job, stage: nil)
    }
    if job.record.isReadyForRows, !PlantedFault.isPlanted(.rowsNotAwaited) {
      job.activity = .holding
      jobs[id] = job
      return [.hold(id)]
    }
    if job.record.isBecomingVisible, let conflict = catalog.conflict(with: stage) {
      job.record.error = conflict
      return turnBack(&job, catalog, wall)
    }
    job.record.advance(over: stage, at: wall)
    return propose(&job, stage: stage)
  }

  private mutating func turnBack(_ job: inout Tracked, _ catalog: CatalogState, _ wall: UInt64) -> [Effect] {
    job.record.state = .reverting
    job.record.turnsBackAtBarrier = false
    let plan = job.record.plan.map { $0.rollback(in: catalog) }
    // Where no primary key is known all locks are in ranges that go with them.
    let hasLocks = job.record.hold.map { !$0.primaryKey.isEmpty } ?? false
    job.record.plan = hasLocks ? plan?.settlingFirst() : plan
    job.record.stagesApplied = 0
    job.record.workDone = 0
    job.record.checkpoint = []
    guard let stage = job.record.nextStage else {
      job.record.finish(at: wall)
      return propose(&job, stage: nil)
    }
    job.record.advance(over: stage, at: wall)
    return propose(&job, stage: stage)
  }

  private mutating func stopActivity(_ job: inout Tracked, _ now: MonotonicTime) -> [Effect] {
    defer { job.activity = .none }
    switch job.activity {
    case .none, .holding: return []
    case .waitingForBarrier: return [.closeBarrier(job.record.id)]
    case .working:
      if job.record.currentStage?.work[safe: job.record.workDone]?.isBackfill == true {
        job.record.backfillMilliseconds &+= now.milliseconds(since: job.workStarted)
      }
      return [.stopWork(job.record.id)]
    }
  }

  private mutating func propose(_ job: inout Tracked, stage: PlanStage?) -> [Effect] {
    job.record.sequence += 1
    jobs[job.record.id] = job
    return [.propose(job.record, stage: stage)]
  }
}

extension Array {
  subscript(safe position: Int) -> Element? { indices.contains(position) ? self[position] : nil }
}
