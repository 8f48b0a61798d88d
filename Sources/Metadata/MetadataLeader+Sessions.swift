import Basics
import Catalog
import Convergence
import SchemaChange

struct Session: Hashable, Sendable {
  var epoch: SessionEpoch
  var role: NodeRole
  /// The lease runs out; renewals move it.
  var deadline: MonotonicTime
  /// Nil until it has renewed its lease with this leader.
  var report: SafePointReport?

  mutating func extendLease(byMilliseconds milliseconds: UInt64) {
    deadline = deadline.advanced(byMilliseconds: milliseconds)
  }
}

struct OpenBarrier: Sendable {
  /// One per table, numbered for the aggregator.
  var waits: [(id: BarrierID, wait: BarrierWait)]
  /// Whether its bound was told to people already.
  var fenced: [Laggard] = []
}

extension MetadataLeader {
  // MARK: Registration and leases

  /// A new session for `node` (id 0: give it one). Answered when it is stored.
  public mutating func register(
    _ request: RequestID, _ node: NodeRecord, now: MonotonicTime, wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    var effects: [Effect] = []
    var record = node
    if record.id.rawValue == 0 {
      // A process that restarts under its name takes its id back, unless somebody else lives under it.
      let known = speculative.nodes.values.first {
        !node.name.isEmpty && $0.name == node.name && $0.role == node.role && !$0.isLive
      }
      record.id = known?.id ?? speculative.nextNodeID
    }
    record.epoch = speculative.nextEpoch
    record.isLive = true
    if !propose(.register(record), register: (request, record.id, record.epoch), into: &effects) {
      effects.append(.answer(request, .tryAgain("the metadata leader is starting over")))
    }
    return effects
  }

  mutating func didRegister(_ node: NodeRecord, _ proposal: Pending?, into effects: inout [Effect]) {
    sessions[node.id] = Session(
      epoch: node.epoch, role: node.role, deadline: now.advanced(byMilliseconds: options.leaseMilliseconds))
    fences[node.id] = nil
    if let register = proposal?.register {
      effects.append(.answer(register.request, .registered(register.node, register.epoch)))
    }
    evaluateBarriers(into: &effects)
    giveUpHolds(into: &effects)
  }

  /// - Returns: false when the session is gone.
  public mutating func renew(
    _ node: NodeID, _ epoch: SessionEpoch, report: SafePointReport = SafePointReport(), now: MonotonicTime
  ) -> Bool {
    self.now = max(self.now, now)
    guard sessions[node]?.epoch == epoch else { return false }
    sessions[node]?.report = report
    sessions[node]?.deadline = self.now.advanced(byMilliseconds: options.leaseMilliseconds)
    return true
  }

  /// The process stops in an orderly way: barriers do not wait for it any longer. Should this leader fail before the end of the
  /// session is stored, the lease ends it.
  public mutating func deregister(
    _ node: NodeID, _ epoch: SessionEpoch, now: MonotonicTime, wallMilliseconds: UInt64
  ) -> [Effect] {
    advanceClock(now, wallMilliseconds)
    var effects: [Effect] = []
    guard sessions[node]?.epoch == epoch else { return effects }
    endSession(node, epoch, into: &effects)
    evaluateBarriers(into: &effects)
    giveUpHolds(into: &effects)
    return effects
  }

  public func isLive(_ node: NodeID, _ epoch: SessionEpoch) -> Bool { sessions[node]?.epoch == epoch }

  /// Milliseconds since the session was last renewed; nil without a session.
  public func leaseAgeMilliseconds(_ node: NodeID, now: MonotonicTime) -> UInt64? {
    guard let session = sessions[node] else { return nil }
    let left = session.deadline.milliseconds(since: now)
    return options.leaseMilliseconds > left ? options.leaseMilliseconds - left : 0
  }

  public func appliedIndex(of node: NodeID) -> SchemaIndex { acknowledged[node]?.appliedIndex ?? .zero }

  mutating func endExpiredSessions(into effects: inout [Effect]) {
    for id in sessions.keys.sorted() {
      guard let session = sessions[id], session.deadline <= now else { continue }
      endSession(id, session.epoch, into: &effects)
    }
  }

  /// While the leader starts over nothing is proposed, and the session stays until it can be ended for everybody.
  private mutating func endSession(_ id: NodeID, _ epoch: SessionEpoch, into effects: inout [Effect]) {
    guard propose(.endSession(id, epoch), into: &effects) else { return }
    sessions[id] = nil
    fences[id] = nil
    acknowledged.forget(id)
  }

  // MARK: Acks and barriers

  public mutating func acknowledge(_ acks: [Acknowledgement], now: MonotonicTime, wallMilliseconds: UInt64) -> [Effect]
  {
    advanceClock(now, wallMilliseconds)
    var hasGrown = false
    for ack in acks where sessions[ack.node]?.epoch == ack.epoch {
      if acknowledged.merge(ack) { hasGrown = true }
    }
    var effects: [Effect] = []
    if hasGrown { evaluateBarriers(into: &effects) }
    return effects
  }

  private var schemaUsers: [LiveSession] {
    sessions.keys.sorted().compactMap { id in
      guard let session = sessions[id], session.role.usesSchema else { return nil }
      return LiveSession(node: id, epoch: session.epoch)
    }
  }

