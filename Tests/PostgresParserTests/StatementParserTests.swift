import Basics
import PostgresParser
import SQLSyntax
import Testing

/// One statement, parsed on a thread whose stack suffices for what these tests do.
func parseOne(_ text: String) throws -> ParsedStatement {
  let statements = try StatementParser.parseOnThisThread(text, limits: ParserLimits(maximumDepthBound: 1_000))
  try #require(statements.count == 1)
  return statements[0]
}

@Suite struct StatementParserTests {
  @Test func aPointReadBecomesAValue() throws {
    let parsed = try parseOne("SELECT a, t.b AS c FROM t WHERE id = $1 ORDER BY 1 DESC LIMIT 10")
    #expect(parsed.parameterCount == 1)
    guard case .select(let select) = parsed.statement, case .select(let core) = select.body else {
      Issue.record("not a select: \(parsed.statement)")
      return
    }
    #expect(core.targets.map(\.alias) == [nil, "c"])
    #expect(core.targets[1].expression.kind == .column(["t", "b"]))
    #expect(core.from == [.table(RelationNameSyntax(name: "t", at: 25), alias: nil)])
    #expect(core.filter?.position == 36)
    #expect(select.orderBy.map(\.isDescending) == [true])
    #expect(select.limit?.kind == .integer(10))
  }

  @Test func severalStatementsKeepTheirTexts() throws {
    let statements = try StatementParser.parseOnThisThread(
      " begin; insert into t values (1, 'a;b') ;; -- a comment; with a semicolon\n commit")
    #expect(statements.map(\.text).first == "begin")
    #expect(statements.map(\.text)[1] == "insert into t values (1, 'a;b')")
    #expect(statements.count == 3)
    #expect(statements[2].statement == .transaction(.commit(chain: false)))
  }

  /// PostgreSQL's lexer takes quadratic time for these.
  @Test(arguments: [String(repeating: "/*", count: 1 << 19), String(repeating: "/**/", count: 1 << 18) + " select 1"])
  func aMebibyteOfCommentsIsRefused(_ text: String) {
    let error = #expect(throws: SQLError.self) { try StatementParser.parseOnThisThread(text) }
    #expect(error?.state == .statementTooComplex || error?.state == .programLimitExceeded)
  }

  @Test func commentsBesideTokensAreFine() throws {
    let text = String(repeating: "/* a remark */ select /*b*/ 1; /************/\n", count: 500)
    #expect(try StatementParser.parseOnThisThread(text).count == 500)
  }

  @Test(arguments: ["", "  ", ";;", "-- nothing", "/* a /* nested */ comment */"])
  func blankTextHasNoStatements(_ text: String) throws {
    #expect(try StatementParser.parseOnThisThread(text).isEmpty)
  }

  @Test(arguments: [
    "SELECT a FROM t as of\n SYSTEM /* now */ TIME '-1s' WHERE b = 2",
    "SELECT a FROM t WHERE b = 2 AS OF SYSTEM TIME '-1s'",
    "EXPLAIN SELECT a FROM t AS OF SYSTEM TIME '-1s'",
  ])
  func theSystemTimeOfAQueryIsCutOut(_ text: String) throws {
    let parsed = try parseOne(text)
    #expect(parsed.asOf == SystemTimeSyntax("-1s"))
    #expect(parsed.text == text)
    let plain = try parseOne(
      text.replacing(/(?i)as of\s+system.*time '-1s'/) { String(repeating: " ", count: $0.output.count) })
    #expect(parsed.statement == plain.statement)
  }

