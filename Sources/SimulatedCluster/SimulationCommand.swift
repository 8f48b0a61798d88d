@_spi(Planting) import Basics
import EventLoop
import Simulation
import Verification

/// The command line of `theseus-simulation`.
public struct SimulationCommand: Sendable {
  public static let usage = """
    usage: theseus-simulation --seed N [--log]             one run, in this process
           theseus-simulation --seeds A..B [--jobs N]      a run for each seed, each in a process of its own
      --run NAME  mixed: all workloads under random faults, then checks (default); smoke: boot and a few statements;
                  shake: inserts and index builds under random faults
      --seconds N how long the traffic lasts, simulated (default 20)
      --schedule FILE  with --seed and mixed: these faults instead of the seed's
      --plant NAME     with --seed: this mistake is built in, to see that it is found
      --planted all|NAME  every mistake, each with seeds of its own until it is found
      --seeds-per-fault N  with --planted: how many at most (default 50)
      --log       print what the nodes log
      --twice     with --seeds: run every seed twice; a trace that differs is a failure
      --jobs N    processes at a time (default 2)

    """

  public enum Mode: Hashable, Sendable {
    case one(seed: UInt64)
    case many(seeds: ClosedRange<UInt64>, jobs: Int, twice: Bool)
    case planted([PlantedFault], seedsPerFault: Int, jobs: Int)
  }

  public enum Run: String, Sendable { case mixed, smoke, shake }

  public let mode: Mode
  public let runName: Run
  public let seconds: Int
  public let printsLog: Bool
  /// Faults instead of the seed's.
  public let schedule: String?
  public let plant: PlantedFault?

  /// Nil for a command line that is not of the form `usage`.
  public init?(_ arguments: [String]) {
    var seeds: ClosedRange<UInt64>?
    var isMany = false
    var jobs = 2
    var printsLog = false
    var twice = false
    var runName = Run.mixed
    var schedule: String?
    var seconds = 20
    var seedsPerFault = 50
    var plant: PlantedFault?
    var planted: [PlantedFault] = []
    var rest = arguments[...]
    while let flag = rest.popFirst() {
      switch flag {
      case "--log": printsLog = true
      case "--plant":
        guard let fault = rest.popFirst().flatMap({ PlantedFault(rawValue: $0) }) else { return nil }
        plant = fault
      case "--planted":
        guard let name = rest.popFirst() else { return nil }
        planted = name == "all" ? PlantedFault.allCases : PlantedFault(rawValue: name).map { [$0] } ?? []
        if planted.isEmpty { return nil }
      case "--seeds-per-fault":
        guard let number = rest.popFirst().flatMap({ Int($0) }), (1...1_000_000).contains(number) else { return nil }
        seedsPerFault = number
      case "--schedule":
        guard let path = rest.popFirst() else { return nil }
        schedule = path
      case "--twice": twice = true
      case "--run":
        guard let run = rest.popFirst().flatMap({ Run(rawValue: $0) }) else { return nil }
        runName = run
      case "--seconds":
        guard let number = rest.popFirst().flatMap({ Int($0) }), (1...86_400).contains(number) else { return nil }
        seconds = number
      case "--seed":
        guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
        seeds = seed...seed
      case "--seeds":
        guard let range = rest.popFirst().flatMap(Self.range) else { return nil }
        seeds = range
        isMany = true
      case "--jobs":
        guard let number = rest.popFirst().flatMap({ Int($0) }), (1...256).contains(number) else { return nil }
        jobs = number
      default: return nil
      }
    }
    if !planted.isEmpty {
      guard seeds == nil else { return nil }
      seeds = 1...1
    }
    guard let seeds else { return nil }
    if !planted.isEmpty {
      mode = .planted(planted, seedsPerFault: seedsPerFault, jobs: jobs)
    } else {
      mode = isMany ? .many(seeds: seeds, jobs: jobs, twice: twice) : .one(seed: seeds.lowerBound)
    }
    self.plant = plant
    self.printsLog = printsLog
    self.runName = runName
    self.schedule = schedule
    self.seconds = seconds
  }

  /// `A..B`, both included.
  private static func range(_ text: String) -> ClosedRange<UInt64>? {
    let ends = text.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last, text.contains("..") else {
      return nil
    }
    return first...last
  }

  /// Runs it and answers the exit code.
  public func run() -> Int32 {
    switch mode {
    case .one(let seed): return runOne(seed)
    case .planted(let faults, let seedsPerFault, let jobs):
      return PlantedRuns(
        faults: faults, firstSeed: 1, seedsPerFault: seedsPerFault, jobs: jobs, flags: ["--seconds", String(seconds)]
      ).run()
    case .many(let seeds, let jobs, let twice):
      let flags = ["--run", runName.rawValue, "--seconds", String(seconds)]
      var runs = ChildRuns(seeds: seeds, jobs: jobs, twice: twice, flags: flags)
      if runName == .mixed { runs.onFailure = FailureReport(seconds: seconds, flags: flags).explain }
      return runs.run()
    }
  }

  private func runOne(_ seed: UInt64) -> Int32 {
    var options = SimulationOptions(seed: seed)
    if printsLog { options.log = { Console.print($0) } }
    do {
      let mixed = try mixedOptions(seed)
      if runName == .mixed { options.link = MixedRun.link(seed) }
      Probes.isCounting = true
      unsafe PlantedFault.planted = plant
      let (summary, isGood) = try Simulation.run(options, limit: .seconds(3600)) { world in
        let note: @EventLoopActor (String) -> Void = { Console.print("\(world.clock / 1_000_000) ms: \($0)") }
        var findings: [Finding] = []
        switch runName {
        case .mixed: findings = await MixedRun(world, mixed, note: note).run()
        case .smoke: try await SmokeRun.run(world, note: note)
        case .shake: try await ShakeRun(world, duration: .seconds(seconds)).run(note: note)
        }
        for probe in Probe.allCases where Probes.count(probe) > 0 {
          Console.print("probe: \(Probes.count(probe)) \(probe.rawValue)")
        }
        for finding in findings { Console.print("finding: \(finding)") }
        return (
          "seed \(seed): \(world.eventCount) events, \(world.clock / 1_000_000) ms, trace \(world.trace)",
          findings.isEmpty
        )
      }
      Console.print(summary)
      return isGood ? 0 : 1
    } catch {
      Console.print("finding: run: \(error)")
      return 1
    }
  }

  private func mixedOptions(_ seed: UInt64) throws -> MixedRun.Options {
    guard let schedule else { return MixedRun.Options(seed: seed, seconds: seconds) }
    guard let text = Build.read(schedule) else { throw RunFailure("cannot read \(schedule)") }
    return MixedRun.Options(seed: seed, seconds: seconds, schedule: try Schedule(parsing: text))
  }
}
