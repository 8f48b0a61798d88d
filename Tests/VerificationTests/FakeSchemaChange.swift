import Verification

/// A schema change of the fake: a job that runs for a while and then changes everything in one moment.
struct FakeSchemaChange {
  private let host: FakeHost
  private let statements: [FakeStatement]
  private let text: String
  private let operation: String
  /// Nil: it has not begun.
  private(set) var job: Int?
  private var database: FakeDatabase { host.database }

  /// - Parameter statements: done in one moment, all or none.
  init(_ host: FakeHost, _ statements: [FakeStatement], text: String, operation: String) {
    self.host = host
    self.statements = statements
    self.text = text
    self.operation = operation
  }

  mutating func run() async throws(WorkloadError) -> [[String?]] {
    if !operation.isEmpty, !database.bugs.contains(.operationAppliedTwice),
      let known = database.jobs.first(where: { $0.operation == operation })
    {
      job = known.id
      return try await wait(for: known.id)
    }
    let id = database.makeID()
    job = id
    database.jobs.append(
      .init(id: id, operation: operation, statement: text, table: "", state: "running"))
    do throws(WorkloadError) {
      try await work(id)
      set(id, "succeeded", nil)
    } catch {
      set(id, error.state == "57014" ? "canceled" : "failed", error)
      throw error
    }
    if database.has(.jobNeverEnds, percent: 10) { set(id, "running", nil) }
    return []
  }

  private func set(_ id: Int, _ state: String, _ error: WorkloadError?) {
    guard let place = database.jobs.firstIndex(where: { $0.id == id }) else { return }
    database.jobs[place].state = state
    database.jobs[place].error = error
  }

  private func find(_ id: Int) -> FakeDatabase.Job? { database.jobs.first { $0.id == id } }

  private func wait(for id: Int) async throws(WorkloadError) -> [[String?]] {
    while let job = find(id), ["running", "paused"].contains(job.state) { await host.pause(milliseconds: 5) }
    if let error = find(id)?.error { throw error }
    return []
  }

  /// Lets time pass, for pauses and cancellations, then does it.
  private mutating func work(_ id: Int) async throws(WorkloadError) {
    var edits: [FakeEdit] = []
    defer { for edit in edits { edit.end() } }
    for statement in statements {
      var edit = try FakeEdit(statement, database)
      // What a transaction adds may be gone again at its end: it is not enforced before.
      if statements.count == 1 { try edit.begin() }
      edits.append(edit)
    }
    for _ in 0..<Int.random(in: 0...20, using: &database.random) {
      await host.pause(milliseconds: 5)
      while find(id)?.state == "paused" { await host.pause(milliseconds: 5) }
      if find(id)?.state == "canceling" { throw .failed(state: "57014", message: "canceled") }
    }
    let before = database.state.tables
    try database.change { (state) throws(WorkloadError) in
      for position in edits.indices { try edits[position].apply(to: &state) }
    }
    guard let place = database.jobs.firstIndex(where: { $0.id == id }) else { return }
    database.jobs[place].before = before
    database.jobs[place].after = database.state.tables
  }

  static func control(_ statement: inout FakeStatement, _ database: FakeDatabase) throws(WorkloadError) -> [[String?]] {
    let verb = statement.next()
    try statement.expect(verb == "SHOW" ? "JOBS" : "JOB")
    if verb == "SHOW" {
      return database.jobs.map { ["\($0.id)", $0.operation, $0.statement, $0.table, $0.state] }
    }
    let id = Int(statement.next()) ?? 0
    guard let place = database.jobs.firstIndex(where: { $0.id == id }) else {
      throw .failed(state: "42704", message: "no job \(id)")
    }
    let (from, to) =
      switch verb {
      case "PAUSE": ("running", "paused")
      case "RESUME": ("paused", "running")
      default: ("running", "canceling")
      }
    guard database.jobs[place].state == from else {
      throw .failed(state: "55000", message: "the job is \(database.jobs[place].state)")
    }
    database.jobs[place].state = to
    return []
  }
}

