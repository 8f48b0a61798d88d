"""Indexes of some rows, with further columns, on expressions, that no query sees: made and used while others write."""

import psycopg
import pytest

from traffic import Traffic


def refused(cluster, statement, gateway=1):
    """SQLSTATE and detail of a statement that must fail."""
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    return caught.value.sqlstate, caught.value.diag.message_detail


def plan(cluster, query, gateway=1):
    return "\n".join(line for (line,) in cluster.execute(f"EXPLAIN {query}", gateway=gateway))


def definitions(cluster, table, gateway=2):
    rows = cluster.execute(f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}' ORDER BY indexname", gateway=gateway)
    return [text for (text,) in rows if f"INDEX {table}_pkey " not in text and f"INDEX {table}_key " not in text]


def entries(cluster, table):
    return {name: (rows, found, right) for name, rows, found, right in cluster.execute(f"CHECK TABLE {table}")}


def test_partial_indexes_are_built_beside_writes(cluster, table):
    cluster.fill(table, 20_000)
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        # The clients' rows move in and out: their k grows by one with every update.
        cluster.execute(f"CREATE INDEX {table}_half ON {table} (v) INCLUDE (k) WHERE k >= 500000")
        traffic.progress(20)
        cluster.execute(f"CREATE UNIQUE INDEX {table}_odd ON {table} (id) INCLUDE (v) WHERE k % 2 = 1", gateway=2)
        traffic.progress(20)
        cluster.execute(f"CREATE INDEX {table}_none ON {table} (k) WHERE v IS NULL")
        traffic.progress(20)
        cluster.execute(f"DROP INDEX {table}_none", gateway=2)
        assert not traffic.failures, traffic.failures[:3]
    traffic.verify()
    cluster.check_table(table)
    rows = cluster.execute(f"SELECT count(*) FROM {table} WHERE k % 2 = 1")[0][0]
    assert entries(cluster, table)[f"{table}_odd"] == (rows, rows, True)
    # What the index finds is what the rows say.
    by_index = cluster.execute(f"SELECT id, k FROM {table} WHERE k >= 500000 AND v LIKE 'w%' AND v >= 'w' ORDER BY id", gateway=2)
    by_rows = cluster.execute(f"SELECT id, k FROM {table} WHERE k + 0 >= 500000 AND v || '' LIKE 'w%' ORDER BY id")
    assert by_index == by_rows
    assert f"Index Only Scan using {table}_half" in plan(cluster, f"SELECT id, k FROM {table} WHERE k >= 500000 AND v = 'w'")


def test_unique_among_the_rows_of_the_index(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'a'), (2, -10, 'a'), (3, -10, 'a'), (4, 10, 'b')")
    assert refused(cluster, f"CREATE UNIQUE INDEX {table}_u ON {table} (v) WHERE k < 0") == (
        "23505", "Key (v)=(a) is duplicated.")
    cluster.execute(f"CREATE UNIQUE INDEX {table}_u ON {table} (v) WHERE k > 0")
    assert definitions(cluster, table) == [
        f"CREATE UNIQUE INDEX {table}_u ON public.{table} USING btree (v) WHERE (k > 0)"]
    error = ("23505", "Key (v)=(a) already exists.")
    for gateway in (1, 2):
        assert refused(cluster, f"INSERT INTO {table} VALUES (5, 3, 'a')", gateway) == error
        assert refused(cluster, f"UPDATE {table} SET k = 1 WHERE id = 2", gateway) == error
    cluster.execute(f"INSERT INTO {table} VALUES (5, -3, 'a')", gateway=2)
    cluster.execute(f"UPDATE {table} SET k = -1 WHERE id = 1")
    cluster.execute(f"UPDATE {table} SET k = 1 WHERE id = 2", gateway=2)
    assert cluster.execute(f"SELECT id FROM {table} WHERE v = 'a' AND k > 0") == [(2,)]
    assert cluster.execute(f"INSERT INTO {table} VALUES (6, 1, 'a'), (7, -1, 'a') ON CONFLICT DO NOTHING RETURNING id") == [(7,)]
    assert cluster.execute(f"INSERT INTO {table} VALUES (6, 1, 'b') ON CONFLICT (v) WHERE k > 0 DO NOTHING RETURNING id") == []
    # In a transaction of several statements.
    with cluster.connect(1, autocommit=False) as connection:
        connection.execute(f"DELETE FROM {table} WHERE id = 3")
        connection.execute(f"INSERT INTO {table} VALUES (8, 9, 'c')")
        connection.execute(f"UPDATE {table} SET v = 'd' WHERE id = 8")
        connection.commit()
    assert cluster.execute(f"SELECT id FROM {table} WHERE v = 'a' AND k > 0", gateway=2) == [(2,)]
    assert cluster.execute(f"SELECT id FROM {table} WHERE v = 'd' AND k > 0", gateway=2) == [(8,)]
    cluster.check_table(table)


