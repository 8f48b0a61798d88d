import EventLoop
import Simulation
import Verification

/// All workloads side by side on a cluster, under faults; then everything is healed, read and checked.
@EventLoopActor public final class MixedRun {
  public struct Options: Sendable {
    public var seed: UInt64
    /// Of the traffic, and of random faults.
    public var seconds: Int
    /// Nil: drawn from the seed.
    public var schedule: Schedule?

    public init(seed: UInt64, seconds: Int, schedule: Schedule? = nil) {
      self.seed = seed
      self.seconds = seconds
      self.schedule = schedule
    }
  }

  /// After the last fault, all nodes are to be ready within this time.
  static let healingLimit = Duration.seconds(120)
  /// After the last write, all replicas are to be equal within this time.
  static let agreementLimit = Duration.seconds(60)
  /// A schema change that nobody pauses must end within this time, faults or not (nanoseconds).
  static let maximumJobDuration: UInt64 = 120_000_000_000

  private let world: Simulation
  private let options: Options
  private let note: @EventLoopActor (String) -> Void
  private let cluster: SimulatedCluster
  private let injector: FaultInjector
  private let observer: ClusterObserver
  private var findings: [Finding] = []

  public init(_ world: Simulation, _ options: Options, note: @escaping @EventLoopActor (String) -> Void) {
    self.world = world
    self.options = options
    self.note = note
    cluster = SimulatedCluster(world, Self.shape(options.seed))
    injector = FaultInjector(
      cluster, syncDelay: Self.hasSlowDisks(options.seed) ? 20_000_000 : 500_000, note: note)
    observer = ClusterObserver(cluster)
  }

  /// Runs it and answers what was found.
  public func run() async -> [Finding] {
    cluster.start()
    guard await cluster.ready(limit: .seconds(60)) else { return [notReady("at the beginning")] }
    let host = ClusterWorkloadHost(
      cluster, seed: options.seed, snapshotLife: Self.snapshotLife(options.seed)
    ) { phase in await self.entered(phase) }
    let report = await Self.mix(options).run(on: host)
    for one in report.reports { note("\(one)") }
    world.note(report.description)
    let checks = ObservationChecks(maximumHealthyJobDuration: Self.maximumJobDuration)
    let inside = checks.findings(observer.log, end: world.clock, isSettled: true)
    return Array(Set(findings + report.findings + inside)).sorted()
  }

  private func entered(_ phase: WorkloadPhase) async {
    switch phase {
    case .setUp, .finalReads: break
    case .done:
      // Whoever does not end in time is the business of the checks.
      _ = await world.run(
        until: { observer.areJobsFinished }, every: .milliseconds(100),
        limit: .nanoseconds(Int64(clamping: Self.maximumJobDuration)))
      await compareReplicas()
    case .traffic: injector.start(options.schedule ?? Self.schedule(options))
    case .settling:
      injector.end()
      note("healed after \(injector.faultCount) faults")
      if !(await cluster.ready(limit: Self.healingLimit)) { findings.append(notReady("after all faults were ended")) }
    }
  }

  /// Followers may be a little behind, locks of the last transactions may be on their way out.
  private func compareReplicas() async {
    let comparison = ReplicaComparison(cluster: cluster)
    var difference: String?
    let areEqual = await world.run(
      until: {
        difference = comparison.difference()
        return difference == nil
      }, every: .seconds(1), limit: Self.agreementLimit)
    if !areEqual { findings.append(Finding("replicas", difference ?? "they differ")) }
  }

  private func notReady(_ moment: String) -> Finding {
    let names = cluster.nodes.filter { !$0.isReady }.map(\.name).joined(separator: ", ")
    return Finding("recovery", "not ready \(moment): \(names)")
  }

  // MARK: - What a seed decides

  public nonisolated static func schedule(_ options: Options) -> Schedule {
    var profile = FaultProfile()
    profile.duration = UInt64(options.seconds) * 1_000_000_000
    let shape = shape(options.seed)
    for role in ClusterRole.allCases where shape.count(role) > 0 {
      profile.hosts[role.rawValue] = (1...shape.count(role)).map { "\(role.rawValue)-\($0)" }
    }
    // Where syncs take long, a loss of power shows what was answered before it was durable.
    if hasSlowDisks(options.seed) { profile.weights["power-off"] = 16 }
    // Where sessions are short, a gateway that is frozen outlives its own.
    if hasShortSessions(options.seed) { profile.weights["freeze"] = 32 }
    profile.rottingHost = "storage-\(1 + options.seed % 3)"
    // One seed in eight meets no fault but what the network does by itself.
    if options.seed % 8 == 0 { return Schedule() }
    return Schedule.random(seed: options.seed, profile: profile)
  }

