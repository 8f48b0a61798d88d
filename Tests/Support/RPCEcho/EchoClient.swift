import EventLoop
import RPC
import Wire

/// Checks a server of another make; prints a line for each check.
@EventLoopActor final class EchoClient {
  private let channel: RPCChannel
  private var failures = 0

  nonisolated init(_ endpoint: Endpoint) {
    var options = RPCChannelOptions()
    // Other servers take frequent pings for an attack.
    options.keepaliveInterval = .seconds(60)
    channel = RPCChannel(endpoint, options: options)
  }

  func run() async -> Int32 {
    await check("unary") { try await self.echo(10) }
    await check("unary of 3 MB") { try await self.echo(3_000_000) }
    await check("status, text and trailers", failure)
    await check("deadline") { try await self.ends(with: .deadlineExceeded, after: .milliseconds(200)) }
    await check("cancellation reaches the server", cancellation)
    await check("server stream", serverStream)
    await check("client stream", clientStream)
    await check("bidirectional stream", chat)
    await check("unknown method") {
      let method = RPCMethod<RawMessage, RawMessage>("/test.Echo/Missing", .unary)
      try await self.expect(.unimplemented) { _ = try await self.channel.call(method, RawMessage()) }
    }
    channel.close()
    return failures == 0 ? 0 : 1
  }

  private struct Mismatch: Error { let text: String }

  private func check(_ name: String, _ body: @EventLoopActor () async throws -> Void) async {
    do {
      try await body()
      print("ok   swift client: \(name)")
    } catch {
      failures += 1
      print("FAIL swift client: \(name): \(error)")
    }
  }

  private func require(_ condition: Bool, _ text: String) throws {
    if !condition { throw Mismatch(text: text) }
  }

  private func expect(_ status: RPCStatus, _ body: @EventLoopActor () async throws -> Void) async throws {
    do { try await body() } catch let error as RPCError where error.status == status { return }
    throw Mismatch(text: "expected \(status)")
  }

  private func echo(_ count: Int) async throws {
    let request = RawMessage(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0) })
    let answer = try await channel.call(EchoService.unary, request)
    try require(answer == request, "another message came back")
  }

  private func failure() async throws {
    let text = "nicht möglich: 100 %\n"
    do throws(RPCError) {
      _ = try await channel.call(
        EchoService.fail, RawMessage(bytes: Array(text.utf8)), metadata: ["question": "why"])
    } catch {
      try require(error.status == .failedPrecondition && error.message == text, "\(error)")
      try require(error.trailers["theseus-leader"] == "h:1" && error.trailers["seen"] == "why", "\(error.trailers)")
      return
    }
    throw Mismatch(text: "no error")
  }

  private func ends(with status: RPCStatus, after deadline: Duration) async throws {
    try await expect(status) {
      _ = try await self.channel.call(EchoService.sleep, RawMessage(), deadline: deadline)
    }
  }

  private func cancellation() async throws {
    let before = try await number(EchoService.cancelled)
    let sleeping = try await number(EchoService.sleeping)
    let task = Task { @EventLoopActor in
      _ = try await self.channel.call(EchoService.sleep, RawMessage(), deadline: .seconds(60))
    }
    try await grows(EchoService.sleeping, above: sleeping, or: "the call did not arrive")
    task.cancel()
    try await expect(.cancelled) { try await task.value }
    try await grows(EchoService.cancelled, above: before, or: "the server was not told")
  }

  private func grows(
    _ method: RPCMethod<RawMessage, RawMessage>, above before: Int, or complaint: String
  ) async throws {
    for _ in 0..<200 {
      if try await number(method) > before { return }
      try await EventLoop.sleep(for: .milliseconds(10))
    }
    throw Mismatch(text: complaint)
  }

  private func number(_ method: RPCMethod<RawMessage, RawMessage>) async throws -> Int {
    let answer = try await channel.call(method, RawMessage())
    return Int(String(decoding: answer.bytes, as: UTF8.self)) ?? -1
  }

  private func serverStream() async throws {
    let stream = channel.openServerStream(EchoService.count, RawMessage(bytes: Array("1000".utf8)))
    var next = 0
    while let message = try await stream.receive() {
      try require(String(decoding: message.bytes, as: UTF8.self) == String(next), "out of order")
      next += 1
    }
    try require(next == 1000, "\(next) messages")
  }

  private func clientStream() async throws {
    let stream = channel.openStream(EchoService.total)
    for _ in 0..<100 { try await stream.send(RawMessage(bytes: [UInt8](repeating: 1, count: 50_000))) }
    stream.finishSending()
    let answer = try await stream.receive()
    try require(answer?.bytes == Array("5000000".utf8), "wrong total")
    let end = try await stream.receive()
    try require(end == nil, "more than one answer")
  }

  private func chat() async throws {
    let stream = channel.openStream(EchoService.chat, deadline: .seconds(30))
    for size in [0, 1, 100_000, 2_000_000] {
      let message = RawMessage(bytes: [UInt8](repeating: 9, count: size))
      try await stream.send(message)
      let answer = try await stream.receive()
      try require(answer == message, "another message came back")
    }
    stream.finishSending()
    let end = try await stream.receive()
    try require(end == nil, "no end")
  }
}