def test_statements_that_change_the_table_take_the_index_along(cluster, table):
    cluster.fill(table, 2_000)
    cluster.execute(f"CREATE INDEX {table}_p ON {table} (v) INCLUDE (k) WHERE k % 10 = 3")
    cluster.execute(f"ALTER TABLE {table} ALTER COLUMN v TYPE varchar(100) USING substr(v, 1, 90)")
    cluster.check_table(table)
    cluster.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD CONSTRAINT {table}_key PRIMARY KEY (id, k)")
    cluster.check_table(table)
    assert definitions(cluster, table)[-1].startswith(f"CREATE INDEX {table}_p ON public.{table} USING btree (v) INCLUDE (k) WHERE ((k % ")
    assert refused(cluster, f"ALTER TABLE {table} ALTER COLUMN k TYPE text")[0] == "42883", "what the predicate asks is not asked of text"
    cluster.execute(f"ALTER TABLE {table} ALTER COLUMN k TYPE numeric")
    cluster.check_table(table)
    cluster.execute(f"TRUNCATE {table}")
    cluster.execute(f"INSERT INTO {table} VALUES (1, 13, 'a'), (2, 14, 'b')")
    assert entries(cluster, table)[f"{table}_p"] == (1, 1, True)
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN w int DEFAULT 5")
    cluster.execute(f"CREATE INDEX {table}_w ON {table} (v) WHERE w = 5")
    assert entries(cluster, table)[f"{table}_w"] == (2, 2, True)
    # With the column goes the index that asks for it.
    cluster.execute(f"ALTER TABLE {table} DROP COLUMN w", gateway=2)
    assert len(definitions(cluster, table)) == 1
    cluster.check_table(table)


def test_explain_ddl_tries_a_partial_index(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'a'), (2, 2, 'a'), (3, 3, 'a')")
    lines = [line for (line,) in cluster.execute(
        f"EXPLAIN (DDL, VALIDATE) CREATE UNIQUE INDEX {table}_u ON {table} (v) WHERE k > 1")]
    assert any("Key (v)=(a) is duplicated." in line for line in lines), lines
    lines = [line for (line,) in cluster.execute(
        f"EXPLAIN (DDL, VALIDATE) CREATE UNIQUE INDEX {table}_u ON {table} (v) WHERE k > 2")]
    assert any("holds for 3 rows" in line for line in lines), lines
    assert definitions(cluster, table) == []
    # A row of which nobody can say whether it belongs to the index ends the build.
    cluster.execute(f"INSERT INTO {table} VALUES (4, 0, 'z')")
    assert refused(cluster, f"CREATE INDEX {table}_u ON {table} (v) WHERE 10 / k > 2")[0] == "22012"
    assert definitions(cluster, table) == []
    cluster.execute(f"UPDATE {table} SET k = 0")
    cluster.check_table(table)


def test_invisible_indexes_are_kept_and_enforced_but_not_used(cluster, table):
    cluster.fill(table, 1_000)
    cluster.execute(f"CREATE UNIQUE INDEX {table}_i ON {table} (v) WITH (visible = false)")
    query = f"SELECT id FROM {table} WHERE v = 'value-7'"
    assert definitions(cluster, table) == [
        f"CREATE UNIQUE INDEX {table}_i ON public.{table} USING btree (v) WITH (visible='false')"]
    with cluster.connect(2) as connection:
        # A plan that is kept is made anew.
        for visible in (False, True, False):
            cluster.execute(f"ALTER INDEX {table}_i SET (visible = {visible})")
            cluster.execute("SELECT theseus.wait_for_schema_agreement()")
            lines = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}"))
            assert (f"using {table}_i" in lines) == visible, lines
            assert connection.execute(query, prepare=True).fetchall() == [(7,)]
            assert refused(cluster, f"INSERT INTO {table} VALUES (5000, 1, 'value-7')", 2)[0] == "23505"
    cluster.execute(f"UPDATE {table} SET v = 'w' || id")
    cluster.execute(f"ALTER INDEX {table}_i RESET (visible)")
    assert cluster.execute(f"SELECT id FROM {table} WHERE v = 'w8'", gateway=2) == [(8,)]
    assert cluster.execute(query) == []
    assert refused(cluster, f"ALTER INDEX {table}_pkey SET (visible = false)")[0] == "0A000"
    cluster.check_table(table)


