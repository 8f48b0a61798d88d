"""psql, pgbench, psycopg and asyncpg work unchanged, in text and in binary."""

import asyncio
import datetime
import decimal
import select
import threading
import time
import uuid

import asyncpg
import psycopg
import pytest

from cluster import run

TYPES = {
    "b": ("bool", True),
    "i2": ("int2", -32768),
    "i4": ("int4", 2147483647),
    "i8": ("int8", -9223372036854775808),
    "f8": ("float8", 0.1),
    "n": ("numeric(20,4)", decimal.Decimal("-123456789.1234")),
    "t": ("text", "schiff – 船 'quoted' \\ and\nlines"),
    "vc": ("varchar(20)", "twenty at most"),
    "by": ("bytea", b"\x00\x01\xff"),
    "u": ("uuid", uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")),
    "d": ("date", datetime.date(1999, 12, 31)),
    "ts": ("timestamp", datetime.datetime(2024, 2, 29, 23, 59, 59, 123456)),
    "tz": ("timestamptz", datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=datetime.timezone.utc)),
}


@pytest.fixture(scope="module")
def every_type(cluster):
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in TYPES.items())
    cluster.execute(f"CREATE TABLE every_type (id int8 PRIMARY KEY, {columns})")
    return "every_type"


def psql(cluster, *arguments, check=True, gateway=1):
    host, port = cluster.address(gateway)
    return run("psql", "-X", "-h", host, "-p", port, "-U", "root", "defaultdb", "-v", "ON_ERROR_STOP=1", *arguments, check=check)


def test_psql_runs_scripts_and_shows_results(cluster):
    script = """
    CREATE TABLE crew (id int8 PRIMARY KEY, name text NOT NULL, rank int4);
    INSERT INTO crew VALUES (1, 'Jason', 1), (2, 'Orpheus', NULL), (3, 'Atalanta', 2);
    UPDATE crew SET rank = 3 WHERE name = 'Orpheus';
    DELETE FROM crew WHERE id = 1;
    """
    psql(cluster, "-c", script)
    shown = psql(cluster, "-At", "-c", "SELECT id, name, rank FROM crew ORDER BY id", gateway=2).stdout
    assert shown.splitlines() == ["2|Orpheus|3", "3|Atalanta|2"]
    psql(cluster, "-c", "DROP TABLE crew")


def test_psql_sees_errors_with_sqlstate_and_goes_on(cluster):
    host, port = cluster.address()
    script = "\\set VERBOSITY verbose\nSELEC 1;\nSELECT nothing;\nSELECT * FROM nowhere;\nSELECT 6 * 7;\n"
    done = run("psql", "-X", "-At", "-h", host, "-p", port, "-U", "root", "defaultdb", input=script, check=False)
    assert "42601" in done.stderr and "42703" in done.stderr and "42P01" in done.stderr
    assert done.stdout.splitlines() == ["42"]


def test_several_statements_in_one_query_are_one_transaction(cluster, table):
    with cluster.connect() as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(f"INSERT INTO {table} VALUES (1, 1, 'a'); INSERT INTO {table} VALUES (1, 1, 'b')")
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_psycopg_round_trips_every_type(cluster, every_type, binary):
    number = 100 + binary
    placeholders = ", ".join(["%b" if binary else "%t"] * (len(TYPES) + 1))
    names = ", ".join(TYPES)
    with cluster.connect() as connection, connection.cursor(binary=binary) as cursor:
        values = [value for _, value in TYPES.values()]
        cursor.execute(f"INSERT INTO {every_type} (id, {names}) VALUES ({placeholders})", [number, *values])
        found = cursor.execute(f"SELECT {names} FROM {every_type} WHERE id = {number}").fetchone()
        assert list(found) == values
        cursor.execute(f"INSERT INTO {every_type} (id) VALUES ({number + 10})")
        found = cursor.execute(f"SELECT {names} FROM {every_type} WHERE id = {number + 10}").fetchone()
        assert list(found) == [None] * len(TYPES)


def test_psycopg_prepared_statements_and_transactions(cluster, table):
    with cluster.connect(autocommit=False) as connection:
        for number in range(20):
            connection.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)", (number, number * 2, "x"), prepare=True)
        connection.rollback()
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        with connection.transaction():
            for number in range(20):
                connection.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)", (number, number * 2, "x"), prepare=True)
        connection.commit()
    assert cluster.execute(f"SELECT sum(k), count(*) FROM {table}", gateway=2) == [(380, 20)]


