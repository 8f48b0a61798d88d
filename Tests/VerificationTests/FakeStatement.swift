import Verification

/// The words of a statement, in the few forms the fake knows.
struct FakeStatement {
  let text: String
  private let tokens: [String]
  private var position = 0

  /// Splits at blanks and around punctuation; strings keep their quotes.
  init(_ text: String) {
    self.text = text
    var tokens: [String] = []
    var word = ""
    var isInString = false
    for character in text {
      if isInString {
        word.append(character)
        if character == "'" {
          tokens.append(word)
          word = ""
          isInString = false
        }
        continue
      }
      switch character {
      case "'":
        word = "'"
        isInString = true
      case " ", "\n", ",", "(", ")", "=":
        if !word.isEmpty { tokens.append(word) }
        word = ""
        if character != " ", character != "\n" { tokens.append(String(character)) }
      default: word.append(character)
      }
    }
    if !word.isEmpty { tokens.append(word) }
    self.tokens = tokens
  }

  var verb: String { tokens.first ?? "" }
  var strings: [String] { tokens.filter { $0.hasPrefix("'") }.map { String($0.dropFirst().dropLast()) } }
  /// Of the table that a schema and a name in two strings mean.
  var qualifiedName: String {
    guard strings.count > 1, strings[0] != "public" else { return strings.last ?? "" }
    return "\(strings[0]).\(strings[1])"
  }
  var isAtEnd: Bool { position >= tokens.count }
  var peek: String { isAtEnd ? "" : tokens[position] }

  mutating func next() -> String {
    defer { position += 1 }
    return peek
  }

  /// Steps over the words if they come next.
  mutating func take(_ words: String...) -> Bool {
    guard tokens[min(position, tokens.count)...].starts(with: words) else { return false }
    position += words.count
    return true
  }

  mutating func expect(_ words: String...) throws(WorkloadError) {
    for word in words where next() != word {
      throw .failed(state: "42601", message: "the fake does not know: \(text)")
    }
  }

  /// `a, b, c` up to something else.
  mutating func list() -> [String] {
    var words = [next()]
    while take(",") { words.append(next()) }
    return words
  }

  /// `AS OF SYSTEM TIME n` at the end.
  var moment: Int? {
    guard tokens.count > 5, Array(tokens.suffix(5).dropLast()) == ["AS", "OF", "SYSTEM", "TIME"] else { return nil }
    return Int(tokens[tokens.count - 1])
  }

  /// The value of a literal; nil for NULL.
  static func value(_ token: String) -> String? {
    if token == "NULL" { return nil }
    return token.hasPrefix("'") ? String(token.dropFirst().dropLast()) : token
  }
}

/// SELECT, INSERT, UPDATE and DELETE of one table, rows by their integer `id`.
struct FakeQuery {
  private var statement: FakeStatement
  private let database: FakeDatabase
  private var name = ""
  private var table = FakeDatabase.Table(id: 0, columns: [])
  private var writes: [FakeDatabase.Write] = []
  private var commit = 0

  init(_ statement: FakeStatement, _ database: FakeDatabase) {
    self.statement = statement
    self.database = database
  }

  mutating func run(in state: FakeDatabase.State) throws(WorkloadError) -> ([[String?]], [FakeDatabase.Write]) {
    commit = state.commit
    let rows: [[String?]]
    switch statement.next() {
    case "SELECT": rows = try select(state)
    case "INSERT": rows = try insert(state)
    case "UPDATE": rows = try update(state)
    case "DELETE": rows = try delete(state)
    case "CHECK":
      try statement.expect("TABLE")
      try open(statement.next(), state)
      rows = table.indexes.map { index in
        let entries = table.rows.count - index.missing.count + index.orphans.count
        return [index.name, "\(table.rows.count)", "\(entries)", "t"]
      }
    default: throw .failed(state: "42601", message: "the fake does not know: \(statement.text)")
    }
    return (rows, writes)
  }

  private mutating func open(_ name: String, _ state: FakeDatabase.State) throws(WorkloadError) {
    guard let found = state.tables[name] else { throw .failed(state: "42P01", message: "no table \(name)") }
    self.name = name
    table = found
  }

  private func serial(_ column: String) throws(WorkloadError) -> Int {
    guard let found = table.column(column) else { throw .failed(state: "42703", message: "no column \(column)") }
    return found.serial
  }

  private func value(_ row: Int, _ column: String) throws(WorkloadError) -> String? {
    column == "id" ? "\(row)" : database.value(table, row, try serial(column))
  }

  /// Ids of rows that meet `WHERE a = 1 AND b >= 2`, ascending.
  private mutating func matching() throws(WorkloadError) -> [Int] {
    var ids = table.rows.keys.sorted()
    guard statement.take("WHERE") else { return ids }
    repeat {
      let column = statement.next()
      let isDoubled = statement.take("*", "2")
      let isEqual = statement.take("=")
      if !isEqual { try statement.expect(">", "=") }
      var wanted = FakeStatement.value(statement.next())
      if isDoubled { wanted = wanted.flatMap { Int($0) }.map { "\($0 / 2)" } }
      if column == "id", isEqual {
        ids = ids.filter { "\($0)" == wanted }
        continue
      }
      var kept: [Int] = []
      for id in ids {
        let found = try value(id, column)
        let isRight =
          isEqual
          ? found == wanted && wanted != nil : (found.flatMap { Int($0) } ?? .min) >= (Int(wanted ?? "") ?? .max)
        if isRight { kept.append(id) }
      }
      if isEqual { kept = byIndex(column, wanted, kept) }
      ids = kept
    } while statement.take("AND")
    return ids
  }

