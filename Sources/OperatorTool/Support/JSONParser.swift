/// Reads a JSON document; nested at most 64 deep.
struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  private static let maximumDepth = 64

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  static func parse(_ bytes: [UInt8]) throws(ToolError) -> JSONValue {
    var parser = JSONParser(bytes)
    let value = try parser.value(depth: 0)
    parser.skipBlanks()
    guard parser.position == bytes.count else { throw parser.failure("something after the document") }
    return value
  }

  private func failure(_ reason: String) -> ToolError { ToolError("JSON, byte \(position): \(reason)") }

  private mutating func skipBlanks() {
    while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard position < bytes.count, bytes[position] == UInt8(truncatingIfNeeded: wanted.value) else { return false }
    position += 1
    return true
  }

  private mutating func takeWord(_ word: String) -> Bool {
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func value(depth: Int) throws(ToolError) -> JSONValue {
    guard depth < Self.maximumDepth else { throw failure("nested too deeply") }
    if take("{") { return try object(depth: depth) }
    if take("[") { return try array(depth: depth) }
    if take("\"") { return .string(try string()) }
    if takeWord("true") { return .boolean(true) }
    if takeWord("false") { return .boolean(false) }
    if takeWord("null") { return .null }
    return try number()
  }

  private mutating func object(depth: Int) throws(ToolError) -> JSONValue {
    var members: [JSONMember] = []
    if take("}") { return .object(members) }
    repeat {
      guard take("\"") else { throw failure("a member name is missing") }
      let name = try string()
      guard take(":") else { throw failure("':' is missing") }
      members.append(JSONMember(name, try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw failure("'}' is missing") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(ToolError) -> JSONValue {
    var elements: [JSONValue] = []
    if take("]") { return .array(elements) }
    repeat { elements.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw failure("']' is missing") }
    return .array(elements)
  }

  private mutating func number() throws(ToolError) -> JSONValue {
    let start = position
    while position < bytes.count, "+-.eE0123456789".utf8.contains(bytes[position]) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if let whole = Int(text) { return .integer(whole) }
    if let number = Double(text) { return .number(number) }
    throw failure("no value")
  }

  private mutating func string() throws(ToolError) -> String {
    var content: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else { throw failure("invalid UTF-8") }
        return text
      case UInt8(ascii: "\\"): content += Array(String(try escape()).utf8)
      default: content.append(byte)
      }
    }
    throw failure("an unfinished string")
  }

  private mutating func escape() throws(ToolError) -> Character {
    guard position < bytes.count else { throw failure("an unfinished string") }
    defer { position += 1 }
    switch bytes[position] {
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "u"):
      guard position + 4 < bytes.count,
        let code = UInt32(String(decoding: bytes[position + 1...position + 4], as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(code)
      else { throw failure("a \\u escape that is no character") }
      position += 4
      return Character(scalar)
    case let other: return Character(Unicode.Scalar(other))
    }
  }
}
