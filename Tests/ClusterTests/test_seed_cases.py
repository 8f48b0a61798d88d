"""Schema changes that other databases have answered wrongly, one test each."""

import itertools
import socket
import struct
import threading

import psycopg
import pytest

from cluster import wait_until
from traffic import RETRYABLE


class RudeClient:
    """Sends a statement and is gone before the answer."""

    def __init__(self, cluster, statement, gateway):
        self.socket = socket.create_connection(cluster.address(gateway), timeout=10)
        start = b"\0\3\0\0user\0root\0database\0defaultdb\0\0"
        self.socket.sendall(struct.pack("!i", len(start) + 4) + start)
        received = b""
        while not received.endswith(b"Z\0\0\0\5I"):
            received += self.socket.recv(4096)
        query = statement.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)

    def vanish(self):
        self.socket.close()


def test_drop_and_immediately_recreate_a_table_of_the_same_name(cluster):
    with cluster.connect(1, prepare_threshold=None) as one, cluster.connect(2, prepare_threshold=None) as two:
        for number, connection in zip(range(20), itertools.cycle([one, two])):
            connection.execute(f"CREATE TABLE phoenix (id int8 PRIMARY KEY, k int8, c{number} text)")
            connection.execute("CREATE INDEX phoenix_k ON phoenix (k)")
            connection.execute("INSERT INTO phoenix (id, k) SELECT n, n FROM generate_series(1, 10) AS s(n)")
            for session in (one, two):
                assert session.execute("SELECT count(*), max(k) FROM phoenix WHERE k > 0").fetchone() == (10, 10)
                assert [d.name for d in session.execute("SELECT * FROM phoenix LIMIT 0").description] == [
                    "id", "k", f"c{number}"]
            connection.execute("DROP TABLE phoenix")


def test_drop_and_recreate_after_the_client_that_dropped_it_vanished(cluster):
    for number in range(3):
        name = f"orphan_{number}"
        cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, old int8)")
        cluster.execute(f"INSERT INTO {name} VALUES (1, 1)")
        with cluster.connect(1) as reader:
            # So that the drop takes a while: it waits for this transaction, for a bounded time.
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute(f"SELECT * FROM {name}")
            client = RudeClient(cluster, f"DROP TABLE {name}", gateway=1 + number % 2)
            wait_until(lambda: f"DROP TABLE {name}" in str(cluster.jobs()), 10, what="the job")
            client.vanish()

            def recreated():
                try:
                    return cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, new int8)", gateway=2 - number % 2)
                except psycopg.errors.DuplicateTable:
                    return None

            wait_until(recreated, 20, what="the name to be free")
            for gateway in (1, 2):
                assert cluster.execute(f"SELECT id, new FROM {name}", gateway=gateway) == []
        cluster.execute(f"DROP TABLE {name}")
        wait_until(lambda: all(job["state"] == "succeeded" for job in cluster.jobs() if name in job["statement"]), 20)


def test_a_column_that_is_added_back_after_a_drop_sees_no_old_values(cluster, table):
    cluster.fill(table, 1_000)
    for kind, default, expected in (("text", "", None), ("int8", "", None), ("text", " DEFAULT 'new'", "new")):
        cluster.execute(f"ALTER TABLE {table} DROP COLUMN v")
        cluster.execute(f"ALTER TABLE {table} ADD COLUMN v {kind}{default}", gateway=2)
        for gateway in (1, 2):
            assert cluster.execute(f"SELECT DISTINCT v FROM {table}", gateway=gateway) == [(expected,)]
        cluster.execute(f"CREATE INDEX {table}_v ON {table} (v)")
        cluster.check_table(table, indexes=[f"{table}_v"])


