import Basics
import SQLValues

/// What functions may ask the catalog while a statement runs: made by whoever knows the catalog that the statement sees.
public protocol CatalogAnswers: Sendable {
  /// The value of a function of the group "Catalog" of `FunctionID` for arguments that are not NULL. Throws 42P01 and 42704
  /// for names that stand for nothing.
  func answer(_ function: FunctionID, _ arguments: [Datum]) throws(SQLError) -> Datum
}

public enum CatalogFunctions {
  static func evaluate(
    _ function: FunctionID, _ arguments: [Datum], _ context: EvaluationContext
  ) throws(SQLError) -> Datum {
    switch function {
    case .formatType:
      guard case .integer(let oid) = arguments[0] else { return .null }
      var modifier: Int32?
      if case .integer(let value) = arguments[1] { modifier = Int32(truncatingIfNeeded: value) }
      // Types that somebody has made are known to the catalog.
      if let catalog = context.catalog, oid >= 1 << 28 { return try catalog.answer(.formatType, arguments) }
      return .text(typeText(oid, modifier: modifier))
    case .prettySize:
      guard case .integer(let bytes) = arguments[0] else { throw Builtins.mismatch(function) }
      return .text(prettySize(bytes))
    case .prettyExpression:
      guard case .text(let text) = arguments[0] else { throw Builtins.mismatch(function) }
      return .text(withoutParentheses(text))
    default:
      guard let catalog = context.catalog else { throw .unsupported("catalog functions in this part of a statement") }
      return try catalog.answer(function, arguments)
    }
  }

  static func typeText(_ oid: Int64, modifier: Int32?) -> String {
    if oid == 0 { return "-" }
    guard let number = UInt32(exactly: oid), let type = SQLType(oid: number, typeModifier: modifier ?? -1) else {
      return "???"
    }
    if type == .character(count: 0), modifier != nil { return "bpchar" }
    return modifier == nil ? type.baseName : type.description
  }

  /// An expression without the parentheses around the whole of it, if there are any.
  public static func withoutParentheses(_ text: String) -> String {
    guard text.hasPrefix("("), text.hasSuffix(")") else { return text }
    var depth = 0
    var isQuoted = false
    for (position, byte) in text.utf8.enumerated() {
      switch byte {
      case UInt8(ascii: "'"): isQuoted.toggle()
      case UInt8(ascii: "(") where !isQuoted: depth += 1
      case UInt8(ascii: ")") where !isQuoted: depth -= 1
      default: break
      }
      // The first of them ends before the last.
      if depth == 0, position < text.utf8.count - 1 { return text }
    }
    return String(text.dropFirst().dropLast())
  }

  /// As `pg_size_pretty`: a unit is used from ten of it on, rounded half away from zero.
  static func prettySize(_ bytes: Int64) -> String {
    var amount = bytes
    var isHalf = false
    for unit in ["bytes", "kB", "MB", "GB", "TB", "PB"] {
      let limit: UInt64 = isHalf ? 20 * 1024 - 1 : 10 * 1024
      if amount.magnitude < limit || unit == "PB" {
        let rounded = isHalf ? (amount + (amount < 0 ? -1 : 1)) / 2 : amount
        return "\(rounded) \(unit)"
      }
      // Twice the amount is kept from the second unit on, so that a half can be seen.
      amount /= unit == "bytes" ? 512 : 1024
      isHalf = true
    }
    return "\(bytes) bytes"
  }
}