  @Test func theSystemTimeOfATransactionIsAmongItsModes() throws {
    let modes = TransactionModes(isolation: .repeatableRead, isReadOnly: true)
    var expected = modes
    expected.asOf = SystemTimeSyntax("1.5")
    #expect(
      try parseOne("BEGIN ISOLATION LEVEL REPEATABLE READ AS OF SYSTEM TIME 1.5").statement
        == .transaction(.begin(expected, isStart: false)))
    expected.isolation = nil
    expected.asOf = SystemTimeSyntax("it's")
    #expect(
      try parseOne("SET TRANSACTION AS OF SYSTEM TIME 'it''s'").statement == .session(.setTransaction(expected)))
  }

  /// With the position of the word where it goes wrong, in characters.
  @Test(arguments: [
    ("SELECT 'é' AS OF SYSTEM TIME x", 30), ("SELECT 1 AS OF SYSTEM TIME", 23),
    ("SELECT (SELECT 1 AS OF SYSTEM TIME 1)", 36),
    ("SELECT 1 AS OF SYSTEM TIME 1 AS OF SYSTEM TIME 2", 48),
  ])
  func aSystemTimeInTheWrongPlaceIsASyntaxError(_ text: String, _ position: Int) {
    let error = #expect(throws: SQLError.self) { try parseOne(text) }
    #expect(error?.state == .syntaxError && error?.position == position, "\(String(describing: error))")
  }

  @Test func onBlockIsSaidBehindAnySchemaChange() throws {
    let texts = [
      "CREATE INDEX i ON t (a) WITH (on_block = cancel)", "ALTER TABLE t ADD COLUMN b int8 with (ON_BLOCK wait)",
      "DROP TABLE t /* é */ WITH ( on_block='abort' )", "UNDROP TABLE t WITH (on_block = cancel)",
      "EXPLAIN (DDL) ALTER TABLE t DROP COLUMN b WITH (on_block = wait)",
    ]
    let values: [OnBlock] = [.cancel, .wait, .abort, .cancel, .wait]
    for (text, value) in zip(texts, values) {
      let parsed = try parseOne(text)
      #expect(parsed.onBlock == value)
      #expect(parsed.statement.isSchemaChange)
    }
    let several = try StatementParser.parseOnThisThread("SELECT 1; DROP TABLE t WITH (on_block = wait); DROP INDEX i")
    #expect(several.map(\.onBlock) == [nil, .wait, nil])
    #expect(try parseOne("SELECT on_block FROM t WHERE a IN (on_block, 2)").onBlock == nil)
    #expect(try parseOne("WITH a AS (SELECT 1) SELECT 'WITH (on_block = wait)' FROM a").onBlock == nil)
  }

  @Test(arguments: [
    ("SELECT 1 WITH (on_block = wait)", "42601", nil), ("DROP TABLE t WITH (on_block)", "42601", 28),
    ("DROP TABLE t WITH (on_block = maybe)", "22023", 31), ("DROP TABLE t WITH (on_block = wait, x = 1)", "42601", 35),
    ("DROP TABLE t WITH (on_block = wait) WITH (on_block = wait)", "42601", 43),
    ("DROP TABLE t WITH (on_block = 1)", "42601", 31), ("DROP TABLE t WITH (on_block = wait", "42601", nil),
  ])
  func onBlockInTheWrongPlace(text: String, state: String, position: Int?) {
    let error = #expect(throws: SQLError.self) { try StatementParser.parseOnThisThread(text) }
    #expect(error?.state.code == state, "\(text)")
    if let position { #expect(error?.position == position, "\(text)") }
  }

  @Test(arguments: ["DELETE FROM t AS OF SYSTEM TIME '-1s'", "COMMIT AS OF SYSTEM TIME '-1s'"])
  func aSystemTimeOfAnotherStatementIsRefused(_ text: String) {
    #expect(throws: SQLError.self) { try parseOne(text) }
  }

  @Test(arguments: ["SELECT a AS of FROM system", "SELECT system FROM t", "SELECT 'AS OF SYSTEM TIME 1'"])
  func thoseWordsAreNamesElsewhere(_ text: String) throws { #expect(try parseOne(text).asOf == nil) }

  @Test func jobStatementsAreKnown() throws {
    let table: [(String, Statement)] = [
      ("SHOW JOBS", .job(.showAll)),
      ("show job 5", .job(.show(JobID(5)))),
      ("PAUSE JOB 7;", .job(.pause(JobID(7)))),
      ("resume job 7", .job(.resume(JobID(7)))),
      ("CANCEL JOB 18446744073709551615", .job(.cancel(JobID(UInt64.max)))),
      ("show job 5 Steps;", .job(.showSteps(JobID(5)))),
      ("SHOW JOB 5 BLOCKERS", .job(.showBlockers(JobID(5)))),
      (
        "ALTER JOB 3 SET (max_rows_per_second = -5, other='x')",
        .job(
          .alter(
            JobID(3),
            [JobParameter(name: "max_rows_per_second", value: "-5"), JobParameter(name: "other", value: "x")]))
      ),
      ("ADMIN SHOW DDL JOBS", .job(.adminShow(limit: nil))),
      ("ADMIN SHOW DDL JOBS 20", .job(.adminShow(limit: 20))),
      ("ADMIN CANCEL DDL JOBS 1, 2", .job(.adminControl(.cancel, [JobID(1), JobID(2)]))),
      ("admin pause ddl jobs 3", .job(.adminControl(.pause, [JobID(3)]))),
      ("admin resume ddl jobs 3", .job(.adminControl(.resume, [JobID(3)]))),
      ("SHOW SCHEMA AGREEMENT", .job(.showAgreement)),
      ("show dropped", .job(.showDropped)),
      (
        "UNDROP TABLE s.t AS \"New\"", .undrop(.init(kind: .table, name: .init(schema: "s", name: "t"), newName: "New"))
      ),
      (
        "undrop column C on table t",
        .undrop(.init(kind: .column, name: .init(name: "c"), table: .init(name: "t")))
      ),
      ("UNDROP INDEX i", .undrop(.init(kind: .index, name: .init(name: "i")))),
      (
        "UNDROP INDEX i ON t AS j",
        .undrop(.init(kind: .index, name: .init(name: "i"), table: .init(name: "t"), newName: "j"))
      ),
      ("REVERT JOB 12", .revertJob(JobID(12))),
      ("EXPLAIN (DDL) REVERT JOB 12", .explain(ExplainOptions(isSchemaChange: true), .revertJob(JobID(12)))),
      ("SHOW SCHEMA LOG", .job(.showLog(table: nil, limit: nil))),
      (
        "show schema log for table public.\"T\" limit 3",
        .job(.showLog(table: RelationNameSyntax(schema: "public", name: "T"), limit: 3))
      ),
      (
        "EXPLAIN (DDL, VALIDATE) drop index i",
        .explain(
          ExplainOptions(isSchemaChange: true, validates: true),
          .drop(DropStatement(kind: .index, names: [RelationNameSyntax(name: "i")], ifExists: false, isCascade: false)))
      ),
      (
        "EXPLAIN (DDL) drop index i",
        .explain(
          ExplainOptions(isSchemaChange: true),
          .drop(DropStatement(kind: .index, names: [RelationNameSyntax(name: "i")], ifExists: false, isCascade: false)))
      ),
      ("CHECK TABLE t", .checkTable(RelationNameSyntax(name: "t"))),
      ("CHECK TABLE public.\"T\"", .checkTable(RelationNameSyntax(schema: "public", name: "T"))),
    ]
    for (text, statement) in table { #expect(try parseOne(text).statement == statement, "\(text)") }
  }

  @Test func manyJobsCanBeNamedButNotAnyNumber() throws {
    func statement(_ count: Int) -> String {
      "admin cancel ddl jobs " + (1...count).map(String.init).joined(separator: ", ")
    }
    guard case .job(.adminControl(.cancel, let ids)) = try parseOne(statement(1000)).statement else {
      Issue.record("another statement")
      return
    }
    #expect(ids == (1...1000).map { JobID(UInt64($0)) })
    #expect(throws: SQLError.self) { try StatementParser.parseOnThisThread(statement(5000)) }
  }

  @Test func jobStatementsMixWithOthers() throws {
    let statements = try StatementParser.parseOnThisThread("select 'ä' as x; show jobs; select 2")
    #expect(statements.map(\.text) == ["select 'ä' as x", "show jobs", "select 2"])
    #expect(throws: SQLError(.syntaxError, "syntax error at end of input", position: 41)) {
      try StatementParser.parseOnThisThread("select 'ä' as x; show jobs; select nope(")
    }
  }

  @Test func syntaxErrorsNameTheirPosition() throws {
    let table: [(String, String, Int?)] = [
      ("selec 1", "syntax error at or near \"selec\"", 1),
      ("select 'ä' from from", "syntax error at or near \"from\"", 17),
      ("select 'abc", "unterminated quoted string at or near \"'abc\"", 8),
      ("/* open", "unterminated /* comment at or near \"/* open\"", 1),
      ("show job", "syntax error at end of input", 9),
      ("show job x", "syntax error at or near \"x\"", 10),
      ("select 'ä'; show job 5 /* ä */ nope", "syntax error at or near \"nope\"", 32),
      ("pause job 5, 6", "syntax error at or near \",\"", 12),
      ("admin cancel ddl jobs 1,", "syntax error at end of input", 25),
      ("admin drop", "syntax error at or near \"admin\"", 1),
      ("alter job 1 set max_rows_per_second = 1", "syntax error at or near \"max_rows_per_second\"", 17),
      ("alter job 1 set (max_rows_per_second)", "syntax error at or near \")\"", 37),
      ("show schema", "syntax error at end of input", 12),
      ("show schema log for t", "syntax error at or near \"t\"", 21),
      ("show schema log limit -1", "syntax error at or near \"-\"", 23),
    ]
    for (text, message, position) in table {
      #expect(throws: SQLError(.syntaxError, message, position: position), "\(text)") {
        try StatementParser.parseOnThisThread(text)
      }
    }
  }

  @Test func tablesOfQueries() throws {
    func createTableAs(_ text: String) throws -> CreateTableAsStatement? {
      guard case .createTableAs(let create) = try parseOne(text).statement else { return nil }
      return create
    }
    let create = try #require(
      try createTableAs("create table if not exists s.n (a, b) as select x, y from t where z = $1 with no data"))
    #expect(create.table == RelationNameSyntax(schema: "s", name: "n", at: 28) && create.ifNotExists)
    #expect(create.columnNames == ["a", "b"] && !create.hasData)
    #expect(try parseOne("create table n as select $2").parameterCount == 2)
    let values = try #require(try createTableAs("create table n as values (1), (2) order by 1 limit 1"))
    #expect(values.hasData && values.query.limit != nil && values.columnNames.isEmpty)
    let into = try #require(try createTableAs("select a into n from t"))
    #expect(into.table.name == "n" && into.hasData && into.query.body != values.query.body)
    // PostgreSQL finds it in the first query of a union.
    #expect(try createTableAs("select 1 into n union all select 2")?.table.name == "n")
    guard case .explain(_, .createTableAs) = try parseOne("explain create table n as select 1").statement else {
      Issue.record("not explained")
      return
    }
    for text in ["select * from (select 1 into n) x", "create table n as select 1 into m"] {
      guard case .unsupported(let error) = try parseOne(text).statement else {
        Issue.record("\(text) was taken")
        continue
      }
      #expect(error.message == "SELECT ... INTO is not allowed here" && error.state == .syntaxError)
    }
  }

  @Test func whatIsNotBuiltSaysItsName() throws {
    let table: [(String, String)] = [
      ("copy t from stdin", "COPY is not supported yet"),
      ("alter database d set x = 1", "ALTER DATABASE is not supported yet"),
      ("create temp table n as select 1", "CREATE TEMPORARY TABLE is not supported yet"),
      ("select 1 into temp n", "CREATE TEMPORARY TABLE is not supported yet"),
      ("create unlogged table n as select 1", "CREATE UNLOGGED TABLE is not supported yet"),
      ("create materialized view n as select 1", "CREATE MATERIALIZED VIEW is not supported yet"),
      ("create table n as execute p", "CREATE TABLE AS EXECUTE is not supported yet"),
      ("create table n tablespace s as select 1", "TABLESPACE is not supported yet"),
      ("alter table t alter column a type text collate \"de_DE\"", "collation \"de_DE\" is not supported yet"),
      ("create table t (a int check (a > 0) no inherit)", "NO INHERIT is not supported yet"),
      ("create table t (a int references u match full)", "MATCH FULL is not supported yet"),
      ("create table t (a int references u deferrable)", "a deferrable constraint is not supported yet"),
      ("select rank() over () from t", "a window function is not supported yet"),
    ]
    for (text, message) in table {
      guard case .unsupported(let error) = try parseOne(text).statement else {
        Issue.record("\(text) was taken")
        continue
      }
      #expect(error.state == .featureNotSupported && error.message == message, "\(text)")
    }
  }
}

