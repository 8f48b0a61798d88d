import EventLoop
import Testing

@Suite struct TCPTests {
  @Test func bytesComeBackAndCloseIsReportedOnce() async throws {
    let total = 5_000_000
    let received = try await echo(total)
    #expect(received == total)
  }

  @EventLoopActor private func echo(_ total: Int) async throws -> Int {
    let listener = try TCPListener(host: "127.0.0.1", port: 0) { connection in
      connection.onRead = { connection.write($0) }
    }
    defer { listener.close() }
    let connection = try await TCPConnection.connect(to: listener.endpoint)
    let log = Log()
    let count: Int = await withCheckedContinuation { continuation in
      var received = 0
      connection.onRead = {
        received += $0.count
        if received == total {
          connection.close("done")
          connection.close("again")
        }
      }
      connection.onClose = { reason in
        log.entries.append(1)
        #expect(reason == .local("done"))
        continuation.resume(returning: received)
      }
      connection.write([UInt8](repeating: 7, count: total))
      #expect(!connection.isWritable)
    }
    #expect(log.entries == [1])
    return count
  }

  /// The kernel may take everything at once: who saw that the connection was full is told all the same.
  @Test func aFullConnectionThatEmptiesAtOnceReportsIt() async throws {
    try await drainAtOnce()
  }

  @EventLoopActor private func drainAtOnce() async throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0) { connection in connection.onRead = { _ in } }
    defer { listener.close() }
    let connection = try await TCPConnection.connect(to: listener.endpoint)
    connection.highWaterMarkBytes = 1000
    await withCheckedContinuation { continuation in
      connection.onDrain = { continuation.resume() }
      connection.write([UInt8](repeating: 7, count: 1000))
      #expect(!connection.isWritable)
    }
    connection.close("done")
  }

  @Test func refusedConnectionIsAnError() async {
    await #expect(throws: SystemError.self) { try await connectToClosedPort() }
  }

  @EventLoopActor private func connectToClosedPort() async throws {
    let listener = try TCPListener(host: "127.0.0.1", port: 0) { _ in }
    let endpoint = listener.endpoint
    listener.close()
    _ = try await TCPConnection.connect(to: endpoint)
  }

  @Test func pausedReaderSlowsTheWriter() async throws {
    try await pauseAndResume()
  }

  @EventLoopActor private func pauseAndResume() async throws {
    var accepted: TCPConnection?
    let listener = try TCPListener(host: "127.0.0.1", port: 0) { connection in
      connection.pauseReading()
      connection.onRead = { connection.write($0) }
      accepted = connection
    }
    defer { listener.close() }
    let connection = try await TCPConnection.connect(to: listener.endpoint)
    let total = 32 << 20
    connection.write([UInt8](repeating: 1, count: total))
    // Until the kernel's buffers are full and take no more.
    var last = total + 1
    while connection.pendingBytes < last {
      last = connection.pendingBytes
      try await EventLoop.sleep(for: .milliseconds(20))
    }
    #expect(connection.pendingBytes > 0)
    let received: Int = await withCheckedContinuation { continuation in
      var received = 0
      connection.onRead = {
        received += $0.count
        if received == total { continuation.resume(returning: received) }
      }
      accepted?.resumeReading()
    }
    #expect(received == total)
    connection.close("done")
  }

  @Test(arguments: [("127.0.0.1:80", true), ("[::1]:80", true), ("::1:80", false), ("a:65536", false), (":1", false)])
  func endpointsAreParsed(text: String, isValid: Bool) {
    #expect((Endpoint(text) != nil) == isValid)
    if isValid { #expect(Endpoint(text)?.description == text) }
  }
}
