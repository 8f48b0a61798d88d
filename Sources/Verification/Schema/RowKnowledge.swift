/// What a row can be, as its only writer knows it.
enum RowState: Hashable {
  case absent
  /// Values that were written, by the column's serial; the others are the columns' defaults.
  case present([Int: String?])

  func value(of column: ColumnModel) -> String? {
    guard case .present(let values) = self else { return nil }
    return values[column.serial] ?? column.defaultValue
  }

  func text(_ table: TableModel) -> String {
    guard case .present = self else { return "absent" }
    return table.columns.filter { $0.name != "id" }.map { "\($0.name)=\(value(of: $0) ?? "NULL")" }
      .joined(separator: " ")
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

  subscript(table: TableModel, id: Int) -> Set<RowState> { states[Key(table: table.serial, id: id)] ?? [.absent] }

  /// Ids of a table's rows that were ever written, ascending.
  func ids(of table: TableModel) -> [Int] { states.keys.filter { $0.table == table.serial }.map(\.id).sorted() }

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
