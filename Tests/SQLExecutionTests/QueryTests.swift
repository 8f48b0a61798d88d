import Basics
import SQLExecution
import SQLValues
import Testing

@Suite struct QueryTests {
  static func filled() async throws -> TestDatabase {
    let database = try TestDatabase.sample()
    _ = try await database.run(
      """
      INSERT INTO users (id, email, age) VALUES (1, 'a@x', 30), (2, 'b@x', 25), (3, NULL, NULL), (4, 'd@x', 30),
      (5, 'e@x', 41), (6, NULL, 25), (7, 'g@x', 19), (8, 'h@x', 30)
      """)
    _ = try await database.run(
      "INSERT INTO orders VALUES (1, 1, 10.5), (2, 1, 20), (3, 4, 7.25), (4, NULL, 1), (5, 99, 2), (6, 2, 3)")
    return database
  }

  @Test(arguments: [
    ("SELECT email FROM users WHERE id = 2", ["b@x"]),
    ("SELECT id FROM users WHERE id = NULL", []),
    ("SELECT id FROM users WHERE id IN (8, 2, 2, 77) ORDER BY id", ["2", "8"]),
    ("SELECT id FROM users WHERE email = 'd@x'", ["4"]),
    ("SELECT id FROM users WHERE age = 30 ORDER BY id", ["1", "4", "8"]),
    ("SELECT id FROM users WHERE age > 25 AND age <= 41 ORDER BY age, id", ["1", "4", "8", "5"]),
    ("SELECT id FROM users WHERE age IS NULL", ["3"]),
    ("SELECT id FROM users ORDER BY id DESC LIMIT 3", ["8", "7", "6"]),
    ("SELECT id FROM users ORDER BY age DESC NULLS LAST, id LIMIT 2 OFFSET 1", ["1", "4"]),
    ("SELECT age, id FROM users ORDER BY age, id", ["19|7", "25|2", "25|6", "30|1", "30|4", "30|8", "41|5", "|3"]),
    ("SELECT id FROM users WHERE id > 2 AND id < 5 ORDER BY id", ["3", "4"]),
    ("SELECT count(*), count(age), sum(age), min(age), max(age) FROM users", ["8|7|200|19|41"]),
    ("SELECT avg(age) FROM users", ["28.5714285714285714"]),
    ("SELECT count(*) FROM users WHERE false", ["0"]),
    ("SELECT sum(age) FROM users WHERE false", [""]),
    ("SELECT age, count(*) FROM users GROUP BY age ORDER BY age", ["19|1", "25|2", "30|3", "41|1", "|1"]),
    ("SELECT age FROM users GROUP BY age HAVING count(*) > 1 ORDER BY 1", ["25", "30"]),
    ("SELECT count(DISTINCT age) FROM users", ["4"]),
    ("SELECT DISTINCT age FROM users ORDER BY age", ["19", "25", "30", "41", ""]),
    ("SELECT string_agg(email, ',') FROM users WHERE age = 30", ["a@x,d@x,h@x"]),
    (
      "SELECT u.id, o.amount FROM users u JOIN orders o ON o.user_id = u.id ORDER BY o.id",
      ["1|10.50", "1|20.00", "4|7.25", "2|3.00"]
    ),
    (
      "SELECT o.id, u.email FROM orders o LEFT JOIN users u ON u.id = o.user_id ORDER BY o.id",
      ["1|a@x", "2|a@x", "3|d@x", "4|", "5|", "6|b@x"]
    ),
    (
      "SELECT u.id, count(o.id), sum(o.amount) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.id LIMIT 3",
      ["1|2|30.50", "2|1|3.00", "3|0|"]
    ),
    ("SELECT count(*) FROM users a, orders b", ["48"]),
    (
      "SELECT a.id, b.id FROM users a JOIN users b ON a.age < b.age WHERE a.id = 7 ORDER BY b.id LIMIT 2",
      ["7|1", "7|2"]
    ),
    ("SELECT id FROM users WHERE id IN (SELECT user_id FROM orders) ORDER BY id", ["1", "2", "4"]),
    ("SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders)", []),
    (
      "SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id) ORDER BY id",
      ["3", "5", "6", "7", "8"]
    ),
    (
      "SELECT id, (SELECT count(*) FROM orders o WHERE o.user_id = u.id) FROM users u WHERE id < 3 ORDER BY id",
      ["1|2", "2|1"]
    ),
    ("SELECT (SELECT max(id) FROM orders) + 1", ["7"]),
    ("SELECT id FROM users WHERE age > (SELECT avg(age) FROM users) ORDER BY id", ["1", "4", "5", "8"]),
    (
      "SELECT id FROM users WHERE age = 30 UNION ALL SELECT id FROM orders WHERE id < 3 ORDER BY 1",
      ["1", "1", "2", "4", "8"]
    ),
    ("SELECT n FROM generate_series(1, 10, 3) AS n", ["1", "4", "7", "10"]),
    ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (x, y) WHERE x = 2", ["2|b"]),
  ])
  func queriesAnswer(query: String, wanted: [String]) async throws {
    let database = try await Self.filled()
    #expect(try await database.rows(query) == wanted)
  }

  @Test func parametersAreBound() async throws {
    let database = try await Self.filled()
    #expect(try await database.rows("SELECT email FROM users WHERE id = $1", [.integer(5)]) == ["e@x"])
    #expect(
      try await database.rows("SELECT id FROM users WHERE age = $1 AND id > $2", [.integer(30), .integer(1)]) == [
        "4", "8",
      ])
  }

  @Test func aSortBeyondTheMemoryLimitIsRefused() async throws {
    let database = try await Self.filled()
    let limits = ExecutionLimits(memoryBytes: 10_000, batchRows: 64)
    let error = await #expect(throws: SQLError.self) {
      _ = try await database.run("SELECT n FROM generate_series(1, 1000) AS n ORDER BY n DESC", limits: limits)
    }
    #expect(error?.state == .outOfMemory)
    let top = try await database.run(
      "SELECT n FROM generate_series(1, 100000) AS n ORDER BY n DESC LIMIT 2",
      limits: ExecutionLimits(memoryBytes: 1 << 20, batchRows: 64))
    #expect(top.rows == ["100000", "99999"])
  }

  @Test func aPointReadIsOneGet() async throws {
    let database = try await Self.filled()
    let before = database.tables.getCalls
    _ = try await database.rows("SELECT * FROM users WHERE id = 3")
    #expect(database.tables.getCalls == before + 1)
  }

  @Test func aSubqueryWithTwoRowsIsRefused() async throws {
    let database = try await Self.filled()
    #expect(
      await database.failure("SELECT (SELECT id FROM users)")
        == "21000 more than one row returned by a subquery used as an expression")
  }
}
