/// What is left when nobody writes any more.
extension SchemaModelCheck.Run {
  mutating func takeFinal(_ operation: Operation<SchemaAction>) {
    switch operation.action {
    case .scan(let name, let columns, let rows):
      scans[name] = Scan(columns: columns, rows: rows)
      checkView(name, columns, rows, operation)
      if let table = lastTable(name) { check(table, columns, rows, operation) }
    case .lookup(let name, let column, let value, let leastKey, let ids):
      checkLookup(name, column, value, leastKey, ids, operation)
    case .count(let name, let count):
      if let scan = scans[name], scan.rows.count != count {
        add("table \(name) has \(scan.rows.count) rows and counts \(count)", [operation])
      }
    case .names(let name, let columns, let indexes, let comments):
      checkNames(name, columns, indexes, operation)
      if let table = lastTable(name), table.comments != comments {
        add("table \(name) has the comments \(comments) and must have \(table.comments)", [operation])
      }
    case .check(_, let rows):
      for row in rows where row.count != 4 || row[1] != row[2] || row[3] != "t" {
        add("CHECK TABLE says that an index does not agree with the rows", [operation])
      }
    case .jobs(let jobs): checkJobs(jobs, operation)
    case .change, .write, .read, .control: break
    }
  }

  private func lastTable(_ name: String) -> TableModel? {
    timeline.last.lazy.compactMap(\.table).first { $0.name == name }
  }

  // MARK: - Rows

  private mutating func check(
    _ table: TableModel, _ columns: [String], _ rows: [[String?]], _ operation: Operation<SchemaAction>
  ) {
    var found: Set<Int> = []
    for row in rows {
      guard row.count == columns.count + 1, let id = row[0].flatMap({ Int($0) }) else {
        add("a row of \(table.name) is malformed: \(row.map { $0 ?? "NULL" }.joined(separator: " "))", [operation])
        continue
      }
      if !found.insert(id).inserted { add("row \(id) of \(table.name) is there twice", [operation]) }
      check(table, id, Array(zip(columns, row.dropFirst())), operation)
    }
    for id in knowledge.ids(of: table) where !found.contains(id) && !knowledge[table, id].contains(.absent) {
      add("row \(id) of \(table.name) was acknowledged and is not there", [operation])
    }
    for row in rows where row.count == columns.count + 1 {
      for (name, value) in zip(columns, row.dropFirst()) {
        guard let column = table.column(name), !table.permits(value, in: column) else { continue }
        add(
          "row \(row[0] ?? "") of \(table.name) has \(name)=\(value ?? "NULL"), which a constraint forbids", [operation]
        )
      }
    }
    for (position, name) in columns.enumerated() where table.column(name)?.source == .numbered {
      let numbers = rows.compactMap { $0.count == columns.count + 1 ? $0[position + 1] : nil }
      if Set(numbers).count < numbers.count {
        add("two rows of \(table.name) have the same number \(name)", [operation])
      }
    }
    for index in table.indexes where index.isUnique { checkUnique(index, table, columns, rows, operation) }
  }

  private mutating func check(
    _ table: TableModel, _ id: Int, _ values: [(column: String, value: String?)], _ operation: Operation<SchemaAction>
  ) {
    let states = knowledge[table, id].filter { $0 != .absent }
    if states.isEmpty {
      return add("row \(id) of \(table.name) is there, and nobody wrote it or it was deleted", [operation])
    }
    let possible = states.filter { state in
      values.allSatisfy { pair in
        table.column(pair.column).map { state.permits(pair.value, of: $0, in: table) } ?? true
      }
    }
    if !possible.isEmpty {
      let learned = possible.map { state in
        values.reduce(state) { state, pair in
          table.column(pair.column).map { state.learning(pair.value, of: $0) } ?? state
        }
      }
      return knowledge.narrow(table, id, to: Set(learned))
    }
    let shown = values.map { "\($0.column)=\($0.value ?? "NULL")" }.joined(separator: " ")
    let known = states.map { $0.text(table) }.sorted().joined(separator: " or ")
    add("row \(id) of \(table.name) is \(shown) and can only be \(known)", [operation])
  }

  private mutating func checkUnique(
    _ index: IndexModel, _ table: TableModel, _ columns: [String], _ rows: [[String?]],
    _ operation: Operation<SchemaAction>
  ) {
    let positions = index.columns.compactMap { serial in
      table.column(serial: serial).flatMap { column in columns.firstIndex(of: column.name) }
    }
    guard positions.count == index.columns.count else { return }
    var owners: [[String]: String] = [:]
    for row in rows where row.count == columns.count + 1 && Self.isIn(row, columns, index.leastKey) {
      let key = positions.compactMap { row[$0 + 1] }
      // NULL is equal to nothing.
      guard key.count == positions.count else { continue }
      if let other = owners.updateValue(row[0] ?? "", forKey: key) {
        add(
          "unique index \(index.name) of \(table.name) has \(key.joined(separator: ", ")) twice: rows \(other) and \(row[0] ?? "")",
          [operation])
      }
    }
  }

