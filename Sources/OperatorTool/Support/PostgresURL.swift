import EventLoop

/// Where a database is, as libpq writes it:
/// `postgresql://[user@]host[:port][,host[:port]…][/database][?parameter=value&…]` (PostgreSQL manual, 34.1.1.2).
struct PostgresURL: Hashable, Sendable {
  static let defaultPort: UInt16 = 26_257

  /// Gateways, tried in this order.
  var endpoints: [Endpoint]
  var user = "root"
  var database = "defaultdb"

  init(_ text: String) throws(ToolError) {
    guard let scheme = ["postgresql://", "postgres://"].first(where: { text.hasPrefix($0) }) else {
      throw .usage("--url must begin with postgresql://, not \"\(text)\"")
    }
    let (place, query) = Self.cut(text.dropFirst(scheme.count), "?")
    let (authority, path) = Self.cut(place, "/")
    var hosts = authority
    if let at = authority.lastIndex(of: "@") {
      // A password is not asked for yet.
      let (user, _) = Self.cut(authority[..<at], ":")
      if !user.isEmpty { self.user = try Self.decoded(user) }
      hosts = authority[authority.index(after: at)...]
    }
    endpoints = []
    for host in hosts.split(separator: ",", omittingEmptySubsequences: false) {
      endpoints.append(try Self.endpoint(host))
    }
    if let path, !path.isEmpty { database = try Self.decoded(path) }
    for parameter in (query ?? "").split(separator: "&") { try take(parameter) }
  }

  private static func endpoint(_ host: Substring) throws(ToolError) -> Endpoint {
    let bare = host.hasSuffix("]") || !host.contains(":")
    guard !host.isEmpty, let endpoint = Endpoint(bare ? "\(host):\(defaultPort)" : String(host)) else {
      throw .usage("\"\(host)\" in --url is no HOST or HOST:PORT")
    }
    return endpoint
  }

  private mutating func take(_ parameter: Substring) throws(ToolError) {
    let (name, value) = Self.cut(parameter, "=")
    let text = try Self.decoded(value ?? "")
    switch name {
    case "user": user = text
    case "dbname": database = text
    case "application_name", "connect_timeout", "target_session_attrs": break
    case "sslmode" where ["disable", "allow", "prefer"].contains(text): break
    case "sslmode": throw .usage("sslmode=\(text) in --url: encrypted connections are not built yet")
    default: throw .usage("\"\(name)\" in --url is not understood")
    }
  }

  private static func cut(_ text: Substring, _ separator: Character) -> (Substring, Substring?) {
    guard let index = text.firstIndex(of: separator) else { return (text, nil) }
    return (text[..<index], text[text.index(after: index)...])
  }

  /// With `%xx` taken as the byte it stands for.
  private static func decoded(_ text: Substring) throws(ToolError) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = String(decoding: rest.prefix(2), as: UTF8.self)
      guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
        throw .usage("\"\(text)\" in --url has a % that is no %xx")
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    guard let result = String(validating: bytes, as: UTF8.self) else {
      throw .usage("\"\(text)\" in --url is no UTF-8")
    }
    return result
  }
}
