import Basics
import Catalog
import KeyValue
import SQLExecution
import SQLExpressions
import SQLValues
import Testing

/// Writers and readers of indexes that leave rows out.
@Suite struct PartialIndexTests {
  /// `users` with a unique index on note of rows with age >= 18, and one on email of rows where it is not NULL.
  static func database(state: ElementState = .public, condition: Expression? = nil) throws -> TestDatabase {
    let database = try TestDatabase()
    try install(state, condition, database)
    return database
  }

  static let adult = Expression.comparison(.greaterOrEqual, .column(0, .int4), .constant(.integer(18), .int4))

  static func install(_ state: ElementState, _ condition: Expression? = nil, _ database: TestDatabase) throws {
    var table = TestDatabase.users
    var index = TestDatabase.index(7, "adults", [4], isUnique: true, state: state)
    index.predicate = RowExpression(columns: [ColumnID(3)], expression: (condition ?? adult).encoded)
    index.storedColumns = [ColumnID(1)]
    table.indexes[1] = TestDatabase.index(2, "users_email_idx", [2])
    table.indexes[1].predicate = RowExpression(
      columns: [ColumnID(2)], expression: Expression.not(.isNull(.column(0, .text))).encoded)
    table.indexes.append(index)
    try database.install(table)
  }

  private func entries(_ database: TestDatabase, _ index: UInt64 = 7) throws -> Int {
    database.tables.keys(table: try database.table("users"), index: IndexID(index)).count
  }

  @Test func rowsMoveInAndOut() async throws {
    let database = try Self.database()
    _ = try await database.run(
      "INSERT INTO users VALUES (1, 'a', 17, 'x'), (2, NULL, 18, 'x'), (3, 'c', NULL, 'x'), (4, 'd', 40, 'y')")
    #expect(try entries(database) == 2)
    #expect(try entries(database, 2) == 3)
    #expect(try database.indexDifferences("users") == [])
    _ = try await database.run("UPDATE users SET age = 12 WHERE id = 2")
    #expect(try entries(database) == 1)
    _ = try await database.run("UPDATE users SET age = age + 1, email = NULL WHERE id = 1")
    #expect(try entries(database) == 2)
    #expect(try entries(database, 2) == 2)
    _ = try await database.run("UPDATE users SET age = NULL WHERE id = 4")
    #expect(try await database.run("UPDATE users SET age = 30, note = 'z' WHERE id = 4").tag == "UPDATE 1")
    #expect(try database.indexDifferences("users") == [])
    // What stays in moves within.
    _ = try await database.run("UPDATE users SET age = 31, note = 'w' WHERE id = 4")
    _ = try await database.run("DELETE FROM users WHERE id IN (2, 4)")
    #expect(try entries(database) == 1)
    #expect(try database.indexDifferences("users") == [])
  }

