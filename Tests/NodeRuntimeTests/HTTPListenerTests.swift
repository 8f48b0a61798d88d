import EventLoop
import NodeRuntime
import Testing

@Suite(.timeLimit(.minutes(1))) struct HTTPListenerTests {
  @Test(arguments: [
    ("GET /x?y=1 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK", "body\n"),
    ("HEAD /x HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK", ""),
    ("GET /missing HTTP/1.0\r\n\r\n", "HTTP/1.1 404 Not Found", "not found\n"),
    ("POST /x HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed", "only GET and HEAD\n"),
    ("nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request", "malformed request\n"),
    (
      "GET /" + String(repeating: "x", count: 9000), "HTTP/1.1 431 Request Header Fields Too Large",
      "request too large\n"
    ),
  ])
  func requestsAreAnswered(request: String, statusLine: String, body: String) async throws {
    let answer = try await Self.ask(request)
    #expect(answer.hasPrefix(statusLine + "\r\n"))
    #expect(answer.contains("\r\nConnection: close\r\n"))
    #expect(answer.hasSuffix("\r\n\r\n" + body))
  }

  @Test func aRequestInPiecesIsOneRequest() async throws {
    let answer = try await Self.ask("GET /x HTTP/1.1\r", "\n\r", "\n")
    #expect(answer.hasSuffix("body\n"))
  }

  @EventLoopActor private static func ask(_ pieces: String...) async throws -> String {
    let listener = HTTPListener()
    listener.route("/x") { HTTPResponse("body\n") }
    let endpoint = try listener.listen(on: Endpoint(host: "127.0.0.1", port: 0))
    defer { listener.close() }
    let connection = try await TCPConnection.connect(to: endpoint)
    let text = Task { @EventLoopActor in
      await withCheckedContinuation { (continuation: CheckedContinuation<String, Never>) in
        var received: [UInt8] = []
        connection.onRead = { received += $0 }
        connection.onClose = { _ in continuation.resume(returning: String(decoding: received, as: UTF8.self)) }
      }
    }
    for piece in pieces {
      connection.write(Array(piece.utf8))
      // Two turns of the loop: the piece leaves at the end of the first, and the listener reads it in the second.
      for _ in 0..<2 { try await EventLoop.sleep(for: .zero) }
    }
    return await text.value
  }
}
