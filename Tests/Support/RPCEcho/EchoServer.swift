import EventLoop
import Glibc
import RPC
import Wire

/// Runs until SIGTERM.
@EventLoopActor enum EchoServer {
  static func run() async -> Int32 {
    let server = RPCServer()
    register(on: server)
    let endpoint: Endpoint
    do throws(SystemError) { endpoint = try server.listen(port: 0) } catch {
      print(error)
      return 1
    }
    print("listening \(endpoint)")
    fflush(nil)
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      _ = SignalSource([SIGTERM]) { _ in continuation.resume() }
    }
    await server.shutdown(graceful: .seconds(1))
    return 0
  }

  private static func register(on server: RPCServer) {
    var sleepCount = 0
    var cancelledCount = 0
    server.handle(EchoService.unary) { request, _ in request }
    server.handle(EchoService.fail) { request, context in
      throw RPCError(
        .failedPrecondition, String(decoding: request.bytes, as: UTF8.self),
        trailers: ["theseus-leader": "h:1", "seen": context.metadata["question"] ?? ""])
    }
    server.handleFast(EchoService.sleep) { request, reply in
      sleepCount += 1
      let timer = Timer.once(after: .seconds(60)) { reply.succeed(request) }
      reply.onCancel {
        timer.cancel()
        cancelledCount += 1
      }
    }
    server.handleFast(EchoService.sleeping) { _, reply in
      reply.succeed(RawMessage(bytes: Array(String(sleepCount).utf8)))
    }
    server.handleFast(EchoService.cancelled) { _, reply in
      reply.succeed(RawMessage(bytes: Array(String(cancelledCount).utf8)))
    }
    server.handleServerStream(EchoService.count) { request, _, sink in
      for number in 0..<(Int(String(decoding: request.bytes, as: UTF8.self)) ?? 0) {
        try await sink.send(RawMessage(bytes: Array(String(number).utf8)))
      }
    }
    server.handleStream(EchoService.total) { inbound, _, sink in
      var total = 0
      while let message = try await inbound.receive() { total += message.bytes.count }
      try await sink.send(RawMessage(bytes: Array(String(total).utf8)))
    }
    server.handleStream(EchoService.chat) { inbound, _, sink in
      while let message = try await inbound.receive() { try await sink.send(message) }
    }
  }
}
