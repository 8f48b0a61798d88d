import EventLoop
import Simulation
import Verification

/// Does to a simulated cluster what a schedule says, and starts again what ended by itself, as a supervisor does.
@EventLoopActor final class FaultInjector {
  private let cluster: SimulatedCluster
  private let note: @EventLoopActor (String) -> Void
  private var random = EventLoop.random
  private var last: ClusterNode?
  /// Hosts that a fault keeps down.
  private var down: Set<Int> = []
  /// Hosts whose disks have bit rot.
  private var rotten: Set<Int> = []
  private var undoing: [Timer] = []
  private var task: Task<Void, Never>?
  private var supervisor: Timer?
  private(set) var faultCount = 0
  /// What a healthy disk takes for a sync (nanoseconds).
  private let syncDelay: UInt64

  /// A process that ended is started again after this long.
  static let supervisorInterval = Duration.milliseconds(500)

  init(_ cluster: SimulatedCluster, syncDelay: UInt64, note: @escaping @EventLoopActor (String) -> Void) {
    self.cluster = cluster
    self.syncDelay = syncDelay
    for node in cluster.nodes { node.disk.syncDelayNanoseconds = syncDelay }
    self.note = note
  }

  /// Faults begin now.
  func start(_ schedule: Schedule) {
    let events = schedule.events(until: 3_600_000_000_000)
    let start = cluster.world.clock
    task = EventLoop.task {
      for event in events {
        let time = start + event.at
        if time > self.cluster.world.clock {
          await self.cluster.world.run(for: .nanoseconds(Int64(clamping: time - self.cluster.world.clock)))
        }
        if Task.isCancelled { return }
        self.strike(event.action)
      }
    }
    supervise()
  }

  private func supervise() {
    supervisor = Timer.once(after: Self.supervisorInterval) {
      for node in self.cluster.nodes where !node.host.isRunning && !self.down.contains(node.host.number) {
        self.note("restart \(node.name), which ended (\(node.host.failure.map { "\($0)" } ?? "exit"))")
        node.start()
      }
      self.supervise()
    }
  }

  /// No fault any more: everything runs and reaches everything.
  func end() {
    task?.cancel()
    for timer in undoing { timer.cancel() }
    undoing = []
    down = []
    healNetwork()
    for node in cluster.nodes {
      repair(node)
      node.disk.isFull = false
      node.disk.syncDelayNanoseconds = syncDelay
      node.host.setClockDrift(partsPerMillion: 0)
      node.host.wallClockErrorMilliseconds = 0
      node.host.resume()
      if !node.host.isRunning { node.start() }
    }
  }

  private func healNetwork() {
    cluster.world.network.healAll()
    for one in cluster.world.hosts {
      for other in cluster.world.hosts { cluster.world.network.setConditions(nil, from: one, to: other) }
    }
  }

  // MARK: - Striking

  private func strike(_ action: FaultAction) {
    let nodes = resolve(action.target)
    faultCount += 1
    note(
      "\(action)" + (nodes.map(\.name) == ["\(action.target)"] ? "" : " [\(nodes.map(\.name).joined(separator: " "))]"))
    for node in nodes {
      last = node
      strike(action, node)
    }
  }

  private func strike(_ action: FaultAction, _ node: ClusterNode) {
    let network = cluster.world.network
    switch action.kind {
    case .kill: stop(node, .process, action)
    case .powerOff: stop(node, .machine, action)
    case .restart:
      down.remove(node.host.number)
      if !node.host.isRunning { node.start() }
    case .pause:
      node.host.pause()
      undo(action) { node.host.resume() }
    case .resume: node.host.resume()
    case .cut(let to): pairs(node, to) { self.cut($0, $1, action) }
    case .cutBoth(let to):
      pairs(node, to) { one, other in
        self.cut(one, other, action)
        self.cut(other, one, action)
      }
    case .isolate:
      for other in cluster.world.hosts where other !== node.host {
        cut(node.host, other, action)
        cut(other, node.host, action)
      }
    case .strand(let with):
      let kept = Set(resolve(with).map(\.host.number) + [node.host.number])
      for other in cluster.world.hosts where !kept.contains(other.number) {
        // The others hear of it at once and go on without the node.
        network.resetConnections(between: node.host, and: other)
        cut(node.host, other, action)
        cut(other, node.host, action)
      }
    case .heal: healNetwork()
    case .slow(let to, let delay):
      var conditions = cluster.world.options.link
      let by = Duration.nanoseconds(Int64(clamping: delay))
      conditions.latency = conditions.latency.lowerBound + by...conditions.latency.upperBound + by
      pairs(node, to) { one, other in
        self.condition(one, other, conditions, action)
        self.condition(other, one, conditions, action)
      }
    case .stall(let to):
      var conditions = cluster.world.options.link
      conditions.stallsPerMillion = 1_000_000
      conditions.stall = .zero...(.nanoseconds(Int64(clamping: action.duration ?? 300_000_000)))
      pairs(node, to) { self.condition($0, $1, conditions, action) }
    case .reset(let to): pairs(node, to) { network.resetConnections(between: $0, and: $1) }
    case .diskFull:
      node.disk.isFull = true
      undo(action) { node.disk.isFull = false }
    case .diskSlow(let delay):
      node.disk.syncDelayNanoseconds = delay
      undo(action) { node.disk.syncDelayNanoseconds = self.syncDelay }
    case .diskOK:
      node.disk.isFull = false
      node.disk.syncDelayNanoseconds = syncDelay
    case .bitRot:
      guard let key = node.disk.corruptRandomKey(using: &random) else { return }
      note("bit rot in \(key.path), family \(key.family)")
      rotten.insert(node.host.number)
      undo(action) { self.repair(node) }
    case .clockRate(let rate):
      node.host.setClockDrift(partsPerMillion: min(max(rate, -900_000), 9_000_000))
      undo(action) { node.host.setClockDrift(partsPerMillion: 0) }
    case .clockStep(let step):
      node.host.wallClockErrorMilliseconds = step
      undo(action) { node.host.wallClockErrorMilliseconds = 0 }
    }
  }