def test_an_error_inside_a_transaction_block_needs_a_rollback(cluster, table):
    with cluster.connect(autocommit=False) as connection:
        connection.execute(f"INSERT INTO {table} VALUES (1, 1, 'a')")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute(f"SELECT missing FROM {table}")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_asyncpg_round_trips_every_type_in_binary(cluster, every_type):
    async def work():
        host, port = cluster.address(2)
        connection = await asyncpg.connect(host=host, port=port, user="root", database="defaultdb")
        try:
            names = ", ".join(TYPES)
            placeholders = ", ".join(f"${number}" for number in range(1, len(TYPES) + 2))
            values = [value for _, value in TYPES.values()]
            await connection.execute(
                f"INSERT INTO {every_type} (id, {names}) VALUES ({placeholders})", 200, *values)
            found = await connection.fetchrow(f"SELECT {names} FROM {every_type} WHERE id = $1", 200)
            assert list(found.values()) == values
            async with connection.transaction():
                changed = await connection.execute(f"UPDATE {every_type} SET i4 = $1 WHERE id = $2", 7, 200)
                assert changed == "UPDATE 1"
            assert await connection.fetchval(f"SELECT i4 FROM {every_type} WHERE id = 200") == 7
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute(f"INSERT INTO {every_type} (id) VALUES ($1)", 200)
            assert await connection.fetchval("SELECT 1") == 1
        finally:
            await connection.close()

    asyncio.run(work())


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_with_a_script_of_point_reads_and_updates(cluster, table, mode, tmp_path):
    cluster.fill(table, 1000)
    script = tmp_path / "script.sql"
    script.write_text(
        f"\\set id random(1, 1000)\nSELECT v FROM {table} WHERE id = :id;\n"
        f"UPDATE {table} SET k = k + 1 WHERE id = :id;\n")
    host, port = cluster.address()
    done = run(
        "pgbench", "-n", "-M", mode, "-f", script, "-c", 4, "-j", 2, "-t", 50, "-h", host, "-p", port, "-U", "root",
        "defaultdb")
    assert "number of failed transactions: 0" in done.stdout
    assert "number of transactions actually processed: 200/200" in done.stdout


def test_queries_a_user_expects(cluster):
    with cluster.connect() as connection:
        connection.execute("CREATE TABLE ports (id int8 PRIMARY KEY, name text UNIQUE, sea text)")
        connection.execute("CREATE TABLE calls (id int8 PRIMARY KEY, port int8 NOT NULL, tons numeric(10,2))")
        connection.execute("CREATE INDEX calls_port ON calls (port)")
        connection.execute("INSERT INTO ports VALUES (1, 'Iolkos', 'Aegean'), (2, 'Kolchis', 'Black'), (3, 'Pylos', NULL)")
        connection.execute("INSERT INTO calls VALUES (1, 1, 10.5), (2, 1, 4.5), (3, 2, 7), (4, 2, NULL)")

        def rows(statement):
            return connection.execute(statement).fetchall()

        assert rows(
            "SELECT p.name, count(c.id), sum(c.tons) FROM ports p LEFT JOIN calls c ON c.port = p.id "
            "GROUP BY p.name ORDER BY p.name"
        ) == [("Iolkos", 2, decimal.Decimal("15.00")), ("Kolchis", 2, decimal.Decimal("7.00")), ("Pylos", 0, None)]
        assert rows("SELECT DISTINCT port FROM calls ORDER BY port DESC LIMIT 1") == [(2,)]
        assert rows("SELECT name FROM ports WHERE sea IS NULL OR sea LIKE 'B%' ORDER BY 1 OFFSET 1") == [("Pylos",)]
        assert rows("SELECT upper(name) || '!' FROM ports WHERE id IN (1, 3) ORDER BY id") == [("IOLKOS!",), ("PYLOS!",)]
        assert rows(
            "SELECT port, avg(tons), min(tons), max(tons) FROM calls GROUP BY port HAVING count(tons) > 1"
        )[0][0] == 1
        plan = "\n".join(row[0] for row in rows("EXPLAIN SELECT id FROM calls WHERE port = 2"))
        assert "calls_port" in plan
        inserted = rows(
            "INSERT INTO ports VALUES (1, 'Iolkos', 'x'), (4, 'Lemnos', 'Aegean') ON CONFLICT DO NOTHING RETURNING id, name")
        assert inserted == [(4, "Lemnos")]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO ports VALUES (9, 'Pylos', NULL)")
        for table in ("calls", "ports"):
            connection.execute(f"DROP TABLE {table}")


