import Basics
import Catalog
import KeyValue
import SQLExecution
import SQLExpressions
import SQLValues
import Testing

/// What statements do about foreign keys: `orders.user_id` refers to `users.id`, with the action of the test's choice.
@Suite struct ForeignKeyTests {
  private func database(
    onDelete: ReferentialAction = .noAction, onUpdate: ReferentialAction = .noAction, hasIndex: Bool = true,
    defaultUser: Int64? = nil, state: ElementState = .public
  ) async throws -> TestDatabase {
    var orders = TestDatabase.orders
    if !hasIndex { orders.indexes.removeLast() }
    if let defaultUser {
      orders.columns[1].defaultExpression = Expression.constant(.integer(defaultUser), .int8).encoded
    }
    orders.constraints = [
      ConstraintDescriptor(
        id: ConstraintID(1), name: "orders_user_fkey", state: state,
        rule: .foreignKey(
          ForeignKeyRule(
            columns: [ColumnID(2)], referencedTable: TableID(11), referencedColumns: [ColumnID(1)],
            onDelete: onDelete, onUpdate: onUpdate)))
    ]
    var users = TestDatabase.users
    users.referencedBy = [ForeignKeyReference(table: TableID(12), constraint: ConstraintID(1))]
    let database = try TestDatabase(users, orders)
    _ = try await database.run("INSERT INTO users VALUES (1, 'a', 30, NULL), (2, 'b', 40, NULL), (3, 'c', 50, NULL)")
    _ = try await database.run("INSERT INTO orders VALUES (10, 1, 5), (11, 1, 6), (12, 2, 7), (13, NULL, 8)")
    return database
  }

  private let orders = "SELECT id, user_id FROM orders ORDER BY id"

  @Test func aRowThatRefersNeedsTheRowItRefersTo() async throws {
    let database = try await database()
    let missing =
      "23503 insert or update on table \"orders\" violates foreign key constraint \"orders_user_fkey\" / Key (user_id)=(9) is not present in table \"users\"."
    #expect(await database.failure("INSERT INTO orders VALUES (20, 1, 1), (21, 9, 1)") == missing)
    #expect(await database.failure("UPDATE orders SET user_id = 9 WHERE id = 10") == missing)
    #expect(await database.failure("INSERT INTO orders VALUES (22, NULL, 1)") == nil)
    #expect(await database.failure("UPDATE orders SET user_id = 3 WHERE id = 10") == nil)
  }

  @Test func whoRefersHoldsTheKeyAndWhoRemovesLooksAgainAtTheCommit() async throws {
    let database = try await database()
    database.tables.startRecording()
    _ = try await database.run("INSERT INTO orders VALUES (20, 2, 1), (21, 2, 1)")
    #expect(database.tables.checkedKeys.count == 1, "one key, held once")
    #expect(database.tables.commitChecks.isEmpty)
    database.tables.startRecording()
    _ = try await database.run("UPDATE orders SET amount = 9 WHERE id = 20")
    #expect(database.tables.checkedKeys.isEmpty, "what it refers to is the same")
    _ = try await database.run("UPDATE users SET age = 31 WHERE id = 1")
    #expect(database.tables.commitChecks.isEmpty, "nothing is removed")
    _ = try await database.run("DELETE FROM users WHERE id = 3")
    let check = try #require(database.tables.commitChecks.first)
    #expect(try await check.holds(database.tables))
    // Somebody else's row comes before the commit.
    let table = try database.table("orders")
    for index in table.indexes {
      let encoder = IndexEntryEncoder(table: table, index: index, rowColumns: table.columns.map(\.id))
      database.tables.put(encoder.entry(for: [.integer(30), .integer(3), .null]))
    }
    #expect(try await check.holds(database.tables) == false)
  }

  @Test(arguments: [true, false], [ReferentialAction.noAction, .restrict])
  func whatIsReferredToStays(hasIndex: Bool, action: ReferentialAction) async throws {
    let database = try await database(onDelete: action, onUpdate: action, hasIndex: hasIndex)
    let refused =
      "23503 update or delete on table \"users\" violates foreign key constraint \"orders_user_fkey\" on table \"orders\" / Key (id)=(1) is still referenced from table \"orders\"."
    #expect(await database.failure("DELETE FROM users WHERE id = 1") == refused)
  }

  @Test(arguments: [true, false]) func anUpdateOfAKeyIsRefused(hasIndex: Bool) async throws {
    let database = try await database(hasIndex: hasIndex)
    #expect(await database.failure("UPDATE users SET id = 100 WHERE id = 1")?.hasPrefix("23503") == true)
  }

  @Test func noActionLooksAtTheEndOfTheStatement() async throws {
    let database = try await database()
    // The keys change places: all are there at the end.
    #expect(await database.failure("UPDATE users SET id = 3 - id WHERE id < 3") == nil)
    #expect(try await database.rows(orders) == ["10|1", "11|1", "12|2", "13|"])
    #expect(await database.failure("DELETE FROM users WHERE id = 3") == nil, "nobody refers to it")
  }

