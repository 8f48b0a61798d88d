import Basics
import EventLoop

/// The network between the hosts: who reaches whom, how fast, and what goes wrong.
///
/// Only TCP is seen from above, so what a fault does is what TCP makes of it: lost segments are delay, a cut is silence
/// until it heals and then delay, a reset loses what is in flight.
@EventLoopActor public final class SimulatedNetwork {
  unowned let world: Simulation
  private var conditions: [Link: LinkConditions] = [:]
  private var cuts: Set<Link> = []
  /// All connections, in the order they were made.
  private var connections: [SimulatedConnection] = []

  init(world: Simulation) { self.world = world }

  /// A way from one host to another; 0 is the driver.
  struct Link: Hashable {
    let from: Int
    let to: Int
    var reversed: Link { Link(from: to, to: from) }
  }

  // MARK: - Faults

  /// Gives the way from one host to another conditions of its own; nil takes them away.
  public func setConditions(_ new: LinkConditions?, from: SimulatedHost, to: SimulatedHost) {
    conditions[Link(from: from.number, to: to.number)] = new
  }

  /// Nothing arrives from `from` at `to` until `heal`; the other direction works.
  public func cut(from: SimulatedHost, to: SimulatedHost) {
    world.note("cut \(from.name) > \(to.name)")
    cuts.insert(Link(from: from.number, to: to.number))
  }

  /// Nothing passes between `some` and all hosts that are not among them.
  public func isolate(_ some: [SimulatedHost]) {
    let inside = Set(some.map(\.number))
    for one in some {
      for other in world.hosts where !inside.contains(other.number) {
        cut(from: one, to: other)
        cut(from: other, to: one)
      }
    }
  }

  /// Removes the cut in this direction.
  public func heal(from: SimulatedHost, to: SimulatedHost) {
    world.note("heal \(from.name) > \(to.name)")
    if cuts.remove(Link(from: from.number, to: to.number)) != nil { healed() }
  }

  /// Removes all cuts.
  public func healAll() {
    if cuts.isEmpty { return }
    world.note("heal")
    cuts = []
    healed()
  }

  /// True when something can arrive.
  public func isReachable(from: SimulatedHost, to: SimulatedHost) -> Bool {
    !cuts.contains(Link(from: from.number, to: to.number))
  }

  /// Both ends of every connection between the two hosts hear of a reset; bytes in flight are lost.
  public func resetConnections(between one: SimulatedHost, and other: SimulatedHost) {
    world.note("reset \(one.name) = \(other.name)")
    let pair: Set<Int> = [one.number, other.number]
    for connection in connections where Set([connection.client.host, connection.server.host]) == pair {
      connection.reset()
    }
  }

  private func healed() {
    for connection in connections {
      for end in [connection.client, connection.server] where !isCut(end.incoming) { end.sendAgain() }
    }
  }

  // MARK: - For connections

  func isCut(_ link: Link) -> Bool { cuts.contains(link) }

  func conditions(of link: Link) -> LinkConditions {
    link.from == link.to ? .loopback : conditions[link] ?? world.options.link
  }

  /// Nanoseconds that `bytes` need on a link, without faults.
  func travelTime(_ link: Link, bytes: Int = 64) -> UInt64 {
    let conditions = conditions(of: link)
    let transfer = UInt64(bytes) * 1_000_000_000 / max(1, conditions.bytesPerSecond)
    return draw(conditions.latency) + transfer
  }

  /// True once in a while: `perMillion` of a million times.
  func happens(_ perMillion: Int) -> Bool {
    perMillion > 0 && Int.random(in: 0..<1_000_000, using: &world.networkRandom) < perMillion
  }

  func draw(_ range: ClosedRange<Duration>) -> UInt64 {
    let (low, high) = (range.lowerBound.wholeNanoseconds, range.upperBound.wholeNanoseconds)
    return UInt64.random(in: low...max(low, high), using: &world.networkRandom)
  }

  func add(_ connection: SimulatedConnection) { connections.append(connection) }
  func remove(_ connection: SimulatedConnection) { connections.removeAll { $0 === connection } }

  /// The process is dead: its ends of all connections go.
  func closeAll(of process: SimulatedProcess, _ death: SimulatedHost.Death) {
    for connection in connections {
      for end in [connection.client, connection.server] where end.process == process { end.die(death) }
    }
  }

  /// The host behind a name or an address, as the asking host sees it.
  func host(_ text: String, from asking: SimulatedHost?) -> SimulatedHost? {
    if text == "127.0.0.1" || text == "localhost" || text == "0.0.0.0" { return asking }
    return world.hosts.first { $0.address == text || $0.name == text }
  }
}
