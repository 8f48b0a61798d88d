import Basics
import SQLValues

extension Expression {
  /// A value that is written out.
  public var isConstant: Bool {
    if case .constant = self { return true }
    return false
  }

  /// With constants folded and `AND`/`OR` flattened, all the way down.
  public var simplified: Expression { mapChildren(\.simplified).folded }

  /// With one level of constant folding: the children are folded already. What fails stays, and fails when it is run.
  private var folded: Expression {
    switch self {
    case .constant, .column, .parameter: return self
    case .and(let list): return Self.conjunction(list.flatMap(\.conjuncts))
    case .or(let list):
      var kept: [Expression] = []
      for item in list {
        if case .or(let inner) = item { kept += inner } else { kept.append(item) }
      }
      if kept.contains(.isTrue) { return .isTrue }
      kept.removeAll { $0 == .isFalse }
      if let list = Self.inList(kept) { return list }
      return kept.isEmpty ? .isFalse : kept.count == 1 ? kept[0] : .or(kept)
    default:
      let children = children
      guard children.allSatisfy(\.isConstant), type != .unknown, volatility == .immutable else { return self }
      var context = EvaluationContext()
      guard let value = try? evaluate([], &context) else { return self }
      return .constant(value, type)
    }
  }

  /// `a = 1 OR a = 2` as `a IN (1, 2)`: a form that leads to index keys.
  private static func inList(_ alternatives: [Expression]) -> Expression? {
    guard alternatives.count > 1 else { return nil }
    var subject: Expression?
    var values: [Expression] = []
    for alternative in alternatives {
      guard case .comparison(.equal, let left, let right) = alternative, case .column = left, right.columns.isEmpty,
        subject == nil || (subject == left && values[0].type == right.type)
      else { return nil }
      subject = left
      values.append(right)
    }
    return subject.map { .inList($0, values) }
  }

  /// The conditions that must all hold.
  public var conjuncts: [Expression] {
    if case .and(let list) = self { return list.flatMap(\.conjuncts) }
    return self == .isTrue ? [] : [self]
  }

  /// All of them, without those that say nothing.
  public static func conjunction(_ list: [Expression]) -> Expression {
    if list.contains(.isFalse) { return .isFalse }
    let kept = list.filter { $0 != .isTrue }
    return kept.isEmpty ? .isTrue : kept.count == 1 ? kept[0] : .and(kept)
  }
}
