import EventLoop
import Glibc

/// A TCP connection between two hosts.
@EventLoopActor final class SimulatedConnection {
  let client: SocketEnd
  let server: SocketEnd
  unowned let network: SimulatedNetwork

  init(network: SimulatedNetwork, client: SocketEnd, server: SocketEnd) {
    self.network = network
    self.client = client
    self.server = server
    client.connection = self
    server.connection = self
    client.other = server
    server.other = client
    network.add(self)
  }

  /// The network ends it: both sides hear of it at once.
  func reset() {
    for end in [client, server] { end.fail() }
  }

  func endClosed() {
    guard client.isClosed, server.isClosed, client.isQuiet, server.isQuiet else { return }
    network.remove(self)
    client.connection = nil
    server.connection = nil
  }
}

/// One end of a connection: a socket with its buffers.
@EventLoopActor final class SocketEnd: SimulatedSocket {
  /// Bytes that the sender's and the receiver's kernel hold together, unread.
  static let capacity = 512 << 10

  private enum Packet {
    case data([UInt8])
    case end
    case reset
  }

  let process: SimulatedProcess?
  /// The host's number; 0 is the driver.
  let host: Int
  let remoteEndpoint: Endpoint?
  /// Holds both ends until both are closed.
  var connection: SimulatedConnection?
  unowned let world: Simulation
  weak var other: SocketEnd?

  var owner: (any SimulatedSocketOwner)?
  var isReading = false { didSet { if isReading, !oldValue { pumpLater() } } }
  private(set) var isClosed = false
  /// True after the loss of its machine: it does not even answer.
  private var isSilent = false
  /// The error that ended the connection, until its owner has heard of it.
  private var failure: Int32?
  private var hasFailed: Bool { failure != nil }

  // Receiving.
  private var inbox: [[UInt8]] = []
  private var hasEnded = false
  /// Packets that met a cut, and those behind them.
  private var heldBack: [Packet] = []
  private var packetsUnderWay = 0
  /// When the last packet sent to this end arrives.
  private var lastArrival: UInt64 = 0

  // Sending.
  private var unread = 0
  private var wantsRoom = false

  init(world: Simulation, process: SimulatedProcess?, remoteEndpoint: Endpoint?, opensAt: UInt64) {
    self.world = world
    self.process = process
    self.remoteEndpoint = remoteEndpoint
    host = process?.host ?? 0
    lastArrival = opensAt
  }

  /// The way on which bytes come to this end.
  var incoming: SimulatedNetwork.Link { SimulatedNetwork.Link(from: other?.host ?? 0, to: host) }

  var isQuiet: Bool { packetsUnderWay == 0 && heldBack.isEmpty }

  // MARK: - SimulatedSocket