  /// What an index on the column finds, which with a bug is something else.
  private func byIndex(_ column: String, _ wanted: String?, _ ids: [Int]) -> [Int] {
    guard let serial = table.column(column)?.serial,
      let index = table.indexes.first(where: { $0.columns.first == serial })
    else { return ids }
    let orphans = index.orphans.keys.filter { index.orphans[$0]?.first == wanted && table.rows[$0] == nil }
    return (ids.filter { !index.missing.contains($0) } + orphans).sorted()
  }

  private mutating func select(_ state: FakeDatabase.State) throws(WorkloadError) -> [[String?]] {
    if statement.take("count", "(", "*", ")", "FROM") {
      try open(statement.next(), state)
      return [["\(try matching().count)"]]
    }
    let columns = statement.list()
    try statement.expect("FROM")
    let source = statement.next()
    if source == "information_schema.columns" {
      let columns = state.tables[statement.qualifiedName]?.columns ?? []
      return columns.map { [$0.name] }
    }
    if source == "pg_indexes" {
      let wanted = statement.qualifiedName
      return (state.tables[wanted]?.indexes ?? []).map { [$0.name] } + [["\(wanted)_pkey"]]
    }
    if source == "pg_database" { return [["defaultdb"]] }
    if source == "pg_description" {
      let found = state.tables[statement.strings.first ?? ""]
      return ([found?.comment] + (found?.columns ?? []).map(\.comment)).compactMap { $0 }.map { [$0] }
    }
    try open(source, state)
    for column in columns where column != "id" { _ = try serial(column) }
    var rows: [[String?]] = []
    for id in try matching() {
      var row: [String?] = []
      for column in columns { row.append(try value(id, column)) }
      rows.append(row)
    }
    return rows
  }

  private mutating func write(_ row: Int, _ values: [Int: String?]?) {
    let base = table.rows[row]?.commit ?? table.deleted[row] ?? 0
    let own = writes.last { $0.row == row }?.base
    writes.append(
      .init(
        table: name, tableID: table.id, row: row, values: values, base: own ?? base, schemaCommit: table.schemaCommit))
  }

  private mutating func insert(_ state: FakeDatabase.State) throws(WorkloadError) -> [[String?]] {
    try statement.expect("INTO")
    try open(statement.next(), state)
    var columns = table.columns.map(\.name)
    if statement.take("(") {
      columns = statement.list()
      try statement.expect(")")
    }
    try statement.expect("VALUES")
    var rows: [(id: Int, values: [Int: String?])] = []
    repeat {
      try statement.expect("(")
      let literals = statement.list()
      try statement.expect(")")
      var id = 0
      var values: [Int: String?] = [:]
      for (column, literal) in zip(columns, literals) {
        let value = FakeStatement.value(literal)
        if column == "id" { id = Int(value ?? "") ?? 0 } else { values[try serial(column)] = .some(value) }
      }
      rows.append((id, values))
    } while statement.take(",")
    let skipsExisting = statement.take("ON", "CONFLICT", "DO", "NOTHING")
    for row in rows {
      if table.rows[row.id] != nil {
        if skipsExisting { continue }
        throw .failed(state: "23505", message: "duplicate id \(row.id)")
      }
      write(row.id, row.values)
    }
    return rows.map { ["\($0.id)"] }
  }

  private mutating func update(_ state: FakeDatabase.State) throws(WorkloadError) -> [[String?]] {
    try open(statement.next(), state)
    try statement.expect("SET")
    var assignments: [(serial: Int, words: [String])] = []
    repeat {
      let column = try serial(statement.next())
      try statement.expect("=")
      var words = [statement.next()]
      while ["-", "+", "||"].contains(statement.peek) { words += [statement.next(), statement.next()] }
      assignments.append((column, words))
    } while statement.take(",")
    let ids = try matching()
    for id in ids {
      guard var values = table.rows[id]?.values else { continue }
      for assignment in assignments { values[assignment.serial] = .some(try evaluate(assignment.words, id)) }
      write(id, values)
    }
    return ids.map { ["\($0)"] }
  }

  /// `literal`, `column`, `column + 1`, `column || 'x'`.
  private func evaluate(_ words: [String], _ row: Int) throws(WorkloadError) -> String? {
    func operand(_ word: String) throws(WorkloadError) -> String? {
      word.first?.isLetter == true && word != "NULL" ? try value(row, word) : FakeStatement.value(word)
    }
    guard words.count == 3 else { return try operand(words[0]) }
    guard let left = try operand(words[0]), let right = try operand(words[2]) else { return nil }
    switch words[1] {
    case "||": return left + right
    case "+": return "\((Int(left) ?? 0) + (Int(right) ?? 0))"
    default: return "\((Int(left) ?? 0) - (Int(right) ?? 0))"
    }
  }

  private mutating func delete(_ state: FakeDatabase.State) throws(WorkloadError) -> [[String?]] {
    try statement.expect("FROM")
    try open(statement.next(), state)
    let ids = try matching()
    for id in ids { write(id, nil) }
    return ids.map { ["\($0)"] }
  }
}
