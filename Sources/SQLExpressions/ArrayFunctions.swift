import Basics
import SQLValues

/// Functions of arrays, whose values are kept in their text form. Vectors (`int2vector`) have no braces and count from 0.
enum ArrayFunctions {
  static func evaluate(_ function: FunctionID, _ arguments: [Datum], _ type: SQLType) throws(SQLError) -> Datum {
    switch function {
    case .makeArray: return .text(ArrayText.format(arguments.map { text(of: $0) }))
    case .arrayToString:
      guard let elements = elements(arguments[0]), case .text(let separator) = arguments[1] else { return .null }
      let nothing = arguments.count > 2 ? text(of: arguments[2]) : nil
      return .text(elements.compactMap { $0 ?? nothing }.joined(separator: separator))
    case .stringToArray: return split(arguments)
    case .arrayLength, .arrayUpper, .arrayLower:
      guard let elements = elements(arguments[0]), !elements.isEmpty, arguments[1] == .integer(1) else { return .null }
      let lower = isVector(arguments[0]) ? 0 : 1
      switch function {
      case .arrayLower: return .integer(Int64(lower))
      case .arrayUpper: return .integer(Int64(elements.count - 1 + lower))
      default: return .integer(Int64(elements.count))
      }
    case .cardinality: return .integer(Int64(elements(arguments[0])?.count ?? 0))
    case .arrayElement:
      guard let elements = elements(arguments[0]), case .integer(let position) = arguments[1] else { return .null }
      let index = position - (isVector(arguments[0]) ? 0 : 1)
      guard index >= 0, index < elements.count, let text = elements[Int(index)] else { return .null }
      return try Datum.parse(text, as: type)
    case .arrayConcatenate:
      if arguments[0].isNull { return arguments[1] }
      if arguments[1].isNull { return arguments[0] }
      guard let left = elements(arguments[0]), let right = elements(arguments[1]) else {
        throw Builtins.mismatch(function)
      }
      return .text(ArrayText.format(left + right))
    case .arrayContains:
      guard let elements = elements(arguments[1]) else { return .null }
      if arguments.count == 4 { return try contains(arguments, elements) }
      guard let wanted = text(of: arguments[0]) else { return .null }
      if elements.contains(wanted) { return .boolean(true) }
      return elements.contains(nil) ? .null : .boolean(false)
    case .arrayPosition:
      guard let elements = elements(arguments[0]) else { return .null }
      let wanted = text(of: arguments[1])
      return elements.firstIndex(of: wanted).map { .integer(Int64($0 + 1)) } ?? .null
    default: throw Builtins.mismatch(function)
    }
  }

  /// Elements are values of the third argument's type, and are compared in the fourth's.
  private static func contains(_ arguments: [Datum], _ elements: [String?]) throws(SQLError) -> Datum {
    func type(_ position: Int) throws(SQLError) -> SQLType {
      guard case .integer(let number) = arguments[position], let oid = UInt32(exactly: number),
        let type = SQLType(oid: oid)
      else { throw Builtins.mismatch(.arrayContains) }
      return type
    }
    let (element, common) = (try type(2), try type(3))
    for case let text? in elements {
      let value = try Datum.parse(text, as: element).cast(from: element, to: common, isExplicit: false)
      if Datum.compare(value, arguments[0]) == 0 { return .boolean(true) }
    }
    return elements.contains(nil) ? .null : .boolean(false)
  }

  static func isVector(_ value: Datum) -> Bool {
    guard case .text(let text) = value else { return false }
    return !text.hasPrefix("{")
  }

  static func elements(_ value: Datum) -> [String?]? {
    guard case .text(let text) = value else { return nil }
    return isVector(value) ? text.split(separator: " ").map { String($0) } : ArrayText.parse(text)
  }

  /// Elements come as text, in their type's form.
  private static func text(of value: Datum) -> String? {
    if case .text(let text) = value { return text }
    return nil
  }

