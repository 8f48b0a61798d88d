import Basics
import Catalog
import Convergence
import SQLValues
import SchemaChange
import Testing

@testable import Metadata

/// A metadata group as a queue: what the leader proposes is applied when the test says so; a change of leader throws away what
/// was not applied and starts from the applied state. Nodes acknowledge when the test says so.
struct LeaderWorld {
  var state = MetadataState()
  var leader: MetadataLeader
  var now = MonotonicTime(milliseconds: 1_000)
  var wall: UInt64 = 1_700_000_000_000
  var log: [(id: ProposalID, command: MetadataCommand)] = []
  var answers: [RequestID: [MetadataLeader.Answer]] = [:]
  var work: [JobID: WorkOrder] = [:]
  var settlements: [JobID: Settlement] = [:]
  var openBarriers: [BarrierID: Barrier] = [:]
  var isConfirmationWanted = false
  var nextRequest: UInt64 = 1
  var epochs: [NodeID: SessionEpoch] = [:]
  /// Every command applied, for replicas that follow.
  var history: [MetadataCommand] = []

  init() {
    leader = MetadataLeader(state: state, now: now, wallMilliseconds: wall)
    perform(leader.begin(newClusterID: "c"))
    applyAll()
  }

  mutating func perform(_ effects: [MetadataLeader.Effect]) {
    for effect in effects {
      switch effect {
      case .propose(let id, let command): log.append((id, command))
      case .confirmLeadership: isConfirmationWanted = true
      case .answer(let id, let answer): answers[id, default: []].append(answer)
      case .openBarrier(let id, let barrier): openBarriers[id] = barrier
      case .closeBarrier(let id): openBarriers[id] = nil
      case .startWork(let order): work[order.job] = order
      case .settle(let settlement): settlements[settlement.job] = settlement
      case .stopWork(let job):
        work[job] = nil
        settlements[job] = nil
      }
    }
  }

  mutating func applyNext() {
    guard !log.isEmpty else { return }
    let (_, command) = log.removeFirst()
    var wasRefused = false
    do { try state.apply(command) } catch { wasRefused = true }
    history.append(command)
    perform(
      leader.didApply(
        command, state: state, wasRefused: wasRefused, isOwn: true, now: now, wallMilliseconds: wall))
  }

  mutating func applyAll() { while !log.isEmpty { applyNext() } }

  /// A new leader; of what the old one had proposed the first `kept` made it into the log.
  mutating func changeLeader(keeping kept: Int = 0) {
    for (_, command) in log.prefix(kept) {
      try? state.apply(command)
      history.append(command)
    }
    log = []
    work = [:]
    settlements = [:]
    openBarriers = [:]
    isConfirmationWanted = false
    leader = MetadataLeader(state: state, now: now, wallMilliseconds: wall)
    perform(leader.begin(newClusterID: "other"))
  }

  /// The leader's ticks come all the while: a long time without one counts as a stall of its process.
  mutating func advance(milliseconds: UInt64) {
    var left = milliseconds
    repeat {
      let step = min(left, MetadataLeader.stallMilliseconds / 2)
      left -= step
      now = now.advanced(byMilliseconds: step)
      wall += step
      perform(leader.tick(now: now, wallMilliseconds: wall))
    } while left > 0
  }

  /// Neither ticks nor anything else for so long.
  mutating func stall(milliseconds: UInt64) {
    now = now.advanced(byMilliseconds: milliseconds)
    wall += milliseconds
    perform(leader.tick(now: now, wallMilliseconds: wall))
  }

  mutating func takeRequest() -> RequestID {
    defer { nextRequest += 1 }
    return RequestID(nextRequest)
  }

  mutating func register(_ node: UInt64, _ role: NodeRole) {
    let request = takeRequest()
    perform(
      leader.register(
        request, NodeRecord(id: NodeID(node), name: "n\(node)", role: role), now: now, wallMilliseconds: wall))
    applyAll()
    if case .registered(let id, let epoch)? = answers[request]?.last { epochs[id] = epoch }
  }

  mutating func deregister(_ node: UInt64, _ epoch: SessionEpoch) {
    perform(leader.deregister(NodeID(node), epoch, now: now, wallMilliseconds: wall))
  }