def test_who_skips_rows_that_are_there_never_meets_one(cluster, table):
    """Two gateways, one key: whoever comes second finds the row only when it commits."""
    errors, added = [], []

    def insert(gateway):
        with cluster.connect(gateway) as connection:
            for row in range(150):
                try:
                    done = connection.execute(
                        f"INSERT INTO {table} VALUES ({row}, 0, 'x'), ({row + 1000}, 0, 'x') ON CONFLICT DO NOTHING")
                    added.append(done.rowcount)
                except psycopg.Error as error:
                    errors.append(str(error))

    threads = [threading.Thread(target=insert, args=(gateway,)) for gateway in (1, 2, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and sum(added) == 300
    # A key of another index than the one named is an error all the same.
    cluster.execute(f"DELETE FROM {table}")
    cluster.execute(f"CREATE UNIQUE INDEX {table}_v ON {table} (v)")
    cluster.execute(f"INSERT INTO {table} VALUES (1, 0, 'one')")
    with cluster.connect(2) as connection:
        assert connection.execute(f"INSERT INTO {table} VALUES (1, 0, 'new') ON CONFLICT (id) DO NOTHING").rowcount == 0
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(f"INSERT INTO {table} VALUES (2, 0, 'one') ON CONFLICT (id) DO NOTHING")


def test_what_is_not_built_says_so(cluster):
    with cluster.connect() as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute("CREATE TABLE with_parts (id int8 PRIMARY KEY) PARTITION BY RANGE (id)")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("ends", ["ROLLBACK", "COMMIT", "nothing: it is a statement alone"])
@pytest.mark.parametrize("by", ["timeout", "request"])
def test_a_cancelled_wait_for_a_row_leaves_no_lock(cluster, table, ends, by):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1)")
    with cluster.connect(1, autocommit=False) as holder, cluster.connect(2) as waiter:
        holder.execute(f"UPDATE {table} SET k = 2 WHERE id = 1")
        if ends in ("ROLLBACK", "COMMIT"):
            waiter.execute("BEGIN")
        if by == "timeout":
            waiter.execute("SET statement_timeout = '300ms'")
        else:
            threading.Timer(0.3, waiter.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiter.execute(f"UPDATE {table} SET k = 3 WHERE id = 1")
        if ends in ("ROLLBACK", "COMMIT"):
            waiter.execute(ends)
        # The request that waits at the range gets the row now, and nobody wants it any more.
        holder.commit()
        with cluster.connect(1) as other:
            other.execute("SET statement_timeout = '10s'")
            other.execute(f"UPDATE {table} SET k = k + 10 WHERE id = 1")
        assert waiter.execute(f"SELECT k FROM {table}").fetchall() == [(12,)]


def test_a_wait_for_a_row_ends_with_the_lock_timeout(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1)")
    with cluster.connect(1, autocommit=False) as holder, cluster.connect(2) as waiter:
        holder.execute(f"UPDATE {table} SET k = 2 WHERE id = 1")
        # The shorter of the two says why.
        waiter.execute("SET lock_timeout = '200ms'; SET statement_timeout = '60s'")
        with pytest.raises(psycopg.errors.LockNotAvailable, match="lock timeout"):
            waiter.execute(f"UPDATE {table} SET k = 3 WHERE id = 1")
        with pytest.raises(psycopg.errors.LockNotAvailable, match="lock timeout"):
            waiter.execute(f"SELECT * FROM {table} WHERE id = 1 FOR UPDATE")
        waiter.execute("SET lock_timeout = '60s'; SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            waiter.execute(f"UPDATE {table} SET k = 3 WHERE id = 1")
        holder.rollback()
        waiter.execute(f"UPDATE {table} SET k = 4 WHERE id = 1")
        assert waiter.execute(f"SELECT k FROM {table}").fetchall() == [(4,)]


def test_an_idle_session_is_ended_when_it_asks_for_that(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1)")
    with cluster.connect(1) as idle, cluster.connect(2) as other:
        # In a transaction: what it holds is free again.
        idle.execute("SET idle_in_transaction_session_timeout = '200ms'")
        idle.execute(f"BEGIN; UPDATE {table} SET k = 2 WHERE id = 1")
        other.execute("SET statement_timeout = '30s'")
        other.execute(f"UPDATE {table} SET k = k + 10 WHERE id = 1")
        assert other.execute(f"SELECT k FROM {table}").fetchall() == [(11,)]
        with pytest.raises(psycopg.OperationalError, match="idle-in-transaction timeout"):
            idle.execute("SELECT 1")
    with cluster.connect(1) as idle:
        idle.execute("SET idle_session_timeout = '200ms'")
        query = f"SELECT k FROM {table} WHERE id = %s"
        idle.execute(query, [1], prepare=True)
        # psycopg does not read while it has nothing to ask: the end of the connection makes its socket readable.
        assert select.select([idle.fileno()], [], [], 30)[0]
        with pytest.raises(psycopg.OperationalError, match="idle-session timeout"):
            idle.execute(query, [1])


def test_prepared_point_reads_see_writes_and_schema_changes(cluster, table):
    """Point reads of prepared statements go a way of their own through the gateway: it must lead to the same answers."""
    with cluster.connect() as writer, cluster.connect(gateway=2) as reader:
        writer.execute(f"INSERT INTO {table} VALUES (1, 10, 'one'), (2, 20, NULL)")
        query = f"SELECT v, k FROM {table} WHERE id = %s"
        with reader.cursor(binary=True) as binary, reader.cursor() as text:
            for cursor in (binary, text):
                cursor.execute(query, [1], prepare=True)
                for number in range(20):
                    writer.execute(f"UPDATE {table} SET v = %s WHERE id = 1", [f"v{number}"])
                    assert cursor.execute(query, [1]).fetchall() == [(f"v{number}", 10)]
                assert cursor.execute(query, [2]).fetchall() == [(None, 20)]
                assert cursor.execute(query, [3]).fetchall() == []
                assert cursor.execute(query, [None]).fetchall() == []
        writer.execute(f"ALTER TABLE {table} ADD COLUMN extra int8 DEFAULT 7")
        assert reader.execute(query, [1]).fetchall() == [("v19", 10)]
        writer.execute(f"ALTER TABLE {table} RENAME COLUMN v TO w")
        # Whether the parameter is bound or the statement planned again: the column's old name is gone.
        with pytest.raises(psycopg.Error) as caught:
            reader.execute(query, [1])
        assert caught.value.sqlstate in ("42703", "0A000")
        writer.execute(f"ALTER TABLE {table} RENAME COLUMN w TO v")
        assert reader.execute(query, [1]).fetchall() == [("v19", 10)]


def test_prepared_point_reads_in_a_pipeline_and_in_a_transaction(cluster, table):
    with cluster.connect() as connection, cluster.connect(gateway=2) as other:
        connection.execute(f"INSERT INTO {table} VALUES " + ", ".join(f"({n}, {n}, 'v{n}')" for n in range(50)))
        query = f"SELECT v FROM {table} WHERE id = %s"
        connection.execute(query, [0], prepare=True)
        with connection.pipeline() as pipeline:
            cursors = [connection.execute(query, [n]) for n in range(50)]
            pipeline.sync()
            late = [connection.execute(query, [n]) for n in range(50)]
            pipeline.sync()
            assert [c.fetchone() for c in cursors + late] == 2 * [(f"v{n}",) for n in range(50)]
        with connection.transaction():
            connection.execute(f"UPDATE {table} SET v = 'mine' WHERE id = 5")
            assert connection.execute(query, [5]).fetchone() == ("mine",)
            assert other.execute(query, [5]).fetchone() == ("v5",)
        assert other.execute(query, [5]).fetchone() == ("mine",)
        other.execute("SET statement_timeout = '30s'")
        assert other.execute(query, [5]).fetchone() == ("mine",)


def test_a_point_read_without_a_reachable_range_can_be_cancelled(fresh_cluster):
    fresh_cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, v text)")
    fresh_cluster.execute("INSERT INTO t VALUES (1, 'one')")
    query = "SELECT v FROM t WHERE id = %s"
    with fresh_cluster.connect() as connection:
        for _ in range(3):
            assert connection.execute(query, [1], prepare=True).fetchone() == ("one",)
        nodes = [node["name"] for node in fresh_cluster.members("storage")]
        for node in nodes:
            fresh_cluster.local("pause", node)
        try:
            timer = threading.Timer(1, connection.cancel)
            timer.start()
            began = time.monotonic()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(query, [1])
            assert time.monotonic() - began < 10
            timer.join()
        finally:
            for node in nodes:
                fresh_cluster.local("resume", node)
        assert connection.execute(query, [1]).fetchone() == ("one",)
