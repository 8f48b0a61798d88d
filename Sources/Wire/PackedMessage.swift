import Basics
import CProtobufC
import CWire

/// A message that protobuf-c packs and unpacks through its generated C struct.
protocol PackedMessage: WireMessage {
  associatedtype Packed
  static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> { get }
  /// Sets the fields of an initialised C message; what they point at lives in the arena.
  func fill(_ message: UnsafeMutablePointer<Packed>, _ arena: Arena)
  init(_ message: UnsafePointer<Packed>) throws(MalformedBytes)
}

extension PackedMessage {
  public func serialized(prefixLength: Int) -> [UInt8] {
    Arena.with(allowance: Int.max) { arena in
      let message = UnsafeMutableRawPointer(arena.message(self)).assumingMemoryBound(to: ProtobufCMessage.self)
      let size = prefixLength + protobuf_c_message_get_packed_size(message)
      return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = size
        guard let base = buffer.baseAddress else { return }
        base.initialize(repeating: 0, count: prefixLength)
        protobuf_c_message_pack(message, base + prefixLength)
      }
    }
  }

  public init(serialized bytes: UnsafeRawBufferPointer) throws(MalformedBytes) {
    self = try Arena.with(allowance: Arena.allowance(unpacking: bytes.count)) { arena throws(MalformedBytes) in
      let base = bytes.bindMemory(to: UInt8.self).baseAddress
      guard let message = protobuf_c_message_unpack(Self.descriptor, arena.allocator, bytes.count, base) else {
        throw MalformedBytes("no encoding of \(Self.self)")
      }
      return try Self(UnsafeRawPointer(message).assumingMemoryBound(to: Packed.self))
    }
  }
}

/// From fields of C messages to Swift values.
enum Reading {
  static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
    Array(UnsafeBufferPointer(start: data.data, count: data.len))
  }

  static func string(_ data: ProtobufCBinaryData) throws(MalformedBytes) -> String {
    if data.len == 0 { return "" }
    guard let text = String(validating: UnsafeBufferPointer(start: data.data, count: data.len), as: UTF8.self) else {
      throw MalformedBytes("a string is not UTF-8")
    }
    return text
  }

  static func message<Message: PackedMessage>(
    _ pointer: UnsafeMutablePointer<Message.Packed>?
  ) throws(MalformedBytes) -> Message? {
    guard let pointer else { return nil }
    return try Message(UnsafePointer(pointer))
  }

  static func scalars<Scalar: BitwiseCopyable>(_ base: UnsafeMutablePointer<Scalar>?, _ count: Int) -> [Scalar] {
    Array(UnsafeBufferPointer(start: base, count: count))
  }

  static func booleans(_ base: UnsafeMutablePointer<protobuf_c_boolean>?, _ count: Int) -> [Bool] {
    UnsafeBufferPointer(start: base, count: count).map { $0 != 0 }
  }

  static func byteStrings(_ base: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int) -> [[UInt8]] {
    UnsafeBufferPointer(start: base, count: count).map(bytes)
  }

  static func strings(
    _ base: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int
  ) throws(MalformedBytes) -> [String] {
    var result: [String] = []
    result.reserveCapacity(count)
    for data in UnsafeBufferPointer(start: base, count: count) { result.append(try string(data)) }
    return result
  }

  static func messages<Message: PackedMessage>(
    _ base: UnsafeMutablePointer<UnsafeMutablePointer<Message.Packed>?>?, _ count: Int
  ) throws(MalformedBytes) -> [Message] {
    var result: [Message] = []
    result.reserveCapacity(count)
    for element in UnsafeBufferPointer(start: base, count: count) {
      if let message: Message = try message(element) { result.append(message) }
    }
    return result
  }
}
