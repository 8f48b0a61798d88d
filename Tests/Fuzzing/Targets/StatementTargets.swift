import Basics
import PostgresParser
import SQLPlanner
import SQLSyntax

/// SQL text, through the parser and, where it is one statement that is planned, through the planner.
let statementTargets: [FuzzTarget] = [
  FuzzTarget("sql", seeds: { statementSeeds.map { Array($0.utf8) } }, run: runStatement)
]

/// Shallower than in production: the caller's stack is the common one of 8 MiB.
private let limits = ParserLimits(maximumBytes: 4_000, maximumDepthBound: 1_000)

private func runStatement(_ bytes: [UInt8]) {
  guard let text = String(validating: bytes, as: UTF8.self) else { return }
  let statements: [ParsedStatement]
  do throws(SQLError) {
    statements = try StatementParser.parseOnThisThread(text, limits: limits)
  } catch {
    return checkError(error, text)
  }
  require(statements.count <= text.utf8.count, "no more statements than bytes")
  for statement in statements {
    do throws(SQLError) {
      let plan = try StatementPlanner(catalog: fuzzCatalog).plan(statement)
      require(plan.parameterTypes.count <= 65_535, "a statement has a limited number of parameters")
    } catch {
      checkError(error, text)
    }
  }
}

private func checkError(_ error: SQLError, _ text: String) {
  require(error.state.code.utf8.count == 5, "a SQLSTATE has five characters, not \(error.state.code)")
  guard let position = error.position else { return }
  require(position >= 1 && position <= text.unicodeScalars.count + 1, "position \(position) lies within \(text)")
}

private let statementSeeds = [
  "SELECT id, name || 'x', price * 2 FROM t WHERE id BETWEEN 1 AND $1 ORDER BY name DESC LIMIT 3 OFFSET 1",
  "INSERT INTO t (id, name) VALUES (1, 'a'), ($1, DEFAULT) ON CONFLICT DO NOTHING RETURNING *",
  "UPDATE t SET price = price + 1.5 WHERE name LIKE 'a%' OR price IS NULL RETURNING id",
  "DELETE FROM t USING t AS u WHERE t.id = u.id",
  "WITH c AS (SELECT count(*) AS n, max(price) FROM t GROUP BY name HAVING count(*) > 1) SELECT * FROM c, t",
  "SELECT CASE WHEN a.id IN (1, 2) THEN 'x' ELSE (SELECT name FROM t LIMIT 1) END FROM t a LEFT JOIN t b ON a.id = b.id",
  "CREATE TABLE n (a int8 PRIMARY KEY, b varchar(7) DEFAULT 'd' NOT NULL, c numeric(5,1) UNIQUE)",
  "ALTER TABLE t ADD COLUMN IF NOT EXISTS z timestamptz DEFAULT now(), DROP COLUMN price",
  "CREATE UNIQUE INDEX i ON t (price DESC, name) INCLUDE (id); DROP INDEX t_name_idx; ALTER TABLE t RENAME TO v",
  "SHOW DROPPED; UNDROP TABLE s.t AS u; UNDROP COLUMN c ON TABLE t; UNDROP INDEX i ON t AS j; REVERT JOB 12",
  "BEGIN; SET TIME ZONE 'UTC'; SHOW JOBS; PAUSE JOB 3; CHECK TABLE t; COMMIT",
  "SELECT 'é', id FROM t AS OF SYSTEM TIME '-1.5s' WHERE id = 1; BEGIN AS OF SYSTEM TIME 1767225608715000000.0000000005; SET TRANSACTION AS OF SYSTEM TIME '-1m'",
  "EXPLAIN (DDL) DROP TABLE IF EXISTS t; EXPLAIN SELECT 1 UNION ALL SELECT 2",
  "SELECT '2024-01-01'::date + interval '1 day', E'\\n', $$x$$, 1e5, -0.5::float8, '{}'::text /* é */ -- end",
  "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND c.relname ~ '^t$'",
  "CREATE UNIQUE INDEX ON t (price) INCLUDE (name) WITH (visible = off) WHERE name <> 'x' AND price > 5; ALTER INDEX t_name_idx SET (visible)",
  "CREATE INDEX ON t (lower(name) DESC, (price * 2), (id)); SELECT id FROM t WHERE lower(name) = 'x' ORDER BY lower(name)",
  "COMMENT ON COLUMN t.name IS 'x'; COMMENT ON INDEX t_name_idx IS NULL; COMMENT ON CONSTRAINT c ON t IS ''; SELECT obj_description('t'::regclass)",
  "CREATE SCHEMA IF NOT EXISTS a; ALTER SCHEMA a RENAME TO b; ALTER TABLE public.t SET SCHEMA b; DROP SCHEMA b CASCADE; SET search_path TO b, c",
  "CREATE TABLE n (a int8, LIKE t INCLUDING ALL EXCLUDING COMMENTS, b int8)",
  "INSERT INTO t VALUES (1) ON CONFLICT (price) WHERE name = 'y' DO NOTHING; SELECT id FROM t WHERE price = 7 AND name IS NOT NULL",
]