  @Test func onlyRowsOfTheIndexAreUnique() async throws {
    let database = try Self.database()
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 17, 'x'), (2, 'b', 18, 'x'), (3, 'c', NULL, 'x')")
    let error =
      "23505 duplicate key value violates unique constraint \"adults\" / Key (note)=(x) already exists."
    #expect(await database.failure("INSERT INTO users VALUES (5, 'e', 44, 'x')") == error)
    #expect(await database.failure("UPDATE users SET age = 18 WHERE id = 1") == error)
    #expect(await database.failure("UPDATE users SET age = 20") == error)
    #expect(await database.failure("INSERT INTO users VALUES (5, 'e', 4, 'x')") == nil)
    // One leaves as the other comes.
    #expect(await database.failure("UPDATE users SET age = 36 - age WHERE id IN (1, 2)") == error)
    #expect(
      await database.failure("UPDATE users SET age = CASE id WHEN 1 THEN 18 ELSE 17 END WHERE id IN (1, 2)") == nil)
    #expect(try await database.rows("SELECT id FROM users WHERE age >= 18 AND note = 'x'") == ["1"])
    // Whoever was never in it takes nobody's entry away.
    _ = try await database.run("DELETE FROM users WHERE id IN (2, 3)")
    #expect(try await database.rows("SELECT id FROM users WHERE age >= 18 AND note = 'x'") == ["1"])
    #expect(try database.indexDifferences("users") == [])
  }

  @Test func conflictsAreThoseOfTheIndex() async throws {
    let database = try Self.database()
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 18, 'x')")
    #expect(
      try await database.rows(
        "INSERT INTO users VALUES (2, 'b', 20, 'x'), (3, 'c', 3, 'x'), (4, 'd', 21, 'y'), (5, 'e', 22, 'y') "
          + "ON CONFLICT DO NOTHING RETURNING id") == ["3", "4"])
    let insert = "INSERT INTO users VALUES (6, 'f', 50, 'x') ON CONFLICT (note)"
    #expect(await database.failure("\(insert) DO NOTHING")?.hasPrefix("42P10") == true)
    #expect(await database.failure("\(insert) WHERE age > 3 DO NOTHING")?.hasPrefix("42P10") == true)
    #expect(try await database.run("\(insert) WHERE age > 30 DO NOTHING").tag == "INSERT 0 0")
    #expect(
      await database.failure("INSERT INTO users VALUES (6, 'f', 50, 'x') ON CONFLICT ON CONSTRAINT adults DO NOTHING")?
        .hasPrefix("42704") == true)
    #expect(try database.indexDifferences("users") == [])
  }

  @Test(arguments: [ElementState.deleteOnly, .writeOnly, .backfilling, .validating, .public])
  func everyStateTouchesOnlyItsOwnEntries(state: ElementState) async throws {
    let database = try Self.database()
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 17, 'x'), (2, 'b', 18, 'x'), (3, 'c', 19, 'y')")
    try Self.install(state, nil, database)
    let adds = state != .deleteOnly
    // Not in the index: its key is another row's.
    _ = try await database.run("DELETE FROM users WHERE id = 1")
    #expect(try entries(database) == 2)
    _ = try await database.run("INSERT INTO users VALUES (4, 'd', 3, 'y'), (5, 'e', 50, 'z')")
    #expect(try entries(database) == (adds ? 3 : 2))
    _ = try await database.run("UPDATE users SET age = 1 WHERE id = 3")
    #expect(try entries(database) == (adds ? 2 : 1))
    _ = try await database.run("UPDATE users SET age = 18, note = 'v' WHERE id = 4")
    #expect(try entries(database) == (adds ? 3 : 1))
    if adds {
      #expect(await database.failure("INSERT INTO users VALUES (9, 'd', 30, 'z')")?.hasPrefix("23505") == true)
      #expect(try database.indexDifferences("users") == [])
    }
  }

  /// A row written before the index was there may have no answer to its predicate: it has no entry, and can go.
  @Test func aPredicateThatFailsRefusesTheWriteButNotTheDelete() async throws {
    let database = try TestDatabase(TestDatabase.users)
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 0, 'x'), (2, 'b', 1, 'y'), (3, 'c', 0, 'z')")
    let failing = Expression.comparison(
      .greater, .call(.divide, [.constant(.integer(10), .int4), .column(0, .int4)], .int4),
      .constant(.integer(3), .int4))
    try Self.install(.writeOnly, failing, database)
    #expect(await database.failure("INSERT INTO users VALUES (4, 'd', 0, 'v')")?.hasPrefix("22012") == true)
    #expect(await database.failure("UPDATE users SET note = 'w' WHERE id = 1")?.hasPrefix("22012") == true)
    #expect(await database.failure("UPDATE users SET age = 2 WHERE id = 1") == nil)
    #expect(await database.failure("DELETE FROM users WHERE id = 3") == nil)
    #expect(try entries(database) == 1)
    // Delete-only nobody needs the answer.
    try Self.install(.deleteOnly, failing, database)
    #expect(await database.failure("INSERT INTO users VALUES (4, 'd', 0, 'v')") == nil)
  }

  @Test func theBuildLeavesRowsOut() async throws {
    let database = try TestDatabase(TestDatabase.users)
    for id in 1...40 {
      _ = try await database.run(
        "INSERT INTO users VALUES (\(id), 'm\(id)', \(id), 'n\(id)')")
    }
    try Self.install(.backfilling, nil, database)
    let table = try database.table("users")
    var encoder = BackfillEncoder(table: table, index: table.indexes[3])
    var count = 0
    for key in database.tables.keys(table: table, index: IndexID(1)) {
      let record = database.tables.entries[key] ?? []
      guard let entry = try encoder.entry(forPrimaryRecord: record.span) else { continue }
      count += 1
      database.tables.put(entry)
    }
    #expect(count == 23)
    try Self.install(.public, nil, database)
    #expect(try await database.rows("SELECT count(*) FROM users WHERE age >= 18 AND note LIKE 'n%'") == ["23"])
    // From the index alone, which stores the id besides.
    #expect(try await database.rows("SELECT id FROM users WHERE note = 'n20' AND age >= 18") == ["20"])
    #expect(try await database.rows("SELECT id FROM users WHERE note = 'n3' AND age >= 18") == [])
    #expect(try await database.rows("SELECT id FROM users WHERE note = 'n3'") == ["3"])
  }

  @Test func anInvisibleUniqueIndexIsStillEnforced() async throws {
    let database = try TestDatabase()
    var table = TestDatabase.users
    table.indexes[1].isInvisible = true
    try database.install(table)
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 1, 'x')")
    #expect(await database.failure("INSERT INTO users VALUES (2, 'a', 1, 'x')")?.hasPrefix("23505") == true)
    #expect(
      try await database.run("INSERT INTO users VALUES (2, 'a') ON CONFLICT (email) DO NOTHING").tag == "INSERT 0 0")
    #expect(try await database.rows("EXPLAIN SELECT id FROM users WHERE email = 'a'").first == "Seq Scan on users")
    #expect(try database.indexDifferences("users") == [])
    table.indexes[1].isInvisible = false
    try database.install(table)
    #expect(
      try await database.rows("EXPLAIN SELECT id FROM users WHERE email = 'a'").first
        == "Index Only Scan using users_email_key on users")
  }
}
