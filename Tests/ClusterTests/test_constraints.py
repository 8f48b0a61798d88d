"""Constraints, NOT NULLs and defaults: put in and taken out while others write."""

import threading

import psycopg
import pytest

from traffic import Traffic


def refused(cluster, statement, gateway=1):
    """SQLSTATE and detail of a statement that must fail."""
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    return caught.value.sqlstate, caught.value.diag.message_detail


def checks(cluster, table, gateway=2):
    return cluster.execute(
        "SELECT c.conname, c.convalidated FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
        f" WHERE t.relname = '{table}' AND c.contype = 'c' ORDER BY 1", gateway=gateway)


def is_nullable(cluster, table, column, gateway=2):
    return cluster.execute(
        f"SELECT is_nullable FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}'",
        gateway=gateway) == [("YES",)]


def test_constraints_come_and_go_under_traffic_without_a_failed_statement(cluster, table):
    cluster.fill(table, 20_000)
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        for number, change in enumerate(
            [
                "ADD CONSTRAINT positive CHECK (id > 0 AND k >= 0)",
                "ALTER COLUMN v SET NOT NULL",
                "ALTER COLUMN v SET DEFAULT 'none'",
                "ADD CONSTRAINT once UNIQUE (id, k)",
                "RENAME CONSTRAINT positive TO sane",
                "ALTER COLUMN k DROP NOT NULL",
                "ALTER COLUMN k SET NOT NULL",
                "DROP CONSTRAINT sane",
                "DROP CONSTRAINT once",
            ]
        ):
            cluster.execute(f"ALTER TABLE {table} {change}", gateway=1 + number % 2)
            traffic.progress(20)
        assert traffic.retries == 0, f"{traffic.retries} statements were refused with a retryable error"
    traffic.verify()
    cluster.check_table(table)
    assert not is_nullable(cluster, table, "v") and not is_nullable(cluster, table, "k")
    assert checks(cluster, table) == []


def test_a_check_over_existing_bad_rows_is_refused_and_names_them(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 5, 'a'), (2, -6, 'b'), (3, 7, 'c'), (4, -8, NULL)")
    state, detail = refused(cluster, f"ALTER TABLE {table} ADD CONSTRAINT positive CHECK (k > 0)")
    assert (state, detail) == ("23514", "Failing rows: (2, -6, b), (4, -8, null).")
    assert checks(cluster, table) == []
    # Nothing is left of it: bad rows may still be written.
    cluster.execute(f"INSERT INTO {table} VALUES (5, -1, 'e')", gateway=2)
    cluster.execute(f"DELETE FROM {table} WHERE k < 0")
    cluster.execute(f"ALTER TABLE {table} ADD CONSTRAINT positive CHECK (k > 0)")
    for gateway in (1, 2):
        state, detail = refused(cluster, f"INSERT INTO {table} VALUES (6, -1, 'f')", gateway)
        assert (state, detail) == ("23514", "Failing row contains (6, -1, f).")
        assert refused(cluster, f"UPDATE {table} SET k = -k", gateway)[0] == "23514"


def test_not_valid_judges_new_rows_and_is_validated_later(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, -5, 'a'), (2, 6, 'b')")
    cluster.execute(f"ALTER TABLE {table} ADD CONSTRAINT positive CHECK (k > 0) NOT VALID")
    assert checks(cluster, table) == [("positive", False)]
    assert refused(cluster, f"INSERT INTO {table} VALUES (3, -1, 'c')", 2)[0] == "23514"
    assert refused(cluster, f"ALTER TABLE {table} VALIDATE CONSTRAINT positive") == ("23514", "Failing rows: (1, -5, a).")
    assert checks(cluster, table) == [("positive", False)]
    cluster.execute(f"UPDATE {table} SET k = 5 WHERE id = 1")
    cluster.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT positive", gateway=2)
    assert checks(cluster, table, 1) == [("positive", True)]


def test_not_null_is_refused_while_rows_lack_a_value(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, NULL), (2, 2, 'b')")
    assert refused(cluster, f"ALTER TABLE {table} ALTER v SET NOT NULL")[0] == "23502"
    assert is_nullable(cluster, table, "v")
    cluster.execute(f"INSERT INTO {table} VALUES (3, 3, NULL)", gateway=2)
    cluster.execute(f"UPDATE {table} SET v = 'x' WHERE v IS NULL")
    cluster.execute(f"ALTER TABLE {table} ALTER v SET NOT NULL")
    assert not is_nullable(cluster, table, "v")
    assert refused(cluster, f"UPDATE {table} SET v = NULL WHERE id = 1", 2)[0] == "23502"
    cluster.execute(f"ALTER TABLE {table} ALTER v DROP NOT NULL, ALTER v SET DEFAULT upper('none')", gateway=2)
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (9, 9)")
    assert cluster.execute(f"SELECT v FROM {table} WHERE id = 9") == [("NONE",)]
    cluster.execute(f"ALTER TABLE {table} ALTER v DROP DEFAULT")
    cluster.execute(f"INSERT INTO {table} (id, k) VALUES (10, 9)", gateway=2)
    assert cluster.execute(f"SELECT v FROM {table} WHERE id = 10") == [(None,)]