  /// `string_to_array(text, separator [, text that stands for NULL])`; without a separator every character is an element.
  private static func split(_ arguments: [Datum]) -> Datum {
    guard let whole = text(of: arguments[0]) else { return .null }
    let nothing = arguments.count > 2 ? text(of: arguments[2]) : nil
    var parts: [String]
    if whole.isEmpty {
      parts = []
    } else if let separator = text(of: arguments[1]) {
      parts = separator.isEmpty ? [whole] : pieces(whole, separator)
    } else {
      parts = whole.unicodeScalars.map { String($0) }
    }
    return .text(ArrayText.format(parts.map { $0 == nothing ? nil : $0 }))
  }

  private static func pieces(_ text: String, _ separator: String) -> [String] {
    let (subject, mark) = (Array(text.utf8), Array(separator.utf8))
    var parts: [String] = []
    var begin = 0
    var place = 0
    while place + mark.count <= subject.count {
      if subject[place..<place + mark.count].elementsEqual(mark) {
        parts.append(String(decoding: subject[begin..<place], as: UTF8.self))
        place += mark.count
        begin = place
      } else {
        place += 1
      }
    }
    parts.append(String(decoding: subject[begin...], as: UTF8.self))
    return parts
  }
}

/// A function that yields rows: in `FROM`, or in a select list.
public enum SetFunction: Hashable, Sendable {
  case unnest(SQLType)
  case generateSubscripts
  case regexMatches
  case regexSplit
  /// `generate_series` of integers.
  case series(SQLType)
  /// Yields nothing: sets of what there is none of.
  case empty(SQLType)

  public var type: SQLType {
    switch self {
    case .unnest(let element), .series(let element), .empty(let element): element
    case .generateSubscripts: .int4
    case .regexMatches: .system(.textArray)
    case .regexSplit: .text
    }
  }

  /// Rows that one call may yield.
  public static let maximumRows = 1_000_000

  /// The values in order; none if an argument is NULL.
  public func evaluate(
    _ arguments: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> [Datum] {
    if arguments.contains(where: \.isNull) { return [] }
    switch self {
    case .empty: return []
    case .unnest(let element):
      var values: [Datum] = []
      for text in ArrayFunctions.elements(arguments[0]) ?? [] {
        if let text { values.append(try Datum.parse(text, as: element)) } else { values.append(.null) }
      }
      return values
    case .generateSubscripts:
      guard let count = ArrayFunctions.elements(arguments[0])?.count, arguments[1] == .integer(1) else { return [] }
      let lower = ArrayFunctions.isVector(arguments[0]) ? 0 : 1
      return (0..<count).map { .integer(Int64($0 + lower)) }
    case .regexMatches, .regexSplit:
      guard case .text(let subject) = arguments[0], case .text(let pattern) = arguments[1] else { return [] }
      var flags = ""
      if arguments.count > 2, case .text(let given) = arguments[2] { flags = given }
      if self == .regexSplit { return try RegularExpressionFunctions.allParts(subject, pattern, flags, &context) }
      return try RegularExpressionFunctions.allMatches(subject, pattern, flags, &context)
    case .series:
      guard case .integer(let first) = arguments[0], case .integer(let last) = arguments[1] else { return [] }
      var step: Int64 = 1
      if arguments.count > 2, case .integer(let given) = arguments[2] { step = given }
      if step == 0 { throw SQLError(.invalidParameterValue, "step size cannot equal zero") }
      var values: [Datum] = []
      var value = first
      while step > 0 ? value <= last : value >= last {
        guard values.count < Self.maximumRows else {
          throw SQLError(.programLimitExceeded, "a set in a select list has more than \(Self.maximumRows) rows")
        }
        values.append(.integer(value))
        let (next, overflow) = value.addingReportingOverflow(step)
        if overflow { break }
        value = next
      }
      return values
    }
  }
}