  @Test(arguments: [true, false]) func deletesCascade(hasIndex: Bool) async throws {
    let database = try await database(onDelete: .cascade, hasIndex: hasIndex)
    #expect(try await database.run("DELETE FROM users WHERE id = 1").tag == "DELETE 1")
    #expect(try await database.rows(orders) == ["12|2", "13|"])
    #expect(try database.indexDifferences("orders") == [])
    #expect(try await database.run("DELETE FROM users").tag == "DELETE 2")
    #expect(try await database.rows(orders) == ["13|"])
  }

  @Test(arguments: [true, false]) func updatesCascade(hasIndex: Bool) async throws {
    let database = try await database(onUpdate: .cascade, hasIndex: hasIndex)
    _ = try await database.run("UPDATE users SET id = id + 100 WHERE id < 3")
    #expect(try await database.rows(orders) == ["10|101", "11|101", "12|102", "13|"])
    #expect(try database.indexDifferences("orders") == [])
    #expect(await database.failure("DELETE FROM users WHERE id = 101")?.hasPrefix("23503") == true)
  }

  @Test func rowsThatReferAreSetToNullOrTheirDefault() async throws {
    let nulled = try await database(onDelete: .setNull, onUpdate: .setNull)
    _ = try await nulled.run("DELETE FROM users WHERE id = 1")
    _ = try await nulled.run("UPDATE users SET id = 20 WHERE id = 2")
    #expect(try await nulled.rows(orders) == ["10|", "11|", "12|", "13|"])
    let defaulted = try await database(onDelete: .setDefault, defaultUser: 3)
    _ = try await defaulted.run("DELETE FROM users WHERE id = 1")
    #expect(try await defaulted.rows(orders) == ["10|3", "11|3", "12|2", "13|"])
    // The default has to be there, too.
    #expect(await defaulted.failure("DELETE FROM users WHERE id = 3")?.hasPrefix("23503") == true)
  }

  @Test func aTreeGoesWithItsRoot() async throws {
    var tree = TestDatabase.orders
    tree.constraints = [
      ConstraintDescriptor(
        id: ConstraintID(1), name: "tree", state: .public,
        rule: .foreignKey(
          ForeignKeyRule(
            columns: [ColumnID(2)], referencedTable: TableID(12), referencedColumns: [ColumnID(1)],
            onDelete: .cascade)))
    ]
    tree.referencedBy = [ForeignKeyReference(table: TableID(12), constraint: ConstraintID(1))]
    let database = try TestDatabase(tree)
    // A row may refer to one of the same statement, and to itself.
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 0), (3, 2, 0), (2, 1, 0), (4, 3, 0), (9, NULL, 0)")
    #expect(try await database.run("DELETE FROM orders WHERE id = 1").tag == "DELETE 1")
    #expect(try await database.rows("SELECT id FROM orders") == ["9"])
    #expect(await database.failure("INSERT INTO orders VALUES (5, 6, 0)")?.hasPrefix("23503") == true)
  }

  @Test func manyKeysAtOnce() async throws {
    let database = try await database(onDelete: .cascade)
    _ = try await database.run("INSERT INTO users SELECT g, 'u' || g, 1, NULL FROM generate_series(100, 899) g")
    _ = try await database.run("INSERT INTO orders SELECT g, g, 1 FROM generate_series(100, 899) g")
    #expect(try await database.run("DELETE FROM users WHERE id >= 110").tag == "DELETE 790")
    #expect(try await database.rows("SELECT count(*) FROM orders WHERE id >= 100") == ["10"])
  }

  @Test func itIsEnforcedFromWriteOnlyOn() async throws {
    let database = try await database(state: .writeOnly)
    #expect(await database.failure("INSERT INTO orders VALUES (20, 9, 1)")?.hasPrefix("23503") == true)
    #expect(await database.failure("DELETE FROM users WHERE id = 1")?.hasPrefix("23503") == true)
  }

  @Test func theTablesThatAStatementUsesArePinnedAsIfWritten() async throws {
    let database = try await database(onDelete: .cascade)
    func pinned(_ text: String) throws -> [UInt64] {
      try database.plan(text).tables.filter(\.isWritten).map(\.tableID.rawValue)
    }
    #expect(try pinned("INSERT INTO orders VALUES (20, 1, 1)") == [11, 12])
    #expect(try pinned("UPDATE orders SET user_id = 2") == [11, 12])
    #expect(try pinned("UPDATE orders SET amount = 2") == [12])
    #expect(try pinned("DELETE FROM orders") == [12])
    #expect(try pinned("DELETE FROM users") == [11, 12])
    #expect(try pinned("UPDATE users SET id = 5 WHERE id = 3") == [11, 12])
    #expect(try pinned("UPDATE users SET age = 5 WHERE id = 3") == [11])
    #expect(try pinned("INSERT INTO users VALUES (7, 'x', 1, NULL)") == [11])
  }
}
