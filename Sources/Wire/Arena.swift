import CProtobufC
import CWire

/// Memory for one message while it is packed or unpacked: everything a C message points at.
struct Arena {
  private let raw: UnsafeMutablePointer<wire_arena>

  /// What unpacking may take for an input of `byteCount`: many empty submessages expand most, and no legitimate message
  /// comes near this.
  static func allowance(unpacking byteCount: Int) -> Int { (16 << 20) + 8 * byteCount }

  static func with<Result, Failure: Error>(
    allowance: Int, _ body: (Arena) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let raw = wire_arena_begin(allowance) else { preconditionFailure("no arena") }
    defer { wire_arena_end(raw) }
    return try body(Arena(raw: raw))
  }

  private init(raw: UnsafeMutablePointer<wire_arena>) { self.raw = raw }

  var allocator: UnsafeMutablePointer<ProtobufCAllocator> {
    UnsafeMutableRawPointer(raw).assumingMemoryBound(to: ProtobufCAllocator.self)
  }

  /// Room for `count` elements; the arena of a packing is bounded by the message in memory, so it does not run out.
  private func room<Element>(_ count: Int, of _: Element.Type) -> UnsafeMutablePointer<Element> {
    guard let base = wire_arena_allocate(raw, count * MemoryLayout<Element>.stride) else {
      preconditionFailure("out of memory for a message")
    }
    return base.bindMemory(to: Element.self, capacity: count)
  }

  func bytes(_ value: [UInt8]) -> ProtobufCBinaryData {
    if value.isEmpty { return ProtobufCBinaryData() }
    return value.withUnsafeBufferPointer { copy($0) }
  }

  func string(_ value: String) -> ProtobufCBinaryData {
    if value.isEmpty { return ProtobufCBinaryData() }
    var value = value
    return value.withUTF8 { copy($0) }
  }

  private func copy(_ source: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
    let target = room(source.count, of: UInt8.self)
    if let base = source.baseAddress { target.initialize(from: base, count: source.count) }
    return ProtobufCBinaryData(len: source.count, data: target)
  }

  func message<Message: PackedMessage>(_ value: Message) -> UnsafeMutablePointer<Message.Packed> {
    let target = room(1, of: Message.Packed.self)
    protobuf_c_message_init(Message.descriptor, UnsafeMutableRawPointer(target))
    value.fill(target, self)
    return target
  }

  func scalars<Scalar: BitwiseCopyable>(_ values: [Scalar]) -> UnsafeMutablePointer<Scalar>? {
    array(values) { $0 }
  }

  func booleans(_ values: [Bool]) -> UnsafeMutablePointer<protobuf_c_boolean>? { array(values) { $0 ? 1 : 0 } }
  func strings(_ values: [String]) -> UnsafeMutablePointer<ProtobufCBinaryData>? { array(values, string) }
  func byteStrings(_ values: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData>? { array(values, bytes) }

  func messages<Message: PackedMessage>(
    _ values: [Message]
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Message.Packed>?>? {
    array(values) { message($0) }
  }

  private func array<Source, Element>(
    _ values: [Source], _ convert: (Source) -> Element
  ) -> UnsafeMutablePointer<Element>? {
    if values.isEmpty { return nil }
    let target = room(values.count, of: Element.self)
    for (index, value) in values.enumerated() { (target + index).initialize(to: convert(value)) }
    return target
  }
}
