import EventLoop
import NodeRuntime
import RPC
import Wire

/// Whole connections: an RPC server and an RPC channel on nghttp2, and the HTTP port, fed with raw bytes.
let connectionTargets: [FuzzTarget] = [
  FuzzTarget("rpc-server", seeds: serverSeeds) { bytes in FuzzWorld.run { runServer(bytes, $0) } },
  FuzzTarget("rpc-channel", seeds: channelSeeds) { bytes in FuzzWorld.run { runChannel(bytes, $0) } },
  FuzzTarget(
    "http",
    seeds: {
      [[0] + Array("GET /metrics?a=b HTTP/1.1\r\nHost: h\r\n\r\n".utf8), [1] + Array("HEAD / HTTP/1.0\r\n\r\n".utf8)]
    }
  ) { bytes in FuzzWorld.run { runHTTP(bytes, $0) } },
]

private let unary = RPCMethod<RawMessage, RawMessage>("/fuzz.Fuzz/Unary", .unary)
private let typed = RPCMethod<TimestampsRequest, TimestampsResponse>("/fuzz.Fuzz/Typed", .unary)
private let answers = RPCMethod<RawMessage, RawMessage>("/fuzz.Fuzz/Answers", .serverStream)
private let stream = RPCMethod<RawMessage, RawMessage>("/fuzz.Fuzz/Stream", .bidirectionalStream)

private let serverPort: UInt16 = 1
private let httpPort: UInt16 = 2

@EventLoopActor private let server: RPCServer = {
  let server = RPCServer()
  server.handleFast(unary) { request, reply in reply.succeed(request) }
  server.handleFast(typed) { request, reply in reply.succeed(TimestampsResponse()) }
  server.handleServerStream(answers) { request, _, sink in for _ in 0..<3 { try await sink.send(request) } }
  server.handleStream(stream) { inbound, _, sink in
    while let message = try await inbound.receive() { try await sink.send(message) }
  }
  do { try server.listen(host: "h", port: serverPort) } catch { fatalError("\(error)") }
  return server
}()

// MARK: - HTTP/2

/// First byte: the lowest bit says whether the rest is the connection's bytes, or frames to which the headers are put here
/// (`frames`); the others, how many bytes arrive at a time.
private func connectionBytes(_ bytes: [UInt8], preface: [UInt8]) -> (bytes: [UInt8], step: Int) {
  var input = FuzzInput(bytes)
  let head = input.byte()
  let step = Int(head >> 1)
  return (head & 1 == 0 ? input.bytes : preface + frames(&input), step)
}

/// Each: kind, flags, stream (one byte each), then a piece as the payload.
private func frames(_ input: inout FuzzInput) -> [UInt8] {
  var frames: [UInt8] = []
  while !input.isEmpty {
    let (kind, flags, stream) = (input.byte(), input.byte(), input.byte())
    let payload = input.piece()
    frames += [0, 0, UInt8(payload.count), kind % 12, flags, 0, 0, 0, stream] + payload
  }
  return frames
}

private let emptySettings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
private let clientPreface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + emptySettings

@EventLoopActor private func runServer(_ bytes: [UInt8], _ world: FuzzWorld) {
  let (stream, step) = connectionBytes(bytes, preface: clientPreface)
  let server = server
  let socket = FuzzSocket()
  world.accept(socket, on: serverPort)
  require(server.connectionCount == 1, "a connection is accepted")
  socket.deliver(stream, step: step, in: world)
  require(socket.written.count <= 1 << 20, "\(stream.count) bytes are answered with \(socket.written.count)")
  if socket.owner != nil { socket.end(in: world) }
  world.advance(by: .seconds(2))
  require(server.connectionCount == 0 && server.runningCallCount == 0, "nothing is left of a connection that is gone")
  require(socket.isClosed, "its socket is closed")
}

@EventLoopActor private func runChannel(_ bytes: [UInt8], _ world: FuzzWorld) {
  let (received, step) = connectionBytes(bytes, preface: emptySettings)
  let socket = FuzzSocket()
  world.outgoing = [socket]
  var options = RPCChannelOptions()
  options.failFast = false
  let channel = RPCChannel(Endpoint(host: "h", port: 9), options: options)
  let calls = startCalls(channel, world)
  socket.deliver(received, step: step, in: world)
  if socket.owner != nil { socket.end(in: world) }
  world.advance(by: .seconds(2))
  channel.close()
  world.advance(by: .seconds(2))
  require(calls.endings == Array(repeating: 1, count: calls.endings.count), "each call ends once: \(calls.endings)")
  world.outgoing = []
}

