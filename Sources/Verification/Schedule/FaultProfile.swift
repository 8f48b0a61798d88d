import Basics

/// What random schedules are made of.
public struct FaultProfile: Hashable, Sendable {
  /// From the first fault to the end of the last (nanoseconds).
  public var duration: UInt64 = 20_000_000_000
  /// Time between the beginnings of faults, drawn evenly (nanoseconds).
  public var pause: ClosedRange<UInt64> = 200_000_000...3_000_000_000
  /// How long a fault lasts, drawn evenly (nanoseconds).
  public var length: ClosedRange<UInt64> = 50_000_000...4_000_000_000
  /// Names of the hosts of every role.
  public var hosts: [String: [String]] = [:]
  /// How often each kind comes, by its word in the text; a kind that is absent never comes.
  public var weights: [String: Int] = [
    "kill": 6, "power-off": 4, "pause": 5, "isolate": 4, "cut": 4, "slow": 3, "stall": 4, "reset": 4, "disk-full": 1,
    "disk-slow": 2, "clock-rate": 2, "clock-step": 1, "strand": 5, "bit-rot": 1, "freeze": 4,
  ]
  /// The host that bit rot strikes: one only, for what is unreadable in one place must be read in another.
  public var rottingHost: String?

  public init() {}
}

extension Schedule {
  /// Faults one after another and over one another, all of them undone at the end of the profile's duration.
  public static func random(seed: UInt64, profile: FaultProfile) -> Schedule {
    var maker = ScheduleMaker(profile, seed)
    return maker.schedule()
  }
}

private struct ScheduleMaker {
  let profile: FaultProfile
  var random: SeededGenerator
  let kinds: [(word: String, weight: Int)]
  let hosts: [String]

  init(_ profile: FaultProfile, _ seed: UInt64) {
    self.profile = profile
    random = SeededGenerator(seed: seed ^ 0x5c4e_d01e)
    kinds = profile.weights.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    hosts = profile.hosts.keys.sorted().flatMap { profile.hosts[$0] ?? [] }
  }

  mutating func schedule() -> Schedule {
    var lines: [Schedule.Line] = []
    guard hosts.count > 1, !kinds.isEmpty else { return Schedule() }
    var time = rounded(UInt64.random(in: profile.pause, using: &random))
    while time < profile.duration, lines.count < Schedule.maximumLines {
      let length = rounded(min(UInt64.random(in: profile.length, using: &random), profile.duration - time))
      for action in actions(for: length, longest: profile.duration - time) {
        lines.append(Schedule.Line(.at(time), action))
      }
      time += rounded(UInt64.random(in: profile.pause, using: &random))
    }
    return Schedule(lines)
  }

  private func rounded(_ nanoseconds: UInt64) -> UInt64 { max(1, nanoseconds / 1_000_000) * 1_000_000 }

  private mutating func actions(for length: UInt64, longest: UInt64) -> [FaultAction] {
    let kind = kind()
    if kind == "strand", let gateways = profile.hosts["gateway"], !gateways.isEmpty {
      return strand(gateways[Int.random(in: 0..<gateways.count, using: &random)], longest)
    }
    if kind == "freeze", let gateways = profile.hosts["gateway"], !gateways.isEmpty {
      // Longer than it is waited for, and than sessions that are kept short.
      let length = rounded(min(UInt64.random(in: 600_000_000...2_500_000_000, using: &random), longest))
      return [FaultAction(.pause, .host(gateways[Int.random(in: 0..<gateways.count, using: &random)]), for: length)]
    }
    return [action(kind, for: length)]
  }

  /// A leader is cut off for long enough that the others elect another, within reach of one gateway, often with a clock so
  /// slow that it takes its time to notice.
  private mutating func strand(_ gateway: String, _ longest: UInt64) -> [FaultAction] {
    let length = rounded(min(UInt64.random(in: 2_000_000_000...4_500_000_000, using: &random), longest))
    let strand = FaultAction(.strand(with: .host(gateway)), .storageLeader, for: length)
    if chance(40) { return [strand] }
    let rate = Int64.random(in: 500_000...900_000, using: &random)
    return [strand, FaultAction(.clockRate(partsPerMillion: -rate), .last, for: length)]
  }

  private mutating func action(_ kind: String, for length: UInt64) -> FaultAction {
    let victim = target()
    switch kind {
    case "kill": return FaultAction(.kill, chance(8) ? .all : victim, for: length)
    // A whole rack without power is what shows writes that were called durable too early.
    case "power-off": return FaultAction(.powerOff, chance(40) ? .all : victim, for: length)
    case "pause": return FaultAction(.pause, victim, for: length)
    case "isolate": return FaultAction(.isolate, victim, for: length)
    case "cut": return FaultAction(chance(50) ? .cut(to: target()) : .cutBoth(to: target()), victim, for: length)
    case "slow":
      let other = chance(50) ? FaultTarget.all : target()
      let delay = UInt64.random(in: 2...80, using: &random) * 1_000_000
      return FaultAction(.slow(to: other, nanoseconds: delay), victim, for: length)
    case "stall": return FaultAction(.stall(to: chance(30) ? .all : target()), victim, for: min(length, 1_500_000_000))
    case "reset": return FaultAction(.reset(to: chance(30) ? .all : target()), victim)
    case "disk-full": return FaultAction(.diskFull, keeper(), for: length)
    case "disk-slow":
      let delay = UInt64.random(in: 5...100, using: &random) * 1_000_000
      return FaultAction(.diskSlow(nanoseconds: delay), chance(30) ? .all : keeper(), for: length)
    case "bit-rot":
      return FaultAction(.bitRot, profile.rottingHost.map { .host($0) } ?? .random(role: "storage"), for: length)
    case "clock-rate":
      let rate = Int64.random(in: 1...300_000, using: &random)
      return FaultAction(.clockRate(partsPerMillion: chance(50) ? rate : -rate), victim, for: length)
    default:
      let step = Int64.random(in: 1...600, using: &random) * 100
      return FaultAction(.clockStep(milliseconds: chance(50) ? step : -step), victim, for: length)
    }
  }

  private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

  private mutating func kind() -> String {
    var left = Int.random(in: 0..<kinds.reduce(0) { $0 + $1.weight }, using: &random)
    for kind in kinds {
      left -= kind.weight
      if left < 0 { return kind.word }
    }
    return "kill"
  }

  /// Leaders are struck more often than their number says.
  private mutating func target() -> FaultTarget {
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1: .metadataLeader
    case 2: .storageLeader
    default: .host(hosts[Int.random(in: 0..<hosts.count, using: &random)])
    }
  }

  /// A host with a disk.
  private mutating func keeper() -> FaultTarget {
    let keepers = (profile.hosts["meta"] ?? []) + (profile.hosts["storage"] ?? [])
    guard !keepers.isEmpty else { return .random(role: "storage") }
    return .host(keepers[Int.random(in: 0..<keepers.count, using: &random)])
  }
}
