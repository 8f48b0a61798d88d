import SQLValues

/// Chooses among overloads by the rules of PostgreSQL 15, 10.2 and 10.3.
enum OverloadResolution {
  enum Outcome: Equatable {
    /// Position in the candidates.
    case chosen(Int)
    case none
    case ambiguous
  }

  /// `candidates[i]` are the parameter types of an overload with as many parameters as there are arguments.
  static func resolve(_ arguments: [SQLType], candidates: [[SQLType]]) -> Outcome {
    // An exact match; for a binary operator an untyped side is taken to be of the other side's type first.
    var assumed = arguments
    if arguments.count == 2, (arguments[0] == .unknown) != (arguments[1] == .unknown) {
      assumed = arguments[0] == .unknown ? [arguments[1], arguments[1]] : [arguments[0], arguments[0]]
    }
    for wanted in [arguments, assumed] {
      if let exact = candidates.firstIndex(where: { zip($0, wanted).allSatisfy { $0 != .unknown && same($0, $1) } }) {
        return .chosen(exact)
      }
    }

    var remaining = candidates.indices.filter { candidate in
      zip(candidates[candidate], arguments).allSatisfy { parameter, argument in
        parameter == .unknown || argument.isCastable(to: parameter, in: .implicit)
      }
    }
    if remaining.count == 1 { return .chosen(remaining[0]) }
    if remaining.isEmpty { return .none }

    // Keep those with the most exact matches, then with the most preferred types where a conversion is needed.
    remaining = best(remaining) { candidate in
      zip(candidates[candidate], arguments).count { same($0, $1) && $1 != .unknown }
    }
    if remaining.count == 1 { return .chosen(remaining[0]) }
    remaining = best(remaining) { candidate in
      zip(candidates[candidate], arguments).count { parameter, argument in
        argument != .unknown && (same(parameter, argument) || parameter.isPreferred)
      }
    }
    if remaining.count == 1 { return .chosen(remaining[0]) }

    // Untyped arguments: the string category if any candidate takes one, else the only category there is.
    for position in arguments.indices where arguments[position] == .unknown {
      let categories = remaining.map { candidates[$0][position].category }
      if categories.contains(.string) {
        remaining = remaining.filter { candidates[$0][position].category == .string }
      } else if let first = categories.first, categories.allSatisfy({ $0 == first }) {
        if remaining.contains(where: { candidates[$0][position].isPreferred }) {
          remaining = remaining.filter { candidates[$0][position].isPreferred }
        }
      } else {
        continue
      }
      if remaining.contains(where: { candidates[$0][position].isPreferred }) {
        remaining = remaining.filter { candidates[$0][position].isPreferred }
      }
    }
    if remaining.count == 1 { return .chosen(remaining[0]) }

    // Untyped arguments are of the type that all typed ones share.
    let known = arguments.filter { $0 != .unknown }
    if let first = known.first, known.count < arguments.count, known.allSatisfy({ same($0, first) }) {
      let fitting = remaining.filter { candidate in
        candidates[candidate].allSatisfy { first.isCastable(to: $0, in: .implicit) }
      }
      if fitting.count == 1 { return .chosen(fitting[0]) }
    }
    return remaining.isEmpty ? .none : .ambiguous
  }

  private static func best(_ candidates: [Int], score: (Int) -> Int) -> [Int] {
    let scores = candidates.map(score)
    let highest = scores.max() ?? 0
    return zip(candidates, scores).filter { $0.1 == highest }.map(\.0)
  }

  /// `varchar` has no functions of its own: it is `text` under another name.
  private static func same(_ left: SQLType, _ right: SQLType) -> Bool { left.isSameType(as: right) }
}