@EventLoopActor private final class Calls {
  var endings = [0, 0, 0]
}

@EventLoopActor private func startCalls(_ channel: RPCChannel, _ world: FuzzWorld) -> Calls {
  let calls = Calls()
  world.turn {
    channel.call(typed, TimestampsRequest(readCount: 1), deadline: .seconds(1)) { _ in calls.endings[0] += 1 }
    channel.callInBatch(typed, TimestampsRequest(readCount: 2), deadline: .seconds(1)) { _ in calls.endings[1] += 1 }
    let stream = channel.openStream(stream, deadline: .seconds(1))
    stream.onMessage = { _ in }
    stream.onClose = { _ in calls.endings[2] += 1 }
    stream.trySend(RawMessage(bytes: [1, 2, 3]))
  }
  return calls
}

// MARK: - HTTP/1.1

@EventLoopActor private let listener: HTTPListener = {
  let listener = HTTPListener()
  listener.route("/metrics") { HTTPResponse("one 1\n") }
  do { try listener.listen(on: Endpoint(host: "h", port: httpPort)) } catch { fatalError("\(error)") }
  return listener
}()

@EventLoopActor private func runHTTP(_ bytes: [UInt8], _ world: FuzzWorld) {
  var input = FuzzInput(bytes)
  let step = Int(input.byte())
  _ = listener
  let socket = FuzzSocket()
  world.accept(socket, on: httpPort)
  socket.deliver(input.bytes, step: step, in: world)
  world.advance(by: .seconds(6))
  require(socket.isClosed, "a connection without a request ends")
  let answer = String(decoding: socket.written, as: UTF8.self)
  require(answer.isEmpty || answer.hasPrefix("HTTP/1.1 "), "an answer is HTTP: \(answer)")
  require(answer.components == 0 || answer.components == 1, "at most one answer: \(answer)")
}

extension String {
  /// How many answers it holds.
  fileprivate var components: Int { self.split(separator: "\r\n").filter { $0.hasPrefix("HTTP/1.1 ") }.count }
}

// MARK: - Seeds: what the two sides say to each other

private struct Conversation: Sendable {
  var client: [UInt8] = []
  var server: [UInt8] = []
}

@EventLoopActor private func conversation(_ world: FuzzWorld) -> Conversation {
  var said = Conversation()
  _ = server
  let (client, accepted) = (FuzzSocket(), FuzzSocket())
  world.outgoing = [client]
  let channel = RPCChannel(Endpoint(host: "h", port: 9))
  world.accept(accepted, on: serverPort)
  _ = startCalls(channel, world)
  for round in 0..<20 {
    if round == 10 {
      world.turn { _ = channel.openServerStream(answers, RawMessage(bytes: [5]), deadline: .seconds(1)) }
    }
    let (asked, answered) = (client.takeWritten(), accepted.takeWritten())
    said.client += asked
    said.server += answered
    accepted.deliver(asked, step: 0, in: world)
    client.deliver(answered, step: 0, in: world)
  }
  channel.close()
  accepted.end(in: world)
  world.advance(by: .seconds(2))
  return said
}

private func serverSeeds() -> [[UInt8]] {
  let said = FuzzWorld.run { conversation($0) }.client
  // HEADERS of a POST to /fuzz.Fuzz/Unary without Huffman coding, then DATA with one message.
  let fields = [
    (":method", "POST"), (":scheme", "http"), (":path", "/fuzz.Fuzz/Unary"), ("te", "trailers"),
    ("content-type", "application/grpc"), ("grpc-timeout", "9S"),
  ]
  var block: [UInt8] = []
  for (name, value) in fields {
    block += [0, UInt8(name.utf8.count)] + Array(name.utf8)
    block += [UInt8(value.utf8.count)] + Array(value.utf8)
  }
  let call: [UInt8] = [1, 4, 1, UInt8(block.count)] + block + [0, 1, 1, 8, 0, 0, 0, 0, 3, 1, 2, 3]
  let control: [UInt8] = [8, 0, 0, 4, 0, 0, 1, 0, 6, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 3, 0, 1, 4, 0, 0, 0, 8]
  return [[0] + said, [14] + said, [1] + call, [1] + call + control, [31] + control]
}

private func channelSeeds() -> [[UInt8]] {
  let said = FuzzWorld.run { conversation($0) }.server
  return [[0] + said, [14] + said, [1, 7, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0], [1, 3, 0, 1, 4, 0, 0, 0, 8]]
}