def test_indexes_on_expressions_are_built_beside_writes(cluster, table):
    cluster.fill(table, 20_000)
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        cluster.execute(f"CREATE INDEX {table}_sum ON {table} ((k * 2), upper(v))")
        traffic.progress(20)
        cluster.execute(f"CREATE UNIQUE INDEX {table}_once ON {table} ((v || id)) WHERE k >= 1000", gateway=2)
        traffic.progress(20)
        cluster.execute(f"CREATE INDEX {table}_gone ON {table} (lower(v))")
        traffic.progress(20)
        cluster.execute(f"DROP INDEX {table}_gone", gateway=2)
        assert not traffic.failures, traffic.failures[:3]
    traffic.verify()
    cluster.check_table(table)
    query = f"SELECT id FROM {table} WHERE k * 2 BETWEEN 2000 AND 4000"
    assert f"using {table}_sum" in plan(cluster, query)
    assert sorted(cluster.execute(query, gateway=2)) == sorted(cluster.execute(f"SELECT id FROM {table} WHERE k BETWEEN 1000 AND 2000 AND k + 0 > 0"))


def test_expressions_are_unique_named_and_follow_their_columns(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'Ann'), (2, 20, 'bob'), (3, 30, 'BOB')")
    assert refused(cluster, f"CREATE UNIQUE INDEX ON {table} (lower(v))") == ("23505", "Key (lower(v))=(bob) is duplicated.")
    assert definitions(cluster, table) == []
    cluster.execute(f"DELETE FROM {table} WHERE id = 3")
    cluster.execute(f"CREATE UNIQUE INDEX ON {table} (lower(v))")
    assert definitions(cluster, table) == [
        f"CREATE UNIQUE INDEX {table}_lower_idx ON public.{table} USING btree (lower(v))"]
    for gateway in (1, 2):
        assert refused(cluster, f"INSERT INTO {table} VALUES (4, 1, 'aNN')", gateway) == ("23505", "Key (lower(v))=(ann) already exists.")
        assert cluster.execute(f"SELECT id, v FROM {table} WHERE lower(v) = 'ann'", gateway=gateway) == [(1, "Ann")]
    cluster.execute(f"ALTER TABLE {table} RENAME COLUMN v TO name")
    assert definitions(cluster, table) == [
        f"CREATE UNIQUE INDEX {table}_lower_idx ON public.{table} USING btree (lower(name))"]
    cluster.execute(f"ALTER TABLE {table} ALTER COLUMN k TYPE text")
    cluster.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD CONSTRAINT {table}_key PRIMARY KEY (k)")
    cluster.execute(f"UPDATE {table} SET name = 'Carl' WHERE lower(name) = 'bob'", gateway=2)
    assert cluster.execute(f"SELECT id FROM {table} ORDER BY lower(name) DESC LIMIT 1") == [(2,)]
    cluster.execute(f"ALTER TABLE {table} ALTER COLUMN name TYPE varchar(10)")
    assert definitions(cluster, table) == [
        f"CREATE UNIQUE INDEX {table}_lower_idx ON public.{table} USING btree (lower((name)::text))"]
    assert cluster.execute(f"SELECT id FROM {table} WHERE lower(name) = 'carl'", gateway=2) == [(2,)]
    assert refused(cluster, f"CREATE INDEX ON {table} ((id / (id - 2)))")[0] == "22012"
    assert refused(cluster, f"CREATE INDEX ON {table} ((random()))")[0] == "42P17"
    # The predicate is asked first: it keeps away the row for which the expression fails.
    cluster.execute(f"CREATE INDEX {table}_ratio ON {table} ((id / (id - 2))) WHERE id <> 2")
    cluster.execute(f"UPDATE {table} SET id = 2 WHERE id = 1")
    cluster.check_table(table)
    cluster.execute(f"DROP INDEX {table}_ratio")
    cluster.check_table(table)
    cluster.execute(f"ALTER TABLE {table} DROP COLUMN name")
    assert definitions(cluster, table) == []
    cluster.check_table(table)
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN v text")
