import Basics
import SQLValues

/// What there is of JSON: objects for tools that read descriptions of columns.
enum JSONFunctions {
  /// `json_build_object(name, value, …)`, spaced as PostgreSQL spaces it.
  static func evaluate(_ function: FunctionID, _ arguments: [Datum]) throws(SQLError) -> Datum {
    var parts: [String] = []
    for position in stride(from: 0, to: arguments.count - 1, by: 2) {
      guard case .text(let name) = arguments[position] else {
        throw SQLError(
          .invalidParameterValue, "argument \(position + 1) cannot be null", hint: "Object keys should be text.")
      }
      parts.append("\(quoted(name)) : \(value(arguments[position + 1]))")
    }
    return .text("{" + parts.joined(separator: ", ") + "}")
  }

  private static func value(_ value: Datum) -> String {
    switch value {
    case .null: "null"
    case .boolean(let isTrue): isTrue ? "true" : "false"
    case .text(let text): quoted(text)
    case .integer: value.text(as: .int8)
    case .decimal: value.text(as: .numeric(precision: nil, scale: nil))
    case .double(let number): number.isFinite ? value.text(as: .float8) : quoted(value.text(as: .float8))
    default: "null"
    }
  }

  /// RFC 8259, section 7.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{c}": result += "\\f"
      case _ where scalar.value < 32:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
