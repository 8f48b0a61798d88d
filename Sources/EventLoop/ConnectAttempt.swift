import CUV
import Glibc

/// One attempt to connect, ended by its timeout at the latest.
@EventLoopActor final class ConnectAttempt {
  let endpoint: Endpoint
  nonisolated var action: String { "connect to \(endpoint)" }
  private var completion: (@EventLoopActor (Result<TCPConnection, SystemError>) -> Void)?
  private var handle: LibUVSocket?
  /// In a simulation, in the place of `handle`.
  private var simulated: (any SimulatedConnectAttempt)?
  private var timer: Timer?

  nonisolated init(_ endpoint: Endpoint) { self.endpoint = endpoint }

  func start(
    timeout: Duration, _ completion: @escaping @EventLoopActor (Result<TCPConnection, SystemError>) -> Void
  ) {
    self.completion = completion
    timer = Timer.once(after: timeout) {
      self.finish(.failure(SystemError(code: SystemError.timedOutCode, action: self.action)))
    }
    if let world = EventLoop.world {
      connect(world)
    } else if let address = SocketAddress(numericHost: endpoint.host, port: endpoint.port) {
      connect(address)
    } else {
      resolve()
    }
  }

  func finish(_ result: Result<TCPConnection, SystemError>) {
    guard let completion else { return }
    self.completion = nil
    timer?.cancel()
    timer = nil
    if let handle { closeHandle(handle) }
    handle = nil
    simulated?.cancel()
    simulated = nil
    completion(result)
  }

  private func resolve() {
    let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    let code = uv_getaddrinfo(
      EventLoop.shared.raw, request, hostResolved, endpoint.host, String(endpoint.port), &hints)
    if code < 0 {
      Unmanaged<ConnectAttempt>.fromOpaque(request.pointee.data).release()
      request.deallocate()
      finish(.failure(SystemError(code: code, action: action)))
    }
  }

  fileprivate func resolved(_ address: SocketAddress?, _ status: Int32) {
    guard completion != nil else { return }
    guard let address else { return finish(.failure(SystemError(code: status, action: action))) }
    connect(address)
  }

  private func connect(_ address: SocketAddress) {
    let handle = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
    let created = uv_tcp_init(EventLoop.shared.raw, handle)
    if created < 0 {
      handle.deallocate()
      return finish(.failure(SystemError(code: created, action: action)))
    }
    handle.pointee.data = nil
    self.handle = handle
    let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    let code = address.withAddress { uv_tcp_connect(request, handle, $0, connectFinished) }
    if code < 0 {
      Unmanaged<ConnectAttempt>.fromOpaque(request.pointee.data).release()
      request.deallocate()
      finish(.failure(SystemError(code: code, action: action)))
    }
  }

  fileprivate func connected(_ status: Int32) {
    guard completion != nil, let handle else { return }
    if status < 0 { return finish(.failure(SystemError(code: status, action: action))) }
    self.handle = nil
    finish(.success(TCPConnection(established: handle)))
  }

  private func connect(_ world: any SimulatedWorld) {
    simulated = world.connect(to: endpoint) { [self] result in
      simulated = nil
      finish(result.map { TCPConnection(simulated: $0) })
    }
  }
}

private func hostResolved(
  _ request: UnsafeMutablePointer<uv_getaddrinfo_t>?, _ status: Int32, _ list: UnsafeMutablePointer<addrinfo>?
) {
  guard let request, let data = request.pointee.data else { return }
  let attempt = Unmanaged<ConnectAttempt>.fromOpaque(data).takeRetainedValue()
  request.deallocate()
  var address: SocketAddress?
  if status == 0, let list, let first = list.pointee.ai_addr {
    address = SocketAddress(first, length: Int(list.pointee.ai_addrlen))
  }
  uv_freeaddrinfo(list)
  EventLoopActor.assumeIsolated { attempt.resolved(address, status) }
}

private func connectFinished(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
  guard let request, let data = request.pointee.data else { return }
  let attempt = Unmanaged<ConnectAttempt>.fromOpaque(data).takeRetainedValue()
  request.deallocate()
  EventLoopActor.assumeIsolated { attempt.connected(status) }
}
