import Basics
import SQLValues

/// Functions of text and byte strings. Characters are Unicode scalars, as in PostgreSQL.
enum TextFunctions {
  /// Bytes that one result may have (PostgreSQL 15: 1 GB; here smaller, results are held in memory).
  static let maximumResultBytes = 64 << 20

  static func evaluate(_ function: FunctionID, _ arguments: [Datum], _ type: SQLType) throws(SQLError) -> Datum {
    switch function {
    case .concatenate:
      if case .bytes(let left) = arguments[0], case .bytes(let right) = arguments[1] {
        try requireSize(left.count + right.count, times: 1)
        return .bytes(left + right)
      }
      let (left, right) = (try text(arguments, 0, function), try text(arguments, 1, function))
      try requireSize(left.utf8.count + right.utf8.count, times: 1)
      return .text(left + right)
    case .concat:
      var result = ""
      for argument in arguments {
        guard case .text(let part) = argument else { continue }
        try requireSize(result.utf8.count + part.utf8.count, times: 1)
        result += part
      }
      return .text(result)
    case .concatWithSeparator:
      guard case .text(let separator) = arguments[0] else { return .null }
      let parts = arguments.dropFirst().compactMap { if case .text(let part) = $0 { part } else { nil } }
      try requireSize(parts.reduce(0) { $0 + $1.utf8.count + separator.utf8.count }, times: 1)
      return .text(parts.joined(separator: separator))
    case .characterLength: return .integer(Int64(try text(arguments, 0, function).unicodeScalars.count))
    case .octetLength: return .integer(Int64(try byteCount(arguments[0], function)))
    case .bitLength: return .integer(Int64(try byteCount(arguments[0], function) * 8))
    case .lower: return .text(try text(arguments, 0, function).lowercased())
    case .upper: return .text(try text(arguments, 0, function).uppercased())
    case .initialCapitals: return .text(initialCapitals(try text(arguments, 0, function)))
    case .substring: return try substring(arguments)
    case .trimBoth, .trimLeft, .trimRight: return .text(try trimmed(function, arguments))
    case .replace: return .text(try replaced(arguments))
    case .position, .strpos:
      return .integer(
        Int64(position(of: try scalars(arguments, 1, function), in: try scalars(arguments, 0, function)) ?? 0))
    case .left, .right: return .text(try side(function, arguments))
    case .repeat:
      let unit = try text(arguments, 0, function)
      let count = max(0, try integer(arguments, 1, function))
      try requireSize(unit.utf8.count, times: count)
      return .text(repeated(unit, count))
    case .reverse: return .text(string(try scalars(arguments, 0, function).reversed()))
    case .padLeft, .padRight: return .text(try padded(function, arguments))
    case .splitPart: return .text(try splitPart(arguments))
    case .translate: return .text(try translated(arguments))
    case .character:
      let code = try integer(arguments, 0, function)
      if code == 0 { throw SQLError(.programLimitExceeded, "null character not permitted") }
      guard code > 0, code <= 0x10_ffff, let scalar = Unicode.Scalar(UInt32(code)) else {
        throw SQLError(.programLimitExceeded, "requested character too large for encoding: \(code)")
      }
      return .text(String(Character(scalar)))
    case .codePoint: return .integer(Int64(try text(arguments, 0, function).unicodeScalars.first?.value ?? 0))
    case .md5: return .text(MD5.hexadecimal(try content(arguments[0], function)))
    case .startsWith:
      let whole = try text(arguments, 0, function)
      return .boolean(whole.utf8.starts(with: try text(arguments, 1, function).utf8))
    case .toHexadecimal:
      guard case .integer(let value) = arguments[0] else { throw Builtins.mismatch(function) }
      // The width of the argument cannot be told from the value: negative numbers of 32 bits print 8 digits.
      let isNarrow = value < 0 && value >= Int64(Int32.min)
      return .text(
        String(isNarrow ? UInt64(UInt32(truncatingIfNeeded: value)) : UInt64(bitPattern: value), radix: 16))
    case .quoteLiteral:
      let value = try text(arguments, 0, function)
      let quoted = String(value.flatMap { $0 == "'" ? "''" : $0 == "\\" ? "\\\\" : String($0) })
      return .text((value.contains("\\") ? "E'" : "'") + quoted + "'")
    case .quoteIdentifier:
      let value = try text(arguments, 0, function)
      let isPlain =
        value.utf8.first.map { ($0 >= 97 && $0 <= 122) || $0 == 95 } == true
        && value.utf8.allSatisfy { ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 95 }
      return .text(isPlain ? value : "\"" + value.flatMap { $0 == "\"" ? "\"\"" : String($0) } + "\"")
    case .encode:
      return .text(try ByteEncoding.encode(try content(arguments[0], function), as: text(arguments, 1, function)))
    case .decode:
      return .bytes(try ByteEncoding.decode(try text(arguments, 0, function), as: text(arguments, 1, function)))
    case .like, .likeIgnoringCase:
      let pattern = try text(arguments, 1, function)
      let subject = try text(arguments, 0, function)
      return function == .like
        ? .boolean(try LikePattern.matches(subject, pattern))
        : .boolean(try LikePattern.matches(subject.lowercased(), pattern.lowercased()))
    case .format: return try FormatText.evaluate(arguments)
    case .likeEscape:
      return .text(try LikePattern.escaped(try text(arguments, 0, function), with: text(arguments, 1, function)))
    default: throw Builtins.mismatch(function)
    }
  }