def test_changes_in_quick_succession_without_waiting_for_agreement(cluster, table):
    """Two clients change the schema as fast as they can, from both gateways, while two write rows with whatever columns there are."""
    over = threading.Event()
    failures, acknowledged = [], []

    def change(gateway):
        with cluster.connect(gateway) as connection:
            for number in range(12):
                name = f"c{gateway}_{number}"
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} int8 DEFAULT {number}")
                connection.execute(f"CREATE INDEX {table}_{name} ON {table} (k)")
                if number % 3 == 2:
                    connection.execute(f"DROP INDEX {table}_c{gateway}_{number - 1}")
                    connection.execute(f"ALTER TABLE {table} RENAME COLUMN c{gateway}_{number - 2} TO d{gateway}_{number}")

    def guarded(body, *arguments):
        try:
            body(*arguments)
        except BaseException as error:
            failures.append(error)

    def write(gateway):
        with cluster.connect(gateway) as connection:
            for number in itertools.count(gateway, 2):
                if over.is_set():
                    return
                try:
                    connection.execute(f"INSERT INTO {table} (id, k, v) VALUES ({number}, {number % 50}, 'x')")
                    acknowledged.append(number)
                    if number % 3 == 0:
                        connection.execute(f"UPDATE {table} SET k = k + 1 WHERE id = {number}")
                except psycopg.Error as error:
                    if error.sqlstate not in RETRYABLE:
                        raise

    writers = [threading.Thread(target=guarded, args=(write, gateway)) for gateway in (1, 2)]
    changers = [threading.Thread(target=guarded, args=(change, gateway)) for gateway in (1, 2)]
    for thread in writers + changers:
        thread.start()
    for thread in changers:
        thread.join()
    over.set()
    for thread in writers:
        thread.join()
    assert not failures, failures[0]
    mine = [job for job in cluster.jobs() if table in job["statement"] and "CREATE TABLE" not in job["statement"]]
    assert len(mine) == 2 * (12 + 12 + 4 + 4) and {job["state"] for job in mine} == {"succeeded"}, mine
    columns = {row[0] for row in cluster.execute(
        f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")}
    assert columns == {"id", "k", "v"} | {
        f"d{gateway}_{number + 2}" if number % 3 == 0 else f"c{gateway}_{number}" for gateway in (1, 2) for number in range(12)}
    cluster.check_table(table, indexes=[f"{table}_c1_0", f"{table}_c2_11"])
    assert cluster.execute(f"SELECT count(*), sum(c1_1), sum(d2_5) FROM {table}")[0] == (
        len(acknowledged), len(acknowledged), 3 * len(acknowledged))


@pytest.mark.parametrize("change, refused", [
    ("ADD COLUMN late int8 DEFAULT 7", False), ("RENAME COLUMN v TO remark", False), ("ADD CHECK (k < 1000)", None),
    ("DROP COLUMN v", None), ("ALTER COLUMN k TYPE text", True)])
def test_a_transaction_that_spans_a_change(cluster, table, change, refused):
    """It commits with what it wrote, or is refused as a whole (40001); `refused`: which, where it does not depend on the time."""
    cluster.execute(f"CREATE INDEX {table}_k ON {table} (k)")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {table} (id, k, v) VALUES (1, 10, 'a'), (2, 20, 'b')")
        cluster.execute(f"ALTER TABLE {table} {change}", gateway=2)
        try:
            connection.execute(f"UPDATE {table} SET k = '11' WHERE id = 1")
            connection.execute("COMMIT")
            was_refused = False
        except psycopg.errors.SerializationFailure as error:
            assert table in str(error)
            was_refused = True
            connection.execute("ROLLBACK")
    assert refused in (None, was_refused)
    rows = [(int(row[0]), int(row[1])) for row in cluster.execute(f"SELECT id, k FROM {table} ORDER BY id")]
    assert rows == ([] if was_refused else [(1, 11), (2, 20)])
    cluster.check_table(table, indexes=[f"{table}_k"])


def test_an_index_is_dropped_while_old_transactions_still_read_it(cluster, table):
    cluster.fill(table, 2_000)
    cluster.execute(f"CREATE INDEX {table}_k ON {table} (k)")
    query = f"SELECT id FROM {table} WHERE k BETWEEN 7919 AND 79190 ORDER BY k"
    with cluster.connect(1) as reader, cluster.connect(2) as writer:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        before = reader.execute(query).fetchall()
        assert f"{table}_k" in str(reader.execute(f"EXPLAIN {query}").fetchall())
        writer.execute(f"DROP INDEX {table}_k")
        writer.execute(f"UPDATE {table} SET k = k + 100000 WHERE id <= 10")
        writer.execute(f"DELETE FROM {table} WHERE id BETWEEN 5 AND 8")
        # The same rows, from the same index, however late.
        assert reader.execute(query).fetchall() == before and len(before) > 10
        assert f"{table}_k" in str(reader.execute(f"EXPLAIN {query}").fetchall())
        reader.execute("COMMIT")
        assert reader.execute(query).fetchall() == writer.execute(query).fetchall() != before
