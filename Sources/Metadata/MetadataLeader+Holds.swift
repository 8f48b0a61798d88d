import Basics
import Catalog
import SchemaChange

/// The rows of a job's transaction are there: what makes them visible, together with its schema changes.
public struct RowsDecision: Hashable, Sendable {
  public var start: Timestamp
  /// The versions of the tables that were written, as in `CommitTimestampQuery`.
  public var pins: [(table: TableID, version: TableVersion)]
  /// The lowest timestamp that every range of the rows accepts.
  public var minimum: Timestamp
  public var primaryKey: [UInt8]
  public var primaryRange: RangeID

  public init(
    start: Timestamp, pins: [(table: TableID, version: TableVersion)], minimum: Timestamp, primaryKey: [UInt8],
    primaryRange: RangeID
  ) {
    self.start = start
    self.pins = pins
    self.minimum = minimum
    self.primaryKey = primaryKey
    self.primaryRange = primaryRange
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.start == right.start && left.minimum == right.minimum && left.primaryKey == right.primaryKey
      && left.primaryRange == right.primaryRange && left.pins.elementsEqual(right.pins, by: ==)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(start)
    hasher.combine(minimum)
    hasher.combine(primaryKey)
  }
}

/// The end of a transaction that a job has decided about, for the leader of its primary key's range.
public struct Settlement: Hashable, Sendable {
  public let job: JobID
  public let range: RangeDescriptor
  public let primaryKey: [UInt8]
  public let start: Timestamp
  /// Zero: it is rolled back.
  public let commit: Timestamp
}

extension MetadataLeader {
  /// How long a job waits for the rows of its transaction once everything else is prepared (milliseconds).
  public static let maximumHoldMilliseconds: UInt64 = 60_000

  /// Makes the job's changes visible together with the rows, at the timestamp of the entry. Answered when it is applied; asked
  /// again, the answer is the same.
  public mutating func decide(
    _ request: RequestID, _ id: JobID, _ decision: RowsDecision, now: MonotonicTime, wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    guard !isRecovering else { return [.answer(request, .tryAgain("the metadata leader is starting over"))] }
    guard let job = speculative.jobs[id], let hold = job.hold, hold.start == decision.start else {
      let error = SQLError(.undefinedObject, "job \(id) does not wait for rows of this transaction")
      return [.answer(request, .control(id, error))]
    }
    guard hold.commit == .zero else {
      let isApplied = applied.jobs[id]?.hold?.commit == hold.commit
      return [.answer(request, isApplied ? .control(id, nil) : .tryAgain("the decision is under way"))]
    }
    if job.state == .reverting || job.state.isFinished {
      let error = job.error ?? SQLError(.serializationFailure, "job \(id) was given up")
      return [.answer(request, .control(id, error))]
    }
    guard coordinator.holding.contains(where: { $0.id == id }) else {
      return [.answer(request, .tryAgain("job \(id) does not wait for rows yet"))]
    }
    let conflict = job.nextStage.flatMap { speculative.catalog.conflict(with: $0) }
    if let refusal = refusal(of: decision.pins) ?? conflict { return [.answer(request, .control(id, refusal))] }
    oracle.skip(to: decision.minimum.previous, ceiling: ceiling, wallMilliseconds: wallMilliseconds)
    let newestPending = pending.compactMap(\.entryTimestamp).last
    guard oracle.entryTimestamp(after: newestPending, wallMilliseconds: wallMilliseconds) >= decision.minimum else {
      return [.answer(request, .tryAgain("the rows can only be committed a little later"))]
    }
    heldSince[id] = nil
    var effects: [Effect] = []
    interpret(
      coordinator.decide(
        id, primaryKey: decision.primaryKey, primaryRange: decision.primaryRange, wallMilliseconds: wallMilliseconds),
      control: (request, id), into: &effects)
    return effects
  }

  /// Against the floors in force just before the entry: what the job itself changes, its own transaction may have locked.
  private func refusal(of pins: [(table: TableID, version: TableVersion)]) -> SQLError? {
    if PlantedFault.isPlanted(.commitFloorNotRaised) { return nil }
    for pin in pins {
      let table = speculative.catalog.table(id: pin.table)
      if let table, pin.version >= table.commitFloor { continue }
      let shown = table.map { "\"\($0.name)\"" } ?? "\(pin.table)"
      return SQLError(
        .serializationFailure, "the schema of table \(shown) changed while the transaction was running",
        hint: "Try the transaction again.", tableName: table?.name)
    }
    return nil
  }

  mutating func didHold(_ id: JobID, into effects: inout [Effect]) {
    heldSince[id] = now
    giveUpHolds(into: &effects)
    guard let job = coordinator.holding.first(where: { $0.id == id }) else { return }
    for call in waitingCalls[id] ?? [] { effects.append(.answer(call.request, .progress(holdReport(job)))) }
  }

  /// Jobs whose rows will not come: the gateway has gone, or takes too long.
  mutating func giveUpHolds(into effects: inout [Effect]) {
    guard !heldSince.isEmpty, !isRecovering else { return }
    let holding = coordinator.holding
    heldSince = heldSince.filter { id, _ in holding.contains { $0.id == id } }
    for job in holding {
      guard let hold = job.hold, let since = heldSince[job.id] else { continue }
      let reason: SQLError
      if sessions[job.gatewayNodeID]?.epoch != hold.epoch {
        reason = SQLError(
          .serializationFailure, "the gateway that ran the transaction has gone", hint: "Try the transaction again.")
      } else if now.milliseconds(since: since) > Self.maximumHoldMilliseconds {
        reason = SQLError(
          .serializationFailure, "the rows of the transaction took too long", hint: "Try the transaction again.")
      } else {
        continue
      }
      heldSince[job.id] = nil
      interpret(
        coordinator.giveUp(job.id, reason, catalog: speculative.catalog, wallMilliseconds: wallMilliseconds),
        into: &effects)
    }
  }

  mutating func settleRows(of job: JobRecord, into effects: inout [Effect]) {
    guard let hold = job.hold, !hold.primaryKey.isEmpty, let range = applied.catalog.range(id: hold.primaryRange) else {
      // There were no rows, or they are gone with their range.
      return drive(.workFinished(job.id, rowsDone: 0), into: &effects)
    }
    effects.append(
      .settle(
        Settlement(
          job: job.id, range: range, primaryKey: hold.primaryKey, start: hold.start, commit: hold.commit)))
  }
}
