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
      parts.append("\(JSONText.quoted(name)) : \(value(arguments[position + 1]))")
    }
    return .text("{" + parts.joined(separator: ", ") + "}")
  }

  private static func value(_ value: Datum) -> String {
    switch value {
    case .null: "null"
    case .boolean(let isTrue): isTrue ? "true" : "false"
    case .text(let text): JSONText.quoted(text)
    case .integer: value.text(as: .int8)
    case .decimal: value.text(as: .numeric(precision: nil, scale: nil))
    case .double(let number): number.isFinite ? value.text(as: .float8) : JSONText.quoted(value.text(as: .float8))
    default: "null"
    }
  }
}
