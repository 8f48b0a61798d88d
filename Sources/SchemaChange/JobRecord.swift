import Basics
import Catalog

public enum JobState: UInt8, Hashable, Sendable, CaseIterable {
  /// Behind another job on one of its tables; not planned yet.
  case queued = 0
  case running = 1
  case paused = 2
  /// On the way back to the schema it found.
  case reverting = 3
  case succeeded = 4
  case failed = 5
  case canceled = 6

  public var isFinished: Bool { rawValue >= Self.succeeded.rawValue }
  public var name: String { "\(self)" }
}

/// A schema change as the metadata service stores it: everything a new leader needs to go on with it.
public struct JobRecord: Hashable, Sendable {
  public var id: JobID
  /// Grows with every stored version of the record.
  public var sequence: UInt64 = 0
  public var operationID: OperationID?
  public var databaseID: DatabaseID
  /// At most `maximumStatementTextBytes`; for people.
  public var statementText: String
  /// Encoded `SchemaStatement`; kept until the job is planned.
  public var statement: [UInt8] = []
  public var tableName: String
  public var tables: [TableID] = []
  public var state: JobState
  public var plan: Plan?
  /// Stages whose entries are applied. The last of them may still have to be waited for, and worked on.
  public var stagesApplied = 0
  /// Items of that stage's work that are done.
  public var workDone = 0
  /// Of the item being done: the last source key done; empty: none.
  public var checkpoint: [UInt8] = []
  public var rowsDone: UInt64 = 0
  public var rowsTotal: UInt64 = 0
  /// The entry applied last, and its effective timestamp: where a backfill reads.
  public var schemaIndex = SchemaIndex.zero
  public var timestamp = Timestamp.zero
  /// Why it turned round or failed.
  public var error: SQLError?
  public var isCancelRequested = false
  /// It turns back, but not before those who use the schema it found are through: the entry that takes its own away would
  /// refuse their commits.
  public var turnsBackAtBarrier = false
  public var createdMilliseconds: UInt64 = 0
  public var finishedMilliseconds: UInt64 = 0
  public var backfillMilliseconds: UInt64 = 0
  public var gatewayNodeID = NodeID(0)
  public var boundedWaitMilliseconds: UInt64 = 0
  /// What a step does once it has waited that long.
  public var onBlock = OnBlock.abort
  /// Of its backfills; 0: without a limit; nil: as the metadata service is configured.
  public var maximumRowsPerSecond: UInt64?
  /// Percent by which the mean time of clients' requests may grow for its backfills; 0: they rest as long as they work.
  public var maximumLatencyIncrease: UInt32 = 0
  /// Of a transaction that writes rows too.
  public var hold: JobHold?
  public var history: [JobStep] = []

  public static let maximumStatementTextBytes = 4_096
  public static let maximumHistory = 64

  public init(
    id: JobID, operationID: OperationID? = nil, databaseID: DatabaseID, statementText: String, tableName: String,
    state: JobState
  ) {
    self.id = id
    self.operationID = operationID
    self.databaseID = databaseID
    self.statementText = statementText
    self.tableName = tableName
    self.state = state
  }

  /// The stage being waited for or worked on.
  public var currentStage: PlanStage? {
    guard let plan, stagesApplied > 0, stagesApplied <= plan.stages.count else { return nil }
    return plan.stages[stagesApplied - 1]
  }

  public var nextStage: PlanStage? {
    guard let plan, stagesApplied < plan.stages.count else { return nil }
    return plan.stages[stagesApplied]
  }

  /// Before the entry that makes the change visible, on the way forward.
  public var canTurnBack: Bool {
    switch state {
    case .queued: true
    case .running, .paused: stagesApplied <= (plan?.visibleStage ?? 0)
    case .reverting, .succeeded, .failed, .canceled: false
    }
  }

  /// A way back ends by itself, and what is visible is not taken back for those who are slow.
  var onBlockNow: OnBlock {
    if turnsBackAtBarrier { return .wait }
    return switch onBlock {
    case .abort: .abort
    case .wait: state == .reverting ? .abort : .wait
    case .cancel: canTurnBack ? .cancel : .abort
    }
  }

  /// Without what only an unfinished job needs.
  public var compacted: JobRecord {
    var copy = self
    copy.statement = []
    copy.checkpoint = []
    copy.plan?.stages = []
    copy.plan?.additions = []
    return copy
  }

  /// Counts a stage as applied, and ends the job with its last one.
  public mutating func advance(over stage: PlanStage, at wallMilliseconds: UInt64) {
    begin(stage.name, at: wallMilliseconds)
    stagesApplied += 1
    workDone = 0
    checkpoint = []
    if nextStage == nil && !stage.waitsForBarrier && stage.work.isEmpty { finish(at: wallMilliseconds) }
  }

  mutating func finish(at wallMilliseconds: UInt64) {
    endStep(at: wallMilliseconds)
    finishedMilliseconds = wallMilliseconds
    switch state {
    case .reverting: state = isCancelRequested ? .canceled : .failed
    case .queued, .running, .paused: state = .succeeded
    case .succeeded, .failed, .canceled: break
    }
  }

  /// Ends a job that could not be planned.
  public mutating func fail(_ reason: SQLError, at wallMilliseconds: UInt64) {
    endStep(at: wallMilliseconds)
    finishedMilliseconds = wallMilliseconds
    error = reason
    state = .failed
  }

  mutating func begin(_ step: String, at milliseconds: UInt64) {
    // Taken up again: by a new leader, after a pause, under another limit.
    if let last = history.last, last.name == step, last.finishedMilliseconds == 0 { return }
    endStep(at: milliseconds)
    guard history.count < Self.maximumHistory else { return }
    history.append(JobStep(name: step, schemaIndex: .zero, startedMilliseconds: milliseconds, finishedMilliseconds: 0))
  }

  mutating func endStep(at milliseconds: UInt64) {
    guard let last = history.indices.last, history[last].finishedMilliseconds == 0 else { return }
    history[last].finishedMilliseconds = milliseconds
  }
}

/// One step of a job that was or is being done.
public struct JobStep: Hashable, Sendable {
  public var name: String
  /// Of the entry the step applied; zero for work.
  public var schemaIndex: SchemaIndex
  public var startedMilliseconds: UInt64
  public var finishedMilliseconds: UInt64

  public init(name: String, schemaIndex: SchemaIndex, startedMilliseconds: UInt64, finishedMilliseconds: UInt64) {
    self.name = name
    self.schemaIndex = schemaIndex
    self.startedMilliseconds = startedMilliseconds
    self.finishedMilliseconds = finishedMilliseconds
  }
}