  /// Whether a row (id first) has an entry in an index of rows with `k >= leastKey`.
  private static func isIn(_ row: [String?], _ columns: [String], _ leastKey: Int?) -> Bool {
    guard let leastKey else { return true }
    guard let position = columns.firstIndex(of: "k") else { return false }
    return row[position + 1].flatMap { Int($0) }.map { $0 >= leastKey } ?? false
  }

  private mutating func checkLookup(
    _ name: String, _ column: String, _ value: String?, _ leastKey: Int?, _ ids: [Int],
    _ operation: Operation<SchemaAction>
  ) {
    guard let scan = scans[name], let position = scan.columns.firstIndex(of: column) else { return }
    let expected = scan.rows.filter { $0.count == scan.columns.count + 1 && $0[position + 1] == value }
      .filter { Self.isIn($0, scan.columns, leastKey) }
      .compactMap { $0[0].flatMap { Int($0) } }.sorted()
    if expected != ids.sorted() {
      let missing = Set(expected).subtracting(ids).sorted()
      let orphans = Set(ids).subtracting(expected).sorted()
      add(
        "the rows of \(name) with \(column) = \(value ?? "NULL") are \(expected), found by that value are \(ids.sorted()): "
          + "missing entries \(missing), orphan entries \(orphans)", [operation])
    }
  }

  /// A view has the rows that its table has, which were looked at before.
  private mutating func checkView(
    _ name: String, _ columns: [String], _ rows: [[String?]], _ operation: Operation<SchemaAction>
  ) {
    guard let table = timeline.last.lazy.compactMap(\.table).first(where: { $0.view?.name == name }),
      let view = table.view, let scan = scans[table.name]
    else { return }
    let places = columns.map { column in
      view.column(column).flatMap { table.column(serial: $0.serial) }.flatMap { scan.columns.firstIndex(of: $0.name) }
    }
    let expected = scan.rows.filter { $0.count == scan.columns.count + 1 }.map { row in
      [row[0]] + places.map { place in place.map { row[$0 + 1] } ?? .none }
    }
    func sorted(_ rows: [[String?]]) -> [String] {
      rows.map { $0.map { $0 ?? "NULL" }.joined(separator: " ") }.sorted()
    }
    let (found, wanted) = (sorted(rows), sorted(expected))
    if found != wanted {
      let missing = Set(wanted).subtracting(found).sorted().prefix(5)
      let wrong = Set(found).subtracting(wanted).sorted().prefix(5)
      add(
        "view \(name) has \(found.count) rows and table \(table.name) \(wanted.count): missing \(missing), wrong \(wrong)",
        [operation])
    }
  }

  // MARK: - Names and jobs

  private mutating func checkNames(
    _ name: String, _ columns: [String], _ indexes: [String], _ operation: Operation<SchemaAction>
  ) {
    guard let table = lastTable(name) else { return }
    let expected = table.columns.map(\.name)
    if columns != expected {
      add("table \(name) has the columns \(columns) and must have \(expected)", [operation])
    }
    let expectedIndexes = table.indexes.map(\.name).sorted()
    if indexes.sorted() != expectedIndexes {
      add("table \(name) has the indexes \(indexes.sorted()) and must have \(expectedIndexes)", [operation])
    }
  }

  private mutating func checkJobs(_ jobs: [JobRow], _ operation: Operation<SchemaAction>) {
    var byOperation: [String: JobRow] = [:]
    for job in jobs where changes[job.operation] != nil || !job.isFinished {
      if !job.isFinished {
        add("job \(job.id) does not end: it is \(job.state) (\(job.statement))", [operation])
      }
      guard let change = changes[job.operation] else { continue }
      if let other = byOperation.updateValue(job, forKey: job.operation), other.id != job.id {
        add("operation \(job.operation) was applied twice: jobs \(other.id) and \(job.id)", [change])
      }
      if change.outcome.isOK, job.isFinished, job.state != "succeeded" {
        add("a schema change was answered as done and its job \(job.state)", [change])
      }
      if change.outcome.isFailed, job.state == "succeeded" {
        add("a schema change was answered as failed and its job succeeded", [change])
      }
    }
  }
}
