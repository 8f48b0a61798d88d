import CUV
import Glibc

/// A listening TCP socket.
@EventLoopActor public final class TCPListener {
  /// The address it is bound to; the port is the real one when 0 was asked for.
  public let endpoint: Endpoint
  private var handle: UnsafeMutablePointer<uv_tcp_t>?
  /// In a simulation, in the place of `handle`.
  private var simulated: (any SimulatedListener)?
  private var onConnection: (@EventLoopActor (TCPConnection) -> Void)?

  /// Binds and listens. `onConnection` gets each accepted connection and must set its callbacks before it returns.
  public init(
    host: String, port: UInt16, backlog: Int32 = 1024,
    onConnection: @escaping @EventLoopActor (TCPConnection) -> Void
  ) throws(SystemError) {
    if let world = EventLoop.world {
      let listener = try world.listen(host: host, port: port) { onConnection(TCPConnection(simulated: $0)) }
      endpoint = listener.endpoint
      simulated = listener
      return
    }
    let action = "listen on \(host):\(port)"
    let address = try SocketAddress.resolveBlocking(host: host, port: port)
    let handle = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
    let created = uv_tcp_init(EventLoop.shared.raw, handle)
    if created < 0 {
      handle.deallocate()
      throw SystemError(code: created, action: action)
    }
    handle.pointee.data = nil
    var code = address.withAddress { uv_tcp_bind(handle, $0, 0) }
    if code == 0 { code = uv_listen(streamHandle(handle), backlog, listenerReady) }
    var bound = sockaddr_storage()
    var length = Int32(MemoryLayout<sockaddr_storage>.size)
    if code == 0 {
      code = withUnsafeMutablePointer(to: &bound) {
        uv_tcp_getsockname(handle, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self), &length)
      }
    }
    let real = withUnsafePointer(to: bound) {
      SocketAddress(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length: Int(length)).endpoint
    }
    guard code == 0, let real else {
      closeHandle(handle)
      throw SystemError(code: code, action: action)
    }
    endpoint = real
    self.handle = handle
    self.onConnection = onConnection
    handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
  }

  /// Accepts nothing more; established connections live on.
  public func close() {
    simulated?.close()
    simulated = nil
    guard let handle else { return }
    self.handle = nil
    onConnection = nil
    closeHandle(handle)
  }

  fileprivate func accept() {
    guard let handle, let onConnection else { return }
    guard let connection = TCPConnection(acceptedFrom: handle) else { return }
    onConnection(connection)
  }
}

private func listenerReady(_ stream: UnsafeMutablePointer<uv_stream_t>?, _ status: Int32) {
  guard status == 0, let data = stream?.pointee.data else { return }
  let listener = Unmanaged<TCPListener>.fromOpaque(data).takeUnretainedValue()
  EventLoopActor.assumeIsolated { listener.accept() }
}

func streamHandle(_ handle: UnsafeMutablePointer<uv_tcp_t>) -> UnsafeMutablePointer<uv_stream_t> {
  UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_stream_t.self)
}
