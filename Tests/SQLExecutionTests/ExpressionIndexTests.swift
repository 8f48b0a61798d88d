import Basics
import Catalog
import KeyValue
import SQLExecution
import SQLExpressions
import SQLValues
import Testing

@Suite struct ExpressionIndexTests {
  private static let lower = Expression.call(.lower, [.column(0, .text)], .text)
  private static let ratio = Expression.call(
    .divide, [.constant(.integer(100), .int4), .column(0, .int4)], .int4)

  /// `users` with a unique index on lower(email), and one on 100 / age.
  static func install(_ state: ElementState, _ database: TestDatabase) throws {
    var table = TestDatabase.users
    table.indexes.remove(at: 1)
    func add(_ id: UInt64, _ name: String, _ type: SQLType, _ column: UInt64, _ value: Expression, isUnique: Bool) {
      table.columns.append(
        ColumnDescriptor(
          id: ColumnID(id), name: name, type: type, state: state, isHidden: true,
          conversion: RowExpression(columns: [ColumnID(column)], expression: value.encoded)))
      table.indexes.append(TestDatabase.index(id, "users_\(id)", [id], isUnique: isUnique, state: state))
    }
    add(7, "lower(email)", .text, 2, lower, isUnique: true)
    add(8, "(100 / age)", .int4, 3, ratio, isUnique: false)
    try database.install(table)
  }

