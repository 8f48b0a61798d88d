/// A transaction that changes the schema, writes rows that need the change, and records itself in a table that is there already; or
/// a look at what was recorded.
public enum ReleaseAction: Hashable, Sendable, CustomStringConvertible {
  case make(Int)
  /// Of one snapshot: releases that are recorded, and of some release what is there of it.
  case look(Set<Int>, of: Int, ReleaseParts)

  public var description: String {
    switch self {
    case .make(let release): "makes release \(release)"
    case .look(let releases, let release, let parts):
      "sees \(releases.count) releases, \(releases.contains(release) ? "also" : "not") \(release), of which there is: \(parts)"
    }
  }
}

/// What a release changes, by its number.
public enum ReleaseKind: Hashable, Sendable {
  /// A new table with rows; the record comes first or last.
  case table
  /// An index on the new table.
  case indexedTable
  /// The new table refers to the table of records.
  case referringTable
  /// The new table is that of a query.
  case copiedTable
  /// The new table gets a key, an index, columns and constraints when it has its rows.
  case changedTable
  /// A new column of the table of records besides, in which the record has its number.
  case column

  public init(of release: Int) {
    switch release % 6 {
    case 0: self = .table
    case 1: self = .indexedTable
    case 2: self = .referringTable
    case 4: self = .copiedTable
    case 5: self = .changedTable
    default: self = .column
    }
  }
}

/// What a snapshot shows of a release beside its record.
public struct ReleaseParts: Hashable, Sendable, CustomStringConvertible {
  /// Of its table; nil: there is none.
  public var rows: Int?
  /// The record's value in the release's column; nil: there is no such column. Only of `ReleaseKind.column`.
  public var columnValue: String?

  public init(rows: Int? = nil, columnValue: String? = nil) {
    self.rows = rows
    self.columnValue = columnValue
  }

  public static let nothing = ReleaseParts()

  public static func all(of release: Int) -> ReleaseParts {
    ReleaseParts(
      rows: ReleaseCheck.rows, columnValue: ReleaseKind(of: release) == .column ? String(release) : nil)
  }

  public var description: String {
    let table = rows.map { "a table with \($0) rows" } ?? "no table"
    return columnValue.map { "\(table), a column with \($0)" } ?? table
  }
}

/// Rows and schema changes of a transaction are there together, for everybody: the record, the table with all of its rows, and the
/// column.
public struct ReleaseCheck: Sendable {
  /// What each release puts into its table.
  public static let rows = 5

  public init() {}

  public func findings(_ history: History<ReleaseAction>) -> [Finding] {
    var findings: [Finding] = []
    func found(_ sentence: String, _ operation: Operation<ReleaseAction>) {
      findings.append(Finding("releases", sentence, operations: [operation.description]))
    }
    /// Since when each release is surely there, and those that were refused.
    var since: [Int: UInt64] = [:]
    var refused: Set<Int> = []
    for operation in history.operations.sorted(by: { $0.completed < $1.completed }) {
      switch operation.action {
      case .make(let release):
        if operation.outcome.isOK { since[release] = min(since[release] ?? .max, operation.completed) }
        if operation.outcome.isFailed { refused.insert(release) }
      case .look(let releases, let release, let parts):
        guard operation.outcome.isOK else { continue }
        if parts != (releases.contains(release) ? .all(of: release) : .nothing) {
          found("a snapshot shows a part of release \(release)", operation)
        }
        for known in since.keys.sorted() where !releases.contains(known) && since[known] ?? .max < operation.invoked {
          found("release \(known) is there no longer", operation)
        }
        for known in releases { since[known] = min(since[known] ?? .max, operation.completed) }
      }
    }
    for release in refused.sorted() where since[release] != nil {
      findings.append(Finding("releases", "release \(release) was refused and is there"))
    }
    return findings
  }
}
