import Basics
import Catalog
import SQLExecution
import SQLValues
import Testing

@Suite struct ModificationTests {
  @Test func insertsReturnAndMaintainIndexes() async throws {
    let database = try TestDatabase.sample()
    // Blanks beyond the column's length are dropped, as the standard wants it.
    let answer = try await database.run(
      "INSERT INTO users (id, email, age, note) VALUES (1, 'a', 5, 'x'), (2, NULL, NULL, 'long     ') RETURNING id, note"
    )
    #expect(answer.tag == "INSERT 0 2")
    #expect(answer.rows == ["1|x", "2|long "])
    #expect(try database.indexDifferences("users") == [])
  }

  @Test func violationsAreWordedAsPostgreSQL() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run("INSERT INTO users (id, email) VALUES (1, 'a')")
    #expect(
      await database.failure("INSERT INTO users (id) VALUES (1)")
        == "23505 duplicate key value violates unique constraint \"users_pkey\" / Key (id)=(1) already exists.")
    #expect(
      await database.failure("INSERT INTO users (id, email) VALUES (2, 'a')")
        == "23505 duplicate key value violates unique constraint \"users_email_key\" / Key (email)=(a) already exists.")
    #expect(
      await database.failure("INSERT INTO users (email) VALUES ('b')")
        == "23502 null value in column \"id\" of relation \"users\" violates not-null constraint / Failing row contains (null, b, null, null)."
    )
    #expect(
      await database.failure("INSERT INTO users (id, note) VALUES (3, 'abcdef')")
        == "22001 value too long for type character varying(5)")
    #expect(await database.failure("UPDATE users SET id = NULL")?.hasPrefix("23502") == true)
    #expect(await database.failure("INSERT INTO users (id) VALUES (7), (7)")?.hasPrefix("23505") == true)
    #expect(
      await database.failure("INSERT INTO orders VALUES (1, 1, 123456789)")?.hasPrefix("22003 numeric field overflow")
        == true)
    #expect(try await database.rows("SELECT id FROM users") == ["1"])
  }

  @Test func nullsDoNotConflictInUniqueIndexes() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run("INSERT INTO users (id, email) VALUES (1, NULL), (2, NULL)")
    #expect(try await database.rows("SELECT id FROM users WHERE email IS NULL ORDER BY id") == ["1", "2"])
  }

  @Test func onConflictDoNothingLeavesRowsOut() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run("INSERT INTO users (id, email) VALUES (1, 'a')")
    let answer = try await database.run(
      "INSERT INTO users (id, email) VALUES (1, 'z'), (2, 'a'), (3, 'c'), (3, 'd') ON CONFLICT DO NOTHING RETURNING id")
    #expect(answer.rows == ["3"])
    #expect(answer.tag == "INSERT 0 1")
    #expect(
      await database.failure("INSERT INTO users (id, email) VALUES (5, 'a') ON CONFLICT (id) DO NOTHING")?.hasPrefix(
        "23505") == true)
    #expect(try database.indexDifferences("users") == [])
  }

  @Test func insertFromItsOwnTableEnds() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run("INSERT INTO users (id, age) SELECT n, n FROM generate_series(1, 9) AS n")
    _ = try await database.run("INSERT INTO users (id, age) SELECT id + 100, age FROM users")
    #expect(try await database.rows("SELECT count(*) FROM users") == ["18"])
    #expect(try database.indexDifferences("users") == [])
  }

  @Test func updatesMoveEntries() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run(
      "INSERT INTO users (id, email, age) SELECT n, 'm' || n, n % 3 FROM generate_series(1, 9) AS n")
    let answer = try await database.run("UPDATE users SET age = age + 10, email = NULL WHERE age = 1 RETURNING id, age")
    #expect(answer.tag == "UPDATE 3")
    #expect(answer.rows.sorted() == ["1|11", "4|11", "7|11"])
    // Keys change places within one statement.
    #expect(try await database.run("UPDATE users SET id = id + 1").tag == "UPDATE 9")
    #expect(try await database.rows("SELECT min(id), max(id), count(*) FROM users") == ["2|10|9"])
    #expect(try database.indexDifferences("users") == [])
    #expect(await database.failure("UPDATE users SET id = 5 WHERE id = 6")?.hasPrefix("23505") == true)
    #expect(await database.failure("UPDATE users SET email = 'same' WHERE id > 7")?.hasPrefix("23505") == true)
    #expect(try await database.run("UPDATE users SET age = 0 WHERE id = 77").tag == "UPDATE 0")
    #expect(try database.indexDifferences("users") == [])
  }

  @Test func deletesRemoveEveryEntry() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run(
      "INSERT INTO users (id, email, age) SELECT n, 'm' || n, n FROM generate_series(1, 9) AS n")
    #expect(try await database.run("DELETE FROM users WHERE age BETWEEN 3 AND 5 RETURNING id").rows == ["3", "4", "5"])
    #expect(try database.indexDifferences("users") == [])
    #expect(try await database.run("DELETE FROM users").tag == "DELETE 6")
    #expect(database.tables.entries.isEmpty)
  }

  @Test func aRowThatChangedIsLookedAtAgain() async throws {
    let database = try TestDatabase.sample()
    _ = try await database.run("INSERT INTO users (id, age) VALUES (1, 10), (2, 10), (3, 10)")
    let table = try database.table("users")
    let keys = database.tables.keys(table: table, index: IndexID(1))
    // Another transaction set row 1 to age 20, deleted row 2 and kept row 3 while this statement waited.
    let other = try TestDatabase.sample()
    _ = try await other.run("INSERT INTO users (id, age) VALUES (1, 20)")
    database.tables.lockAnswers = [
      keys[0]: .changed(other.tables.entries[keys[0]]), keys[1]: .changed(nil),
    ]
    #expect(try await database.run("UPDATE users SET age = age + 1 WHERE age = 10").tag == "UPDATE 1")
    #expect(try await database.run("UPDATE users SET age = age + 1 WHERE id = 1 RETURNING age").rows == ["21"])
    #expect(try await database.rows("SELECT id FROM users WHERE id < 3 FOR UPDATE") == ["1"])
    #expect(database.tables.lockedKeys.count == 6)
  }

  @Test func rowsWithoutPrimaryKeyGetIdentities() async throws {
    let table = TableDescriptor(
      id: TableID(13), databaseID: .defaultDatabase, name: "bag", version: TableVersion(1),
      columns: [
        ColumnDescriptor(id: ColumnID(1), name: "v", type: .int4),
        ColumnDescriptor(id: ColumnID(2), name: "rowid", type: .int8, isNullable: false, isHidden: true),
      ], indexes: [TestDatabase.index(1, "bag_pkey", [2], isUnique: true)], nextColumnID: ColumnID(9),
      nextIndexID: IndexID(9), commitFloor: .none)
    let database = try TestDatabase(table)
    _ = try await database.run("INSERT INTO bag VALUES (1), (1), (2)")
    #expect(try await database.rows("SELECT * FROM bag") == ["1", "1", "2"])
    #expect(try await database.run("DELETE FROM bag WHERE v = 1").tag == "DELETE 2")
  }
}
