import CUV
import Glibc

typealias LibUVSocket = UnsafeMutablePointer<uv_tcp_t>

/// A connection over a socket of libuv, whose handle holds it until it is closed.
extension TCPConnection {
  convenience init(established socket: LibUVSocket) {
    uv_tcp_nodelay(socket, 1)
    self.init(.libuv(socket), remoteEndpoint: Self.remoteEndpoint(of: socket))
    socket.pointee.data = Unmanaged.passRetained(self).toOpaque()
  }

  convenience init?(acceptedFrom listener: LibUVSocket) {
    let handle = LibUVSocket.allocate(capacity: 1)
    guard uv_tcp_init(EventLoop.shared.raw, handle) == 0 else {
      handle.deallocate()
      return nil
    }
    handle.pointee.data = nil
    guard uv_accept(streamHandle(listener), streamHandle(handle)) == 0 else {
      closeHandle(handle)
      return nil
    }
    self.init(established: handle)
  }

  private static func remoteEndpoint(of socket: LibUVSocket) -> Endpoint? {
    var storage = sockaddr_storage()
    var length = Int32(MemoryLayout<sockaddr_storage>.size)
    let code = withUnsafeMutablePointer(to: &storage) {
      uv_tcp_getpeername(socket, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self), &length)
    }
    if code != 0 { return nil }
    return withUnsafePointer(to: storage) {
      SocketAddress(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length: Int(length)).endpoint
    }
  }

  // MARK: - Reading

  func setReading(_ socket: LibUVSocket, _ isWanted: Bool) {
    if isWanted {
      uv_read_start(streamHandle(socket), provideReadBuffer, bytesArrived)
    } else {
      uv_read_stop(streamHandle(socket))
    }
  }

  fileprivate func received(_ count: Int, _ base: UnsafeMutableRawPointer?) {
    if count > 0 {
      onRead?(UnsafeRawBufferPointer(start: base, count: count))
    } else if count == Int(UV_EOF.rawValue) {
      finish(.endOfStream)
    } else if count < 0 {
      finish(.failed(SystemError(code: Int32(truncatingIfNeeded: count), action: "read")))
    }
  }

  // MARK: - Writing

  /// Hands to the kernel what it takes at once; libuv keeps the rest and reports when it is written.
  func flush(_ socket: LibUVSocket) {
    if inFlight.count > 0 { return }
    while outgoing.count > 0 {
      let code = withBuffers(outgoing) { uv_try_write(streamHandle(socket), $0, $1) }
      if code > 0 {
        outgoing.removeFirst(Int(code))
      } else if code == UV_EAGAIN.rawValue {
        startWrite(socket)
        break
      } else {
        finish(.failed(SystemError(code: code, action: "write")))
        return
      }
    }
    noteProgress()
  }

  private func startWrite(_ socket: LibUVSocket) {
    swap(&inFlight, &outgoing)
    let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    let code = withBuffers(inFlight, all: true) { uv_write(request, streamHandle(socket), $0, $1, writeFinished) }
    if code < 0 {
      Unmanaged<TCPConnection>.fromOpaque(request.pointee.data).release()
      request.deallocate()
      finish(.failed(SystemError(code: code, action: "write")))
    }
  }

  fileprivate func writeDone(_ status: Int32) {
    inFlight.deallocate()
    guard isOpen else { return }
    if status < 0 {
      finish(.failed(SystemError(code: status, action: "write")))
    } else {
      flush()
    }
  }

  private func withBuffers(
    _ bytes: OutgoingBytes, all: Bool = false, _ body: (UnsafePointer<uv_buf_t>?, UInt32) -> Int32
  ) -> Int32 {
    let count = all ? bytes.blocks.count : min(bytes.blocks.count, 64)
    return withUnsafeTemporaryAllocation(of: uv_buf_t.self, capacity: count) { buffers in
      for index in 0..<count {
        let block = bytes.blocks[index]
        let base = (block.base + block.start).assumingMemoryBound(to: CChar.self)
        buffers[index] = uv_buf_t(base: base, len: block.end - block.start)
      }
      return body(UnsafePointer(buffers.baseAddress), UInt32(count))
    }
  }
}

// MARK: - libuv's callbacks

private let readBufferSize = 256 << 10
/// One buffer for all connections: it is used up before the callback returns.
private nonisolated(unsafe) let readBuffer = UnsafeMutableRawPointer.allocate(byteCount: readBufferSize, alignment: 16)

private func provideReadBuffer(
  _: UnsafeMutablePointer<uv_handle_t>?, _: Int, _ buffer: UnsafeMutablePointer<uv_buf_t>?
) {
  buffer?.pointee = uv_buf_t(base: readBuffer.assumingMemoryBound(to: CChar.self), len: readBufferSize)
}

private func bytesArrived(
  _ stream: UnsafeMutablePointer<uv_stream_t>?, _ count: Int, _: UnsafePointer<uv_buf_t>?
) {
  guard let data = stream?.pointee.data else { return }
  let connection = Unmanaged<TCPConnection>.fromOpaque(data).takeUnretainedValue()
  EventLoopActor.assumeIsolated { connection.received(count, readBuffer) }
}

private func writeFinished(_ request: UnsafeMutablePointer<uv_write_t>?, _ status: Int32) {
  guard let request, let data = request.pointee.data else { return }
  let connection = Unmanaged<TCPConnection>.fromOpaque(data).takeRetainedValue()
  request.deallocate()
  EventLoopActor.assumeIsolated { connection.writeDone(status) }
}