  // MARK: Arguments

  static func text(_ arguments: [Datum], _ index: Int, _ function: FunctionID) throws(SQLError) -> String {
    guard index < arguments.count, case .text(let value) = arguments[index] else { throw Builtins.mismatch(function) }
    return value
  }

  private static func scalars(
    _ arguments: [Datum], _ index: Int, _ function: FunctionID
  ) throws(SQLError) -> [Unicode.Scalar] {
    Array(try text(arguments, index, function).unicodeScalars)
  }

  private static func integer(_ arguments: [Datum], _ index: Int, _ function: FunctionID) throws(SQLError) -> Int {
    guard index < arguments.count, case .integer(let value) = arguments[index] else {
      throw Builtins.mismatch(function)
    }
    return Int(value)
  }

  private static func content(_ value: Datum, _ function: FunctionID) throws(SQLError) -> [UInt8] {
    switch value {
    case .text(let text): return Array(text.utf8)
    case .bytes(let bytes): return bytes
    default: throw Builtins.mismatch(function)
    }
  }

  private static func byteCount(_ value: Datum, _ function: FunctionID) throws(SQLError) -> Int {
    switch value {
    case .text(let text): return text.utf8.count
    case .bytes(let bytes): return bytes.count
    default: throw Builtins.mismatch(function)
    }
  }

  private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  private static func requireSize(_ bytes: Int, times count: Int) throws(SQLError) {
    let (total, overflow) = bytes.multipliedReportingOverflow(by: count)
    if overflow || total > maximumResultBytes {
      throw SQLError(.programLimitExceeded, "requested length too large")
    }
  }

  // MARK: Functions

  /// By doubling: what counts one by one takes a second for what memory takes in ten milliseconds.
  private static func repeated(_ unit: String, _ count: Int) -> String {
    if unit.isEmpty { return "" }
    var result = ""
    var (power, rest) = (unit, count)
    while rest > 0 {
      if rest & 1 == 1 { result += power }
      rest >>= 1
      if rest > 0 { power += power }
    }
    return result
  }

  private static func substring(_ arguments: [Datum]) throws(SQLError) -> Datum {
    let start = try integer(arguments, 1, .substring)
    let length = arguments.count > 2 ? try integer(arguments, 2, .substring) : nil
    if let length, length < 0 { throw SQLError(SQLState("22011"), "negative substring length not allowed") }
    func range(_ count: Int) -> Range<Int> {
      let first = max(start, 1) - 1
      let end =
        length.map { length in
          let (end, overflow) = start.addingReportingOverflow(length)
          return overflow ? count : min(max(end, 1) - 1, count)
        } ?? count
      return first < end ? first..<end : 0..<0
    }
    if case .bytes(let bytes) = arguments[0] { return .bytes(Array(bytes[range(bytes.count)])) }
    let source = try scalars(arguments, 0, .substring)
    return .text(string(source[range(source.count)]))
  }

