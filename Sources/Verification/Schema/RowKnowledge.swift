/// What a row can be, as its only writer knows it.
enum RowState: Hashable {
  case absent
  /// Values that were written or, where rows draw them, seen, by the column's serial; the others are the columns' defaults.
  case present([Int: String?])

  /// Whether the row's value can be this one.
  func permits(_ value: String?, of column: ColumnModel, in table: TableModel) -> Bool {
    guard case .present(let values) = self else { return value == nil }
    if let known = values[column.serial] { return known == value }
    switch column.source {
    case .constant: return value == column.defaultValue
    case .drawn, .numbered: return value.flatMap { Int($0) } != nil
    case .doubled: return value == doubledKey(in: table)
    }
  }

  private func doubledKey(in table: TableModel) -> String? {
    guard case .present(let values) = self, let key = table.column("k") else { return nil }
    return (values[key.serial] ?? key.defaultValue).flatMap { Int($0) }.map { String($0 * 2) }
  }

  /// With a value that was seen: from then on it is the only one.
  func learning(_ value: String?, of column: ColumnModel) -> RowState {
    guard case .present(var values) = self, column.source == .drawn || column.source == .numbered,
      values[column.serial] == nil
    else { return self }
    values[column.serial] = .some(value)
    return .present(values)
  }

  func text(_ table: TableModel) -> String {
    guard case .present(let values) = self else { return "absent" }
    return table.columns.filter { $0.name != "id" }.map { column in
      let value: String? =
        switch column.source {
        case .constant: values[column.serial] ?? column.defaultValue
        case .drawn, .numbered: values[column.serial] ?? .some("a number")
        case .doubled: doubledKey(in: table)
        }
      return "\(column.name)=\(value ?? "NULL")"
    }.joined(separator: " ")
  }

  /// After a write that was answered as it says; nil: it cannot have been answered so.
  func after(_ write: RowWrite, in table: TableModel) -> RowState? {
    switch (write.kind, self) {
    case (.insert, .absent): return .present(Self.values(write, table))
    case (.insert, .present): return nil
    case (.update, .present(let values)):
      return write.isFound ? .present(values.merging(Self.values(write, table)) { $1 }) : nil
    case (.delete, .present): return write.isFound ? .absent : nil
    case (.update, .absent), (.delete, .absent): return write.isFound ? nil : .absent
    }
  }

  private static func values(_ write: RowWrite, _ table: TableModel) -> [Int: String?] {
    var values: [Int: String?] = [:]
    for value in write.values {
      if let column = table.column(value.column) { values[column.serial] = .some(value.value) }
    }
    return values
  }
}

/// All rows that anybody wrote, with every state each can be in.
struct RowKnowledge {
  struct Key: Hashable, Comparable {
    /// Serial of the table.
    var table: Int
    var id: Int

    static func < (left: Key, right: Key) -> Bool { (left.table, left.id) < (right.table, right.id) }
  }

  private(set) var states: [Key: Set<RowState>] = [:]
  /// Rows with a write that may still come.
  private(set) var doubtful: Set<Key> = []

  subscript(table: TableModel, id: Int) -> Set<RowState> {
    if let known = states[Key(table: table.serial, id: id)] { return known }
    return [table.initialRows[id].map { .present($0.mapValues { .some($0) }) } ?? .absent]
  }

  /// Ids of a table's rows that were ever written, ascending.
  func ids(of table: TableModel) -> [Int] {
    Set(states.keys.filter { $0.table == table.serial }.map(\.id)).union(table.initialRows.keys).sorted()
  }

  /// A write answered ok; false: with no meaning of its names can it have been.
  mutating func apply(_ write: RowWrite, _ tables: [TableModel]) -> Bool {
    var next: [Key: Set<RowState>] = [:]
    for table in tables {
      let after = Set(self[table, write.id].compactMap { $0.after(write, in: table) })
      if !after.isEmpty { next[Key(table: table.serial, id: write.id), default: []].formUnion(after) }
    }
    for (key, after) in next {
      // If another table can have been meant, this one may be untouched.
      states[key] = next.count > 1 ? after.union(states[key] ?? [.absent]) : after
    }
    return !next.isEmpty
  }

  /// A write that may have happened, or may happen later.
  mutating func applyPerhaps(_ write: RowWrite, _ tables: [TableModel]) {
    for table in tables {
      let key = Key(table: table.serial, id: write.id)
      let before = self[table, write.id]
      states[key] = before.union(before.compactMap { $0.after(write, in: table) })
      doubtful.insert(key)
    }
  }

  /// A read showed the row in one of these states.
  mutating func narrow(_ table: TableModel, _ id: Int, to states: Set<RowState>) {
    let key = Key(table: table.serial, id: id)
    if self.states[key] != nil, !doubtful.contains(key) { self.states[key] = states }
  }
}
