import Basics
import Catalog

/// The rows of a transaction whose schema changes a job makes: they and the changes become visible at one timestamp, that of the
/// job's visible entry (SchemaChange.md, "Rows of the same transaction").
///
/// The job stops before that entry until the transaction's rows are prewritten, with locks that only the job decides about. The
/// entry is the decision; afterwards, or on the way back, the job ends the lock of the primary key.
public struct JobHold: Hashable, Sendable {
  /// The transaction, by its start timestamp.
  public var start: Timestamp
  /// The session of the gateway that runs it: when it ends before the decision, the job turns back.
  public var epoch: SessionEpoch
  /// Empty until it is known: where all rows are in ranges that the job itself makes, it comes with the decision.
  public var primaryKey: [UInt8]
  public var primaryRange: RangeID
  /// Effective timestamp of the entry that made rows and changes visible; zero: there is none.
  public var commit: Timestamp

  public init(
    start: Timestamp, epoch: SessionEpoch, primaryKey: [UInt8] = [], primaryRange: RangeID = RangeID(0),
    commit: Timestamp = .zero
  ) {
    self.start = start
    self.epoch = epoch
    self.primaryKey = primaryKey
    self.primaryRange = primaryRange
    self.commit = commit
  }
}

extension JobHold {
  func encode(into writer: inout ByteWriter) {
    writer.field(1, start)
    writer.field(2, epoch)
    if !primaryKey.isEmpty { writer.field(3, primaryKey) }
    writer.field(4, primaryRange)
    writer.field(5, commit)
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(start: .zero, epoch: SessionEpoch(0))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: start = try field.timestamp()
      case 2: epoch = try field.identifier()
      case 3: primaryKey = try field.bytes()
      case 4: primaryRange = try field.identifier()
      case 5: commit = try field.timestamp()
      default: break
      }
    }
  }
}

extension Plan {
  /// Tables and sequences that its visible stage makes, ascending.
  public var createdTables: [TableDescriptor] {
    guard stages.indices.contains(visibleStage) else { return [] }
    return stages[visibleStage].changes.compactMap { change in
      guard case .createTable(let table)? = change.edits.first else { return nil }
      return table
    }
  }

  /// With a stop before the visible stage: what rows need is there by then, and that stage ends the transaction's locks. Also
  /// where the statements come to nothing: the job is what remembers, under the operation id, that the rows were written.
  public func held() -> Plan {
    var plan = self
    if plan.stages.isEmpty { plan.stages = [PlanStage(name: "rows of the transaction: visible", changes: [])] }
    guard plan.stages.indices.contains(visibleStage) else { return self }
    let own = Set(createdTables.flatMap { $0.indexes.map(\.rangeID) })
    let ranges = plan.stages[visibleStage].newRanges.filter { own.contains($0.id) }
    plan.stages[visibleStage].newRanges.removeAll { own.contains($0.id) }
    plan.stages[visibleStage].work.insert(.settle, at: 0)
    if !ranges.isEmpty || visibleStage == 0 {
      let names = ranges.map { "range \($0.id)" }.joined(separator: ", ")
      plan.stages.insert(
        PlanStage(name: ranges.isEmpty ? "rows of the transaction" : names, changes: [], newRanges: ranges),
        at: visibleStage)
      plan.visibleStage += 1
    }
    plan.additions += ranges.map { .range($0.id) }
    return plan
  }

  /// The way back of a held plan begins with the locks of the transaction.
  func settlingFirst() -> Plan {
    var plan = self
    plan.stages.insert(PlanStage(name: "rows of the transaction: given up", changes: [], work: [.settle]), at: 0)
    plan.visibleStage += 1
    return plan
  }
}

extension JobRecord {
  /// Ready to become visible, and waiting for the rows.
  public var isReadyForRows: Bool {
    guard let hold, let plan, state == .running else { return false }
    return hold.commit == .zero && stagesApplied == plan.visibleStage
  }

  /// The next stage is the visible one.
  var isBecomingVisible: Bool { state == .running && stagesApplied == plan?.visibleStage }

  /// The next thing to be stored is the entry that decides.
  public var isDeciding: Bool {
    guard let hold, let plan, state == .running || state == .succeeded else { return false }
    return hold.commit == .zero && stagesApplied == plan.visibleStage + 1
  }
}
