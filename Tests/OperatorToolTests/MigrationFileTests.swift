import Testing

@testable import OperatorTool

@Suite struct MigrationFileTests {
  private func file(_ text: String) async throws -> MigrationFile {
    try await MigrationFile(name: "1_test.sql", number: 1, bytes: Array(text.utf8))
  }

  @Test func numbersAreWhatNamesBeginWith() {
    #expect(MigrationFile.number(of: "0001_ships.sql") == 1)
    #expect(MigrationFile.number(of: "20261121160000-x.sql") == 20_261_121_160_000)
    #expect(MigrationFile.number(of: "7.sql") == 7)
    #expect(MigrationFile.number(of: "7.up.sql") == 7)
    for name in ["ships.sql", "1ships.sql", "-1_x.sql", "99999999999999999999_x.sql", ""] {
      #expect(MigrationFile.number(of: name) == nil, "\(name)")
    }
  }

  @Test func statementsAreSplitWhereTheParserSplitsThem() async throws {
    let text = """
      -- one; not two
      CREATE TABLE a (v text DEFAULT ';');
      /* ; /* ; */ ; */ INSERT INTO a VALUES ($$;$$), (E'\\';');;

      SELECT 'it''s;';
      EXPLAIN (DDL) DROP TABLE a; SET search_path = public
      """
    let statements = try await file(text).statements
    #expect(statements.map(\.kind) == [.schemaChange, .data, .data, .report, .session])
    #expect(statements.map(\.line) == [2, 3, 5, 6, 6])
    #expect(statements[0].summary == "CREATE TABLE a (v text DEFAULT ';')")
    #expect(statements[1].summary == "INSERT INTO a VALUES ($$;$$), (E'\\';')")
    #expect(statements[1].text.hasSuffix("(E'\\';')"))
  }

  @Test func aTransactionIsOneStatement() async throws {
    let statements = try await file(
      """
      SELECT 1;
      BEGIN ISOLATION LEVEL REPEATABLE READ;
      SET LOCAL lock_timeout = '1s';
      UPDATE a SET v = 1; SAVEPOINT s; DELETE FROM a; ROLLBACK TO s;
      COMMIT; SELECT 2
      """
    ).statements
    #expect(statements.count == 3)
    #expect(statements[1].kind == .transaction(opening: "BEGIN ISOLATION LEVEL REPEATABLE READ"))
    #expect(
      statements[1].parts == [
        "SET LOCAL lock_timeout = '1s'", "UPDATE a SET v = 1", "SAVEPOINT s", "DELETE FROM a", "ROLLBACK TO s",
      ])
    #expect(statements[1].line == 2 && statements[2].line == 5)
  }

  @Test func schemaChangesInATransactionAreOneChange() async throws {
    let statement = try #require(
      try await file("BEGIN; CREATE TABLE a (id int8); DELETE FROM c; SELECT 1; DROP TABLE b; COMMIT").statements.first)
    #expect(statement.kind == .schemaChange)
    #expect(
      statement.parts == ["BEGIN", "CREATE TABLE a (id int8)", "DELETE FROM c", "SELECT 1", "DROP TABLE b", "COMMIT"])
    #expect(statement.changes == ["CREATE TABLE a (id int8)", "DROP TABLE b"])
  }

  @Test(arguments: [
    ("BEGIN; SELECT 1", "BEGIN without COMMIT"), ("COMMIT", "COMMIT without BEGIN"),
    ("BEGIN; BEGIN; COMMIT", "BEGIN inside BEGIN"),
    ("BEGIN; SET lock_timeout = 0; COMMIT", "only SET LOCAL"), ("BEGIN; ROLLBACK", "ROLLBACK cannot be used"),
    ("BEGIN READ ONLY; SELECT 1; COMMIT", "a read-only transaction"), ("SAVEPOINT s", "a savepoint outside"),
    ("SET theseus.ddl_mode = async", "sets theseus.ddl_mode itself"), ("RESET theseus.operation_id", "itself"),
    ("CANCEL JOB 1", "about jobs"), ("PREPARE p AS SELECT 1", "prepared statements"), ("SELECT $1", "parameter $1"),
    ("SELECT 1;\nSELEC 2", "line 2: syntax error"), ("CREATE MATERIALIZED VIEW v AS SELECT 1", "not supported yet"),
    ("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;", "has a section"),
  ])
  func whatCannotBeRunIsRefused(_ text: String, _ words: String) async throws {
    let error = await #expect(throws: ToolError.self) { try await file(text) }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    #expect(error?.exitCode == 3)
  }

  @Test func aChecksumIsOfStatementsUpToThere() async throws {
    let whole = try await file("SELECT 1; SELECT 2; SELECT 3")
    let edited = try await file("SELECT 1; SELECT 2; SELECT 4; SELECT 5")
    #expect(whole.checksum(ofFirst: 2) == edited.checksum(ofFirst: 2))
    #expect(whole.checksum(ofFirst: 3) != edited.checksum(ofFirst: 3))
    #expect(whole.checksum(ofFirst: 0) == edited.checksum(ofFirst: 0) && whole.checksum(ofFirst: 4) == nil)
    #expect(whole.checksum != edited.checksum)
    // The same with the line ends and the mark of another editor.
    let windows = try await file("\u{feff}SELECT 1;\r\nSELECT 2\r\n")
    #expect(windows.checksum == (try await file("SELECT 1;\nSELECT 2\n")).checksum)
    // A comment belongs to the statement behind it.
    #expect(try await file("/* a */ SELECT 1").checksum(ofFirst: 1) != file("SELECT 1").checksum(ofFirst: 1))
  }
}
