"""Columns of which existing rows get a value each: volatile defaults, sequences, generated columns; added while others write."""

import threading
import uuid
from decimal import Decimal

import psycopg
import pytest

from traffic import Traffic

ROWS = 20_000


def refused(cluster, statement, gateway=1):
    """SQLSTATE, message, detail and hint of a statement that must fail."""
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    diagnosis = caught.value.diag
    return caught.value.sqlstate, diagnosis.message_primary, diagnosis.message_detail, diagnosis.message_hint


def one(cluster, query, gateway=2):
    return cluster.execute(query, gateway=gateway)[0][0]


def test_every_row_gets_one_value_under_traffic(cluster, table):
    cluster.fill(table, ROWS)
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        for number, column in enumerate(
            [
                "r float8 NOT NULL DEFAULT random()",
                "g uuid DEFAULT gen_random_uuid()",
                "c timestamptz NOT NULL DEFAULT clock_timestamp()",
                "n bigserial",
                "i int GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 3)",
                "d int8 GENERATED ALWAYS AS (k * 2 + 1) STORED",
            ]
        ):
            cluster.execute(f"ALTER TABLE {table} ADD COLUMN {column}", gateway=1 + number % 2)
            traffic.progress(20)
        values = f"SELECT id, r::text || g::text || n::text || i::text FROM {table} WHERE id < 10000000"
        seen = dict(cluster.execute(values))
        traffic.progress(50)
        assert traffic.retries == 0, f"{traffic.retries} statements were refused: {traffic.disturbances[:3]}"
    traffic.verify()
    cluster.check_table(table)
    for gateway in (1, 2):
        rows = cluster.execute(f"SELECT id, r, g, c, n, i, k, d FROM {table}", gateway=gateway)
        assert len({row[1] for row in rows}) > len(rows) * 0.99 and len({row[2] for row in rows}) == len(rows)
        assert all(row[2] is not None and row[3] is not None for row in rows)
        # No two alike, of rows that were there and of those that came.
        assert len({row[4] for row in rows}) == len(rows) and min(row[4] for row in rows) >= 1
        assert len({row[5] for row in rows}) == len(rows) and all(row[5] % 3 == 1 for row in rows)
        assert all(row[7] == row[6] * 2 + 1 for row in rows)
    # What a row has once been seen with it keeps.
    assert dict(cluster.execute(values, gateway=2)) == seen and len(seen) == ROWS


def test_values_survive_updates_other_copies_and_what_is_built_on_them(cluster, table):
    cluster.fill(table, 500)
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN n serial UNIQUE, ADD COLUMN r float8 DEFAULT random() CHECK (r < 1)")
    before = cluster.execute(f"SELECT id, n, r FROM {table} ORDER BY id")
    assert sorted(row[1] for row in before) == list(range(1, 501)), "exactly as many numbers as rows"
    cluster.execute(f"UPDATE {table} SET k = k + 1, id = id + 100000")
    cluster.execute(f"ALTER TABLE {table} ALTER COLUMN k TYPE numeric")
    cluster.execute(f"CREATE INDEX {table}_r ON {table} (r) INCLUDE (n)")
    cluster.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (n)")
    after = cluster.execute(f"SELECT id - 100000, n, r FROM {table} ORDER BY id", gateway=2)
    assert after == before
    cluster.check_table(table)
    # A NULL that a client gives stays one.
    cluster.execute(f"UPDATE {table} SET r = NULL WHERE n = 7")
    cluster.execute(f"UPDATE {table} SET k = 5 WHERE n = 7", gateway=2)
    assert one(cluster, f"SELECT r FROM {table} WHERE n = 7") is None
    assert one(cluster, f"SELECT pg_get_serial_sequence('{table}', 'n')") == f"public.{table}_n_seq"
    cluster.execute(f"ALTER TABLE {table} DROP COLUMN r")
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (1, 1)")
    assert one(cluster, f"SELECT n FROM {table} WHERE id = 1") > 500


def test_a_stable_default_is_one_value(cluster, table):
    cluster.fill(table, 100)
    lines = [row[0] for row in cluster.execute(f"EXPLAIN (DDL) ALTER TABLE {table} ADD COLUMN t timestamptz DEFAULT now()")]
    assert lines[0] == "ALTER TABLE: instant, one schema entry"
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN t timestamptz NOT NULL DEFAULT now()")
    assert one(cluster, f"SELECT count(DISTINCT t) FROM {table}") == 1
    while not one(cluster, f"SELECT clock_timestamp() > max(t) FROM {table}"):
        pass
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (1000, 1)", gateway=2)
    assert one(cluster, f"SELECT count(DISTINCT t) FROM {table}") == 2


