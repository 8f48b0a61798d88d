import Basics
import SQLValues

/// One aggregate over one group as a value: rows go in by `add`, partial states meet by `merge`, `result` ends it.
public struct AggregateState: Sendable {
  private enum Accumulator: Sendable {
    case count(Int64)
    case integerSum(Int128, count: Int64)
    case decimalSum(Decimal, count: Int64)
    case doubleSum(Double, count: Int64)
    case intervalSum(IntervalValue, count: Int64)
    case extreme(Datum)
    case boolean(Bool?)
    case text(String?)
    case bytes([UInt8]?)
    /// For `array_agg`, and for `string_agg` in an order of its own.
    case elements([Element])
    /// No value seen yet.
    case empty
  }

  private struct Element: Sendable {
    var keys: [Datum]
    var value: Datum
    var separator: Datum
  }

  private let order: [AggregateOrder]
  private var elementBytes = 0
  private let elementType: SQLType
  private let function: AggregateFunction
  private let type: SQLType
  private var accumulator: Accumulator
  /// What `DISTINCT` has let through; nil without it.
  private var seen: Set<DatumKey>?

  /// Bytes that `string_agg` may collect for one group.
  public static let maximumTextBytes = 64 << 20

  public init(_ call: AggregateCall) {
    function = call.function
    type = call.type
    order = call.order
    elementType = call.arguments.first?.type ?? .text
    switch call.function {
    case .arrayAggregate: accumulator = .elements([])
    case .stringAggregate where !call.order.isEmpty: accumulator = .elements([])
    case .countRows, .count: accumulator = .count(0)
    case .boolAnd, .boolOr: accumulator = .boolean(nil)
    default: accumulator = .empty
    }
    // Repetitions do not change these.
    switch call.function {
    case .minimum, .maximum, .boolAnd, .boolOr, .countRows: seen = nil
    default: seen = call.isDistinct ? [] : nil
    }
  }

  /// Values held beyond the fixed size of the state: what counts against a statement's memory. A large one counts as several.
  public var heldValueCount: Int {
    (seen?.count ?? 0) + (elementBytes + 63) / 64
  }

  /// Evaluates the call's filter and arguments over a row and adds the result.
  public mutating func add(
    _ call: AggregateCall, row: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) {
    if let filter = call.filter, !(try filter.holds(row, &context)) { return }
    if case .elements = accumulator {
      let value = try call.arguments[0].evaluate(row, &context)
      if value.isNull, function != .arrayAggregate { return }
      if seen != nil, !seen!.insert(DatumKey([value])).inserted { return }
      var element = Element(keys: [], value: value, separator: .null)
      if call.arguments.count > 1 { element.separator = try call.arguments[1].evaluate(row, &context) }
      for key in order { element.keys.append(try key.expression.evaluate(row, &context)) }
      guard case .elements(var list) = accumulator else { return }
      accumulator = .empty
      elementBytes += 64 + ([value, element.separator] + element.keys).reduce(0) { $0 + Self.size(of: $1) }
      list.append(element)
      accumulator = .elements(list)
      return
    }
    switch call.arguments.count {
    case 0: try add(.null, .null)
    case 1: try add(call.arguments[0].evaluate(row, &context), .null)
    default: try add(call.arguments[0].evaluate(row, &context), call.arguments[1].evaluate(row, &context))
    }
  }

  /// `separator` is the second argument of `string_agg`.
  public mutating func add(_ value: Datum, _ separator: Datum) throws(SQLError) {
    if function == .countRows { return increment() }
    if value.isNull { return }
    if seen != nil {
      guard seen!.insert(DatumKey([value])).inserted else { return }
    }
    switch function {
    case .countRows: break
    case .count: increment()
    case .sum, .average: try addToSum(value)
    case .minimum: keep(value) { $0 < 0 }
    case .maximum: keep(value) { $0 > 0 }
    case .boolAnd, .boolOr:
      guard case .boolean(let old) = accumulator, case .boolean(let new) = value else { return }
      accumulator = .boolean(function == .boolAnd ? (old ?? true) && new : (old ?? false) || new)
    case .stringAggregate: try append(value, separator)
    case .arrayAggregate: break
    }
  }

  private mutating func increment() {
    if case .count(let count) = accumulator { accumulator = .count(count &+ 1) }
  }

  private mutating func keep(_ value: Datum, _ isBetter: (Int) -> Bool) {
    if case .extreme(let best) = accumulator, !isBetter(Datum.compare(value, best)) { return }
    accumulator = .extreme(value)
  }

  private mutating func addToSum(_ value: Datum) throws(SQLError) {
    switch (accumulator, value) {
    case (.empty, .integer(let new)): accumulator = .integerSum(Int128(new), count: 1)
    case (.empty, .decimal(let new)): accumulator = .decimalSum(new, count: 1)
    case (.empty, .double(let new)): accumulator = .doubleSum(new, count: 1)
    case (.empty, .interval(let new)): accumulator = .intervalSum(new, count: 1)
    case (.integerSum(let sum, let count), .integer(let new)):
      accumulator = .integerSum(sum &+ Int128(new), count: count &+ 1)
    case (.decimalSum(let sum, let count), .decimal(let new)):
      accumulator = .decimalSum(try Decimal.add(sum, new), count: count &+ 1)
    case (.doubleSum(let sum, let count), .double(let new)):
      let total = sum + new
      if total.isInfinite, sum.isFinite, new.isFinite {
        throw SQLError(.numericValueOutOfRange, "value out of range: overflow")
      }
      accumulator = .doubleSum(total, count: count &+ 1)
    case (.intervalSum(let sum, let count), .interval(let new)):
      accumulator = .intervalSum(try DateTimeArithmetic.add(sum, new), count: count &+ 1)
    default: throw SQLError(.internalError, "an aggregate met values of several kinds")
    }
  }