/// What a schema statement does to the fake's tables.
private struct FakeEdit {
  private var statement: FakeStatement
  private let database: FakeDatabase
  private var building: Int?

  init(_ statement: FakeStatement, _ database: FakeDatabase) throws(WorkloadError) {
    self.statement = statement
    self.database = database
  }

  /// An index that is being built takes part in writes.
  mutating func begin() throws(WorkloadError) {
    var parser = statement
    guard parser.next() == "CREATE" else { return }
    let isUnique = parser.take("UNIQUE")
    guard parser.take("INDEX") else { return }
    let name = parser.next()
    guard parser.take("ON"), let table = database.state.tables[parser.next()] else { return }
    try parser.expect("(")
    let columns = try Self.key(&parser, table)
    building = table.id
    database.building[table.id] = .init(
      name: name, columns: columns, isUnique: isUnique, least: try Self.least(&parser, table))
  }

  /// `a, b`, or `(k * 2)`, which finds the same rows.
  private static func key(
    _ parser: inout FakeStatement, _ table: FakeDatabase.Table
  ) throws(WorkloadError) -> [Int] {
    if parser.take("(") {
      let columns = [parser.next()].compactMap { table.column($0)?.serial }
      try parser.expect("*", "2", ")")
      return columns
    }
    return parser.list().compactMap { table.column($0)?.serial }
  }

  /// `) INCLUDE (c) WHERE k >= 5` behind the key.
  private static func least(
    _ parser: inout FakeStatement, _ table: FakeDatabase.Table
  ) throws(WorkloadError) -> (column: Int, bound: Int)? {
    try parser.expect(")")
    if parser.take("INCLUDE", "(") {
      _ = parser.next()
      try parser.expect(")")
    }
    guard parser.take("WHERE") else { return nil }
    let column = parser.next()
    try parser.expect(">", "=")
    guard let serial = table.column(column)?.serial, let bound = Int(parser.next()) else {
      throw .failed(state: "42703", message: "no \(column)")
    }
    return (serial, bound)
  }

  func end() { if let building { database.building[building] = nil } }

  mutating func apply(to state: inout FakeDatabase.State) throws(WorkloadError) { try edit(&state) }

  private func missing(_ what: String) -> WorkloadError { .failed(state: "42P01", message: "no \(what)") }

  private mutating func edit(_ state: inout FakeDatabase.State) throws(WorkloadError) {
    let verb = statement.next()
    // There is every schema.
    if verb == "CREATE", statement.take("SCHEMA") { return }
    // Nor does a type mean anything.
    if verb == "CREATE" || verb == "ALTER", statement.take("TYPE") { return }
    if verb == "COMMENT" { return try comment(&state) }
    if verb == "CREATE", statement.take("TABLE") { return try createTable(&state) }
    if verb == "CREATE" { return try createIndex(&state) }
    if verb == "TRUNCATE" {
      let name = statement.next()
      guard var table = state.tables[name] else { throw missing(name) }
      table.rows = [:]
      table.deleted = [:]
      table.schemaCommit = state.commit
      state.tables[name] = table
      return
    }
    if verb == "UNDROP" { return try undrop(&state) }
    if verb == "REVERT" { return try revert(&state) }
    if verb == "DROP", statement.take("TABLE") {
      let name = statement.next()
      guard state.tables[name] != nil else { throw missing(name) }
      state.droppedTables[name] = state.tables[name]
      if !database.bugs.contains(.droppedTableAnswers) { state.tables[name] = nil }
      return
    }
    if verb == "DROP" {
      try statement.expect("INDEX")
      let name = statement.next()
      return try onIndex(name, &state) { table, place in
        // Without the schema that the statement names: it is brought back by its own name.
        let index = table.indexes.remove(at: place)
        table.droppedIndexes[index.name] = index
      }
    }
    if statement.take("INDEX") {
      let name = statement.next()
      if statement.take("SET") { return try onIndex(name, &state) { _, _ in } }
      try statement.expect("RENAME", "TO")
      let new = statement.next()
      return try onIndex(name, &state) { table, place in table.indexes[place].name = new }
    }
    try statement.expect("TABLE")
    try alter(statement.next(), &state)
  }

