import EventLoop

/// An answer of the HTTP listener.
public struct HTTPResponse: Sendable {
  public var status: Int
  public var contentType: String
  public var body: String

  public init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", _ body: String) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }
}

/// HTTP/1.1 for probes and scrapers: GET and HEAD, one request a connection.
@EventLoopActor public final class HTTPListener {
  /// Request line and headers together.
  static let maximumRequestBytes = 8 << 10
  static let maximumConnections = 256
  static let timeout: Duration = .seconds(5)

  private var routes: [String: @EventLoopActor () -> HTTPResponse] = [:]
  private var listener: TCPListener?
  private var connectionCount = 0
  public var endpoint: Endpoint? { listener?.endpoint }

  public nonisolated init() {}

  /// Answers `path` (without query) by `body`.
  public func route(_ path: String, _ body: @escaping @EventLoopActor () -> HTTPResponse) { routes[path] = body }

  @discardableResult public func listen(on endpoint: Endpoint) throws(SystemError) -> Endpoint {
    let listener = try TCPListener(host: endpoint.host, port: endpoint.port) { [weak self] in
      if let self { self.accept($0) } else { $0.close("no listener") }
    }
    self.listener = listener
    return listener.endpoint
  }

  public func close() {
    listener?.close()
    listener = nil
  }

  private func accept(_ connection: TCPConnection) {
    if connectionCount >= Self.maximumConnections { return connection.close("too many HTTP connections") }
    connectionCount += 1
    let timer = Timer.once(after: Self.timeout) { connection.close("no request within \(Self.timeout)") }
    var head: [UInt8] = []
    connection.onClose = { _ in
      timer.cancel()
      self.connectionCount -= 1
    }
    connection.onRead = { [weak connection] bytes in
      guard let connection else { return }
      head.append(contentsOf: bytes)
      if head.count > Self.maximumRequestBytes {
        connection.onRead = nil
        self.answer(connection, HTTPResponse(status: 431, "request too large\n"), hasBody: true)
      } else if Self.isComplete(head) {
        connection.onRead = nil
        self.respond(connection, head)
      }
    }
  }

  private static func isComplete(_ head: [UInt8]) -> Bool {
    let end: [UInt8] = [13, 10, 13, 10]
    guard head.count >= 4 else { return false }
    for start in 0...(head.count - 4) where head[start..<start + 4].elementsEqual(end) { return true }
    return false
  }

  private func respond(_ connection: TCPConnection, _ head: [UInt8]) {
    let line = head.prefix { $0 != 13 }
    let words = line.split(separator: UInt8(ascii: " "))
    guard words.count == 3, words[2].starts(with: "HTTP/1.".utf8) else {
      return answer(connection, HTTPResponse(status: 400, "malformed request\n"), hasBody: true)
    }
    let isHead = words[0].elementsEqual("HEAD".utf8)
    guard isHead || words[0].elementsEqual("GET".utf8) else {
      return answer(connection, HTTPResponse(status: 405, "only GET and HEAD\n"), hasBody: true)
    }
    let path = String(decoding: words[1].prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
    guard let route = routes[path] else {
      return answer(connection, HTTPResponse(status: 404, "not found\n"), hasBody: !isHead)
    }
    answer(connection, route(), hasBody: !isHead)
  }

  private func answer(_ connection: TCPConnection, _ response: HTTPResponse, hasBody: Bool) {
    let reason =
      switch response.status {
      case 200: "OK"
      case 400: "Bad Request"
      case 404: "Not Found"
      case 405: "Method Not Allowed"
      case 431: "Request Header Fields Too Large"
      case 503: "Service Unavailable"
      default: "Status"
      }
    let body = Array(response.body.utf8)
    let head =
      "HTTP/1.1 \(response.status) \(reason)\r\nContent-Type: \(response.contentType)\r\n"
      + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
    connection.write(Array(head.utf8))
    if hasBody { connection.write(body) }
    connection.closeAfterWriting("answered")
  }
}