  @Test func entriesAreOfTheExpression() async throws {
    let database = try TestDatabase()
    try Self.install(.public, database)
    _ = try await database.run(
      "INSERT INTO users VALUES (1, 'Ann', 10, 'x'), (2, 'bob', 20, 'y'), (3, NULL, NULL, 'z')")
    #expect(try database.indexDifferences("users") == [])
    #expect(
      await database.failure("INSERT INTO users VALUES (4, 'ANN', 3, 'x')")
        == "23505 duplicate key value violates unique constraint \"users_7\" / Key (lower(email))=(ann) already exists."
    )
    #expect(await database.failure("UPDATE users SET email = 'aNN' WHERE id = 2")?.hasPrefix("23505") == true)
    _ = try await database.run("UPDATE users SET email = 'ANN', age = age + 1 WHERE id = 1")
    _ = try await database.run("UPDATE users SET email = 'Carl' WHERE email = 'bob'")
    #expect(try database.indexDifferences("users") == [])
    #expect(try await database.rows("SELECT id, email FROM users WHERE lower(email) = 'ann'") == ["1|ANN"])
    #expect(
      try await database.rows("EXPLAIN SELECT id FROM users WHERE lower(email) = 'ann'").first
        == "Index Only Scan using users_7 on users")
    #expect(try await database.rows("SELECT id FROM users WHERE 100 / age BETWEEN 5 AND 9 ORDER BY id") == ["1", "2"])
    #expect(try await database.rows("SELECT id FROM users ORDER BY lower(email) DESC LIMIT 2") == ["3", "2"])
    #expect(try await database.rows("SELECT * FROM users WHERE lower(email) > 'b'") == ["2|Carl|20|y"])
    #expect(
      try await database.rows(
        "INSERT INTO users VALUES (7, 'CARL', 1, 'q'), (8, 'dora', 1, 'q') ON CONFLICT DO NOTHING RETURNING *")
        == ["8|dora|1|q"])
    _ = try await database.run("DELETE FROM users WHERE lower(email) = 'carl' RETURNING *")
    #expect(try database.indexDifferences("users") == [])
    #expect(try await database.rows("SELECT id FROM users ORDER BY id") == ["1", "3", "8"])
  }

  @Test(arguments: [ElementState.deleteOnly, .writeOnly, .backfilling, .public])
  func aRowWithoutValueIsRefusedWhereItsEntryWouldBeWritten(state: ElementState) async throws {
    let database = try TestDatabase(TestDatabase.users)
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 0, 'x'), (2, 'b', 4, 'y')")
    try Self.install(state, database)
    let failure = await database.failure("INSERT INTO users VALUES (3, 'c', 0, 'z')")
    #expect(state == .deleteOnly ? failure == nil : failure?.hasPrefix("22012") == true)
    // What was there before can be deleted or put right.
    #expect(await database.failure("DELETE FROM users WHERE id = 1") == nil)
    #expect(await database.failure("UPDATE users SET age = 5 WHERE id = 2") == nil)
    #expect(try await database.rows("SELECT age FROM users WHERE id = 2") == ["5"])
  }

  @Test func theBuildComputesWhatWritersDo() async throws {
    let database = try TestDatabase(TestDatabase.users)
    for id in 1...20 {
      _ = try await database.run("INSERT INTO users VALUES (\(id), 'M\(id)', \(id), 'n')")
    }
    try Self.install(.backfilling, database)
    let table = try database.table("users")
    for index in table.indexes.dropFirst() {
      var encoder = BackfillEncoder(table: table, index: index)
      for key in database.tables.keys(table: table, index: IndexID(1)) {
        let record = database.tables.entries[key] ?? []
        if let entry = try encoder.entry(forPrimaryRecord: record.span) { database.tables.put(entry) }
      }
    }
    try Self.install(.public, database)
    _ = try await database.run("UPDATE users SET email = email || 'X' WHERE age > 15")
    _ = try await database.run("DELETE FROM users WHERE id < 4")
    #expect(try database.indexDifferences("users") == [])
    #expect(
      try await database.rows("SELECT id FROM users WHERE lower(email) IN ('m4', 'm17x', 'm3') ORDER BY id") == [
        "4", "17",
      ])
  }

  /// As in PostgreSQL the predicate is asked first: it keeps away what the expression has no value for.
  @Test func aPredicateKeepsRowsWithoutValueAway() async throws {
    let database = try TestDatabase()
    var table = TestDatabase.users
    table.columns.append(
      ColumnDescriptor(
        id: ColumnID(8), name: "(100 / age)", type: .int4, isHidden: true,
        conversion: RowExpression(columns: [ColumnID(3)], expression: Self.ratio.encoded)))
    var index = TestDatabase.index(8, "users_8", [8])
    index.predicate = RowExpression(
      columns: [ColumnID(3)],
      expression: Expression.comparison(.notEqual, .column(0, .int4), .constant(.integer(0), .int4)).encoded)
    table.indexes.append(index)
    try database.install(table)
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 0, 'x'), (2, 'b', 20, 'y'), (3, 'c', NULL, 'z')")
    _ = try await database.run("UPDATE users SET age = 0 WHERE id = 2")
    _ = try await database.run("UPDATE users SET age = 10 WHERE id = 1")
    #expect(database.tables.keys(table: table, index: IndexID(8)).count == 1)
    #expect(try database.indexDifferences("users") == [])
    #expect(try await database.rows("SELECT id FROM users WHERE 100 / age = 10 AND age <> 0") == ["1"])
    #expect(
      try await database.rows("EXPLAIN SELECT id FROM users WHERE 100 / age = 10 AND age <> 0").first
        == "Index Only Scan using users_8 on users")
    _ = try await database.run("DELETE FROM users WHERE id IN (1, 2)")
    #expect(database.tables.keys(table: table, index: IndexID(8)).isEmpty)
    var encoder = BackfillEncoder(table: table, index: index)
    _ = try await database.run("INSERT INTO users VALUES (4, 'a', 0, 'x')")
    for key in database.tables.keys(table: table, index: IndexID(1)) {
      let record = database.tables.entries[key] ?? []
      #expect(try encoder.entry(forPrimaryRecord: record.span) == nil)
    }
    // Another index that wants the value of every row asks for it.
    table.indexes.append(TestDatabase.index(9, "users_9", [8]))
    try database.install(table)
    #expect(await database.failure("INSERT INTO users VALUES (5, 'e', 0, 'x')")?.hasPrefix("22012") == true)
  }
}