  private mutating func undrop(_ state: inout FakeDatabase.State) throws(WorkloadError) {
    let kind = statement.next()
    let name = statement.next()
    if kind == "TABLE" {
      guard let table = state.droppedTables.removeValue(forKey: name) else { throw missing(name) }
      if state.tables[name] == nil { state.tables[name] = table }
      return
    }
    try statement.expect("ON")
    let tableName = statement.next()
    guard var table = state.tables[tableName] else { throw missing(tableName) }
    if kind == "INDEX" {
      guard let index = table.droppedIndexes.removeValue(forKey: name) else { throw missing(name) }
      table.indexes.append(index)
    } else {
      guard let dropped = table.droppedColumns.removeValue(forKey: name) else { throw missing(name) }
      let place = table.columns.firstIndex { $0.serial > dropped.column.serial } ?? table.columns.count
      table.columns.insert(dropped.column, at: place)
      table.indexes += dropped.indexes
      table.schemaCommit = state.commit
      for row in table.rows.keys.sorted() { try database.checkConstraints(table, row: row) }
    }
    state.tables[tableName] = table
  }

  /// Every table that the job changed is what it was, with the rows that it has.
  private mutating func revert(_ state: inout FakeDatabase.State) throws(WorkloadError) {
    try statement.expect("JOB")
    let number = Int(statement.next())
    guard let job = database.jobs.first(where: { $0.id == number }), job.state == "succeeded" else {
      throw .failed(state: "55000", message: "no job to be reverted")
    }
    for name in job.after.keys.sorted() where !job.before.values.contains(where: { $0.id == job.after[name]?.id }) {
      throw .failed(state: "0A000", message: "the job created \(name)")
    }
    for name in job.before.keys.sorted() {
      guard var table = job.before[name] else { continue }
      let after = job.after.first { $0.value.id == table.id }
      if after?.key == name, after?.value.hasSchema(of: table) ?? false { continue }
      if let now = state.tables.first(where: { $0.value.id == table.id }) {
        table.rows = now.value.rows
        table.deleted = now.value.deleted
        state.tables[now.key] = nil
      }
      table.schemaCommit = state.commit
      for row in table.rows.keys.sorted() { try database.checkConstraints(table, row: row) }
      state.tables[name] = table
    }
  }

  private mutating func comment(_ state: inout FakeDatabase.State) throws(WorkloadError) {
    try statement.expect("ON")
    let kind = statement.next()
    var words = statement.next().split(separator: ".").map(String.init)
    let column = kind == "COLUMN" ? words.removeLast() : nil
    let name = words.joined(separator: ".")
    guard state.tables[name] != nil else { throw missing(name) }
    try statement.expect("IS")
    let text = FakeStatement.value(statement.next())
    if database.has(.commentLost, percent: 50) { return }
    guard let column else {
      state.tables[name]?.comment = text
      return
    }
    guard let place = state.tables[name]?.columns.firstIndex(where: { $0.name == column }) else {
      throw .failed(state: "42703", message: "no \(column)")
    }
    state.tables[name]?.columns[place].comment = text
  }

  /// With the schema that another name has.
  private static func name(_ name: String, besides other: String) -> String {
    other.contains(".") ? "\(other.split(separator: ".")[0]).\(name)" : name
  }

