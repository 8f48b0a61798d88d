import Basics
import SQLValues

/// `format`: `%s` is a value's text, `%I` an identifier, `%L` a literal, `%n$s` the n-th value (PostgreSQL 15, 9.4.1).
enum FormatText {
  static func evaluate(_ arguments: [Datum]) throws(SQLError) -> Datum {
    guard case .text(let pattern)? = arguments.first else { return .null }
    var result = ""
    var position = 0
    var characters = Array(pattern.unicodeScalars)[...]
    while let next = characters.popFirst() {
      guard next == "%" else {
        result.unicodeScalars.append(next)
        continue
      }
      var digits = ""
      while let digit = characters.first, ("0"..."9").contains(digit) {
        digits.unicodeScalars.append(digit)
        characters.removeFirst()
      }
      if !digits.isEmpty {
        guard characters.popFirst() == "$", let number = Int(digits), number >= 1 else {
          throw .unsupported("the width of a format specifier")
        }
        position = number - 1
      }
      guard let kind = characters.popFirst() else {
        throw SQLError(.invalidParameterValue, "unterminated format() type specifier")
      }
      if kind == "%" {
        result += "%"
        continue
      }
      position += 1
      guard position < arguments.count else {
        throw SQLError(.invalidParameterValue, "too few arguments for format()")
      }
      var text: String?
      if case .text(let value) = arguments[position] { text = value }
      switch kind {
      case "s": result += text ?? ""
      case "I":
        guard let text else {
          throw SQLError(SQLState("22004"), "null values cannot be formatted as an SQL identifier")
        }
        result += try quoted(text, .quoteIdentifier)
      case "L": result += try text.map { (text) throws(SQLError) in try quoted(text, .quoteLiteral) } ?? "NULL"
      default:
        throw SQLError(.invalidParameterValue, "unrecognized format() type specifier \"\(kind)\"")
      }
      guard result.utf8.count <= TextFunctions.maximumResultBytes else {
        throw SQLError(.programLimitExceeded, "requested length too large")
      }
    }
    return .text(result)
  }

  private static func quoted(_ text: String, _ function: FunctionID) throws(SQLError) -> String {
    guard case .text(let quoted) = try TextFunctions.evaluate(function, [.text(text)], .text) else { return "" }
    return quoted
  }
}
