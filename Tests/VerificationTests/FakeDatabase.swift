import Basics
import Verification

/// A wrong that the fake can be told to do.
enum Bug: Hashable, CaseIterable {
  /// Single statements read a state some commits ago.
  case staleRead
  /// Nobody looks whether a row has changed since it was read.
  case lostUpdate
  /// Reads see what others have not committed.
  case dirtyRead
  /// A transaction's reads each see the newest state, whatever its isolation.
  case readSkew
  /// An acknowledged commit leaves no trace.
  case lostCommit
  /// What was answered as failed has happened.
  case appliedThoughFailed
  /// Rows without a value of an added column show no default.
  case wrongDefault
  /// What a row drew for itself is another value after each write.
  case drawnAgain
  /// A re-added column has the values of the one that was dropped.
  case ghostValues
  /// Writes while an index is built get no entry.
  case missingEntry
  /// Deletes while an index is built leave their entry.
  case orphanEntry
  case uniqueNotEnforced
  /// NOT NULLs and checks of writes.
  case constraintNotEnforced
  case operationAppliedTwice
  case jobNeverEnds
  case renameLost
  /// A dropped table still answers.
  case droppedTableAnswers
  /// A table is made without one of the rows that it is made with.
  case rowsLost
  /// A comment is answered as made and is not there.
  case commentLost
}

/// A database in memory with the statement forms that workloads use: snapshot isolation, schema changes as jobs that take
/// time. One thread at a time (`VirtualTime`).
final class FakeDatabase: @unchecked Sendable {
  struct Column: Equatable {
    var serial: Int
    var name: String
    var isNullable = true
    var defaultValue: String?
    var source = ColumnModel.Source.constant
    var comment: String?
  }

  struct Index {
    var name: String
    var columns: [Int]
    var isUnique: Bool
    /// `WHERE column >= bound`; the column by its serial.
    var least: (column: Int, bound: Int)?
    /// Rows without entry, and entries of dead rows by value: only by a bug.
    var missing: Set<Int> = []
    var orphans: [Int: [String?]] = [:]
  }

  struct Row {
    var values: [Int: String?]
    /// Number of the commit that wrote it.
    var commit: Int
  }

  struct Table {
    var id: Int
    var columns: [Column]
    var indexes: [Index] = []
    /// `CHECK (column < bound)` by name; the column by its serial.
    var checks: [String: (column: Int, bound: Int)] = [:]
    var rows: [Int: Row] = [:]
    /// Commits that deleted rows.
    var deleted: [Int: Int] = [:]
    var schemaCommit = 0
    var graveyard: [String: Int] = [:]
    var comment: String?
    /// What can be brought back, by name; a column with its indexes.
    var droppedColumns: [String: (column: Column, indexes: [Index])] = [:]
    var droppedIndexes: [String: Index] = [:]

    func column(_ name: String) -> Column? { columns.first { $0.name == name } }

    func hasSchema(of other: Table) -> Bool {
      comment == other.comment && columns == other.columns && indexes.map(\.name) == other.indexes.map(\.name)
        && checks.keys.sorted() == other.checks.keys.sorted()
    }
  }

  struct Job {
    var id: Int
    var operation: String
    var statement: String
    var table: String
    var state: String
    var error: WorkloadError?
    /// All tables, right before and after.
    var before: [String: Table] = [:]
    var after: [String: Table] = [:]
  }

  struct State {
    var tables: [String: Table] = [:]
    var droppedTables: [String: Table] = [:]
    var commit = 0
  }

  var state = State()
  var jobs: [Job] = []
  var bugs: Set<Bug>
  var random: SeededGenerator
  /// Indexes being built, by table id: writes maintain nothing yet under a bug.
  var building: [Int: Index] = [:]
  private var history: [State] = []
  private var nextID = 1
  /// Uncommitted writes of all sessions, for dirty reads.
  var uncommitted: [Int: Transaction] = [:]

  init(seed: UInt64, bugs: Set<Bug> = []) {
    self.bugs = bugs
    random = SeededGenerator(seed: seed)
  }

  func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
  func has(_ bug: Bug, percent: Int) -> Bool { bugs.contains(bug) && chance(percent) }

  func makeID() -> Int {
    nextID += 1
    return nextID
  }

  // MARK: - Transactions

  struct Write {
    var table: String
    var tableID: Int
    var row: Int
    /// nil: deleted.
    var values: [Int: String?]?
    /// Commit of the version it was made from.
    var base: Int
    var schemaCommit: Int
  }

  struct Transaction {
    var isRepeatable: Bool
    var snapshot: State
    var writes: [Write] = []
  }

  func begin(isRepeatable: Bool) -> Transaction { Transaction(isRepeatable: isRepeatable, snapshot: state) }

  /// What a statement of the transaction sees.
  func view(_ transaction: Transaction?) -> State {
    var view = transaction.map { $0.isRepeatable && !bugs.contains(.readSkew) ? $0.snapshot : state } ?? state
    if transaction == nil, !history.isEmpty, has(.staleRead, percent: 20) {
      view = history[max(0, history.count - 3)]
    }
    if has(.dirtyRead, percent: 30) {
      for key in uncommitted.keys.sorted() {
        for write in uncommitted[key]?.writes ?? [] { apply(write, to: &view, commit: write.base) }
      }
    }
    for write in transaction?.writes ?? [] { apply(write, to: &view, commit: write.base) }
    return view
  }

