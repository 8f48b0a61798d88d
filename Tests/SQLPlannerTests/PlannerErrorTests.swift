import Basics
import Testing

/// The words, codes and positions are PostgreSQL's.
@Suite struct PlannerErrorTests {
  @Test func wrongStatementsAreAnsweredAsPostgreSQLDoes() {
    let table: [(text: String, state: String, message: String, position: Int?)] = [
      ("select nope from t", "42703", "column \"nope\" does not exist", 8),
      ("select t.nope from t", "42703", "column t.nope does not exist", 8),
      ("select * from nope", "42P01", "relation \"nope\" does not exist", 15),
      ("select z.a from t", "42P01", "missing FROM-clause entry for table \"z\"", 8),
      ("select a from t s where t.a = 1", "42P01", "invalid reference to FROM-clause entry for table \"t\"", 25),
      ("select id from t, u", "42702", "column reference \"id\" is ambiguous", 8),
      ("select * from t, t", "42712", "table name \"t\" specified more than once", 18),
      ("select 1 = 'a'", "22P02", "invalid input syntax for type integer: \"a\"", 10),
      ("select a = b from t", "42883", "operator does not exist: integer = text", 10),
      ("select foo(1)", "42883", "function foo(integer) does not exist", 8),
      (
        "select a, count(*) from t group by b", "42803",
        "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function", 8
      ),
      ("select a from t where count(*) > 1", "42803", "aggregate functions are not allowed in WHERE", 23),
      ("select sum(sum(a)) from t", "42803", "aggregate function calls cannot be nested", 12),
      ("select * from t where a", "42804", "argument of WHERE must be type boolean, not type integer", 23),
      ("select * from t order by 9", "42P10", "ORDER BY position 9 is not in select list", 26),
      (
        "select distinct a from t order by b", "42P10",
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list", 35
      ),
      ("select (select id, a from t)", "42601", "subquery must return only one column", 8),
      ("insert into t (id) values (1, 2)", "42601", "INSERT has more expressions than target columns", 31),
      ("insert into t (id, a) values (1)", "42601", "INSERT has more target columns than expressions", 20),
      ("insert into t (nope) values (1)", "42703", "column \"nope\" of relation \"t\" does not exist", 16),
      ("insert into t (id, id) values (1, 2)", "42701", "column \"id\" specified more than once", 20),
      (
        "insert into t (id) values ('x'::text)", "42804",
        "column \"id\" is of type bigint but expression is of type text", 31
      ),
      ("update t set nope = 1", "42703", "column \"nope\" of relation \"t\" does not exist", 14),
      ("update x set w = 1", "42703", "column \"w\" of relation \"x\" does not exist", 14),
      ("select rowid from x", "42703", "column \"rowid\" does not exist", 8),
      ("update t set a = 1, a = 2", "42601", "multiple assignments to same column \"a\"", 21),
      (
        "insert into t (id) values (1) on conflict (a) do nothing", "42P10",
        "there is no unique or exclusion constraint matching the ON CONFLICT specification", nil
      ),
      ("create table q (a int, a int)", "42701", "column \"a\" specified more than once", 24),
      ("create table q (a nope)", "42704", "type \"nope\" does not exist", 19),
      ("create table q (a int default 'x')", "22P02", "invalid input syntax for type integer: \"x\"", 31),
      (
        "create table q (a int primary key, primary key (a))", "42P16",
        "multiple primary keys for table \"q\" are not allowed", 36
      ),
      ("create table q (a int, unique (b))", "42703", "column \"b\" named in key does not exist", 24),
      ("create table q (a int check (b > 1))", "42703", "column \"b\" does not exist", 30),
      ("create table q (a int, check (a))", "42804", "argument of CHECK must be type boolean, not type integer", 31),
      (
        "create table q (a int, check (count(a) > 1))", "42803",
        "aggregate functions are not allowed in check constraints", 31
      ),
      (
        "alter table t add check (a in (select t_id from u))", "0A000", "cannot use subquery in check constraint", 28
      ),
      ("alter table t add check (d < now())", "42P17", "functions in a check constraint must be immutable", 28),
      ("alter table nope add check (a > 1)", "42P01", "relation \"nope\" does not exist", 13),
      ("alter table t alter nope set default 1", "42703", "column \"nope\" of relation \"t\" does not exist", nil),
      ("alter table t alter a set default 'x'", "22P02", "invalid input syntax for type integer: \"x\"", 35),
      ("alter table t alter nope type text", "42703", "column \"nope\" of relation \"t\" does not exist", nil),
      ("alter table t alter a type bool", "42804", "column \"a\" cannot be cast automatically to type boolean", nil),
      (
        "alter table t alter a type date using 'x'::text", "42804",
        "result of USING clause for column \"a\" cannot be cast automatically to type date", nil
      ),
      (
        "alter table t alter a type text using (select 'x')", "0A000", "cannot use subquery in transform expression", 39
      ),
      (
        "alter table t alter a type text using now()::text", "0A000",
        "ALTER COLUMN … TYPE with a conversion that is not immutable is not supported yet", nil
      ),
      ("alter table t alter a type nope", "42704", "type \"nope\" does not exist", 28),
      (
        "alter table t add q int generated always as (random()) stored", "42P17",
        "generation expression is not immutable", 46
      ),
      ("select * from t full join u on true", "0A000", "FULL JOIN is not supported yet", nil),
    ]
    for row in table {
      let error = PlannerFixture.failure(row.text)
      #expect(error?.state.code == row.state, "\(row.text)")
      #expect(error?.message == row.message, "\(row.text)")
      #expect(error?.position == row.position, "\(row.text)")
    }
  }

  @Test func hintsAreGiven() {
    #expect(
      PlannerFixture.failure("select a = b from t")?.hint
        == "No operator matches the given name and argument types. You might need to add explicit type casts.")
    #expect(
      PlannerFixture.failure("insert into t (id) values ('x'::text)")?.hint
        == "You will need to rewrite or cast the expression.")
  }

  /// As deep as the parser lets through.
  @Test func deepStatementsArePlanned() {
    #expect(PlannerFixture.failure("select " + String(repeating: "1 + ", count: 150) + "1") == nil)
    #expect(PlannerFixture.failure("select " + String(repeating: "a + ", count: 150) + "1 from t") == nil)
    let nested = String(repeating: "select * from (", count: 25) + "select 1" + String(repeating: ") a", count: 25)
    #expect(PlannerFixture.failure(nested) == nil)
    let scalar = String(repeating: "(select ", count: 60) + "1" + String(repeating: ")", count: 60)
    #expect(PlannerFixture.failure("select " + scalar)?.state == .statementTooComplex)
  }
}
