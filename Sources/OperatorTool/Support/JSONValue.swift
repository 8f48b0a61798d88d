import Basics

/// A JSON document (RFC 8259): what `cluster.json` and `theseus bench --json` are written in.
enum JSONValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  /// In the order written.
  case object([JSONMember])
}

struct JSONMember: Hashable, Sendable {
  var name: String
  var value: JSONValue

  init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

extension JSONValue {
  subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  var text: String? { if case .string(let text) = self { text } else { nil } }
  var whole: Int? { if case .integer(let value) = self { value } else { nil } }
  var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
}

// MARK: - Writing

extension JSONValue {
  /// Indented by two blanks; arrays and objects of plain values on one line.
  func formatted(indent: Int = 0) -> String {
    let outer = String(repeating: " ", count: indent)
    let inner = outer + "  "
    switch self {
    case .null: return "null"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return String(value)
    case .number(let value): return value.isFinite ? "\(value)" : "null"
    case .string(let text): return JSONText.quoted(text)
    case .array(let elements):
      if elements.isEmpty { return "[]" }
      if elements.allSatisfy(\.isPlain) { return "[" + elements.map { $0.formatted() }.joined(separator: ", ") + "]" }
      let lines = elements.map { inner + $0.formatted(indent: indent + 2) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
    case .object(let members):
      let rows = members.map { "\(JSONText.quoted($0.name)): \($0.value.formatted(indent: indent + 2))" }
      if members.allSatisfy({ $0.value.isPlain }) { return "{" + rows.joined(separator: ", ") + "}" }
      return "{\n" + rows.map { inner + $0 }.joined(separator: ",\n") + "\n\(outer)}"
    }
  }

  private var isPlain: Bool {
    switch self {
    case .null, .boolean, .integer, .number, .string: true
    case .array, .object: false
    }
  }
}
