import Basics
import SQLExpressions
import SQLValues

extension Expression {
  /// nil for no condition at all.
  static func optionalConjunction(_ list: [Expression]) -> Expression? {
    let all = conjunction(list)
    return all == .isTrue ? nil : all
  }

  /// Scope columns to positions of a row with this layout.
  func positioned(in layout: [Int]) -> Expression {
    if columns.isEmpty { return self }
    var positions: [Int: Int] = [:]
    for (position, column) in layout.enumerated() where positions[column] == nil { positions[column] = position }
    return mapColumns { .column(positions[$0] ?? -1, $1) }
  }

  var columnSet: Set<Int> { Set(columns) }
}