  nonisolated static func hasSlowDisks(_ seed: UInt64) -> Bool { seed % 4 == 3 }
  nonisolated static func hasShortSessions(_ seed: UInt64) -> Bool { seed % 5 == 2 }

  /// The retention is shorter than a session's lease: what a frozen gateway has open is not known in time, and what one had that
  /// lost its session not at all. Half of it, as the clock that measures it may be fast.
  nonisolated static func snapshotLife(_ seed: UInt64) -> UInt64? {
    collectsGarbage(seed) ? garbageRetentionSeconds * 500_000_000 : nil
  }

  nonisolated static func collectsGarbage(_ seed: UInt64) -> Bool { seed % 3 == 0 }
  nonisolated static let garbageRetentionSeconds: UInt64 = 4

  /// Connections break now and then without any fault, and gateways soon ask what became of a commit.
  nonisolated static func hasBrittleLinks(_ seed: UInt64) -> Bool { seed % 6 == 4 }

  /// How hosts reach each other.
  public nonisolated static func link(_ seed: UInt64) -> LinkConditions {
    var link = LinkConditions()
    if hasBrittleLinks(seed) { link.resetsPerMillion = 600 }
    return link
  }

  nonisolated static func shape(_ seed: UInt64) -> ClusterShape {
    var shape = ClusterShape()
    shape.aggregatorCount = seed % 3 == 0 ? 2 : 1
    // Small steps, so that small tables meet what large ones do.
    shape.flags[.storage] = [
      "--backfill-rows", seed % 4 == 2 ? "1" : "4", "--range-log-entries", seed % 4 == 1 ? "64" : "8192",
    ]
    shape.flags[.metadata] = ["--ddl-bounded-wait", seed % 2 == 0 ? "400ms" : "2s"]
    if seed % 4 == 2 { shape.flags[.metadata]?.append(contentsOf: ["--backfill-rows-per-second", "4"]) }
    if hasShortSessions(seed) { shape.flags[.metadata]?.append(contentsOf: ["--session-lease", "1s"]) }
    if hasBrittleLinks(seed) { shape.flags[.gateway] = ["--commit-patience", "600ms"] }
    // Every third cluster gives up the past while the traffic goes on.
    if collectsGarbage(seed) {
      shape.flags[.metadata]?.append(contentsOf: ["--garbage-retention", "\(garbageRetentionSeconds)s"])
      shape.flags[.storage]?.append(contentsOf: ["--garbage-rest", "1s"])
    }
    return shape
  }

  nonisolated static func mix(_ options: Options) -> Mix {
    let duration = UInt64(options.seconds) * 1_000_000_000
    func limits(_ clients: Int, _ operations: Int, _ think: ClosedRange<UInt64>) -> TrafficLimits {
      TrafficLimits(
        clients: clients, operationsPerClient: operations, durationNanoseconds: duration, thinkMilliseconds: think)
    }
    var workloads: [any Workload] = [
      RegisterWorkload(readers: 2, limits: limits(4, 200, 0...150)),
      BankWorkload(limits: limits(3, 100, 0...300)),
      ListAppendWorkload(limits: limits(4, 100, 0...300)),
      SchemaChangeWorkload(
        limits: limits(4, 150, 0...200),
        statements: SchemaStatementKind.all + SchemaStatementKind.views + SchemaStatementKind.databases),
    ]
    if options.seed % 2 == 0 { workloads.append(SharedTableWorkload(limits: limits(1, 60, 50...300))) }
    if options.seed % 2 == 1 { workloads.append(SequenceWorkload(limits: limits(3, 100, 0...200))) }
    if options.seed % 3 != 2 { workloads.append(ForeignKeyWorkload(limits: limits(4, 120, 0...200))) }
    if options.seed % 3 == 1 { workloads.append(CounterWorkload(limits: limits(4, 60, 0...60))) }
    if options.seed % 4 > 1 { workloads.append(ReleaseWorkload(limits: limits(3, 60, 0...300))) }
    return Mix(workloads)
  }
}
