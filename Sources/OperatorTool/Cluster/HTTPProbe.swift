import EventLoop

/// Asks a role's HTTP port whether it is ready.
enum HTTPProbe {
  /// - Returns: the status code of `GET path`; nil when there was no answer within `timeout`.
  @EventLoopActor static func status(
    _ endpoint: Endpoint, path: String, timeout: Duration = .seconds(1)
  ) async -> Int? {
    guard let connection = try? await TCPConnection.connect(to: endpoint, timeout: timeout) else { return nil }
    let answer = Answer()
    let head: [UInt8] = await withUnsafeContinuation { continuation in
      answer.continuation = continuation
      connection.onRead = { answer.append($0) }
      connection.onClose = { _ in answer.finish() }
      connection.write(Array("GET \(path) HTTP/1.1\r\nHost: \(endpoint)\r\nConnection: close\r\n\r\n".utf8))
      Timer.once(after: timeout) { answer.finish() }
    }
    connection.close("answered")
    let words = String(decoding: head.prefix(64), as: UTF8.self).split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("HTTP/") else { return nil }
    return Int(words[1].prefix(3))
  }

  @EventLoopActor private final class Answer {
    private var bytes: [UInt8] = []
    var continuation: UnsafeContinuation<[UInt8], Never>?

    func append(_ more: UnsafeRawBufferPointer) {
      bytes.append(contentsOf: more.prefix(64))
      if bytes.count >= 12 { finish() }
    }

    func finish() {
      continuation?.resume(returning: bytes)
      continuation = nil
    }
  }
}