  mutating func renewAll() {
    for (node, epoch) in epochs.sorted(by: { $0.key < $1.key }) { _ = leader.renew(node, epoch, now: now) }
  }

  /// `node` has applied everything, and holds `held`.
  mutating func acknowledge(_ node: UInt64, held: [HeldTable] = []) {
    nextRequest += 1
    let ack = Acknowledgement(
      node: NodeID(node), epoch: epochs[NodeID(node)] ?? SessionEpoch(0), sequence: nextRequest,
      appliedIndex: state.catalog.schemaIndex, held: held)
    perform(leader.acknowledge([ack], now: now, wallMilliseconds: wall))
  }

  mutating func acknowledgeAll() {
    for node in epochs.keys.sorted() { acknowledge(node.rawValue) }
  }

  /// Drives everything that is unfinished to its end: whoever has work or locks to settle reports that it is done.
  mutating func finish(sourceLocation: SourceLocation = #_sourceLocation) {
    for _ in 0..<100 where !state.unfinishedJobRecords.isEmpty || !log.isEmpty {
      applyAll()
      acknowledgeAll()
      for job in work.keys.sorted() {
        work[job] = nil
        perform(leader.report(job, .finished(rowsDone: 1), now: now, wallMilliseconds: wall))
      }
      for job in settlements.keys.sorted() {
        settlements[job] = nil
        perform(leader.report(job, .finished(rowsDone: 0), now: now, wallMilliseconds: wall))
      }
      applyAll()
    }
    #expect(state.unfinishedJobRecords.isEmpty, "everything that was asked for ends", sourceLocation: sourceLocation)
  }

  mutating func start(
    _ statement: SchemaStatement, operation: String? = nil, onBlock: OnBlock = .abort, in database: DatabaseID? = nil
  ) -> RequestID {
    let request = takeRequest()
    let call = DDLCall(
      operationID: operation.flatMap { OperationID($0) }, database: "defaultdb", databaseID: database,
      statement: statement.encoded(), statementText: "statement", onBlock: onBlock)
    perform(leader.execute(request, call, now: now, wallMilliseconds: wall))
    return request
  }

  func result(_ request: RequestID) -> DDLProgressReport? {
    for case .progress(let report) in answers[request] ?? [] where report.isFinal { return report }
    return nil
  }

  mutating func timestamps(
    node: UInt64 = 1, reads: UInt64 = 1, commits: [CommitTimestampQuery] = [], appliedIndex: SchemaIndex? = nil
  ) -> RequestID {
    let request = takeRequest()
    perform(
      leader.timestamps(
        request,
        TimestampsRequest(
          node: NodeID(node), epoch: epochs[NodeID(node)] ?? SessionEpoch(0),
          appliedIndex: appliedIndex ?? state.catalog.schemaIndex, readCount: reads, commits: commits)))
    return request
  }

  mutating func confirm() {
    while isConfirmationWanted {
      isConfirmationWanted = false
      perform(leader.leadershipConfirmed(now: now, wallMilliseconds: wall))
    }
  }

  func granted(_ request: RequestID) -> (first: Timestamp, index: SchemaIndex, commits: [CommitTimestampAnswer])? {
    guard case .timestamps(.granted(let first, let index, let commits))? = answers[request]?.last else { return nil }
    return (first, index, commits)
  }
}

func column(_ name: String, isNullable: Bool = true) -> ColumnDefinition {
  ColumnDefinition(name: name, type: .int8, isNullable: isNullable)
}

func createTable(_ name: String, ifNotExists: Bool = false) -> SchemaStatement {
  .createTable(
    CreateTable(
      name: ObjectName(name: name), ifNotExists: ifNotExists, columns: [column("id"), column("a")], primaryKey: ["id"]))
}

func createIndex(_ name: String, on table: String, isUnique: Bool = false) -> SchemaStatement {
  .createIndex(
    CreateIndex(
      name: name, ifNotExists: false, table: ObjectName(name: table), isUnique: isUnique,
      keyColumns: [IndexColumnDefinition(columnName: "a")]))
}

func addColumn(_ name: String, to table: String, isNullable: Bool = true) -> SchemaStatement {
  .alterTable(
    ObjectName(name: table), ifExists: false,
    changes: [.addColumn(column(name, isNullable: isNullable), ifNotExists: false)])
}
