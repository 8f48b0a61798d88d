import CUV
import Glibc

/// A resolved address.
struct SocketAddress {
  var storage = sockaddr_storage()

  /// Nil when `host` is no numeric IPv4 or IPv6 address.
  init?(numericHost host: String, port: UInt16) {
    let done = withUnsafeMutablePointer(to: &storage) { pointer in
      let raw = UnsafeMutableRawPointer(pointer)
      return uv_ip4_addr(host, Int32(port), raw.assumingMemoryBound(to: sockaddr_in.self)) == 0
        || uv_ip6_addr(host, Int32(port), raw.assumingMemoryBound(to: sockaddr_in6.self)) == 0
    }
    if !done { return nil }
  }

  init(_ address: UnsafePointer<sockaddr>, length: Int) {
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(length, $0.count)))
    }
  }

  /// Blocks while the system resolves the name: for start-up only.
  static func resolveBlocking(host: String, port: UInt16) throws(SystemError) -> SocketAddress {
    if let address = SocketAddress(numericHost: host, port: port) { return address }
    var request = uv_getaddrinfo_t()
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    let code = uv_getaddrinfo(EventLoop.shared.raw, &request, nil, host, String(port), &hints)
    defer { uv_freeaddrinfo(request.addrinfo) }
    guard code == 0, let first = request.addrinfo, let address = first.pointee.ai_addr else {
      throw SystemError(code: code == 0 ? Int32(UV_EAI_NONAME.rawValue) : code, action: "resolve \(host)")
    }
    return SocketAddress(address, length: Int(first.pointee.ai_addrlen))
  }

  func withAddress<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self))
    }
  }

  var endpoint: Endpoint? {
    withAddress { address in
      var name = [CChar](repeating: 0, count: 64)
      let raw = UnsafeRawPointer(address)
      switch Int32(address.pointee.sa_family) {
      case AF_INET:
        let inet = raw.assumingMemoryBound(to: sockaddr_in.self)
        guard uv_ip4_name(inet, &name, name.count) == 0 else { return nil }
        return Endpoint(host: text(name), port: UInt16(bigEndian: inet.pointee.sin_port))
      case AF_INET6:
        let inet = raw.assumingMemoryBound(to: sockaddr_in6.self)
        guard uv_ip6_name(inet, &name, name.count) == 0 else { return nil }
        return Endpoint(host: text(name), port: UInt16(bigEndian: inet.pointee.sin6_port))
      default: return nil
      }
    }
  }

  private func text(_ name: [CChar]) -> String {
    String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
