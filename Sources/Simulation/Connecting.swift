import EventLoop
import Glibc

/// A listening port.
@EventLoopActor final class Listener: SimulatedListener {
  let endpoint: Endpoint
  let process: SimulatedProcess?
  private weak var host: SimulatedHost?
  var accept: (@EventLoopActor (any SimulatedSocket) -> Void)?

  init(
    endpoint: Endpoint, process: SimulatedProcess?, host: SimulatedHost,
    accept: @escaping @EventLoopActor (any SimulatedSocket) -> Void
  ) {
    self.endpoint = endpoint
    self.process = process
    self.host = host
    self.accept = accept
  }

  func close() {
    if accept == nil { return }
    accept = nil
    if host?.listeners[endpoint.port] === self { host?.listeners[endpoint.port] = nil }
  }
}

extension Simulation {
  /// The driver has no machine and cannot listen.
  public func listen(
    host name: String, port: UInt16, accept: @escaping @EventLoopActor (any SimulatedSocket) -> Void
  ) throws(SystemError) -> any SimulatedListener {
    let action = "listen on \(name):\(port)"
    guard let host = currentHost, network.host(name, from: host) === host else {
      throw SystemError(code: -EADDRNOTAVAIL, action: action)
    }
    if host.listeners[port] != nil { throw SystemError(code: -EADDRINUSE, action: action) }
    let endpoint = Endpoint(host: name == "0.0.0.0" ? host.address : name, port: port == 0 ? host.freePort() : port)
    let listener = Listener(endpoint: endpoint, process: SimulatedProcess.current, host: host, accept: accept)
    host.listeners[endpoint.port] = listener
    return listener
  }

  public func connect(
    to endpoint: Endpoint, completion: @escaping @EventLoopActor (Result<any SimulatedSocket, SystemError>) -> Void
  ) -> any SimulatedConnectAttempt {
    let attempt = ConnectAttempt(world: self, to: endpoint, completion: completion)
    attempt.start()
    return attempt
  }
}

/// The handshake: SYN, SYN-ACK, ACK, each of which a cut may lose; the first is sent again after 1, 2, 4, … seconds.
@EventLoopActor private final class ConnectAttempt: SimulatedConnectAttempt {
  private unowned let world: Simulation
  private let endpoint: Endpoint
  private let process = SimulatedProcess.current
  private var completion: (@EventLoopActor (Result<any SimulatedSocket, SystemError>) -> Void)?
  private var wait: UInt64 = 1_000_000_000

  init(
    world: Simulation, to endpoint: Endpoint,
    completion: @escaping @EventLoopActor (Result<any SimulatedSocket, SystemError>) -> Void
  ) {
    self.world = world
    self.endpoint = endpoint
    self.completion = completion
  }

  func cancel() { completion = nil }

  func start() {
    guard let target = world.network.host(endpoint.host, from: world.currentHost) else {
      return complete(after: 0, .failure(error(EHOSTUNREACH)))
    }
    knock(target)
  }

  private func error(_ number: Int32) -> SystemError { SystemError(code: -number, action: "connect to \(endpoint)") }

  private func complete(after nanoseconds: UInt64, _ result: Result<any SimulatedSocket, SystemError>) {
    world.schedule(.connected, for: process, after: nanoseconds) { [self] in
      guard let completion else {
        if case .success(let socket) = result { socket.close() }
        return
      }
      self.completion = nil
      completion(result)
    }
  }

  private func knock(_ target: SimulatedHost) {
    let network = world.network
    let link = SimulatedNetwork.Link(from: process?.host ?? 0, to: target.number)
    world.schedule(.packet, for: nil, after: network.travelTime(link)) { [self] in
      if completion == nil { return }
      if network.isCut(link) || network.isCut(link.reversed) || !target.isMachineUp { return knockAgain(target) }
      let back = network.travelTime(link.reversed)
      guard let listener = target.listeners[endpoint.port] else {
        return complete(after: back, .failure(error(ECONNREFUSED)))
      }
      open(listener, target, back, back + network.travelTime(link))
    }
  }

  private func knockAgain(_ target: SimulatedHost) {
    let pause = wait
    wait *= 2
    world.schedule(.packet, for: nil, after: pause) { [self] in
      if completion != nil, process.map(world.isAlive) ?? true { knock(target) }
    }
  }

  private func open(_ listener: Listener, _ target: SimulatedHost, _ back: UInt64, _ there: UInt64) {
    let from = process.map { world.host($0) }
    let own = Endpoint(host: from?.address ?? "10.255.255.1", port: from?.freePort() ?? 40_000)
    let clock = world.clock
    let client = SocketEnd(world: world, process: process, remoteEndpoint: endpoint, opensAt: clock + back)
    let server = SocketEnd(world: world, process: listener.process, remoteEndpoint: own, opensAt: clock + there)
    _ = SimulatedConnection(network: world.network, client: client, server: server)
    world.schedule(.accepted, for: listener.process, after: there) {
      if let accept = listener.accept { accept(server) } else { server.close() }
    }
    complete(after: back, .success(client))
  }
}