def test_rows_without_a_value_are_named_and_nothing_is_left(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 5, 'a'), (2, 0, 'b')")
    before = cluster.execute(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")
    add = f"ALTER TABLE {table} ADD COLUMN"
    assert refused(cluster, f"{add} g int8 GENERATED ALWAYS AS (10 / k) STORED")[:3] == (
        "22012", "division by zero", "Failing row contains (2, 0, b).")
    assert refused(cluster, f"{add} g text NOT NULL GENERATED ALWAYS AS (nullif(v, 'b')) STORED")[:2] == (
        "23502", f'column "g" of relation "{table}" contains null values')
    assert refused(cluster, f"{add} s smallint GENERATED ALWAYS AS IDENTITY (START WITH 2 MAXVALUE 2)")[0] == "2200H"
    assert refused(cluster, f"{add} r float8 DEFAULT random() CHECK (r > 2)")[0] == "23514"
    assert refused(cluster, f"{add} g int8 GENERATED ALWAYS AS (1) STORED UNIQUE")[0] == "23505"
    assert cluster.execute(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'") == before
    assert cluster.execute(f"SELECT relname FROM pg_class WHERE relname LIKE '{table}%seq'") == []
    cluster.execute(f"UPDATE {table} SET k = 2 WHERE id = 2")
    cluster.execute(f"{add} g int8 GENERATED ALWAYS AS (10 / k) STORED")
    assert cluster.execute(f"SELECT id, g FROM {table} ORDER BY id", gateway=2) == [(1, 2), (2, 5)]
    cluster.check_table(table)


def test_cancel_leaves_nothing(cluster, table):
    cluster.fill(table, ROWS)
    with Traffic(cluster, table, threads=2) as traffic:
        traffic.progress(20)
        failure = []

        def add():
            try:
                cluster.execute(f"ALTER TABLE {table} ADD COLUMN n bigserial UNIQUE")
            except psycopg.Error as error:
                failure.append(error.sqlstate)

        worker = threading.Thread(target=add)
        worker.start()
        job = None
        while job is None:
            jobs = cluster.execute("SHOW JOBS", gateway=2)
            job = next((row[0] for row in jobs if f"{table} ADD COLUMN n" in row[2] and row[4] == "running"), None)
        with cluster.connect(2) as connection:
            try:
                connection.execute(f"CANCEL JOB {job}")
                is_canceled = True
            except psycopg.errors.ObjectNotInPrerequisiteState:
                is_canceled = False
        worker.join(60)
        assert failure == (["57014"] if is_canceled else [])
        if not is_canceled:
            cluster.execute(f"ALTER TABLE {table} DROP COLUMN n")
        traffic.progress(20)
    traffic.verify()
    assert cluster.execute(f"SELECT relname FROM pg_class WHERE relname LIKE '{table}_n%'", gateway=2) == []
    # Again, with a sequence of the same name that starts where one starts.
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN n bigserial UNIQUE")
    assert one(cluster, f"SELECT min(n) FROM {table}") == 1
    cluster.check_table(table)


def test_generated_columns(cluster, table):
    name = f"{table}_g"
    cluster.execute(
        f"CREATE TABLE {name} (id int8 PRIMARY KEY, a int, b numeric(6, 2), s int8 GENERATED ALWAYS AS (a * 2) STORED,"
        f" t varchar(12) GENERATED ALWAYS AS (upper(a::text || '/' || b::text)) STORED UNIQUE)")
    cluster.execute(f"INSERT INTO {name} VALUES (1, 10, 1.005, DEFAULT), (2, 20, 2, DEFAULT)")
    cluster.execute(f"INSERT INTO {name} (id, a, b, s) VALUES (3, NULL, 3, DEFAULT)", gateway=2)
    assert cluster.execute(f"SELECT * FROM {name} ORDER BY id", gateway=2) == [
        (1, 10, Decimal("1.01"), 20, "10/1.01"), (2, 20, 2, 40, "20/2.00"), (3, None, 3, None, None)]
    assert refused(cluster, f"INSERT INTO {name} VALUES (4, 1, 1, 1)")[:3] == (
        "428C9", 'cannot insert a non-DEFAULT value into column "s"', 'Column "s" is a generated column.')
    assert refused(cluster, f"INSERT INTO {name} (id, s) OVERRIDING SYSTEM VALUE VALUES (4, 1)")[0] == "428C9"
    assert refused(cluster, f"INSERT INTO {name} (id, s) SELECT 4, 1")[0] == "428C9"
    assert refused(cluster, f"UPDATE {name} SET s = 1")[:3] == (
        "428C9", 'column "s" can only be updated to DEFAULT', 'Column "s" is a generated column.')
    assert cluster.execute(f"UPDATE {name} SET a = a + 1, s = DEFAULT WHERE id = 1 RETURNING s, t") == [(22, "11/1.01")]
    assert refused(cluster, f"UPDATE {name} SET a = 20, b = 2 WHERE id = 1")[0] == "23505"
    assert refused(cluster, f"UPDATE {name} SET b = 1234.5, a = 1234567 WHERE id = 1")[0] == "22001"
    assert cluster.execute(f"SELECT id FROM {name} WHERE t = '20/2.00'", gateway=2) == [(2,)]
    cluster.check_table(name)

    alter = f"ALTER TABLE {name}"
    assert refused(cluster, f"{alter} ADD COLUMN x float8 GENERATED ALWAYS AS (random()) STORED")[:2] == (
        "42P17", "generation expression is not immutable")
    assert refused(cluster, f"{alter} ADD COLUMN x int8 GENERATED ALWAYS AS (s + 1) STORED")[:3] == (
        "42P17", 'cannot use generated column "s" in column generation expression',
        "A generated column cannot reference another generated column.")
    assert refused(cluster, f"{alter} ADD COLUMN x int GENERATED ALWAYS AS ((SELECT 1)) STORED")[:2] == (
        "0A000", "cannot use subquery in column generation expression")
    assert refused(cluster, f"{alter} ADD COLUMN x int GENERATED ALWAYS AS (max(a)) STORED")[:2] == (
        "42803", "aggregate functions are not allowed in column generation expressions")
    assert refused(cluster, f"{alter} ADD COLUMN x int DEFAULT 1 GENERATED ALWAYS AS (a) STORED")[0] == "42601"
    assert refused(cluster, f"{alter} ALTER COLUMN s SET DEFAULT 1")[:2] == (
        "42601", f'column "s" of relation "{name}" is a generated column')
    assert refused(cluster, f"{alter} ALTER COLUMN s DROP DEFAULT")[3] == (
        "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.")
    assert refused(cluster, f"{alter} ALTER COLUMN a TYPE int8")[:3] == (
        "0A000", "cannot alter type of a column used by a generated column", 'Column "a" is used by generated column "s".')
    state, message, detail, hint = refused(cluster, f"{alter} DROP COLUMN a")
    assert (state, message) == ("2BP01", f"cannot drop column a of table {name} because other objects depend on it")
    assert detail == (
        f"column s of table {name} depends on column a of table {name}\n"
        f"column t of table {name} depends on column a of table {name}")
    assert hint == "Use DROP ... CASCADE to drop the dependent objects too."
    assert refused(cluster, f"{alter} ALTER COLUMN a DROP EXPRESSION")[:2] == (
        "55000", f'column "a" of relation "{name}" is not a stored generated column')

    cluster.execute(f"{alter} RENAME COLUMN a TO aa")
    assert cluster.execute(
        f"SELECT attname, attgenerated, pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid"
        f" AND adnum = attnum WHERE attrelid = '{name}'::regclass AND attname = 's'") == [("s", "s", "(aa * 2)")]
    assert cluster.execute(
        f"SELECT is_generated, generation_expression, column_default FROM information_schema.columns"
        f" WHERE table_name = '{name}' AND column_name = 's'", gateway=2) == [("ALWAYS", "(aa * 2)", None)]
    cluster.execute(f"{alter} ALTER COLUMN s DROP EXPRESSION")
    cluster.execute(f"UPDATE {name} SET aa = 100, s = 7 WHERE id = 2", gateway=2)
    assert cluster.execute(f"SELECT s, t FROM {name} WHERE id = 2") == [(7, "100/2.00")]
    cluster.execute(f"{alter} DROP COLUMN aa CASCADE")
    assert cluster.execute(f"SELECT * FROM {name} WHERE id = 2", gateway=2) == [(2, 2, 7)]
    cluster.check_table(name)
    cluster.execute(f"DROP TABLE {name}")


def test_foreign_keys_follow_generated_columns(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (2, 1, 'a'), (4, 2, 'b')")
    child = f"{table}_child"
    define = (f"CREATE TABLE {child} (id int8 PRIMARY KEY, half int8,"
              f" p int8 GENERATED ALWAYS AS (half * 2) STORED REFERENCES {table}")
    assert refused(cluster, f"{define} ON DELETE SET NULL)")[:2] == (
        "42601", "invalid ON DELETE action for foreign key constraint containing generated column")
    cluster.execute(f"{define} ON DELETE CASCADE)")
    cluster.execute(f"INSERT INTO {child} VALUES (1, 1), (2, 2)", gateway=2)
    assert refused(cluster, f"INSERT INTO {child} VALUES (3, 3)")[0] == "23503"
    assert refused(cluster, f"UPDATE {child} SET half = 9 WHERE id = 1", 2)[0] == "23503"
    cluster.execute(f"DELETE FROM {table} WHERE id = 4")
    assert cluster.execute(f"SELECT id, p FROM {child}", gateway=2) == [(1, 2)]
    cluster.execute(f"DROP TABLE {child}")


def test_a_transaction_that_spans_the_fill(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'a'), (2, 20, 'b')")
    with cluster.connect(1, autocommit=False) as reader, cluster.connect(2, autocommit=False) as writer:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert reader.execute(f"SELECT k FROM {table} WHERE id = 1").fetchone() == (10,)
        writer.execute(f"UPDATE {table} SET k = 21 WHERE id = 2")
        # Both hold the old version longer than the change is willing to wait.
        cluster.execute(f"ALTER TABLE {table} ADD COLUMN g uuid NOT NULL DEFAULT gen_random_uuid()")
        assert reader.execute(f"SELECT id, k FROM {table} ORDER BY id").fetchall() == [(1, 10), (2, 20)]
        reader.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            writer.commit()
    rows = cluster.execute(f"SELECT id, k, g FROM {table} ORDER BY id")
    assert [row[:2] for row in rows] == [(1, 10), (2, 20)] and all(isinstance(row[2], uuid.UUID) for row in rows)


def test_in_a_transaction_block(cluster, table):
    cluster.fill(table, 50)
    with cluster.connect(1, autocommit=False) as connection:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN n serial, ADD COLUMN twice int8 GENERATED ALWAYS AS (k * 2) STORED")
        connection.execute(f"CREATE UNIQUE INDEX {table}_n ON {table} (n)")
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN v TO w")
        connection.commit()
    assert one(cluster, f"SELECT count(DISTINCT n) FROM {table} WHERE twice = k * 2") == 50
    cluster.check_table(table)


def test_truncate_restarts_identity(cluster, table):
    cluster.fill(table, 300)
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN n serial")
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (1000, 1)", gateway=2)
    cluster.execute(f"TRUNCATE {table}")
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (1, 1)", gateway=2)
    assert one(cluster, f"SELECT n FROM {table}") > 300
    cluster.execute(f"TRUNCATE {table} RESTART IDENTITY")
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (1, 1), (2, 2)", gateway=2)
    assert cluster.execute(f"SELECT n FROM {table} ORDER BY n") == [(1,), (2,)]


def test_a_new_column_as_primary_key(cluster):
    cluster.execute("CREATE TABLE keyless (a int, b text)")
    cluster.execute("CREATE INDEX keyless_a ON keyless (a)")
    cluster.execute("INSERT INTO keyless SELECT g, 'row' FROM generate_series(1, 400) g")
    cluster.execute("ALTER TABLE keyless ADD COLUMN id bigserial PRIMARY KEY")
    assert cluster.execute("SELECT count(DISTINCT id), min(id), max(id) FROM keyless", gateway=2) == [(400, 1, 400)]
    assert cluster.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'keyless' ORDER BY 1", gateway=2) == [
        ("keyless_a",), ("keyless_pkey",)]
    assert cluster.execute("SELECT b FROM keyless WHERE id = 17") == [("row",)]
    assert refused(cluster, "INSERT INTO keyless (a, id) VALUES (1, 17)", 2)[0] == "23505"
    cluster.execute("INSERT INTO keyless (a) VALUES (401)", gateway=2)
    cluster.check_table("keyless")
    cluster.execute("DROP TABLE keyless")
