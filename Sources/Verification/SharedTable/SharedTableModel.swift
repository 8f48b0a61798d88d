/// What a change of the shared table does to its names.
public enum SharedTableChange: Hashable, Sendable {
  case addColumn(String, defaultValue: Int)
  case dropColumn(String)
  case renameColumn(String, to: String)
  case addIndex(String, column: String)
  case dropIndex(String)
  case renameIndex(String, to: String)
}

/// The shared table after some changes: a dumb second implementation of what the catalog does.
public struct SharedTableModel: Hashable, Sendable {
  struct Column: Hashable, Sendable {
    /// Stays when the column is renamed.
    var serial: Int
    var name: String
    /// Nil: a column that rows give values to.
    var defaultValue: Int?
  }

  struct Index: Hashable, Sendable {
    var name: String
    var column: Int
  }

  var columns: [Column] = [Column(serial: 0, name: "id"), Column(serial: 1, name: "k")]
  var indexes: [Index] = []
  private var lastSerial = 1

  public init() {}

  /// Nil: the names do not allow it.
  func after(_ change: SharedTableChange) -> SharedTableModel? {
    var table = self
    switch change {
    case .addColumn(let name, let value):
      if column(name) != nil { return nil }
      table.lastSerial += 1
      table.columns.append(Column(serial: table.lastSerial, name: name, defaultValue: value))
    case .dropColumn(let name):
      guard let dropped = column(name) else { return nil }
      table.columns.removeAll { $0 == dropped }
      table.indexes.removeAll { $0.column == dropped.serial }
    case .renameColumn(let old, let new):
      guard let position = columns.firstIndex(where: { $0.name == old }), column(new) == nil else { return nil }
      table.columns[position].name = new
    case .addIndex(let name, let over):
      guard let column = column(over), index(name) == nil else { return nil }
      table.indexes.append(Index(name: name, column: column.serial))
    case .dropIndex(let name):
      guard index(name) != nil else { return nil }
      table.indexes.removeAll { $0.name == name }
    case .renameIndex(let old, let new):
      guard let position = indexes.firstIndex(where: { $0.name == old }), index(new) == nil else { return nil }
      table.indexes[position].name = new
    }
    return table
  }

  private func column(_ name: String) -> Column? { columns.first { $0.name == name } }
  private func index(_ name: String) -> Index? { indexes.first { $0.name == name } }
}

/// What clients of the shared table do.
public enum SharedTableAction: Sendable, CustomStringConvertible {
  case change(SharedTableChange, SchemaChange)
  case insert(id: Int)
  /// SHOW JOBS, when all have ended.
  case jobs([JobRow])
  case names(columns: [String], indexes: [String])
  /// All rows; of the columns, in this order.
  case rows(columns: [String], [[String?]])
  case lookup(k: Int, ids: [Int])
  case check([[String?]])

  public var description: String {
    switch self {
    case .change(_, let change): "\(change.sql) [\(change.operation)]"
    case .insert(let id): "insert \(id)"
    case .jobs(let jobs): "\(jobs.count) jobs"
    case .names(let columns, let indexes):
      "columns \(columns.joined(separator: " ")), indexes \(indexes.joined(separator: " "))"
    case .rows(_, let rows): "all rows: \(rows.count)"
    case .lookup(let k, let ids): "rows with k = \(k): \(ids)"
    case .check(let rows):
      "CHECK TABLE: " + rows.map { $0.map { $0 ?? "NULL" }.joined(separator: " ") }.joined(separator: ", ")
    }
  }
}