  private func onIndex(
    _ qualifiedName: String, _ state: inout FakeDatabase.State, _ body: (inout FakeDatabase.Table, Int) -> Void
  ) throws(WorkloadError) {
    let name = qualifiedName.split(separator: ".").last.map(String.init) ?? ""
    for key in state.tables.keys.sorted() {
      if let place = state.tables[key]?.indexes.firstIndex(where: { $0.name == name }), var table = state.tables[key] {
        body(&table, place)
        state.tables[key] = table
        return
      }
    }
    throw .failed(state: "42704", message: "no index \(name)")
  }

  private mutating func createTable(_ state: inout FakeDatabase.State) throws(WorkloadError) {
    let name = statement.next()
    if state.tables[name] != nil { throw .failed(state: "42P07", message: "\(name) exists") }
    try statement.expect("(")
    var table = FakeDatabase.Table(id: database.makeID(), columns: [])
    repeat {
      var column = FakeDatabase.Column(serial: database.makeID(), name: statement.next())
      while ![",", ")"].contains(statement.peek) {
        if statement.take("NOT", "NULL") { column.isNullable = false } else { _ = statement.next() }
      }
      table.columns.append(column)
    } while statement.take(",")
    if statement.take(")", "AS") { try fill(&table, commit: state.commit) }
    state.tables[name] = table
  }

  /// `SELECT … FROM (VALUES (…), …) …`
  private mutating func fill(_ table: inout FakeDatabase.Table, commit: Int) throws(WorkloadError) {
    while statement.next() != "VALUES" {
      if statement.isAtEnd { throw .failed(state: "42601", message: "the fake does not know: \(statement.text)") }
    }
    repeat {
      try statement.expect("(")
      let literals = statement.list()
      try statement.expect(")")
      var id = 0
      var values: [Int: String?] = [:]
      for (column, literal) in zip(table.columns, literals) {
        let value = FakeStatement.value(literal)
        if column.name == "id" { id = Int(value ?? "") ?? 0 } else { values[column.serial] = .some(value) }
      }
      table.rows[id] = FakeDatabase.Row(values: values, commit: commit)
    } while statement.take(",")
    if database.has(.rowsLost, percent: 50) { table.rows[table.rows.keys.max() ?? 0] = nil }
  }

  private mutating func createIndex(_ state: inout FakeDatabase.State) throws(WorkloadError) {
    let isUnique = statement.take("UNIQUE")
    try statement.expect("INDEX")
    let name = statement.next()
    try statement.expect("ON")
    let tableName = statement.next()
    guard var table = state.tables[tableName] else { throw missing(tableName) }
    guard !state.tables.values.contains(where: { $0.indexes.contains { $0.name == name } }) else {
      throw .failed(state: "42P07", message: "\(name) exists")
    }
    try statement.expect("(")
    let columns = try Self.key(&statement, table)
    var index = FakeDatabase.Index(
      name: name, columns: columns, isUnique: isUnique, least: try Self.least(&statement, table))
    if let built = database.building[table.id] {
      index.missing = built.missing
      index.orphans = built.orphans
    }
    if isUnique, !database.bugs.contains(.uniqueNotEnforced) {
      var keys: Set<[String]> = []
      for row in table.rows.keys where database.isIn(index, table, row) {
        let key = columns.compactMap { database.value(table, row, $0) }
        if key.count == columns.count, !keys.insert(key).inserted {
          throw .failed(state: "23505", message: "duplicates")
        }
      }
    }
    table.indexes.append(index)
    state.tables[tableName] = table
  }

