"""AS OF SYSTEM TIME: the rows of a moment, with the schema of that moment."""

import subprocess
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest


def moment(connection):
    return connection.execute("SELECT cluster_logical_timestamp()").fetchone()[0]


def test_rows_and_columns_are_those_of_the_moment(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'one'), (2, 20, 'two')")
    with cluster.connect(1) as connection, cluster.connect(2) as other:
        before = moment(connection)
        connection.execute(f"UPDATE {table} SET v = 'changed' WHERE id = 1")
        connection.execute(f"DELETE FROM {table} WHERE id = 2")
        between = moment(connection)
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN v TO remark")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN port int8 DEFAULT 7")
        connection.execute(f"CREATE INDEX {table}_k ON {table} (k)")
        for session in (connection, other):
            assert session.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() == [(1, 10, "changed", 7)]
            then = session.execute(f"SELECT * FROM {table} AS OF SYSTEM TIME {between}")
            assert [d.name for d in then.description] == ["id", "k", "v"] and then.fetchall() == [(1, 10, "changed")]
            # As a string, in the middle of a query, and with what the planner prepares for a driver.
            then = session.execute(
                f"SELECT v FROM {table} AS OF SYSTEM TIME '{before}' WHERE id >= %s ORDER BY id", [1], prepare=True)
            assert then.fetchall() == [("one",), ("two",)]
            with pytest.raises(psycopg.errors.UndefinedColumn):
                session.execute(f"SELECT port FROM {table} AS OF SYSTEM TIME {between}")
            assert session.execute(
                f"SELECT column_name FROM information_schema.columns AS OF SYSTEM TIME {before}"
                f" WHERE table_name = '{table}' ORDER BY ordinal_position").fetchall() == [("id",), ("k",), ("v",)]
        # The plans of the present are not those of the past.
        assert connection.execute(f"SELECT remark FROM {table}").fetchall() == [("changed",)]
        shown = connection.execute(f"EXPLAIN SELECT k FROM {table} AS OF SYSTEM TIME {between} WHERE k = 10").fetchall()
        assert f"{table}_k" not in str(shown)


def test_a_transaction_reads_one_moment(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'a')")
    with cluster.connect(1) as connection, cluster.connect(2) as writer:
        then = moment(connection)
        writer.execute(f"UPDATE {table} SET k = 2")
        for begin in (f"BEGIN AS OF SYSTEM TIME {then}", f"BEGIN; SET TRANSACTION AS OF SYSTEM TIME '{then}'"):
            for part in begin.split("; "):
                connection.execute(part)
            assert connection.execute(f"SELECT k FROM {table}").fetchall() == [(1,)]
            writer.execute(f"UPDATE {table} SET k = k + 1")
            writer.execute(f"ALTER TABLE {table} RENAME COLUMN k TO n")
            # No change of the schema waits for it, and it goes on with its own.
            assert connection.execute(f"SELECT k FROM {table}").fetchall() == [(1,)]
            for statement in (f"UPDATE {table} SET k = 9", f"SELECT * FROM {table} FOR UPDATE", f"DROP TABLE {table}"):
                connection.execute("SAVEPOINT s")
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    connection.execute(statement)
                connection.execute("ROLLBACK TO s")
            with pytest.raises(psycopg.errors.ActiveSqlTransaction):
                connection.execute("SET TRANSACTION READ WRITE")
            connection.execute("ROLLBACK")
            writer.execute(f"ALTER TABLE {table} RENAME COLUMN n TO k")
        assert connection.execute(f"SELECT k FROM {table}").fetchall() == [(4,)]


def test_what_was_dropped_since_can_be_read(cluster):
    with cluster.connect(1) as connection, cluster.connect(2) as other:
        connection.execute("CREATE TABLE gone (id int8 PRIMARY KEY, k int8, v text)")
        connection.execute("INSERT INTO gone VALUES (1, 2, 'a'), (3, 4, 'b')")
        connection.execute("CREATE INDEX gone_k ON gone (k)")
        then = moment(connection)
        for change in ("DROP INDEX gone_k", "ALTER TABLE gone DROP COLUMN v", "ALTER TABLE gone ALTER k TYPE text",
                       "TRUNCATE gone", "DROP TABLE gone", "CREATE TABLE gone (other int8 PRIMARY KEY)"):
            connection.execute(change)
            for session in (connection, other):
                past = session.execute(f"SELECT * FROM gone AS OF SYSTEM TIME {then} WHERE k > 3")
                assert past.fetchall() == [(3, 4, "b")], change
        connection.execute("DROP TABLE gone")