  private func apply(_ write: Write, to state: inout State, commit: Int) {
    guard let name = state.tables.first(where: { $0.value.id == write.tableID })?.key else { return }
    if let values = write.values {
      state.tables[name]?.rows[write.row] = Row(values: values, commit: commit)
      state.tables[name]?.deleted[write.row] = nil
    } else {
      state.tables[name]?.rows[write.row] = nil
      state.tables[name]?.deleted[write.row] = commit
    }
  }

  func commit(_ writes: [Write]) throws(WorkloadError) {
    if writes.isEmpty { return }
    for write in writes {
      guard let table = state.tables.values.first(where: { $0.id == write.tableID }),
        table.schemaCommit == write.schemaCommit
      else { throw .failed(state: "40001", message: "the table has changed") }
      let newest = table.rows[write.row]?.commit ?? table.deleted[write.row] ?? 0
      if newest != write.base, !bugs.contains(.lostUpdate) {
        throw .failed(state: "40001", message: "the row has changed")
      }
    }
    var next = state
    next.commit += 1
    for write in writes {
      apply(write, to: &next, commit: next.commit)
      maintain(write, &next)
    }
    if !bugs.contains(.uniqueNotEnforced) {
      for write in writes { try checkUnique(write, next) }
    }
    if !bugs.contains(.constraintNotEnforced) {
      for write in writes where write.values != nil {
        guard let table = next.tables.values.first(where: { $0.id == write.tableID }) else { continue }
        try checkConstraints(table, row: write.row)
      }
    }
    if has(.lostCommit, percent: 3) { return }
    install(next)
  }

  private func maintain(_ write: Write, _ next: inout State) {
    guard let name = next.tables.first(where: { $0.value.id == write.tableID })?.key,
      var index = building[write.tableID]
    else { return }
    if bugs.contains(.missingEntry), write.values != nil { index.missing.insert(write.row) }
    if bugs.contains(.orphanEntry), write.values == nil, let old = state.tables[name]?.rows[write.row] {
      index.orphans[write.row] = index.columns.map { old.values[$0] ?? nil }
    }
    building[write.tableID] = index
  }

  private func checkUnique(_ write: Write, _ next: State) throws(WorkloadError) {
    guard write.values != nil, let table = next.tables.values.first(where: { $0.id == write.tableID }) else { return }
    for index in table.indexes + [building[write.tableID]].compactMap({ $0 }) where index.isUnique {
      let key = index.columns.map { value(table, write.row, $0) }
      if key.contains(nil) || !isIn(index, table, write.row) { continue }
      for other in table.rows.keys
      where other != write.row && isIn(index, table, other) && index.columns.map({ value(table, other, $0) }) == key {
        throw .failed(state: "23505", message: "duplicate key in \(index.name)")
      }
    }
  }

  /// Whether a row has an entry in the index.
  func isIn(_ index: Index, _ table: Table, _ row: Int) -> Bool {
    guard let least = index.least else { return true }
    return value(table, row, least.column).flatMap { Int($0) }.map { $0 >= least.bound } ?? false
  }

  func checkConstraints(_ table: Table, row: Int) throws(WorkloadError) {
    for column in table.columns where !column.isNullable && column.name != "id" {
      if value(table, row, column.serial) == nil { throw .failed(state: "23502", message: "no \(column.name)") }
    }
    for name in table.checks.keys.sorted() {
      guard let check = table.checks[name], let found = value(table, row, check.column).flatMap({ Int($0) }) else {
        continue
      }
      if found >= check.bound { throw .failed(state: "23514", message: "\(name): \(found)") }
    }
  }

  /// The state after that commit; nil: forgotten.
  func state(at commit: Int) -> State? { (history + [state]).last { $0.commit <= commit } }

  func install(_ next: State) {
    history.append(state)
    if history.count > 8 { history.removeFirst() }
    state = next
  }

  /// A column's value in a row: written, or its default.
  func value(_ table: Table, _ row: Int, _ serial: Int) -> String? {
    if let written = table.rows[row]?.values[serial] { return written }
    if bugs.contains(.wrongDefault) { return nil }
    guard let column = table.columns.first(where: { $0.serial == serial }) else { return nil }
    switch column.source {
    case .constant: return column.defaultValue
    case .drawn: return String(row % 97 + (bugs.contains(.drawnAgain) ? table.rows[row]?.commit ?? 0 : 0))
    case .numbered: return String(row)
    case .doubled:
      return table.column("k").flatMap { value(table, row, $0.serial) }.flatMap { Int($0) }.map { String($0 * 2) }
    }
  }

  // MARK: - Schema changes

  /// Changes the newest state in one step; anything older that writes the table must begin again.
  func change(_ edit: (inout State) throws(WorkloadError) -> Void) throws(WorkloadError) {
    var next = state
    next.commit += 1
    try edit(&next)
    install(next)
  }
}