def test_checks_of_a_new_table(cluster, table):
    name = f"{table}_made"
    cluster.execute(
        f"CREATE TABLE {name} (id int8 PRIMARY KEY CHECK (id > 0), low int8, high int8, kind text,"
        " CHECK (low <= high), CONSTRAINT kinds CHECK (kind IN ('a', 'b')))")
    assert [row[0] for row in checks(cluster, name)] == ["kinds", f"{name}_check", f"{name}_id_check"]
    cluster.execute(f"INSERT INTO {name} VALUES (1, 1, 2, 'a'), (2, NULL, 1, NULL)", gateway=2)
    for row in ["(0, 1, 2, 'a')", "(3, 3, 2, 'a')", "(4, 1, 2, 'c')"]:
        assert refused(cluster, f"INSERT INTO {name} VALUES {row}", 2)[0] == "23514"
    assert cluster.execute(
        f"SELECT check_clause FROM information_schema.check_constraints WHERE constraint_name = '{name}_check'"
    ) == [("(low <= high)",)]
    cluster.execute(f"ALTER TABLE {name} RENAME COLUMN low TO least")
    cluster.execute(f"ALTER TABLE {name} DROP COLUMN high")
    assert [row[0] for row in checks(cluster, name)] == ["kinds", f"{name}_id_check"]
    cluster.execute(f"DROP TABLE {name}")


def test_writers_of_bad_rows_race_a_check_and_one_of_them_wins(cluster, table):
    """Whatever is answered, a public check holds for every row."""
    for attempt in range(8):
        outcome = {}

        def write(gateway=2, number=attempt):
            try:
                cluster.execute(f"INSERT INTO {table} VALUES ({number}, -1, 'bad')", gateway=gateway)
                outcome["row"] = True
            except psycopg.Error as error:
                assert error.sqlstate == "23514", error
        writer = threading.Thread(target=write)
        writer.start()
        try:
            cluster.execute(f"ALTER TABLE {table} ADD CONSTRAINT positive CHECK (k > 0)")
            outcome["check"] = True
        except psycopg.Error as error:
            assert error.sqlstate == "23514", error
        writer.join(30)
        assert not (outcome.get("row") and outcome.get("check")), outcome
        cluster.execute(f"DELETE FROM {table}")
        cluster.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS positive")


def test_a_column_comes_with_its_constraints_or_not_at_all(cluster, table):
    cluster.fill(table, 5_000)
    columns = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
    before = cluster.execute(columns)
    # Every row has the default, so it is twice there; and the check does not hold for it.
    assert refused(cluster, f"ALTER TABLE {table} ADD COLUMN c int DEFAULT 7 UNIQUE")[0] == "23505"
    state, detail = refused(cluster, f"ALTER TABLE {table} ADD COLUMN c int DEFAULT 7 CHECK (c > k)", 2)
    assert state == "23514" and "Failing rows: (" in detail
    assert cluster.execute(columns, gateway=2) == before
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        cluster.execute(
            f"ALTER TABLE {table} ADD COLUMN c int NOT NULL DEFAULT 7 CHECK (c > 0), ADD COLUMN d text UNIQUE,"
            f" ADD CONSTRAINT two CHECK (d IS NULL OR c < 100)")
        traffic.progress(50)
        assert traffic.retries == 0, f"{traffic.retries} statements were refused with a retryable error"
    traffic.verify()
    cluster.check_table(table)
    assert cluster.execute(f"SELECT count(*) FROM {table} WHERE c <> 7 OR d IS NOT NULL", gateway=2) == [(0,)]
    for gateway in (1, 2):
        assert refused(cluster, f"UPDATE {table} SET c = 0 WHERE id = 1", gateway)[0] == "23514"
        assert refused(cluster, f"UPDATE {table} SET c = 100, d = 'x' WHERE id = 1", gateway)[0] == "23514"
    cluster.execute(f"UPDATE {table} SET d = 'x' WHERE id = 1")
    assert refused(cluster, f"UPDATE {table} SET d = 'x' WHERE id = 2", 2)[0] == "23505"
    assert cluster.execute(f"SELECT id FROM {table} WHERE d = 'x'") == [(1,)]
