import Testing

/// Which plan a statement gets, in the words of EXPLAIN.
@Suite struct ExplainTests {
  private func check(_ table: [(text: String, plan: String)]) throws {
    for (text, plan) in table { #expect(try PlannerFixture.explain(text) == plan, "\(text)") }
  }

  @Test func keysLeadToRanges() throws {
    try check([
      ("select * from t where id = 5", "Index Scan using t_pkey on t\n  Index Cond: (id = 5)"),
      ("select * from t where id = '5'", "Index Scan using t_pkey on t\n  Index Cond: (id = '5'::bigint)"),
      (
        "select * from t where id > 10 and id <= $1 order by id",
        "Index Scan using t_pkey on t\n  Index Cond: ((id > 10) AND (id <= $1))"
      ),
      ("select * from t where b = 'x'", "Index Scan using t_b_key on t\n  Index Cond: (b = 'x'::text)"),
      ("select * from t where a = 1 or a = 2", "Index Scan using t_a_idx on t\n  Index Cond: (a IN (1, 2))"),
      (
        "select * from t where a = 5 and c > 3",
        "Index Scan using t_a_idx on t\n  Index Cond: (a = 5)\n  Filter: (c > 3)"
      ),
      (
        "select id from t where d > now() - interval '1 day' and a = 3",
        "Index Only Scan using t_ad_idx on t\n"
          + "  Index Cond: ((a = 3) AND (d > (now() - '1 day'::interval)))"
      ),
      (
        "select t.* from t where (id, a) > (3, 4) order by id, a limit 5",
        "Limit\n  ->  Index Scan using t_pkey on t\n        Index Cond: (id >= 3)\n"
          + "        Filter: ((id > 3) OR ((id = 3) AND (a > 4)))"
      ),
    ])
  }

  @Test func whatHoldsNoKeyIsScanned() throws {
    try check([
      // The index on c is not built yet.
      ("select * from t where c = 5", "Seq Scan on t\n  Filter: (c = 5)"),
      ("select * from t where id + 1 = 5", "Seq Scan on t\n  Filter: ((id + 1) = 5)"),
      // A volatile condition is not sent to storage nodes.
      (
        "select * from t where random() < 0.5 and flag",
        "Filter\n  Filter: (random() < '0.5'::double precision)\n  ->  Seq Scan on t\n        Filter: flag"
      ),
    ])
  }

  @Test func indexesHoldAllThatIsNeeded() throws {
    try check([
      ("select id from t where a = 5", "Index Only Scan using t_a_idx on t\n  Index Cond: (a = 5)"),
      ("select u.name from u where t_id = 4", "Index Only Scan using u_t_id_idx on u\n  Index Cond: (t_id = 4)"),
    ])
  }

  @Test func indexOrderSavesTheSort() throws {
    try check([
      ("select * from t order by id limit 10", "Limit\n  ->  Seq Scan on t"),
      ("select * from t order by id desc limit 3", "Limit\n  ->  Index Scan Backward using t_pkey on t"),
      (
        "select a, d from t where a = 1 order by d desc limit 3",
        "Limit\n  ->  Index Only Scan using t_ad_idx on t\n        Index Cond: (a = 1)"
      ),
      ("select d from t where a = 3 order by d", "Index Only Scan Backward using t_ad_idx on t\n  Index Cond: (a = 3)"),
      // NULLs stand elsewhere than in the index.
      (
        "select a from t order by a nulls first limit 1",
        "Limit\n  ->  Top-N Sort\n        Sort Key: a NULLS FIRST\n        ->  Index Only Scan using t_a_idx on t"
      ),
      ("select max(id) from t", "Aggregate\n  ->  Index Scan Backward using t_pkey on t"),
      ("select max(c) from t", "Aggregate\n  ->  Seq Scan on t"),
    ])
  }

  @Test func joinsUseIndexesOrHashes() throws {
    try check([
      (
        "select * from u join t on u.t_id = t.id where t.id = 7",
        "Nested Loop\n  ->  Index Scan using t_pkey on t\n        Index Cond: (t.id = 7)\n"
          + "  ->  Index Only Scan using u_t_id_idx on u\n        Index Cond: (u.t_id = t.id)"
      ),
      (
        "select * from t left join u on u.t_id = t.id and u.name <> 'x' where t.a = 1 and t.b = 'y'",
        "Nested Loop Left Join\n  ->  Index Scan using t_b_key on t\n        Index Cond: (t.b = 'y'::text)\n"
          + "        Filter: (t.a = 1)\n  ->  Index Only Scan using u_t_id_idx on u\n"
          + "        Index Cond: (u.t_id = t.id)\n        Filter: (u.name <> 'x'::text)"
      ),
      (
        "select * from t, x where t.a = x.k",
        "Hash Join\n  Hash Cond: (t.a = x.k)\n  ->  Seq Scan on t\n  ->  Seq Scan on x"
      ),
      (
        "select * from t, x where t.a < x.k",
        "Nested Loop\n  Join Filter: (t.a < x.k)\n  ->  Seq Scan on t\n  ->  Seq Scan on x"
      ),
    ])
  }

  @Test func subqueriesBecomeOperators() throws {
    try check([
      (
        "select * from t where id = (select count(*) from u where id < 5)",
        "Index Scan using t_pkey on t\n  Index Cond: (t.id = $1)\n  InitPlan (returns $1)\n  ->  Aggregate\n"
          + "        ->  Index Scan using u_pkey on u\n              Index Cond: (u.id < 5)"
      ),
      (
        "select * from t where id not in (select t_id from u)",
        "Hash Anti Join\n  Hash Cond: (t.id = u.t_id)\n  ->  Seq Scan on t\n  ->  Index Only Scan using u_t_id_idx on u"
      ),
      (
        "select a from t where exists (select 1 from u where t_id = t.id)",
        "Filter\n  Filter: (SubPlan)\n  ->  Subquery per row\n        $1: t.id\n"
          + "        ->  Index Only Scan using t_a_idx on t\n        ->  Limit\n"
          + "              ->  Index Only Scan using u_t_id_idx on u\n                    Index Cond: (u.t_id = $1)"
      ),
    ])
  }

  @Test func groupsAndUnions() throws {
    try check([
      (
        "select a, count(*), sum(c) from t group by a having count(*) > 1 order by 2 desc limit 5",
        "Limit\n  ->  Top-N Sort\n        Sort Key: count(*) DESC\n        ->  Filter\n"
          + "              Filter: (count(*) > 1)\n              ->  HashAggregate\n                    Group Key: a\n"
          + "                    ->  Seq Scan on t"
      ),
      (
        "select id from t union all select id from u order by 1",
        "Sort\n  Sort Key: t.id\n  ->  Append\n        ->  Index Only Scan using t_a_idx on t\n"
          + "        ->  Index Only Scan using u_t_id_idx on u"
      ),
      (
        "with q as (select * from t where a = 3) select q.id from q where q.id > 5",
        "Filter\n  Filter: (id > 5)\n  ->  Index Scan using t_a_idx on t\n        Index Cond: (a = 3)"
      ),
    ])
  }

  @Test func changesShowTheirSource() throws {
    try check([
      (
        "insert into t (id, a) values (1, 2) on conflict do nothing",
        "Insert on t\n  Conflict Resolution: NOTHING\n  ->  Result"
      ),
      (
        "update t set a = a + 1 where id = 3",
        "Update on t\n  ->  Index Scan using t_pkey on t\n        Index Cond: (id = 3)"
      ),
      (
        "delete from t where a = 3 and b is not null",
        "Delete on t\n  ->  Index Scan using t_a_idx on t\n        Index Cond: (a = 3)\n        Filter: (b IS NOT NULL)"
      ),
      (
        "select * from t where id = 3 for update",
        "LockRows\n  ->  Index Scan using t_pkey on t\n        Index Cond: (id = 3)"
      ),
    ])
  }
}