def test_intervals_and_times_of_day(cluster, table):
    with cluster.connect(1) as connection:
        connection.execute(f"INSERT INTO {table} VALUES (1, 1, 'a')")
        # Just after the insert, on the oracle's clock: it may be some milliseconds ahead of the gateway's.
        milliseconds = int(moment(connection)) // 1_000_000 + 1
        begun = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute(f"SELECT * FROM {table} AS OF SYSTEM TIME '-1h'")
        # The moment has passed once the oracle has issued a later timestamp.
        while moment(connection) < milliseconds * 1_000_000:
            pass
        connection.execute(f"UPDATE {table} SET k = 2")
        assert connection.execute(
            f"SELECT k FROM {table} AS OF SYSTEM TIME '{begun.isoformat()}'").fetchall() == [(1,)]
        assert connection.execute(f"SELECT k FROM {table} AS OF SYSTEM TIME '-0.0s'").fetchall() == [(2,)]


@pytest.mark.parametrize("clause, state", [
    ("AS OF SYSTEM TIME '+1h'", "22023"), ("AS OF SYSTEM TIME 'soon'", "22023"),
    ("AS OF SYSTEM TIME '2999-01-01'", "22023"), ("AS OF SYSTEM TIME 99999999999999999999999", "22023"),
    ("AS OF SYSTEM TIME", "42601"), ("AS OF SYSTEM TIME now()", "42601"), ("AS OF SYSTEM TIME 1 AS OF SYSTEM TIME 1", "42601"),
    ("WHERE id = (SELECT 1 AS OF SYSTEM TIME 1)", "42601"), ("AS OF SYSTEM TIME '-1h'", "42P01")])
def test_what_is_no_moment_is_refused(cluster, table, clause, state):
    with cluster.connect(1) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"SELECT * FROM {table} {clause}")
        assert caught.value.sqlstate == state, caught.value
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_where_it_does_not_belong_it_is_refused(cluster, table):
    with cluster.connect(1) as connection:
        for statement, state in ((f"DELETE FROM {table} AS OF SYSTEM TIME '-1s'", "42601"),
                                 (f"CREATE INDEX ON {table} (k) AS OF SYSTEM TIME '-1s'", "42601")):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            assert caught.value.sqlstate == state, caught.value
        connection.execute("BEGIN")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute("SELECT 1 AS OF SYSTEM TIME '-1s'")
        connection.execute("ROLLBACK")


def test_psql_and_several_statements_in_one_message(cluster, table):
    host, port = cluster.address()
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'é')")
    done = subprocess.run(
        ["psql", "-X", "-At", "-h", host, "-p", str(port), "-U", "root", "defaultdb", "-c",
         "SELECT 'é as of'", "-c", f"BEGIN AS OF SYSTEM TIME '-0s'; SELECT v FROM {table}; COMMIT; SELECT 2"],
        capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["é as of", "BEGIN", "é", "COMMIT", "2"], done.stderr


def test_the_sum_of_every_past_moment_is_right(cluster, table):
    """Money moves all the time, and the schema changes under it; every moment that is read has all of it."""
    cluster.execute(f"INSERT INTO {table} VALUES " + ", ".join(f"({n}, 100, 'x')" for n in range(10)))
    over = threading.Event()

    def move():
        with cluster.connect(2) as connection:
            number = 0
            while not over.is_set():
                number += 1
                try:
                    with connection.transaction():
                        connection.execute(f"UPDATE {table} SET k = k - 1 WHERE id = {number % 10}")
                        connection.execute(f"UPDATE {table} SET k = k + 1 WHERE id = {(number + 3) % 10}")
                except psycopg.errors.SerializationFailure:
                    pass

    mover = threading.Thread(target=move)
    mover.start()
    try:
        with cluster.connect(1) as connection:
            moments = []
            for number in range(8):
                connection.execute(f"ALTER TABLE {table} ADD COLUMN c{number} int8 DEFAULT {number}")
                connection.execute(f"CREATE INDEX {table}_{number} ON {table} (k, c{number})")
                moments.append((moment(connection), number))
            for then, number in moments:
                row = connection.execute(
                    f"SELECT sum(k), count(*), sum(c{number}) FROM {table} AS OF SYSTEM TIME {then}").fetchone()
                assert row == (1_000, 10, 10 * number)
                if number < 7:
                    with pytest.raises(psycopg.errors.UndefinedColumn):
                        connection.execute(f"SELECT c{number + 1} FROM {table} AS OF SYSTEM TIME {then}")
    finally:
        over.set()
        mover.join()