  private mutating func alter(_ name: String, _ state: inout FakeDatabase.State) throws(WorkloadError) {
    guard var table = state.tables[name] else { throw missing(name) }
    // Renames leave transactions alone; everything else refuses those that began before.
    let isMoved = statement.take("SET", "SCHEMA")
    if isMoved || statement.take("RENAME", "TO") {
      let word = statement.next()
      let inSchema = name.split(separator: ".").last.map(String.init) ?? ""
      let new = isMoved ? (word == "public" ? inSchema : "\(word).\(inSchema)") : Self.name(word, besides: name)
      if state.tables[new] != nil { throw .failed(state: "42P07", message: "\(new) exists") }
      if database.has(.renameLost, percent: 30) { return }
      state.tables[name] = nil
      state.tables[new] = table
      return
    }
    if statement.take("RENAME", "COLUMN") {
      let old = statement.next()
      try statement.expect("TO")
      guard let place = table.columns.firstIndex(where: { $0.name == old }) else {
        throw .failed(state: "42703", message: "no \(old)")
      }
      table.columns[place].name = statement.next()
    } else if statement.take("ADD", "COLUMN") {
      let column = statement.next()
      _ = statement.next()
      var new = FakeDatabase.Column(serial: database.makeID(), name: column)
      if database.bugs.contains(.ghostValues), let old = table.graveyard[column] { new.serial = old }
      if statement.take("NOT", "NULL") { new.isNullable = false }
      if statement.take("DEFAULT", "floor") {
        new.source = .drawn
      } else if statement.take("DEFAULT") {
        new.defaultValue = FakeStatement.value(statement.next())
      } else if statement.take("GENERATED", "ALWAYS", "AS") {
        new.source = statement.take("IDENTITY") ? .numbered : .doubled
        if new.source == .numbered { new.isNullable = false }
      }
      table.columns.append(new)
      if statement.take("CONSTRAINT") {
        table.indexes.append(.init(name: statement.next(), columns: [new.serial], isUnique: true))
        try statement.expect("UNIQUE")
      }
    } else if statement.take("ALTER", "COLUMN") {
      let column = statement.next()
      guard let place = table.columns.firstIndex(where: { $0.name == column }) else {
        throw .failed(state: "42703", message: "no \(column)")
      }
      let what = statement.next()
      if what == "TYPE" { return }
      table.columns[place].isNullable = what == "DROP"
      try statement.expect("NOT", "NULL")
      for row in table.rows.keys.sorted() { try database.checkConstraints(table, row: row) }
    } else if statement.take("ADD", "CONSTRAINT") {
      let check = statement.next()
      if statement.take("PRIMARY", "KEY", "(") {
        let column = statement.next()
        guard let place = table.columns.firstIndex(where: { $0.name == column }) else { throw missing(column) }
        table.columns[place].isNullable = false
        for row in table.rows.keys.sorted() { try database.checkConstraints(table, row: row) }
        state.tables[name] = table
        return
      }
      try statement.expect("CHECK", "(")
      let column = statement.next()
      try statement.expect("<")
      guard let serial = table.column(column)?.serial, let bound = Int(statement.next()) else { throw missing(column) }
      table.checks[check] = (serial, bound)
      for row in table.rows.keys.sorted() { try database.checkConstraints(table, row: row) }
    } else if statement.take("DROP", "CONSTRAINT") {
      let check = statement.next()
      if statement.take(",", "ADD", "CONSTRAINT") {
        _ = statement.next()
        try statement.expect("PRIMARY", "KEY", "(")
        let column = statement.next()
        guard let place = table.columns.firstIndex(where: { $0.name == column }) else { throw missing(column) }
        table.columns[place].isNullable = false
        for row in table.rows.keys.sorted() { try database.checkConstraints(table, row: row) }
        state.tables[name] = table
        return
      }
      guard table.checks.removeValue(forKey: check) != nil else {
        throw .failed(state: "42704", message: "no \(check)")
      }
    } else {
      try statement.expect("DROP", "COLUMN")
      let column = statement.next()
      guard let old = table.column(column) else { throw .failed(state: "42703", message: "no \(column)") }
      table.droppedColumns[column] = (old, table.indexes.filter { $0.columns.contains(old.serial) })
      table.columns.removeAll { $0.serial == old.serial }
      table.indexes.removeAll { $0.columns.contains(old.serial) }
      table.checks = table.checks.filter { $0.value.column != old.serial }
      table.graveyard[column] = old.serial
      table.schemaCommit = state.commit
    }
    state.tables[name] = table
  }
}
