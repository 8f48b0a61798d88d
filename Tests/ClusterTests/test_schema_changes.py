"""Schema changes while others read and write, from any gateway, applied once whatever is retried."""

import threading
import time

import psycopg
import psycopg.rows
import pytest

from cluster import wait_until
from traffic import Traffic


def columns(cluster, table, gateway):
    with cluster.connect(gateway) as connection:
        return [field.name for field in connection.execute(f"SELECT * FROM {table} LIMIT 0").description]


def test_a_schema_is_rebuilt_under_traffic_without_a_failed_statement(cluster, table):
    cluster.fill(table, 20_000)
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        for gateway, statement in enumerate(
            [
                f"ALTER TABLE {table} ADD COLUMN state text NOT NULL DEFAULT 'sound'",
                f"CREATE INDEX {table}_k ON {table} (k)",
                f"CREATE UNIQUE INDEX {table}_u ON {table} (id, k)",
                f"ALTER TABLE {table} ADD COLUMN note text",
                f"ALTER TABLE {table} DROP COLUMN note",
                f"ALTER TABLE {table} RENAME COLUMN state TO condition",
                f"DROP INDEX {table}_u",
            ]
        ):
            cluster.execute(statement, gateway=1 + gateway % 2)
            traffic.progress(20)
        assert traffic.retries == 0, f"{traffic.retries} statements were refused with a retryable error"
    traffic.verify()
    cluster.check_table(table, indexes=[f"{table}_k"])
    assert columns(cluster, table, 1) == columns(cluster, table, 2) == ["id", "k", "v", "condition"]
    assert cluster.execute(f"SELECT count(*) FROM {table} WHERE condition <> 'sound' OR condition IS NULL") == [(0,)]


def test_every_gateway_shows_a_change_as_soon_as_it_is_answered(cluster, table):
    for number in range(10):
        cluster.execute(f"ALTER TABLE {table} ADD COLUMN c{number} int8 DEFAULT {number}", gateway=1 + number % 2)
        assert columns(cluster, table, 2 - number % 2)[-1] == f"c{number}"


def test_rows_written_before_have_the_default_of_the_time(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'a')")
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN d int8 DEFAULT 7")
    cluster.execute(f"INSERT INTO {table} (id, k, d) VALUES (2, 2, 8)")
    cluster.execute(f"ALTER TABLE {table} DROP COLUMN d")
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN d int8 DEFAULT 9")
    assert cluster.execute(f"SELECT id, d FROM {table} ORDER BY id", gateway=2) == [(1, 9), (2, 9)]


def test_the_same_operation_id_is_applied_once_and_answered_the_same(cluster, table):
    cluster.fill(table, 1000)
    answers = []
    for gateway in (1, 2, 1):
        with cluster.connect(gateway) as connection:
            connection.execute(f"SET theseus.operation_id = 'op-{table}'")
            answers.append(connection.execute(f"CREATE INDEX {table}_once ON {table} (k)").statusmessage)
    assert answers == ["CREATE INDEX"] * 3
    jobs = [job for job in cluster.jobs() if job["operation_id"] == f"op-{table}"]
    assert len(jobs) == 1
    with cluster.connect(2) as connection:
        with pytest.raises(psycopg.errors.DuplicateTable):
            connection.execute(f"CREATE INDEX {table}_once ON {table} (k)")
    cluster.check_table(table, indexes=[f"{table}_once"])


def test_a_unique_index_over_duplicates_is_refused_and_leaves_nothing(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 5, 'a'), (2, 5, 'b'), (3, 6, 'c')")
    with cluster.connect() as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(f"CREATE UNIQUE INDEX {table}_unique ON {table} (k)")
    assert cluster.check_table(table) == []
    # The name is free again, and duplicates may still be written.
    cluster.execute(f"INSERT INTO {table} VALUES (4, 5, 'd')")
    cluster.execute(f"CREATE INDEX {table}_unique ON {table} (k)")
    cluster.check_table(table, indexes=[f"{table}_unique"])


def test_not_null_without_default_is_refused_while_rows_lack_it(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'a')")
    with cluster.connect() as connection:
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN must int8 NOT NULL")
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == [(1, 1, "a")]
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN must int8 NOT NULL")
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute(f"INSERT INTO {table} (id, k) VALUES (2, 2)")


def test_a_long_transaction_on_one_table_does_not_hold_back_another(cluster, table):
    cluster.execute(f"CREATE TABLE {table}_other (id int8 PRIMARY KEY, k int8)")
    with cluster.connect(1, autocommit=False) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute(f"SELECT * FROM {table}").fetchall()
        started = time.monotonic()
        cluster.execute(f"CREATE INDEX {table}_free ON {table}_other (k)", gateway=2)
        assert time.monotonic() - started < 2.0
        reader.rollback()
    cluster.execute(f"DROP TABLE {table}_other")


def test_a_repeatable_read_transaction_keeps_its_schema(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'a')")
    with cluster.connect(1, autocommit=False) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert reader.execute(f"SELECT * FROM {table}").fetchall() == [(1, 1, "a")]
        cluster.execute(f"ALTER TABLE {table} ADD COLUMN late int8 DEFAULT 3", gateway=2)
        assert reader.execute(f"SELECT * FROM {table} ").fetchall() == [(1, 1, "a")]
        reader.rollback()
        assert reader.execute(f"SELECT * FROM {table}").fetchall() == [(1, 1, "a", 3)]


def test_jobs_can_be_seen_while_they_run_and_afterwards(cluster, table):
    cluster.fill(table, 50_000)
    seen = []
    build = threading.Thread(target=cluster.execute, args=(f"CREATE INDEX {table}_seen ON {table} (v)",))
    build.start()
    with cluster.connect(2) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        while build.is_alive():
            seen += [job for job in cursor.execute("SHOW JOBS").fetchall() if f"{table}_seen" in job["statement"]]
    build.join()
    assert seen, "the running job was never shown"
    done = wait_until(lambda: [job for job in cluster.jobs() if f"{table}_seen" in job["statement"]], 5)[0]
    assert done["state"] not in {job["state"] for job in seen[:1]} or len(seen) == 1
    assert int(done["rows_done"]) >= 50_000


def test_two_changes_of_one_table_run_in_order_and_of_two_tables_side_by_side(cluster, table):
    cluster.fill(table, 5_000)
    errors = []

    def change(statement, gateway):
        try:
            cluster.execute(statement, gateway=gateway)
        except psycopg.Error as error:
            errors.append(error)

    threads = [
        threading.Thread(target=change, args=(statement, 1 + number % 2))
        for number, statement in enumerate(
            [
                f"CREATE INDEX {table}_a ON {table} (k)", f"CREATE INDEX {table}_b ON {table} (v)",
                f"ALTER TABLE {table} ADD COLUMN extra int8 DEFAULT 1", f"CREATE INDEX {table}_c ON {table} (k, v)",
            ])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    cluster.check_table(table, indexes=[f"{table}_a", f"{table}_b", f"{table}_c"])
