/// Cuts the bytes of a stream into messages: one byte "is compressed", four bytes length (big-endian), the message.
struct MessageAssembler {
  static let prefixLength = 5

  let maximumMessageBytes: Int
  private var prefix: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0)
  private var prefixCount = 0
  private var body: [UInt8] = []
  private var wanted = 0

  init(maximumMessageBytes: Int) { self.maximumMessageBytes = maximumMessageBytes }

  /// Bytes of the message that is under way.
  var bufferedBytes: Int { body.count }
  var isBetweenMessages: Bool { prefixCount == 0 }

  /// Takes bytes from the front of `input` and answers a message when one is complete; call again until `input` is
  /// empty. Room is made as bytes arrive: a length is not believed.
  mutating func next(_ input: inout UnsafeRawBufferPointer.SubSequence) throws(RPCError) -> [UInt8]? {
    while prefixCount < Self.prefixLength {
      guard let byte = input.popFirst() else { return nil }
      withUnsafeMutableBytes(of: &prefix) { $0[prefixCount] = byte }
      prefixCount += 1
      if prefixCount == Self.prefixLength { try begin() }
    }
    let missing = wanted - body.count
    if body.isEmpty, input.count >= missing {
      let message = [UInt8](UnsafeRawBufferPointer(rebasing: input.prefix(missing)))
      input = input.dropFirst(missing)
      prefixCount = 0
      return message
    }
    let taken = input.prefix(missing)
    body.append(contentsOf: UnsafeRawBufferPointer(rebasing: taken))
    input = input.dropFirst(taken.count)
    if body.count < wanted { return nil }
    let message = body
    body = []
    prefixCount = 0
    return message
  }

  /// Forgets the message that is under way; the bytes that follow must not be looked at.
  mutating func dropMessage() { body = [] }

  private mutating func begin() throws(RPCError) {
    if prefix.0 != 0 { throw RPCError(.unimplemented, "compressed messages are not supported") }
    wanted = Int(prefix.1) << 24 | Int(prefix.2) << 16 | Int(prefix.3) << 8 | Int(prefix.4)
    if wanted > maximumMessageBytes {
      throw RPCError(.resourceExhausted, "a message of \(wanted) bytes exceeds the limit of \(maximumMessageBytes)")
    }
  }

  /// Writes the prefix into the first five bytes of `frame`, which holds the message after them.
  static func writePrefix(_ frame: inout [UInt8]) {
    let length = frame.count - prefixLength
    frame[0] = 0
    frame[1] = UInt8(truncatingIfNeeded: length >> 24)
    frame[2] = UInt8(truncatingIfNeeded: length >> 16)
    frame[3] = UInt8(truncatingIfNeeded: length >> 8)
    frame[4] = UInt8(truncatingIfNeeded: length)
  }
}
