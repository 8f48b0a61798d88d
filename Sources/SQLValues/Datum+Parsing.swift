import Basics

/// Reading the text form of values: literals, text parameters, casts from text.
extension Datum {
  /// Whether the text holds a word that stands for the present (`now`, `today`, …).
  public static func containsDateTimeWord(_ text: String) -> Bool { DateTimeParser.containsWord(text) }

  /// The value that PostgreSQL's input function of the type reads from the text, modifiers applied as in an assignment.
  /// `now` is the statement's time in microseconds since 2000. Throws 22P02, 22003, 22007, 22008, 22001.
  public static func parse(_ text: String, as type: SQLType, now: Int64 = 0) throws(SQLError) -> Datum {
    switch type {
    case .boolean: return .boolean(try boolean(text))
    case .int2: return .integer(try integer(text, type: type, in: Int64(Int16.min)...Int64(Int16.max)))
    case .int4: return .integer(try integer(text, type: type, in: Int64(Int32.min)...Int64(Int32.max)))
    case .int8: return .integer(try integer(text, type: type, in: Int64.min...Int64.max))
    case .oid: return .integer(try integer(text, type: type, in: 0...Int64(UInt32.max)))
    case .float4, .float8: return .double(try double(text, type: type))
    case .numeric(let precision, let scale):
      guard let value = Decimal(text) else { throw invalid(text, type) }
      guard let precision else { return .decimal(try value.checked()) }
      return .decimal(try value.constrained(precision: precision, scale: scale ?? 0))
    case .text, .unknown: return .text(text)
    case .varchar, .character, .name: return try Datum.text(text).fitted(to: type, isExplicit: false)
    case .bytea: return .bytes(try bytes(text))
    case .uuid:
      guard let value = UUIDValue(text) else { throw invalid(text, type) }
      return .uuid(value)
    case .date, .timestamp, .timestampWithTimeZone: return try dateTime(text, as: type, now: now)
    case .interval:
      guard let value = IntervalParser.parse(text) else {
        throw SQLError(.invalidDatetimeFormat, "invalid input syntax for type interval: \"\(text)\"")
      }
      return .interval(value)
    case .void: return .null
    case .enumerated(let enumeration): return try enumeration.value(of: text)
    case .system(let system): return try parse(text, as: system)
    }
  }

  private static func invalid(_ text: String, _ type: SQLType) -> SQLError {
    SQLError(.invalidTextRepresentation, "invalid input syntax for type \(type.baseName): \"\(text)\"")
  }

  private static func boolean(_ text: String) throws(SQLError) -> Bool {
    let word = String(text.utf8.trimmingBlanks)?.lowercased() ?? ""
    if !word.isEmpty {
      if "true".hasPrefix(word) || "yes".hasPrefix(word) || word == "on" || word == "1" { return true }
      if "false".hasPrefix(word) || "no".hasPrefix(word) || word == "of" || word == "off" || word == "0" {
        return false
      }
    }
    throw invalid(text, .boolean)
  }

  private static func integer(
    _ text: String, type: SQLType, in limits: ClosedRange<Int64>
  ) throws(SQLError) -> Int64 {
    let trimmed = text.utf8.trimmingBlanks
    var digits = trimmed
    if digits.first == UInt8(ascii: "-") || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
    guard !digits.isEmpty, digits.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { throw invalid(text, type) }
    guard let string = String(trimmed), let value = Int64(string), limits.contains(value) else {
      throw SQLError(.numericValueOutOfRange, "value \"\(text)\" is out of range for type \(type.baseName)")
    }
    return value
  }