  private static func trimmed(_ function: FunctionID, _ arguments: [Datum]) throws(SQLError) -> String {
    var rest = try scalars(arguments, 0, function)[...]
    let removed = arguments.count > 1 ? Set(try scalars(arguments, 1, function)) : [" "]
    if function != .trimRight { rest = rest.drop { removed.contains($0) } }
    if function != .trimLeft { while let last = rest.last, removed.contains(last) { rest.removeLast() } }
    return string(rest)
  }

  private static func replaced(_ arguments: [Datum]) throws(SQLError) -> String {
    let source = Array(try text(arguments, 0, .replace).utf8)
    let old = Array(try text(arguments, 1, .replace).utf8)
    let new = Array(try text(arguments, 2, .replace).utf8)
    if old.isEmpty { return try text(arguments, 0, .replace) }
    var result: [UInt8] = []
    var index = 0
    while index < source.count {
      if source[index] == old[0], source[index...].starts(with: old) {
        result.append(contentsOf: new)
        index += old.count
        if result.count > maximumResultBytes { try requireSize(result.count, times: 1) }
      } else {
        result.append(source[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// From 1.
  private static func position(of part: [Unicode.Scalar], in whole: [Unicode.Scalar]) -> Int? {
    if part.isEmpty { return 1 }
    if part.count > whole.count { return nil }
    for start in 0...(whole.count - part.count) where whole[start] == part[0] && whole[start...].starts(with: part) {
      return start + 1
    }
    return nil
  }

  private static func side(_ function: FunctionID, _ arguments: [Datum]) throws(SQLError) -> String {
    let source = try scalars(arguments, 0, function)
    let count = try integer(arguments, 1, function)
    let kept = count >= 0 ? min(count, source.count) : max(0, source.count + max(count, -source.count))
    return string(function == .left ? source.prefix(kept) : source.suffix(kept))
  }

  private static func padded(_ function: FunctionID, _ arguments: [Datum]) throws(SQLError) -> String {
    let source = try scalars(arguments, 0, function)
    let wanted = max(0, try integer(arguments, 1, function))
    let fill = arguments.count > 2 ? try scalars(arguments, 2, function) : [" "]
    try requireSize(4, times: wanted)
    if source.count >= wanted || fill.isEmpty { return string(source.prefix(wanted)) }
    let padding = (0..<(wanted - source.count)).map { fill[$0 % fill.count] }
    return string(function == .padLeft ? padding + source : source + padding)
  }

  private static func splitPart(_ arguments: [Datum]) throws(SQLError) -> String {
    let source = Array(try text(arguments, 0, .splitPart).utf8)
    let separator = Array(try text(arguments, 1, .splitPart).utf8)
    let number = try integer(arguments, 2, .splitPart)
    if number == 0 { throw SQLError(.invalidParameterValue, "field position must not be zero") }
    var parts: [[UInt8]] = [[]]
    var index = 0
    while index < source.count {
      if !separator.isEmpty, source[index...].starts(with: separator) {
        parts.append([])
        index += separator.count
      } else {
        parts[parts.count - 1].append(source[index])
        index += 1
      }
    }
    let position = number > 0 ? number - 1 : parts.count + max(number, -parts.count - 1)
    guard position >= 0, position < parts.count else { return "" }
    return String(decoding: parts[position], as: UTF8.self)
  }

  private static func translated(_ arguments: [Datum]) throws(SQLError) -> String {
    let from = try scalars(arguments, 1, .translate)
    let to = try scalars(arguments, 2, .translate)
    var result = String.UnicodeScalarView()
    for scalar in try scalars(arguments, 0, .translate) {
      guard let index = from.firstIndex(of: scalar) else {
        result.append(scalar)
        continue
      }
      if index < to.count { result.append(to[index]) }
    }
    return String(result)
  }

  private static func initialCapitals(_ text: String) -> String {
    var result = ""
    var isInWord = false
    for character in text {
      let isWordPart = character.isLetter || character.isNumber
      result += isWordPart && !isInWord ? character.uppercased() : character.lowercased()
      isInWord = isWordPart
    }
    return result
  }
}
