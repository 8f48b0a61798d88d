import Basics

/// A message of `proto/`, as a plain Swift value.
public protocol WireMessage: Sendable, Hashable {
  /// All fields at their defaults.
  init()

  /// The Protocol Buffers encoding after `prefixLength` zero bytes, which the caller fills in (a frame's header).
  func serialized(prefixLength: Int) -> [UInt8]

  /// Decodes what `serialized` (or any other Protocol Buffers implementation) wrote; unknown fields are skipped.
  init(serialized bytes: UnsafeRawBufferPointer) throws(MalformedBytes)
}

extension WireMessage {
  public func serialized() -> [UInt8] { serialized(prefixLength: 0) }

  public init(serialized bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    self = try bytes.withUnsafeBufferPointer { (bytes) throws(MalformedBytes) in
      try Self(serialized: UnsafeRawBufferPointer(bytes))
    }
  }

  public init(serialized bytes: [UInt8]) throws(MalformedBytes) {
    self = try bytes.withUnsafeBufferPointer { (bytes) throws(MalformedBytes) in
      try Self(serialized: UnsafeRawBufferPointer(bytes))
    }
  }
}
