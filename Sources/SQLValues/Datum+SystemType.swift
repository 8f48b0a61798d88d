import Basics

/// Values of the catalog's types from and to text and binary.
extension Datum {
  /// The number of an object identifier; what is named is found by the catalog before it comes here.
  static func parse(_ text: String, as type: SystemType) throws(SQLError) -> Datum {
    if type.isObjectIdentifier {
      if text == "-" { return .integer(0) }
      guard let number = UInt32(text) else {
        throw SQLError(.invalidTextRepresentation, "invalid input syntax for type \(type.name): \"\(text)\"")
      }
      return .integer(Int64(number))
    }
    guard type.elementType != nil else { return .text(text) }
    guard let elements = type.isVector ? text.split(separator: " ").map({ String($0) }) : ArrayText.parse(text) else {
      if text.contains("{") { throw .unsupported("an array of several dimensions") }
      throw SQLError(
        .invalidTextRepresentation, "malformed array literal: \"\(text)\"",
        detail: "Array value must start with \"{\" or dimension information.")
    }
    return try array(elements, type)
  }

  /// An array of these elements, each as its type prints it.
  public static func array(_ elements: [String?], _ type: SystemType) throws(SQLError) -> Datum {
    guard let element = type.elementType else { throw .unsupported("type \(type.name)") }
    var shown: [String?] = []
    for text in elements {
      guard let text else {
        shown.append(nil)
        continue
      }
      shown.append(try parse(text, as: element).text(as: element))
    }
    if type.isVector { return .text(shown.compactMap { $0 }.joined(separator: " ")) }
    return .text(ArrayText.format(shown))
  }

  /// Dimensions, a flag for NULLs, the elements' type, length and lower bound, then each element with its length
  /// (PostgreSQL's `array_send`). False for what is no array.
  func writeArray(_ type: SystemType, into bytes: inout [UInt8]) -> Bool {
    guard let element = type.elementType, let elements = type.elements(of: self) else { return false }
    Self.append(UInt32(elements.isEmpty ? 0 : 1), to: &bytes)
    Self.append(UInt32(elements.contains(nil) ? 1 : 0), to: &bytes)
    Self.append(element.oid, to: &bytes)
    if elements.isEmpty { return true }
    Self.append(UInt32(truncatingIfNeeded: elements.count), to: &bytes)
    Self.append(UInt32(truncatingIfNeeded: type.lowerBound), to: &bytes)
    for text in elements {
      guard let text, let value = try? Self.parse(text, as: element) else {
        Self.append(UInt32.max, to: &bytes)
        continue
      }
      var content: [UInt8] = []
      value.writeBinary(as: element, into: &content)
      Self.append(UInt32(truncatingIfNeeded: content.count), to: &bytes)
      bytes += content
    }
    return true
  }

  static func parseArray(_ bytes: ArraySlice<UInt8>, _ type: SystemType) throws(SQLError) -> Datum {
    guard let element = type.elementType else {
      guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
        throw SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
      }
      return .text(text)
    }
    var rest = bytes
    func word() throws(SQLError) -> Int {
      guard rest.count >= 4 else {
        throw SQLError(.invalidBinaryRepresentation, "incorrect binary data format for type \(type.name)")
      }
      let value = rest.prefix(4).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
      rest = rest.dropFirst(4)
      return Int(Int32(bitPattern: value))
    }
    let dimensions = try word()
    _ = try word()
    _ = try word()
    if dimensions == 0 { return .text(type.isVector ? "" : "{}") }
    guard dimensions == 1 else { throw .unsupported("an array of several dimensions") }
    let count = try word()
    _ = try word()
    guard count >= 0, count <= rest.count / 4 else {
      throw SQLError(.invalidBinaryRepresentation, "incorrect binary data format for type \(type.name)")
    }
    var elements: [String?] = []
    for _ in 0..<count {
      let length = try word()
      guard length >= 0 else {
        elements.append(nil)
        continue
      }
      guard length <= rest.count else {
        throw SQLError(.invalidBinaryRepresentation, "incorrect binary data format for type \(type.name)")
      }
      elements.append(try parseBinary(rest.prefix(length), as: element).text(as: element))
      rest = rest.dropFirst(length)
    }
    if type.isVector { return .text(elements.compactMap { $0 }.joined(separator: " ")) }
    return .text(ArrayText.format(elements))
  }
}
