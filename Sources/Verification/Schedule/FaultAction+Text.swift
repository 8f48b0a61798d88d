extension FaultTarget: CustomStringConvertible {
  public var description: String {
    switch self {
    case .host(let name): name
    case .metadataLeader: "meta-leader"
    case .storageLeader: "storage-leader"
    case .random(let role): "random-\(role ?? "host")"
    case .last: "last"
    case .all: "all"
    }
  }

  /// Every word that is none of the others is the name of a host.
  init(word: String) {
    switch word {
    case "meta-leader": self = .metadataLeader
    case "storage-leader": self = .storageLeader
    case "random-host": self = .random(role: nil)
    case "last": self = .last
    case "all": self = .all
    default:
      let role = Self.roles.first { word == "random-\($0)" }
      self = role.map { .random(role: $0) } ?? .host(word)
    }
  }
}

extension FaultAction: CustomStringConvertible {
  public var description: String {
    let words: [String] =
      switch kind {
      case .kill: ["kill", "\(target)"]
      case .powerOff: ["power-off", "\(target)"]
      case .restart: ["restart", "\(target)"]
      case .pause: ["pause", "\(target)"]
      case .resume: ["resume", "\(target)"]
      case .cut(let other): ["cut", "\(target)", "->", "\(other)"]
      case .cutBoth(let other): ["cut", "\(target)", "<->", "\(other)"]
      case .isolate: ["isolate", "\(target)"]
      case .strand(let other): ["strand", "\(target)", "with", "\(other)"]
      case .heal: ["heal"]
      case .slow(let other, let time): ["slow", "\(target)", "<->", "\(other)", "by", Self.print(time)]
      case .stall(let other): ["stall", "\(target)", "->", "\(other)"]
      case .reset(let other): ["reset", "\(target)", "<->", "\(other)"]
      case .diskFull: ["disk-full", "\(target)"]
      case .diskSlow(let time): ["disk-slow", "\(target)", "by", Self.print(time)]
      case .diskOK: ["disk-ok", "\(target)"]
      case .bitRot: ["bit-rot", "\(target)"]
      case .clockRate(let rate): ["clock-rate", "\(target)", "by", "\(rate)ppm"]
      case .clockStep(let step): ["clock-step", "\(target)", "by", "\(step)ms"]
      }
    return (words + (duration.map { ["for", Self.print($0)] } ?? [])).joined(separator: " ")
  }

  /// The shortest whole number of a unit.
  static func print(_ nanoseconds: UInt64) -> String {
    if nanoseconds % 1_000_000_000 == 0 { return "\(nanoseconds / 1_000_000_000)s" }
    if nanoseconds % 1_000_000 == 0 { return "\(nanoseconds / 1_000_000)ms" }
    if nanoseconds % 1_000 == 0 { return "\(nanoseconds / 1_000)us" }
    return "\(nanoseconds)ns"
  }

  init(_ words: inout ScheduleWords) throws(ScheduleError) {
    let verb = try words.next("an action")
    let target = verb == "heal" ? FaultTarget.all : FaultTarget(word: try words.next("a host"))
    let kind: FaultKind
    switch verb {
    case "heal": kind = .heal
    case "kill": kind = .kill
    case "power-off": kind = .powerOff
    case "restart": kind = .restart
    case "pause": kind = .pause
    case "resume": kind = .resume
    case "isolate": kind = .isolate
    case "strand":
      try words.expect("with")
      kind = .strand(with: FaultTarget(word: try words.next("a host")))
    case "cut":
      let arrow = try words.arrow(["->", "<->"])
      let other = FaultTarget(word: try words.next("a host"))
      kind = arrow == "->" ? .cut(to: other) : .cutBoth(to: other)
    case "slow":
      _ = try words.arrow(["<->"])
      let other = FaultTarget(word: try words.next("a host"))
      try words.expect("by")
      kind = .slow(to: other, nanoseconds: try words.time())
    case "stall":
      _ = try words.arrow(["->"])
      kind = .stall(to: FaultTarget(word: try words.next("a host")))
    case "reset":
      _ = try words.arrow(["<->"])
      kind = .reset(to: FaultTarget(word: try words.next("a host")))
    case "disk-full": kind = .diskFull
    case "disk-slow":
      try words.expect("by")
      kind = .diskSlow(nanoseconds: try words.time())
    case "disk-ok": kind = .diskOK
    case "bit-rot": kind = .bitRot
    case "clock-rate":
      try words.expect("by")
      kind = .clockRate(partsPerMillion: try words.number(suffix: "ppm"))
    case "clock-step":
      try words.expect("by")
      kind = .clockStep(milliseconds: try words.signedMilliseconds())
    default: throw words.error("there is no action \(verb)")
    }
    self.init(kind, target, for: words.skip("for") ? try words.time() : nil)
  }
}
