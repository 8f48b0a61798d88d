import EventLoop
import Simulation

/// The command line of `theseus-simulation`.
public struct SimulationCommand: Sendable {
  public static let usage = """
    usage: theseus-simulation --seed N [--log]             one run, in this process
           theseus-simulation --seeds A..B [--jobs N]      a run for each seed, each in a process of its own
      --run NAME  smoke: boot and a few statements (default); shake: inserts and index builds under random faults
      --seconds N how long the traffic of `shake` lasts, simulated (default 20)
      --log       print what the nodes log
      --twice     with --seeds: run every seed twice; a trace that differs is a failure
      --jobs N    processes at a time (default 2)

    """

  public enum Mode: Hashable, Sendable {
    case one(seed: UInt64)
    case many(seeds: ClosedRange<UInt64>, jobs: Int, twice: Bool)
  }

  public enum Run: String, Sendable { case smoke, shake }

  public let mode: Mode
  public let runName: Run
  public let seconds: Int
  public let printsLog: Bool

  /// Nil for a command line that is not of the form `usage`.
  public init?(_ arguments: [String]) {
    var seeds: ClosedRange<UInt64>?
    var isMany = false
    var jobs = 2
    var printsLog = false
    var twice = false
    var runName = Run.smoke
    var seconds = 20
    var rest = arguments[...]
    while let flag = rest.popFirst() {
      switch flag {
      case "--log": printsLog = true
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
    guard let seeds else { return nil }
    mode = isMany ? .many(seeds: seeds, jobs: jobs, twice: twice) : .one(seed: seeds.lowerBound)
    self.printsLog = printsLog
    self.runName = runName
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
    case .many(let seeds, let jobs, let twice):
      let flags = ["--run", runName.rawValue, "--seconds", String(seconds)]
      return ChildRuns(seeds: seeds, jobs: jobs, twice: twice, flags: flags).run()
    }
  }

  private func runOne(_ seed: UInt64) -> Int32 {
    var options = SimulationOptions(seed: seed)
    if printsLog { options.log = { Console.print($0) } }
    do {
      let summary = try Simulation.run(options, limit: .seconds(3600)) { world in
        let note: @EventLoopActor (String) -> Void = { Console.print("\(world.clock / 1_000_000) ms: \($0)") }
        switch runName {
        case .smoke: try await SmokeRun.run(world, note: note)
        case .shake: try await ShakeRun(world, duration: .seconds(seconds)).run(note: note)
        }
        return "seed \(seed): \(world.eventCount) events, \(world.clock / 1_000_000) ms, trace \(world.trace)"
      }
      Console.print(summary)
      return 0
    } catch {
      Console.print("seed \(seed): failed: \(error)")
      return 1
    }
  }
}