  mutating func openBarrier(
    _ job: JobID, tables: [TableID], index: SchemaIndex, boundMilliseconds: UInt64, _ onBlock: OnBlock,
    into effects: inout [Effect]
  ) {
    let bound = boundMilliseconds == 0 ? options.boundedWaitMilliseconds : boundMilliseconds
    var opened = OpenBarrier(waits: [])
    for table in tables {
      let id = BarrierID(nextBarrier)
      nextBarrier += 1
      let barrier = Barrier(table: table, index: index)
      opened.waits.append((id, BarrierWait(barrier, startedAt: now, boundMilliseconds: bound, onBlock: onBlock)))
      effects.append(.openBarrier(id, barrier))
    }
    barriers[job] = opened
    evaluateBarriers(into: &effects)
  }

  mutating func closeBarrier(_ job: JobID, into effects: inout [Effect]) {
    guard let opened = barriers.removeValue(forKey: job) else { return }
    for (id, _) in opened.waits { effects.append(.closeBarrier(id)) }
  }

  mutating func evaluateBarriers(into effects: inout [Effect]) {
    guard !barriers.isEmpty else { return }
    let users = schemaUsers
    for job in barriers.keys.sorted() {
      guard let opened = barriers[job] else { continue }
      var isPassed = true
      var fenced: [(Laggard, SchemaIndex)] = []
      var givenUp: [Laggard] = []
      for (_, wait) in opened.waits {
        switch wait.verdict(acknowledged, sessions: users, now: now) {
        case .met: break
        case .waiting: isPassed = false
        case .proceed(let laggards): fenced += laggards.map { ($0, wait.barrier.index) }
        case .giveUp(let laggards): givenUp += laggards
        }
      }
      if !givenUp.isEmpty {
        let bound = opened.waits.first?.wait.boundMilliseconds ?? 0
        let error = SQLError(
          .lockNotAvailable,
          "job \(job) is taken back: transactions on an older schema were in its way for \(bound) ms",
          detail: barrierWaitReason(job), hint: "Try again, or let it wait longer (theseus.ddl_wait, theseus.on_block)."
        )
        closeBarrier(job, into: &effects)
        drive(.barrierGivenUp(job, error), into: &effects)
        continue
      }
      guard isPassed else { continue }
      for (laggard, index) in fenced { fences[laggard.node] = max(fences[laggard.node] ?? .zero, index) }
      closeBarrier(job, into: &effects)
      drive(.barrierPassed(job), into: &effects)
    }
  }

  /// Who keeps a job from going on, in words.
  func barrierWaitReason(_ job: JobID) -> String? {
    guard let opened = barriers[job] else { return nil }
    let users = schemaUsers
    let laggards = opened.waits.flatMap { acknowledged.laggards(of: $0.wait.barrier, among: users) }
    guard !laggards.isEmpty else { return nil }
    return "waiting for " + laggards.prefix(5).map(description).joined(separator: "; ")
      + (laggards.count > 5 ? "; and \(laggards.count - 5) more" : "")
  }

  private func description(_ laggard: Laggard) -> String {
    let name = applied.nodes[laggard.node]?.name ?? ""
    return name.isEmpty ? laggard.description : "\(name): \(laggard.description)"
  }

  /// The barriers a job waits at that are not met, and whom each waits for.
  public func waits(of job: JobID) -> [JobWait] {
    guard let opened = barriers[job] else { return [] }
    let users = schemaUsers
    return opened.waits.compactMap { _, wait in
      let laggards = acknowledged.laggards(of: wait.barrier, among: users)
      guard !laggards.isEmpty else { return nil }
      return JobWait(
        barrier: wait.barrier, waitedMilliseconds: now.milliseconds(since: wait.startedAt),
        boundMilliseconds: wait.boundMilliseconds, laggards: laggards)
    }
  }

  // MARK: Agreement

  /// Of every registered node, ascending by id.
  public func agreement() -> [NodeAgreement] {
    applied.nodes.values.map { node in
      let session = sessions[node.id].flatMap { $0.epoch == node.epoch ? $0 : nil }
      let ack = session == nil ? nil : acknowledged[node.id].flatMap { $0.epoch == node.epoch ? $0 : nil }
      let oldest = ack?.held.min { ($0.oldestIndex, $0.table) < ($1.oldestIndex, $1.table) }
      var lag: UInt64 = 0
      if let ack, ack.appliedIndex < applied.catalog.schemaIndex {
        // What has left the log is older than the oldest that is in it.
        let missing = applied.log[ack.appliedIndex.next] ?? applied.log.first?.value
        let since = missing?.timestamp.physicalMilliseconds ?? wallMilliseconds
        lag = wallMilliseconds > since ? max(1, wallMilliseconds - since) : 1
      }
      return NodeAgreement(
        node: node.id, isLive: session != nil, appliedIndex: ack?.appliedIndex ?? .zero, lagMilliseconds: lag,
        oldestHeld: oldest, fence: fences[node.id])
    }
  }
}

/// A barrier that a job waits at.
public struct JobWait: Hashable, Sendable {
  public let barrier: Barrier
  public let waitedMilliseconds: UInt64
  /// From then on a majority is enough.
  public let boundMilliseconds: UInt64
  public let laggards: [Laggard]
}

/// How far one process is with the schema log, as the metadata leader knows it.
public struct NodeAgreement: Hashable, Sendable {
  public let node: NodeID
  public let isLive: Bool
  /// Zero: it has not acknowledged anything in its session.
  public let appliedIndex: SchemaIndex
  /// Age of the oldest entry that it has not acknowledged; 0: it has all.
  public let lagMilliseconds: UInt64
  /// What a transaction of it uses that is older than `appliedIndex`.
  public let oldestHeld: HeldTable?
  /// It gets no timestamps before it has applied this.
  public let fence: SchemaIndex?
}
