/// What clients of the counter workload do.
public enum CounterAction: Hashable, Sendable, CustomStringConvertible {
  /// `UPDATE … SET n = n + 1`, a statement by itself.
  case increment(table: CounterTable, counter: Int)
  /// All rows, when nobody writes any more: the counter and every column that counts with it.
  case rows(table: CounterTable, [[Int?]])
  /// What the database's own check says of the indexes.
  case check(table: CounterTable, [[String?]])

  public var description: String {
    switch self {
    case .increment(let table, let counter): "increment \(table) \(counter)"
    case .rows(let table, let rows):
      "rows of \(table): "
        + rows.map { $0.map { $0.map(String.init) ?? "NULL" }.joined(separator: " ") }.joined(separator: ", ")
    case .check(let table, let rows):
      "check of \(table): "
        + rows.map { $0.map { $0 ?? "NULL" }.joined(separator: " ") }.joined(separator: ", ")
    }
  }
}

/// Where a counter stands decides how its increment is committed.
public enum CounterTable: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  /// One range: committed in one round.
  case narrow
  /// A range an index. Every second increment changes every index, which are more ranges than a commit asks at once; the others
  /// change one. So a statement that runs again writes to other ranges than its first try did.
  case wide

  /// Columns that count with `n`, each with an index.
  public var columns: [String] { self == .wide ? ["a", "b", "c", "d", "e", "f"] : [] }

  /// What an increment of `n` adds to a column, in SQL.
  public func step(_ column: String) -> String { column == "f" ? "1" : "1 - n % 2" }

  /// A column of a row whose counter is `n`.
  public func value(_ column: String, at n: Int) -> Int { column == "f" ? n : n - n / 2 }

  public var description: String { rawValue }
}
