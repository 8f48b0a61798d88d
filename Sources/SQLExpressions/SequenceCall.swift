import Basics
import SQLValues

/// What an expression asks of a sequence (PostgreSQL 15, 9.17).
public enum SequenceCall: Hashable, Sendable {
  case next(SequenceReference)
  case current(SequenceReference)
  /// `lastval()`
  case last
  case set(SequenceReference, Int64, isCalled: Bool)

  /// The function's name in SQL.
  public var name: String {
    switch self {
    case .next: "nextval"
    case .current: "currval"
    case .last: "lastval"
    case .set: "setval"
    }
  }
}

public enum SequenceReference: Hashable, Sendable {
  /// As `regclass` has it.
  case number(Int64)
  /// As an identifier is written, with quotes where it needs them.
  case name(String)
}

/// How an expression, which cannot wait, gets values that have to be waited for: its evaluation ends where it needs one
/// (`wanted`), the value is fetched, and the same expression is evaluated again, with the answers so far given in order.
public struct SequenceJournal: Sendable {
  private var answers: [Datum] = []
  private var position = 0
  /// What the evaluation that ended with an error was waiting for.
  public private(set) var wanted: SequenceCall?

  public init() {}

  /// From the beginning, with the answers there are.
  public mutating func restart() {
    position = 0
    wanted = nil
  }

  public mutating func supply(_ answer: Datum) { answers.append(answer) }

  public mutating func clear() { if !answers.isEmpty { self = SequenceJournal() } }

  mutating func answer(_ call: SequenceCall) throws(SQLError) -> Datum {
    guard position < answers.count else {
      wanted = call
      throw SQLError.unsupported("\(call.name)() in this part of a statement")
    }
    defer { position += 1 }
    return answers[position]
  }
}

enum SequenceFunctions {
  static func evaluate(
    _ function: FunctionID, _ arguments: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    if function == .lastValue { return try context.sequences.answer(.last) }
    let reference: SequenceReference
    switch arguments.first {
    case .integer(let number): reference = .number(number)
    case .text(let name): reference = .name(name)
    default: throw Builtins.mismatch(function)
    }
    switch (function, arguments.dropFirst().first, arguments.dropFirst(2).first) {
    case (.nextValue, nil, nil): return try context.sequences.answer(.next(reference))
    case (.currentValue, nil, nil): return try context.sequences.answer(.current(reference))
    case (.setValue, .integer(let value), nil):
      return try context.sequences.answer(.set(reference, value, isCalled: true))
    case (.setValue, .integer(let value), .boolean(let isCalled)):
      return try context.sequences.answer(.set(reference, value, isCalled: isCalled))
    default: throw Builtins.mismatch(function)
    }
  }
}

extension Expression {
  /// `nextval` as the default of a column.
  public static func nextValue(ofSequence number: Int64, as type: SQLType) -> Expression {
    let call = Expression.call(.nextValue, [.constant(.integer(number), .oid)], .int8)
    return type == .int8 ? call : .cast(call, from: .int8, to: type, isExplicit: false)
  }

  /// Whether its evaluation may have to wait for a sequence.
  public var callsSequences: Bool {
    if case .call(let function, _, _) = self, (180..<190).contains(function.rawValue) { return true }
    return children.contains { $0.callsSequences }
  }

  /// With sequences that are named in it under other numbers. `number` is nil for one that stays as it is.
  public func renumberingSequences(_ number: (Int64) -> Int64?) -> Expression {
    let mapped = mapChildren { $0.renumberingSequences(number) }
    guard case .call(let function, var arguments, let type) = mapped, (180..<190).contains(function.rawValue),
      case .constant(.integer(let old), let kind)? = arguments.first, let new = number(old)
    else { return mapped }
    arguments[0] = .constant(.integer(new), kind)
    return .call(function, arguments, type)
  }

  /// The sequences it takes values from, as far as they are named in it.
  public var sequenceNumbers: Set<Int64> {
    var found: Set<Int64> = []
    if case .call(.nextValue, let arguments, _) = self, case .constant(.integer(let number), _)? = arguments.first {
      found.insert(number)
    }
    for child in children { found.formUnion(child.sequenceNumbers) }
    return found
  }
}