  private static func double(_ text: String, type: SQLType) throws(SQLError) -> Double {
    let word = String(text.utf8.trimmingBlanks)?.lowercased() ?? ""
    switch word {
    case "nan": return .nan
    case "infinity", "inf", "+infinity", "+inf": return .infinity
    case "-infinity", "-inf": return -.infinity
    default: break
    }
    // Swift would also read hexadecimal floats and names.
    guard word.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || "+-.e".utf8.contains($0) }), let value = parsedDouble(word)
    else {
      throw invalid(text, type)
    }
    let result = type == .float4 ? Double(Float(value)) : value
    if result.isInfinite || (result == 0 && word.utf8.prefix { $0 != 101 }.contains { $0 >= 49 && $0 <= 57 }) {
      throw SQLError(.numericValueOutOfRange, "\"\(text)\" is out of range for type \(type.baseName)")
    }
    return result
  }

  private static func parsedDouble(_ word: String) -> Double? {
    if let value = Double(word) { return value }
    // `5.` and `.5` are numbers in SQL.
    if let decimal = Decimal(word), decimal.isFinite { return Double(decimal.description) }
    return nil
  }

  private static func bytes(_ text: String) throws(SQLError) -> [UInt8] {
    let source = Array(text.utf8)
    var result: [UInt8] = []
    if source.starts(with: "\\x".utf8) {
      result.reserveCapacity(source.count / 2)
      var high: UInt8?
      for (index, byte) in source.enumerated().dropFirst(2) {
        if high == nil, byte == 32 || (byte >= 9 && byte <= 13) { continue }
        guard let digit = hexadecimalValue(byte) else {
          let shown =
            String(decoding: source[index...].prefix { _ in true }, as: UTF8.self).first.map(String.init) ?? ""
          throw SQLError(.invalidParameterValue, "invalid hexadecimal digit: \"\(shown)\"")
        }
        if let first = high {
          result.append(first << 4 | digit)
          high = nil
        } else {
          high = digit
        }
      }
      guard high == nil else {
        throw SQLError(.invalidParameterValue, "invalid hexadecimal data: odd number of digits")
      }
      return result
    }
    var index = 0
    while index < source.count {
      let byte = source[index]
      if byte != UInt8(ascii: "\\") {
        result.append(byte)
        index += 1
      } else if index + 1 < source.count, source[index + 1] == UInt8(ascii: "\\") {
        result.append(byte)
        index += 2
      } else if index + 3 < source.count, (48...51).contains(source[index + 1]), (48...55).contains(source[index + 2]),
        (48...55).contains(source[index + 3])
      {
        result.append((source[index + 1] - 48) << 6 | (source[index + 2] - 48) << 3 | (source[index + 3] - 48))
        index += 4
      } else {
        throw SQLError(.invalidTextRepresentation, "invalid input syntax for type bytea")
      }
    }
    return result
  }

  private static func dateTime(_ text: String, as type: SQLType, now: Int64) throws(SQLError) -> Datum {
    let outcome: DateTimeParser.Outcome
    do {
      outcome = try DateTimeParser.parse(text, now: now)
    } catch {
      switch error {
      case .syntax:
        let name = type == .timestamp ? "timestamp" : type.baseName
        throw SQLError(.invalidDatetimeFormat, "invalid input syntax for type \(name): \"\(text)\"")
      case .fieldOutOfRange:
        throw SQLError(.datetimeFieldOverflow, "date/time field value out of range: \"\(text)\"")
      }
    }
    switch outcome {
    case .infinity: return type == .date ? .date(DateTimeLimits.dateInfinity) : .timestamp(.max)
    case .minusInfinity: return type == .date ? .date(DateTimeLimits.dateMinusInfinity) : .timestamp(.min)
    case .fields(let fields, let offset):
      if type == .date {
        let days = Int64(fields.date.daysSince2000)
        guard DateTimeLimits.isValid(date: days) else {
          throw SQLError(.datetimeFieldOverflow, "date out of range: \"\(text)\"")
        }
        return .date(Int32(truncatingIfNeeded: days))
      }
      guard let local = fields.microseconds else {
        throw SQLError(.datetimeFieldOverflow, "timestamp out of range: \"\(text)\"")
      }
      guard type == .timestampWithTimeZone, let offset else { return .timestamp(local) }
      let (instant, overflow) = local.subtractingReportingOverflow(Int64(offset) * 1_000_000)
      guard !overflow, DateTimeLimits.isValid(timestamp: instant) else {
        throw SQLError(.datetimeFieldOverflow, "timestamp out of range: \"\(text)\"")
      }
      return .timestamp(instant)
    }
  }
}