/// Text from outside may be anything: it gets an answer within bounds, and the process lives on.
@Suite struct ParserRobustnessTests {
  let parser = StatementParser(threads: 1)

  func failure(_ text: String) async -> SQLState? {
    do throws(SQLError) {
      guard case .unsupported(let error)? = try await parser.parse(text).first?.statement else { return nil }
      return error.state
    } catch { return error.state }
  }

  @Test func textBeyondTheLimitsIsRefused() async {
    #expect(await failure(String(repeating: "(", count: 1 << 20)) == .statementTooComplex)
    #expect(await failure(String(repeating: "x", count: (1 << 20) + 1)) == .programLimitExceeded)
    #expect(await failure("select 'a\u{0}b'") == .characterNotInRepertoire)
    #expect(await failure("select " + String(repeating: "1+", count: 500_000) + "1") == .statementTooComplex)
    #expect(await failure("select E'a'\n'\\' ' + " + String(repeating: "1+", count: 500_000) + "1") != nil)
  }

  /// Taken or refused, but never a dead process.
  @Test func deepTextIsAnswered() async {
    let table: [(start: String, part: String, count: Int, end: String)] = [
      ("select ", "1+", 6_000, "1"),
      ("select ", "not ", 9_000, "true"),
      ("select ", "(", 7_000, "1" + String(repeating: ")", count: 7_000)),
      ("", "select * from (", 3_000, "select 1" + String(repeating: ") a", count: 3_000)),
      ("select 1", " union all select 1", 3_900, ""),
      ("select 1", " isnull", 15_000, ""),
      ("select * from a", " cross join a", 5_000, ""),
      ("select a", "::int", 5_000, ""),
      ("select ", "case when true then ", 2_500, "1" + String(repeating: " end", count: 2_500)),
    ]
    for row in table {
      let state = await failure(row.start + String(repeating: row.part, count: row.count) + row.end)
      // Parentheses leave nothing in the tree.
      #expect(state == .statementTooComplex || state == .syntaxError || row.part == "(", "\(row.part)")
    }
    #expect(await failure("select " + String(repeating: "1+", count: 100) + "1") == nil)
  }

