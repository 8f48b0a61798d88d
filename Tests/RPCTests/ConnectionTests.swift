import Basics
import EventLoop
import Testing
import Wire

@testable import RPC

@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
  @Test func gracefulShutdownLetsCallsFinish() async throws {
    try await withEcho { echo in
      let stream = echo.channel.openStream(EchoService.chat)
      try await stream.send(RawMessage(bytes: [1]))
      _ = try await stream.receive()
      let shutdown = Task { @EventLoopActor in await echo.server.shutdown(graceful: .seconds(30)) }
      while echo.channel.state == .ready { try await EventLoop.sleep(for: .milliseconds(1)) }
      try await stream.send(RawMessage(bytes: [2]))
      let answer = try await stream.receive()
      #expect(answer?.bytes == [2])
      stream.finishSending()
      let end = try await stream.receive()
      #expect(end == nil)
      await shutdown.value
      let error = await #expect(throws: RPCError.self) {
        try await echo.channel.call(EchoService.fast, RawMessage(), deadline: .seconds(5))
      }
      #expect(error?.status == .unavailable)
      #expect(error?.wasNotSent == true)
    }
  }

  @Test func shutdownIsBounded() async throws {
    try await withEcho { echo in
      let task = Task { @EventLoopActor in
        try await echo.channel.call(EchoService.never, RawMessage(), deadline: nil)
      }
      await echo.entered.wait()
      await echo.server.shutdown(graceful: .milliseconds(20))
      let error = await #expect(throws: RPCError.self) { try await task.value }
      #expect(error?.status == .unavailable)
      #expect(error?.wasNotSent == false)
      await echo.cancelled.wait()
    }
  }

  @Test func channelReconnectsAndReportsItsStates() async throws {
    try await reconnect()
  }

  @EventLoopActor private func reconnect() async throws {
    let first = try EchoFixture()
    _ = try await first.channel.call(EchoService.fast, RawMessage())
    let lost = Event()
    let ready = Event()
    first.channel.onStateChange { state in
      if state == .transientFailure { lost.fire() }
      if state == .ready { ready.fire() }
    }
    await first.server.shutdown(graceful: .zero)
    await lost.wait()
    let refused = await #expect(throws: RPCError.self) {
      try await first.channel.call(EchoService.fast, RawMessage())
    }
    #expect(refused?.status == .unavailable && refused?.wasNotSent == true)
    let second = RPCServer()
    second.handleFast(EchoService.fast) { request, reply in reply.succeed(request) }
    try second.listen(port: first.endpoint.port)
    await ready.wait()
    _ = try await first.channel.call(EchoService.fast, RawMessage())
    await first.stop()
    await second.shutdown(graceful: .zero)
  }

  @Test func patientCallsWaitForTheServer() async throws {
    try await waitForServer()
  }

  @EventLoopActor private func waitForServer() async throws {
    let probe = try EchoFixture()
    let port = probe.endpoint.port
    await probe.stop()
    var options = RPCChannelOptions()
    options.failFast = false
    let channel = RPCChannel(Endpoint(host: "127.0.0.1", port: port), options: options)
    let late = await #expect(throws: RPCError.self) {
      try await channel.call(EchoService.fast, RawMessage(), deadline: .milliseconds(30))
    }
    #expect(late?.status == .deadlineExceeded && late?.wasNotSent == true)
    // Runs to its first wait at once: the call is made before there is a server.
    let call = Task.immediate { @EventLoopActor in try await channel.call(EchoService.fast, RawMessage(bytes: [9])) }
    let server = RPCServer()
    server.handleFast(EchoService.fast) { request, reply in reply.succeed(request) }
    try server.listen(port: port)
    let answer = try await call.value
    #expect(answer.bytes == [9])
    channel.close()
    await server.shutdown(graceful: .zero)
  }

  @Test func keepaliveFindsADeadPeer() async throws {
    try await deadPeer()
  }

  /// The peer speaks HTTP/2 until the connection stands, then falls silent.
  @EventLoopActor private func deadPeer() async throws {
    let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    let listener = try TCPListener(host: "127.0.0.1", port: 0) { connection in
      connection.onRead = { _ in }
      connection.write(settings)
    }
    var options = RPCChannelOptions()
    options.keepaliveInterval = .milliseconds(20)
    options.keepaliveTimeout = .milliseconds(40)
    let channel = RPCChannel(listener.endpoint, options: options)
    let error = await #expect(throws: RPCError.self) {
      try await channel.call(EchoService.fast, RawMessage(), deadline: .seconds(30))
    }
    #expect(error?.status == .unavailable)
    #expect(error?.message.contains("keepalive") == true)
    channel.close()
    listener.close()
  }

  @Test func silentClientIsDisconnected() async throws {
    var options = RPCServerOptions()
    options.handshakeTimeout = .milliseconds(30)
    try await withEcho(options) { echo in
      let reason = try await send([], to: echo)
      #expect(reason == .endOfStream)
    }
  }

  @Test(arguments: [
    Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8),
    [UInt8](repeating: 0xff, count: 5000),
    Self.preface + [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1],  // a frame of 16 MiB
    Self.preface + [0, 0, 0, 4, 0, 0, 0, 0, 0] + [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // WINDOW_UPDATE by zero
    Self.preface + [0, 0, 0, 4, 0, 0, 0, 0, 0] + [0, 0, 3, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff],  // HPACK garbage
  ])
  func garbageClosesTheConnectionOnly(bytes: [UInt8]) async throws {
    try await withEcho { echo in
      let reason = try await send(bytes, to: echo)
      #expect(reason == .endOfStream)
      _ = try await echo.channel.call(EchoService.fast, RawMessage())
    }
  }

  @Test func randomFramesDoNotHarmTheServer() async throws {
    try await withEcho { echo in
      var generator = SeededGenerator(seed: 11)
      for _ in 0..<200 {
        var bytes = Self.preface + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        for _ in 0..<Int.random(in: 1...20, using: &generator) {
          let length = UInt8.random(in: 0...40, using: &generator)
          bytes += [
            0, 0, length, UInt8.random(in: 0...10, using: &generator), UInt8.random(in: 0...255, using: &generator),
          ]
          bytes += [0, 0, 0, UInt8.random(in: 0...9, using: &generator)]
          bytes += (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        let connection = try await TCPConnection.connect(to: echo.endpoint)
        connection.write(bytes)
        connection.closeAfterWriting("sent")
      }
      _ = try await echo.channel.call(EchoService.fast, RawMessage())
    }
  }

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  /// Sends bytes on a connection of their own and waits until the server closes it.
  @EventLoopActor private func send(_ bytes: [UInt8], to echo: EchoFixture) async throws -> CloseReason {
    let connection = try await TCPConnection.connect(to: echo.endpoint)
    return await withCheckedContinuation { continuation in
      connection.onRead = { _ in }
      connection.onClose = { reason in
        // A reset is as good as an end: the server closed with bytes unread.
        if case .failed = reason {
          continuation.resume(returning: .endOfStream)
        } else {
          continuation.resume(returning: reason)
        }
      }
      connection.write(bytes)
    }
  }
}