  func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard !isClosed, let other else { return bytes.count }
    if hasFailed {
      reportFailureLater()
      return bytes.count
    }
    let room = max(0, Self.capacity - unread)
    let count = min(room, bytes.count)
    wantsRoom = count < bytes.count
    if count == 0 { return 0 }
    unread += count
    var taken = [UInt8](bytes[..<count])
    // Segments end where they please, not where messages do.
    if count > 1, world.network.happens(30_000) {
      let place = Int.random(in: 1..<count, using: &world.networkRandom)
      other.send(.data(Array(taken[..<place])))
      taken.removeFirst(place)
    }
    other.send(.data(taken))
    return count
  }

  func close() {
    if isClosed { return }
    leave()
    // A kernel that throws away bytes nobody read says so.
    other?.send(inbox.isEmpty ? .end : .reset)
    inbox = []
    connection?.endClosed()
  }

  func enableKeepalive(afterSeconds seconds: UInt64) { probeLater(after: seconds, idle: seconds, missed: 0) }

  private func probeLater(after seconds: UInt64, idle: UInt64, missed: Int) {
    world.schedule(.packet, for: nil, after: seconds * 1_000_000_000) { [weak self] in
      self?.probe(idle: idle, missed: missed)
    }
  }

  private func probe(idle: UInt64, missed: Int) {
    guard !isClosed, !hasFailed else { return }
    let isReached = !world.network.isCut(incoming) && !world.network.isCut(incoming.reversed)
    if isReached, let other, !other.isSilent || other.isMachineUp {
      // A machine that came back answers for connections it does not know.
      if other.isSilent { return fail(ECONNRESET) }
      return probeLater(after: idle, idle: idle, missed: 0)
    }
    if missed + 1 >= 10 { return fail(ETIMEDOUT) }
    probeLater(after: 1, idle: idle, missed: missed + 1)
  }

  private func leave() {
    isClosed = true
    owner = nil
  }

  // MARK: - Faults

  /// The process of this end is dead.
  func die(_ death: SimulatedHost.Death) {
    if isClosed { return }
    switch death {
    case .process: close()
    case .machine:
      leave()
      isSilent = true
      inbox = []
    }
  }

  /// The connection was reset, or is given up.
  func fail(_ error: Int32 = ECONNRESET) {
    if isClosed || hasFailed { return }
    failure = error
    inbox = []
    // Whoever does not read hears of it when it reads or writes again.
    if isReading { reportFailureLater() }
  }

  private func reportFailureLater() {
    world.schedule(.closed, for: process, after: 0) { self.reportFailure() }
  }

  private func reportFailure() {
    guard !isClosed, let failure, let owner else { return }
    leave()
    owner.socketClosed(.failed(SystemError(code: -failure, action: "read")))
    connection?.endClosed()
  }

  // MARK: - Packets to this end

  private func send(_ packet: Packet) {
    let network = world.network
    let link = incoming
    let conditions = network.conditions(of: link)
    if network.happens(conditions.resetsPerMillion) {
      connection?.reset()
      return
    }
    var bytes = 0
    if case .data(let content) = packet { bytes = content.count }
    var arrival = world.clock + network.travelTime(link, bytes: bytes)
    if network.happens(conditions.stallsPerMillion) { arrival += network.draw(conditions.stall) }
    arrival = max(arrival, lastArrival + 1)
    lastArrival = arrival
    packetsUnderWay += 1
    world.schedule(.packet, for: nil, after: arrival - world.clock) { self.arrived(packet) }
  }

  private func arrived(_ packet: Packet) {
    packetsUnderWay -= 1
    if world.network.isCut(incoming) || !heldBack.isEmpty {
      // A reset is sent once only: lost is lost.
      if case .reset = packet {} else { heldBack.append(packet) }
    } else {
      take(packet)
    }
    connection?.endClosed()
  }

  /// The cut is over: the sender's kernel sends again what was not acknowledged, when its timer fires.
  func sendAgain() {
    if !heldBack.isEmpty {
      let wait = UInt64.random(in: 1_000_000...1_500_000_000, using: &world.networkRandom)
      world.schedule(.packet, for: nil, after: wait) { self.takeHeldBack() }
    }
    other?.giveRoom()
  }

  private func takeHeldBack() {
    if world.network.isCut(incoming) { return }
    let packets = heldBack
    heldBack = []
    for packet in packets { take(packet) }
    connection?.endClosed()
  }

  private func take(_ packet: Packet) {
    if isClosed {
      if case .data = packet, !isSilent || isMachineUp { other?.send(.reset) }
      return
    }
    if hasFailed { return }
    switch packet {
    case .data(let bytes):
      inbox.append(bytes)
      pumpLater(bytes)
    case .end:
      hasEnded = true
      pumpLater()
    case .reset: fail()
    }
  }

  /// A machine that came back knows nothing of the connection and says so.
  private var isMachineUp: Bool { host == 0 || world.hosts[host - 1].isMachineUp }

  // MARK: - Delivery

  private func pumpLater(_ bytes: [UInt8] = []) {
    if isClosed { return }
    if hasFailed { return reportFailureLater() }
    world.schedule(.received, for: process, after: 0, digest: TraceHash.digest(bytes)) { self.pump() }
  }

  private func pump() {
    while isReading, !isClosed, !inbox.isEmpty {
      let bytes = inbox.removeFirst()
      other?.wasRead(bytes.count)
      bytes.withUnsafeBytes { owner?.socketReceived($0) }
    }
    guard isReading, !isClosed, hasEnded, inbox.isEmpty, let owner else { return }
    hasEnded = false
    owner.socketClosed(.endOfStream)
  }

  /// The other side read bytes of this end.
  private func wasRead(_ count: Int) {
    unread -= count
    giveRoom()
  }

  private func giveRoom() {
    guard wantsRoom, unread <= Self.capacity / 2, !isClosed, !world.network.isCut(incoming) else { return }
    wantsRoom = false
    world.schedule(.writable, for: process, after: world.network.travelTime(incoming)) { [self] in
      if !isClosed { owner?.socketBecameWritable() }
    }
  }
}