  @Test func longFlatTextIsTaken() async throws {
    let rows = (0..<20_000).map { "(\($0), 'name \($0)', \($0).5)" }.joined(separator: ", ")
    let statements = try await parser.parse("insert into t (a, b, c) values " + rows)
    guard case .insert(let insert) = statements[0].statement, case .query(let query) = insert.source,
      case .values(let values) = query.body
    else {
      Issue.record("not an insert")
      return
    }
    #expect(values.count == 20_000)
  }

  @Test func targetListsAreBoundedAsInPostgreSQL() async {
    func columns(_ count: Int) -> String { "select " + [String](repeating: "1", count: count).joined(separator: ", ") }
    #expect(await failure(columns(1_664)) == nil)
    #expect(await failure(columns(1_665)) == .tooManyColumns)
    #expect(await failure(columns(300_000)) == .tooManyColumns)
    #expect(await failure("delete from t returning " + columns(1_665).dropFirst(7)) == .tooManyColumns)
  }

  @Test func noiseIsAnswered() async {
    var generator = SeededGenerator(seed: 42)
    for _ in 0..<300 {
      let length = Int(generator.next() % 400)
      let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      _ = await failure(String(decoding: bytes, as: UTF8.self))
    }
    let words = [
      "select", "from", "(", ")", "'", "$$", "$1", ",", "insert", "1", "a", "--", "/*", "*/", "E'", ";", "join",
    ]
    for _ in 0..<2_000 {
      let text = (0..<30).map { _ in words[Int(generator.next() % UInt64(words.count))] }.joined(separator: " ")
      _ = await failure(text)
    }
  }
}
