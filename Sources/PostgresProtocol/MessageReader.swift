/// Reads the big-endian fields of one message; every read is bounds-checked.
struct MessageReader {
  let bytes: ArraySlice<UInt8>
  private(set) var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  var remaining: Int { bytes.endIndex - position }
  var isAtEnd: Bool { remaining == 0 }

  mutating func readUInt8() throws(MessageFault) -> UInt8 {
    guard remaining >= 1 else { throw .truncated }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func readUInt16() throws(MessageFault) -> UInt16 {
    guard remaining >= 2 else { throw .truncated }
    defer { position += 2 }
    return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
  }

  mutating func readUInt32() throws(MessageFault) -> UInt32 {
    guard remaining >= 4 else { throw .truncated }
    var value: UInt32 = 0
    for offset in 0..<4 { value = value << 8 | UInt32(bytes[position + offset]) }
    position += 4
    return value
  }

  mutating func readInt32() throws(MessageFault) -> Int32 { Int32(bitPattern: try readUInt32()) }

  mutating func readBytes(_ count: Int) throws(MessageFault) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw .truncated }
    defer { position += count }
    return bytes[position..<position + count]
  }

  mutating func readRest() -> ArraySlice<UInt8> {
    defer { position = bytes.endIndex }
    return bytes[position...]
  }

  /// A string that ends with a zero byte.
  mutating func readString() throws(MessageFault) -> String {
    var end = position
    while end < bytes.endIndex, bytes[end] != 0 { end += 1 }
    guard end < bytes.endIndex else { throw .truncated }
    let slice = bytes[position..<end]
    position = end + 1
    guard let text = String(validating: slice, as: UTF8.self) else { throw .invalidText }
    return text
  }

  mutating func readFormats() throws(MessageFault) -> [ValueFormat] {
    let count = Int(try readUInt16())
    if count == 0 { return [] }
    guard count * 2 <= remaining else { throw .truncated }
    var formats: [ValueFormat] = []
    formats.reserveCapacity(count)
    for _ in 0..<count {
      guard let format = ValueFormat(rawValue: Int16(bitPattern: try readUInt16())) else {
        throw .malformed("format code")
      }
      formats.append(format)
    }
    return formats
  }

  func requireEnd() throws(MessageFault) {
    guard isAtEnd else { throw .malformed("bytes after the last field") }
  }
}

/// Why a message could not be understood.
enum MessageFault: Error, Hashable {
  case truncated
  case malformed(String)
  /// The bytes are framed well but hold no UTF-8: an error of the statement, not of the protocol.
  case invalidText

  var reason: String {
    switch self {
    case .truncated: "message is shorter than its fields"
    case .malformed(let what): "malformed \(what)"
    case .invalidText: "invalid UTF-8"
    }
  }
}
