import Basics
import Testing

@testable import Raft

/// Replicas, their disks and the network between them, with checkers that look at every step.
struct SimulatedGroup {
  var cores: [NodeID: RaftCore] = [:]
  var disks: [NodeID: SimulatedDisk] = [:]
  var network: [Message] = []
  var cutLinks: Set<[NodeID]> = []
  var now = MonotonicTime(milliseconds: 10_000)
  var options: RaftOptions
  var restarts: UInt64 = 0
  let seed: UInt64

  /// What was committed, by position: state machine safety.
  var committed: [LogIndex: Entry] = [:]
  var leaders: [Term: NodeID] = [:]
  /// The newest position that was committed when a read was asked for.
  var readFloors: [UInt64: LogIndex] = [:]
  var confirmedReads: Set<UInt64> = []
  var nextRead: UInt64 = 1
  var nextCommand: UInt64 = 1
  var snapshotsWanted: [(from: NodeID, to: NodeID)] = []
  var snapshotsTaken = 0
  var problems: [String] = []

  init(nodes: Int, seed: UInt64, options: RaftOptions = RaftOptions()) {
    self.options = options
    self.seed = seed
    let members = Membership(voters: (1...UInt64(nodes)).map { NodeID($0) })
    for node in members.voters { disks[node] = SimulatedDisk(members: members) }
    for node in members.voters { start(node) }
  }

  var nodes: [NodeID] { disks.keys.sorted() }
  var running: [NodeID] { cores.keys.sorted() }
  var lastCommitted: LogIndex { committed.keys.max() ?? 0 }
  var currentLeader: NodeID? {
    running.filter { cores[$0]?.isLeader == true }.max { (cores[$0]?.term ?? 0) < (cores[$1]?.term ?? 0) }
  }

  // MARK: - Processes

  mutating func start(_ node: NodeID) {
    guard let disk = disks[node], cores[node] == nil else { return }
    if let problem = disk.persisted.inconsistency {
      problems.append("\(node) has an inconsistent disk: \(problem)")
      return
    }
    restarts += 1
    cores[node] = RaftCore(
      id: node, state: disk.persisted, options: options, seed: seed &* 1000 &+ restarts, now: now)
  }

  mutating func crash(_ node: NodeID, survivors: Int) {
    cores[node] = nil
    disks[node]?.crash(survivors: survivors)
  }

  // MARK: - Steps

  mutating func with(_ node: NodeID, _ body: (inout RaftCore, MonotonicTime) -> Void) {
    guard cores[node] != nil else { return }
    let wasLeader = cores[node]?.isLeader
    let time = now
    if var core = cores.removeValue(forKey: node) {
      body(&core, time)
      cores[node] = core
    }
    if wasLeader == false && cores[node]?.isLeader == true { checkNewLeader(node) }
  }

  /// Takes everything a core has to say.
  mutating func drain(_ node: NodeID) {
    while let core = cores[node], core.hasReady {
      guard let ready = cores[node]?.takeReady() else { return }
      network += ready.messages
      for target in ready.snapshotsWanted { snapshotsWanted.append((node, target)) }
      if let snapshot = ready.snapshot {
        let history = committed.values.filter { $0.index <= snapshot.index }.sorted { $0.index < $1.index }
        disks[node]?.write(
          SimulatedDisk.Write(
            number: ready.number,
            change: { contents in
              if let state = ready.hardState { contents.hardState = state }
              contents.entries = []
              contents.truncated = snapshot
              contents.applied = history
            }, messages: ready.messagesAfterPersistence))
        snapshotsTaken += 1
        continue
      }
      for entry in ready.committed { checkCommitted(entry, by: node) }
      for read in ready.confirmedReads { checkRead(read, at: node) }
      if ready.needsPersistence || !ready.committed.isEmpty {
        disks[node]?.write(
          SimulatedDisk.Write(
            number: ready.number, change: { $0.store(ready) }, messages: ready.messagesAfterPersistence))
      }
    }
  }

  mutating func sync(_ node: NodeID, _ count: Int = Int.max) {
    guard cores[node] != nil, let done = disks[node]?.sync(count) else { return }
    for write in done {
      network += write.messages
      with(node) { core, now in core.persisted(write.number, now: now) }
    }
    drain(node)
  }

  mutating func deliver(at position: Int) {
    let message = network.remove(at: position)
    if cutLinks.contains([message.from, message.to]) { return }
    step(message)
  }

  mutating func step(_ message: Message) {
    with(message.to) { core, now in core.step(message, now: now) }
    drain(message.to)
  }

  mutating func tick(_ node: NodeID) {
    with(node) { core, now in core.tick(now) }
    drain(node)
  }

  mutating func advance(milliseconds: UInt64) {
    now = now.advanced(byMilliseconds: milliseconds)
    for node in running { tick(node) }
  }

