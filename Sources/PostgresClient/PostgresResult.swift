import PostgresProtocol

/// What one statement answered.
public struct PostgresResult: Hashable, Sendable {
  /// Empty for statements without a result.
  public var fields: [FieldDescription] = []
  /// Values as text; nil is NULL.
  public var rows: [[String?]] = []
  /// Such as "INSERT 0 3"; empty for an empty statement.
  public var commandTag = ""

  public init() {}

  /// The count at the end of the command tag: rows inserted, updated, deleted or selected.
  public var affectedRows: Int { commandTag.split(separator: " ").last.flatMap { Int($0) } ?? 0 }

  /// The first value of the first row.
  public var scalar: String? { rows.first?.first ?? nil }

  /// Position of the column called `name`.
  public func column(_ name: String) -> Int? { fields.firstIndex { $0.name == name } }

  /// The value of the column called `name` in `row`; nil for NULL and for a column that is not there.
  public func value(_ name: String, in row: [String?]) -> String? {
    column(name).flatMap { $0 < row.count ? row[$0] : nil }
  }
}
