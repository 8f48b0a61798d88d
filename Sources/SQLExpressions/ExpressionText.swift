import SQLValues

/// Bound expressions as SQL, for people: `EXPLAIN` and stored defaults.
public struct ExpressionText: Sendable {
  public var columnNames: [String]
  /// What sequence functions name by number.
  public var relationName: @Sendable (Int64) -> String?

  public init(columnNames: [String], relationName: @escaping @Sendable (Int64) -> String? = { _ in nil }) {
    self.columnNames = columnNames
    self.relationName = relationName
  }

  public func text(_ expression: Expression) -> String {
    switch expression {
    case .constant(let value, let type): return constant(value, type)
    case .column(let position, _): return columnNames.indices.contains(position) ? columnNames[position] : "?"
    case .parameter(let position, _): return "$\(position + 1)"
    case .call(let function, let arguments, _): return call(function, arguments)
    case .comparison(let comparison, let left, let right):
      return "(\(text(left)) \(comparison.name) \(text(right)))"
    case .and(let list): return "(\(list.map(text).joined(separator: " AND ")))"
    case .or(let list): return "(\(list.map(text).joined(separator: " OR ")))"
    case .not(let operand):
      if case .isNull(let inner) = operand { return "(\(text(inner)) IS NOT NULL)" }
      return "(NOT \(text(operand)))"
    case .isNull(let operand): return "(\(text(operand)) IS NULL)"
    case .isDistinct(let left, let right): return "(\(text(left)) IS DISTINCT FROM \(text(right)))"
    case .isTruth(let operand, let test):
      let name =
        switch test {
        case .isTrue: "TRUE"
        case .isNotTrue: "NOT TRUE"
        case .isFalse: "FALSE"
        case .isNotFalse: "NOT FALSE"
        case .isUnknown: "UNKNOWN"
        case .isNotUnknown: "NOT UNKNOWN"
        }
      return "(\(text(operand)) IS \(name))"
    case .inList(let operand, let list): return "(\(text(operand)) IN (\(list.map(text).joined(separator: ", "))))"
    case .conditional(let branches, let otherwise, _):
      let parts = branches.map { " WHEN \(text($0.condition)) THEN \(text($0.value))" }.joined()
      return "CASE\(parts)\(otherwise.map { " ELSE \(text($0))" } ?? "") END"
    case .coalesce(let list, _): return "COALESCE(\(list.map(text).joined(separator: ", ")))"
    case .greatest(let list, _): return "GREATEST(\(list.map(text).joined(separator: ", ")))"
    case .least(let list, _): return "LEAST(\(list.map(text).joined(separator: ", ")))"
    case .nullIf(let left, let right, _): return "NULLIF(\(text(left)), \(text(right)))"
    case .cast(.call(.nextValue, let arguments, _), _, _, isExplicit: false): return call(.nextValue, arguments)
    case .cast(let operand, _, let to, _): return "(\(text(operand)))::\(to.description)"
    }
  }

  private func constant(_ value: Datum, _ type: SQLType) -> String {
    switch value {
    case .null: return "NULL"
    case .boolean(let truth): return truth ? "true" : "false"
    case .integer(let number): return type == .int4 ? "\(number)" : "'\(number)'::\(type.baseName)"
    default:
      let shown = (try? value.cast(from: type, to: .text, isExplicit: true)) ?? .text("?")
      guard case .text(let characters) = shown else { return "?" }
      if case .decimal = value { return characters }
      var escaped = ""
      for character in characters {
        if character == "'" { escaped.append("'") }
        escaped.append(character)
      }
      return "'\(escaped)'::\(type.baseName)"
    }
  }

  private func call(_ function: FunctionID, _ arguments: [Expression]) -> String {
    if let name = Self.operatorNames[function] {
      if arguments.count == 2 { return "(\(text(arguments[0])) \(name) \(text(arguments[1])))" }
      if arguments.count == 1 { return "(\(name) \(text(arguments[0])))" }
    }
    let name = Self.functionNames[function] ?? "\(function)"
    if [.nextValue, .currentValue, .setValue].contains(function),
      case .constant(.integer(let number), .oid)? = arguments.first
    {
      let rest = arguments.dropFirst().map { ", " + text($0) }.joined()
      return "\(name)('\(relationName(number) ?? String(number))'::regclass\(rest))"
    }
    return "\(name)(\(arguments.map(text).joined(separator: ", ")))"
  }

  private static let operatorNames = names(FunctionTable.operators)
  private static let functionNames = names(FunctionTable.functions)

  /// Each implementation under the first of its names, alphabetically.
  private static func names(_ table: [String: [FunctionSignature]]) -> [FunctionID: String] {
    var result: [FunctionID: String] = [:]
    for (name, signatures) in table.sorted(by: { $0.key < $1.key }) {
      for signature in signatures where result[signature.function] == nil { result[signature.function] = name }
    }
    // Its other names are keywords, which stand without parentheses.
    if result[.now] != nil { result[.now] = "now" }
    return result
  }
}
