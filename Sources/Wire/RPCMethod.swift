/// A method of a service in `proto/`: its name on the wire and the types of its messages.
public struct RPCMethod<Request: WireMessage, Response: WireMessage>: Sendable {
  /// Which sides send more than one message.
  public enum Kind: Sendable {
    case unary, serverStream, clientStream, bidirectionalStream
  }

  /// `/package.Service/Method`, the `:path` of its HTTP/2 requests.
  public let staticPath: StaticString
  public let kind: Kind

  public init(_ path: StaticString, _ kind: Kind) {
    staticPath = path
    self.kind = kind
  }

  public var path: String { staticPath.description }
}

/// Opaque bytes as a message, for tests and for forwarding without decoding.
public struct RawMessage: WireMessage {
  public var bytes: [UInt8]

  public init() { bytes = [] }
  public init(bytes: [UInt8]) { self.bytes = bytes }

  public func serialized(prefixLength: Int) -> [UInt8] {
    if prefixLength == 0 { return bytes }
    var result = [UInt8](repeating: 0, count: prefixLength)
    result.append(contentsOf: bytes)
    return result
  }

  public init(serialized bytes: UnsafeRawBufferPointer) { self.bytes = Array(bytes) }
}
