/// What clients of the schema workload do.
public enum SchemaAction: Sendable, CustomStringConvertible {
  /// A schema change: the table of the slot is `after` when it is done (nil: none).
  case change(SchemaChange)
  /// Rows changed in one transaction.
  case write([RowWrite], Refusal?)
  case read(RowRead, Refusal?)
  /// All rows, when nobody writes any more.
  case scan(table: String, columns: [String], rows: [[String?]])
  /// `SELECT id … WHERE column = value AND k >= leastKey`, when nobody writes any more.
  case lookup(table: String, column: String, value: String?, leastKey: Int? = nil, ids: [Int])
  case count(table: String, Int)
  /// Names of columns and secondary indexes, comments on the table and its columns.
  case names(table: String, columns: [String], indexes: [String], comments: [String])
  case check(table: String, [[String?]])
  case jobs([JobRow])
  /// PAUSE, RESUME, CANCEL.
  case control(String)

  public var description: String {
    switch self {
    case .change(let change): "\(change.sql) [\(change.operation)]"
    case .write(let writes, _): writes.map(\.description).joined(separator: "; ")
    case .read(let read, _): "\(read)"
    case .scan(let table, _, let rows): "all rows of \(table): \(rows.count)"
    case .lookup(let table, let column, let value, let leastKey, let ids):
      "rows of \(table) with \(column) = \(value ?? "NULL")\(leastKey.map { " and k >= \($0)" } ?? ""): \(ids.sorted())"
    case .count(let table, let count): "count of \(table): \(count)"
    case .names(let table, let columns, let indexes, let comments):
      "names of \(table): columns \(columns.joined(separator: " ")), indexes \(indexes.joined(separator: " ")), "
        + "comments \(comments.joined(separator: ", "))"
    case .check(let table, let rows):
      "CHECK TABLE \(table): "
        + rows.map { $0.map { $0 ?? "NULL" }.joined(separator: " ") }.joined(separator: ", ")
    case .jobs(let jobs): "\(jobs.count) jobs"
    case .control(let text): text
    }
  }
}

/// The error that ended an operation.
public struct Refusal: Hashable, Sendable {
  /// Position of the statement in its transaction; nil: COMMIT.
  public var statement: Int?
  public var error: WorkloadError

  public init(statement: Int? = nil, _ error: WorkloadError) {
    self.statement = statement
    self.error = error
  }
}

/// A schema change as it was asked for.
public struct SchemaChange: Hashable, Sendable {
  /// Names belong to one slot for ever, and a slot has at most one table at a time.
  public var slot: Int
  public var sql: String
  public var operation: String
  public var after: TableModel?
  /// SQLSTATEs that the rows, and not a fault, may explain.
  public var possibleErrors: Set<String>
  public var error: WorkloadError?

  public init(slot: Int, sql: String, operation: String, after: TableModel?, possibleErrors: Set<String> = []) {
    self.slot = slot
    self.sql = sql
    self.operation = operation
    self.after = after
    self.possibleErrors = possibleErrors
  }
}

/// INSERT, UPDATE or DELETE of one row by its primary key.
public struct RowWrite: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable { case insert, update, delete }

  public var kind: Kind
  public var table: String
  public var id: Int
  /// Column names and values, without the id.
  public var values: [Value]
  /// Whether a row was there; true for an insert.
  public var isFound: Bool

  public struct Value: Hashable, Sendable {
    public var column: String
    public var value: String?

    public init(_ column: String, _ value: String?) {
      self.column = column
      self.value = value
    }
  }

  public init(_ kind: Kind, table: String, id: Int, values: [Value] = [], isFound: Bool = true) {
    self.kind = kind
    self.table = table
    self.id = id
    self.values = values
    self.isFound = isFound
  }

  public var description: String {
    let assignments = values.map { "\($0.column)=\($0.value ?? "NULL")" }.joined(separator: " ")
    return "\(kind) \(table) \(id) \(assignments)" + (isFound ? "" : " -> no row")
  }
}

/// SELECT of one row, by its primary key or by a column with unique values.
public struct RowRead: Hashable, Sendable, CustomStringConvertible {
  public var table: String
  /// Whether that is the name of a view; then columns are the view's, and `id` stands for its `number`.
  public var isView = false
  public var id: Int
  public var condition: RowWrite.Value
  public var columns: [String]
  /// Ids and values of what was found.
  public var rows: [[String?]]

  public init(table: String, id: Int, condition: RowWrite.Value, columns: [String], rows: [[String?]] = []) {
    self.table = table
    self.id = id
    self.condition = condition
    self.columns = columns
    self.rows = rows
  }

  public var description: String {
    let found = rows.map { $0.map { $0 ?? "NULL" }.joined(separator: " ") }.joined(separator: ", ")
    return "read \(table) where \(condition.column) = \(condition.value ?? "NULL")"
      + " (\(columns.joined(separator: " "))) -> \(found.isEmpty ? "no row" : found)"
  }
}

/// A row of SHOW JOBS.
public struct JobRow: Hashable, Sendable {
  public var id: String
  public var operation: String
  public var statement: String
  public var state: String

  public init(id: String, operation: String, statement: String, state: String) {
    self.id = id
    self.operation = operation
    self.statement = statement
    self.state = state
  }

  public var isFinished: Bool { ["succeeded", "failed", "canceled"].contains(state) }
}