  /// The operator has found the machine with the bad disk: what could not be read can, and the process starts anew, for a
  /// replica that met damage serves no more.
  private func repair(_ node: ClusterNode) {
    guard rotten.remove(node.host.number) != nil else { return }
    node.disk.repair()
    if node.host.isRunning { node.host.kill() }
    if !down.contains(node.host.number) { node.start() }
  }

  private func stop(_ node: ClusterNode, _ death: SimulatedHost.Death, _ action: FaultAction) {
    down.insert(node.host.number)
    node.host.kill(death)
    undo(action) {
      self.down.remove(node.host.number)
      if !node.host.isRunning { node.start() }
    }
  }

  private func cut(_ from: SimulatedHost, _ to: SimulatedHost, _ action: FaultAction) {
    cluster.world.network.cut(from: from, to: to)
    undo(action) { self.cluster.world.network.heal(from: from, to: to) }
  }

  private func condition(
    _ from: SimulatedHost, _ to: SimulatedHost, _ conditions: LinkConditions, _ action: FaultAction
  ) {
    cluster.world.network.setConditions(conditions, from: from, to: to)
    undo(action) { self.cluster.world.network.setConditions(nil, from: from, to: to) }
  }

  private func undo(_ action: FaultAction, _ body: @escaping @EventLoopActor () -> Void) {
    guard let duration = action.duration else { return }
    undoing.append(Timer.once(after: .nanoseconds(Int64(clamping: duration)), body))
  }

  private func pairs(
    _ node: ClusterNode, _ target: FaultTarget, _ body: @EventLoopActor (SimulatedHost, SimulatedHost) -> Void
  ) {
    let others = target == .all ? cluster.world.hosts : resolve(target).map(\.host)
    for other in others where other !== node.host { body(node.host, other) }
  }

  // MARK: - Whom

  private func resolve(_ target: FaultTarget) -> [ClusterNode] {
    switch target {
    case .host(let name): return cluster.node(name).map { [$0] } ?? []
    case .metadataLeader: return most("theseus_metadata_leader", .metadata)
    case .storageLeader: return most("theseus_storage_leaders", .storage)
    case .random(let role):
      let nodes = cluster.nodes.filter { role == nil || $0.role.rawValue == role }
      return nodes.isEmpty ? [] : [nodes[Int.random(in: 0..<nodes.count, using: &random)]]
    case .last: return last.map { [$0] } ?? []
    case .all: return cluster.nodes
    }
  }

  /// The running node of a role whose metric is highest; the first where none is above zero.
  private func most(_ metric: String, _ role: ClusterRole) -> [ClusterNode] {
    let nodes = cluster.nodes(role)
    let values = nodes.map { $0.host.isRunning ? $0.metric(metric) : 0 }
    guard let highest = values.max(), highest > 0 else { return Array(nodes.prefix(1)) }
    return nodes.indices.first { values[$0] == highest }.map { [nodes[$0]] } ?? []
  }
}

extension ClusterNode {
  /// What the node's `/metrics` says; 0 where it says nothing.
  func metric(_ name: String) -> Double {
    guard let runtime else { return 0 }
    let text = host.run { runtime.metrics.text() } ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
    return line.flatMap { Double($0.dropFirst(name.utf8.count + 1)) } ?? 0
  }
}
