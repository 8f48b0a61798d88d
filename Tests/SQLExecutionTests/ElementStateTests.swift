import Basics
import Catalog
import KeyValue
import SQLExecution
import SQLExpressions
import SQLValues
import Testing

/// Statements against an index or a column in each of its states (the table of element states in the design).
@Suite struct ElementStateTests {
  static let added = IndexID(7)

  static func database(indexState: ElementState, isUnique: Bool = false) throws -> TestDatabase {
    let database = try TestDatabase(TestDatabase.orders)
    try setIndex(indexState, isUnique: isUnique, database)
    return database
  }

  static func setIndex(_ state: ElementState, isUnique: Bool = false, _ database: TestDatabase) throws {
    var table = TestDatabase.orders
    table.indexes.append(TestDatabase.index(7, "orders_amount_idx", [3], isUnique: isUnique, state: state))
    try database.install(table)
  }

  private func entryCount(_ database: TestDatabase) throws -> Int {
    database.tables.keys(table: try database.table("orders"), index: Self.added).count
  }

  @Test(arguments: [
    (ElementState.deleteOnly, 0), (.writeOnly, 3), (.backfilling, 3), (.validating, 3), (.public, 3),
  ])
  func insertsMaintainWritableIndexes(state: ElementState, entries: Int) async throws {
    let database = try Self.database(indexState: state)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1), (2, 1, 2), (3, 1, 3)")
    #expect(try entryCount(database) == entries)
  }

  /// From write-only on nothing that violates a constraint is written; existing rows are not looked at.
  @Test(arguments: [ElementState.writeOnly, .validating, .public])
  func constraintsAreEnforcedWhereWritable(state: ElementState) async throws {
    let database = try TestDatabase(TestDatabase.orders)
    _ = try await database.run("INSERT INTO orders VALUES (1, NULL, -1), (2, 1, 5)")
    var table = TestDatabase.orders
    let amount = table.columns[2]
    let condition = Expression.comparison(
      .greater, .column(0, amount.type),
      .cast(.constant(.integer(0), .int4), from: .int4, to: amount.type, isExplicit: false))
    table.constraints = [
      ConstraintDescriptor(
        id: ConstraintID(1), name: "positive", state: state,
        rule: .check(RowExpression(columns: [amount.id], expression: condition.encoded))),
      ConstraintDescriptor(id: ConstraintID(2), name: "", state: state, rule: .notNull(table.columns[1].id)),
    ]
    try database.install(table)
    #expect(await database.failure("INSERT INTO orders VALUES (3, 1, -3)")?.hasPrefix("23514") == true)
    #expect(await database.failure("INSERT INTO orders VALUES (3, NULL, 3)")?.hasPrefix("23502") == true)
    #expect(
      await database.failure("UPDATE orders SET amount = -7 WHERE id = 2")
        == "23514 new row for relation \"orders\" violates check constraint \"positive\" / Failing row contains (2, 1, -7.00)."
    )
    // Unknown is no violation, and what is old stays until it is written.
    #expect(await database.failure("INSERT INTO orders VALUES (4, 1, NULL)") == nil)
    #expect(await database.failure("DELETE FROM orders WHERE id = 1") == nil)
  }

  @Test(arguments: [ElementState.deleteOnly, .writeOnly, .backfilling, .validating, .public])
  func deletesRemoveEntriesInEveryState(state: ElementState) async throws {
    let database = try Self.database(indexState: .public)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1), (2, 1, 2), (3, 1, 3)")
    try Self.setIndex(state, database)
    _ = try await database.run("DELETE FROM orders WHERE id = 2")
    #expect(try entryCount(database) == 2)
  }

  @Test(arguments: [
    (ElementState.deleteOnly, 2), (.writeOnly, 3), (.backfilling, 3), (.validating, 3), (.public, 3),
  ])
  func updatesRemoveTheOldEntryAndWriteOnlyWhereWritable(state: ElementState, entries: Int) async throws {
    let database = try Self.database(indexState: .public)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1), (2, 1, 2), (3, 1, 3)")
    try Self.setIndex(state, database)
    _ = try await database.run("UPDATE orders SET amount = 22 WHERE id = 2")
    #expect(try entryCount(database) == entries)
    let found = database.tables.keys(table: try database.table("orders"), index: Self.added)
    let old = KeySpan.constrained(
      table: TableID(12), index: try database.table("orders").indexes[2], prefix: [.decimal(Decimal(2))])
    #expect(!found.contains { old.contains($0) })
  }

  @Test func anIndexBuiltThroughAllStatesIsComplete() async throws {
    let database = try TestDatabase(TestDatabase.orders)
    var next = 1
    func traffic() async throws {
      for _ in 0..<5 {
        _ = try await database.run("INSERT INTO orders VALUES ($1, 1, $1)", [.integer(Int64(next))])
        next += 1
      }
      _ = try await database.run("UPDATE orders SET amount = amount + 0.5 WHERE id = $1", [.integer(Int64(next - 2))])
      _ = try await database.run("DELETE FROM orders WHERE id = $1", [.integer(Int64(next - 3))])
    }
    try await traffic()
    for state in [ElementState.deleteOnly, .writeOnly, .backfilling] {
      try Self.setIndex(state, database)
      try await traffic()
    }
    // The backfill: entries for rows that have none.
    let table = try database.table("orders")
    var encoder = BackfillEncoder(table: table, index: table.indexes[2])
    for key in database.tables.keys(table: table, index: IndexID(1)) {
      let record = database.tables.entries[key] ?? []
      if let entry = try encoder.entry(forPrimaryRecord: record.span) { database.tables.put(entry) }
    }
    for state in [ElementState.validating, .public, .writeOnly] {
      try Self.setIndex(state, database)
      try await traffic()
      #expect(try database.indexDifferences("orders") == [])
    }
  }

  @Test func aUniqueIndexIsEnforcedFromWriteOnlyOn() async throws {
    let database = try Self.database(indexState: .writeOnly, isUnique: true)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 5)")
    #expect(await database.failure("INSERT INTO orders VALUES (2, 1, 5)")?.hasPrefix("23505") == true)
    #expect(
      await database.failure("INSERT INTO orders VALUES (2, 1, 5) ON CONFLICT DO NOTHING") == nil)
    #expect(try await database.rows("SELECT count(*) FROM orders") == ["1"])
    try Self.setIndex(.deleteOnly, isUnique: true, database)
    #expect(await database.failure("INSERT INTO orders VALUES (3, 1, 5)") == nil)
  }

  // MARK: Columns

  static func setColumn(
    _ state: ElementState?, isNullable: Bool = true, missing: Datum = .null, hasDefault: Bool = false,
    _ database: TestDatabase
  ) throws {
    var table = TestDatabase.orders
    if let state {
      table.columns.append(
        ColumnDescriptor(
          id: ColumnID(9), name: "extra", type: .int4, isNullable: isNullable, state: state,
          defaultExpression: hasDefault ? Expression.constant(.integer(7), .int4).encoded : nil,
          missingValue: missing))
    }
    try database.install(table)
  }

  @Test func olderRowsReadTheMissingValue() async throws {
    let database = try TestDatabase(TestDatabase.orders)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1)")
    try Self.setColumn(.public, missing: .integer(42), hasDefault: true, database)
    _ = try await database.run("INSERT INTO orders (id) VALUES (2)")
    _ = try await database.run("INSERT INTO orders (id, extra) VALUES (3, NULL)")
    #expect(try await database.rows("SELECT id, extra FROM orders ORDER BY id") == ["1|42", "2|7", "3|"])
    #expect(try await database.rows("SELECT id FROM orders WHERE extra = 42") == ["1"])
    _ = try await database.run("UPDATE orders SET amount = 9 WHERE id < 3")
    #expect(try await database.rows("SELECT id, extra FROM orders ORDER BY id") == ["1|42", "2|7", "3|"])
  }

  @Test(arguments: [ElementState.deleteOnly, .writeOnly, .backfilling, .validating])
  func columnsThatAreNotPublicCannotBeSeen(state: ElementState) async throws {
    let database = try TestDatabase(TestDatabase.orders)
    try Self.setColumn(state, database)
    #expect(await database.failure("SELECT extra FROM orders")?.hasPrefix("42703") == true)
    #expect(await database.failure("INSERT INTO orders (id, extra) VALUES (1, 1)")?.hasPrefix("42703") == true)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1)")
    #expect(try await database.rows("SELECT * FROM orders") == ["1|1|1.00"])
  }

  @Test func aWriteOnlyColumnGetsItsDefaultAndIsPreserved() async throws {
    let database = try TestDatabase(TestDatabase.orders)
    try Self.setColumn(.writeOnly, hasDefault: true, database)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1)")
    for state in [ElementState.deleteOnly, .writeOnly] {
      try Self.setColumn(state, hasDefault: true, database)
      _ = try await database.run("UPDATE orders SET amount = amount + 1")
    }
    try Self.setColumn(.public, hasDefault: true, database)
    #expect(try await database.rows("SELECT amount, extra FROM orders") == ["3.00|7"])
  }

  @Test func notNullIsEnforcedFromWriteOnlyOn() async throws {
    let database = try TestDatabase(TestDatabase.orders)
    _ = try await database.run("INSERT INTO orders VALUES (1, 1, 1)")
    try Self.setColumn(.writeOnly, isNullable: false, database)
    #expect(await database.failure("INSERT INTO orders VALUES (2, 1, 1)")?.hasPrefix("23502") == true)
    #expect(await database.failure("UPDATE orders SET amount = 2 WHERE id = 1")?.hasPrefix("23502") == true)
    #expect(await database.failure("UPDATE orders SET id = 5 WHERE id = 1")?.hasPrefix("23502") == true)
    #expect(await database.failure("DELETE FROM orders WHERE id = 2") == nil)
    // Rows older than a default read it, and may be updated.
    try Self.setColumn(.writeOnly, isNullable: false, missing: .integer(42), hasDefault: true, database)
    #expect(await database.failure("UPDATE orders SET amount = 2 WHERE id = 1") == nil)
    try Self.setColumn(.deleteOnly, isNullable: false, database)
    #expect(await database.failure("INSERT INTO orders VALUES (2, 1, 1)") == nil)
    #expect(await database.failure("UPDATE orders SET amount = 3 WHERE id = 1") == nil)
  }

  @Test func aColumnThatIsGoneLeavesNoGhost() async throws {
    let database = try TestDatabase(TestDatabase.orders)
    try Self.setColumn(.public, database)
    _ = try await database.run("INSERT INTO orders (id, extra) VALUES (1, 5)")
    try Self.setColumn(nil, database)
    _ = try await database.run("UPDATE orders SET amount = 2")
    try Self.setColumn(.public, database)
    #expect(try await database.rows("SELECT id, extra FROM orders") == ["1|"])
  }
}
