import Catalog
import SQLExpressions
import SQLValues

/// Whether conditions of a query say that a predicate is true for every row that it wants: then an index with only such rows
/// has all of them (PostgreSQL 15, 11.8: what is not recognized is not implied).
struct PredicateProof {
  /// Each is true for every row wanted.
  let conditions: [Expression]

  func implies(_ predicate: Expression) -> Bool {
    switch predicate {
    case .constant(.boolean(true), _): return true
    case .and(let parts): return parts.allSatisfy { implies($0) }
    case .or(let parts) where parts.contains(where: { implies($0) }): return true
    default: return conditions.contains { Self.implies($0, predicate) }
    }
  }

  private static func implies(_ condition: Expression, _ predicate: Expression) -> Bool {
    if condition == predicate { return true }
    switch (condition, predicate) {
    case (_, .and(let parts)): return parts.allSatisfy { implies(condition, $0) }
    case (.and(let parts), _): return parts.contains { implies($0, predicate) }
    // Whichever of them is the true one.
    case (.or(let parts), _): return parts.allSatisfy { implies($0, predicate) }
    case (_, .or(let parts)): return parts.contains { implies(condition, $0) }
    case (.isTruth(let operand, .isTrue), _): return implies(operand, predicate)
    case (_, .isTruth(let operand, .isTrue)): return implies(condition, operand)
    case (_, .not(.isNull(let operand))): return isStrict(condition, in: operand)
    default: break
    }
    guard let stated = Values(condition), let wanted = Values(predicate), stated.operand == wanted.operand else {
      return false
    }
    return wanted.includes(stated)
  }

  /// Whether the condition cannot be true where the operand is NULL.
  private static func isStrict(_ condition: Expression, in operand: Expression) -> Bool {
    switch condition {
    case operand where operand.type == .boolean, .not(operand): true
    case .comparison(_, operand, _), .comparison(_, _, operand), .inList(operand, _), .isTruth(operand, .isTrue),
      .isTruth(operand, .isFalse):
      true
    default: false
    }
  }
}

/// The values that an expression can have where a comparison with constants is true.
private struct Values {
  enum Kind {
    case compared(ComparisonOperator, Datum)
    case listed([Datum])
  }
  let operand: Expression
  let kind: Kind

  init?(_ condition: Expression) {
    switch condition {
    case .comparison(let comparison, let operand, .constant(let value, _)) where !value.isNull:
      self.operand = operand
      kind = comparison == .equal ? .listed([value]) : .compared(comparison, value)
    case .comparison(let comparison, .constant(let value, _), let operand) where !value.isNull:
      self.operand = operand
      kind = comparison == .equal ? .listed([value]) : .compared(comparison.mirrored, value)
    case .inList(let operand, let list):
      var values: [Datum] = []
      for item in list {
        guard case .constant(let value, _) = item else { return nil }
        // Equal to NULL is nothing.
        if !value.isNull { values.append(value) }
      }
      self.operand = operand
      kind = .listed(values)
    case .column(_, .boolean):
      operand = condition
      kind = .listed([.boolean(true)])
    case .not(let column):
      guard case .column(_, .boolean) = column else { return nil }
      operand = column
      kind = .listed([.boolean(false)])
    default: return nil
    }
  }

  func includes(_ other: Values) -> Bool {
    switch (kind, other.kind) {
    case (_, .listed(let values)): values.allSatisfy { holds(for: $0) }
    case (.listed, .compared): false
    case (.compared(let wanted, let limit), .compared(let stated, let value)):
      switch (wanted, stated) {
      case (.less, .less), (.lessOrEqual, .less), (.lessOrEqual, .lessOrEqual), (.greater, .greater),
        (.greaterOrEqual, .greater), (.greaterOrEqual, .greaterOrEqual):
        wanted.orEqual.holds(Datum.compare(value, limit))
      case (.less, .lessOrEqual), (.greater, .greaterOrEqual), (.notEqual, .lessOrEqual), (.notEqual, .greaterOrEqual):
        switch stated {
        case .lessOrEqual: Datum.compare(value, limit) < 0
        default: Datum.compare(value, limit) > 0
        }
      case (.notEqual, .less): Datum.compare(value, limit) <= 0
      case (.notEqual, .greater): Datum.compare(value, limit) >= 0
      case (.notEqual, .notEqual): Datum.compare(value, limit) == 0
      default: false
      }
    }
  }

  private func holds(for value: Datum) -> Bool {
    switch kind {
    case .compared(let comparison, let limit): comparison.holds(Datum.compare(value, limit))
    case .listed(let values): values.contains { Datum.compare($0, value) == 0 }
    }
  }
}

extension ComparisonOperator {
  fileprivate var orEqual: ComparisonOperator {
    switch self {
    case .less: .lessOrEqual
    case .greater: .greaterOrEqual
    case .equal, .notEqual, .lessOrEqual, .greaterOrEqual: self
    }
  }
}