  @discardableResult
  mutating func propose(_ node: NodeID) -> LogIndex? {
    var index: LogIndex?
    let payload = Array(String(nextCommand).utf8)
    nextCommand += 1
    with(node) { core, now in index = try? core.propose(payload, now: now) }
    drain(node)
    return index
  }

  mutating func read(_ node: NodeID) {
    let read = nextRead
    nextRead += 1
    readFloors[read] = lastCommitted
    with(node) { core, now in try? core.readIndex(read, now: now) }
    drain(node)
  }

  /// Compacts what is applied, as a host does.
  mutating func compact(_ node: NodeID, keeping: Int) {
    guard let core = cores[node] else { return }
    let index = core.compactionIndex(keepingEntries: keeping, keepingBytes: Int.max, isUrgent: true)
    with(node) { core, _ in core.compact(to: index) }
    guard let state = cores[node]?.truncatedState else { return }
    disks[node]?.write(SimulatedDisk.Write(number: 0, change: { $0.compact(state) }))
  }

  /// A host's snapshot transfer, done at once.
  mutating func transferSnapshot() {
    guard !snapshotsWanted.isEmpty else { return }
    let (from, to) = snapshotsWanted.removeFirst()
    guard let leader = cores[from], leader.isLeader else { return }
    let isLost = cutLinks.contains([from, to]) || cores[to] == nil
    if !isLost, let state = leader.truncatedState(at: leader.appliedIndex) {
      step(Message(from: from, to: to, term: leader.term, body: .snapshot(state)))
    }
    with(from) { core, now in core.snapshotFinished(to: to, now: now) }
    drain(from)
  }

  /// Delivers and syncs until nothing is under way.
  mutating func settle(limit: Int = 20_000) {
    var steps = 0
    while steps < limit {
      steps += 1
      if !network.isEmpty {
        deliver(at: 0)
      } else if let busy = running.first(where: { disks[$0]?.pending.isEmpty == false }) {
        sync(busy)
      } else if !snapshotsWanted.isEmpty {
        transferSnapshot()
      } else {
        return
      }
    }
    problems.append("the network does not come to rest")
  }

  /// One line for each replica.
  var summary: String {
    running.compactMap { cores[$0] }.map { core in
      let members = core.membership.voters.map(\.description).joined(separator: ",")
      return "\(core.id) \(core.role) term \(core.term) leader \(core.leader?.description ?? "-") "
        + "log \(core.firstIndex)...\(core.lastIndex) commit \(core.commitIndex) applied \(core.appliedIndex) "
        + "members \(members)\(core.isQuiesced ? " quiesced" : "")"
    }.joined(separator: "; ")
  }

  // MARK: - Checkers

  /// State machine safety: no two replicas apply different entries at a position.
  private mutating func checkCommitted(_ entry: Entry, by node: NodeID) {
    if let before = committed[entry.index], before != entry {
      problems.append("\(node) applied \(entry), another replica \(before)")
    }
    committed[entry.index] = entry
    let last = disks[node]?.visible.applied.last?.index ?? 0
    if entry.index <= last { problems.append("\(node) applied \(entry.index) after \(last)") }
  }

  /// Election safety, and leader completeness: a new leader has every committed entry.
  private mutating func checkNewLeader(_ node: NodeID) {
    guard let core = cores[node] else { return }
    if let other = leaders[core.term], other != node {
      problems.append("\(node) and \(other) both lead in term \(core.term)")
    }
    leaders[core.term] = node
    for (index, entry) in committed where index > core.log.truncatedIndex && !core.log.matches(index, entry.term) {
      problems.append("the new leader \(node) of term \(core.term) lacks the committed entry \(index)")
    }
  }

  private mutating func checkRead(_ read: UInt64, at node: NodeID) {
    confirmedReads.insert(read)
    let applied = cores[node]?.appliedIndex ?? 0
    if let floor = readFloors[read], applied < floor {
      problems.append("read \(read) at \(node) sees \(applied), but \(floor) was committed before")
    }
  }

  /// Log matching: equal index and term mean equal logs up to there.
  mutating func checkLogs() {
    for one in running {
      for other in running where one < other {
        guard let left = cores[one]?.log, let right = cores[other]?.log else { continue }
        let first = max(left.firstIndex, right.firstIndex)
        var last = min(left.lastIndex, right.lastIndex)
        while last >= first && left.term(at: last) != right.term(at: last) { last -= 1 }
        if last < first { continue }
        let equal =
          left.slice(from: first, through: last, maximumBytes: Int.max)
          == right.slice(from: first, through: last, maximumBytes: Int.max)
        if !equal { problems.append("the logs of \(one) and \(other) differ below \(last)") }
      }
    }
  }
}
