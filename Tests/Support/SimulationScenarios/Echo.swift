import EventLoop
import Glibc
import RPC
import Simulation
import Wire

/// With the environment variable `TRACE` failures are printed as they come.
let trace = getenv("TRACE") != nil

enum EchoService {
  static let unary = RPCMethod<RawMessage, RawMessage>("/test.Echo/Unary", .unary)
  static let wait = RPCMethod<RawMessage, RawMessage>("/test.Echo/Wait", .unary)
  static let flood = RPCMethod<RawMessage, RawMessage>("/test.Echo/Flood", .serverStream)
}

/// A server host; calls are counted over all its incarnations.
@EventLoopActor final class EchoHost {
  let host: SimulatedHost
  private(set) var calls = 0
  private var server: RPCServer?

  init(_ world: Simulation, name: String = "server") {
    host = world.addHost(name)
    host.start { host in
      let server = RPCServer()
      self.server = server
      server.handle(EchoService.unary) { request, _ in
        self.calls += 1
        return request
      }
      server.handle(EchoService.wait) { request, _ in
        try await EventLoop.sleep(for: .seconds(1))
        return request
      }
      server.handleServerStream(EchoService.flood) { request, _, sink in
        for index in 0..<64 {
          try await sink.send(RawMessage(bytes: [UInt8](repeating: UInt8(index), count: 128 << 10)))
        }
      }
      try server.listen(host: "0.0.0.0", port: 7000)
    }
  }
}

/// A client host with a channel; the driver calls through it.
@EventLoopActor final class EchoClient {
  let host: SimulatedHost
  private(set) var channel: RPCChannel?

  init(_ world: Simulation, name: String = "client", server: String = "server") {
    host = world.addHost(name)
    host.start { _ in
      self.channel = RPCChannel(Endpoint(host: server, port: 7000))
    }
  }

  /// "ok" or the name of the status.
  func call(
    _ world: Simulation, _ method: RPCMethod<RawMessage, RawMessage> = EchoService.unary,
    deadline: Duration = .seconds(5)
  ) async -> String {
    if channel == nil { await world.run(for: .milliseconds(1)) }
    guard let channel else { return "no channel" }
    return await withUnsafeContinuation { continuation in
      host.run {
        _ = channel.call(method, RawMessage(bytes: [1, 2, 3]), deadline: deadline) { result in
          switch result {
          case .success(let message): continuation.resume(returning: message.bytes == [1, 2, 3] ? "ok" : "wrong")
          case .failure(let error):
            if trace { report(world, "\(error)") }
            continuation.resume(returning: "\(error.status)")
          }
        }
      }
    }
  }
}

let echo: Scenario = { world in
  _ = EchoHost(world)
  let client = EchoClient(world)
  for _ in 0..<20 {
    let before = world.clock
    try require(await client.call(world) == "ok", "the echo failed")
    let roundTrip = world.clock - before
    try require(roundTrip >= 100_000, "a round trip took \(roundTrip) ns only")
  }
  report(world, "20 calls")
}

let resets: Scenario = { world in
  let server = EchoHost(world)
  let client = EchoClient(world)
  var slow = LinkConditions()
  slow.latency = .milliseconds(1)...(.milliseconds(5))
  world.network.setConditions(slow, from: server.host, to: client.host)
  world.network.setConditions(slow, from: client.host, to: server.host)
  try require(await client.call(world) == "ok", "no connection")
  var random = EventLoop.random
  var answers: [String: Int] = [:]
  for _ in 0..<50 {
    let wait = Duration.milliseconds(Int.random(in: 1...10, using: &random))
    Timer.once(after: wait) { world.network.resetConnections(between: server.host, and: client.host) }
    answers[await client.call(world), default: 0] += 1
    await world.run(for: .milliseconds(300))
  }
  try require(answers["UNAVAILABLE", default: 0] > 0, "no call met a reset: \(answers)")
  // Lost answers: the handler ran and the caller cannot know.
  try require(server.calls > 1 + answers["ok", default: 0], "no answer was lost: \(answers), \(server.calls) handled")
  report(world, "\(answers.sorted { $0.key < $1.key }) \(server.calls) handled")
}

let largeStream: Scenario = { world in
  _ = EchoHost(world)
  let client = EchoClient(world)
  try require(await client.call(world) == "ok", "no connection")
  let received = Counter()
  client.host.run {
    EventLoop.task {
      guard let stream = client.channel?.openServerStream(EchoService.flood, RawMessage()) else { return }
      while let message = try? await stream.receive() { received.bytes += message.bytes.count }
      received.isDone = true
    }
  }
  await world.run(for: .milliseconds(5))
  // The reader stops to read: what is under way is bounded by windows and buffers, and nothing is lost.
  client.host.pause()
  await world.run(for: .seconds(1))
  let heldAt = received.bytes
  try require(heldAt < 64 * 128 << 10, "the stream was over before the pause")
  client.host.resume()
  try require(await world.run(until: { received.isDone }, limit: .seconds(20)), "the stream did not end")
  try require(received.bytes == 64 * 128 << 10, "\(received.bytes) bytes arrived")
  report(world, "8 MiB, \(heldAt) before the pause")
}

@EventLoopActor final class Counter {
  var bytes = 0
  var isDone = false
}