  private mutating func append(_ value: Datum, _ separator: Datum) throws(SQLError) {
    switch (accumulator, value) {
    case (.text(let old?), .text(let new)):
      var text = old
      accumulator = .empty
      if case .text(let between) = separator { text += between }
      text += new
      guard text.utf8.count <= Self.maximumTextBytes else {
        throw SQLError(.programLimitExceeded, "string_agg result exceeds \(Self.maximumTextBytes) bytes")
      }
      accumulator = .text(text)
    case (.bytes(let old?), .bytes(let new)):
      var bytes = old
      accumulator = .empty
      if case .bytes(let between) = separator { bytes += between }
      bytes += new
      guard bytes.count <= Self.maximumTextBytes else {
        throw SQLError(.programLimitExceeded, "string_agg result exceeds \(Self.maximumTextBytes) bytes")
      }
      accumulator = .bytes(bytes)
    case (_, .text(let new)): accumulator = .text(new)
    case (_, .bytes(let new)): accumulator = .bytes(new)
    default: throw SQLError(.internalError, "string_agg met a value that is no text")
    }
  }

  /// Adds what another state of the same call has seen (not for `DISTINCT`, whose repetitions only one place can see,
  /// nor for `string_agg`, whose order would be lost: 0A000).
  public mutating func merge(_ other: AggregateState) throws(SQLError) {
    guard seen == nil, other.seen == nil, function != .stringAggregate, function != .arrayAggregate else {
      throw .unsupported("partial aggregation of DISTINCT and string_agg")
    }
    switch (accumulator, other.accumulator) {
    case (_, .empty): break
    case (.empty, let found): accumulator = found
    case (.count(let a), .count(let b)): accumulator = .count(a &+ b)
    case (.integerSum(let a, let n), .integerSum(let b, let m)): accumulator = .integerSum(a &+ b, count: n &+ m)
    case (.decimalSum(let a, let n), .decimalSum(let b, let m)):
      accumulator = .decimalSum(try Decimal.add(a, b), count: n &+ m)
    case (.doubleSum(let a, let n), .doubleSum(let b, let m)): accumulator = .doubleSum(a + b, count: n &+ m)
    case (.intervalSum(let a, let n), .intervalSum(let b, let m)):
      accumulator = .intervalSum(try DateTimeArithmetic.add(a, b), count: n &+ m)
    case (.extreme, .extreme(let b)):
      let wantsLess = function == .minimum
      keep(b) { wantsLess ? $0 < 0 : $0 > 0 }
    case (.boolean(let a), .boolean(let b)):
      guard let b else { break }
      accumulator = .boolean(a.map { function == .boolAnd ? $0 && b : $0 || b } ?? b)
    default: throw SQLError(.internalError, "aggregate states of different calls")
    }
  }

  /// NULL for a group without values, except counts. Throws 22003 where the sum leaves the result type.
  public func result() throws(SQLError) -> Datum {
    switch accumulator {
    case .empty: return .null
    case .elements(let list): return try joined(list)
    case .count(let count): return .integer(count)
    case .extreme(let value): return value
    case .boolean(let value): return value.map { .boolean($0) } ?? .null
    case .text(let value): return value.map { .text($0) } ?? .null
    case .bytes(let value): return value.map { .bytes($0) } ?? .null
    case .integerSum(let sum, let count):
      if function == .average { return .decimal(try Decimal.divide(Self.decimal(sum), Decimal(count))) }
      if case .numeric = type { return .decimal(Self.decimal(sum)) }
      guard let value = Int64(exactly: sum) else { throw .outOfRange(.int8) }
      return .integer(value)
    case .decimalSum(let sum, let count):
      return .decimal(function == .average ? try Decimal.divide(sum, Decimal(count)) : sum)
    case .doubleSum(let sum, let count):
      if function == .average { return .double(sum / Double(count)) }
      return .double(type == .float4 ? Double(Float(sum)) : sum)
    case .intervalSum(let sum, let count):
      return .interval(function == .average ? try DateTimeArithmetic.scale(sum, by: 1 / Double(count)) : sum)
    }
  }

  private static func size(of value: Datum) -> Int {
    switch value {
    case .text(let text): 32 + text.utf8.count
    case .bytes(let content): 32 + content.count
    case .decimal(let decimal): 32 + decimal.limbs.count * 4
    default: 32
    }
  }

  /// Stable for equal keys.
  private func joined(_ list: [Element]) throws(SQLError) -> Datum {
    if list.isEmpty { return .null }
    var sorted = list
    if !order.isEmpty {
      let positions = list.indices.sorted { first, second in
        for (index, key) in order.enumerated() {
          let (a, b) = (list[first].keys[index], list[second].keys[index])
          if a.isNull || b.isNull {
            if a.isNull && b.isNull { continue }
            return a.isNull == key.nullsFirst
          }
          let comparison = Datum.compare(a, b)
          if comparison != 0 { return (comparison < 0) != key.isDescending }
        }
        return first < second
      }
      sorted = positions.map { list[$0] }
    }
    if function == .arrayAggregate {
      return .text(ArrayText.format(sorted.map { $0.value.isNull ? nil : $0.value.text(as: elementType) }))
    }
    var state = self
    state.accumulator = .empty
    for element in sorted { try state.append(element.value, element.separator) }
    return try state.result()
  }

  private static func decimal(_ value: Int128) -> Decimal {
    var limbs: [UInt32] = []
    var rest = value.magnitude
    while rest > 0 {
      limbs.append(UInt32(truncatingIfNeeded: rest % 1_000_000_000))
      rest /= 1_000_000_000
    }
    return Decimal(isNegative: value < 0, limbs: limbs, scale: 0)
  }
}
