/// A table as one of its clients knows it. Numbers tell tables and columns of the same name apart.
public struct TableModel: Hashable, Sendable {
  public var serial: Int
  /// As statements name it: with its schema, unless that is `public`.
  public var name: String
  public var columns: [ColumnModel]
  /// Without the primary key's.
  public var indexes: [IndexModel]
  public var checks: [CheckModel]
  public var primaryKey: PrimaryKeyModel
  public var comment: String?
  /// Those that the table was made with, by id and then by the column's serial; nobody writes them.
  public var initialRows: [Int: [Int: String]] = [:]
  /// What can be brought back, in the order in which it was dropped.
  public var droppedColumns: [DroppedColumnModel] = []
  public var droppedIndexes: [IndexModel] = []
  /// One that reads it.
  public var view: ViewModel?
  /// One that its client has made.
  public var database: String?

  public init(
    serial: Int, name: String, columns: [ColumnModel], indexes: [IndexModel] = [], checks: [CheckModel] = [],
    primaryKey: PrimaryKeyModel = PrimaryKeyModel(name: "", column: 0)
  ) {
    self.serial = serial
    self.name = name
    self.columns = columns
    self.indexes = indexes
    self.checks = checks
    self.primaryKey = primaryKey
  }

  /// nil: `public`.
  var schema: String? { name.contains(".") ? name.split(separator: ".").first.map(String.init) : nil }
  var nameInSchema: String { name.split(separator: ".").last.map(String.init) ?? name }
  /// A name of its schema, as statements need it.
  func qualified(_ other: String) -> String { schema.map { "\($0).\(other)" } ?? other }

  /// Its comment and those of its columns, in order.
  var comments: [String] { ([comment] + columns.map(\.comment)).compactMap { $0 } }

  public func column(_ name: String) -> ColumnModel? { columns.first { $0.name == name } }
  public func column(serial: Int) -> ColumnModel? { columns.first { $0.serial == serial } }
}

/// A view of one table: every row, some of the columns under names that are the view's own.
public struct ViewModel: Hashable, Sendable {
  public struct Column: Hashable, Sendable {
    public var name: String
    /// Of the table's column.
    public var serial: Int
  }

  /// In `public`, like all views.
  public var name: String
  /// Without the table's `id`, which every view has as `number`.
  public var columns: [Column]
  public var comment: String?

  public func column(_ name: String) -> Column? { columns.first { $0.name == name } }

  func reads(_ column: ColumnModel) -> Bool { column.name == "id" || columns.contains { $0.serial == column.serial } }
}

public struct ColumnModel: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case integer
    case text
    /// Of small values, which have the same text as those of the others.
    case small
    case number

    var sql: String {
      switch self {
      case .integer: "int8"
      case .text: "text"
      case .small: "int4"
      case .number: "numeric"
      }
    }
  }

  /// Where a row's value comes from that no write gives.
  public enum Source: Hashable, Sendable {
    /// The column's default.
    case constant
    /// A number of the row's own (`DEFAULT floor(random() * …)`): what it is turns out with the first read.
    case drawn
    /// As `drawn`, but no two rows have the same, and no write gives one (`GENERATED ALWAYS AS IDENTITY`).
    case numbered
    /// Twice what `k` is; no write gives one (`GENERATED ALWAYS AS (k * 2) STORED`).
    case doubled
  }

  /// Unique in the table's whole life.
  public var serial: Int
  public var name: String
  public var kind: Kind
  public var isNullable: Bool
  /// What rows have that were written without the column, before it was added or after.
  public var defaultValue: String?
  /// Whether no two rows ever get the same value, so that a unique index cannot be refused.
  public var hasUniqueValues: Bool
  public var source: Source
  public var comment: String?
  /// Of an enumerated type: its labels are the numbers below this one. 0: of no such type.
  public var labels = 0

  public init(
    serial: Int, name: String, kind: Kind, isNullable: Bool = true, defaultValue: String? = nil,
    hasUniqueValues: Bool = false, source: Source = .constant
  ) {
    self.serial = serial
    self.name = name
    self.kind = kind
    self.isNullable = isNullable
    self.defaultValue = defaultValue
    self.hasUniqueValues = hasUniqueValues
    self.source = source
  }

  public var isGivenByWrites: Bool { source == .constant || source == .drawn }

  func hasLabel(_ value: String?) -> Bool { labels == 0 || value.flatMap { Int($0) }.map { $0 < labels } ?? true }

  /// One that takes the type of the column: the client may not know the newest.
  func literal(_ value: String?) -> String { value.map { "'\($0)'" } ?? "NULL" }
}

/// A column that was dropped: rows keep its values, whatever becomes of them meanwhile.
public struct DroppedColumnModel: Hashable, Sendable {
  public var column: ColumnModel
  /// Of this column alone; they went with it.
  public var indexes: [IndexModel]

  public init(column: ColumnModel, indexes: [IndexModel]) {
    self.column = column
    self.indexes = indexes
  }
}

public struct PrimaryKeyModel: Hashable, Sendable {
  /// Ends in `_pkey`; empty: there is none.
  public var name: String
  /// The column's serial.
  public var column: Int

  public init(name: String, column: Int) {
    self.name = name
    self.column = column
  }
}

public struct IndexModel: Hashable, Sendable {
  public var name: String
  /// Serials of its columns.
  public var columns: [Int]
  public var isUnique: Bool
  /// Only of rows whose `k` is no less (`WHERE k >= …`); nil: of all.
  public var leastKey: Int?
  /// Of `k * 2` instead of its column, which is `k`.
  public var isDoubled: Bool

  public init(name: String, columns: [Int], isUnique: Bool, leastKey: Int? = nil, isDoubled: Bool = false) {
    self.name = name
    self.columns = columns
    self.isUnique = isUnique
    self.leastKey = leastKey
    self.isDoubled = isDoubled
  }

  /// The rows with a value, asked for as the index has it.
  func condition(_ column: ColumnModel, _ value: String?) -> String {
    guard isDoubled, let number = value.flatMap({ Int($0) }) else { return "\(column.name) = \(column.literal(value))" }
    return "\(column.name) * 2 = \(number * 2)"
  }

  var predicate: String { leastKey.map { "k >= \($0)" } ?? "" }
}

/// `CHECK (column < bound)`.
public struct CheckModel: Hashable, Sendable {
  public var name: String
  /// The column's serial.
  public var column: Int
  public var bound: Int

  public init(name: String, column: Int, bound: Int) {
    self.name = name
    self.column = column
    self.bound = bound
  }

  /// NULL is no violation.
  func permits(_ value: String?) -> Bool { value.flatMap { Int($0) }.map { $0 < bound } ?? true }
}

extension TableModel {
  /// Whether the values that a write gives satisfy every NOT NULL and check.
  func permits(_ write: RowWrite) -> Bool {
    if write.kind == .delete { return true }
    for column in columns where column.name != "id" {
      // What follows from another column is as that is.
      let name = column.source == .doubled ? "k" : column.name
      let given = write.values.first { $0.column == name }
      if given == nil, write.kind == .update || column.source == .drawn || column.source == .numbered { continue }
      if !permits(given.map(\.value) ?? column.defaultValue, in: column) { return false }
    }
    return true
  }

  func permits(_ value: String?, in column: ColumnModel) -> Bool {
    (value != nil || column.isNullable) && column.hasLabel(value)
      && checks.allSatisfy { $0.column != column.serial || $0.permits(value) }
  }
}
